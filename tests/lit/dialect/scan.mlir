// RUN: thunder-opt %s --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: @cumsum(
// CHECK: thunder.cumsum %{{.*}} axis = 1 : tensor<?x3xi8>
func.func @cumsum(%x: tensor<?x3xi8>) -> tensor<?x3xi8> {
  %r = thunder.cumsum %x axis = 1 : tensor<?x3xi8>
  return %r : tensor<?x3xi8>
}

// -----

func.func @cumsum_c1(%x: tensor<4xi1>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of integer, float or complex number, but is 'tensor<4xi1>'}}
  %r = thunder.cumsum %x axis = 0 : tensor<4xi1>
  return
}

// -----

func.func @cumsum_c2(%x: tensor<4xf32>) {
  // expected-error @+1 {{(C2) axis 1 is not one of 1 dimensions}}
  %r = thunder.cumsum %x axis = 1 : tensor<4xf32>
  return
}

// -----

func.func @cumprod_c1(%x: tensor<4xi1>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of integer, float or complex number, but is 'tensor<4xi1>'}}
  %r = thunder.cumprod %x axis = 0 : tensor<4xi1>
  return
}

// -----

func.func @cumprod_c2(%x: tensor<4xf32>) {
  // expected-error @+1 {{(C2) axis 1 is not one of 1 dimensions}}
  %r = thunder.cumprod %x axis = 1 : tensor<4xf32>
  return
}

// -----

func.func @cummax_c1(%x: tensor<4xi1>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of integer or float, but is 'tensor<4xi1>'}}
  %r = thunder.cummax %x axis = 0 : tensor<4xi1>
  return
}

// -----

func.func @cummax_c2(%x: tensor<4xf32>) {
  // expected-error @+1 {{(C2) axis 1 is not one of 1 dimensions}}
  %r = thunder.cummax %x axis = 1 : tensor<4xf32>
  return
}

// -----

func.func @cummin_c1(%x: tensor<4xi1>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of integer or float, but is 'tensor<4xi1>'}}
  %r = thunder.cummin %x axis = 0 : tensor<4xi1>
  return
}

// -----

func.func @cummin_c2(%x: tensor<4xf32>) {
  // expected-error @+1 {{(C2) axis 1 is not one of 1 dimensions}}
  %r = thunder.cummin %x axis = 1 : tensor<4xf32>
  return
}

// -----

func.func @logcumsumexp_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float, but is 'tensor<4xi32>'}}
  %r = thunder.logcumsumexp %x axis = 0 : tensor<4xi32>
  return
}

// -----

func.func @logcumsumexp_c2(%x: tensor<4xf32>) {
  // expected-error @+1 {{(C2) axis -1 is not one of 1 dimensions}}
  %r = thunder.logcumsumexp %x axis = -1 : tensor<4xf32>
  return
}
