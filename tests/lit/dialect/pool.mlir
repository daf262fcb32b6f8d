// RUN: thunder-opt %s --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: @max_pool(
// CHECK: thunder.max_pool %{{.*}} window = [3, 2] stride = [1, 2] padding = {{\[\[}}1, 1], [0, 0]] dilation = [1, 2] : tensor<?x4x?x8xf32> -> tensor<?x4x?x3xf32>
func.func @max_pool(%x: tensor<?x4x?x8xf32>) -> tensor<?x4x?x3xf32> {
  %0 = thunder.max_pool %x window = [3, 2] stride = [1, 2] padding = [[1, 1], [0, 0]] dilation = [1, 2] : tensor<?x4x?x8xf32>
  return %0 : tensor<?x4x?x3xf32>
}

// CHECK-LABEL: @avg_pool(
// CHECK: thunder.avg_pool %{{.*}} window = [3, 2] stride = [1, 2] padding = {{\[\[}}1, 1], [0, 0]] count_include_pad = false : tensor<?x4x?x8xf32> -> tensor<?x4x?x4xf32>
func.func @avg_pool(%x: tensor<?x4x?x8xf32>) -> tensor<?x4x?x4xf32> {
  %0 = thunder.avg_pool %x window = [3, 2] stride = [1, 2] padding = [[1, 1], [0, 0]] count_include_pad = false : tensor<?x4x?x8xf32>
  return %0 : tensor<?x4x?x4xf32>
}

// -----

func.func @max_pool_c1(%x: tensor<1x4x8x8xi1>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of integer or float, but is 'tensor<1x4x8x8xi1>'}}
  %r = thunder.max_pool %x window = [2, 2] : tensor<1x4x8x8xi1> -> tensor<1x4x4x4xf32>
  return
}

// -----

func.func @max_pool_c2(%x: tensor<1x4x8x8xf32>) {
  // expected-error @+1 {{(C2) a window of 1 dimensions over an operand of rank 4}}
  %r = thunder.max_pool %x window = [2] : tensor<1x4x8x8xf32> -> tensor<1x4x4x4xf32>
  return
}

// -----

func.func @max_pool_c3(%x: tensor<1x4x8x8xf32>) {
  // expected-error @+1 {{(C3) stride 0 is not positive}}
  %r = thunder.max_pool %x window = [2, 2] stride = [2, 0] : tensor<1x4x8x8xf32> -> tensor<1x4x4x4xf32>
  return
}

// -----

func.func @max_pool_c4(%x: tensor<1x4x8x8xf32>) {
  // expected-error @+1 {{(C4) the window spans 9 of only 8 elements in spatial dimension 1}}
  %r = thunder.max_pool %x window = [2, 9] : tensor<1x4x8x8xf32> -> tensor<1x4x4x4xf32>
  return
}

// -----

func.func @avg_pool_c1(%x: tensor<1x4x8x8xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float, but is 'tensor<1x4x8x8xi32>'}}
  %r = thunder.avg_pool %x window = [2, 2] : tensor<1x4x8x8xi32> -> tensor<1x4x4x4xf32>
  return
}

// -----

func.func @avg_pool_c2(%x: tensor<1x4x8x8xf32>) {
  // expected-error @+1 {{(C2) a window of 1 dimensions over an operand of rank 4}}
  %r = thunder.avg_pool %x window = [2] : tensor<1x4x8x8xf32> -> tensor<1x4x4x4xf32>
  return
}

// -----

func.func @avg_pool_c3(%x: tensor<1x4x8x8xf32>) {
  // expected-error @+1 {{(C3) stride 0 is not positive}}
  %r = thunder.avg_pool %x window = [2, 2] stride = [2, 0] : tensor<1x4x8x8xf32> -> tensor<1x4x4x4xf32>
  return
}

// -----

func.func @avg_pool_c4(%x: tensor<1x4x8x8xf32>) {
  // expected-error @+1 {{(C4) the window spans 9 of only 8 elements in spatial dimension 1}}
  %r = thunder.avg_pool %x window = [2, 9] : tensor<1x4x8x8xf32> -> tensor<1x4x4x4xf32>
  return
}

// -----

func.func @max_pool_index_c1(%x: tensor<1x4x8x8xi1>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of integer or float, but is 'tensor<1x4x8x8xi1>'}}
  %r = thunder.max_pool_index %x window = [2, 2] : tensor<1x4x8x8xi1> -> tensor<1x4x4x4xi64>
  return
}

// -----

func.func @max_pool_index_c2(%x: tensor<1x4x8x8xf32>) {
  // expected-error @+1 {{(C2) a window of 1 dimensions over an operand of rank 4}}
  %r = thunder.max_pool_index %x window = [2] : tensor<1x4x8x8xf32> -> tensor<1x4x4x4xi64>
  return
}

// -----

func.func @max_pool_index_c3(%x: tensor<1x4x8x8xf32>) {
  // expected-error @+1 {{(C3) stride 0 is not positive}}
  %r = thunder.max_pool_index %x window = [2, 2] stride = [2, 0] : tensor<1x4x8x8xf32> -> tensor<1x4x4x4xi64>
  return
}

// -----

func.func @max_pool_index_c4(%x: tensor<1x4x8x8xf32>) {
  // expected-error @+1 {{(C4) the window spans 9 of only 8 elements in spatial dimension 1}}
  %r = thunder.max_pool_index %x window = [2, 9] : tensor<1x4x8x8xf32> -> tensor<1x4x4x4xi64>
  return
}
