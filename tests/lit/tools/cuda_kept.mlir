// RUN: thunder-compile %s --target cuda:sm_90a -o %t.thb
// RUN: FileCheck %s < %t.thb
// RUN: thunder-compile %s --target cuda:sm_80 -o %t.small.thb
// RUN: FileCheck %s --check-prefix=SMALL < %t.small.thb

// Rows of 64000 bytes go into shared memory, three at a time for each multiprocessor; every pass reads them there. The first
// goes over what has arrived.
// CHECK: .visible .entry kernel_0(
// CHECK: .maxntid 512
// CHECK: .minnctapersm 3
// CHECK-COUNT-8: cp.async.cg.shared.global
// CHECK: cp.async.wait_group 7
// CHECK-NEXT: ld.shared.v4.b32
// CHECK: cp.async.wait_group 0
// CHECK: bar.sync
// CHECK-NOT: ld.global.nc.v4
// CHECK: st.global.v4.b32

// Where there is less of it, one at a time.
// SMALL: .visible .entry kernel_0(
// SMALL: .maxntid 1024
// SMALL-NOT: .minnctapersm
// SMALL: cp.async.cg.shared.global
func.func @main(%x: tensor<4096x32000xbf16>) -> tensor<4096x32000xbf16> {
  %y = thunder.softmax %x axis = 1 : tensor<4096x32000xbf16>
  return %y : tensor<4096x32000xbf16>
}
