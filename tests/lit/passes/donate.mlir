// RUN: thunder-opt %s --split-input-file --thunder-functionalize --canonicalize --thunder-kernels --thunder-donate | FileCheck %s

// A kernel that makes each element from that of the argument takes its memory.
// CHECK-LABEL: func.func @in_place(
// CHECK: call @kernel_0_in_place_0(%{{.+}}, %{{.+}}) {thunder.into = array<i64: 0>}
// CHECK: func.func private @kernel_0_in_place_0
// CHECK-SAME: thunder.in_place = array<i64: 0>
// CHECK-NOT: @kernel_0(
func.func @in_place(%x: tensor<?x3xf32>, %d: tensor<?x3xf32>) {
  %y = thunder.add %x, %d : tensor<?x3xf32>
  %z = thunder.tanh %y : tensor<?x3xf32>
  thunder.copy_into %z, %x : (tensor<?x3xf32>, tensor<?x3xf32>)
  return
}

// -----

// One that also needs the old elements for something else makes its result there only if it does not read it.
// CHECK-LABEL: func.func @needed(
// CHECK: call @kernel_0(
// CHECK-NOT: thunder.into
// CHECK: return
func.func @needed(%x: tensor<4xf32>) -> tensor<4xf32> {
  %y = thunder.exp %x : tensor<4xf32>
  %z = thunder.sin %x : tensor<4xf32>
  %r = thunder.add %y, %z : tensor<4xf32>
  thunder.copy_into %y, %x : (tensor<4xf32>, tensor<4xf32>)
  return %r : tensor<4xf32>
}

// -----

// Nor does one that moves elements.
// CHECK-LABEL: func.func @moved(
// CHECK-NOT: thunder.into
// CHECK: return
func.func @moved(%x: tensor<4xf32>) {
  %y = thunder.reverse %x axes = [0] : tensor<4xf32> -> tensor<4xf32>
  thunder.copy_into %y, %x : (tensor<4xf32>, tensor<4xf32>)
  return
}

// -----

// Who does not read the argument makes its result there, if all who read it come before.
// CHECK-LABEL: func.func @after(
// CHECK: thunder.matmul {{.+}} {thunder.into = array<i64: 0>}
func.func @after(%x: tensor<4x4xf32>, %w: tensor<4x4xf32>) {
  %y = thunder.exp %x : tensor<4x4xf32>
  %z = thunder.matmul %y, %w : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  thunder.copy_into %z, %x : (tensor<4x4xf32>, tensor<4x4xf32>)
  return
}

// -----

// What is returned as it was is read last of all.
// CHECK-LABEL: func.func @returned(
// CHECK-NOT: thunder.into
// CHECK: return
func.func @returned(%x: tensor<4xf32>) -> tensor<4xf32> {
  %y = thunder.exp %x : tensor<4xf32>
  thunder.copy_into %y, %x : (tensor<4xf32>, tensor<4xf32>)
  return %x : tensor<4xf32>
}

// -----

// A part is replaced where it is, if nothing needs what was there; else in a copy.
// CHECK-LABEL: func.func @cache(
// CHECK: thunder.dynamic_update_slice {{.+}} {thunder.in_place = array<i64: 0>, thunder.into = array<i64: 0>}
// CHECK: thunder.dynamic_update_slice {{.+}} {thunder.in_place = array<i64: 0>, thunder.into = array<i64: 0>}
func.func @cache(%cache: tensor<2x8x4xf32>, %i: tensor<i64>, %k: tensor<2x1x4xf32>, %v: tensor<2x1x4xf32>,
    %j: tensor<i64>) {
  %a = thunder.dynamic_slice %cache, %i axis = 1 size = 1 : (tensor<2x8x4xf32>, tensor<i64>) -> tensor<2x1x4xf32>
  thunder.copy_into %k, %a : (tensor<2x1x4xf32>, tensor<2x1x4xf32>)
  %b = thunder.dynamic_slice %cache, %j axis = 1 size = 1 : (tensor<2x8x4xf32>, tensor<i64>) -> tensor<2x1x4xf32>
  thunder.copy_into %v, %b : (tensor<2x1x4xf32>, tensor<2x1x4xf32>)
  return
}

// CHECK-LABEL: func.func @copied(
// CHECK-NOT: thunder.in_place
// CHECK: return
func.func @copied(%cache: tensor<8x4xf32>, %i: tensor<i64>, %k: tensor<1x4xf32>) -> tensor<8x4xf32> {
  %r = thunder.dynamic_update_slice %cache, %k, %i axis = 0 : (tensor<8x4xf32>, tensor<1x4xf32>, tensor<i64>) -> tensor<8x4xf32>
  return %r : tensor<8x4xf32>
}
