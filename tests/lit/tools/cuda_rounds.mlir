// RUN: thunder-compile %s --target cuda:sm_90a -o %t.thb
// RUN: FileCheck %s < %t.thb

// A table that is the same for all heads is read once for four of them; both halves of a row are read by all threads, without
// branches, and chosen from. Elements of 16 bits are computed two at a time.
// CHECK: .visible .entry kernel_0(
// CHECK: selp.b32
// CHECK: mul.rn.bf16x2
// CHECK: add.rn.bf16x2
// CHECK-COUNT-9: ld.global.nc.v4
// CHECK-NOT: ld.global
// CHECK-COUNT-4: st.global.v4.b32
// CHECK-NEXT: $L
// CHECK-NEXT: ret;
func.func @main(%x: tensor<32x4096x128xbf16>, %sin: tensor<4096x128xbf16>) -> tensor<32x4096x128xbf16> {
  %l = thunder.slice %x start = [0, 0, 0] limit = [32, 4096, 64] stride = [1, 1, 1] : tensor<32x4096x128xbf16> -> tensor<32x4096x64xbf16>
  %h = thunder.slice %x start = [0, 0, 64] limit = [32, 4096, 128] stride = [1, 1, 1] : tensor<32x4096x128xbf16> -> tensor<32x4096x64xbf16>
  %m = thunder.neg %h : tensor<32x4096x64xbf16>
  %r = thunder.concat %m, %l axis = 2 : (tensor<32x4096x64xbf16>, tensor<32x4096x64xbf16>) -> tensor<32x4096x128xbf16>
  %s = thunder.broadcast_in_dim %sin, [] dims = [1, 2] : tensor<4096x128xbf16> -> tensor<32x4096x128xbf16>
  %b = thunder.mul %r, %s : tensor<32x4096x128xbf16>
  %y = thunder.add %x, %b : tensor<32x4096x128xbf16>
  return %y : tensor<32x4096x128xbf16>
}
