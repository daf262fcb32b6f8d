// RUN: thunder-opt %s --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: @convolution(
// CHECK: thunder.convolution %{{.*}}, %{{.*}} bias(%{{.*}}) stride = [2, 1] padding = {{\[\[}}1, 1], [0, 2]] dilation = [1, 2] groups = 2 : (tensor<?x4x?x8xf32>, tensor<6x2x3x3xf32>, tensor<6xf32>) -> tensor<?x6x?x6xf32>
func.func @convolution(%x: tensor<?x4x?x8xf32>, %w: tensor<6x2x3x3xf32>, %b: tensor<6xf32>) -> tensor<?x6x?x6xf32> {
  %0 = thunder.convolution %x, %w bias(%b) stride = [2, 1] padding = [[1, 1], [0, 2]] dilation = [1, 2] groups = 2 : (tensor<?x4x?x8xf32>, tensor<6x2x3x3xf32>, tensor<6xf32>)
  return %0 : tensor<?x6x?x6xf32>
}

// -----

func.func @convolution_c1(%x: tensor<1x4x8x8xf32>, %w: tensor<6x4x3x3xf64>) {
  // expected-error @+1 {{(C1) element types differ: 'f32' and 'f64'}}
  %r = thunder.convolution %x, %w : (tensor<1x4x8x8xf32>, tensor<6x4x3x3xf64>) -> tensor<1x6x6x6xf32>
  return
}

// -----

func.func @convolution_c2(%x: tensor<1x4x8x8xf32>, %w: tensor<6x4x3xf32>) {
  // expected-error @+1 {{(C2) ranks must be equal and from 3 to 5: 4 and 3}}
  %r = thunder.convolution %x, %w : (tensor<1x4x8x8xf32>, tensor<6x4x3xf32>) -> tensor<1x6x6x6xf32>
  return
}

// -----

func.func @convolution_c3(%x: tensor<1x4x8x8xf32>, %w: tensor<6x4x3x3xf32>) {
  // expected-error @+1 {{(C3) stride has 1 entries for 2 spatial dimensions}}
  %r = thunder.convolution %x, %w stride = [2] : (tensor<1x4x8x8xf32>, tensor<6x4x3x3xf32>) -> tensor<1x6x6x6xf32>
  return
}

// -----

func.func @convolution_step(%x: tensor<1x4x8x8xf32>, %w: tensor<6x4x3x3xf32>) {
  // expected-error @+1 {{(C3) dilation 0 is not positive}}
  %r = thunder.convolution %x, %w dilation = [0, 1] : (tensor<1x4x8x8xf32>, tensor<6x4x3x3xf32>) -> tensor<1x6x6x6xf32>
  return
}

// -----

func.func @convolution_padding(%x: tensor<1x4x8x8xf32>, %w: tensor<6x4x3x3xf32>) {
  // expected-error @+1 {{(C3) padding [1] is not a pair of sizes}}
  %r = thunder.convolution %x, %w padding = [[1, 1], [1]] : (tensor<1x4x8x8xf32>, tensor<6x4x3x3xf32>) -> tensor<1x6x6x6xf32>
  return
}

// -----

func.func @convolution_c4(%x: tensor<1x4x8x8xf32>, %w: tensor<6x4x3x3xf32>) {
  // expected-error @+1 {{(C4) 4 groups do not divide 6 features}}
  %r = thunder.convolution %x, %w groups = 4 : (tensor<1x4x8x8xf32>, tensor<6x4x3x3xf32>) -> tensor<1x6x6x6xf32>
  return
}

// -----

func.func @convolution_groups(%x: tensor<1x4x8x8xf32>, %w: tensor<6x4x3x3xf32>) {
  // expected-error @+1 {{(C4) groups is 0, which is not positive}}
  %r = thunder.convolution %x, %w groups = 0 : (tensor<1x4x8x8xf32>, tensor<6x4x3x3xf32>) -> tensor<1x6x6x6xf32>
  return
}

// -----

func.func @convolution_channels(%x: tensor<1x4x8x8xf32>, %w: tensor<6x3x3x3xf32>) {
  // expected-error @+1 {{(C4) channels of the operand and of all groups differ: 4 and 3}}
  %r = thunder.convolution %x, %w : (tensor<1x4x8x8xf32>, tensor<6x3x3x3xf32>) -> tensor<1x6x6x6xf32>
  return
}

// -----

func.func @convolution_c5(%x: tensor<1x4x8x8xf32>, %w: tensor<6x4x3x9xf32>) {
  // expected-error @+1 {{(C5) the window spans 9 of only 8 elements in spatial dimension 1}}
  %r = thunder.convolution %x, %w : (tensor<1x4x8x8xf32>, tensor<6x4x3x9xf32>) -> tensor<1x6x6x6xf32>
  return
}

// -----

func.func @convolution_empty_window(%x: tensor<1x4x8x8xf32>, %w: tensor<6x4x0x3xf32>) {
  // expected-error @+1 {{(C5) the window has no elements in spatial dimension 0}}
  %r = thunder.convolution %x, %w : (tensor<1x4x8x8xf32>, tensor<6x4x0x3xf32>) -> tensor<1x6x6x6xf32>
  return
}

// -----

func.func @convolution_c6(%x: tensor<1x4x8x8xf32>, %w: tensor<6x4x3x3xf32>, %b: tensor<5xf32>) {
  // expected-error @+1 {{(C6) features and elements of the bias differ: 6 and 5}}
  %r = thunder.convolution %x, %w bias(%b) : (tensor<1x4x8x8xf32>, tensor<6x4x3x3xf32>, tensor<5xf32>) -> tensor<1x6x6x6xf32>
  return
}

// -----

func.func @convolution_beyond_memory(%x: tensor<1x4x5x5xf32>, %w: tensor<4x1x3x3xf32>) {
  // expected-error @+1 {{(C3) padding [9223372036854775807, 1] is beyond 2^40}}
  %r = thunder.convolution %x, %w padding = [[1, 1], [9223372036854775807, 1]] groups = 4 : (tensor<1x4x5x5xf32>, tensor<4x1x3x3xf32>) -> tensor<1x4x5x5xf32>
  return
}

// -----

func.func @convolution_steps_beyond_memory(%x: tensor<1x4x5x5xf32>, %w: tensor<4x1x3x3xf32>) {
  // expected-error @+1 {{(C3) dilation 2199023255552 is beyond 2^40}}
  %r = thunder.convolution %x, %w dilation = [1, 2199023255552] groups = 4 : (tensor<1x4x5x5xf32>, tensor<4x1x3x3xf32>) -> tensor<1x4x5x5xf32>
  return
}
