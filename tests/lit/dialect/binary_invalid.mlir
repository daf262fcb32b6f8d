// RUN: thunder-opt %s --split-input-file --verify-diagnostics

func.func @add_c1(%a: tensor<4xi1>, %b: tensor<4xi1>) {
  // expected-error @+1 {{(C1) operand #0 'lhs' must be tensor of integer, float or complex number, but is 'tensor<4xi1>'}}
  %c = thunder.add %a, %b : tensor<4xi1>
  return
}

// -----

func.func @sub_c1(%a: tensor<4xi1>, %b: tensor<4xi1>) {
  // expected-error @+1 {{(C1) operand #0 'lhs' must be tensor of integer, float or complex number, but is 'tensor<4xi1>'}}
  %c = thunder.sub %a, %b : tensor<4xi1>
  return
}

// -----

func.func @mul_c1(%a: tensor<4xi1>, %b: tensor<4xi1>) {
  // expected-error @+1 {{(C1) operand #0 'lhs' must be tensor of integer, float or complex number, but is 'tensor<4xi1>'}}
  %c = thunder.mul %a, %b : tensor<4xi1>
  return
}

// -----

func.func @div_c1(%a: tensor<4xi1>, %b: tensor<4xi1>) {
  // expected-error @+1 {{(C1) operand #0 'lhs' must be tensor of integer, float or complex number, but is 'tensor<4xi1>'}}
  %c = thunder.div %a, %b : tensor<4xi1>
  return
}

// -----

func.func @rem_c1(%a: tensor<4xi1>, %b: tensor<4xi1>) {
  // expected-error @+1 {{(C1) operand #0 'lhs' must be tensor of integer or float, but is 'tensor<4xi1>'}}
  %c = thunder.rem %a, %b : tensor<4xi1>
  return
}

// -----

func.func @remainder_c1(%a: tensor<4xi1>, %b: tensor<4xi1>) {
  // expected-error @+1 {{(C1) operand #0 'lhs' must be tensor of integer or float, but is 'tensor<4xi1>'}}
  %c = thunder.remainder %a, %b : tensor<4xi1>
  return
}

// -----

func.func @pow_c1(%a: tensor<4xi1>, %b: tensor<4xi1>) {
  // expected-error @+1 {{(C1) operand #0 'lhs' must be tensor of integer, float or complex number, but is 'tensor<4xi1>'}}
  %c = thunder.pow %a, %b : tensor<4xi1>
  return
}

// -----

func.func @maximum_c1(%a: tensor<4xi1>, %b: tensor<4xi1>) {
  // expected-error @+1 {{(C1) operand #0 'lhs' must be tensor of integer or float, but is 'tensor<4xi1>'}}
  %c = thunder.maximum %a, %b : tensor<4xi1>
  return
}

// -----

func.func @minimum_c1(%a: tensor<4xi1>, %b: tensor<4xi1>) {
  // expected-error @+1 {{(C1) operand #0 'lhs' must be tensor of integer or float, but is 'tensor<4xi1>'}}
  %c = thunder.minimum %a, %b : tensor<4xi1>
  return
}

// -----

func.func @atan2_c1(%a: tensor<4xi32>, %b: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'lhs' must be tensor of float, but is 'tensor<4xi32>'}}
  %c = thunder.atan2 %a, %b : tensor<4xi32>
  return
}

// -----

func.func @and_c1(%a: tensor<4xf32>, %b: tensor<4xf32>) {
  // expected-error @+1 {{(C1) operand #0 'lhs' must be tensor of integer or bool, but is 'tensor<4xf32>'}}
  %c = thunder.and %a, %b : tensor<4xf32>
  return
}

// -----

func.func @or_c1(%a: tensor<4xf32>, %b: tensor<4xf32>) {
  // expected-error @+1 {{(C1) operand #0 'lhs' must be tensor of integer or bool, but is 'tensor<4xf32>'}}
  %c = thunder.or %a, %b : tensor<4xf32>
  return
}

// -----

func.func @xor_c1(%a: tensor<4xf32>, %b: tensor<4xf32>) {
  // expected-error @+1 {{(C1) operand #0 'lhs' must be tensor of integer or bool, but is 'tensor<4xf32>'}}
  %c = thunder.xor %a, %b : tensor<4xf32>
  return
}

// -----

func.func @shift_left_c1(%a: tensor<4xi1>, %b: tensor<4xi1>) {
  // expected-error @+1 {{(C1) operand #0 'lhs' must be tensor of integer, but is 'tensor<4xi1>'}}
  %c = thunder.shift_left %a, %b : tensor<4xi1>
  return
}

// -----

func.func @shift_right_c1(%a: tensor<4xi1>, %b: tensor<4xi1>) {
  // expected-error @+1 {{(C1) operand #0 'lhs' must be tensor of integer, but is 'tensor<4xi1>'}}
  %c = thunder.shift_right %a, %b : tensor<4xi1>
  return
}

// -----

func.func @add_types(%a: tensor<4xf32>, %b: tensor<5xf32>) {
  // expected-error @+1 {{requires the same type for all operands and results}}
  %c = "thunder.add"(%a, %b) : (tensor<4xf32>, tensor<5xf32>) -> tensor<4xf32>
  return
}
