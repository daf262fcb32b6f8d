// RUN: thunder-opt %s --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: @sum(
// CHECK: thunder.sum %{{.*}} axes = [0, 2] : tensor<?x3x4xf32> -> tensor<3xf32>
// CHECK: thunder.sum %{{.*}} axes = [1] keep_dims = true : tensor<?x3x4xf32> -> tensor<?x1x4xf32>
func.func @sum(%x: tensor<?x3x4xf32>) -> tensor<?x1x4xf32> {
  %a = thunder.sum %x axes = [0, 2] : tensor<?x3x4xf32> -> tensor<3xf32>
  %b = thunder.sum %x axes = [1] keep_dims = true : tensor<?x3x4xf32> -> tensor<?x1x4xf32>
  return %b : tensor<?x1x4xf32>
}

// CHECK-LABEL: @prod(
// CHECK: thunder.prod %{{.*}} axes = [0, 2] : tensor<?x3x4xf32> -> tensor<3xf32>
// CHECK: thunder.prod %{{.*}} axes = [1] keep_dims = true : tensor<?x3x4xf32> -> tensor<?x1x4xf32>
func.func @prod(%x: tensor<?x3x4xf32>) -> tensor<?x1x4xf32> {
  %a = thunder.prod %x axes = [0, 2] : tensor<?x3x4xf32> -> tensor<3xf32>
  %b = thunder.prod %x axes = [1] keep_dims = true : tensor<?x3x4xf32> -> tensor<?x1x4xf32>
  return %b : tensor<?x1x4xf32>
}

// CHECK-LABEL: @amax(
// CHECK: thunder.amax %{{.*}} axes = [0, 2] : tensor<?x3x4xf32> -> tensor<3xf32>
// CHECK: thunder.amax %{{.*}} axes = [1] keep_dims = true : tensor<?x3x4xf32> -> tensor<?x1x4xf32>
func.func @amax(%x: tensor<?x3x4xf32>) -> tensor<?x1x4xf32> {
  %a = thunder.amax %x axes = [0, 2] : tensor<?x3x4xf32> -> tensor<3xf32>
  %b = thunder.amax %x axes = [1] keep_dims = true : tensor<?x3x4xf32> -> tensor<?x1x4xf32>
  return %b : tensor<?x1x4xf32>
}

// CHECK-LABEL: @amin(
// CHECK: thunder.amin %{{.*}} axes = [0, 2] : tensor<?x3x4xf32> -> tensor<3xf32>
// CHECK: thunder.amin %{{.*}} axes = [1] keep_dims = true : tensor<?x3x4xf32> -> tensor<?x1x4xf32>
func.func @amin(%x: tensor<?x3x4xf32>) -> tensor<?x1x4xf32> {
  %a = thunder.amin %x axes = [0, 2] : tensor<?x3x4xf32> -> tensor<3xf32>
  %b = thunder.amin %x axes = [1] keep_dims = true : tensor<?x3x4xf32> -> tensor<?x1x4xf32>
  return %b : tensor<?x1x4xf32>
}

// CHECK-LABEL: @mean(
// CHECK: thunder.mean %{{.*}} axes = [0, 2] : tensor<?x3x4xf32> -> tensor<3xf32>
// CHECK: thunder.mean %{{.*}} axes = [1] keep_dims = true : tensor<?x3x4xf32> -> tensor<?x1x4xf32>
func.func @mean(%x: tensor<?x3x4xf32>) -> tensor<?x1x4xf32> {
  %a = thunder.mean %x axes = [0, 2] : tensor<?x3x4xf32> -> tensor<3xf32>
  %b = thunder.mean %x axes = [1] keep_dims = true : tensor<?x3x4xf32> -> tensor<?x1x4xf32>
  return %b : tensor<?x1x4xf32>
}

// CHECK-LABEL: @any(
// CHECK: thunder.any %{{.*}} axes = [0, 2] : tensor<?x3x4xi1> -> tensor<3xi1>
// CHECK: thunder.any %{{.*}} axes = [1] keep_dims = true : tensor<?x3x4xi1> -> tensor<?x1x4xi1>
func.func @any(%x: tensor<?x3x4xi1>) -> tensor<?x1x4xi1> {
  %a = thunder.any %x axes = [0, 2] : tensor<?x3x4xi1> -> tensor<3xi1>
  %b = thunder.any %x axes = [1] keep_dims = true : tensor<?x3x4xi1> -> tensor<?x1x4xi1>
  return %b : tensor<?x1x4xi1>
}

// CHECK-LABEL: @all(
// CHECK: thunder.all %{{.*}} axes = [0, 2] : tensor<?x3x4xi1> -> tensor<3xi1>
// CHECK: thunder.all %{{.*}} axes = [1] keep_dims = true : tensor<?x3x4xi1> -> tensor<?x1x4xi1>
func.func @all(%x: tensor<?x3x4xi1>) -> tensor<?x1x4xi1> {
  %a = thunder.all %x axes = [0, 2] : tensor<?x3x4xi1> -> tensor<3xi1>
  %b = thunder.all %x axes = [1] keep_dims = true : tensor<?x3x4xi1> -> tensor<?x1x4xi1>
  return %b : tensor<?x1x4xi1>
}

// CHECK-LABEL: @argmax(
// CHECK: thunder.argmax %{{.*}} axis = 1 : tensor<?x3xf32> -> tensor<?xi64>
// CHECK: thunder.argmax %{{.*}} axis = 0 keep_dims = true : tensor<?x3xf32> -> tensor<1x3xi64>
func.func @argmax(%x: tensor<?x3xf32>) -> tensor<1x3xi64> {
  %a = thunder.argmax %x axis = 1 : tensor<?x3xf32> -> tensor<?xi64>
  %b = thunder.argmax %x axis = 0 keep_dims = true : tensor<?x3xf32>
  return %b : tensor<1x3xi64>
}

// CHECK-LABEL: @argmin(
// CHECK: thunder.argmin %{{.*}} axis = 1 : tensor<?x3xf32> -> tensor<?xi64>
// CHECK: thunder.argmin %{{.*}} axis = 0 keep_dims = true : tensor<?x3xf32> -> tensor<1x3xi64>
func.func @argmin(%x: tensor<?x3xf32>) -> tensor<1x3xi64> {
  %a = thunder.argmin %x axis = 1 : tensor<?x3xf32> -> tensor<?xi64>
  %b = thunder.argmin %x axis = 0 keep_dims = true : tensor<?x3xf32>
  return %b : tensor<1x3xi64>
}

// CHECK-LABEL: @var(
// CHECK: thunder.var %{{.*}} axes = [1] correction = 0.0 : tensor<?x3xf32> -> tensor<?xf32>
func.func @var(%x: tensor<?x3xf32>) -> tensor<?xf32> {
  %r = thunder.var %x axes = [1] correction = 0.0 : tensor<?x3xf32> -> tensor<?xf32>
  return %r : tensor<?xf32>
}

// CHECK-LABEL: @var_mean(
// CHECK: thunder.var_mean %{{.*}} axes = [1] correction = 0.0 : tensor<?x3xf32> -> (tensor<?xf32>, tensor<?xf32>)
func.func @var_mean(%x: tensor<?x3xf32>) -> tensor<?xf32> {
  %r:2 = thunder.var_mean %x axes = [1] correction = 0.0 : tensor<?x3xf32> -> (tensor<?xf32>, tensor<?xf32>)
  return %r#1 : tensor<?xf32>
}

// -----

func.func @sum_c1(%x: tensor<4xi1>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of integer, float or complex number, but is 'tensor<4xi1>'}}
  %r = thunder.sum %x axes = [0] : tensor<4xi1> -> tensor<i1>
  return
}

// -----

func.func @sum_c2(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{(C2) axis 2 is not one of 2 dimensions}}
  %r = thunder.sum %x axes = [2] : tensor<2x3xf32> -> tensor<2xf32>
  return
}

// -----

func.func @prod_c1(%x: tensor<4xi1>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of integer, float or complex number, but is 'tensor<4xi1>'}}
  %r = thunder.prod %x axes = [0] : tensor<4xi1> -> tensor<i1>
  return
}

// -----

func.func @prod_c2(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{(C2) axis 2 is not one of 2 dimensions}}
  %r = thunder.prod %x axes = [2] : tensor<2x3xf32> -> tensor<2xf32>
  return
}

// -----

func.func @amax_c1(%x: tensor<4xi1>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of integer or float, but is 'tensor<4xi1>'}}
  %r = thunder.amax %x axes = [0] : tensor<4xi1> -> tensor<i1>
  return
}

// -----

func.func @amax_c2(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{(C2) axis 2 is not one of 2 dimensions}}
  %r = thunder.amax %x axes = [2] : tensor<2x3xf32> -> tensor<2xf32>
  return
}

// -----

func.func @amin_c1(%x: tensor<4xi1>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of integer or float, but is 'tensor<4xi1>'}}
  %r = thunder.amin %x axes = [0] : tensor<4xi1> -> tensor<i1>
  return
}

// -----

func.func @amin_c2(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{(C2) axis 2 is not one of 2 dimensions}}
  %r = thunder.amin %x axes = [2] : tensor<2x3xf32> -> tensor<2xf32>
  return
}

// -----

func.func @mean_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float or complex number, but is 'tensor<4xi32>'}}
  %r = thunder.mean %x axes = [0] : tensor<4xi32> -> tensor<i32>
  return
}

// -----

func.func @mean_c2(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{(C2) axis 2 is not one of 2 dimensions}}
  %r = thunder.mean %x axes = [2] : tensor<2x3xf32> -> tensor<2xf32>
  return
}

// -----

func.func @any_c1(%x: tensor<4xf32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of bool, but is 'tensor<4xf32>'}}
  %r = thunder.any %x axes = [0] : tensor<4xf32> -> tensor<f32>
  return
}

// -----

func.func @any_c2(%x: tensor<2x3xi1>) {
  // expected-error @+1 {{(C2) axis 2 is not one of 2 dimensions}}
  %r = thunder.any %x axes = [2] : tensor<2x3xi1> -> tensor<2xi1>
  return
}

// -----

func.func @all_c1(%x: tensor<4xf32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of bool, but is 'tensor<4xf32>'}}
  %r = thunder.all %x axes = [0] : tensor<4xf32> -> tensor<f32>
  return
}

// -----

func.func @all_c2(%x: tensor<2x3xi1>) {
  // expected-error @+1 {{(C2) axis 2 is not one of 2 dimensions}}
  %r = thunder.all %x axes = [2] : tensor<2x3xi1> -> tensor<2xi1>
  return
}

// -----

func.func @sum_axes_descend(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{(C2) axes [1, 0] are not ascending: 1 before 0}}
  %r = thunder.sum %x axes = [1, 0] : tensor<2x3xf32> -> tensor<f32>
  return
}

// -----

func.func @sum_axes_repeat(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{(C2) axes [1, 1] are not ascending: 1 before 1}}
  %r = thunder.sum %x axes = [1, 1] : tensor<2x3xf32> -> tensor<2xf32>
  return
}

// -----

func.func @sum_axis_negative(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{(C2) axis -1 is not one of 2 dimensions}}
  %r = thunder.sum %x axes = [-1] : tensor<2x3xf32> -> tensor<2xf32>
  return
}

// -----

func.func @sum_result(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{is of type 'tensor<3xf32>', but its operands make it 'tensor<2xf32>'}}
  %r = thunder.sum %x axes = [1] : tensor<2x3xf32> -> tensor<3xf32>
  return
}

// -----

func.func @argmax_c1(%x: tensor<4xi1>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of integer or float, but is 'tensor<4xi1>'}}
  %r = thunder.argmax %x axis = 0 : tensor<4xi1> -> tensor<i64>
  return
}

// -----

func.func @argmax_c2(%x: tensor<4xf32>) {
  // expected-error @+1 {{(C2) axis -1 is not one of 1 dimensions}}
  %r = thunder.argmax %x axis = -1 : tensor<4xf32> -> tensor<i64>
  return
}

// -----

func.func @argmax_c3(%x: tensor<4x0xf32>) {
  // expected-error @+1 {{(C3) the operand has no elements along axis 1}}
  %r = thunder.argmax %x axis = 1 : tensor<4x0xf32> -> tensor<4xi64>
  return
}

// -----

func.func @argmin_c1(%x: tensor<4xi1>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of integer or float, but is 'tensor<4xi1>'}}
  %r = thunder.argmin %x axis = 0 : tensor<4xi1> -> tensor<i64>
  return
}

// -----

func.func @argmin_c2(%x: tensor<4xf32>) {
  // expected-error @+1 {{(C2) axis -1 is not one of 1 dimensions}}
  %r = thunder.argmin %x axis = -1 : tensor<4xf32> -> tensor<i64>
  return
}

// -----

func.func @argmin_c3(%x: tensor<4x0xf32>) {
  // expected-error @+1 {{(C3) the operand has no elements along axis 1}}
  %r = thunder.argmin %x axis = 1 : tensor<4x0xf32> -> tensor<4xi64>
  return
}

// -----

func.func @var_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float, but is 'tensor<4xi32>'}}
  %v = thunder.var %x axes = [0] : tensor<4xi32> -> tensor<f32>
  return
}

// -----

func.func @var_c2(%x: tensor<4xf32>) {
  // expected-error @+1 {{(C2) axis 1 is not one of 1 dimensions}}
  %v = thunder.var %x axes = [1] : tensor<4xf32> -> tensor<f32>
  return
}

// -----

func.func @var_mean_c1(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float, but is 'tensor<4xi32>'}}
  %v, %m = thunder.var_mean %x axes = [0] : tensor<4xi32> -> (tensor<f32>, tensor<f32>)
  return
}

// -----

func.func @var_mean_c2(%x: tensor<4xf32>) {
  // expected-error @+1 {{(C2) axis 1 is not one of 1 dimensions}}
  %v, %m = thunder.var_mean %x axes = [1] : tensor<4xf32> -> (tensor<f32>, tensor<f32>)
  return
}
