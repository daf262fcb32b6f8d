// RUN: thunder-compile %s --target cuda:sm_90a -o %t.thb
// RUN: FileCheck %s < %t.thb

// A block goes down the rows of 32 columns, whose totals go through shuffles and shared memory.
// CHECK: .visible .entry kernel_0(
// CHECK: .maxntid 1024
// CHECK: ld.global.nc.v4.b32
// CHECK: shfl.sync.bfly.b32 {{.*}}, 16, 31, -1;
// CHECK: shfl.sync.bfly.b32 {{.*}}, 4, 31, -1;
// CHECK-NOT: shfl.sync.bfly.b32 {{.*}}, 2, 31, -1;
// CHECK: bar.sync
// CHECK: st.global.v4.b32
func.func @main(%x: tensor<8192x4096xbf16>) -> tensor<4096xbf16> {
  %y = thunder.sum %x axes = [0] : tensor<8192x4096xbf16> -> tensor<4096xbf16>
  return %y : tensor<4096xbf16>
}
