// RUN: thunder-opt %s | thunder-opt | FileCheck %s
// RUN: thunder-opt %s --mlir-print-op-generic | thunder-opt | FileCheck %s

// CHECK-LABEL: @reshape
// CHECK: thunder.reshape %{{.*}}, [%{{.*}}] : (tensor<?x12xf32>, index) -> tensor<?x3x4xf32>
func.func @reshape(%x: tensor<?x12xf32>, %n: index) {
  %a = thunder.reshape %x, [%n] : (tensor<?x12xf32>, index) -> tensor<?x3x4xf32>
  return
}

// CHECK-LABEL: @static
// CHECK: thunder.reshape %{{.*}}, [] : tensor<f16> -> tensor<1x1xf16>
func.func @static(%x: tensor<f16>) {
  %a = thunder.reshape %x, [] : tensor<f16> -> tensor<1x1xf16>
  return
}
