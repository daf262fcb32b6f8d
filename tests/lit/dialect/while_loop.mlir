// RUN: thunder-opt %s | thunder-opt | FileCheck %s

// CHECK-LABEL: func.func @f
// CHECK: exec.while %{{.*}}, %{{.*}} condition = @below body = @twice : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
// CHECK: exec.while %{{.*}}, %{{.*}} condition = @other body = @swapped : (tensor<f32>, tensor<f32>) -> (tensor<f32>, tensor<f32>)
func.func @f(%x: tensor<?xf32>, %y: tensor<f32>) -> (tensor<?xf32>, tensor<f32>, tensor<f32>) {
  %r = exec.while %x, %y condition = @below body = @twice : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  %s:2 = exec.while %y, %y condition = @other body = @swapped
    : (tensor<f32>, tensor<f32>) -> (tensor<f32>, tensor<f32>)
  return %r, %s#0, %s#1 : tensor<?xf32>, tensor<f32>, tensor<f32>
}
