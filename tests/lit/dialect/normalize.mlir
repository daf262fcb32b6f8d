// RUN: thunder-opt %s --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: @layer_norm(
// CHECK: thunder.layer_norm %{{.*}} weight(%{{.*}}) bias(%{{.*}}) eps = 1.0e-12 : (tensor<?x7x16xf32>, tensor<16xf32>, tensor<16xf32>) -> tensor<?x7x16xf32>
// CHECK: thunder.layer_norm %{{.*}} bias(%{{.*}}) : (tensor<?x7x16xf32>, tensor<16xf32>) -> tensor<?x7x16xf32>
// CHECK: thunder.layer_norm %{{.*}} trailing_dims = 2 : tensor<?x7x16xf32> -> tensor<?x7x16xf32>
func.func @layer_norm(%x: tensor<?x7x16xf32>, %w: tensor<16xf32>, %b: tensor<16xf32>) -> tensor<?x7x16xf32> {
  %0 = thunder.layer_norm %x weight(%w) bias(%b) eps = 1.0e-12 : (tensor<?x7x16xf32>, tensor<16xf32>, tensor<16xf32>)
  %1 = thunder.layer_norm %0 bias(%b) : (tensor<?x7x16xf32>, tensor<16xf32>)
  %2 = thunder.layer_norm %1 trailing_dims = 2 : tensor<?x7x16xf32>
  return %2 : tensor<?x7x16xf32>
}

// CHECK-LABEL: @rms_norm(
// CHECK: thunder.rms_norm %{{.*}} weight(%{{.*}}) eps = 0.5 : (tensor<?x7x16xf32>, tensor<16xf32>) -> tensor<?x7x16xf32>
// CHECK: thunder.rms_norm %{{.*}} eps = 1.0e-6 : tensor<?x7x16xf32> -> tensor<?x7x16xf32>
func.func @rms_norm(%x: tensor<?x7x16xf32>, %w: tensor<16xf32>) -> tensor<?x7x16xf32> {
  %0 = thunder.rms_norm %x weight(%w) eps = 0.5 : (tensor<?x7x16xf32>, tensor<16xf32>)
  %1 = thunder.rms_norm %0 eps = 1.0e-6 : tensor<?x7x16xf32>
  return %1 : tensor<?x7x16xf32>
}

// CHECK-LABEL: @group_norm(
// CHECK: thunder.group_norm %{{.*}} weight(%{{.*}}) bias(%{{.*}}) groups = 4 : (tensor<?x8x5xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8x5xf32>
// CHECK: thunder.group_norm %{{.*}} groups = 2 eps = 0.001 : tensor<?x8x5xf32> -> tensor<?x8x5xf32>
func.func @group_norm(%x: tensor<?x8x5xf32>, %w: tensor<8xf32>) -> tensor<?x8x5xf32> {
  %0 = thunder.group_norm %x weight(%w) bias(%w) groups = 4 : (tensor<?x8x5xf32>, tensor<8xf32>, tensor<8xf32>)
  %1 = thunder.group_norm %0 groups = 2 eps = 0.001 : tensor<?x8x5xf32>
  return %1 : tensor<?x8x5xf32>
}

// CHECK-LABEL: @batch_norm(
// CHECK: thunder.batch_norm %{{.*}}, %{{.*}}, %{{.*}} bias(%{{.*}}) eps = 0.001 : (tensor<?x8x5xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8x5xf32>
func.func @batch_norm(%x: tensor<?x8x5xf32>, %m: tensor<8xf32>) -> tensor<?x8x5xf32> {
  %0 = thunder.batch_norm %x, %m, %m bias(%m) eps = 0.001 : (tensor<?x8x5xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>)
  return %0 : tensor<?x8x5xf32>
}

// -----

func.func @layer_norm_c1(%x: tensor<2x4xf32>, %w: tensor<4xf16>) {
  // expected-error @+1 {{(C1) element types differ: 'f32' and 'f16'}}
  %r = thunder.layer_norm %x weight(%w) : (tensor<2x4xf32>, tensor<4xf16>) -> tensor<2x4xf32>
  return
}

// -----

func.func @layer_norm_c2(%x: tensor<2x4xf32>) {
  // expected-error @+1 {{(C2) 3 of 2 dimensions cannot be normalized}}
  %r = thunder.layer_norm %x trailing_dims = 3 : tensor<2x4xf32> -> tensor<2x4xf32>
  return
}

// -----

func.func @layer_norm_c3(%x: tensor<2x4xf32>, %w: tensor<2xf32>) {
  // expected-error @+1 {{(C3) normalized dimensions differ: 4 and 2}}
  %r = thunder.layer_norm %x weight(%w) : (tensor<2x4xf32>, tensor<2xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @layer_norm_rank(%x: tensor<2x4xf32>, %w: tensor<2x4xf32>) {
  // expected-error @+1 {{(C3) an operand of rank 2 for 1 normalized dimensions}}
  %r = thunder.layer_norm %x weight(%w) : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @rms_norm_c1(%x: tensor<2x4xf32>, %w: tensor<4xf16>) {
  // expected-error @+1 {{(C1) element types differ: 'f32' and 'f16'}}
  %r = thunder.rms_norm %x weight(%w) eps = 0.5 : (tensor<2x4xf32>, tensor<4xf16>) -> tensor<2x4xf32>
  return
}

// -----

func.func @rms_norm_c2(%x: tensor<2x4xf32>) {
  // expected-error @+1 {{(C2) 3 of 2 dimensions cannot be normalized}}
  %r = thunder.rms_norm %x trailing_dims = 3 eps = 0.5 : tensor<2x4xf32> -> tensor<2x4xf32>
  return
}

// -----

func.func @rms_norm_c3(%x: tensor<2x4xf32>, %w: tensor<2xf32>) {
  // expected-error @+1 {{(C3) normalized dimensions differ: 4 and 2}}
  %r = thunder.rms_norm %x weight(%w) eps = 0.5 : (tensor<2x4xf32>, tensor<2xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @rms_norm_rank(%x: tensor<2x4xf32>, %w: tensor<2x4xf32>) {
  // expected-error @+1 {{(C3) an operand of rank 2 for 1 normalized dimensions}}
  %r = thunder.rms_norm %x weight(%w) eps = 0.5 : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @group_norm_c1(%x: tensor<2x8x5xf32>, %w: tensor<8xf64>) {
  // expected-error @+1 {{(C1) element types differ: 'f32' and 'f64'}}
  %r = thunder.group_norm %x weight(%w) groups = 2 : (tensor<2x8x5xf32>, tensor<8xf64>) -> tensor<2x8x5xf32>
  return
}

// -----

func.func @group_norm_c2(%x: tensor<8xf32>) {
  // expected-error @+1 {{(C2) the operand has rank 1}}
  %r = thunder.group_norm %x groups = 2 : tensor<8xf32> -> tensor<8xf32>
  return
}

// -----

func.func @group_norm_c3(%x: tensor<2x8x5xf32>) {
  // expected-error @+1 {{(C3) 3 groups do not divide 8 channels}}
  %r = thunder.group_norm %x groups = 3 : tensor<2x8x5xf32> -> tensor<2x8x5xf32>
  return
}

// -----

func.func @group_norm_c4(%x: tensor<2x8x5xf32>, %w: tensor<4xf32>) {
  // expected-error @+1 {{(C4) channels and elements for channels differ: 8 and 4}}
  %r = thunder.group_norm %x weight(%w) groups = 2 : (tensor<2x8x5xf32>, tensor<4xf32>) -> tensor<2x8x5xf32>
  return
}

// -----

func.func @batch_norm_c1(%x: tensor<2x8x5xf32>, %m: tensor<8xf64>) {
  // expected-error @+1 {{(C1) element types differ: 'f32' and 'f64'}}
  %r = thunder.batch_norm %x, %m, %m : (tensor<2x8x5xf32>, tensor<8xf64>, tensor<8xf64>) -> tensor<2x8x5xf32>
  return
}

// -----

func.func @batch_norm_c2(%x: tensor<8xf32>) {
  // expected-error @+1 {{(C2) the operand has rank 1}}
  %r = thunder.batch_norm %x, %x, %x : (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  return
}

// -----

func.func @batch_norm_c3(%x: tensor<2x8x5xf32>, %m: tensor<8xf32>, %w: tensor<5xf32>) {
  // expected-error @+1 {{(C3) channels and elements for channels differ: 8 and 5}}
  %r = thunder.batch_norm %x, %m, %m weight(%w) : (tensor<2x8x5xf32>, tensor<8xf32>, tensor<8xf32>, tensor<5xf32>) -> tensor<2x8x5xf32>
  return
}
