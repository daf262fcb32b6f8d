// RUN: thunder-opt %s --thunder-decompose | FileCheck %s
// RUN: thunder-opt %s --thunder-decompose=all=true | FileCheck %s --check-prefix=ALL

// A composite that no library has becomes primitives.
// CHECK-LABEL: func.func @softmax
// CHECK-NOT: thunder.softmax
// CHECK: thunder.amax
// CHECK: thunder.exp
// CHECK: thunder.sum
// CHECK: thunder.div
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
