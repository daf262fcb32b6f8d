// RUN: thunder-opt %s | thunder-opt | FileCheck %s
// RUN: thunder-opt %s --mlir-print-op-generic | thunder-opt | FileCheck %s
// RUN: thunder-opt %s --canonicalize | FileCheck %s --check-prefix=FOLD

// CHECK-LABEL: @bitcast
// CHECK: thunder.bitcast %{{.*}} : tensor<?x4xf32> -> tensor<?x4xi32>
// CHECK: thunder.bitcast %{{.*}} : tensor<?x4xi32> -> tensor<?x4xf32>
// FOLD-LABEL: @bitcast
// FOLD-NEXT: return %arg0
func.func @bitcast(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %a = thunder.bitcast %x : tensor<?x4xf32> -> tensor<?x4xi32>
  %b = thunder.bitcast %a : tensor<?x4xi32> -> tensor<?x4xf32>
  return %b : tensor<?x4xf32>
}
