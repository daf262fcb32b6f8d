// RUN: thunder-opt %s --thunder-kernels=target=gpu --split-input-file | FileCheck %s
// RUN: thunder-opt %s --check-equivalence=%t.mlir --thunder-kernels=target=gpu --split-input-file 2>&1 | FileCheck %s --check-prefix=SAME

// SAME-NOT: differ

// What a product needs in another order of dimensions is computed in that order.
// CHECK-LABEL: func.func @heads
// CHECK: %[[X:.*]] = call @kernel_0(%arg0) : (tensor<2x4x8x16xbf16>) -> tensor<16x64xbf16>
// CHECK: thunder.matmul %[[X]]
// CHECK: func.func private @kernel_0
// CHECK-SAME: thunder.rows = array<i64: 0, 0>
// CHECK: thunder.pad
// CHECK: thunder.transpose
// CHECK: thunder.reshape
// CHECK-NOT: kernel_1
func.func @heads(%x: tensor<2x4x8x16xbf16>, %w: tensor<64x32xbf16>) -> tensor<16x32xbf16> {
  %e = thunder.exp %x : tensor<2x4x8x16xbf16>
  %low = thunder.slice %e start = [0, 0, 0, 0] limit = [2, 4, 8, 8] stride = [1, 1, 1, 1] : tensor<2x4x8x16xbf16> -> tensor<2x4x8x8xbf16>
  %p = thunder.pad %low low = [0, 0, 0, 8] high = [0, 0, 0, 0] interior = [0, 0, 0, 0] value = 0.0 : bf16 : tensor<2x4x8x8xbf16> -> tensor<2x4x8x16xbf16>
  %s = thunder.add %e, %p : tensor<2x4x8x16xbf16>
  %t = thunder.transpose %s permutation = [0, 2, 1, 3] : tensor<2x4x8x16xbf16> -> tensor<2x8x4x16xbf16>
  %f = thunder.reshape %t, [] : tensor<2x8x4x16xbf16> -> tensor<16x64xbf16>
  %y = thunder.matmul %f, %w : (tensor<16x64xbf16>, tensor<64x32xbf16>) -> tensor<16x32xbf16>
  return %y : tensor<16x32xbf16>
}

// -----

// Not where neighbours do not stay neighbours: what is computed by rows is written so, and tiles of it are turned.
// CHECK-LABEL: func.func @columns
// CHECK: call @kernel_0(
// CHECK: call @kernel_1(
func.func @columns(%x: tensor<4x8x16xbf16>, %w: tensor<64x32xbf16>) -> tensor<8x32xbf16> {
  %e = thunder.exp %x : tensor<4x8x16xbf16>
  %t = thunder.transpose %e permutation = [1, 2, 0] : tensor<4x8x16xbf16> -> tensor<8x16x4xbf16>
  %f = thunder.reshape %t, [] : tensor<8x16x4xbf16> -> tensor<8x64xbf16>
  %y = thunder.matmul %f, %w : (tensor<8x64xbf16>, tensor<64x32xbf16>) -> tensor<8x32xbf16>
  return %y : tensor<8x32xbf16>
}

// -----

// Nor where somebody else needs it as it is, or rows are totalled first.
// CHECK-LABEL: func.func @other
// CHECK: %[[E:.*]] = call @kernel_0(
// CHECK: call @kernel_1(%[[E]])
// CHECK: return %{{.*}}, %[[E]]
// CHECK-LABEL: func.func @total
// CHECK: %[[E:.*]] = call @kernel_2(
// CHECK: call @kernel_{{[0-9]}}(%[[E]])
func.func @other(%x: tensor<4x8x16xbf16>, %w: tensor<64x32xbf16>) -> (tensor<8x32xbf16>, tensor<4x8x16xbf16>) {
  %e = thunder.exp %x : tensor<4x8x16xbf16>
  %t = thunder.transpose %e permutation = [1, 0, 2] : tensor<4x8x16xbf16> -> tensor<8x4x16xbf16>
  %f = thunder.reshape %t, [] : tensor<8x4x16xbf16> -> tensor<8x64xbf16>
  %y = thunder.matmul %f, %w : (tensor<8x64xbf16>, tensor<64x32xbf16>) -> tensor<8x32xbf16>
  return %y, %e : tensor<8x32xbf16>, tensor<4x8x16xbf16>
}
func.func @total(%x: tensor<4x8x16xf32>, %w: tensor<64x32xf32>) -> tensor<8x32xf32> {
  %s = thunder.sum %x axes = [2] : tensor<4x8x16xf32> -> tensor<4x8xf32>
  %r = thunder.broadcast_in_dim %s, [] dims = [0, 1] : tensor<4x8xf32> -> tensor<4x8x16xf32>
  %e = thunder.sub %x, %r : tensor<4x8x16xf32>
  %t = thunder.transpose %e permutation = [1, 0, 2] : tensor<4x8x16xf32> -> tensor<8x4x16xf32>
  %f = thunder.reshape %t, [] : tensor<8x4x16xf32> -> tensor<8x64xf32>
  %y = thunder.matmul %f, %w : (tensor<8x64xf32>, tensor<64x32xf32>) -> tensor<8x32xf32>
  return %y : tensor<8x32xf32>
}
