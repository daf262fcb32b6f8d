// RUN: thunder-opt %s --split-input-file --thunder-autodiff=function=f --thunder-split-joint --canonicalize --cse | FileCheck %s
// RUN: thunder-opt %s --split-input-file --thunder-autodiff=function=f --thunder-split-joint --thunder-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STAT

// STAT-DAG: 2 thunder-split-joint kept arguments
// STAT-DAG: 256 thunder-split-joint saved bytes
// STAT-DAG: 2 thunder-split-joint saved values

// What the results need is forward. The result itself is saved, so is a value that only the gradient needs; an
// argument is kept.
// CHECK-LABEL: func.func @f_forward(%{{.*}}: tensor<4x8xf32>, %{{.*}}: tensor<8x8xf32>)
// CHECK-SAME: -> (tensor<4x8xf32>, tensor<4x8xf32> {thunder.name = "saved.0"})
// CHECK: %[[H:.*]] = thunder.matmul
// CHECK: %[[Y:.*]] = thunder.softmax %[[H]]
// CHECK: %[[Z:.*]] = thunder.tanh %[[Y]]
// CHECK: return %[[Z]], %[[Y]]
// CHECK-LABEL: func.func @f_backward(
// CHECK-SAME: %[[Z:[^:]*]]: tensor<4x8xf32>, %[[Y:[^:]*]]: tensor<4x8xf32>, %[[W:[^:]*]]: tensor<8x8xf32>, %[[X:[^:]*]]: tensor<4x8xf32>, %[[DZ:[^:]*]]: tensor<4x8xf32>)
// CHECK-SAME: thunder.saved = [{result = 0 : i64}, {result = 1 : i64}, {argument = 1 : i64}, {argument = 0 : i64}]
// CHECK-NOT: thunder.softmax
// CHECK: return
// CHECK-NOT: @f_vjp
func.func @f(%x: tensor<4x8xf32>, %w: tensor<8x8xf32>) -> tensor<4x8xf32> {
  %h = thunder.matmul %x, %w : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
  %y = thunder.softmax %h axis = 1 : tensor<4x8xf32>
  %z = thunder.tanh %y : tensor<4x8xf32>
  return %z : tensor<4x8xf32>
}

// -----

// Sizes are no tensors to be saved: those of the cotangent are the same.
// CHECK-LABEL: func.func @f_forward(%{{.*}}: tensor<?x4xf32> {{.*}}) -> tensor<?x4xf32>
// CHECK-LABEL: func.func @f_backward(
// CHECK-SAME: %[[DY:[^:]*]]: tensor<?x4xf32>
// CHECK-SAME: thunder.saved = []
// CHECK: %[[N:.*]] = thunder.dim %[[DY]] axis = 0
// CHECK: thunder.full %[[N]]
func.func @f(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %n = thunder.dim %x axis = 0 : tensor<?x4xf32> -> index
  %c = thunder.full %n value = 2.0 : f32 : index -> tensor<?x4xf32>
  %y = thunder.mul %x, %c : tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
