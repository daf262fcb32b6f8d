// RUN: thunder-opt %s --split-input-file --verify-diagnostics

func.func @add(%x: tensor<4xf8E4M3FN>) {
  // expected-error @+1 {{(C1) operand #0 'lhs' must be tensor of integer, float or complex number, but is 'tensor<4xf8E4M3FN>'}}
  %0 = "thunder.add"(%x, %x) : (tensor<4xf8E4M3FN>, tensor<4xf8E4M3FN>) -> tensor<4xf8E4M3FN>
  return
}

// -----

func.func @exp(%x: tensor<4xf8E5M2>) {
  // expected-error @+1 {{must be tensor of float}}
  %0 = "thunder.exp"(%x) : (tensor<4xf8E5M2>) -> tensor<4xf8E5M2>
  return
}

// -----

func.func @lt(%x: tensor<4xf8E4M3FNUZ>) {
  // expected-error @+1 {{must be tensor of bool, integer or float}}
  %0 = "thunder.lt"(%x, %x) : (tensor<4xf8E4M3FNUZ>, tensor<4xf8E4M3FNUZ>) -> tensor<4xi1>
  return
}

// -----

func.func @bits(%x: tensor<4xf8E4M3FNUZ>) {
  // expected-error @+1 {{(C2) bits of 'f8E4M3FNUZ' are no 'i16'}}
  %0 = thunder.bitcast %x : tensor<4xf8E4M3FNUZ> -> tensor<4xi16>
  return
}
