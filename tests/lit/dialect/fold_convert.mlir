// RUN: thunder-opt %s --canonicalize | FileCheck %s

// CHECK-LABEL: @same
func.func @same(%x: tensor<?xf32>) -> tensor<?xf32> {
  %a = thunder.convert %x : tensor<?xf32> -> tensor<?xf32>
  // CHECK: return %arg0
  return %a : tensor<?xf32>
}

// CHECK-LABEL: @there_and_back
func.func @there_and_back(%x: tensor<?xbf16>) -> tensor<?xbf16> {
  %a = thunder.convert %x : tensor<?xbf16> -> tensor<?xf32>
  %b = thunder.convert %a : tensor<?xf32> -> tensor<?xbf16>
  // CHECK: return %arg0
  return %b : tensor<?xbf16>
}

// CHECK-LABEL: @rounding_stays
func.func @rounding_stays(%x: tensor<?xf32>) -> tensor<?xf32> {
  // CHECK: thunder.convert %arg0 : tensor<?xf32> -> tensor<?xbf16>
  %a = thunder.convert %x : tensor<?xf32> -> tensor<?xbf16>
  // CHECK: thunder.convert %{{.*}} : tensor<?xbf16> -> tensor<?xf32>
  %b = thunder.convert %a : tensor<?xbf16> -> tensor<?xf32>
  return %b : tensor<?xf32>
}

// CHECK-LABEL: @by_way_of
func.func @by_way_of(%x: tensor<?xi8>) -> tensor<?xf32> {
  %a = thunder.convert %x : tensor<?xi8> -> tensor<?xi32>
  // CHECK: thunder.convert %arg0 : tensor<?xi8> -> tensor<?xf32>
  // CHECK-NEXT: return
  %b = thunder.convert %a : tensor<?xi32> -> tensor<?xf32>
  return %b : tensor<?xf32>
}

// Integers wrap, floats saturate.
// CHECK-LABEL: @saturation_stays
func.func @saturation_stays(%x: tensor<?xi32>) -> tensor<?xi8> {
  // CHECK: thunder.convert %arg0 : tensor<?xi32> -> tensor<?xf64>
  %a = thunder.convert %x : tensor<?xi32> -> tensor<?xf64>
  // CHECK: thunder.convert %{{.*}} : tensor<?xf64> -> tensor<?xi8>
  %b = thunder.convert %a : tensor<?xf64> -> tensor<?xi8>
  return %b : tensor<?xi8>
}
