// RUN: thunder-opt %s --canonicalize | FileCheck %s

// CHECK-LABEL: @transpose
func.func @transpose(%x: tensor<?x3x4xf32>) -> (tensor<?x3x4xf32>, tensor<3x4x?xf32>) {
  %a = thunder.transpose %x permutation = [2, 0, 1] : tensor<?x3x4xf32> -> tensor<4x?x3xf32>
  %b = thunder.transpose %a permutation = [1, 2, 0] : tensor<4x?x3xf32> -> tensor<?x3x4xf32>
  // CHECK: %[[ONCE:.*]] = thunder.transpose %arg0 permutation = [1, 2, 0] : tensor<?x3x4xf32> -> tensor<3x4x?xf32>
  %c = thunder.transpose %a permutation = [2, 0, 1] : tensor<4x?x3xf32> -> tensor<3x4x?xf32>
  // CHECK-NEXT: return %arg0, %[[ONCE]]
  return %b, %c : tensor<?x3x4xf32>, tensor<3x4x?xf32>
}

// CHECK-LABEL: @reverse
func.func @reverse(%x: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %a = thunder.reverse %x axes = [0, 1] : tensor<?x3xf32> -> tensor<?x3xf32>
  %b = thunder.reverse %a axes = [1, 0] : tensor<?x3xf32> -> tensor<?x3xf32>
  %c = thunder.reverse %b axes = [] : tensor<?x3xf32> -> tensor<?x3xf32>
  // CHECK: return %arg0
  return %c : tensor<?x3xf32>
}

// CHECK-LABEL: @reshape
func.func @reshape(%x: tensor<?x12xf32>, %n: index) -> (tensor<?x12xf32>, tensor<?x2x6xf32>) {
  %a = thunder.reshape %x, [%n] : (tensor<?x12xf32>, index) -> tensor<?x3x4xf32>
  %b = thunder.reshape %a, [%n] : (tensor<?x3x4xf32>, index) -> tensor<?x12xf32>
  // CHECK: %[[ONCE:.*]] = thunder.reshape %arg0, [%arg1] : (tensor<?x12xf32>, index) -> tensor<?x2x6xf32>
  %c = thunder.reshape %a, [%n] : (tensor<?x3x4xf32>, index) -> tensor<?x2x6xf32>
  // CHECK-NEXT: return %arg0, %[[ONCE]]
  return %b, %c : tensor<?x12xf32>, tensor<?x2x6xf32>
}

// The sizes may be swapped.
// CHECK-LABEL: @reshape_stays
func.func @reshape_stays(%x: tensor<?x?xf32>, %n: index, %m: index, %y: tensor<?x0xf32>)
    -> (tensor<?x?xf32>, tensor<?x0xf32>) {
  // CHECK: thunder.reshape %arg0
  %a = thunder.reshape %x, [%n, %m] : (tensor<?x?xf32>, index, index) -> tensor<?x?xf32>
  // CHECK: thunder.reshape %arg3
  %b = thunder.reshape %y, [%n] : (tensor<?x0xf32>, index) -> tensor<?x0xf32>
  return %a, %b : tensor<?x?xf32>, tensor<?x0xf32>
}

// CHECK-LABEL: @broadcast
func.func @broadcast(%x: tensor<4xf32>, %n: index) -> (tensor<4xf32>, tensor<?x2x4xf32>) {
  %a = thunder.broadcast_in_dim %x, [] dims = [0] : tensor<4xf32> -> tensor<4xf32>
  %b = thunder.broadcast_in_dim %x, [] dims = [1] : tensor<4xf32> -> tensor<2x4xf32>
  // CHECK: %[[ONCE:.*]] = thunder.broadcast_in_dim %arg0, [%arg1] dims = [2] : (tensor<4xf32>, index) -> tensor<?x2x4xf32>
  %c = thunder.broadcast_in_dim %b, [%n] dims = [1, 2] : (tensor<2x4xf32>, index) -> tensor<?x2x4xf32>
  // CHECK-NEXT: return %arg0, %[[ONCE]]
  return %a, %c : tensor<4xf32>, tensor<?x2x4xf32>
}

// CHECK-LABEL: @broadcast_to_itself
func.func @broadcast_to_itself(%x: tensor<?x1xf32>, %n: index) -> tensor<?x1xf32> {
  %a = thunder.broadcast_in_dim %x, [%n] dims = [0, 1] : (tensor<?x1xf32>, index) -> tensor<?x1xf32>
  // CHECK: return %arg0
  return %a : tensor<?x1xf32>
}

// CHECK-LABEL: @slice_all
func.func @slice_all(%x: tensor<?x8xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  %a = thunder.slice %x start = [0, 0] limit = [9223372036854775807, 8] stride = [1, 1] : tensor<?x8xf32> -> tensor<?x8xf32>
  // CHECK: %[[PART:.*]] = thunder.slice
  %b = thunder.slice %x start = [0, 0] limit = [8, 8] stride = [1, 1] : tensor<?x8xf32> -> tensor<?x8xf32>
  // CHECK: return %arg0, %[[PART]]
  return %a, %b : tensor<?x8xf32>, tensor<?x8xf32>
}

// CHECK-LABEL: @nothing
func.func @nothing(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %a = thunder.concat %x axis = 0 : tensor<?x8xf32> -> tensor<?x8xf32>
  %b = thunder.pad %a low = [0, 0] high = [0, 0] interior = [0, 0] value = 0.0 : f32 : tensor<?x8xf32> -> tensor<?x8xf32>
  // CHECK: return %arg0
  return %b : tensor<?x8xf32>
}

// CHECK-LABEL: @full
func.func @full() -> tensor<4xui8> {
  // CHECK: thunder.constant value = dense<7> : tensor<4xui8>
  %a = thunder.full value = 7 : ui8 : tensor<4xui8>
  return %a : tensor<4xui8>
}
