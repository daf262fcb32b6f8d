// RUN: thunder-opt %s --thunder-plan-dump=form=json 2>&1 | FileCheck %s --check-prefix=JSON
// RUN: thunder-opt %s --thunder-plan-dump 2>&1 | FileCheck %s --check-prefix=DOT
// RUN: not thunder-opt %s --thunder-plan-dump=form=png 2>&1 | FileCheck %s --check-prefix=FORM

// What is written and what rules made of it are nodes of one class.
// JSON: "op": "thunder.matmul"
// JSON: "op": "thunder.linear"
// JSON: "root_eclasses"

// DOT: digraph
// DOT: label = "thunder.matmul"
// DOT: label = "thunder.linear"

// FORM: form must be dot or json, not 'png'
func.func @linear(%x: tensor<8x64xf32>, %w: tensor<32x64xf32>) -> tensor<8x32xf32> {
  %t = thunder.transpose %w permutation = [1, 0] : tensor<32x64xf32> -> tensor<64x32xf32>
  %r = thunder.matmul %x, %t : (tensor<8x64xf32>, tensor<64x32xf32>) -> tensor<8x32xf32>
  return %r : tensor<8x32xf32>
}
