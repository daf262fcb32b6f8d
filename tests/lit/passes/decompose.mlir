// RUN: thunder-opt %s --thunder-decompose | FileCheck %s
// RUN: thunder-opt %s --thunder-decompose=all=true | FileCheck %s --check-prefix=ALL

// A composite that no library has becomes primitives.
// CHECK-LABEL: func.func @softmax(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<?x8xf32>) -> tensor<?x8xf32>
// CHECK-NEXT:  %[[V0:.+]] = thunder.dim %[[ARG0]] axis = 0 : tensor<?x8xf32> -> index
// CHECK-NEXT:  %[[V1:.+]] = thunder.amax %[[ARG0]] axes = [1] : tensor<?x8xf32> -> tensor<?xf32>
// CHECK-NEXT:  %[[V2:.+]] = thunder.broadcast_in_dim %[[V1]], [%[[V0]]] dims = [0] : (tensor<?xf32>, index) -> tensor<?x8xf32>
// CHECK-NEXT:  %[[V3:.+]] = thunder.sub %[[ARG0]], %[[V2]] : tensor<?x8xf32>
// CHECK-NEXT:  %[[V4:.+]] = thunder.exp %[[V3]] : tensor<?x8xf32>
// CHECK-NEXT:  %[[V5:.+]] = thunder.sum %[[V4]] axes = [1] : tensor<?x8xf32> -> tensor<?xf32>
// CHECK-NEXT:  %[[V6:.+]] = thunder.reciprocal %[[V5]] : tensor<?xf32>
// CHECK-NEXT:  %[[V7:.+]] = thunder.broadcast_in_dim %[[V6]], [%[[V0]]] dims = [0] : (tensor<?xf32>, index) -> tensor<?x8xf32>
// CHECK-NEXT:  %[[V8:.+]] = thunder.mul %[[V4]], %[[V7]] : tensor<?x8xf32>
// CHECK-NEXT:  return %[[V8]] : tensor<?x8xf32>
func.func @softmax(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %y = thunder.softmax %x axis = 1 : tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// What a library carries out stays whole, unless all is asked for.
// CHECK-LABEL: func.func @linear
// CHECK: thunder.linear
// ALL-LABEL: func.func @linear
// ALL-NOT: thunder.linear
// ALL: thunder.matmul
func.func @linear(%x: tensor<?x8xf32>, %w: tensor<4x8xf32>) -> tensor<?x4xf32> {
  %y = thunder.linear %x, %w : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// What an op states of its result beyond its operands stays stated, and what it leaves open stays open.
// CHECK-LABEL: func.func @stated
// CHECK: %[[V:.*]] = thunder.div {{.*}} -> tensor<1x6xf32>
// CHECK: %[[W:.*]] = thunder.div {{.*}} -> tensor<?xf32>
// CHECK: return %[[V]], %[[W]]
func.func @stated(%x: tensor<?x6xf32>) -> (tensor<1x6xf32>, tensor<?xf32>) {
  %v = thunder.var %x axes = [] keep_dims = true : tensor<?x6xf32> -> tensor<1x6xf32>
  %w = thunder.var %x axes = [0] : tensor<?x6xf32> -> tensor<?xf32>
  return %v, %w : tensor<1x6xf32>, tensor<?xf32>
}

// The sizes that the declared type leaves open are given to what takes sizes.
// ALL-LABEL: func.func @open
// ALL: thunder.reshape {{.*}} -> tensor<?x1xf32>
// ALL: thunder.take {{.*}} -> tensor<3x?xf32>
// ALL: thunder.reshape {{.*}} -> tensor<?x?x4xf32>
func.func @open(%x: tensor<3x5xf32>, %i: tensor<i64>, %w: tensor<4x5xf32>, %z: tensor<2x3x5xf32>)
    -> (tensor<?x1xf32>, tensor<3x?xf32>, tensor<?x?x4xf32>) {
  %l = thunder.logsumexp %x axes = [1] keep_dims = true : tensor<3x5xf32> -> tensor<?x1xf32>
  %d = thunder.dynamic_slice %x, %i axis = 1 size = 2 : (tensor<3x5xf32>, tensor<i64>) -> tensor<3x?xf32>
  %y = thunder.linear %z, %w : (tensor<2x3x5xf32>, tensor<4x5xf32>) -> tensor<?x?x4xf32>
  return %l, %d, %y : tensor<?x1xf32>, tensor<3x?xf32>, tensor<?x?x4xf32>
}
