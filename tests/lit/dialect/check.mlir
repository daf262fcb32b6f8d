// RUN: thunder-opt %s --split-input-file --verify-diagnostics
// RUN: thunder-opt %s --split-input-file --verify-diagnostics 2>/dev/null | FileCheck %s

// CHECK-LABEL: func.func @expect_close
// CHECK-NEXT: check.expect_close %{{.+}}, %{{.+}} : (tensor<4xf32>, tensor<4xf32>)
// CHECK-NEXT: check.expect_close %{{.+}}, %{{.+}} rtol = 0.001 atol = 0.0 : (tensor<4xf32>, tensor<4xf32>)
func.func @expect_close(%a: tensor<4xf32>, %b: tensor<4xf32>) {
  check.expect_close %a, %b : (tensor<4xf32>, tensor<4xf32>)
  check.expect_close %a, %b rtol = 1.0e-3 atol = 0.0 : (tensor<4xf32>, tensor<4xf32>)
  return
}

// -----

// CHECK-LABEL: func.func @expect_eq
// CHECK-NEXT: check.expect_eq %{{.+}}, %{{.+}} : (tensor<?xi64>, tensor<3xi64>)
func.func @expect_eq(%a: tensor<?xi64>, %b: tensor<3xi64>) {
  check.expect_eq %a, %b : (tensor<?xi64>, tensor<3xi64>)
  return
}

// -----

func.func @expect_close_c1(%a: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'actual' must be tensor of float, but is 'tensor<4xi32>'}}
  check.expect_close %a, %a : (tensor<4xi32>, tensor<4xi32>)
  return
}

// -----

func.func @expect_close_c2(%a: tensor<4xf32>, %b: tensor<4xf64>) {
  // expected-error @+1 {{(C2) operands differ in element type or shape: 'tensor<4xf32>' and 'tensor<4xf64>'}}
  check.expect_close %a, %b : (tensor<4xf32>, tensor<4xf64>)
  return
}

// -----

func.func @expect_close_c3(%a: tensor<4xf32>) {
  // expected-error @+1 {{(C3) 'rtol' must be finite and not negative, but is -0.5}}
  check.expect_close %a, %a rtol = -0.5 : (tensor<4xf32>, tensor<4xf32>)
  return
}

// -----

func.func @expect_eq_c1(%a: i32) {
  // expected-error @+1 {{(C1) operand #0 'actual' must be tensor of bool, integer, float or complex number, but is 'i32'}}
  check.expect_eq %a, %a : (i32, i32)
  return
}

// -----

func.func @expect_eq_c2(%a: tensor<4x?xf32>, %b: tensor<5x?xf32>) {
  // expected-error @+1 {{(C2) operands differ in element type or shape: 'tensor<4x?xf32>' and 'tensor<5x?xf32>'}}
  check.expect_eq %a, %b : (tensor<4x?xf32>, tensor<5x?xf32>)
  return
}
