// RUN: thunder-compile %s --grad --autocast bf16 --compile-to=traced | FileCheck %s
// RUN: thunder-compile %s --grad --autocast f16 -o %t.thb
// RUN: thunder-run %t.thb --input random:1 --input random:2 | FileCheck %s --check-prefix=OUT
// RUN: not thunder-compile %s --autocast i8 -o %t.thb 2>&1 | FileCheck %s --check-prefix=BAD

// Gradients have the dtype of what they are the gradients of.
// CHECK: func.func @main_value_and_grad(
// CHECK-SAME: -> (tensor<f32>, tensor<16x32xf32> {thunder.name = "grad.0"}, tensor<32x32xf32> {thunder.name = "grad.1"})
// CHECK-COUNT-3: thunder.matmul {{.*}}xbf16>
// OUT: grad.0: f32[16, 32]
// BAD: invalid value 'i8' for '--autocast <DTYPE>'
func.func @main(%x: tensor<16x32xf32>, %w: tensor<32x32xf32>) -> tensor<f32> {
  %h = thunder.matmul %x, %w : (tensor<16x32xf32>, tensor<32x32xf32>) -> tensor<16x32xf32>
  %s = thunder.mul %h, %h : tensor<16x32xf32>
  %l = thunder.sum %s axes = [0, 1] : tensor<16x32xf32> -> tensor<f32>
  return %l : tensor<f32>
}
