// RUN: thunder-compile %s --target cuda:sm_90a -o %t.thb
// RUN: FileCheck %s < %t.thb

// Maximum, sum of exponentials and the target's logit are totals of one pass, in a loop that reads each logit once.
// CHECK: .visible .entry kernel_0(
// CHECK: .maxntid 256
// CHECK-COUNT-4: ld.global.nc.v4.b32
// CHECK-NOT: .entry
func.func @main(%x: tensor<4096x131072xbf16>, %t: tensor<4096xi64>) -> tensor<4096xbf16> {
  %y = thunder.cross_entropy %x, %t : (tensor<4096x131072xbf16>, tensor<4096xi64>) -> tensor<4096xbf16>
  return %y : tensor<4096xbf16>
}
