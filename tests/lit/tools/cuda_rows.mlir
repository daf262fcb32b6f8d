// RUN: thunder-compile %s --target cuda:sm_90a -o %t.thb
// RUN: FileCheck %s < %t.thb

// A block computes a row: it is read once, and its total goes through shuffles and shared memory.
// CHECK: .visible .entry kernel_0(
// CHECK: .maxntid 128
// CHECK-COUNT-4: ld.global.nc.v4.b32
// CHECK-COUNT-5: shfl.sync.bfly.b32
// CHECK: st.shared.b32
// CHECK: bar.sync
// CHECK: ld.shared.b32
// CHECK-COUNT-2: shfl.sync.bfly.b32
// CHECK-NOT: shfl
// CHECK-NOT: ld.global
// CHECK-COUNT-4: st.global.v4.b32
// CHECK-NOT: st.global
// CHECK: ret;
func.func @main(%x: tensor<8192x4096xbf16>) -> tensor<8192x4096xbf16> {
  %y = thunder.rms_norm %x eps = 1.0e-6 : (tensor<8192x4096xbf16>) -> tensor<8192x4096xbf16>
  return %y : tensor<8192x4096xbf16>
}
