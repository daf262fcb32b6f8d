// Ops written in Rust go through MLIR's own passes, alone and in pipelines.
// RUN: thunder-opt %s --canonicalize --cse | FileCheck %s
// RUN: thunder-opt %s --pass-pipeline='builtin.module(func.func(canonicalize{max-iterations=3},cse))' | FileCheck %s
// RUN: thunder-opt %s -canonicalize -cse -o %t.mlir && FileCheck %s --input-file=%t.mlir
// RUN: thunder-opt --canonicalize --cse < %s | FileCheck %s

// CHECK-LABEL: func.func @shared
// CHECK-SAME:  %[[X:.+]]: tensor<4xf32>
// CHECK-NEXT:  %[[E:.+]] = thunder.exp %[[X]] : tensor<4xf32>
// CHECK-NEXT:  %[[S:.+]] = thunder.add %[[E]], %[[E]] : tensor<4xf32>
// CHECK-NEXT:  return %[[S]] : tensor<4xf32>
func.func @shared(%x: tensor<4xf32>) -> tensor<4xf32> {
  %a = thunder.exp %x : tensor<4xf32>
  %b = thunder.exp %x : tensor<4xf32>
  %unused = thunder.exp %b : tensor<4xf32>
  %c = thunder.add %a, %b : tensor<4xf32>
  return %c : tensor<4xf32>
}

// CHECK-LABEL: func.func @expectations_stay
// CHECK-COUNT-2: check.expect_eq
func.func @expectations_stay(%x: tensor<4xf32>) {
  check.expect_eq %x, %x : (tensor<4xf32>, tensor<4xf32>)
  check.expect_eq %x, %x : (tensor<4xf32>, tensor<4xf32>)
  return
}
