// RUN: thunder-compile %s --target cuda:sm_90a -o %t.thb
// RUN: FileCheck %s < %t.thb

// Random numbers are made once for a row that two passes go over: what is made with them stays in registers.
// CHECK: .visible .entry kernel_0(
// CHECK: .maxntid 256
// CHECK-NOT: cp.async
// CHECK: ld.global.nc.v4.b32
// CHECK: mul.wide.u32 {{.*}}, -766435501;
// CHECK: bar.sync
// CHECK-NOT: -766435501;
// CHECK: st.global.v4.b32
func.func @main(%x: tensor<4096x8192xbf16>, %z: tensor<4096x8192xbf16>, %w: tensor<8192xbf16>, %key: tensor<i64>) -> (tensor<4096x8192xbf16>, tensor<4096x8192xbf16>) {
  %i = thunder.iota axis = 0 : tensor<4096x8192xi64>
  %j = thunder.iota axis = 1 : tensor<4096x8192xi64>
  %c = thunder.full [] value = 8192 : i64 : tensor<4096x8192xi64>
  %m = thunder.mul %i, %c : tensor<4096x8192xi64>
  %n = thunder.add %m, %j : tensor<4096x8192xi64>
  %k = thunder.broadcast_in_dim %key, [] dims = [] : tensor<i64> -> tensor<4096x8192xi64>
  %r = thunder.philox_word %n, %k : (tensor<4096x8192xi64>, tensor<4096x8192xi64>) -> tensor<4096x8192xi32>
  %l = thunder.full [] value = 0 : i32 : tensor<4096x8192xi32>
  %e = thunder.ge %r, %l : (tensor<4096x8192xi32>, tensor<4096x8192xi32>) -> tensor<4096x8192xi1>
  %o = thunder.full [] value = 0.0 : bf16 : tensor<4096x8192xbf16>
  %d = thunder.where %e, %x, %o : (tensor<4096x8192xi1>, tensor<4096x8192xbf16>, tensor<4096x8192xbf16>) -> tensor<4096x8192xbf16>
  %s = thunder.add %z, %d : tensor<4096x8192xbf16>
  %y = thunder.rms_norm %s weight(%w) eps = 1.0e-5 : (tensor<4096x8192xbf16>, tensor<8192xbf16>) -> tensor<4096x8192xbf16>
  return %s, %y : tensor<4096x8192xbf16>, tensor<4096x8192xbf16>
}
