// RUN: thunder-compile %s --grad -o %t.thb
// RUN: thunder-run %t.thb --input random:1 --input random:2 | FileCheck %s
// RUN: thunder-compile %s --grad=vjp --wrt=1 --compile-to=traced | FileCheck %s --check-prefix=VJP
// RUN: not thunder-compile %s --grad --wrt=2 -o %t.thb 2>&1 | FileCheck %s --check-prefix=BAD

// CHECK: output0: f32[]
// CHECK: grad.0: f32[2, 3]
// CHECK: grad.1: f32[3]

// VJP: func.func @main_vjp(%{{.*}}: tensor<2x3xf32>, %{{.*}}: tensor<3xf32>, %{{.*}}: tensor<f32>)
// VJP-SAME: -> (tensor<f32>, tensor<3xf32> {thunder.name = "grad.1"})

// BAD: compile_grad.mlir:[[# @LINE + 1]]:1: 'func.func' op has 2 arguments, and so no argument #2 to differentiate by
func.func @main(%x: tensor<2x3xf32>, %w: tensor<3xf32>) -> tensor<f32> {
  %y = thunder.layer_norm %x weight(%w) : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  %z = thunder.mul %y, %y : tensor<2x3xf32>
  %l = thunder.sum %z axes = [0, 1] : tensor<2x3xf32> -> tensor<f32>
  return %l : tensor<f32>
}
