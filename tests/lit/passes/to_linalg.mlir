// RUN: thunder-opt %s --thunder-to-linalg --split-input-file --verify-diagnostics | FileCheck %s

// An op with a scalar body is one generic op; its dynamic size is asked for once.
// CHECK-LABEL: func.func @add
// CHECK-COUNT-1: tensor.dim
// CHECK: linalg.generic
// CHECK: arith.addf
func.func @add(%x: tensor<?x8xf32>, %y: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %z = thunder.add %x, %y : tensor<?x8xf32>
  return %z : tensor<?x8xf32>
}

// Truth values are bytes in memory.
// CHECK-LABEL: func.func @less
// CHECK-SAME: -> tensor<4xi8>
// CHECK: arith.cmpf olt
// CHECK: arith.extui
func.func @less(%x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xi1> {
  %z = thunder.lt %x, %y : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
  return %z : tensor<4xi1>
}

// Sums may be reassociated, so that they vectorize.
// CHECK-LABEL: func.func @sum
// CHECK: iterator_types = ["parallel", "reduction"]
// CHECK: arith.addf {{.*}} fastmath<reassoc>
func.func @sum(%x: tensor<4x8xf32>) -> tensor<4xf32> {
  %z = thunder.sum %x axes = [1] : tensor<4x8xf32> -> tensor<4xf32>
  return %z : tensor<4xf32>
}
