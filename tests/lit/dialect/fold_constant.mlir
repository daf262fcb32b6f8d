// RUN: thunder-opt %s --canonicalize | FileCheck %s

// CHECK-LABEL: @elementwise
func.func @elementwise() -> tensor<3xf32> {
  // CHECK: thunder.constant value = dense<[3.000000e+00, 7.000000e+00, 0.000000e+00]>
  %a = thunder.constant value = dense<[1.0, 2.0, -3.0]> : tensor<3xf32> : tensor<3xf32>
  %two = thunder.full value = 2.0 : f32 : tensor<3xf32>
  %b = thunder.mul %a, %a : tensor<3xf32>
  %c = thunder.add %b, %two : tensor<3xf32>
  %d = thunder.constant value = dense<[0.0, 1.0, -11.0]> : tensor<3xf32> : tensor<3xf32>
  %e = thunder.add %c, %d : tensor<3xf32>
  return %e : tensor<3xf32>
}

// One element says all, however large the tensor.
// CHECK-LABEL: @splat
func.func @splat() -> tensor<65536x65536xi1> {
  // CHECK: thunder.constant value = dense<true> : tensor<65536x65536xi1>
  %a = thunder.full value = 1.5 : f64 : tensor<65536x65536xf64>
  %b = thunder.floor %a : tensor<65536x65536xf64>
  %c = thunder.lt %b, %a : (tensor<65536x65536xf64>, tensor<65536x65536xf64>) -> tensor<65536x65536xi1>
  return %c : tensor<65536x65536xi1>
}

// CHECK-LABEL: @wraps
func.func @wraps() -> (tensor<2xi8>, tensor<2xui8>, tensor<2xi1>) {
  // CHECK-DAG: dense<[-128, 127]> : tensor<2xi8>
  // CHECK-DAG: dense<[44, 255]> : tensor<2xui8>
  // CHECK-DAG: dense<[false, true]> : tensor<2xi1>
  %a = thunder.constant value = dense<[127, -128]> : tensor<2xi8> : tensor<2xi8>
  %b = thunder.constant value = dense<[1, -1]> : tensor<2xi8> : tensor<2xi8>
  %c = thunder.add %a, %b : tensor<2xi8>
  %d = thunder.constant value = dense<[200, 0]> : tensor<2xui8> : tensor<2xui8>
  %e = thunder.constant value = dense<[100, 255]> : tensor<2xui8> : tensor<2xui8>
  %f = thunder.add %d, %e : tensor<2xui8>
  %g = thunder.constant value = dense<[true, false]> : tensor<2xi1> : tensor<2xi1>
  %h = thunder.not %g : tensor<2xi1>
  return %c, %f, %h : tensor<2xi8>, tensor<2xui8>, tensor<2xi1>
}

// CHECK-LABEL: @divided_by_zero
func.func @divided_by_zero() -> (tensor<2xi32>, tensor<2xf32>) {
  %zero = thunder.full value = 0 : i32 : tensor<2xi32>
  %a = thunder.constant value = dense<[1, -1]> : tensor<2xi32> : tensor<2xi32>
  // CHECK-DAG: dense<[0x7F800000, 0xFF800000]> : tensor<2xf32>
  // CHECK: thunder.div %{{.*}} : tensor<2xi32>
  %b = thunder.div %a, %zero : tensor<2xi32>
  %zero_float = thunder.full value = 0.0 : f32 : tensor<2xf32>
  %c = thunder.constant value = dense<[1.0, -1.0]> : tensor<2xf32> : tensor<2xf32>
  %d = thunder.div %c, %zero_float : tensor<2xf32>
  return %b, %d : tensor<2xi32>, tensor<2xf32>
}

// CHECK-LABEL: @moved
func.func @moved() -> tensor<2x4xi32> {
  // CHECK: dense<{{\[}}[0, 4, 1, 9], [0, 5, 2, 9]]> : tensor<2x4xi32>
  %a = thunder.constant value = dense<[[1, 2, 3], [4, 5, 6]]> : tensor<2x3xi32> : tensor<2x3xi32>
  %b = thunder.transpose %a permutation = [1, 0] : tensor<2x3xi32> -> tensor<3x2xi32>
  %c = thunder.slice %b start = [0, 0] limit = [-1, 2] stride = [1, 1] : tensor<3x2xi32> -> tensor<2x2xi32>
  %d = thunder.reverse %c axes = [1] : tensor<2x2xi32> -> tensor<2x2xi32>
  %e = thunder.pad %d low = [0, 1] high = [0, 0] interior = [0, 0] value = 0 : i32 : tensor<2x2xi32> -> tensor<2x3xi32>
  %nine = thunder.full value = 9 : i32 : tensor<2x1xi32>
  %f = thunder.concat %e, %nine axis = 1 : (tensor<2x3xi32>, tensor<2x1xi32>) -> tensor<2x4xi32>
  %g = thunder.reshape %f, [] : tensor<2x4xi32> -> tensor<8xi32>
  %h = thunder.reshape %g, [] : tensor<8xi32> -> tensor<2x4xi32>
  return %h : tensor<2x4xi32>
}

// CHECK-LABEL: @moved_splat
func.func @moved_splat() -> tensor<3x4096x4096xf32> {
  // CHECK: thunder.constant value = dense<1.000000e+00> : tensor<3x4096x4096xf32>
  // CHECK-NEXT: return
  %a = thunder.full value = 1.0 : f32 : tensor<4096xf32>
  %b = thunder.broadcast_in_dim %a, [] dims = [1] : tensor<4096xf32> -> tensor<4096x4096x3xf32>
  %c = thunder.transpose %b permutation = [2, 0, 1] : tensor<4096x4096x3xf32> -> tensor<3x4096x4096xf32>
  return %c : tensor<3x4096x4096xf32>
}

// A constant is cheaper to read than what it is repeated to.
// CHECK-LABEL: @not_repeated
func.func @not_repeated() -> tensor<4x2xf32> {
  %a = thunder.constant value = dense<[1.0, 2.0]> : tensor<2xf32> : tensor<2xf32>
  // CHECK: thunder.broadcast_in_dim
  %b = thunder.broadcast_in_dim %a, [] dims = [1] : tensor<2xf32> -> tensor<4x2xf32>
  return %b : tensor<4x2xf32>
}

// CHECK-LABEL: @empty
func.func @empty() -> tensor<0x4xf32> {
  // CHECK: thunder.constant value = dense<> : tensor<0x4xf32>
  %a = thunder.constant value = dense<> : tensor<0x4xf32> : tensor<0x4xf32>
  %b = thunder.exp %a : tensor<0x4xf32>
  return %b : tensor<0x4xf32>
}

// CHECK-LABEL: @too_large
func.func @too_large(%x: tensor<4xf32>) -> tensor<32768xf32> {
  %a = thunder.constant value = dense<[1.0, 2.0]> : tensor<2xf32> : tensor<2xf32>
  // CHECK: thunder.pad
  %b = thunder.pad %a low = [0] high = [32766] interior = [0] value = 0.0 : f32 : tensor<2xf32> -> tensor<32768xf32>
  return %b : tensor<32768xf32>
}
