// Every pass is compared with what was there before it; what cannot be run is said to be.

// RUN: thunder-opt %s --check-equivalence=%t.mlir --canonicalize --thunder-decompose=all=true --thunder-plan=numerics=fast \
// RUN:   --thunder-kernels 2>&1 | FileCheck %s
// RUN: thunder-opt %s --check-equivalence=%t.mlir --split-input-file \
// RUN:   --pass-pipeline='builtin.module(func.func(cse,canonicalize{max-num-rewrites=3}),thunder-to-linalg)' 2>&1 \
// RUN:   | FileCheck %s --check-prefix=NESTED
// RUN: cat %s | not thunder-opt --check-equivalence --cse 2>&1 | FileCheck %s --check-prefix=STDIN
// RUN: not thunder-opt %s --check-equivalence 2>&1 | FileCheck %s --check-prefix=NONE

// CHECK: canonicalize: 3 functions agree
// CHECK-NEXT: thunder-decompose{all=true}: 3 functions agree
// CHECK-NEXT: thunder-plan{numerics=fast}: 3 functions agree
// CHECK-NEXT: thunder-kernels:
// CHECK: func.func @normalized
// NESTED: cse: 3 functions agree
// NESTED-NEXT: canonicalize{max-num-rewrites=3}: 3 functions agree
// NESTED-NEXT: thunder-to-linalg: 0 functions agree
// NESTED-NEXT: not compared: @added: after it, {{.*}}'tensor.empty' op cannot be interpreted
// STDIN: error: '--check-equivalence' reads the input before the driver does: name a file, not stdin
// NONE: error: '--check-equivalence' has no pass to check
func.func @normalized(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %0 = thunder.softmax %x axis = 1 : tensor<?x8xf32>
  return %0 : tensor<?x8xf32>
}

func.func @added(%x: tensor<?x?xf64>, %y: tensor<?x?xf64>) -> tensor<?x?xf64> {
  %0 = thunder.add %x, %y : tensor<?x?xf64>
  return %0 : tensor<?x?xf64>
}

func.func @looked_up(%table: tensor<4x3xf16>, %row: tensor<2xi64>) -> tensor<2x3xf16> {
  %0 = thunder.embedding %table, %row : (tensor<4x3xf16>, tensor<2xi64>) -> tensor<2x3xf16>
  return %0 : tensor<2x3xf16>
}
