// RUN: thunder-compile %s --target cuda:sm_90a -o %t.thb
// RUN: FileCheck %s < %t.thb

// A tile is read along the rows of the operand into shared memory, and written along those of the result.
// CHECK: .visible .entry kernel_0(
// CHECK: .maxntid 256
// CHECK: ld.global.v4.b32
// CHECK-COUNT-4: st.shared.b32
// CHECK: ld.global.v4.b32
// CHECK-COUNT-4: st.shared.b32
// CHECK: bar.sync
// CHECK-NOT: ld.global
// CHECK-COUNT-8: ld.shared.b16
// CHECK: st.global.v4.b32
// CHECK-COUNT-8: ld.shared.b16
// CHECK: st.global.v4.b32
// CHECK-NOT: st.global
// CHECK: ret;
func.func @main(%x: tensor<2x256x4096xbf16>) -> tensor<2x4096x256xbf16> {
  %t = thunder.transpose %x permutation = [0, 2, 1] : tensor<2x256x4096xbf16> -> tensor<2x4096x256xbf16>
  %y = thunder.exp %t : tensor<2x4096x256xbf16>
  return %y : tensor<2x4096x256xbf16>
}
