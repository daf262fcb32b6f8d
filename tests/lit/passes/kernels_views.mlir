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

// A kernel writes what it has a view of for itself, where a library takes that view as well.
// CHECK-LABEL: func.func @both(
// CHECK-NOT: thunder.exp
// CHECK: %[[E:.+]]:2 = call @[[KERNEL:.+]](%arg0)
// CHECK: %[[T:.+]] = thunder.transpose %[[E]]#
// CHECK: thunder.sdpa %[[T]], %[[T]], %[[T]]
// CHECK: func.func private @[[KERNEL]](
// CHECK: thunder.exp
// CHECK: thunder.transpose
func.func @both(%x: tensor<2x8x4x64xbf16>) -> (tensor<2x4x8x64xbf16>, tensor<2x4x8x64xbf16>) {
  %e = thunder.exp %x : tensor<2x8x4x64xbf16>
  %t = thunder.transpose %e permutation = [0, 2, 1, 3] : tensor<2x8x4x64xbf16> -> tensor<2x4x8x64xbf16>
  %n = thunder.neg %t : tensor<2x4x8x64xbf16>
  %a = thunder.sdpa %t, %t, %t causal = true : (tensor<2x4x8x64xbf16>, tensor<2x4x8x64xbf16>, tensor<2x4x8x64xbf16>) -> tensor<2x4x8x64xbf16>
  return %a, %n : tensor<2x4x8x64xbf16>, tensor<2x4x8x64xbf16>
}
