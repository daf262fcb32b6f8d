// RUN: thunder-opt %s --thunder-kernels | FileCheck %s

// A view that is dense in the memory of the argument stays one, whatever the views between.
// CHECK-LABEL: func.func @there_and_back(
// CHECK: %[[V0:.+]] = thunder.transpose
// CHECK-NEXT: %[[V1:.+]] = thunder.slice %[[V0]]
// CHECK-NEXT: %[[V2:.+]] = thunder.transpose %[[V1]]
// CHECK-NEXT: call @kernel_{{[0-9]+}}(%[[V2]])
func.func @there_and_back(%x: tensor<2x1x?xf32>) -> tensor<1x2x?xf32> {
  %0 = thunder.transpose %x permutation = [2, 1, 0] : tensor<2x1x?xf32> -> tensor<?x1x2xf32>
  %1 = thunder.slice %0 start = [0, 0, 0] limit = [9223372036854775807, 9223372036854775807, 9223372036854775807] stride = [1, 2, 1] : tensor<?x1x2xf32> -> tensor<?x1x2xf32>
  %2 = thunder.transpose %1 permutation = [1, 2, 0] : tensor<?x1x2xf32> -> tensor<1x2x?xf32>
  %3 = thunder.sqrt %2 : tensor<1x2x?xf32>
  return %3 : tensor<1x2x?xf32>
}
