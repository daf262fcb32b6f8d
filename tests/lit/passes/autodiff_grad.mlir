// RUN: thunder-opt %s --thunder-autodiff="function=f mode=grad wrt=0" --thunder-autodiff="function=f_grad mode=value-and-grad wrt=0" --canonicalize | FileCheck %s

// Only the gradient that is asked for is there, and no result.
// CHECK-LABEL: func.func @f_grad(
// CHECK-SAME: %[[X:.*]]: tensor<f32>, %[[Y:.*]]: tensor<f32>) -> (tensor<f32> {thunder.name = "grad.0"})
// CHECK: %[[C:.*]] = thunder.cos %[[X]]
// CHECK-NOT: thunder.sin
// CHECK: return %{{.*}} : tensor<f32>

// A derivative is a function like any other, and can be differentiated again.
// CHECK-LABEL: func.func @f_grad_value_and_grad(
// CHECK-SAME: %[[X:.*]]: tensor<f32>, %[[Y:.*]]: tensor<f32>)
// CHECK-SAME: -> (tensor<f32> {thunder.name = "grad.0"}, tensor<f32> {thunder.name = "grad.grad.0"})
// CHECK: thunder.cos %[[X]]
// CHECK: thunder.sin %[[X]]
// CHECK: thunder.neg
func.func @f(%x: tensor<f32>, %y: tensor<f32>) -> tensor<f32> {
  %s = thunder.sin %x : tensor<f32>
  %z = thunder.mul %s, %y : tensor<f32>
  return %z : tensor<f32>
}
