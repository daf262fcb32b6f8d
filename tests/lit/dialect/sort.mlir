// RUN: thunder-opt %s --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: @argsort(
// CHECK: thunder.argsort %{{.*}} axis = 1 descending = true : tensor<?x5xi1> -> tensor<?x5xi64>
func.func @argsort(%x: tensor<?x5xi1>) -> tensor<?x5xi64> {
  %0 = thunder.argsort %x axis = 1 descending = true : tensor<?x5xi1>
  return %0 : tensor<?x5xi64>
}

// CHECK-LABEL: @sort(
// CHECK: thunder.sort %{{.*}} axis = 0 : tensor<?x5xf32> -> (tensor<?x5xf32>, tensor<?x5xi64>)
func.func @sort(%x: tensor<?x5xf32>) -> (tensor<?x5xf32>, tensor<?x5xi64>) {
  %0, %1 = thunder.sort %x axis = 0 : tensor<?x5xf32>
  return %0, %1 : tensor<?x5xf32>, tensor<?x5xi64>
}

// CHECK-LABEL: @topk(
// CHECK: thunder.topk %{{.*}} axis = 1 count = 2 largest = false : tensor<?x5xf32> -> (tensor<?x2xf32>, tensor<?x2xi64>)
func.func @topk(%x: tensor<?x5xf32>) -> (tensor<?x2xf32>, tensor<?x2xi64>) {
  %0, %1 = thunder.topk %x axis = 1 count = 2 largest = false : tensor<?x5xf32>
  return %0, %1 : tensor<?x2xf32>, tensor<?x2xi64>
}

// -----

func.func @argsort_c1(%x: tensor<f32>) {
  // expected-error @+1 {{(C1) axis 0 is not one of 0 dimensions}}
  %r = thunder.argsort %x axis = 0 : tensor<f32>
  return
}

// -----

func.func @sort_c1(%x: tensor<4xf32>) {
  // expected-error @+1 {{(C1) axis 1 is not one of 1 dimensions}}
  %r, %i = thunder.sort %x axis = 1 : tensor<4xf32>
  return
}

// -----

func.func @topk_c1(%x: tensor<4xf32>) {
  // expected-error @+1 {{(C1) axis 1 is not one of 1 dimensions}}
  %r, %i = thunder.topk %x axis = 1 count = 1 : tensor<4xf32>
  return
}

// -----

func.func @topk_c2(%x: tensor<4xf32>) {
  // expected-error @+1 {{(C2) 5 elements of 4 along axis 0}}
  %r, %i = thunder.topk %x axis = 0 count = 5 : tensor<4xf32>
  return
}
