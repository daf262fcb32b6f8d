// RUN: thunder-opt %s --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: @scaled(
// CHECK: thunder.scaled_matmul %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} : (tensor<?x16xf8E4M3FN>, tensor<16x32xf8E5M2>, tensor<f32>, tensor<f32>) -> tensor<?x32xf16>
// CHECK: thunder.scaled_matmul %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} bias(%{{.*}}) : (tensor<?x16xf8E4M3FN>, tensor<16x32xf8E5M2>, tensor<f32>, tensor<f32>, tensor<32xf16>) -> tensor<?x32xf16>
func.func @scaled(%x: tensor<?x16xf8E4M3FN>, %w: tensor<16x32xf8E5M2>, %s: tensor<f32>, %t: tensor<f32>, %b: tensor<32xf16>) -> (tensor<?x32xf16>, tensor<?x32xf16>) {
  %0 = thunder.scaled_matmul %x, %w, %s, %t : (tensor<?x16xf8E4M3FN>, tensor<16x32xf8E5M2>, tensor<f32>, tensor<f32>) -> tensor<?x32xf16>
  %1 = thunder.scaled_matmul %x, %w, %s, %t bias(%b) : (tensor<?x16xf8E4M3FN>, tensor<16x32xf8E5M2>, tensor<f32>, tensor<f32>, tensor<32xf16>) -> tensor<?x32xf16>
  return %0, %1 : tensor<?x32xf16>, tensor<?x32xf16>
}

// -----

func.func @scaled_matmul_c1(%x: tensor<4x16xf16>, %w: tensor<16x8xf8E4M3FN>, %s: tensor<f32>) {
  // expected-error @+1 {{(C1)}}
  %r = thunder.scaled_matmul %x, %w, %s, %s : (tensor<4x16xf16>, tensor<16x8xf8E4M3FN>, tensor<f32>, tensor<f32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @scaled_scales(%x: tensor<4x16xf8E5M2>, %w: tensor<16x8xf8E4M3FN>, %s: tensor<1xf32>) {
  // expected-error @+1 {{(C1)}}
  %r = thunder.scaled_matmul %x, %w, %s, %s : (tensor<4x16xf8E5M2>, tensor<16x8xf8E4M3FN>, tensor<1xf32>, tensor<1xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @scaled_matmul_c2(%x: tensor<4x16xf8E4M3FN>, %w: tensor<15x8xf8E4M3FN>, %s: tensor<f32>) {
  // expected-error @+1 {{(C2) 16 columns of the left matrix, 15 rows of the right}}
  %r = thunder.scaled_matmul %x, %w, %s, %s : (tensor<4x16xf8E4M3FN>, tensor<15x8xf8E4M3FN>, tensor<f32>, tensor<f32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @scaled_matmul_c3(%x: tensor<4x16xf8E4M3FN>, %w: tensor<16x8xf8E4M3FN>, %s: tensor<f32>, %b: tensor<7xf32>) {
  // expected-error @+1 {{(C3) a bias of 'tensor<7xf32>' for 8 columns of 'f32'}}
  %r = thunder.scaled_matmul %x, %w, %s, %s bias(%b) : (tensor<4x16xf8E4M3FN>, tensor<16x8xf8E4M3FN>, tensor<f32>, tensor<f32>, tensor<7xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @scaled_bias(%x: tensor<4x16xf8E4M3FN>, %w: tensor<16x?xf8E4M3FN>, %s: tensor<f32>, %b: tensor<8xf32>) {
  // expected-error @+1 {{(C3) a bias of 'tensor<8xf32>' for ? columns of 'bf16'}}
  %r = thunder.scaled_matmul %x, %w, %s, %s bias(%b) : (tensor<4x16xf8E4M3FN>, tensor<16x?xf8E4M3FN>, tensor<f32>, tensor<f32>, tensor<8xf32>) -> tensor<4x8xbf16>
  return
}

// -----

func.func @scaled_matmul_c4(%x: tensor<4x16xf8E4M3FN>, %w: tensor<16x8xf8E4M3FN>, %s: tensor<f32>) {
  // expected-error @+1 {{(C4) a result of 'tensor<5x8xf32>', not 4 x 8}}
  %r = thunder.scaled_matmul %x, %w, %s, %s : (tensor<4x16xf8E4M3FN>, tensor<16x8xf8E4M3FN>, tensor<f32>, tensor<f32>) -> tensor<5x8xf32>
  return
}
