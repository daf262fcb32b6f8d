// RUN: thunder-opt %s --split-input-file --verify-diagnostics | thunder-opt --split-input-file | FileCheck %s

// CHECK-LABEL: @parts
// CHECK: thunder.complex %{{.*}}, %{{.*}} : (tensor<?x4xf64>, tensor<?x4xf64>) -> tensor<?x4xcomplex<f64>>
// CHECK: thunder.real %{{.*}} : tensor<?x4xcomplex<f64>> -> tensor<?x4xf64>
// CHECK: thunder.imag %{{.*}} : tensor<?x4xcomplex<f64>> -> tensor<?x4xf64>
func.func @parts(%x: tensor<?x4xf64>, %y: tensor<?x4xf64>) {
  %z = thunder.complex %x, %y : (tensor<?x4xf64>, tensor<?x4xf64>) -> tensor<?x4xcomplex<f64>>
  %re = thunder.real %z : tensor<?x4xcomplex<f64>> -> tensor<?x4xf64>
  %im = thunder.imag %z : tensor<?x4xcomplex<f64>> -> tensor<?x4xf64>
  return
}

// -----

func.func @complex_c1(%x: tensor<4xf32>, %y: tensor<4xf64>) {
  // expected-error @+1 {{'thunder.complex' op (C1) 'f32' and 'f64' are no parts of a number}}
  %z = thunder.complex %x, %y : (tensor<4xf32>, tensor<4xf64>) -> tensor<4xcomplex<f32>>
  return
}

// -----

func.func @complex_c2(%x: tensor<4xf32>, %y: tensor<5xf32>) {
  // expected-error @+1 {{'thunder.complex' op (C2) sizes of dimension 0 differ: 4 and 5}}
  %z = thunder.complex %x, %y : (tensor<4xf32>, tensor<5xf32>) -> tensor<4xcomplex<f32>>
  return
}

// -----

func.func @real_c1(%x: tensor<4xf32>) {
  // expected-error @+1 {{'thunder.real' op (C1) operand #0 'operand' must be tensor of complex number, but is 'tensor<4xf32>'}}
  %z = thunder.real %x : tensor<4xf32> -> tensor<4xf32>
  return
}

// -----

func.func @imag_c1(%x: tensor<4xf32>) {
  // expected-error @+1 {{'thunder.imag' op (C1) operand #0 'operand' must be tensor of complex number, but is 'tensor<4xf32>'}}
  %z = thunder.imag %x : tensor<4xf32> -> tensor<4xf32>
  return
}

// -----

func.func @no_order(%x: tensor<4xcomplex<f32>>) {
  // expected-error @+1 {{'thunder.lt' op (C1) operand #0 'lhs' must be tensor of bool, integer or float, but is 'tensor<4xcomplex<f32>>'}}
  %z = thunder.lt %x, %x : (tensor<4xcomplex<f32>>, tensor<4xcomplex<f32>>) -> tensor<4xi1>
  return
}
