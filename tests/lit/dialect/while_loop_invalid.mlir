// RUN: thunder-opt %s --split-input-file --verify-diagnostics

func.func @while_c1(%x: tensor<f32>) {
  // expected-error @+1 {{(C1) 2 results of 1 operands}}
  %r:2 = exec.while %x condition = @c body = @b : tensor<f32> -> (tensor<f32>, tensor<f32>)
  return
}

// -----

func.func @while_c1_none(%x: tensor<f32>) {
  // expected-error @+1 {{(C1) 0 results of 1 operands}}
  exec.while %x condition = @c body = @b : tensor<f32>
  return
}

// -----

func.func @while_c2(%x: tensor<?xf32>, %y: tensor<f32>) {
  // expected-error @+1 {{(C2) result #0 is 'tensor<3xf32>', but begins as 'tensor<?xf32>'}}
  %r = exec.while %x, %y condition = @c body = @b : (tensor<?xf32>, tensor<f32>) -> tensor<3xf32>
  return
}
