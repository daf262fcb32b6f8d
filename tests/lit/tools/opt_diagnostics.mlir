// RUN: thunder-opt %s --split-input-file --verify-diagnostics

func.func @operand_count(%x: tensor<4xf32>) {
  // expected-error @+1 {{expects 1 operands, but has 2}}
  %0 = "thunder.exp"(%x, %x) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @operand_type(%x: tensor<4xi32>) {
  // expected-error @+1 {{(C1) operand #0 'operand' must be tensor of float or complex number, but is 'tensor<4xi32>'}}
  %0 = "thunder.exp"(%x) : (tensor<4xi32>) -> tensor<4xi32>
  return
}

// -----

func.func @result_type(%x: tensor<4xf32>) {
  // expected-error @+1 {{but has 'tensor<4xf32>' and 'tensor<5xf32>'}}
  %0 = "thunder.exp"(%x) : (tensor<4xf32>) -> tensor<5xf32>
  return
}

// -----

func.func @attribute_kind(%x: tensor<4xf32>) {
  // expected-error @+1 {{attribute 'rtol' must be a 64-bit float, but is "loose"}}
  "check.expect_close"(%x, %x) {rtol = "loose"} : (tensor<4xf32>, tensor<4xf32>) -> ()
  return
}

// -----

func.func @attribute_missing() {
  // expected-error @+1 {{requires attribute 'value'}}
  %0 = "thunder.constant"() : () -> tensor<4xf32>
  return
}

// -----

func.func @unknown_op(%x: tensor<4xf32>) {
  // expected-error @+1 {{custom op 'thunder.expo' is unknown}}
  %0 = thunder.expo %x : tensor<4xf32>
  return
}

// -----

func.func @unknown_generic_op(%x: tensor<4xf32>) {
  // expected-error @+1 {{unregistered operation 'thunder.expo' found in dialect ('thunder')}}
  %0 = "thunder.expo"(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @unknown_dialect() {
  // expected-error @+2 {{Dialect `lightning' not found}}
  // expected-note @+1 {{Available dialects: }}
  %0 = lightning.strike : i32
  return
}

// -----

func.func @value_type(%x: tensor<4xf32>) {
  // expected-note @-1 {{prior use here}}
  // expected-error @+1 {{use of value '%x' expects different type}}
  %0 = thunder.exp %x : tensor<5xf32>
  return
}

// -----

func.func @type_count(%x: tensor<4x4xf32>) {
  // expected-error @+1 {{2 operands present, but 1 types given}}
  %0 = thunder.matmul %x, %x : tensor<4x4xf32> -> tensor<4x4xf32>
  return
}
