// RUN: thunder-opt %s --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: @matmul(
// CHECK: thunder.matmul %{{.*}}, %{{.*}} : (tensor<?x2x3xf32>, tensor<5x3x?xf32>) -> tensor<5x2x?xf32>
func.func @matmul(%a: tensor<?x2x3xf32>, %b: tensor<5x3x?xf32>) -> tensor<5x2x?xf32> {
  %r = thunder.matmul %a, %b : (tensor<?x2x3xf32>, tensor<5x3x?xf32>)
  return %r : tensor<5x2x?xf32>
}

// CHECK-LABEL: @linear(
// CHECK: thunder.linear %{{.*}}, %{{.*}} : (tensor<?x5x3xbf16>, tensor<4x3xbf16>) -> tensor<?x5x4xbf16>
// CHECK: thunder.linear %{{.*}}, %{{.*}} bias(%{{.*}}) : (tensor<?x5x3xbf16>, tensor<4x3xbf16>, tensor<4xbf16>) -> tensor<?x5x4xbf16>
func.func @linear(%x: tensor<?x5x3xbf16>, %w: tensor<4x3xbf16>, %b: tensor<4xbf16>) -> tensor<?x5x4xbf16> {
  %0 = thunder.linear %x, %w : (tensor<?x5x3xbf16>, tensor<4x3xbf16>) -> tensor<?x5x4xbf16>
  %r = thunder.linear %x, %w bias(%b) : (tensor<?x5x3xbf16>, tensor<4x3xbf16>, tensor<4xbf16>) -> tensor<?x5x4xbf16>
  return %r : tensor<?x5x4xbf16>
}

// -----

func.func @matmul_c1(%a: tensor<2x3xf32>, %b: tensor<3x4xf64>) {
  // expected-error @+1 {{(C1) element types differ: 'f32' and 'f64'}}
  %r = thunder.matmul %a, %b : (tensor<2x3xf32>, tensor<3x4xf64>) -> tensor<2x4xf32>
  return
}

// -----

func.func @matmul_ranks(%a: tensor<2x3xf32>, %b: tensor<3xf32>) {
  // expected-error @+1 {{(C1) ranks must be equal and at least 2: 2 and 1}}
  %r = thunder.matmul %a, %b : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @matmul_c2(%a: tensor<2x4xf32>, %b: tensor<5x3xf32>) {
  // expected-error @+1 {{(C2) inner dimensions differ: 4 and 5}}
  %r = thunder.matmul %a, %b : (tensor<2x4xf32>, tensor<5x3xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @matmul_c3(%a: tensor<2x2x3xf32>, %b: tensor<4x3x2xf32>) {
  // expected-error @+1 {{(C3) outer dimensions differ: 2 and 4}}
  %r = thunder.matmul %a, %b : (tensor<2x2x3xf32>, tensor<4x3x2xf32>) -> tensor<2x2x2xf32>
  return
}

// -----

func.func @linear_c1(%x: tensor<2x3xf32>, %w: tensor<4x3xf16>) {
  // expected-error @+1 {{(C1) element types differ: 'f32' and 'f16'}}
  %r = thunder.linear %x, %w : (tensor<2x3xf32>, tensor<4x3xf16>) -> tensor<2x4xf32>
  return
}

// -----

func.func @linear_c2(%x: tensor<2x3xf32>, %w: tensor<3xf32>) {
  // expected-error @+1 {{(C2) unexpected ranks: 2, 1}}
  %r = thunder.linear %x, %w : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @linear_c3(%x: tensor<2x3xf32>, %w: tensor<4x5xf32>) {
  // expected-error @+1 {{(C3) inner dimensions differ: 3 and 5}}
  %r = thunder.linear %x, %w : (tensor<2x3xf32>, tensor<4x5xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @linear_c4(%x: tensor<2x3xf32>, %w: tensor<4x3xf32>, %b: tensor<3xf32>) {
  // expected-error @+1 {{(C4) rows of the weight and elements of the bias differ: 4 and 3}}
  %r = thunder.linear %x, %w bias(%b) : (tensor<2x3xf32>, tensor<4x3xf32>, tensor<3xf32>) -> tensor<2x4xf32>
  return
}
