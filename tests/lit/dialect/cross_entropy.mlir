// RUN: thunder-opt %s --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: @cross_entropy(
// CHECK: thunder.cross_entropy %{{.*}}, %{{.*}} ignore_index = -100 label_smoothing = 0.1
// CHECK-SAME: : (tensor<?x7x10xf16>, tensor<?x7xi32>) -> tensor<?x7xf16>
func.func @cross_entropy(%x: tensor<?x7x10xf16>, %t: tensor<?x7xi32>) -> tensor<?x7xf16> {
  %y = thunder.cross_entropy %x, %t ignore_index = -100 label_smoothing = 0.1 : (tensor<?x7x10xf16>, tensor<?x7xi32>) -> tensor<?x7xf16>
  return %y : tensor<?x7xf16>
}

// -----

func.func @cross_entropy_c1(%x: tensor<f32>, %t: tensor<i64>) {
  // expected-error @+1 {{(C1) logits have rank 0, and so no classes}}
  %y = thunder.cross_entropy %x, %t : (tensor<f32>, tensor<i64>) -> tensor<f32>
  return
}

// -----

func.func @cross_entropy_c1_element(%x: tensor<4x4xi32>, %t: tensor<4xi64>) {
  // expected-error @+1 {{(C1) operand #0 'logits' must be tensor of float, but is 'tensor<4x4xi32>'}}
  %y = thunder.cross_entropy %x, %t : (tensor<4x4xi32>, tensor<4xi64>) -> tensor<4xi32>
  return
}

// -----

func.func @cross_entropy_c2(%x: tensor<4x5xf32>, %t: tensor<5xi64>) {
  // expected-error @+1 {{(C2) sizes of dimension 0 differ: 4 and 5}}
  %y = thunder.cross_entropy %x, %t : (tensor<4x5xf32>, tensor<5xi64>) -> tensor<4xf32>
  return
}

// -----

func.func @cross_entropy_c2_rank(%x: tensor<4x5xf32>, %t: tensor<4x5xi64>) {
  // expected-error @+1 {{(C2) logits of rank 2 have no targets of rank 2}}
  %y = thunder.cross_entropy %x, %t : (tensor<4x5xf32>, tensor<4x5xi64>) -> tensor<4xf32>
  return
}

// -----

func.func @cross_entropy_c3(%x: tensor<4x5xf32>, %t: tensor<4xi64>) {
  // expected-error @+1 {{(C3) label_smoothing 1.5 is not from 0 to 1}}
  %y = thunder.cross_entropy %x, %t label_smoothing = 1.5 : (tensor<4x5xf32>, tensor<4xi64>) -> tensor<4xf32>
  return
}
