// RUN: thunder-opt %s --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: @sdpa(
// CHECK: thunder.sdpa %{{.*}}, %{{.*}}, %{{.*}} mask(%{{.*}}) scale = 0.125 : (tensor<?x8x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x6xf32>, tensor<?x1x?x?xi1>) -> tensor<?x8x?x6xf32>
// CHECK: thunder.sdpa %{{.*}}, %{{.*}}, %{{.*}} mask(%{{.*}}) : (tensor<?x8x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x6xf32>, tensor<1x7xf32>) -> tensor<?x8x?x6xf32>
// CHECK: thunder.sdpa %{{.*}}, %{{.*}}, %{{.*}} causal = true : (tensor<?x8x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x6xf32>) -> tensor<?x8x?x6xf32>
func.func @sdpa(%q: tensor<?x8x?x4xf32>, %k: tensor<?x2x?x4xf32>, %v: tensor<?x2x?x6xf32>, %m: tensor<?x1x?x?xi1>, %f: tensor<1x7xf32>) -> tensor<?x8x?x6xf32> {
  %0 = thunder.sdpa %q, %k, %v mask(%m) scale = 0.125 : (tensor<?x8x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x6xf32>, tensor<?x1x?x?xi1>)
  %1 = thunder.sdpa %q, %k, %v mask(%f) : (tensor<?x8x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x6xf32>, tensor<1x7xf32>)
  %2 = thunder.sdpa %q, %k, %v causal = true : (tensor<?x8x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x6xf32>)
  return %2 : tensor<?x8x?x6xf32>
}

// -----

func.func @sdpa_c1(%q: tensor<2x8x5x4xf32>, %k: tensor<2x2x7x4xf32>, %v: tensor<2x2x7x4xf16>) {
  // expected-error @+1 {{(C1) element types differ: 'f32' and 'f16'}}
  %r = thunder.sdpa %q, %k, %v : (tensor<2x8x5x4xf32>, tensor<2x2x7x4xf32>, tensor<2x2x7x4xf16>) -> tensor<2x8x5x4xf32>
  return
}

// -----

func.func @sdpa_c2(%q: tensor<2x8x5x4xf32>, %k: tensor<2x7x4xf32>, %v: tensor<2x2x7x4xf32>) {
  // expected-error @+1 {{(C2) ranks must be equal and at least 3: 4, 3 and 4}}
  %r = thunder.sdpa %q, %k, %v : (tensor<2x8x5x4xf32>, tensor<2x7x4xf32>, tensor<2x2x7x4xf32>) -> tensor<2x8x5x4xf32>
  return
}

// -----

func.func @sdpa_c3(%q: tensor<2x8x5x4xf32>, %k: tensor<2x2x7x3xf32>, %v: tensor<2x2x7x4xf32>) {
  // expected-error @+1 {{(C3) depths of its operands differ: 4 and 3}}
  %r = thunder.sdpa %q, %k, %v : (tensor<2x8x5x4xf32>, tensor<2x2x7x3xf32>, tensor<2x2x7x4xf32>) -> tensor<2x8x5x4xf32>
  return
}

// -----

func.func @sdpa_batch(%q: tensor<2x8x5x4xf32>, %k: tensor<3x2x7x4xf32>, %v: tensor<2x2x7x4xf32>) {
  // expected-error @+1 {{(C3) outer dimensions of its operands differ: 2 and 3}}
  %r = thunder.sdpa %q, %k, %v : (tensor<2x8x5x4xf32>, tensor<3x2x7x4xf32>, tensor<2x2x7x4xf32>) -> tensor<2x8x5x4xf32>
  return
}

// -----

func.func @sdpa_columns(%q: tensor<2x8x5x4xf32>, %k: tensor<2x2x7x4xf32>, %v: tensor<2x2x6x4xf32>) {
  // expected-error @+1 {{(C3) columns of its operands differ: 7 and 6}}
  %r = thunder.sdpa %q, %k, %v : (tensor<2x8x5x4xf32>, tensor<2x2x7x4xf32>, tensor<2x2x6x4xf32>) -> tensor<2x8x5x4xf32>
  return
}

// -----

func.func @sdpa_c4(%q: tensor<2x8x5x4xf32>, %k: tensor<2x3x7x4xf32>, %v: tensor<2x3x7x4xf32>) {
  // expected-error @+1 {{(C4) 8 heads are not a multiple of 3}}
  %r = thunder.sdpa %q, %k, %v : (tensor<2x8x5x4xf32>, tensor<2x3x7x4xf32>, tensor<2x3x7x4xf32>) -> tensor<2x8x5x4xf32>
  return
}

// -----

func.func @sdpa_c5(%q: tensor<2x8x5x4xf32>, %k: tensor<2x2x7x4xf32>, %v: tensor<2x2x7x4xf32>, %m: tensor<5x7xf64>) {
  // expected-error @+1 {{(C5) a mask of 'f64' for scores of 'f32'}}
  %r = thunder.sdpa %q, %k, %v mask(%m) : (tensor<2x8x5x4xf32>, tensor<2x2x7x4xf32>, tensor<2x2x7x4xf32>, tensor<5x7xf64>) -> tensor<2x8x5x4xf32>
  return
}

// -----

func.func @sdpa_mask_integer(%q: tensor<2x8x5x4xf32>, %k: tensor<2x2x7x4xf32>, %v: tensor<2x2x7x4xf32>, %m: tensor<5x7xi32>) {
  // expected-error @+1 {{(C5) operand #3 'mask' must be tensor of bool or float, but is 'tensor<5x7xi32>'}}
  %r = thunder.sdpa %q, %k, %v mask(%m) : (tensor<2x8x5x4xf32>, tensor<2x2x7x4xf32>, tensor<2x2x7x4xf32>, tensor<5x7xi32>) -> tensor<2x8x5x4xf32>
  return
}

// -----

func.func @sdpa_c6(%q: tensor<2x8x5x4xf32>, %k: tensor<2x2x7x4xf32>, %v: tensor<2x2x7x4xf32>, %m: tensor<5x4xi1>) {
  // expected-error @+1 {{(C6) sizes of mask and scores differ: 4 and 7}}
  %r = thunder.sdpa %q, %k, %v mask(%m) : (tensor<2x8x5x4xf32>, tensor<2x2x7x4xf32>, tensor<2x2x7x4xf32>, tensor<5x4xi1>) -> tensor<2x8x5x4xf32>
  return
}

// -----

func.func @sdpa_mask_rank(%q: tensor<2x8x5x4xf32>, %k: tensor<2x2x7x4xf32>, %v: tensor<2x2x7x4xf32>, %m: tensor<1x1x1x5x7xi1>) {
  // expected-error @+1 {{(C6) a mask of rank 5 for scores of rank 4}}
  %r = thunder.sdpa %q, %k, %v mask(%m) : (tensor<2x8x5x4xf32>, tensor<2x2x7x4xf32>, tensor<2x2x7x4xf32>, tensor<1x1x1x5x7xi1>) -> tensor<2x8x5x4xf32>
  return
}

// -----

// CHECK-LABEL: @sdpa_backward(
// CHECK: thunder.sdpa_backward %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} mask(%{{.*}}) scale = 0.125 : (tensor<?x8x?x6xf32>, tensor<?x8x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x6xf32>, tensor<?x1x?x?xi1>) -> (tensor<?x8x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x6xf32>)
// CHECK: thunder.sdpa_backward %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} causal = true
func.func @sdpa_backward(%d: tensor<?x8x?x6xf32>, %q: tensor<?x8x?x4xf32>, %k: tensor<?x2x?x4xf32>, %v: tensor<?x2x?x6xf32>, %m: tensor<?x1x?x?xi1>)
    -> (tensor<?x8x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x6xf32>) {
  %0:3 = thunder.sdpa_backward %d, %q, %k, %v mask(%m) scale = 0.125
    : (tensor<?x8x?x6xf32>, tensor<?x8x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x6xf32>, tensor<?x1x?x?xi1>)
    -> (tensor<?x8x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x6xf32>)
  %1:3 = thunder.sdpa_backward %d, %0#0, %0#1, %0#2 causal = true
    : (tensor<?x8x?x6xf32>, tensor<?x8x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x6xf32>)
    -> (tensor<?x8x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x6xf32>)
  return %1#0, %1#1, %1#2 : tensor<?x8x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x6xf32>
}

// -----

func.func @sdpa_backward_c1(%d: tensor<2x8x5x4xf16>, %q: tensor<2x8x5x4xf32>, %k: tensor<2x2x7x4xf32>, %v: tensor<2x2x7x4xf32>) {
  // expected-error @+1 {{(C1) element types differ: 'f32' and 'f16'}}
  %r:3 = thunder.sdpa_backward %d, %q, %k, %v : (tensor<2x8x5x4xf16>, tensor<2x8x5x4xf32>, tensor<2x2x7x4xf32>, tensor<2x2x7x4xf32>) -> (tensor<2x8x5x4xf32>, tensor<2x2x7x4xf32>, tensor<2x2x7x4xf32>)
  return
}

// -----

func.func @sdpa_backward_c2(%d: tensor<2x8x5x4xf32>, %q: tensor<2x8x5x4xf32>, %k: tensor<2x7x4xf32>, %v: tensor<2x2x7x4xf32>) {
  // expected-error @+1 {{(C2) ranks must be equal and at least 3: 4, 3 and 4}}
  %r:3 = thunder.sdpa_backward %d, %q, %k, %v : (tensor<2x8x5x4xf32>, tensor<2x8x5x4xf32>, tensor<2x7x4xf32>, tensor<2x2x7x4xf32>) -> (tensor<2x8x5x4xf32>, tensor<2x7x4xf32>, tensor<2x2x7x4xf32>)
  return
}

// -----

func.func @sdpa_backward_c3(%d: tensor<2x8x5x4xf32>, %q: tensor<2x8x5x4xf32>, %k: tensor<2x2x7x3xf32>, %v: tensor<2x2x7x4xf32>) {
  // expected-error @+1 {{(C3) depths of its operands differ}}
  %r:3 = thunder.sdpa_backward %d, %q, %k, %v : (tensor<2x8x5x4xf32>, tensor<2x8x5x4xf32>, tensor<2x2x7x3xf32>, tensor<2x2x7x4xf32>) -> (tensor<2x8x5x4xf32>, tensor<2x2x7x3xf32>, tensor<2x2x7x4xf32>)
  return
}

// -----

func.func @sdpa_backward_c4(%d: tensor<2x8x5x4xf32>, %q: tensor<2x8x5x4xf32>, %k: tensor<2x3x7x4xf32>, %v: tensor<2x3x7x4xf32>) {
  // expected-error @+1 {{(C4) 8 heads are not a multiple of 3}}
  %r:3 = thunder.sdpa_backward %d, %q, %k, %v : (tensor<2x8x5x4xf32>, tensor<2x8x5x4xf32>, tensor<2x3x7x4xf32>, tensor<2x3x7x4xf32>) -> (tensor<2x8x5x4xf32>, tensor<2x3x7x4xf32>, tensor<2x3x7x4xf32>)
  return
}

// -----

func.func @sdpa_backward_c5(%d: tensor<2x8x5x4xf32>, %q: tensor<2x8x5x4xf32>, %k: tensor<2x2x7x4xf32>, %v: tensor<2x2x7x4xf32>, %m: tensor<5x7xf64>) {
  // expected-error @+1 {{(C5) a mask of 'f64' for scores of 'f32'}}
  %r:3 = thunder.sdpa_backward %d, %q, %k, %v mask(%m) : (tensor<2x8x5x4xf32>, tensor<2x8x5x4xf32>, tensor<2x2x7x4xf32>, tensor<2x2x7x4xf32>, tensor<5x7xf64>) -> (tensor<2x8x5x4xf32>, tensor<2x2x7x4xf32>, tensor<2x2x7x4xf32>)
  return
}

// -----

func.func @sdpa_backward_c6(%d: tensor<2x8x5x4xf32>, %q: tensor<2x8x5x4xf32>, %k: tensor<2x2x7x4xf32>, %v: tensor<2x2x7x4xf32>, %m: tensor<5x4xi1>) {
  // expected-error @+1 {{(C6) sizes of mask and scores differ}}
  %r:3 = thunder.sdpa_backward %d, %q, %k, %v mask(%m) : (tensor<2x8x5x4xf32>, tensor<2x8x5x4xf32>, tensor<2x2x7x4xf32>, tensor<2x2x7x4xf32>, tensor<5x4xi1>) -> (tensor<2x8x5x4xf32>, tensor<2x2x7x4xf32>, tensor<2x2x7x4xf32>)
  return
}

// -----

func.func @sdpa_backward_c7(%d: tensor<2x8x5x3xf32>, %q: tensor<2x8x5x4xf32>, %k: tensor<2x2x7x4xf32>, %v: tensor<2x2x7x4xf32>) {
  // expected-error @+1 {{(C7) sizes of the gradient and the result differ}}
  %r:3 = thunder.sdpa_backward %d, %q, %k, %v : (tensor<2x8x5x3xf32>, tensor<2x8x5x4xf32>, tensor<2x2x7x4xf32>, tensor<2x2x7x4xf32>) -> (tensor<2x8x5x4xf32>, tensor<2x2x7x4xf32>, tensor<2x2x7x4xf32>)
  return
}
