// RUN: thunder-opt %s --canonicalize | FileCheck %s

// CHECK-LABEL: @add_zero
func.func @add_zero(%x: tensor<4xi32>) -> (tensor<4xi32>, tensor<4xi32>) {
  %zero = thunder.full value = 0 : i32 : tensor<4xi32>
  %a = thunder.add %x, %zero : tensor<4xi32>
  %b = thunder.add %zero, %x : tensor<4xi32>
  // CHECK: return %arg0, %arg0
  return %a, %b : tensor<4xi32>, tensor<4xi32>
}

// CHECK-LABEL: @add_float_zero
func.func @add_float_zero(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %plus = thunder.full value = 0.0 : f32 : tensor<4xf32>
  %minus = thunder.full value = -0.0 : f32 : tensor<4xf32>
  // CHECK: %[[SUM:.*]] = thunder.add
  %a = thunder.add %x, %plus : tensor<4xf32>
  %b = thunder.add %x, %minus : tensor<4xf32>
  // CHECK: return %[[SUM]], %arg0
  return %a, %b : tensor<4xf32>, tensor<4xf32>
}

// CHECK-LABEL: @sub_float_zero
func.func @sub_float_zero(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %plus = thunder.full value = 0.0 : f32 : tensor<4xf32>
  %minus = thunder.full value = -0.0 : f32 : tensor<4xf32>
  %a = thunder.sub %x, %plus : tensor<4xf32>
  // CHECK: %[[DIFFERENCE:.*]] = thunder.sub
  %b = thunder.sub %x, %minus : tensor<4xf32>
  // CHECK: return %arg0, %[[DIFFERENCE]]
  return %a, %b : tensor<4xf32>, tensor<4xf32>
}

// CHECK-LABEL: @one
func.func @one(%x: tensor<4xbf16>) -> (tensor<4xbf16>, tensor<4xbf16>, tensor<4xbf16>) {
  %one = thunder.constant value = dense<1.0> : tensor<4xbf16> : tensor<4xbf16>
  %a = thunder.mul %one, %x : tensor<4xbf16>
  %b = thunder.div %x, %one : tensor<4xbf16>
  %c = thunder.pow %x, %one : tensor<4xbf16>
  // CHECK: return %arg0, %arg0, %arg0
  return %a, %b, %c : tensor<4xbf16>, tensor<4xbf16>, tensor<4xbf16>
}

// CHECK-LABEL: @one_over
func.func @one_over(%x: tensor<4xf32>) -> tensor<4xf32> {
  %one = thunder.full value = 1.0 : f32 : tensor<4xf32>
  // CHECK: thunder.div %{{.*}}, %arg0
  %a = thunder.div %one, %x : tensor<4xf32>
  return %a : tensor<4xf32>
}

// CHECK-LABEL: @twice
func.func @twice(%x: tensor<?xf32>, %i: tensor<?xi1>) -> (tensor<?xf32>, tensor<?xi1>) {
  %a = thunder.maximum %x, %x : tensor<?xf32>
  %b = thunder.minimum %a, %a : tensor<?xf32>
  %c = thunder.and %i, %i : tensor<?xi1>
  %d = thunder.or %c, %c : tensor<?xi1>
  // CHECK: return %arg0, %arg1
  return %b, %d : tensor<?xf32>, tensor<?xi1>
}

// CHECK-LABEL: @bits
func.func @bits(%x: tensor<4xi8>) -> (tensor<4xi8>, tensor<4xi8>, tensor<4xi8>, tensor<4xi8>) {
  %zero = thunder.full value = 0 : i8 : tensor<4xi8>
  %a = thunder.or %x, %zero : tensor<4xi8>
  %b = thunder.xor %zero, %x : tensor<4xi8>
  %c = thunder.shift_left %x, %zero : tensor<4xi8>
  %d = thunder.shift_right %x, %zero : tensor<4xi8>
  // CHECK: return %arg0, %arg0, %arg0, %arg0
  return %a, %b, %c, %d : tensor<4xi8>, tensor<4xi8>, tensor<4xi8>, tensor<4xi8>
}

// CHECK-LABEL: @double_negation
func.func @double_negation(%x: tensor<?xf32>, %c: tensor<?xi1>) -> (tensor<?xf32>, tensor<?xi1>) {
  %a = thunder.neg %x : tensor<?xf32>
  %b = thunder.neg %a : tensor<?xf32>
  %d = thunder.not %c : tensor<?xi1>
  %e = thunder.not %d : tensor<?xi1>
  // CHECK: return %arg0, %arg1
  return %b, %e : tensor<?xf32>, tensor<?xi1>
}

// CHECK-LABEL: @idempotent
func.func @idempotent(%x: tensor<?xf32>) -> tensor<?xf32> {
  // CHECK: %[[ONCE:.*]] = thunder.relu %arg0
  // CHECK-NEXT: return %[[ONCE]]
  %a = thunder.relu %x : tensor<?xf32>
  %b = thunder.relu %a : tensor<?xf32>
  return %b : tensor<?xf32>
}

// CHECK-LABEL: @where
func.func @where(%c: tensor<?xi1>, %x: tensor<4xf32>, %y: tensor<4xf32>, %d: tensor<4xi1>)
    -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %yes = thunder.full value = true : tensor<4xi1>
  %no = thunder.full value = false : tensor<4xi1>
  %a = thunder.where %yes, %x, %y : (tensor<4xi1>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %b = thunder.where %no, %x, %y : (tensor<4xi1>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %e = thunder.where %c, %x, %x : (tensor<?xi1>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  // CHECK: return %arg1, %arg2, %arg1
  return %a, %b, %e : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// CHECK-LABEL: @clamp_nothing
func.func @clamp_nothing(%x: tensor<?xf32>) -> tensor<?xf32> {
  %a = thunder.clamp %x : tensor<?xf32>
  // CHECK: return %arg0
  return %a : tensor<?xf32>
}
