// RUN: thunder-opt %s --split-input-file --verify-diagnostics

func.func @bitcast_c1(%x: tensor<4xf32>) {
  // expected-error @+1 {{(C1) the shapes of 'tensor<4xf32>' and 'tensor<5xi32>' differ}}
  %r = thunder.bitcast %x : tensor<4xf32> -> tensor<5xi32>
  return
}

// -----

func.func @bitcast_c2(%x: tensor<4xf32>) {
  // expected-error @+1 {{(C2) bits of 'f32' are no 'i64'}}
  %r = thunder.bitcast %x : tensor<4xf32> -> tensor<4xi64>
  return
}
