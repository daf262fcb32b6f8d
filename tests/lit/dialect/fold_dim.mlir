// RUN: thunder-opt %s --canonicalize | FileCheck %s

// CHECK-LABEL: @static
func.func @static(%x: tensor<?x4xf32>) -> index {
  // CHECK: %[[FOUR:.*]] = arith.constant 4 : index
  // CHECK-NEXT: return %[[FOUR]]
  %n = thunder.dim %x axis = 1 : tensor<?x4xf32> -> index
  return %n : index
}

// Sizes come from where the shape rules say.
// CHECK-LABEL: @through_ops
func.func @through_ops(%x: tensor<?x?xf32>, %n: index) -> (index, index, index) {
  %a = thunder.exp %x : tensor<?x?xf32>
  %b = thunder.transpose %a permutation = [1, 0] : tensor<?x?xf32> -> tensor<?x?xf32>
  %c = thunder.lt %b, %b : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xi1>
  %d = thunder.broadcast_in_dim %c, [%n, %n, %n] dims = [1, 2] : (tensor<?x?xi1>, index, index, index) -> tensor<?x?x?xi1>
  %e = thunder.slice %c start = [0, 0] limit = [9223372036854775807, 9223372036854775807] stride = [1, 1] : tensor<?x?xi1> -> tensor<?x?xi1>
  // CHECK: %[[N:.*]] = thunder.dim %arg0 axis = 1
  %p = thunder.dim %e axis = 0 : tensor<?x?xi1> -> index
  %q = thunder.dim %d axis = 0 : tensor<?x?x?xi1> -> index
  // CHECK: %[[M:.*]] = thunder.dim %arg0 axis = 0
  %r = thunder.dim %c axis = 1 : tensor<?x?xi1> -> index
  // CHECK-NEXT: return %[[N]], %arg1, %[[M]]
  return %p, %q, %r : index, index, index
}

// CHECK-LABEL: @sum_stays
func.func @sum_stays(%x: tensor<?xf32>) -> index {
  // CHECK: %[[JOINED:.*]] = thunder.concat
  %a = thunder.concat %x, %x axis = 0 : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
  // CHECK: thunder.dim %[[JOINED]] axis = 0
  %n = thunder.dim %a axis = 0 : tensor<?xf32> -> index
  return %n : index
}
