// RUN: thunder-opt %s --split-input-file --verify-diagnostics

func.func @where_c1(%c: tensor<4xi8>, %a: tensor<4xf32>) {
  // expected-error @+1 {{(C1) operand #0 'condition' must be tensor of bool, but is 'tensor<4xi8>'}}
  %r = thunder.where %c, %a, %a : (tensor<4xi8>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @where_c2(%c: tensor<4xi1>, %a: tensor<4xf32>, %b: tensor<4xf64>) {
  // expected-error @+1 {{(C2) element types differ: 'f32' and 'f64'}}
  %r = thunder.where %c, %a, %b : (tensor<4xi1>, tensor<4xf32>, tensor<4xf64>) -> tensor<4xf32>
  return
}

// -----

func.func @where_c3(%c: tensor<1xi1>, %a: tensor<4xf32>) {
  // expected-error @+1 {{(C3) sizes of dimension 0 differ: 1 and 4}}
  %r = thunder.where %c, %a, %a : (tensor<1xi1>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @clamp_c1(%x: tensor<4xi1>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of integer or float, but is 'tensor<4xi1>'}}
  %r = thunder.clamp %x : tensor<4xi1>
  return
}

// -----

func.func @clamp_c2(%x: tensor<4xf32>) {
  // expected-error @+1 {{(C2) 'min' is 0 : i32, but the elements are 'f32'}}
  %r = thunder.clamp %x min = 0 : i32 : tensor<4xf32>
  return
}

// -----

func.func @clamp_c2_kind(%x: tensor<4xf32>) {
  // expected-error @+1 {{(C2) attribute 'max' must be a number or truth value, but is "six"}}
  %r = "thunder.clamp"(%x) {max = "six"} : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @lerp_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'start' must be tensor of float, but is 'tensor<4xi32>'}}
  %r = thunder.lerp %x, %x, %x : tensor<4xi32>
  return
}
