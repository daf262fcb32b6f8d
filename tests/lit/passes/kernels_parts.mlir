// RUN: thunder-opt %s --thunder-kernels=target=hopper --split-input-file | FileCheck %s
// RUN: thunder-opt %s --thunder-kernels=target=gpu --split-input-file | FileCheck %s --check-prefix=GPU

// What is written in any case, or made of several tensors, is a kernel of its own where a large product can compute it while its
// elements are in registers.
// CHECK-LABEL: func.func @norm
// CHECK: %[[Y:.*]] = thunder.linear
// CHECK: %[[S:.*]] = call @kernel_0(%{{.*}}, %[[Y]]) : (tensor<4096x2048xbf16>, tensor<4096x2048xbf16>) -> tensor<4096x2048xbf16>
// CHECK: %[[N:.*]] = call @kernel_1(%[[S]])
// CHECK: return %[[S]], %[[N]]
// GPU-LABEL: func.func @norm
// GPU: call @kernel_0({{.*}} -> (tensor<4096x2048xbf16>, tensor<4096x2048xbf16>)
// GPU-NOT: call
// GPU: return
func.func @norm(%x: tensor<4096x2048xbf16>, %w: tensor<2048x2048xbf16>, %y: tensor<4096x2048xbf16>) -> (tensor<4096x2048xbf16>, tensor<4096x2048xbf16>) {
  %a = thunder.linear %x, %w : (tensor<4096x2048xbf16>, tensor<2048x2048xbf16>) -> tensor<4096x2048xbf16>
  %b = thunder.add %y, %a : tensor<4096x2048xbf16>
  %c = thunder.sum %b axes = [1] : tensor<4096x2048xbf16> -> tensor<4096xbf16>
  %d = thunder.broadcast_in_dim %c, [] dims = [0] : tensor<4096xbf16> -> tensor<4096x2048xbf16>
  %e = thunder.mul %b, %d : tensor<4096x2048xbf16>
  return %b, %e : tensor<4096x2048xbf16>, tensor<4096x2048xbf16>
}

// -----

// Sums of products are made one by one.
// CHECK-LABEL: func.func @sums
// CHECK: %[[A:.*]] = call @kernel_0(
// CHECK: %[[B:.*]] = call @kernel_0(%[[A]], %{{.*}})
// CHECK: call @kernel_1(%[[B]])
func.func @sums(%x: tensor<4096x2048xbf16>, %y: tensor<4096x2048xbf16>, %z: tensor<4096x2048xbf16>, %w: tensor<2048x2048xbf16>) -> tensor<4096xbf16> {
  %a = thunder.matmul %x, %w : (tensor<4096x2048xbf16>, tensor<2048x2048xbf16>) -> tensor<4096x2048xbf16>
  %b = thunder.matmul %y, %w : (tensor<4096x2048xbf16>, tensor<2048x2048xbf16>) -> tensor<4096x2048xbf16>
  %c = thunder.matmul %z, %w : (tensor<4096x2048xbf16>, tensor<2048x2048xbf16>) -> tensor<4096x2048xbf16>
  %d = thunder.add %a, %b : tensor<4096x2048xbf16>
  %e = thunder.add %d, %c : tensor<4096x2048xbf16>
  %f = thunder.sum %e axes = [1] : tensor<4096x2048xbf16> -> tensor<4096xbf16>
  return %f : tensor<4096xbf16>
}

// -----

// Not where the product is small, where others read it, where it is made of what the kernel makes, or where nothing is gained.
// CHECK-LABEL: func.func @small
// CHECK: call @kernel_0({{.*}} -> (tensor<64x32xbf16>, tensor<64xbf16>)
// CHECK-LABEL: func.func @read
// CHECK: call @kernel_1({{.*}} -> (tensor<4096x2048xbf16>, tensor<4096xbf16>)
// CHECK-LABEL: func.func @made
// CHECK: call @kernel_2({{.*}} -> (tensor<4096x2048xbf16>, tensor<4096xbf16>)
// CHECK-LABEL: func.func @inner
// CHECK: call @kernel_3({{.*}} -> tensor<4096xbf16>
// CHECK-NOT: call
// CHECK: return
func.func @small(%x: tensor<64x32xbf16>, %w: tensor<32x32xbf16>, %y: tensor<64x32xbf16>) -> (tensor<64x32xbf16>, tensor<64xbf16>) {
  %a = thunder.matmul %x, %w : (tensor<64x32xbf16>, tensor<32x32xbf16>) -> tensor<64x32xbf16>
  %b = thunder.add %y, %a : tensor<64x32xbf16>
  %c = thunder.sum %b axes = [1] : tensor<64x32xbf16> -> tensor<64xbf16>
  return %b, %c : tensor<64x32xbf16>, tensor<64xbf16>
}
func.func @read(%x: tensor<4096x2048xbf16>, %w: tensor<2048x2048xbf16>, %y: tensor<4096x2048xbf16>) -> (tensor<4096x2048xbf16>, tensor<4096xbf16>, tensor<4096x2048xbf16>) {
  %a = thunder.matmul %x, %w : (tensor<4096x2048xbf16>, tensor<2048x2048xbf16>) -> tensor<4096x2048xbf16>
  %b = thunder.add %y, %a : tensor<4096x2048xbf16>
  %c = thunder.sum %b axes = [1] : tensor<4096x2048xbf16> -> tensor<4096xbf16>
  return %b, %c, %a : tensor<4096x2048xbf16>, tensor<4096xbf16>, tensor<4096x2048xbf16>
}
func.func @made(%x: tensor<4096x2048xbf16>, %w: tensor<2048x2048xbf16>, %y: tensor<4096x2048xbf16>) -> (tensor<4096x2048xbf16>, tensor<4096xbf16>) {
  %a = thunder.matmul %x, %w : (tensor<4096x2048xbf16>, tensor<2048x2048xbf16>) -> tensor<4096x2048xbf16>
  %s = thunder.sum %y axes = [1] : tensor<4096x2048xbf16> -> tensor<4096xbf16>
  %r = thunder.broadcast_in_dim %s, [] dims = [0] : tensor<4096xbf16> -> tensor<4096x2048xbf16>
  %b = thunder.add %r, %a : tensor<4096x2048xbf16>
  %c = thunder.sum %b axes = [1] : tensor<4096x2048xbf16> -> tensor<4096xbf16>
  return %b, %c : tensor<4096x2048xbf16>, tensor<4096xbf16>
}
func.func @inner(%x: tensor<4096x2048xbf16>, %w: tensor<2048x2048xbf16>) -> tensor<4096xbf16> {
  %a = thunder.matmul %x, %w : (tensor<4096x2048xbf16>, tensor<2048x2048xbf16>) -> tensor<4096x2048xbf16>
  %b = thunder.exp %a : tensor<4096x2048xbf16>
  %c = thunder.sum %b axes = [1] : tensor<4096x2048xbf16> -> tensor<4096xbf16>
  return %c : tensor<4096xbf16>
}
