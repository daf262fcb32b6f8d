// RUN: thunder-opt %s --split-input-file --verify-diagnostics

func.func @pad_c1(%x: tensor<4xf32>) {
  // expected-error @+1 {{(C1) 'low' has 2 entries for 1 dimensions}}
  %r = thunder.pad %x low = [0, 0] high = [0] interior = [0] value = 0.0 : f32 : tensor<4xf32> -> tensor<4xf32>
  return
}

// -----

func.func @pad_c2(%x: tensor<4xf32>) {
  // expected-error @+1 {{(C2) an interior padding is -1}}
  %r = thunder.pad %x low = [0] high = [0] interior = [-1] value = 0.0 : f32 : tensor<4xf32> -> tensor<4xf32>
  return
}

// -----

func.func @pad_c3(%x: tensor<4xf32>) {
  // expected-error @+1 {{(C3) the value is 0 : i32, but the elements are 'f32'}}
  %r = thunder.pad %x low = [0] high = [0] interior = [0] value = 0 : i32 : tensor<4xf32> -> tensor<4xf32>
  return
}

// -----

func.func @pad_type(%x: tensor<4xf32>) {
  // expected-error @+1 {{its operands make it 'tensor<5xf32>'}}
  %r = thunder.pad %x low = [1] high = [0] interior = [0] value = 0.0 : f32 : tensor<4xf32> -> tensor<4xf32>
  return
}

// -----

func.func @pad_beyond_memory(%x: tensor<17xi1>) {
  // expected-error @+1 {{(C2) a padding of 9223372036854775807 is beyond 2^40}}
  %r = thunder.pad %x low = [1] high = [2] interior = [9223372036854775807] value = true : tensor<17xi1> -> tensor<20xi1>
  return
}
