// RUN: thunder-compile %s --target cuda:sm_90a -o %t.thb
// RUN: FileCheck %s < %t.thb

// What is rounded to 16 bits afterwards takes few instructions: a gelu, one exponential and one reciprocal.
// CHECK: .visible .entry kernel_0(
// CHECK-NOT: div.full
// CHECK: ex2.approx.ftz.f32
// CHECK-NOT: div.full
// CHECK: rcp.approx.ftz.f32
// CHECK-NOT: div.full

// A quotient of any numbers is right over their whole range, also one by such a sum.
// CHECK: .visible .entry kernel_1(
// CHECK-NOT: rcp.approx
// CHECK: div.full.f32
// CHECK-NOT: rcp.approx
func.func @main(%x: tensor<64xbf16>, %y: tensor<96xf32>, %z: tensor<96xf32>) -> (tensor<64xbf16>, tensor<96xbf16>) {
  %gelu = thunder.gelu %x approximate = tanh : tensor<64xbf16>
  %one = thunder.full [] value = 1.0 : f32 : tensor<96xf32>
  %power = thunder.exp %z : tensor<96xf32>
  %sum = thunder.add %power, %one : tensor<96xf32>
  %wide = thunder.div %y, %sum : tensor<96xf32>
  %quotient = thunder.convert %wide : tensor<96xf32> -> tensor<96xbf16>
  return %gelu, %quotient : tensor<64xbf16>, tensor<96xbf16>
}
