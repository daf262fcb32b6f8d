// What is made of weights alone is made when a program starts, from a file as in memory; users know the weights only.

// RUN: thunder-compile %s -o %t.thb
// RUN: thunder-run %s --input random:1 --weights random:2 --output %t.safetensors > %t.out
// RUN: thunder-run %t.thb --input random:1 --weights random:2 --expect %t.safetensors | FileCheck %s
// RUN: thunder-opt %s --thunder-split-setup | thunder-compile - -o %t.twice.thb
// RUN: thunder-run %t.twice.thb --input random:1 --weights random:2 --expect %t.safetensors | FileCheck %s
// RUN: thunder-compile %s --entry together -o %t.together.thb
// RUN: thunder-run %t.together.thb --input random:1 --weights random:2 --expect %t.safetensors | FileCheck %s
// RUN: not thunder-run %t.thb --input random:1 2>&1 | FileCheck %s --check-prefix=MISSING
// RUN: thunder-compile %s --compile-to=planned | FileCheck %s --check-prefix=PLANNED

// CHECK: y: f32[2, 8]
// MISSING: error: missing weights: w, scale, b{{$}}
// PLANNED-LABEL: func.func @main(
// PLANNED: thunder.matmul %arg0, %arg2
// PLANNED-LABEL: func.func private @main_setup(
// PLANNED: call @kernel_
func.func @main(%x: tensor<2x8xf32>, %w: tensor<8x8xf32> {thunder.parameter = "w"},
    %scale: tensor<8x8xf32> {thunder.parameter = "scale"}, %b: tensor<2x8xf32> {thunder.parameter = "b"})
    -> (tensor<2x8xf32> {thunder.name = "y"}) {
  %s = thunder.mul %w, %scale : tensor<8x8xf32>
  %h = thunder.matmul %x, %s : (tensor<2x8xf32>, tensor<8x8xf32>) -> tensor<2x8xf32>
  %y = thunder.add %h, %b : tensor<2x8xf32>
  return %y : tensor<2x8xf32>
}

// The same without anything to make once, since an input takes part in it.
func.func @together(%x: tensor<2x8xf32>, %w: tensor<8x8xf32> {thunder.parameter = "w"},
    %scale: tensor<8x8xf32> {thunder.parameter = "scale"}, %b: tensor<2x8xf32> {thunder.parameter = "b"})
    -> (tensor<2x8xf32> {thunder.name = "y"}) {
  %xs = thunder.slice %x start = [0, 0] limit = [1, 1] stride = [1, 1] : tensor<2x8xf32> -> tensor<1x1xf32>
  %one = thunder.broadcast_in_dim %xs, [] dims = [0, 1] : tensor<1x1xf32> -> tensor<8x8xf32>
  %d = thunder.sub %one, %one : tensor<8x8xf32>
  %wd = thunder.add %w, %d : tensor<8x8xf32>
  %s = thunder.mul %wd, %scale : tensor<8x8xf32>
  %h = thunder.matmul %x, %s : (tensor<2x8xf32>, tensor<8x8xf32>) -> tensor<2x8xf32>
  %y = thunder.add %h, %b : tensor<2x8xf32>
  return %y : tensor<2x8xf32>
}
