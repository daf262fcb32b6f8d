// RUN: thunder-opt %s --thunder-plan=target=gpu --split-input-file | FileCheck %s
// RUN: thunder-opt %s --thunder-plan --split-input-file | FileCheck %s --check-prefix=CPU
// RUN: thunder-opt %s --check-equivalence=%t.mlir --thunder-plan=target=gpu --split-input-file 2>&1 | FileCheck %s --check-prefix=SAME
// RUN: not thunder-opt %s --thunder-plan=target=tpu --split-input-file 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// SAME-NOT: differ
// UNKNOWN: option target: 'tpu' is none of cpu, gpu and hopper

// To start a kernel takes a GPU as long as much arithmetic: products over weights become one. What each was split into are
// parts of the whole, split alike.
// CHECK-LABEL: func.func @heads
// CHECK: %[[W:.*]] = thunder.concat %{{.*}}, %{{.*}} axis = 0
// CHECK: %[[Y:.*]] = thunder.linear %{{.*}}, %[[W]]
// CHECK: %[[H:.*]] = thunder.reshape %[[Y]], [] : tensor<64x256xbf16> -> tensor<64x4x64xbf16>
// CHECK-DAG: thunder.slice %[[H]] start = [0, 0, 0] limit = [64, 2, 64]
// CHECK-DAG: thunder.slice %[[H]] start = [0, 2, 0] limit = [64, 4, 64]
// CHECK-NOT: thunder.linear
// CPU-LABEL: func.func @heads
// CPU-COUNT-2: thunder.linear
func.func @heads(%x: tensor<64x128xbf16>, %q: tensor<128x128xbf16> {thunder.parameter = "q"}, %k: tensor<128x128xbf16> {thunder.parameter = "k"}) -> (tensor<64x2x64xbf16>, tensor<64x2x64xbf16>) {
  %a = thunder.linear %x, %q : (tensor<64x128xbf16>, tensor<128x128xbf16>) -> tensor<64x128xbf16>
  %b = thunder.linear %x, %k : (tensor<64x128xbf16>, tensor<128x128xbf16>) -> tensor<64x128xbf16>
  %c = thunder.reshape %a, [] : tensor<64x128xbf16> -> tensor<64x2x64xbf16>
  %d = thunder.reshape %b, [] : tensor<64x128xbf16> -> tensor<64x2x64xbf16>
  %e = thunder.exp %c : tensor<64x2x64xbf16>
  %f = thunder.tanh %d : tensor<64x2x64xbf16>
  return %e, %f : tensor<64x2x64xbf16>, tensor<64x2x64xbf16>
}

// -----

// Large weights that others need as they are stay apart, as there would be two of each; small ones become one.
// CHECK-LABEL: func.func @large
// CHECK-NOT: thunder.concat
// CHECK: return
// CHECK-LABEL: func.func @small
// CHECK: thunder.concat
func.func @large(%x: tensor<64x2048xbf16>, %q: tensor<2048x2048xbf16> {thunder.parameter = "q"}, %k: tensor<2048x2048xbf16> {thunder.parameter = "k"}) -> (tensor<64x2048xbf16>, tensor<64x2048xbf16>) {
  %a = thunder.linear %x, %q : (tensor<64x2048xbf16>, tensor<2048x2048xbf16>) -> tensor<64x2048xbf16>
  %b = thunder.linear %x, %k : (tensor<64x2048xbf16>, tensor<2048x2048xbf16>) -> tensor<64x2048xbf16>
  %c = thunder.matmul %a, %q : (tensor<64x2048xbf16>, tensor<2048x2048xbf16>) -> tensor<64x2048xbf16>
  %d = thunder.matmul %b, %k : (tensor<64x2048xbf16>, tensor<2048x2048xbf16>) -> tensor<64x2048xbf16>
  return %c, %d : tensor<64x2048xbf16>, tensor<64x2048xbf16>
}
func.func @small(%x: tensor<64x128xbf16>, %q: tensor<128x128xbf16> {thunder.parameter = "q"}, %k: tensor<128x128xbf16> {thunder.parameter = "k"}) -> (tensor<64x128xbf16>, tensor<64x128xbf16>) {
  %a = thunder.linear %x, %q : (tensor<64x128xbf16>, tensor<128x128xbf16>) -> tensor<64x128xbf16>
  %b = thunder.linear %x, %k : (tensor<64x128xbf16>, tensor<128x128xbf16>) -> tensor<64x128xbf16>
  %c = thunder.matmul %a, %q : (tensor<64x128xbf16>, tensor<128x128xbf16>) -> tensor<64x128xbf16>
  %d = thunder.matmul %b, %k : (tensor<64x128xbf16>, tensor<128x128xbf16>) -> tensor<64x128xbf16>
  return %c, %d : tensor<64x128xbf16>, tensor<64x128xbf16>
}
