// RUN: thunder-opt %s --cse --canonicalize --mlir-print-ir-after-all -o /dev/null 2>&1 | FileCheck %s --check-prefix=AFTER
// RUN: thunder-opt %s --cse --mlir-print-ir-before=cse -o /dev/null 2>&1 | FileCheck %s --check-prefix=BEFORE
// RUN: thunder-opt %s --cse --mlir-timing --mlir-timing-display=list -o /dev/null 2>&1 | FileCheck %s --check-prefix=TIMING
// RUN: thunder-opt %s --cse --dump-pass-pipeline -o /dev/null 2>&1 | FileCheck %s --check-prefix=PIPELINE

// AFTER: IR Dump After CSE
// AFTER: thunder.exp
// AFTER-NOT: thunder.exp
// AFTER: IR Dump After Canonicalizer
// BEFORE: IR Dump Before CSE
// BEFORE-COUNT-2: thunder.exp
// TIMING: Execution time report
// PIPELINE: builtin.module(
// PIPELINE-NEXT: cse
func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = thunder.exp %x : tensor<4xf32>
  %1 = thunder.exp %x : tensor<4xf32>
  return %1 : tensor<4xf32>
}
