// RUN: thunder-opt %s | thunder-opt | FileCheck %s --check-prefix=SAME
// RUN: thunder-opt %s --canonicalize --cse | FileCheck %s
// RUN: thunder-compile %s --entry=again --compile-to=planned | FileCheck %s --check-prefix=PLANNED

// Nothing sees through a barrier: what is computed on both sides of it is computed twice.
// SAME-LABEL: func.func @again
// SAME: exec.barrier %{{.*}} : tensor<?x4xf32>
// CHECK-LABEL: func.func @again
// CHECK: %[[A:.*]] = thunder.exp %[[X:[^ ]*]] :
// CHECK: %[[Y:.*]] = exec.barrier %[[X]]
// CHECK: %[[B:.*]] = thunder.exp %[[Y]]
// CHECK: thunder.add %[[A]], %[[B]]
// PLANNED-LABEL: func.func @again
// PLANNED: exec.barrier
// PLANNED-NEXT: call @kernel_0(%arg0, %
// PLANNED-COUNT-2: thunder.exp
func.func @again(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %a = thunder.exp %x : tensor<?x4xf32>
  %y = exec.barrier %x : tensor<?x4xf32>
  %b = thunder.exp %y : tensor<?x4xf32>
  %s = thunder.add %a, %b : tensor<?x4xf32>
  return %s : tensor<?x4xf32>
}
