// RUN: thunder-opt %s --thunder-explain-plan 2>&1 | FileCheck %s
// RUN: thunder-opt %s --thunder-explain-plan=dump=json 2>&1 | FileCheck %s --check-prefix=JSON
// RUN: thunder-opt %s --thunder-explain-plan=dump=dot 2>&1 | FileCheck %s --check-prefix=DOT

// CHECK: remark: {{.*}}plan of '@linear': {{.*}} us estimated
// CHECK-NEXT: chunk ops us bound nodes rules
// CHECK-NEXT: 0 2 -> 1 {{.*}} matmul_as_linear
// CHECK-NEXT: - thunder.matmul, thunder.transpose
// CHECK-NEXT: + thunder.linear
// The program stays as it is.
// CHECK: func.func @linear
// CHECK-NEXT: thunder.transpose
// CHECK-NEXT: thunder.matmul

// JSON: "op": "thunder.linear"
// JSON: "root_eclasses"

// DOT: digraph
// DOT: label = "thunder.linear"
func.func @linear(%x: tensor<8x64xf32>, %w: tensor<32x64xf32>) -> tensor<8x32xf32> {
  %t = thunder.transpose %w permutation = [1, 0] : tensor<32x64xf32> -> tensor<64x32xf32>
  %r = thunder.matmul %x, %t : (tensor<8x64xf32>, tensor<64x32xf32>) -> tensor<8x32xf32>
  return %r : tensor<8x32xf32>
}
