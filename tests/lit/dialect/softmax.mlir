// RUN: thunder-opt %s --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: @softmax(
// CHECK: thunder.softmax %{{.*}} axis = 1 : tensor<?x8xf16>
func.func @softmax(%x: tensor<?x8xf16>) -> tensor<?x8xf16> {
  %r = thunder.softmax %x axis = 1 : tensor<?x8xf16>
  return %r : tensor<?x8xf16>
}

// CHECK-LABEL: @log_softmax(
// CHECK: thunder.log_softmax %{{.*}} axis = 1 : tensor<?x8xf16>
func.func @log_softmax(%x: tensor<?x8xf16>) -> tensor<?x8xf16> {
  %r = thunder.log_softmax %x axis = 1 : tensor<?x8xf16>
  return %r : tensor<?x8xf16>
}

// -----

func.func @softmax_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float, but is 'tensor<4xi32>'}}
  %r = thunder.softmax %x axis = 0 : tensor<4xi32>
  return
}

// -----

func.func @softmax_c2(%x: tensor<4xf32>) {
  // expected-error @+1 {{(C2) axis 1 is not one of 1 dimensions}}
  %r = thunder.softmax %x axis = 1 : tensor<4xf32>
  return
}

// -----

func.func @log_softmax_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float, but is 'tensor<4xi32>'}}
  %r = thunder.log_softmax %x axis = 0 : tensor<4xi32>
  return
}

// -----

func.func @log_softmax_c2(%x: tensor<4xf32>) {
  // expected-error @+1 {{(C2) axis 1 is not one of 1 dimensions}}
  %r = thunder.log_softmax %x axis = 1 : tensor<4xf32>
  return
}
