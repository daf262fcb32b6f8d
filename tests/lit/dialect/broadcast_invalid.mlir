// RUN: thunder-opt %s --split-input-file --verify-diagnostics

func.func @broadcast_in_dim_c1(%x: tensor<4xf32>) {
  // expected-error @+1 {{(C1) 0 entries for 1 dimensions of the operand}}
  %r = thunder.broadcast_in_dim %x, [] dims = [] : tensor<4xf32> -> tensor<4xf32>
  return
}

// -----

func.func @broadcast_in_dim_c1_range(%x: tensor<4xf32>) {
  // expected-error @+1 {{(C1) 2 is not one of 2 dimensions of the result}}
  %r = thunder.broadcast_in_dim %x, [] dims = [2] : tensor<4xf32> -> tensor<2x4xf32>
  return
}

// -----

func.func @broadcast_in_dim_c1_twice(%x: tensor<4x4xf32>) {
  // expected-error @+1 {{(C1) dimension 1 of the result is named twice}}
  %r = thunder.broadcast_in_dim %x, [] dims = [1, 1] : tensor<4x4xf32> -> tensor<2x4xf32>
  return
}

// -----

func.func @broadcast_in_dim_c2(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{(C2) sizes of dimension 1 differ: 3 and 4}}
  %r = thunder.broadcast_in_dim %x, [] dims = [0, 1] : tensor<2x3xf32> -> tensor<2x4xf32>
  return
}

// -----

func.func @broadcast_in_dim_c3(%x: tensor<2xf32>) {
  // expected-error @+1 {{(C3) 'tensor<?x2xf32>' has 1 dynamic dimensions, but 0 sizes are given}}
  %r = thunder.broadcast_in_dim %x, [] dims = [1] : tensor<2xf32> -> tensor<?x2xf32>
  return
}

// -----

func.func @broadcast_in_dim_c4(%x: tensor<2xf32>) {
  // expected-error @+1 {{(C4) element types differ: 'f32' and 'f64'}}
  %r = thunder.broadcast_in_dim %x, [] dims = [0] : tensor<2xf32> -> tensor<2xf64>
  return
}
