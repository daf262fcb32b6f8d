// RUN: thunder-opt %s | thunder-opt | FileCheck %s
// RUN: thunder-opt %s --mlir-print-op-generic | thunder-opt | FileCheck %s

// CHECK-LABEL: @slice
// CHECK: thunder.slice %{{.*}} start = [1, 0] limit = [9223372036854775807, 8] stride = [1, 2] : tensor<?x8xf32> -> tensor<?x4xf32>
// CHECK: thunder.slice %{{.*}} start = [0, -3] limit = [4, -1] stride = [1, 1] : tensor<?x8xf32> -> tensor<?x2xf32>
func.func @slice(%x: tensor<?x8xf32>) {
  %a = thunder.slice %x start = [1, 0] limit = [9223372036854775807, 8] stride = [1, 2] : tensor<?x8xf32> -> tensor<?x4xf32>
  %b = thunder.slice %x start = [0, -3] limit = [4, -1] stride = [1, 1] : tensor<?x8xf32> -> tensor<?x2xf32>
  return
}
