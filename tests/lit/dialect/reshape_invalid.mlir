// RUN: thunder-opt %s --split-input-file --verify-diagnostics

func.func @reshape_c1(%x: tensor<4xf32>) {
  // expected-error @+1 {{(C1) element types differ: 'f32' and 'i32'}}
  %r = thunder.reshape %x, [] : tensor<4xf32> -> tensor<4xi32>
  return
}

// -----

func.func @reshape_c2(%x: tensor<4xf32>) {
  // expected-error @+1 {{(C2) numbers of elements differ: 4 and 5}}
  %r = thunder.reshape %x, [] : tensor<4xf32> -> tensor<5xf32>
  return
}

// -----

func.func @reshape_c3(%x: tensor<4xf32>) {
  // expected-error @+1 {{(C3) 'tensor<2x?xf32>' has 1 dynamic dimensions, but 0 sizes are given}}
  %r = thunder.reshape %x, [] : tensor<4xf32> -> tensor<2x?xf32>
  return
}
