// RUN: thunder-compile %s --target cuda:sm_90a -o %t.thb
// RUN: FileCheck %s < %t.thb

// Maximum and sum of exponentials are totals of one pass, in a loop that reads each logit once; the target's is read by itself.
// CHECK: .visible .entry kernel_0(
// CHECK: .maxntid 256
// CHECK-COUNT-4: ld.global.nc.v4.b32
// CHECK-COUNT-2: bar.sync
// CHECK: ld.global.nc.b16
// CHECK-NOT: bar.sync
// CHECK-NOT: .entry
func.func @main(%x: tensor<4096x131072xbf16>, %t: tensor<4096xi64>) -> tensor<4096xbf16> {
  %y = thunder.cross_entropy %x, %t : (tensor<4096x131072xbf16>, tensor<4096xi64>) -> tensor<4096xbf16>
  return %y : tensor<4096xbf16>
}
