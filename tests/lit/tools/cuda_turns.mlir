// RUN: thunder-compile %s --target cuda:sm_90a -o %t.thb
// RUN: FileCheck %s < %t.thb

// A row of 220000 bytes fills shared memory: blocks take turns. As soon as elements of one row are written, those of the next
// are asked for, a row that no other block has. The last block sets the numbers back.
// CHECK: .visible .entry kernel_0(
// CHECK: .maxntid 1024
// CHECK: cp.async.cg.shared.global
// CHECK: atom.global.add.u32 {{.*}}, [[[NUMBERS:kernel_0_counters[0-9]+]]], 1;
// CHECK: cp.async.wait_group 6
// CHECK: bar.sync
// CHECK: st.global.v4.b32
// CHECK: cp.async.cg.shared.global
// CHECK: cp.async.commit_group
// CHECK: st.global.v4.b32
// CHECK: atom.global.add.u32 {{.*}}, [[[NUMBERS]]+4], 1;
// CHECK: st.global.v2.b32 [[[NUMBERS]]], {0, 0};
func.func @main(%x: tensor<1024x110000xbf16>) -> tensor<1024x110000xbf16> {
  %y = thunder.softmax %x axis = 1 : tensor<1024x110000xbf16>
  return %y : tensor<1024x110000xbf16>
}
