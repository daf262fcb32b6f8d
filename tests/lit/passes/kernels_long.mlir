// RUN: thunder-opt %s --thunder-kernels=target=gpu --split-input-file | FileCheck %s
// RUN: thunder-opt %s --thunder-kernels --split-input-file | FileCheck %s --check-prefix=CPU
// RUN: thunder-opt %s --check-equivalence=%t.mlir --thunder-kernels=target=gpu --split-input-file 2>&1 | FileCheck %s --check-prefix=SAME

// SAME-NOT: differ

// What is reduced to one number is shared by many blocks, each of which has a part, with what it is made of: a dimension is
// two, also of what is broadcast.
// CHECK-LABEL: func.func @loss
// CHECK-DAG: thunder.reshape %arg0, [] : tensor<2048x384xbf16> -> tensor<512x4x384xbf16>
// CHECK: %[[P:.*]] = call @kernel_0(
// CHECK-SAME: -> tensor<512xf32>
// CHECK: call @kernel_1({{.*}} -> tensor<1xbf16>
// CHECK-NOT: call
// CHECK: return
// CHECK: func.func private @kernel_0
// CHECK-SAME: thunder.rows = array<i64: 0, 1, 1, 1>
// CHECK: thunder.mean {{.*}} axes = [1, 2] : tensor<512x4x384xf32> -> tensor<512xf32>
// CPU-LABEL: func.func @loss
// CPU: call @kernel_1({{.*}} -> tensor<bf16>
func.func @loss(%x: tensor<2048x384xbf16>, %y: tensor<2048x384xbf16>, %b: tensor<384xbf16>) -> tensor<bf16> {
  %r = thunder.broadcast_in_dim %b, [] dims = [1] : tensor<384xbf16> -> tensor<2048x384xbf16>
  %e = thunder.add %x, %r : tensor<2048x384xbf16>
  %d = thunder.sub %e, %y : tensor<2048x384xbf16>
  %q = thunder.mul %d, %d : tensor<2048x384xbf16>
  %m = thunder.mean %q axes = [0, 1] : tensor<2048x384xbf16> -> tensor<bf16>
  return %m : tensor<bf16>
}

// -----

// So are few long rows; what is repeated along the dimension is repeated along both.
// CHECK-LABEL: func.func @rows
// CHECK: call @kernel_0({{.*}} -> tensor<2x256xf32>
// CHECK: call @kernel_1({{.*}} -> tensor<1x2xf32>
// CHECK-NOT: call
// CHECK: return
func.func @rows(%x: tensor<2x262144xf32>, %s: tensor<1xf32>) -> tensor<2x1xf32> {
  %r = thunder.broadcast_in_dim %s, [] dims = [1] : tensor<1xf32> -> tensor<2x262144xf32>
  %p = thunder.mul %x, %r : tensor<2x262144xf32>
  %m = thunder.amax %p axes = [1] keep_dims = true : tensor<2x262144xf32> -> tensor<2x1xf32>
  return %m : tensor<2x1xf32>
}

// -----

// And few columns of many rows: neighbouring rows are of different parts.
// CHECK-LABEL: func.func @columns
// CHECK: thunder.reshape %arg0, [] : tensor<16384x6xf32> -> tensor<64x256x6xf32>
// CHECK: call @kernel_0({{.*}} -> tensor<256x6xf32>
// CHECK: call @kernel_1({{.*}} -> tensor<1x6xf32>
func.func @columns(%x: tensor<16384x6xf32>) -> tensor<6xf32> {
  %s = thunder.sum %x axes = [0] : tensor<16384x6xf32> -> tensor<6xf32>
  return %s : tensor<6xf32>
}

// -----

// Not so rows of which the total is needed again: they stay in one kernel with it.
// CHECK-LABEL: func.func @relative
// CHECK: call @kernel_0(%arg0) : (tensor<2x262144xf32>) -> tensor<2x262144xf32>
// CHECK-NOT: call
// CHECK: return
func.func @relative(%x: tensor<2x262144xf32>) -> tensor<2x262144xf32> {
  %m = thunder.amax %x axes = [1] : tensor<2x262144xf32> -> tensor<2xf32>
  %r = thunder.broadcast_in_dim %m, [] dims = [0] : tensor<2xf32> -> tensor<2x262144xf32>
  %d = thunder.sub %x, %r : tensor<2x262144xf32>
  return %d : tensor<2x262144xf32>
}

// -----

// But for rows so long that few blocks would take longer than to read them once more: what is computed of a total, one for all
// parts of a row, is in the kernel that reads these.
// CHECK-LABEL: func.func @longest
// CHECK: call @kernel_0({{.*}} -> tensor<2x256xf32>
// CHECK: call @kernel_1({{.*}} -> tensor<1x2xf32>
// CHECK: call @kernel_2({{.*}}) : (tensor<2xf32>, tensor<2x256x2048xf32>) -> tensor<2x256xf32>
// CHECK: call @kernel_3({{.*}} -> tensor<1x2xf32>
// CHECK: call @kernel_4({{.*}} -> tensor<2x524288xf32>
// CHECK-NOT: call
// CHECK: return
// CHECK: func.func private @kernel_2
// CHECK-SAME: thunder.rows = array<i64: 0, 2, 2>
func.func @longest(%x: tensor<2x524288xf32>) -> tensor<2x524288xf32> {
  %m = thunder.amax %x axes = [1] : tensor<2x524288xf32> -> tensor<2xf32>
  %r = thunder.broadcast_in_dim %m, [] dims = [0] : tensor<2xf32> -> tensor<2x524288xf32>
  %d = thunder.sub %x, %r : tensor<2x524288xf32>
  %e = thunder.exp %d : tensor<2x524288xf32>
  %s = thunder.sum %e axes = [1] : tensor<2x524288xf32> -> tensor<2xf32>
  %t = thunder.broadcast_in_dim %s, [] dims = [0] : tensor<2xf32> -> tensor<2x524288xf32>
  %y = thunder.div %e, %t : tensor<2x524288xf32>
  return %y : tensor<2x524288xf32>
}

// -----

// Nor what no number of parts divides, nor what differs from run to run.
// CHECK-LABEL: func.func @odd
// CHECK: call @kernel_0({{.*}} -> tensor<f32>
// CHECK: call @kernel_1({{.*}} -> tensor<f32>
// CHECK-NOT: call
// CHECK: return
func.func @odd(%x: tensor<1000003xf32>, %y: tensor<?x262144xf32>) -> (tensor<f32>, tensor<f32>) {
  %s = thunder.sum %x axes = [0] : tensor<1000003xf32> -> tensor<f32>
  %t = thunder.sum %y axes = [0, 1] : tensor<?x262144xf32> -> tensor<f32>
  return %s, %t : tensor<f32>, tensor<f32>
}
