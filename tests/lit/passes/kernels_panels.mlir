// RUN: thunder-opt %s --thunder-kernels=target=gpu --split-input-file | FileCheck %s
// RUN: thunder-opt %s --thunder-kernels --split-input-file | FileCheck %s --check-prefix=CPU
// RUN: thunder-opt %s --check-equivalence=%t.mlir --thunder-kernels=target=gpu --split-input-file 2>&1 | FileCheck %s --check-prefix=SAME
// RUN: not thunder-opt %s --thunder-kernels=target=tpu --split-input-file 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// SAME-NOT: differ
// UNKNOWN: option target: 'tpu' is none of cpu, gpu and hopper

// What is made of rows and what is reduced of them are one kernel: it makes what panels of rows give, and another reduces that.
// CHECK-LABEL: func.func @gradient
// CHECK: %[[P:.*]]:2 = call @kernel_0(
// CHECK-SAME: -> (tensor<1024x64xbf16>, tensor<128x64xf32>)
// CHECK: %[[W:.*]] = call @kernel_1(%[[P]]#1)
// CHECK: return %[[P]]#0, %[[W]]
// CHECK: func.func private @kernel_0
// CHECK-SAME: thunder.panels = array<i64: 128, 8>
// CHECK-SAME: thunder.rows = array<i64: 1, 1, 1, 1>
// CHECK: func.func private @kernel_1
// CHECK-NOT: thunder.panels
// CHECK-SAME: thunder.rows = array<i64: -1, 1>
// CPU-NOT: thunder.panels
func.func @gradient(%x: tensor<1024x64xbf16>, %dy: tensor<1024x64xbf16>) -> (tensor<1024x64xbf16>, tensor<64xbf16>) {
  %wide = thunder.convert %x : tensor<1024x64xbf16> -> tensor<1024x64xf32>
  %wide_dy = thunder.convert %dy : tensor<1024x64xbf16> -> tensor<1024x64xf32>
  %p = thunder.mul %wide, %wide_dy : tensor<1024x64xf32>
  %t = thunder.sum %p axes = [1] : tensor<1024x64xf32> -> tensor<1024xf32>
  %r = thunder.broadcast_in_dim %t, [] dims = [0] : tensor<1024xf32> -> tensor<1024x64xf32>
  %d = thunder.sub %wide_dy, %r : tensor<1024x64xf32>
  %dx = thunder.convert %d : tensor<1024x64xf32> -> tensor<1024x64xbf16>
  %s = thunder.sum %p axes = [0] : tensor<1024x64xf32> -> tensor<64xf32>
  %dw = thunder.convert %s : tensor<64xf32> -> tensor<64xbf16>
  return %dx, %dw : tensor<1024x64xbf16>, tensor<64xbf16>
}

// -----

// Rows may be counted by several dimensions, and what is reduced may be only read. Sums of narrow elements are made of wide ones.
// CHECK-LABEL: func.func @bias
// CHECK: call @kernel_0(
// CHECK-SAME: -> (tensor<4x256x64xbf16>, tensor<128x64xf32>)
// CHECK: call @kernel_1(
// CHECK: func.func private @kernel_0
// CHECK-SAME: thunder.panels = array<i64: 128, 8>
// CHECK-SAME: thunder.rows = array<i64: 2, 2, 1>
func.func @bias(%dy: tensor<4x256x64xbf16>) -> (tensor<4x256x64xbf16>, tensor<64xbf16>) {
  %e = thunder.exp %dy : tensor<4x256x64xbf16>
  %s = thunder.sum %dy axes = [0, 1] : tensor<4x256x64xbf16> -> tensor<64xbf16>
  return %e, %s : tensor<4x256x64xbf16>, tensor<64xbf16>
}

// -----

// Reductions of what nobody else needs are made by columns; so are those of few rows, or of rows of odd sizes.
// CHECK-LABEL: func.func @columns
// CHECK-NOT: thunder.panels
func.func @columns(%x: tensor<1024x64xf32>, %few: tensor<64x64xf32>, %odd: tensor<1024x65xf32>) -> (tensor<64xf32>, tensor<64x64xf32>, tensor<64xf32>, tensor<1024x65xf32>, tensor<65xf32>) {
  %a = thunder.exp %x : tensor<1024x64xf32>
  %s = thunder.sum %a axes = [0] : tensor<1024x64xf32> -> tensor<64xf32>
  %b = thunder.exp %few : tensor<64x64xf32>
  %t = thunder.sum %b axes = [0] : tensor<64x64xf32> -> tensor<64xf32>
  %c = thunder.exp %odd : tensor<1024x65xf32>
  %u = thunder.sum %c axes = [0] : tensor<1024x65xf32> -> tensor<65xf32>
  return %s, %b, %t, %c, %u : tensor<64xf32>, tensor<64x64xf32>, tensor<64xf32>, tensor<1024x65xf32>, tensor<65xf32>
}

// -----

// A kernel whose rows need what is reduced of all rows is not the one that reduces them.
// CHECK-LABEL: func.func @needed
// CHECK-NOT: thunder.panels
func.func @needed(%x: tensor<1024x64xf32>) -> tensor<1024x64xf32> {
  %s = thunder.sum %x axes = [0] : tensor<1024x64xf32> -> tensor<64xf32>
  %r = thunder.broadcast_in_dim %s, [] dims = [1] : tensor<64xf32> -> tensor<1024x64xf32>
  %y = thunder.sub %x, %r : tensor<1024x64xf32>
  return %y : tensor<1024x64xf32>
}

// -----

// What a kernel reads of others is what is narrow: it makes what is wide from that again.
// CHECK-LABEL: func.func @narrow
// CHECK: %[[N:.*]]:2 = call @kernel_0(%arg0) : (tensor<1024x64xbf16>) -> (tensor<1024xf32>, tensor<1024x64xbf16>)
// CHECK: %[[M:.*]] = thunder.matmul %[[N]]#1, %arg1
// CHECK: call @kernel_1(%{{.*}}) : ({{[^)]*}}) -> tensor<1024x64xbf16>
// CHECK: func.func private @kernel_1
// CHECK-NOT: tensor<1024x64xf32> {
// CHECK: return
func.func @narrow(%x: tensor<1024x64xbf16>, %w: tensor<64x64xbf16>) -> tensor<1024x64xbf16> {
  %wide = thunder.convert %x : tensor<1024x64xbf16> -> tensor<1024x64xf32>
  %q = thunder.mul %wide, %wide : tensor<1024x64xf32>
  %t = thunder.sum %q axes = [1] : tensor<1024x64xf32> -> tensor<1024xf32>
  %r = thunder.broadcast_in_dim %t, [] dims = [0] : tensor<1024xf32> -> tensor<1024x64xf32>
  %n = thunder.mul %wide, %r : tensor<1024x64xf32>
  %y = thunder.convert %n : tensor<1024x64xf32> -> tensor<1024x64xbf16>
  %p = thunder.matmul %y, %w : (tensor<1024x64xbf16>, tensor<64x64xbf16>) -> tensor<1024x64xbf16>
  %u = thunder.convert %p : tensor<1024x64xbf16> -> tensor<1024x64xf32>
  %d = thunder.mul %u, %n : tensor<1024x64xf32>
  %z = thunder.convert %d : tensor<1024x64xf32> -> tensor<1024x64xbf16>
  return %z : tensor<1024x64xbf16>
}
