// RUN: thunder-opt %s --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: @index_add(
// CHECK: thunder.index_add %{{.*}}, %{{.*}}, %{{.*}} axis = 1 : (tensor<?x5x3xf32>, tensor<4x?xi32>, tensor<?x4x?x3xf32>) -> tensor<?x5x3xf32>
func.func @index_add(%x: tensor<?x5x3xf32>, %i: tensor<4x?xi32>, %u: tensor<?x4x?x3xf32>) -> tensor<?x5x3xf32> {
  %0 = thunder.index_add %x, %i, %u axis = 1 : (tensor<?x5x3xf32>, tensor<4x?xi32>, tensor<?x4x?x3xf32>)
  return %0 : tensor<?x5x3xf32>
}

// CHECK-LABEL: @scatter_add(
// CHECK: thunder.scatter_add %{{.*}}, %{{.*}}, %{{.*}} axis = 1 : (tensor<2x5xi8>, tensor<2x?xi64>, tensor<2x?xi8>) -> tensor<2x5xi8>
func.func @scatter_add(%x: tensor<2x5xi8>, %i: tensor<2x?xi64>, %u: tensor<2x?xi8>) -> tensor<2x5xi8> {
  %0 = thunder.scatter_add %x, %i, %u axis = 1 : (tensor<2x5xi8>, tensor<2x?xi64>, tensor<2x?xi8>)
  return %0 : tensor<2x5xi8>
}

// CHECK-LABEL: @scatter_reduce(
// CHECK: thunder.scatter_reduce %{{.*}}, %{{.*}}, %{{.*}} axis = 1 reduce = amax : (tensor<2x5xi8>, tensor<2x?xi64>, tensor<2x?xi8>) -> tensor<2x5xi8>
func.func @scatter_reduce(%x: tensor<2x5xi8>, %i: tensor<2x?xi64>, %u: tensor<2x?xi8>) -> tensor<2x5xi8> {
  %0 = thunder.scatter_reduce %x, %i, %u axis = 1 reduce = amax : (tensor<2x5xi8>, tensor<2x?xi64>, tensor<2x?xi8>)
  return %0 : tensor<2x5xi8>
}

// -----

func.func @index_add_c1(%x: tensor<5xf32>, %i: tensor<4xi64>, %u: tensor<4xf64>) {
  // expected-error @+1 {{(C1) element types differ: 'f32' and 'f64'}}
  %r = thunder.index_add %x, %i, %u axis = 0 : (tensor<5xf32>, tensor<4xi64>, tensor<4xf64>) -> tensor<5xf32>
  return
}

// -----

func.func @index_add_c2(%x: tensor<5xf32>, %i: tensor<4xf32>, %u: tensor<4xf32>) {
  // expected-error @+1 {{(C2) operand #1 'indices' must be tensor of integer, but is 'tensor<4xf32>'}}
  %r = thunder.index_add %x, %i, %u axis = 0 : (tensor<5xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<5xf32>
  return
}

// -----

func.func @index_add_c3(%x: tensor<5xf32>, %i: tensor<4xi64>, %u: tensor<4xf32>) {
  // expected-error @+1 {{(C3) axis 1 is not one of 1 dimensions}}
  %r = thunder.index_add %x, %i, %u axis = 1 : (tensor<5xf32>, tensor<4xi64>, tensor<4xf32>) -> tensor<5xf32>
  return
}

// -----

func.func @index_add_c4(%x: tensor<5x3xf32>, %i: tensor<4xi64>, %u: tensor<4x2xf32>) {
  // expected-error @+1 {{(C4) sizes of dimension 1 of the updates differ: 3 and 2}}
  %r = thunder.index_add %x, %i, %u axis = 0 : (tensor<5x3xf32>, tensor<4xi64>, tensor<4x2xf32>) -> tensor<5x3xf32>
  return
}

// -----

func.func @index_add_c4(%x: tensor<5x3xf32>, %i: tensor<i64>, %u: tensor<1x3xf32>) {
  // expected-error @+1 {{(C4) updates of rank 2 instead of 1}}
  %r = thunder.index_add %x, %i, %u axis = 0 : (tensor<5x3xf32>, tensor<i64>, tensor<1x3xf32>) -> tensor<5x3xf32>
  return
}

// -----

func.func @scatter_add_c1(%x: tensor<5xi1>, %i: tensor<4xi64>, %u: tensor<4xi1>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of integer, float or complex number, but is 'tensor<5xi1>'}}
  %r = thunder.scatter_add %x, %i, %u axis = 0 : (tensor<5xi1>, tensor<4xi64>, tensor<4xi1>) -> tensor<5xi1>
  return
}

// -----

func.func @scatter_add_c2(%x: tensor<5xf32>, %i: tensor<4xi1>, %u: tensor<4xf32>) {
  // expected-error @+1 {{(C2) operand #1 'indices' must be tensor of integer, but is 'tensor<4xi1>'}}
  %r = thunder.scatter_add %x, %i, %u axis = 0 : (tensor<5xf32>, tensor<4xi1>, tensor<4xf32>) -> tensor<5xf32>
  return
}

// -----

func.func @scatter_add_c3(%x: tensor<5x2xf32>, %i: tensor<4xi64>, %u: tensor<4xf32>) {
  // expected-error @+1 {{(C3) ranks differ: 2 and 1}}
  %r = thunder.scatter_add %x, %i, %u axis = 0 : (tensor<5x2xf32>, tensor<4xi64>, tensor<4xf32>) -> tensor<5x2xf32>
  return
}

// -----

func.func @scatter_add_c4(%x: tensor<5x2xf32>, %i: tensor<4x3xi64>, %u: tensor<4x3xf32>) {
  // expected-error @+1 {{(C4) sizes of dimension 1 differ: 2 and 3}}
  %r = thunder.scatter_add %x, %i, %u axis = 0 : (tensor<5x2xf32>, tensor<4x3xi64>, tensor<4x3xf32>) -> tensor<5x2xf32>
  return
}

// -----

func.func @scatter_reduce_c1(%x: tensor<5xf32>, %i: tensor<4xi64>, %u: tensor<4xf64>) {
  // expected-error @+1 {{(C1) element types differ: 'f32' and 'f64'}}
  %r = thunder.scatter_reduce %x, %i, %u axis = 0 : (tensor<5xf32>, tensor<4xi64>, tensor<4xf64>) -> tensor<5xf32>
  return
}

// -----

func.func @scatter_reduce_c2(%x: tensor<5xf32>, %i: tensor<4xi1>, %u: tensor<4xf32>) {
  // expected-error @+1 {{(C2) operand #1 'indices' must be tensor of integer, but is 'tensor<4xi1>'}}
  %r = thunder.scatter_reduce %x, %i, %u axis = 0 : (tensor<5xf32>, tensor<4xi1>, tensor<4xf32>) -> tensor<5xf32>
  return
}

// -----

func.func @scatter_reduce_c3(%x: tensor<5x2xf32>, %i: tensor<4xi64>, %u: tensor<4xf32>) {
  // expected-error @+1 {{(C3) ranks differ: 2 and 1}}
  %r = thunder.scatter_reduce %x, %i, %u axis = 0 : (tensor<5x2xf32>, tensor<4xi64>, tensor<4xf32>) -> tensor<5x2xf32>
  return
}

// -----

func.func @scatter_reduce_c4(%x: tensor<5x2xf32>, %i: tensor<4x2xi64>, %u: tensor<3x2xf32>) {
  // expected-error @+1 {{(C4) sizes of dimension 0 of the updates differ: 4 and 3}}
  %r = thunder.scatter_reduce %x, %i, %u axis = 0 : (tensor<5x2xf32>, tensor<4x2xi64>, tensor<3x2xf32>) -> tensor<5x2xf32>
  return
}
