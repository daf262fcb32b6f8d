// RUN: thunder-opt %s --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: @lgamma(
// CHECK: thunder.lgamma %{{.*}} : tensor<?xf16>
func.func @lgamma(%x: tensor<?xf16>) -> tensor<?xf16> {
  %y = thunder.lgamma %x : tensor<?xf16>
  return %y : tensor<?xf16>
}

// CHECK-LABEL: @polygamma(
// CHECK: thunder.polygamma %{{.*}} order = 2 : tensor<4xf64>
func.func @polygamma(%x: tensor<4xf64>) -> tensor<4xf64> {
  %y = thunder.polygamma %x order = 2 : tensor<4xf64>
  return %y : tensor<4xf64>
}

// -----

func.func @lgamma_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float, but is 'tensor<4xi32>'}}
  %y = thunder.lgamma %x : tensor<4xi32>
  return
}

// -----

func.func @erfinv_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float, but is 'tensor<4xi32>'}}
  %y = thunder.erfinv %x : tensor<4xi32>
  return
}

// -----

func.func @ndtri_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float, but is 'tensor<4xi32>'}}
  %y = thunder.ndtri %x : tensor<4xi32>
  return
}

// -----

func.func @i0_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float, but is 'tensor<4xi32>'}}
  %y = thunder.i0 %x : tensor<4xi32>
  return
}

// -----

func.func @i0e_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float, but is 'tensor<4xi32>'}}
  %y = thunder.i0e %x : tensor<4xi32>
  return
}

// -----

func.func @i1_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float, but is 'tensor<4xi32>'}}
  %y = thunder.i1 %x : tensor<4xi32>
  return
}

// -----

func.func @i1e_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float, but is 'tensor<4xi32>'}}
  %y = thunder.i1e %x : tensor<4xi32>
  return
}

// -----

func.func @polygamma_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float, but is 'tensor<4xi32>'}}
  %y = thunder.polygamma %x order = 1 : tensor<4xi32>
  return
}

// -----

func.func @polygamma_c2(%x: tensor<4xf32>) {
  // expected-error @+1 {{(C2) order 13 is not from 0 to 12}}
  %y = thunder.polygamma %x order = 13 : tensor<4xf32>
  return
}
