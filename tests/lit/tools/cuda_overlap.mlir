// RUN: thunder-compile %s --target cuda:sm_90a -o %t.thb
// RUN: FileCheck %s < %t.thb
// RUN: thunder-compile %s --target cuda:sm_80 -o %t.early.thb
// RUN: FileCheck %s --check-prefix=EARLY < %t.early.thb

// A kernel that moves little is on the GPU before the one ahead is done: it waits before it touches memory, and takes nothing
// for constant, which the assembler would read before it waits.
// CHECK: .visible .entry kernel_0(
// CHECK-NOT: {{(ld|st)}}.global
// CHECK: griddepcontrol.launch_dependents;
// CHECK-NOT: {{(ld|st)}}.global
// CHECK: griddepcontrol.wait;
// CHECK-NOT: ld.global.nc
// CHECK: ld.global.v4.b32
// CHECK-NOT: ld.global.nc
// CHECK: st.global.v4.b32

// One that moves much is not, and has constants; what comes next may be there.
// CHECK: .visible .entry kernel_1(
// CHECK: griddepcontrol.launch_dependents;
// CHECK-NOT: griddepcontrol
// CHECK: ld.global.nc.v4.b32

// Older GPUs know nothing of it.
// EARLY: .visible .entry kernel_0(
// EARLY-NOT: griddepcontrol
func.func @main(%x: tensor<1024x1024xf32>, %y: tensor<4096x4096xf32>) -> (tensor<1024x1024xf32>, tensor<4096x4096xf32>) {
  %a = thunder.neg %x : tensor<1024x1024xf32>
  %b = thunder.neg %y : tensor<4096x4096xf32>
  return %a, %b : tensor<1024x1024xf32>, tensor<4096x4096xf32>
}
