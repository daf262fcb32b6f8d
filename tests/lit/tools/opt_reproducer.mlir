// What fails writes a reproducer, which fails alike.
// RUN: not thunder-opt %s --pass-pipeline='builtin.module(cse,one-shot-bufferize)' \
// RUN:   --mlir-pass-pipeline-crash-reproducer=%t.mlir 2>&1 | FileCheck %s --check-prefix=FIRST
// RUN: FileCheck %s --check-prefix=FILE --input-file=%t.mlir
// RUN: not thunder-opt --run-reproducer %t.mlir 2>&1 | FileCheck %s --check-prefix=AGAIN

// FIRST: error: op was not bufferized
// FIRST: reproducer generated at `{{.*}}mlir`
// FILE: thunder.exp
// FILE: mlir_reproducer
// FILE: pipeline: "builtin.module({{.*}}cse,{{.*}}one-shot-bufferize
// AGAIN: error: op was not bufferized
func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = thunder.exp %x : tensor<4xf32>
  return %0 : tensor<4xf32>
}
