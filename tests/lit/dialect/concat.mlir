// RUN: thunder-opt %s | thunder-opt | FileCheck %s
// RUN: thunder-opt %s --mlir-print-op-generic | thunder-opt | FileCheck %s

// CHECK-LABEL: @concat
// CHECK: thunder.concat %{{.*}}, %{{.*}} axis = 0 : (tensor<2x?xf32>, tensor<?x3xf32>) -> tensor<?x3xf32>
// CHECK: thunder.concat %{{.*}} axis = 1 : tensor<2x?xf32> -> tensor<2x?xf32>
func.func @concat(%a: tensor<2x?xf32>, %b: tensor<?x3xf32>) {
  %c = thunder.concat %a, %b axis = 0 : (tensor<2x?xf32>, tensor<?x3xf32>) -> tensor<?x3xf32>
  %d = thunder.concat %a axis = 1 : tensor<2x?xf32> -> tensor<2x?xf32>
  return
}
