// RUN: thunder-opt %s --thunder-kernels --split-input-file | FileCheck %s
// RUN: thunder-opt %s --thunder-kernels --thunder-to-linalg --canonicalize --cse --linalg-fuse-elementwise-ops --thunder-merge-loops --thunder-cpu-entries --split-input-file | FileCheck %s --check-prefix=CPU

// Sums over rows are made column by column, with what they sum and what is done with them.
// CHECK-LABEL: func.func @norm
// CHECK: call @kernel_0
// CHECK-NOT: call
// CHECK: func.func private @kernel_0
// CHECK-SAME: thunder.rows = array<i64: -1, -1, 1, 1, 1>
// CPU: func.func private @kernel_0.body
// CPU: to tensor<?x?xf32>
// CPU: linalg.generic {{.*}}iterator_types = ["reduction", "parallel"]} ins({{[^)]*}} : tensor<?x?xf32>, tensor<?x?xf32>)
// CPU-NOT: iterator_types = ["reduction", "parallel"]
// CPU: func.func @kernel_0
func.func @norm(%dy: tensor<?x67xf32> {thunder.dims = ["n", ""]}, %x: tensor<?x67xf32> {thunder.dims = ["n", ""]}, %w: tensor<67xf32>) -> (tensor<67xf32>, tensor<67xf32>) {
  %p = thunder.mul %dy, %x : tensor<?x67xf32>
  %dw = thunder.sum %p axes = [0] : tensor<?x67xf32> -> tensor<67xf32>
  %db = thunder.sum %dy axes = [0] : tensor<?x67xf32> -> tensor<67xf32>
  %w1 = thunder.sub %w, %dw : tensor<67xf32>
  return %w1, %db : tensor<67xf32>, tensor<67xf32>
}

// -----

// Columns may be over several dimensions, and what they sum over as well.
// CHECK-LABEL: func.func @dimensions
// CHECK: func.func private @kernel_0
// CHECK-SAME: thunder.rows = array<i64: -2, 2>
// CPU: linalg.generic {{.*}}iterator_types = ["reduction", "reduction", "parallel"]}
func.func @dimensions(%x: tensor<2x3x5x7xf32>) -> tensor<5x7xf32> {
  %e = thunder.exp %x : tensor<2x3x5x7xf32>
  %s = thunder.sum %e axes = [0, 1] : tensor<2x3x5x7xf32> -> tensor<5x7xf32>
  return %s : tensor<5x7xf32>
}

// -----

// What others need as well is a kernel of its own.
// CHECK-LABEL: func.func @shared
// CHECK: %[[E:.*]] = call @kernel_0(%arg0)
// CHECK: %[[S:.*]] = call @kernel_1(%[[E]])
// CHECK: return %[[E]], %[[S]]
func.func @shared(%x: tensor<3x7xf32>) -> (tensor<3x7xf32>, tensor<7xf32>) {
  %e = thunder.exp %x : tensor<3x7xf32>
  %s = thunder.sum %e axes = [0] : tensor<3x7xf32> -> tensor<7xf32>
  return %e, %s : tensor<3x7xf32>, tensor<7xf32>
}

// -----

// What can be a part of a product is not taken from it.
// CHECK-LABEL: func.func @product
// CHECK: thunder.matmul
// CHECK: %[[E:.*]] = call @kernel_0(
// CHECK: call @kernel_1(%[[E]])
func.func @product(%x: tensor<3x7xf32>, %y: tensor<7x7xf32>) -> tensor<7xf32> {
  %p = thunder.matmul %x, %y : (tensor<3x7xf32>, tensor<7x7xf32>) -> tensor<3x7xf32>
  %e = thunder.exp %p : tensor<3x7xf32>
  %s = thunder.sum %e axes = [0] : tensor<3x7xf32> -> tensor<7xf32>
  return %s : tensor<7xf32>
}
