// RUN: thunder-opt %s | thunder-opt | FileCheck %s
// RUN: thunder-opt %s --mlir-print-op-generic | thunder-opt | FileCheck %s

// CHECK-LABEL: @dim
// CHECK: thunder.dim %{{.*}} axis = 0 : tensor<?x4xf32> -> index
func.func @dim(%x: tensor<?x4xf32>) {
  %n = thunder.dim %x axis = 0 : tensor<?x4xf32> -> index
  return
}
