// RUN: thunder-opt %s --thunder-kernels --split-input-file | FileCheck %s
// RUN: thunder-opt %s --thunder-kernels --thunder-to-linalg --canonicalize --cse --linalg-fuse-elementwise-ops --thunder-cpu-entries --split-input-file | FileCheck %s --check-prefix=CPU

// Halves that are turned and joined are rows of one kernel, with what both are multiplied by, and although the operand has
// its dimensions in another order.
// CHECK-LABEL: func.func @rotary
// CHECK: %[[X:.*]] = thunder.reshape
// CHECK-NEXT: %[[Y:.*]] = call @kernel_0(%[[X]], %arg1, %arg3, %arg2)
// CHECK-NEXT: return %[[Y]]
// CHECK: func.func private @kernel_0
// CHECK-SAME: thunder.rows = array<i64: 0, 0, 0, 0, 3>
// CPU: func.func private @kernel_0.body
// CPU: scf.for
// CPU: tensor.insert_slice {{.*}} tensor<32xf32> into tensor<64xf32>
// CPU: tensor.insert_slice {{.*}} tensor<32xf32> into tensor<64xf32>
// CPU-NOT: tensor<1x8x?x64xf32>
// CPU: func.func @kernel_0
func.func @rotary(%q: tensor<1x?x512xf32>, %cos: tensor<?x64xf32>, %sin: tensor<?x64xf32>, %n: index) -> tensor<1x8x?x64xf32> {
  %r = thunder.reshape %q, [%n] : (tensor<1x?x512xf32>, index) -> tensor<1x?x8x64xf32>
  %x = thunder.transpose %r permutation = [0, 2, 1, 3] : tensor<1x?x8x64xf32> -> tensor<1x8x?x64xf32>
  %a = thunder.slice %x start = [0, 0, 0, 0] limit = [1, 8, 9223372036854775807, 32] stride = [1, 1, 1, 1] : tensor<1x8x?x64xf32> -> tensor<1x8x?x32xf32>
  %b = thunder.slice %x start = [0, 0, 0, 32] limit = [1, 8, 9223372036854775807, 64] stride = [1, 1, 1, 1] : tensor<1x8x?x64xf32> -> tensor<1x8x?x32xf32>
  %c = thunder.broadcast_in_dim %cos, [%n] dims = [2, 3] : (tensor<?x64xf32>, index) -> tensor<1x8x?x64xf32>
  %s = thunder.broadcast_in_dim %sin, [%n] dims = [2, 3] : (tensor<?x64xf32>, index) -> tensor<1x8x?x64xf32>
  %m = thunder.mul %x, %c : tensor<1x8x?x64xf32>
  %h = thunder.neg %b : tensor<1x8x?x32xf32>
  %k = thunder.concat %h, %a axis = 3 : (tensor<1x8x?x32xf32>, tensor<1x8x?x32xf32>) -> tensor<1x8x?x64xf32>
  %l = thunder.mul %k, %s : tensor<1x8x?x64xf32>
  %y = thunder.add %m, %l : tensor<1x8x?x64xf32>
  return %y : tensor<1x8x?x64xf32>
}

// -----

// What is joined, padded, cut and turned round along the last dimension is rows of the others.
// CHECK: func.func private @kernel_0
// CHECK-SAME: thunder.rows = array<i64: 1, 1>
// CHECK: thunder.exp
// CHECK: thunder.pad
// CHECK: thunder.reverse
// CHECK: thunder.concat
// CHECK: thunder.sum
// CPU: scf.for
// CPU-NOT: tensor<?x
// CPU: func.func @kernel_0
func.func @last(%x: tensor<?x5xf32>) -> tensor<?xf32> {
  %e = thunder.exp %x : tensor<?x5xf32>
  %p = thunder.pad %e low = [0, 2] high = [0, -1] interior = [0, 1] value = 0.0 : f32 : tensor<?x5xf32> -> tensor<?x10xf32>
  %r = thunder.reverse %p axes = [1] : tensor<?x10xf32>
  %s = thunder.slice %r start = [0, 1] limit = [9223372036854775807, 9] stride = [1, 3] : tensor<?x10xf32> -> tensor<?x3xf32>
  %c = thunder.concat %s, %e axis = 1 : (tensor<?x3xf32>, tensor<?x5xf32>) -> tensor<?x8xf32>
  %y = thunder.sum %c axes = [1] : tensor<?x8xf32> -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// -----

// Along the first dimension there are no rows: nothing is shared.
// CHECK-LABEL: func.func @first
// CHECK-COUNT-3: call @kernel_
func.func @first(%x: tensor<4x5xf32>) -> tensor<8x5xf32> {
  %e = thunder.exp %x : tensor<4x5xf32>
  %c = thunder.concat %e, %x axis = 0 : (tensor<4x5xf32>, tensor<4x5xf32>) -> tensor<8x5xf32>
  %y = thunder.sin %c : tensor<8x5xf32>
  return %y : tensor<8x5xf32>
}

// -----

// The end of a dimension whose size is not known is told by the whole operand.
// CHECK-LABEL: func.func @end
// CHECK-COUNT-2: call @kernel_
func.func @end(%x: tensor<4x?xf32>) -> tensor<4x?xf32> {
  %e = thunder.exp %x : tensor<4x?xf32>
  %y = thunder.reverse %e axes = [1] : tensor<4x?xf32>
  return %y : tensor<4x?xf32>
}

// -----

// A branch that only the last op uses is its kernel's, in spite of another branch between.
// CHECK-LABEL: func.func @branches
// CHECK-NEXT: %[[Y:.*]] = call @kernel_0(%arg0, %arg1)
// CHECK-NEXT: return %[[Y]]
func.func @branches(%x: tensor<4x5xf32>, %z: tensor<4x5xf32>) -> tensor<4x5xf32> {
  %a = thunder.exp %x : tensor<4x5xf32>
  %b = thunder.sin %z : tensor<4x5xf32>
  %y = thunder.add %a, %b : tensor<4x5xf32>
  return %y : tensor<4x5xf32>
}

// -----

// It is not where a product between the branches needs it.
// CHECK-LABEL: func.func @needed_between
// CHECK: call @kernel_0
// CHECK: thunder.matmul
// CHECK: call @kernel_1
func.func @needed_between(%x: tensor<4x4xf32>, %z: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %a = thunder.exp %x : tensor<4x4xf32>
  %p = thunder.matmul %a, %z : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %b = thunder.sin %p : tensor<4x4xf32>
  %y = thunder.add %a, %b : tensor<4x4xf32>
  return %y : tensor<4x4xf32>
}
