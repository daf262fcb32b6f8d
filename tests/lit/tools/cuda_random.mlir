// RUN: thunder-compile %s --target cuda:sm_90a -o %t.thb
// RUN: FileCheck %s < %t.thb
// RUN: thunder-compile %s --target cuda:sm_90a --compile-to planned | FileCheck %s --check-prefix=PLANNED

// Counters have no memory, and random words are made where they are used: 10 rounds of two products for four neighbours.
// PLANNED: func.func @main(
// PLANNED-NEXT: call @kernel_0(%arg0, %arg1, %arg2) : (tensor<512x1024xf32>, tensor<512x1024xf32>, tensor<i64>)
// PLANNED-NEXT: return

// Where memory is not aligned, an element is made alone.
// CHECK: .visible .entry kernel_0(
// CHECK-COUNT-20: mul.wide.u32 {{.*}}, {{-?[0-9]{9,}}};
// CHECK: ld.global.nc.v4.b32
// CHECK-NOT: mul.lo.s64 {{.*}}, {{-?[0-9]{9,}}};
// CHECK-NOT: .entry
func.func @main(%x: tensor<512x1024xf32>, %z: tensor<512x1024xf32>, %seed: tensor<i64>) -> tensor<512xf32> {
  %row = thunder.iota axis = 0 : tensor<512x1024xi64>
  %column = thunder.iota axis = 1 : tensor<512x1024xi64>
  %width = thunder.full [] value = 1024 : i64 : tensor<512x1024xi64>
  %before = thunder.mul %row, %width : tensor<512x1024xi64>
  %counter = thunder.add %before, %column : tensor<512x1024xi64>
  %key = thunder.broadcast_in_dim %seed, [] dims = [] : tensor<i64> -> tensor<512x1024xi64>
  %word = thunder.philox_word %counter, %key : (tensor<512x1024xi64>, tensor<512x1024xi64>) -> tensor<512x1024xi32>
  %half = thunder.full [] value = 0 : i32 : tensor<512x1024xi32>
  %kept = thunder.ge %word, %half : (tensor<512x1024xi32>, tensor<512x1024xi32>) -> tensor<512x1024xi1>
  %y = thunder.where %kept, %x, %z : (tensor<512x1024xi1>, tensor<512x1024xf32>, tensor<512x1024xf32>) -> tensor<512x1024xf32>
  %sum = thunder.sum %y axes = [1] : tensor<512x1024xf32> -> tensor<512xf32>
  return %sum : tensor<512xf32>
}
