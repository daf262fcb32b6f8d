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

// -----

// CHECK-LABEL: @philox_word(
// CHECK: thunder.philox_word %{{.*}}, %{{.*}} : (tensor<?xi64>, tensor<?xi64>) -> tensor<?xi32>
func.func @philox_word(%x: tensor<?xi64>, %y: tensor<?xi64>) -> tensor<?xi32> {
  %r = thunder.philox_word %x, %y : (tensor<?xi64>, tensor<?xi64>) -> tensor<?xi32>
  return %r : tensor<?xi32>
}

// -----

func.func @philox_word_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'counter' must be tensor of i64, but is 'tensor<4xi32>'}}
  %r = thunder.philox_word %x, %x : (tensor<4xi32>, tensor<4xi32>) -> tensor<4xi32>
  return
}

// -----

func.func @philox_word_c2(%x: tensor<4xi64>, %y: tensor<5xi64>) {
  // expected-error @+1 {{(C2)}}
  %r = thunder.philox_word %x, %y : (tensor<4xi64>, tensor<5xi64>) -> tensor<4xi32>
  return
}
