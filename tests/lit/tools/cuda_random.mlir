// RUN: thunder-compile %s --target cuda:sm_90a -o %t.thb
// RUN: FileCheck %s < %t.thb
// RUN: thunder-compile %s --target cuda:sm_90a --compile-to planned | FileCheck %s --check-prefix=PLANNED

// Counters have no memory, and random words are made where they are used.
// PLANNED: call @kernel_0(%arg2, %arg0, %arg1)
// PLANNED-NEXT: return

// Four neighbours share the products of one run of the generator, some of which are halves.
// CHECK: .visible .entry kernel_0(
// CHECK: ld.global.b32 {{.*}}+3072];
// CHECK-COUNT-23: {{mul.*, (-766435501|3528531795|-845247145|3449720151);}}
// CHECK-NOT: {{mul.*, (-766435501|3528531795|-845247145|3449720151);}}
// CHECK: ld.global.v4.b32
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
