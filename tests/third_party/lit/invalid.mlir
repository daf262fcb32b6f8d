// RUN: acme-opt %s --split-input-file --verify-diagnostics

func.func @soft_clip_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float, but is 'tensor<4xi32>'}}
  %y = acme.soft_clip %x : tensor<4xi32>
  return
}

// -----

func.func @soft_clip_c2(%x: tensor<4xf32>) {
  // expected-error @+1 {{(C2) 'limit' must be positive and finite, but is -1.0}}
  %y = acme.soft_clip %x limit = -1.0 : tensor<4xf32>
  return
}

// -----

func.func @l2_normalize_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float, but is 'tensor<4xi32>'}}
  %y = acme.l2_normalize %x axis = 0 : tensor<4xi32>
  return
}

// -----

func.func @l2_normalize_c2(%x: tensor<4xf32>) {
  // expected-error @+1 {{(C2) axis 1 is not one of 1 dimensions}}
  %y = acme.l2_normalize %x axis = 1 : tensor<4xf32>
  return
}
