// RUN: thunder-opt %s | thunder-opt | FileCheck %s
// RUN: thunder-opt %s --mlir-print-op-generic | thunder-opt | FileCheck %s

// CHECK-LABEL: @convert
// CHECK: thunder.convert %{{.*}} : tensor<?x4xf32> -> tensor<?x4xi1>
// CHECK: thunder.convert %{{.*}} : tensor<?x4xf32> -> tensor<?x4xui8>
func.func @convert(%x: tensor<?x4xf32>) {
  %a = thunder.convert %x : tensor<?x4xf32> -> tensor<?x4xi1>
  %b = thunder.convert %x : tensor<?x4xf32> -> tensor<?x4xui8>
  return
}
