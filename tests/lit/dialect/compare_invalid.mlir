// RUN: thunder-opt %s --split-input-file --verify-diagnostics

func.func @eq_c1(%a: tensor<4xf32>, %b: tensor<4xi32>) {
  // expected-error @+1 {{(C1) element types differ: 'f32' and 'i32'}}
  %c = thunder.eq %a, %b : (tensor<4xf32>, tensor<4xi32>) -> tensor<4xi1>
  return
}

// -----

func.func @eq_c2(%a: tensor<4xf32>, %b: tensor<5xf32>) {
  // expected-error @+1 {{(C2) sizes of dimension 0 differ: 4 and 5}}
  %c = thunder.eq %a, %b : (tensor<4xf32>, tensor<5xf32>) -> tensor<4xi1>
  return
}

// -----

func.func @ne_c1(%a: tensor<4xf32>, %b: tensor<4xi32>) {
  // expected-error @+1 {{(C1) element types differ: 'f32' and 'i32'}}
  %c = thunder.ne %a, %b : (tensor<4xf32>, tensor<4xi32>) -> tensor<4xi1>
  return
}

// -----

func.func @ne_c2(%a: tensor<4xf32>, %b: tensor<5xf32>) {
  // expected-error @+1 {{(C2) sizes of dimension 0 differ: 4 and 5}}
  %c = thunder.ne %a, %b : (tensor<4xf32>, tensor<5xf32>) -> tensor<4xi1>
  return
}

// -----

func.func @lt_c1(%a: tensor<4xf32>, %b: tensor<4xi32>) {
  // expected-error @+1 {{(C1) element types differ: 'f32' and 'i32'}}
  %c = thunder.lt %a, %b : (tensor<4xf32>, tensor<4xi32>) -> tensor<4xi1>
  return
}

// -----

func.func @lt_c2(%a: tensor<4xf32>, %b: tensor<5xf32>) {
  // expected-error @+1 {{(C2) sizes of dimension 0 differ: 4 and 5}}
  %c = thunder.lt %a, %b : (tensor<4xf32>, tensor<5xf32>) -> tensor<4xi1>
  return
}

// -----

func.func @le_c1(%a: tensor<4xf32>, %b: tensor<4xi32>) {
  // expected-error @+1 {{(C1) element types differ: 'f32' and 'i32'}}
  %c = thunder.le %a, %b : (tensor<4xf32>, tensor<4xi32>) -> tensor<4xi1>
  return
}

// -----

func.func @le_c2(%a: tensor<4xf32>, %b: tensor<5xf32>) {
  // expected-error @+1 {{(C2) sizes of dimension 0 differ: 4 and 5}}
  %c = thunder.le %a, %b : (tensor<4xf32>, tensor<5xf32>) -> tensor<4xi1>
  return
}

// -----

func.func @gt_c1(%a: tensor<4xf32>, %b: tensor<4xi32>) {
  // expected-error @+1 {{(C1) element types differ: 'f32' and 'i32'}}
  %c = thunder.gt %a, %b : (tensor<4xf32>, tensor<4xi32>) -> tensor<4xi1>
  return
}

// -----

func.func @gt_c2(%a: tensor<4xf32>, %b: tensor<5xf32>) {
  // expected-error @+1 {{(C2) sizes of dimension 0 differ: 4 and 5}}
  %c = thunder.gt %a, %b : (tensor<4xf32>, tensor<5xf32>) -> tensor<4xi1>
  return
}

// -----

func.func @ge_c1(%a: tensor<4xf32>, %b: tensor<4xi32>) {
  // expected-error @+1 {{(C1) element types differ: 'f32' and 'i32'}}
  %c = thunder.ge %a, %b : (tensor<4xf32>, tensor<4xi32>) -> tensor<4xi1>
  return
}

// -----

func.func @ge_c2(%a: tensor<4xf32>, %b: tensor<5xf32>) {
  // expected-error @+1 {{(C2) sizes of dimension 0 differ: 4 and 5}}
  %c = thunder.ge %a, %b : (tensor<4xf32>, tensor<5xf32>) -> tensor<4xi1>
  return
}

// -----

func.func @eq_ranks(%a: tensor<4xf32>, %b: tensor<4x1xf32>) {
  // expected-error @+1 {{(C2) ranks differ: 1 and 2}}
  %c = thunder.eq %a, %b : (tensor<4xf32>, tensor<4x1xf32>) -> tensor<4xi1>
  return
}

// -----

func.func @isnan_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float, but is 'tensor<4xi32>'}}
  %c = thunder.isnan %x : tensor<4xi32> -> tensor<4xi1>
  return
}

// -----

func.func @isinf_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float, but is 'tensor<4xi32>'}}
  %c = thunder.isinf %x : tensor<4xi32> -> tensor<4xi1>
  return
}

// -----

func.func @isfinite_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float, but is 'tensor<4xi32>'}}
  %c = thunder.isfinite %x : tensor<4xi32> -> tensor<4xi1>
  return
}
