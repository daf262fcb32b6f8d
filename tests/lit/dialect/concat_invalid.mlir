// RUN: thunder-opt %s --split-input-file --verify-diagnostics

func.func @concat_c1(%a: tensor<2xf32>, %b: tensor<2xf64>) {
  // expected-error @+1 {{(C1) element types differ: 'f32' and 'f64'}}
  %r = thunder.concat %a, %b axis = 0 : (tensor<2xf32>, tensor<2xf64>) -> tensor<4xf32>
  return
}

// -----

func.func @concat_c1_none() {
  // expected-error @+1 {{(C1) there is nothing to concatenate}}
  %r = thunder.concat axis = 0 : tensor<0xf32>
  return
}

// -----

func.func @concat_c1_rank(%a: tensor<2xf32>, %b: tensor<2x1xf32>) {
  // expected-error @+1 {{(C1) ranks differ: 1 and 2}}
  %r = thunder.concat %a, %b axis = 0 : (tensor<2xf32>, tensor<2x1xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @concat_c2(%a: tensor<2xf32>, %b: tensor<2xf32>) {
  // expected-error @+1 {{(C2) axis 1 is not one of 1 dimensions}}
  %r = thunder.concat %a, %b axis = 1 : (tensor<2xf32>, tensor<2xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @concat_c3(%a: tensor<2x3xf32>, %b: tensor<2x4xf32>) {
  // expected-error @+1 {{(C3) sizes of dimension 1 differ: 3 and 4}}
  %r = thunder.concat %a, %b axis = 0 : (tensor<2x3xf32>, tensor<2x4xf32>) -> tensor<4x3xf32>
  return
}
