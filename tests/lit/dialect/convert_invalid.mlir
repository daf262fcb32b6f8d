// RUN: thunder-opt %s --split-input-file --verify-diagnostics

func.func @convert_c1(%x: tensor<4xf32>) {
  // expected-error @+1 {{(C1) the shapes of 'tensor<4xf32>' and 'tensor<5xi32>' differ}}
  %r = thunder.convert %x : tensor<4xf32> -> tensor<5xi32>
  return
}
