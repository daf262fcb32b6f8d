// RUN: thunder-opt %s --thunder-decompose=for-gpus | FileCheck %s

// FIXME: cuDNN has attention in half precision, of heads of at most 128 elements, but the op says of libraries that they
// take single precision only, whatever the target.
// CHECK-LABEL: func.func @half
// CHECK-NOT: thunder.sdpa
// CHECK: thunder.matmul
func.func @half(%q: tensor<2x4x8x64xbf16>, %k: tensor<2x4x8x64xbf16>, %v: tensor<2x4x8x64xbf16>) -> tensor<2x4x8x64xbf16> {
  %y = thunder.sdpa %q, %k, %v : (tensor<2x4x8x64xbf16>, tensor<2x4x8x64xbf16>, tensor<2x4x8x64xbf16>) -> tensor<2x4x8x64xbf16>
  return %y : tensor<2x4x8x64xbf16>
}

// CHECK-LABEL: func.func @single
// CHECK-NOT: thunder.sdpa
// CHECK: thunder.matmul
// CHECK: thunder.matmul
func.func @single(%q: tensor<2x4x8x64xf32>, %k: tensor<2x4x8x64xf32>, %v: tensor<2x4x8x64xf32>) -> tensor<2x4x8x64xf32> {
  %y = thunder.sdpa %q, %k, %v : (tensor<2x4x8x64xf32>, tensor<2x4x8x64xf32>, tensor<2x4x8x64xf32>) -> tensor<2x4x8x64xf32>
  return %y : tensor<2x4x8x64xf32>
}

// CHECK-LABEL: func.func @odd
// CHECK-NOT: thunder.sdpa
func.func @odd(%q: tensor<2x4x8x33xbf16>, %k: tensor<2x4x8x33xbf16>, %v: tensor<2x4x8x33xbf16>) -> tensor<2x4x8x33xbf16> {
  %y = thunder.sdpa %q, %k, %v : (tensor<2x4x8x33xbf16>, tensor<2x4x8x33xbf16>, tensor<2x4x8x33xbf16>) -> tensor<2x4x8x33xbf16>
  return %y : tensor<2x4x8x33xbf16>
}
