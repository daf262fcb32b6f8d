// RUN: thunder-opt %s --split-input-file --verify-diagnostics

func.func @neg_c1(%x: tensor<4xi1>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of integer, float or complex number, but is 'tensor<4xi1>'}}
  %y = thunder.neg %x : tensor<4xi1>
  return
}

// -----

func.func @abs_c1(%x: tensor<4xi1>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of integer or float, but is 'tensor<4xi1>'}}
  %y = thunder.abs %x : tensor<4xi1>
  return
}

// -----

func.func @sign_c1(%x: tensor<4xi1>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of integer or float, but is 'tensor<4xi1>'}}
  %y = thunder.sign %x : tensor<4xi1>
  return
}

// -----

func.func @not_c1(%x: tensor<4xf32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of integer or bool, but is 'tensor<4xf32>'}}
  %y = thunder.not %x : tensor<4xf32>
  return
}

// -----

func.func @ceil_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float, but is 'tensor<4xi32>'}}
  %y = thunder.ceil %x : tensor<4xi32>
  return
}

// -----

func.func @floor_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float, but is 'tensor<4xi32>'}}
  %y = thunder.floor %x : tensor<4xi32>
  return
}

// -----

func.func @round_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float, but is 'tensor<4xi32>'}}
  %y = thunder.round %x : tensor<4xi32>
  return
}

// -----

func.func @trunc_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float, but is 'tensor<4xi32>'}}
  %y = thunder.trunc %x : tensor<4xi32>
  return
}

// -----

func.func @sqrt_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float or complex number, but is 'tensor<4xi32>'}}
  %y = thunder.sqrt %x : tensor<4xi32>
  return
}

// -----

func.func @rsqrt_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float or complex number, but is 'tensor<4xi32>'}}
  %y = thunder.rsqrt %x : tensor<4xi32>
  return
}

// -----

func.func @reciprocal_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float or complex number, but is 'tensor<4xi32>'}}
  %y = thunder.reciprocal %x : tensor<4xi32>
  return
}

// -----

func.func @exp_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float or complex number, but is 'tensor<4xi32>'}}
  %y = thunder.exp %x : tensor<4xi32>
  return
}

// -----

func.func @exp2_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float or complex number, but is 'tensor<4xi32>'}}
  %y = thunder.exp2 %x : tensor<4xi32>
  return
}

// -----

func.func @expm1_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float or complex number, but is 'tensor<4xi32>'}}
  %y = thunder.expm1 %x : tensor<4xi32>
  return
}

// -----

func.func @log_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float or complex number, but is 'tensor<4xi32>'}}
  %y = thunder.log %x : tensor<4xi32>
  return
}

// -----

func.func @log2_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float or complex number, but is 'tensor<4xi32>'}}
  %y = thunder.log2 %x : tensor<4xi32>
  return
}

// -----

func.func @log10_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float or complex number, but is 'tensor<4xi32>'}}
  %y = thunder.log10 %x : tensor<4xi32>
  return
}

// -----

func.func @log1p_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float or complex number, but is 'tensor<4xi32>'}}
  %y = thunder.log1p %x : tensor<4xi32>
  return
}

// -----

func.func @sin_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float or complex number, but is 'tensor<4xi32>'}}
  %y = thunder.sin %x : tensor<4xi32>
  return
}

// -----

func.func @cos_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float or complex number, but is 'tensor<4xi32>'}}
  %y = thunder.cos %x : tensor<4xi32>
  return
}

// -----

func.func @tan_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float or complex number, but is 'tensor<4xi32>'}}
  %y = thunder.tan %x : tensor<4xi32>
  return
}

// -----

func.func @asin_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float or complex number, but is 'tensor<4xi32>'}}
  %y = thunder.asin %x : tensor<4xi32>
  return
}

// -----

func.func @acos_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float or complex number, but is 'tensor<4xi32>'}}
  %y = thunder.acos %x : tensor<4xi32>
  return
}

// -----

func.func @atan_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float or complex number, but is 'tensor<4xi32>'}}
  %y = thunder.atan %x : tensor<4xi32>
  return
}

// -----

func.func @sinh_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float or complex number, but is 'tensor<4xi32>'}}
  %y = thunder.sinh %x : tensor<4xi32>
  return
}

// -----

func.func @cosh_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float or complex number, but is 'tensor<4xi32>'}}
  %y = thunder.cosh %x : tensor<4xi32>
  return
}

// -----

func.func @tanh_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float or complex number, but is 'tensor<4xi32>'}}
  %y = thunder.tanh %x : tensor<4xi32>
  return
}

// -----

func.func @asinh_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float or complex number, but is 'tensor<4xi32>'}}
  %y = thunder.asinh %x : tensor<4xi32>
  return
}

// -----

func.func @acosh_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float or complex number, but is 'tensor<4xi32>'}}
  %y = thunder.acosh %x : tensor<4xi32>
  return
}

// -----

func.func @atanh_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float or complex number, but is 'tensor<4xi32>'}}
  %y = thunder.atanh %x : tensor<4xi32>
  return
}

// -----

func.func @erf_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float, but is 'tensor<4xi32>'}}
  %y = thunder.erf %x : tensor<4xi32>
  return
}

// -----

func.func @erfc_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float, but is 'tensor<4xi32>'}}
  %y = thunder.erfc %x : tensor<4xi32>
  return
}
