// RUN: thunder-opt %s --thunder-decompose=for-gpus | FileCheck %s

// cuDNN has attention in half precision, of heads of at most 128 elements.
// CHECK-LABEL: func.func @half
// CHECK: thunder.sdpa
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
