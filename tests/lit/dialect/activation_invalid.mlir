// RUN: thunder-opt %s --split-input-file --verify-diagnostics

func.func @relu_c1(%x: tensor<4xi1>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of integer or float, but is 'tensor<4xi1>'}}
  %y = thunder.relu %x : tensor<4xi1>
  return
}

// -----

func.func @sigmoid_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float, but is 'tensor<4xi32>'}}
  %y = thunder.sigmoid %x : tensor<4xi32>
  return
}

// -----

func.func @silu_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float, but is 'tensor<4xi32>'}}
  %y = thunder.silu %x : tensor<4xi32>
  return
}

// -----

func.func @softplus_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float, but is 'tensor<4xi32>'}}
  %y = thunder.softplus %x : tensor<4xi32>
  return
}

// -----

func.func @mish_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float, but is 'tensor<4xi32>'}}
  %y = thunder.mish %x : tensor<4xi32>
  return
}

// -----

func.func @hard_sigmoid_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float, but is 'tensor<4xi32>'}}
  %y = thunder.hard_sigmoid %x : tensor<4xi32>
  return
}

// -----

func.func @hard_swish_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float, but is 'tensor<4xi32>'}}
  %y = thunder.hard_swish %x : tensor<4xi32>
  return
}

// -----

func.func @gelu_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float, but is 'tensor<4xi32>'}}
  %y = thunder.gelu %x : tensor<4xi32>
  return
}

// -----

func.func @leaky_relu_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float, but is 'tensor<4xi32>'}}
  %y = thunder.leaky_relu %x : tensor<4xi32>
  return
}

// -----

func.func @elu_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float, but is 'tensor<4xi32>'}}
  %y = thunder.elu %x : tensor<4xi32>
  return
}

// -----

func.func @gelu_approximate(%x: tensor<?x4xf32>) {
  // expected-error @+1 {{expected one of none, tanh, but got 'cubic'}}
  %y = thunder.gelu %x approximate = cubic : tensor<?x4xf32>
  return
}
