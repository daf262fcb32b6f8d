// RUN: thunder-compile %s --target cuda:sm_90a -o %t.thb
// RUN: FileCheck %s < %t.thb

// Functions of f64 are code of ours, and so are those of f32 that have no polynomial in f32: they are computed in f64.
// CHECK: .visible .entry kernel_0(
// CHECK: cvt.f64.f32
// CHECK: fma.rn.f64
// CHECK: cvt.rn.f32.f64
// CHECK: .visible .entry kernel_1(
// CHECK: fma.rn.f64
// CHECK-NOT: call
// CHECK: st.global
func.func @main(%x: tensor<64xf32>, %base: tensor<96xf64>, %exponent: tensor<96xf64>) -> (tensor<64xf32>, tensor<96xf64>) {
  %tan = thunder.tan %x : tensor<64xf32>
  %pow = thunder.pow %base, %exponent : tensor<96xf64>
  return %tan, %pow : tensor<64xf32>, tensor<96xf64>
}
