// RUN: thunder-opt %s --thunder-explain-plan 2>&1 | FileCheck %s
// RUN: thunder-opt %s --thunder-explain-plan 2>&1 | FileCheck %s --check-prefix=APART

// CHECK: remark: {{.*}}plan of '@linear': {{.*}} us estimated
// CHECK-NEXT: chunk ops us nodes rules
// CHECK-NEXT: 0 2 -> 1 {{.*}} matmul_as_linear
// CHECK-NEXT: - thunder.matmul, thunder.transpose
// CHECK-NEXT: + thunder.linear
// CHECK-NEXT: step us kB MFLOP kernels
// CHECK-NEXT: 0 {{.*}} thunder.linear
// The program stays as it is.
// CHECK: {{^}}module {
// CHECK-NEXT: func.func @linear
// CHECK-NEXT: thunder.transpose
// CHECK-NEXT: thunder.matmul

func.func @linear(%x: tensor<8x64xf32>, %w: tensor<32x64xf32>) -> tensor<8x32xf32> {
  %t = thunder.transpose %w permutation = [1, 0] : tensor<32x64xf32> -> tensor<64x32xf32>
  %r = thunder.matmul %x, %t : (tensor<8x64xf32>, tensor<64x32xf32>) -> tensor<8x32xf32>
  return %r : tensor<8x32xf32>
}

// A product with the kernel that runs on its blocks is one step; what keeps kernels apart stands below the later one.
// APART: plan of '@apart'
// APART: 0 {{.*}} thunder.linear with @kernel_0: thunder.exp
// APART-NEXT: 1 {{.*}} @kernel_1: thunder.sum
// APART-NEXT: not with 0: thunder.sum, their rows differ
func.func @apart(%x: tensor<8x64xf32>, %w: tensor<32x64xf32>) -> (tensor<8x32xf32>, tensor<32xf32>) {
  %a = thunder.linear %x, %w : (tensor<8x64xf32>, tensor<32x64xf32>) -> tensor<8x32xf32>
  %b = thunder.exp %a : tensor<8x32xf32>
  %c = thunder.sum %b axes = [0] : tensor<8x32xf32> -> tensor<32xf32>
  return %b, %c : tensor<8x32xf32>, tensor<32xf32>
}
