// RUN: thunder-opt %s --split-input-file --thunder-kernels=target=gpu --thunder-donate=reuse=true | FileCheck %s
// RUN: thunder-opt %s --split-input-file --check-equivalence=%t.broken.mlir --thunder-kernels=target=gpu --thunder-donate=reuse=true

// On GPUs an elementwise kernel makes results where operands were that nobody reads any more: first of those that are no
// matrix product. What is returned has memory of its own.
// CHECK-LABEL: func.func @products(
// CHECK: call @kernel_{{[01]}}_in_place_0(
// CHECK: func.func private @kernel_{{[01]}}_in_place_0
// CHECK-SAME: thunder.in_place = array<i64: 1>
func.func @products(%x: tensor<8x4xf32>, %v: tensor<4x4xf32>, %w: tensor<4x4xf32>) -> tensor<8x4xf32> {
  %a = thunder.matmul %x, %v : (tensor<8x4xf32>, tensor<4x4xf32>) -> tensor<8x4xf32>
  %s = thunder.softmax %x axis = 0 : tensor<8x4xf32>
  %b = thunder.mul %a, %s : tensor<8x4xf32>
  %y = thunder.matmul %b, %w : (tensor<8x4xf32>, tensor<4x4xf32>) -> tensor<8x4xf32>
  return %y : tensor<8x4xf32>
}

// -----

// Each result has the memory of another operand, though all are made of both.
// CHECK-LABEL: func.func @two(
// CHECK: call @kernel_{{[01]}}_in_place_0(
// CHECK: thunder.in_place = array<i64: 0, 1>
func.func @two(%x: tensor<8x4xf32>, %v: tensor<4x4xf32>, %w: tensor<4x4xf32>) -> (tensor<8x4xf32>, tensor<8x4xf32>) {
  %a = thunder.matmul %x, %v : (tensor<8x4xf32>, tensor<4x4xf32>) -> tensor<8x4xf32>
  %b = thunder.matmul %x, %w : (tensor<8x4xf32>, tensor<4x4xf32>) -> tensor<8x4xf32>
  %c = thunder.add %a, %b : tensor<8x4xf32>
  %d = thunder.mul %a, %b : tensor<8x4xf32>
  %y = thunder.matmul %c, %v : (tensor<8x4xf32>, tensor<4x4xf32>) -> tensor<8x4xf32>
  %z = thunder.matmul %d, %w : (tensor<8x4xf32>, tensor<4x4xf32>) -> tensor<8x4xf32>
  return %y, %z : tensor<8x4xf32>, tensor<8x4xf32>
}

// -----

// What a product is made from is not overwritten where the kernel may be a part of that product.
// CHECK-LABEL: func.func @residual(
// CHECK: call @kernel_{{[01]}}_in_place_0(
// CHECK: thunder.in_place = array<i64: 1>
func.func @residual(%x: tensor<8x4xf32>, %v: tensor<4x4xf32>, %w: tensor<4x4xf32>) -> tensor<8x4xf32> {
  %s = thunder.softmax %x axis = 0 : tensor<8x4xf32>
  %a = thunder.matmul %s, %v : (tensor<8x4xf32>, tensor<4x4xf32>) -> tensor<8x4xf32>
  %b = thunder.add %s, %a : tensor<8x4xf32>
  %y = thunder.matmul %b, %w : (tensor<8x4xf32>, tensor<4x4xf32>) -> tensor<8x4xf32>
  return %y : tensor<8x4xf32>
}

// -----

// Nor is the result of an attention, which its gradient may be given.
// CHECK-LABEL: func.func @attention(
// CHECK: call @kernel_0_in_place_0(%0, %1)
// CHECK: thunder.in_place = array<i64: 1>
func.func @attention(%q: tensor<1x1x8x8xbf16>, %w: tensor<8x8xbf16>) -> tensor<1x1x8x8xbf16> {
  %a = thunder.sdpa %q, %q, %q : (tensor<1x1x8x8xbf16>, tensor<1x1x8x8xbf16>, tensor<1x1x8x8xbf16>) -> tensor<1x1x8x8xbf16>
  %b = thunder.linear %q, %w : (tensor<1x1x8x8xbf16>, tensor<8x8xbf16>) -> tensor<1x1x8x8xbf16>
  %c = thunder.mul %a, %b : tensor<1x1x8x8xbf16>
  %y = thunder.linear %c, %w : (tensor<1x1x8x8xbf16>, tensor<8x8xbf16>) -> tensor<1x1x8x8xbf16>
  return %y : tensor<1x1x8x8xbf16>
}

// -----

// Nothing is made where arguments are, what is read later, what is of another type, or what kernels combine.
// CHECK-LABEL: func.func @kept(
// CHECK-NOT: in_place
func.func @kept(%x: tensor<8x4xf32>, %v: tensor<4x4xf32>) -> (tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf64>) {
  %e = thunder.exp %x : tensor<8x4xf32>
  %a = thunder.matmul %e, %v : (tensor<8x4xf32>, tensor<4x4xf32>) -> tensor<8x4xf32>
  %b = thunder.tanh %a : tensor<8x4xf32>
  %c = thunder.matmul %b, %v : (tensor<8x4xf32>, tensor<4x4xf32>) -> tensor<8x4xf32>
  %s = thunder.softmax %c axis = 0 : tensor<8x4xf32>
  %d = thunder.matmul %s, %v : (tensor<8x4xf32>, tensor<4x4xf32>) -> tensor<8x4xf32>
  %w = thunder.convert %d : tensor<8x4xf32> -> tensor<8x4xf64>
  return %a, %c, %w : tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf64>
}
