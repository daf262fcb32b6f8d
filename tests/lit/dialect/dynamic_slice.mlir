// RUN: thunder-opt %s --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: @dynamic_slice(
// CHECK: thunder.dynamic_slice %{{.*}}, %{{.*}} axis = 1 size = 2 : (tensor<4x?xf32>, tensor<i64>) -> tensor<4x2xf32>
func.func @dynamic_slice(%x: tensor<4x?xf32>, %i: tensor<i64>) -> tensor<4x2xf32> {
  %r = thunder.dynamic_slice %x, %i axis = 1 size = 2 : (tensor<4x?xf32>, tensor<i64>) -> tensor<4x2xf32>
  return %r : tensor<4x2xf32>
}

// CHECK-LABEL: @dynamic_update_slice(
// CHECK: thunder.dynamic_update_slice %{{.*}}, %{{.*}}, %{{.*}} axis = 0 : (tensor<?x3xf32>, tensor<2x3xf32>, tensor<i32>) -> tensor<?x3xf32>
func.func @dynamic_update_slice(%x: tensor<?x3xf32>, %u: tensor<2x3xf32>, %i: tensor<i32>) -> tensor<?x3xf32> {
  %r = thunder.dynamic_update_slice %x, %u, %i axis = 0 : (tensor<?x3xf32>, tensor<2x3xf32>, tensor<i32>) -> tensor<?x3xf32>
  return %r : tensor<?x3xf32>
}

// -----

func.func @dynamic_slice_c1(%x: tensor<4xf32>, %i: tensor<1xi64>) {
  // expected-error @+1 {{(C1) 'start' has rank 1}}
  %r = thunder.dynamic_slice %x, %i axis = 0 size = 2 : (tensor<4xf32>, tensor<1xi64>) -> tensor<2xf32>
  return
}

// -----

func.func @dynamic_slice_c2(%x: tensor<4xf32>, %i: tensor<i64>) {
  // expected-error @+1 {{(C2) axis 1 is not one of 1 dimensions}}
  %r = thunder.dynamic_slice %x, %i axis = 1 size = 2 : (tensor<4xf32>, tensor<i64>) -> tensor<2xf32>
  return
}

// -----

func.func @dynamic_slice_c3(%x: tensor<4xf32>, %i: tensor<i64>) {
  // expected-error @+1 {{(C3) 5 positions of a dimension of size 4}}
  %r = thunder.dynamic_slice %x, %i axis = 0 size = 5 : (tensor<4xf32>, tensor<i64>) -> tensor<5xf32>
  return
}

// -----

func.func @dynamic_update_slice_c1(%x: tensor<4xf32>, %u: tensor<2xf32>, %i: tensor<1xi64>) {
  // expected-error @+1 {{(C1) 'start' has rank 1}}
  %r = thunder.dynamic_update_slice %x, %u, %i axis = 0 : (tensor<4xf32>, tensor<2xf32>, tensor<1xi64>) -> tensor<4xf32>
  return
}

// -----

func.func @dynamic_update_slice_c2(%x: tensor<4xf32>, %u: tensor<2xf32>, %i: tensor<i64>) {
  // expected-error @+1 {{(C2) axis 1 is not one of 1 dimensions}}
  %r = thunder.dynamic_update_slice %x, %u, %i axis = 1 : (tensor<4xf32>, tensor<2xf32>, tensor<i64>) -> tensor<4xf32>
  return
}

// -----

func.func @dynamic_update_slice_c3(%x: tensor<4xf32>, %u: tensor<2xf64>, %i: tensor<i64>) {
  // expected-error @+1 {{(C3) element types differ: 'f32' and 'f64'}}
  %r = thunder.dynamic_update_slice %x, %u, %i axis = 0 : (tensor<4xf32>, tensor<2xf64>, tensor<i64>) -> tensor<4xf32>
  return
}

// -----

func.func @dynamic_update_slice_c4(%x: tensor<4x3xf32>, %u: tensor<5x3xf32>, %i: tensor<i64>) {
  // expected-error @+1 {{(C4) an update of 5 positions of 4}}
  %r = thunder.dynamic_update_slice %x, %u, %i axis = 0 : (tensor<4x3xf32>, tensor<5x3xf32>, tensor<i64>) -> tensor<4x3xf32>
  return
}
