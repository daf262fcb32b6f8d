// A script says which programs are interesting; what they do not need goes.
// RUN: thunder-reduce %s --reduction-tree='traversal-mode=0 test=%S/Inputs/two_exps.sh' | FileCheck %s
// RUN: not thunder-reduce %s --reduction-trees 2>&1 | FileCheck %s --check-prefix=BAD

// BAD: Unknown command line argument '--reduction-trees'

// CHECK-NOT: @boring
// CHECK: func.func @interesting
// CHECK: thunder.exp
// CHECK: thunder.add
// CHECK-NOT: @boring
func.func @boring(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = thunder.exp %x : tensor<4xf32>
  return %0 : tensor<4xf32>
}

func.func @interesting(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = thunder.exp %x : tensor<4xf32>
  %1 = thunder.add %0, %x : tensor<4xf32>
  return %1 : tensor<4xf32>
}

func.func @boring_too(%x: tensor<4xf32>) {
  return
}
