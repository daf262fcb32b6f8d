// RUN: thunder-opt %s --thunder-to-linalg=by-element | FileCheck %s

// Each sum up to an element is a reduction of its own.
// CHECK-LABEL: func.func @cumsum
// CHECK-NOT: scf.for
// CHECK: linalg.generic
// CHECK-SAME: iterator_types = ["parallel", "reduction"]
// CHECK: linalg.index 1
// CHECK: linalg.index 0
// CHECK: arith.cmpi ule
// CHECK: arith.select
func.func @cumsum(%x: tensor<7xf32>) -> tensor<7xf32> {
  %y = thunder.cumsum %x axis = 0 : tensor<7xf32>
  return %y : tensor<7xf32>
}

// An element is the sum of the updates whose index is its own.
// CHECK-LABEL: func.func @index_add
// CHECK-NOT: scf.for
// CHECK: linalg.generic
// CHECK: linalg.generic
// CHECK-SAME: iterator_types = ["parallel", "parallel", "reduction"]
// CHECK: arith.cmpi eq
// CHECK: arith.select
func.func @index_add(%x: tensor<5x4xf32>, %i: tensor<3xi64>, %u: tensor<3x4xf32>) -> tensor<5x4xf32> {
  %y = thunder.index_add %x, %i, %u axis = 0 : (tensor<5x4xf32>, tensor<3xi64>, tensor<3x4xf32>) -> tensor<5x4xf32>
  return %y : tensor<5x4xf32>
}
