// RUN: thunder-opt %s | thunder-opt | FileCheck %s
// RUN: thunder-opt %s --mlir-print-op-generic | thunder-opt | FileCheck %s

// CHECK-LABEL: @constant
// CHECK: thunder.constant value = dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32> : tensor<2xf32>
// CHECK: thunder.constant value = dense<true> : tensor<2x2xi1> : tensor<2x2xi1>
func.func @constant() {
  %a = thunder.constant value = dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32> : tensor<2xf32>
  %b = thunder.constant value = dense<true> : tensor<2x2xi1> : tensor<2x2xi1>
  return
}

// CHECK-LABEL: @full
// CHECK: thunder.full value = true : tensor<2xi1>
// CHECK: thunder.full %{{.*}} value = 7 : ui8 : index -> tensor<?x2xui8>
// CHECK: thunder.full %{{.*}}, %{{.*}} value = 1.000000e+00 : f64 : (index, index) -> tensor<?x?xf64>
func.func @full(%n: index) {
  %a = thunder.full value = true : tensor<2xi1>
  %b = thunder.full %n value = 7 : ui8 : index -> tensor<?x2xui8>
  %c = thunder.full %n, %n value = 1.000000e+00 : f64 : (index, index) -> tensor<?x?xf64>
  return
}

// CHECK-LABEL: @iota
// CHECK: thunder.iota axis = 0 : tensor<4xi64>
// CHECK: thunder.iota %{{.*}} axis = 1 : index -> tensor<2x?xbf16>
func.func @iota(%n: index) {
  %a = thunder.iota axis = 0 : tensor<4xi64>
  %b = thunder.iota %n axis = 1 : index -> tensor<2x?xbf16>
  return
}
