// RUN: thunder-opt %s | thunder-opt | FileCheck %s
// RUN: thunder-opt %s --mlir-print-op-generic | thunder-opt | FileCheck %s

// CHECK-LABEL: @broadcast
// CHECK: thunder.broadcast_in_dim %{{.*}}, [%{{.*}}, %{{.*}}] dims = [1, 2] : (tensor<?x1xf32>, index, index) -> tensor<?x?x4xf32>
func.func @broadcast(%x: tensor<?x1xf32>, %n: index) {
  %a = thunder.broadcast_in_dim %x, [%n, %n] dims = [1, 2] : (tensor<?x1xf32>, index, index) -> tensor<?x?x4xf32>
  return
}

// CHECK-LABEL: @scalar
// CHECK: thunder.broadcast_in_dim %{{.*}}, [] dims = [] : tensor<i1> -> tensor<3x4xi1>
func.func @scalar(%x: tensor<i1>) {
  %a = thunder.broadcast_in_dim %x, [] dims = [] : tensor<i1> -> tensor<3x4xi1>
  return
}
