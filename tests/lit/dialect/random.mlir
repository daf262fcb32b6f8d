// RUN: thunder-opt %s --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: @philox(
// CHECK: thunder.philox %{{.*}}, %{{.*}} : tensor<?xi64>
func.func @philox(%x: tensor<?xi64>, %y: tensor<?xi64>) -> tensor<?xi64> {
  %r = thunder.philox %x, %y : tensor<?xi64>
  return %r : tensor<?xi64>
}

// -----

func.func @philox_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'counter' must be tensor of i64, but is 'tensor<4xi32>'}}
  %r = thunder.philox %x, %x : tensor<4xi32>
  return
}
