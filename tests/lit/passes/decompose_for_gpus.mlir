// RUN: thunder-opt %s --thunder-decompose=target=gpu | FileCheck %s
// RUN: thunder-opt %s --thunder-decompose=target=any | FileCheck %s --check-prefix=ANY
// RUN: thunder-opt %s --thunder-decompose | FileCheck %s --check-prefix=CPU
// RUN: not thunder-opt %s --thunder-decompose=target=tpu 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// UNKNOWN: option target: 'tpu' is neither cpu, gpu nor any

// GPUs have attention in half precision, of heads of at most 256 elements; processors in single precision.
// CHECK-LABEL: func.func @half
// CHECK: thunder.sdpa
// ANY-LABEL: func.func @half
// ANY: thunder.sdpa
// CPU-LABEL: func.func @half
// CPU-NOT: thunder.sdpa
// CPU: thunder.matmul
func.func @half(%q: tensor<2x4x8x64xbf16>, %k: tensor<2x4x8x64xbf16>, %v: tensor<2x4x8x64xbf16>) -> tensor<2x4x8x64xbf16> {
  %y = thunder.sdpa %q, %k, %v : (tensor<2x4x8x64xbf16>, tensor<2x4x8x64xbf16>, tensor<2x4x8x64xbf16>) -> tensor<2x4x8x64xbf16>
  return %y : tensor<2x4x8x64xbf16>
}

// CHECK-LABEL: func.func @single
// CHECK-NOT: thunder.sdpa
// CHECK: thunder.matmul
// CHECK: thunder.matmul
// ANY-LABEL: func.func @single
// ANY: thunder.sdpa
// CPU-LABEL: func.func @single
// CPU: thunder.sdpa
func.func @single(%q: tensor<2x4x8x64xf32>, %k: tensor<2x4x8x64xf32>, %v: tensor<2x4x8x64xf32>) -> tensor<2x4x8x64xf32> {
  %y = thunder.sdpa %q, %k, %v : (tensor<2x4x8x64xf32>, tensor<2x4x8x64xf32>, tensor<2x4x8x64xf32>) -> tensor<2x4x8x64xf32>
  return %y : tensor<2x4x8x64xf32>
}

// CHECK-LABEL: func.func @odd
// CHECK: thunder.sdpa
// ANY-LABEL: func.func @odd
// ANY: thunder.sdpa
func.func @odd(%q: tensor<2x4x8x33xbf16>, %k: tensor<2x4x8x33xbf16>, %v: tensor<2x4x8x33xbf16>) -> tensor<2x4x8x33xbf16> {
  %y = thunder.sdpa %q, %k, %v : (tensor<2x4x8x33xbf16>, tensor<2x4x8x33xbf16>, tensor<2x4x8x33xbf16>) -> tensor<2x4x8x33xbf16>
  return %y : tensor<2x4x8x33xbf16>
}

// CHECK-LABEL: func.func @wide
// CHECK-NOT: thunder.sdpa
// ANY-LABEL: func.func @wide
// ANY: thunder.sdpa
func.func @wide(%q: tensor<2x4x8x264xbf16>, %k: tensor<2x4x8x264xbf16>, %v: tensor<2x4x8x264xbf16>) -> tensor<2x4x8x264xbf16> {
  %y = thunder.sdpa %q, %k, %v : (tensor<2x4x8x264xbf16>, tensor<2x4x8x264xbf16>, tensor<2x4x8x264xbf16>) -> tensor<2x4x8x264xbf16>
  return %y : tensor<2x4x8x264xbf16>
}

// A mask that selects becomes one that is added.
// CHECK-LABEL: func.func @selects
// CHECK: %[[M:.*]] = thunder.where {{.*}} -> tensor<2x1x1x8xbf16>
// CHECK: thunder.sdpa %{{.*}}, %{{.*}}, %{{.*}} mask(%[[M]])
// CPU-LABEL: func.func @selects
// CPU-NOT: thunder.sdpa
func.func @selects(%q: tensor<2x4x8x64xbf16>, %k: tensor<2x2x8x64xbf16>, %v: tensor<2x2x8x64xbf16>, %m: tensor<2x1x1x8xi1>) -> tensor<2x4x8x64xbf16> {
  %y = thunder.sdpa %q, %k, %v mask(%m) : (tensor<2x4x8x64xbf16>, tensor<2x2x8x64xbf16>, tensor<2x2x8x64xbf16>, tensor<2x1x1x8xi1>) -> tensor<2x4x8x64xbf16>
  return %y : tensor<2x4x8x64xbf16>
}

// The gradient as well.
// CHECK-LABEL: func.func @gradient
// CHECK: thunder.sdpa_backward {{.*}} causal = true
// CPU-LABEL: func.func @gradient
// CPU-NOT: thunder.sdpa_backward
func.func @gradient(%d: tensor<2x4x8x64xf16>, %q: tensor<2x4x8x64xf16>, %k: tensor<2x4x8x64xf16>, %v: tensor<2x4x8x64xf16>) -> (tensor<2x4x8x64xf16>, tensor<2x4x8x64xf16>, tensor<2x4x8x64xf16>) {
  %dq, %dk, %dv = thunder.sdpa_backward %d, %q, %k, %v causal = true : (tensor<2x4x8x64xf16>, tensor<2x4x8x64xf16>, tensor<2x4x8x64xf16>, tensor<2x4x8x64xf16>) -> (tensor<2x4x8x64xf16>, tensor<2x4x8x64xf16>, tensor<2x4x8x64xf16>)
  return %dq, %dk, %dv : tensor<2x4x8x64xf16>, tensor<2x4x8x64xf16>, tensor<2x4x8x64xf16>
}

// GPUs multiply floats of 8 bits, but not those that have no negative zero, and not into double precision.
// CHECK-LABEL: func.func @scaled
// CHECK: thunder.scaled_matmul
// CHECK-NOT: thunder.scaled_matmul
// CHECK: thunder.matmul
// CHECK: thunder.matmul
// CPU-LABEL: func.func @scaled
// CPU-NOT: thunder.scaled_matmul
// CPU: thunder.matmul
func.func @scaled(%x: tensor<4x16xf8E4M3FN>, %w: tensor<16x8xf8E5M2>, %z: tensor<16x8xf8E5M2FNUZ>, %s: tensor<f32>, %t: tensor<f32>) -> (tensor<4x8xbf16>, tensor<4x8xbf16>, tensor<4x8xf64>) {
  %0 = thunder.scaled_matmul %x, %w, %s, %t : (tensor<4x16xf8E4M3FN>, tensor<16x8xf8E5M2>, tensor<f32>, tensor<f32>) -> tensor<4x8xbf16>
  %1 = thunder.scaled_matmul %x, %z, %s, %t : (tensor<4x16xf8E4M3FN>, tensor<16x8xf8E5M2FNUZ>, tensor<f32>, tensor<f32>) -> tensor<4x8xbf16>
  %2 = thunder.scaled_matmul %x, %w, %s, %t : (tensor<4x16xf8E4M3FN>, tensor<16x8xf8E5M2>, tensor<f32>, tensor<f32>) -> tensor<4x8xf64>
  return %0, %1, %2 : tensor<4x8xbf16>, tensor<4x8xbf16>, tensor<4x8xf64>
}
