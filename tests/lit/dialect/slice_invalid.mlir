// RUN: thunder-opt %s --split-input-file --verify-diagnostics

func.func @slice_c1(%x: tensor<8xf32>) {
  // expected-error @+1 {{(C1) 'stride' has 0 entries for 1 dimensions}}
  %r = thunder.slice %x start = [0] limit = [4] stride = [] : tensor<8xf32> -> tensor<4xf32>
  return
}

// -----

func.func @slice_c2(%x: tensor<8xf32>) {
  // expected-error @+1 {{(C2) a stride is 0}}
  %r = thunder.slice %x start = [0] limit = [4] stride = [0] : tensor<8xf32> -> tensor<4xf32>
  return
}

// -----

func.func @slice_type(%x: tensor<8xf32>) {
  // expected-error @+1 {{its operands make it 'tensor<8xf32>'}}
  %r = thunder.slice %x start = [0] limit = [40] stride = [1] : tensor<8xf32> -> tensor<40xf32>
  return
}
