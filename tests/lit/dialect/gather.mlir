// RUN: thunder-opt %s --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: @take(
// CHECK: thunder.take %{{.*}}, %{{.*}} axis = 1 : (tensor<?x5x3xf32>, tensor<4x?xi32>) -> tensor<?x4x?x3xf32>
func.func @take(%x: tensor<?x5x3xf32>, %i: tensor<4x?xi32>) -> tensor<?x4x?x3xf32> {
  %0 = thunder.take %x, %i axis = 1 : (tensor<?x5x3xf32>, tensor<4x?xi32>)
  return %0 : tensor<?x4x?x3xf32>
}

// CHECK-LABEL: @take_along_axis(
// CHECK: thunder.take_along_axis %{{.*}}, %{{.*}} axis = 1 : (tensor<?x5xi1>, tensor<2x?xi64>) -> tensor<2x?xi1>
func.func @take_along_axis(%x: tensor<?x5xi1>, %i: tensor<2x?xi64>) -> tensor<2x?xi1> {
  %0 = thunder.take_along_axis %x, %i axis = 1 : (tensor<?x5xi1>, tensor<2x?xi64>)
  return %0 : tensor<2x?xi1>
}

// CHECK-LABEL: @embedding(
// CHECK: thunder.embedding %{{.*}}, %{{.*}} : (tensor<100x16xf16>, tensor<?x7xi64>) -> tensor<?x7x16xf16>
func.func @embedding(%w: tensor<100x16xf16>, %i: tensor<?x7xi64>) -> tensor<?x7x16xf16> {
  %0 = thunder.embedding %w, %i : (tensor<100x16xf16>, tensor<?x7xi64>)
  return %0 : tensor<?x7x16xf16>
}

// -----

func.func @take_c1(%x: tensor<5xf32>, %i: tensor<4xf32>) {
  // expected-error @+1 {{(C1) operand #1 'indices' must be tensor of integer, but is 'tensor<4xf32>'}}
  %r = thunder.take %x, %i axis = 0 : (tensor<5xf32>, tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @take_c2(%x: tensor<5xf32>, %i: tensor<4xi64>) {
  // expected-error @+1 {{(C2) axis 1 is not one of 1 dimensions}}
  %r = thunder.take %x, %i axis = 1 : (tensor<5xf32>, tensor<4xi64>) -> tensor<4xf32>
  return
}

// -----

func.func @take_along_axis_c1(%x: tensor<5xf32>, %i: tensor<4xi1>) {
  // expected-error @+1 {{(C1) operand #1 'indices' must be tensor of integer, but is 'tensor<4xi1>'}}
  %r = thunder.take_along_axis %x, %i axis = 0 : (tensor<5xf32>, tensor<4xi1>) -> tensor<4xf32>
  return
}

// -----

func.func @take_along_axis_c2(%x: tensor<5x2xf32>, %i: tensor<4xi64>) {
  // expected-error @+1 {{(C2) ranks differ: 2 and 1}}
  %r = thunder.take_along_axis %x, %i axis = 0 : (tensor<5x2xf32>, tensor<4xi64>) -> tensor<4xf32>
  return
}

// -----

func.func @take_along_axis_c3(%x: tensor<5x2xf32>, %i: tensor<4x3xi64>) {
  // expected-error @+1 {{(C3) sizes of dimension 1 differ: 2 and 3}}
  %r = thunder.take_along_axis %x, %i axis = 0 : (tensor<5x2xf32>, tensor<4x3xi64>) -> tensor<4x2xf32>
  return
}

// -----

func.func @embedding_c1(%w: tensor<100xf32>, %i: tensor<4xi64>) {
  // expected-error @+1 {{(C1) operand #0 'weight' must be tensor of bool, integer, float or complex number with 2 dimensions, but is 'tensor<100xf32>'}}
  %r = thunder.embedding %w, %i : (tensor<100xf32>, tensor<4xi64>) -> tensor<4xf32>
  return
}

// -----

func.func @embedding_c2(%w: tensor<100x2xf32>, %i: tensor<4xf32>) {
  // expected-error @+1 {{(C2) operand #1 'indices' must be tensor of integer, but is 'tensor<4xf32>'}}
  %r = thunder.embedding %w, %i : (tensor<100x2xf32>, tensor<4xf32>) -> tensor<4x2xf32>
  return
}
