// RUN: thunder-compile %s --entry=two --target cuda:sm_90a -o %t.two.thb
// RUN: FileCheck %s --check-prefix=TWO < %t.two.thb
// RUN: thunder-compile %s --entry=halves --target cuda:sm_90a -o %t.halves.thb
// RUN: FileCheck %s --check-prefix=HALVES < %t.halves.thb
// RUN: thunder-compile %s --entry=one --target cuda:sm_90a -o %t.one.thb
// RUN: FileCheck %s --check-prefix=ONE < %t.one.thb
// RUN: thunder-compile %s --entry=none --target cuda:sm_90a -o %t.none.thb
// RUN: FileCheck %s --check-prefix=NONE < %t.none.thb
// RUN: thunder-compile %s --entry=later --target cuda:sm_90a -o %t.later.thb
// RUN: FileCheck %s --check-prefix=LATER < %t.later.thb
// RUN: thunder-compile %s --entry=residual --target cuda:sm_90a -o %t.residual.thb
// RUN: FileCheck %s --check-prefix=RESIDUAL < %t.residual.thb
// RUN: thunder-compile %s --entry=rotated --target cuda:sm_90a -o %t.rotated.thb
// RUN: FileCheck %s --check-prefix=ROTATED < %t.rotated.thb
// RUN: thunder-compile %s --entry=two --target cuda:sm_80 -o %t.early.thb
// RUN: FileCheck %s --check-prefix=NONE < %t.early.thb

// Kernels that compute from elements of products are there as parts of these too: as functions that are given 8 elements in
// registers. Older GPUs have no products with parts.

// Two products of the same lhs, of which nothing is read from memory.
// TWO: .visible .func kernel_0_of_0_1(
// TWO-NEXT: .param .b64
// TWO-COUNT-8: .param .b32
// TWO-NEXT: .param .b64
// TWO-NEXT: .param .b64
// TWO-NEXT: .param .b64 kernel_0_of_0_1_param_11
// TWO-NOT: ld.global
// TWO: st.global.v4.b32
// TWO-NOT: st.global
// TWO: ret;
// TWO: .visible .entry kernel_0(
func.func @two(%x: tensor<256x64xbf16>, %g: tensor<512x64xbf16>, %u: tensor<512x64xbf16>) -> tensor<256x512xbf16> {
  %a = thunder.linear %x, %g : (tensor<256x64xbf16>, tensor<512x64xbf16>) -> tensor<256x512xbf16>
  %b = thunder.linear %x, %u : (tensor<256x64xbf16>, tensor<512x64xbf16>) -> tensor<256x512xbf16>
  %c = thunder.silu %a : tensor<256x512xbf16>
  %d = thunder.mul %c, %b : tensor<256x512xbf16>
  return %d : tensor<256x512xbf16>
}

// The halves of one product.
// HALVES: .visible .func kernel_0_of_0at0of1024_0at512of1024(
// HALVES-NOT: ld.global
// HALVES: st.global.v4.b32
// HALVES-NOT: st.global
// HALVES: ret;
func.func @halves(%x: tensor<256x64xf16>, %w: tensor<1024x64xf16>) -> tensor<256x512xf16> {
  %a = thunder.linear %x, %w : (tensor<256x64xf16>, tensor<1024x64xf16>) -> tensor<256x1024xf16>
  %low = thunder.slice %a start = [0, 0] limit = [256, 512] stride = [1, 1] : tensor<256x1024xf16> -> tensor<256x512xf16>
  %high = thunder.slice %a start = [0, 512] limit = [256, 1024] stride = [1, 1] : tensor<256x1024xf16> -> tensor<256x512xf16>
  %c = thunder.silu %low : tensor<256x512xf16>
  %d = thunder.mul %c, %high : tensor<256x512xf16>
  return %d : tensor<256x512xf16>
}

// A product, what is in memory, and results of two types.
// ONE: .visible .func kernel_0_of_{{[01]}}(
// ONE-NEXT: .param .b64
// ONE-COUNT-4: .param .b32
// ONE-NEXT: .param .b64
// ONE: ld.global.v4.b32
// ONE-NOT: ld.global
// ONE-COUNT-3: st.global.v4.b32
// ONE-NOT: st.global
// ONE: ret;
func.func @one(
  %x: tensor<256x64xbf16>, %w: tensor<64x512xbf16>, %y: tensor<256x512xbf16>
) -> (tensor<256x512xf32>, tensor<256x512xbf16>) {
  %a = thunder.matmul %x, %w : (tensor<256x64xbf16>, tensor<64x512xbf16>) -> tensor<256x512xbf16>
  %b = thunder.mul %a, %y : tensor<256x512xbf16>
  %c = thunder.convert %b : tensor<256x512xbf16> -> tensor<256x512xf32>
  %d = thunder.neg %b : tensor<256x512xbf16>
  return %c, %d : tensor<256x512xf32>, tensor<256x512xbf16>
}

// Products that others read before are there by then: the kernel is a part of one that comes later.
// LATER-DAG: .visible .func kernel_0_of_0_1(
// LATER-DAG: .visible .func kernel_1_of_{{[0-9]}}(
func.func @later(
  %x: tensor<256x64xbf16>, %g: tensor<64x512xbf16>, %u: tensor<64x512xbf16>, %d: tensor<512x512xbf16>
) -> (tensor<256x512xbf16>, tensor<256x512xbf16>) {
  %a = thunder.matmul %x, %g : (tensor<256x64xbf16>, tensor<64x512xbf16>) -> tensor<256x512xbf16>
  %b = thunder.matmul %x, %u : (tensor<256x64xbf16>, tensor<64x512xbf16>) -> tensor<256x512xbf16>
  %c = thunder.mul %a, %b : tensor<256x512xbf16>
  %e = thunder.matmul %c, %d : (tensor<256x512xbf16>, tensor<512x512xbf16>) -> tensor<256x512xbf16>
  %f = thunder.mul %e, %a : tensor<256x512xbf16>
  %h = thunder.add %f, %b : tensor<256x512xbf16>
  return %c, %h : tensor<256x512xbf16>, tensor<256x512xbf16>
}

// What is added to a large product, and is written in any case, is a part of it, and no part of the kernel for rows.
// RESIDUAL: .visible .func kernel_0_of_{{[01]}}(
// RESIDUAL-NOT: .visible .func
// RESIDUAL: .visible .entry kernel_1(
func.func @residual(
  %x: tensor<4096x2048xbf16>, %w: tensor<2048x2048xbf16>, %y: tensor<4096x2048xbf16>, %n: tensor<2048xbf16>
) -> (tensor<4096x2048xbf16>, tensor<4096x2048xbf16>) {
  %a = thunder.linear %x, %w : (tensor<4096x2048xbf16>, tensor<2048x2048xbf16>) -> tensor<4096x2048xbf16>
  %b = thunder.add %y, %a : tensor<4096x2048xbf16>
  %c = thunder.rms_norm %b weight(%n) eps = 1.0e-5 : (tensor<4096x2048xbf16>, tensor<2048xbf16>) -> tensor<4096x2048xbf16>
  return %b, %c : tensor<4096x2048xbf16>, tensor<4096x2048xbf16>
}

// The halves of each head of a product, which are both written, where attention wants them.
// ROTATED: .visible .func kernel_0_of_0at0of128_0at64of128(
// ROTATED-NEXT: .param .b64
// ROTATED-COUNT-8: .param .b32
// ROTATED: ld.global.v4.b32
// ROTATED-COUNT-2: st.global.v4.b32
// ROTATED-NOT: st.global
// ROTATED: ret;
func.func @rotated(
  %x: tensor<256x64xbf16>, %w: tensor<512x64xbf16>, %cos: tensor<256x128xbf16>, %sin: tensor<256x128xbf16>
) -> tensor<4x256x128xbf16> {
  %a = thunder.linear %x, %w : (tensor<256x64xbf16>, tensor<512x64xbf16>) -> tensor<256x512xbf16>
  %s = thunder.reshape %a, [] : tensor<256x512xbf16> -> tensor<256x4x128xbf16>
  %t = thunder.transpose %s permutation = [1, 0, 2] : tensor<256x4x128xbf16> -> tensor<4x256x128xbf16>
  %low = thunder.slice %t start = [0, 0, 0] limit = [4, 256, 64] stride = [1, 1, 1] : tensor<4x256x128xbf16> -> tensor<4x256x64xbf16>
  %high = thunder.slice %t start = [0, 0, 64] limit = [4, 256, 128] stride = [1, 1, 1] : tensor<4x256x128xbf16> -> tensor<4x256x64xbf16>
  %n = thunder.neg %high : tensor<4x256x64xbf16>
  %turned = thunder.concat %n, %low axis = 2 : (tensor<4x256x64xbf16>, tensor<4x256x64xbf16>) -> tensor<4x256x128xbf16>
  %c = thunder.broadcast_in_dim %cos, [] dims = [1, 2] : tensor<256x128xbf16> -> tensor<4x256x128xbf16>
  %d = thunder.broadcast_in_dim %sin, [] dims = [1, 2] : tensor<256x128xbf16> -> tensor<4x256x128xbf16>
  %p = thunder.mul %t, %c : tensor<4x256x128xbf16>
  %q = thunder.mul %turned, %d : tensor<4x256x128xbf16>
  %r = thunder.add %p, %q : tensor<4x256x128xbf16>
  return %r : tensor<4x256x128xbf16>
}

// What combines or moves elements is no part, nor what has rows of which 8 elements are in two.
// NONE-NOT: .visible .func
func.func @none(
  %x: tensor<256x64xbf16>, %w: tensor<64x512xbf16>, %v: tensor<64x100xbf16>
) -> (tensor<256xbf16>, tensor<512x256xbf16>, tensor<256x100xbf16>) {
  %a = thunder.matmul %x, %w : (tensor<256x64xbf16>, tensor<64x512xbf16>) -> tensor<256x512xbf16>
  %b = thunder.sum %a axes = [1] : tensor<256x512xbf16> -> tensor<256xbf16>
  %c = thunder.matmul %x, %w : (tensor<256x64xbf16>, tensor<64x512xbf16>) -> tensor<256x512xbf16>
  %d = thunder.transpose %c permutation = [1, 0] : tensor<256x512xbf16> -> tensor<512x256xbf16>
  %e = thunder.neg %d : tensor<512x256xbf16>
  %f = thunder.matmul %x, %v : (tensor<256x64xbf16>, tensor<64x100xbf16>) -> tensor<256x100xbf16>
  %g = thunder.neg %f : tensor<256x100xbf16>
  return %b, %e, %g : tensor<256xbf16>, tensor<512x256xbf16>, tensor<256x100xbf16>
}
