// RUN: thunder-opt %s --thunder-kernels=target=gpu --split-input-file | FileCheck %s
// RUN: thunder-opt %s --thunder-kernels --split-input-file | FileCheck %s --check-prefix=CPU
// RUN: thunder-opt %s --check-equivalence=%t.mlir --thunder-kernels=target=gpu --split-input-file 2>&1 | FileCheck %s --check-prefix=SAME

// SAME-NOT: differ

// What another kernel can compute from what it reads in any case is not written.
// CHECK-LABEL: func.func @gate
// CHECK: %[[P:.*]] = call @kernel_0(%arg0, %arg1) : (tensor<16x32xbf16>, tensor<16x32xbf16>) -> tensor<16x32xbf16>
// CHECK: %[[Y:.*]] = thunder.matmul %[[P]]
// CHECK: call @kernel_1(
// CHECK: func.func private @kernel_1
// CHECK: thunder.silu
// CPU-LABEL: func.func @gate
// CPU: %{{.*}}:2 = call @kernel_0(
func.func @gate(%g: tensor<16x32xbf16>, %u: tensor<16x32xbf16>, %w: tensor<32x32xbf16>) -> tensor<16x32xbf16> {
  %s = thunder.silu %g : tensor<16x32xbf16>
  %p = thunder.mul %s, %u : tensor<16x32xbf16>
  %y = thunder.matmul %p, %w : (tensor<16x32xbf16>, tensor<32x32xbf16>) -> tensor<16x32xbf16>
  %a = thunder.mul %y, %s : tensor<16x32xbf16>
  %b = thunder.add %a, %g : tensor<16x32xbf16>
  return %b : tensor<16x32xbf16>
}

// -----

// Where it would have to read more for that, or where the value is needed in any case, it reads the value.
// CHECK-LABEL: func.func @more
// CHECK: %{{.*}}:2 = call @kernel_0(
// CHECK-LABEL: func.func @needed
// CHECK: %{{.*}}:2 = call @kernel_0(
// CHECK-LABEL: func.func @rows
// CHECK: %{{.*}}:2 = call @kernel_{{[0-9]}}(
func.func @more(%g: tensor<16x32xbf16>, %u: tensor<16x32xbf16>, %w: tensor<32x32xbf16>) -> tensor<16x32xbf16> {
  %s = thunder.silu %g : tensor<16x32xbf16>
  %p = thunder.mul %s, %u : tensor<16x32xbf16>
  %y = thunder.matmul %p, %w : (tensor<16x32xbf16>, tensor<32x32xbf16>) -> tensor<16x32xbf16>
  %a = thunder.mul %y, %s : tensor<16x32xbf16>
  return %a : tensor<16x32xbf16>
}
func.func @needed(%g: tensor<16x32xbf16>, %u: tensor<16x32xbf16>, %w: tensor<32x32xbf16>) -> (tensor<16x32xbf16>, tensor<16x32xbf16>) {
  %s = thunder.silu %g : tensor<16x32xbf16>
  %p = thunder.mul %s, %u : tensor<16x32xbf16>
  %y = thunder.matmul %p, %w : (tensor<16x32xbf16>, tensor<32x32xbf16>) -> tensor<16x32xbf16>
  %a = thunder.mul %y, %s : tensor<16x32xbf16>
  %b = thunder.add %a, %g : tensor<16x32xbf16>
  return %b, %s : tensor<16x32xbf16>, tensor<16x32xbf16>
}
func.func @rows(%x: tensor<16x32xbf16>, %w: tensor<32x32xbf16>) -> tensor<16x32xbf16> {
  %t = thunder.sum %x axes = [1] : tensor<16x32xbf16> -> tensor<16xbf16>
  %r = thunder.broadcast_in_dim %t, [] dims = [0] : tensor<16xbf16> -> tensor<16x32xbf16>
  %s = thunder.sub %x, %r : tensor<16x32xbf16>
  %e = thunder.exp %s : tensor<16x32xbf16>
  %y = thunder.matmul %e, %w : (tensor<16x32xbf16>, tensor<32x32xbf16>) -> tensor<16x32xbf16>
  %a = thunder.mul %y, %s : tensor<16x32xbf16>
  %b = thunder.add %a, %x : tensor<16x32xbf16>
  return %b : tensor<16x32xbf16>
}
