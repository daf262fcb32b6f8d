// RUN: thunder-opt %s --split-input-file --verify-diagnostics --canonicalize --cse | FileCheck %s

// Writes stay, and reads on either side of one are not merged.
// CHECK-LABEL: @order(
func.func @order(%x: tensor<?x3xf32>, %v: tensor<?x3xf32>) -> (tensor<?x3xf32>, tensor<?x3xf32>, tensor<?x3xf32>) {
  // CHECK: %[[A:.+]] = thunder.read %[[X:.+]] : tensor<?x3xf32>
  // CHECK-NEXT: thunder.copy_into %{{.+}}, %[[X]] : (tensor<?x3xf32>, tensor<?x3xf32>)
  // CHECK-NEXT: %[[B:.+]] = thunder.read %[[X]] : tensor<?x3xf32>
  // CHECK-NEXT: return %[[A]], %[[B]], %[[B]]
  %a = thunder.read %x : tensor<?x3xf32>
  thunder.copy_into %v, %x : (tensor<?x3xf32>, tensor<?x3xf32>)
  %b = thunder.read %x : tensor<?x3xf32>
  %c = thunder.read %x : tensor<?x3xf32>
  return %a, %b, %c : tensor<?x3xf32>, tensor<?x3xf32>, tensor<?x3xf32>
}

// -----

func.func @copy_into_c1(%x: tensor<4xf32>, %v: tensor<4xf64>) {
  // expected-error @+1 {{(C1) element types or shapes differ: 'tensor<4xf64>' and 'tensor<4xf32>'}}
  thunder.copy_into %v, %x : (tensor<4xf64>, tensor<4xf32>)
  return
}
