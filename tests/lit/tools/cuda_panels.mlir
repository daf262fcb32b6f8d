// RUN: thunder-compile %s --target cuda:sm_90a -o %t.thb
// RUN: FileCheck %s < %t.thb

// A block computes the rows of a panel one after the other. While it computes one, the next three are on their way into shared
// memory; what it has of the panel stays in registers until the last. Blocks that are ahead of the others rest.
// CHECK: .visible .entry kernel_0(
// CHECK: .maxntid 256
// CHECK: .minnctapersm 2
// CHECK-COUNT-12: cp.async.cg.shared.global
// CHECK: atom.global.add.u32 {{.*}}, [[[NUMBERS:kernel_0_counters[0-9]+]]+4], 1;
// CHECK: atom.global.add.u32 {{.*}}, [[[NUMBERS]]], 1;
// CHECK-COUNT-4: cp.async.cg.shared.global
// CHECK: cp.async.wait_group 3
// CHECK-COUNT-4: ld.shared.v4.b32
// CHECK: bar.sync
// CHECK-COUNT-2: st.global.v4.b32
// CHECK: bar.sync
// CHECK: mov.u32 %now, %clock;
// CHECK: atom.global.add.u32 {{.*}}, [[[NUMBERS]]+8], 1;
// CHECK-NOT: ld.global.nc.v4
// CHECK-COUNT-4: st.global.v4.b32
// CHECK: .visible .entry kernel_1(
func.func @main(%x: tensor<8192x4096xbf16>, %dy: tensor<8192x4096xbf16>) -> (tensor<8192x4096xbf16>, tensor<4096xf32>) {
  %wide = thunder.convert %x : tensor<8192x4096xbf16> -> tensor<8192x4096xf32>
  %wide_dy = thunder.convert %dy : tensor<8192x4096xbf16> -> tensor<8192x4096xf32>
  %p = thunder.mul %wide, %wide_dy : tensor<8192x4096xf32>
  %t = thunder.sum %p axes = [1] : tensor<8192x4096xf32> -> tensor<8192xf32>
  %r = thunder.broadcast_in_dim %t, [] dims = [0] : tensor<8192xf32> -> tensor<8192x4096xf32>
  %d = thunder.sub %wide_dy, %r : tensor<8192x4096xf32>
  %dx = thunder.convert %d : tensor<8192x4096xf32> -> tensor<8192x4096xbf16>
  %dw = thunder.sum %p axes = [0] : tensor<8192x4096xf32> -> tensor<4096xf32>
  return %dx, %dw : tensor<8192x4096xbf16>, tensor<4096xf32>
}
