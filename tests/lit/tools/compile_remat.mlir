// RUN: thunder-compile %s --grad --remat --compile-to=planned 2>&1 | FileCheck %s
// RUN: thunder-compile %s --grad --compile-to=planned | FileCheck %s --check-prefix=PLAIN
// RUN: thunder-compile %s --grad --remat=4096 -o %t.thb
// RUN: thunder-run %t.thb --input random:1 --input random:2 | FileCheck %s --check-prefix=OUT
// RUN: not thunder-compile %s --grad --remat=half -o %t.thb 2>&1 | FileCheck %s --check-prefix=BAD

// CHECK: exec.barrier
// PLAIN-NOT: exec.barrier
// OUT: grad.0: f32[16, 32]
// BAD: neither a percentage, such as 15%, nor a number of bytes
func.func @main(%x: tensor<16x32xf32>, %w: tensor<32x32xf32>) -> tensor<f32> {
  %h = thunder.matmul %x, %w : (tensor<16x32xf32>, tensor<32x32xf32>) -> tensor<16x32xf32>
  %y = thunder.gelu %h : tensor<16x32xf32>
  %z = thunder.matmul %y, %w : (tensor<16x32xf32>, tensor<32x32xf32>) -> tensor<16x32xf32>
  %s = thunder.mul %z, %z : tensor<16x32xf32>
  %l = thunder.sum %s axes = [0, 1] : tensor<16x32xf32> -> tensor<f32>
  return %l : tensor<f32>
}
