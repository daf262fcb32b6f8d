// RUN: thunder-opt %s | thunder-opt | FileCheck %s
// RUN: thunder-opt %s --mlir-print-op-generic | thunder-opt | FileCheck %s
// RUN: thunder-opt %s --canonicalize | FileCheck %s --check-prefix=FOLD

// CHECK-LABEL: @convert
// CHECK: thunder.convert %{{.*}} : tensor<?x4xf32> -> tensor<?x4xf8E4M3FN>
// CHECK: thunder.bitcast %{{.*}} : tensor<?x4xf8E4M3FN> -> tensor<?x4xi8>
func.func @convert(%x: tensor<?x4xf32>) -> tensor<?x4xi8> {
  %a = thunder.convert %x : tensor<?x4xf32> -> tensor<?x4xf8E4M3FN>
  %b = thunder.bitcast %a : tensor<?x4xf8E4M3FN> -> tensor<?x4xi8>
  return %b : tensor<?x4xi8>
}

// Nothing is lost on the way through a wider type.
// FOLD-LABEL: @wider
// FOLD-NEXT: return %arg0
func.func @wider(%x: tensor<4xf8E5M2FNUZ>) -> tensor<4xf8E5M2FNUZ> {
  %a = thunder.convert %x : tensor<4xf8E5M2FNUZ> -> tensor<4xbf16>
  %b = thunder.convert %a : tensor<4xbf16> -> tensor<4xf8E5M2FNUZ>
  return %b : tensor<4xf8E5M2FNUZ>
}

// FOLD-LABEL: @narrower
// FOLD-COUNT-2: thunder.convert
func.func @narrower(%x: tensor<4xf32>) -> tensor<4xf32> {
  %a = thunder.convert %x : tensor<4xf32> -> tensor<4xf8E4M3FN>
  %b = thunder.convert %a : tensor<4xf8E4M3FN> -> tensor<4xf32>
  return %b : tensor<4xf32>
}

// FOLD-LABEL: @folded
// FOLD: dense<[1.000000e+00, 4.480000e+02, -4.480000e+02]> : tensor<3xf8E4M3FN>
func.func @folded() -> tensor<3xf8E4M3FN> {
  %x = thunder.constant value = dense<[1.03, 1000.0, -1000.0]> : tensor<3xf32> : tensor<3xf32>
  %a = thunder.convert %x : tensor<3xf32> -> tensor<3xf8E4M3FN>
  return %a : tensor<3xf8E4M3FN>
}
