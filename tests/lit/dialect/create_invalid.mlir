// RUN: thunder-opt %s --split-input-file --verify-diagnostics

func.func @constant_c1() {
  // expected-error @+1 {{(C1) the result is 'tensor<?xf32>', which is not the type of the value}}
  %c = thunder.constant value = dense<1.0> : tensor<2xf32> : tensor<?xf32>
  return
}

// -----

func.func @full_c1() {
  // expected-error @+1 {{(C1) the value is 1.000000e+00 : f32, but the elements are 'f64'}}
  %c = thunder.full value = 1.0 : f32 : tensor<2xf64>
  return
}

// -----

func.func @full_c2() {
  // expected-error @+1 {{(C2) 'tensor<?xf32>' has 1 dynamic dimensions, but 0 sizes are given}}
  %c = thunder.full value = 1.0 : f32 : tensor<?xf32>
  return
}

// -----

func.func @iota_c1() {
  // expected-error @+1 {{(C1) result #0 'out' must be tensor of integer or float, but is 'tensor<2xi1>'}}
  %c = thunder.iota axis = 0 : tensor<2xi1>
  return
}

// -----

func.func @iota_c2() {
  // expected-error @+1 {{(C2) axis 1 is not one of 1 dimensions}}
  %c = thunder.iota axis = 1 : tensor<2xi32>
  return
}

// -----

func.func @iota_c3(%n: index) {
  // expected-error @+1 {{(C3) 'tensor<2xi32>' has 0 dynamic dimensions, but 1 sizes are given}}
  %c = thunder.iota %n axis = 0 : index -> tensor<2xi32>
  return
}
