// RUN: thunder-opt %s --split-input-file --verify-diagnostics

func.func @transpose_c1(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{(C1) [1, 1] does not name each of 2 dimensions once}}
  %r = thunder.transpose %x permutation = [1, 1] : tensor<2x3xf32> -> tensor<3x3xf32>
  return
}

// -----

func.func @transpose_inferred(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{(C1) [1] does not name each of 2 dimensions once}}
  %r = thunder.transpose %x permutation = [1] : tensor<2x3xf32>
  return
}

// -----

func.func @transpose_type(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{result #0 is of type 'tensor<2x3xf32>', but its operands make it 'tensor<3x2xf32>'}}
  %r = thunder.transpose %x permutation = [1, 0] : tensor<2x3xf32> -> tensor<2x3xf32>
  return
}

// -----

func.func @reverse_c1(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{(C1) axis 2 is not one of 2 dimensions}}
  %r = thunder.reverse %x axes = [2] : tensor<2x3xf32> -> tensor<2x3xf32>
  return
}

// -----

func.func @reverse_c1_twice(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{(C1) axis 0 is named twice}}
  %r = thunder.reverse %x axes = [0, 0] : tensor<2x3xf32> -> tensor<2x3xf32>
  return
}
