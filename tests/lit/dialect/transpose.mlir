// RUN: thunder-opt %s | thunder-opt | FileCheck %s
// RUN: thunder-opt %s --mlir-print-op-generic | thunder-opt | FileCheck %s

// CHECK-LABEL: @transpose
// CHECK: thunder.transpose %{{.*}} permutation = [2, 0, 1] : tensor<?x3x4xf32> -> tensor<4x?x3xf32>
func.func @transpose(%x: tensor<?x3x4xf32>) {
  %a = thunder.transpose %x permutation = [2, 0, 1] : tensor<?x3x4xf32> -> tensor<4x?x3xf32>
  return
}

// CHECK-LABEL: @reverse
// CHECK: thunder.reverse %{{.*}} axes = [1, 0] : tensor<?x3xf32> -> tensor<?x3xf32>
func.func @reverse(%x: tensor<?x3xf32>) {
  %a = thunder.reverse %x axes = [1, 0] : tensor<?x3xf32> -> tensor<?x3xf32>
  return
}
