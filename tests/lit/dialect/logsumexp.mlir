// RUN: thunder-opt %s --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: @logsumexp(
// CHECK: thunder.logsumexp %{{.*}} axes = [0, 2] : tensor<?x3x4xf16> -> tensor<3xf16>
// CHECK: thunder.logsumexp %{{.*}} axes = [1] keep_dims = true : tensor<?x3x4xf16> -> tensor<?x1x4xf16>
func.func @logsumexp(%x: tensor<?x3x4xf16>) -> tensor<?x1x4xf16> {
  %a = thunder.logsumexp %x axes = [0, 2] : tensor<?x3x4xf16>
  %b = thunder.logsumexp %x axes = [1] keep_dims = true : tensor<?x3x4xf16> -> tensor<?x1x4xf16>
  return %b : tensor<?x1x4xf16>
}

// -----

func.func @logsumexp_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand 'operand' must be tensor of float, but is 'tensor<4xi32>'}}
  %y = thunder.logsumexp %x axes = [0] : tensor<4xi32>
  return
}

// -----

func.func @logsumexp_c2(%x: tensor<4x4xf32>) {
  // expected-error @+1 {{(C2) axes [1, 0] are not ascending: 1 before 0}}
  %y = thunder.logsumexp %x axes = [1, 0] : tensor<4x4xf32>
  return
}
