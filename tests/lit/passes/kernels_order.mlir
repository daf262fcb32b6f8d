// RUN: thunder-opt %s --thunder-kernels | FileCheck %s

// A library writes its result in the order that all want to see it in, also those that are kept apart from the first.
// CHECK-LABEL: func.func @in_one_order(
// CHECK-NOT: call
// CHECK: return
func.func @in_one_order(%q: tensor<2x4x8x64xbf16>, %w: tensor<16x256xbf16>) -> (tensor<2x8x16xbf16>, tensor<2x8x16xbf16>) {
  %a = thunder.sdpa %q, %q, %q causal = true : (tensor<2x4x8x64xbf16>, tensor<2x4x8x64xbf16>, tensor<2x4x8x64xbf16>) -> tensor<2x4x8x64xbf16>
  %t = thunder.transpose %a permutation = [0, 2, 1, 3] : tensor<2x4x8x64xbf16> -> tensor<2x8x4x64xbf16>
  %x = thunder.reshape %t, [] : tensor<2x8x4x64xbf16> -> tensor<2x8x256xbf16>
  %y = thunder.linear %x, %w : (tensor<2x8x256xbf16>, tensor<16x256xbf16>) -> tensor<2x8x16xbf16>
  %b = exec.barrier %a : tensor<2x4x8x64xbf16>
  %u = thunder.transpose %b permutation = [0, 2, 1, 3] : tensor<2x4x8x64xbf16> -> tensor<2x8x4x64xbf16>
  %v = thunder.reshape %u, [] : tensor<2x8x4x64xbf16> -> tensor<2x8x256xbf16>
  %z = thunder.linear %v, %w : (tensor<2x8x256xbf16>, tensor<16x256xbf16>) -> tensor<2x8x16xbf16>
  return %y, %z : tensor<2x8x16xbf16>, tensor<2x8x16xbf16>
}

// Who wants it as it is leaves that to be copied.
// CHECK-LABEL: func.func @in_two_orders(
// CHECK: %[[A:.+]] = thunder.sdpa
// CHECK: call @kernel_{{[0-9]+}}(%[[A]])
func.func @in_two_orders(%q: tensor<2x4x8x64xbf16>, %w: tensor<16x256xbf16>) -> (tensor<2x8x16xbf16>, tensor<2x4x8x64xbf16>) {
  %a = thunder.sdpa %q, %q, %q causal = true : (tensor<2x4x8x64xbf16>, tensor<2x4x8x64xbf16>, tensor<2x4x8x64xbf16>) -> tensor<2x4x8x64xbf16>
  %t = thunder.transpose %a permutation = [0, 2, 1, 3] : tensor<2x4x8x64xbf16> -> tensor<2x8x4x64xbf16>
  %x = thunder.reshape %t, [] : tensor<2x8x4x64xbf16> -> tensor<2x8x256xbf16>
  %y = thunder.linear %x, %w : (tensor<2x8x256xbf16>, tensor<16x256xbf16>) -> tensor<2x8x16xbf16>
  return %y, %a : tensor<2x8x16xbf16>, tensor<2x4x8x64xbf16>
}
