// RUN: thunder-opt %s | thunder-opt | FileCheck %s
// RUN: thunder-opt %s --mlir-print-op-generic | thunder-opt | FileCheck %s

// CHECK-LABEL: @where
// CHECK: thunder.where %{{.*}}, %{{.*}}, %{{.*}} : (tensor<?xi1>, tensor<4xi8>, tensor<?xi8>) -> tensor<4xi8>
func.func @where(%c: tensor<?xi1>, %a: tensor<4xi8>, %b: tensor<?xi8>) {
  %r = thunder.where %c, %a, %b : (tensor<?xi1>, tensor<4xi8>, tensor<?xi8>) -> tensor<4xi8>
  return
}

// CHECK-LABEL: @clamp
// CHECK: thunder.clamp %{{.*}} min = 0.000000e+00 : bf16 max = 6.000000e+00 : bf16 : tensor<4xbf16>
// CHECK: thunder.clamp %{{.*}} max = 1.000000e+00 : bf16 : tensor<4xbf16>
// CHECK: thunder.clamp %{{.*}} min = 3 : ui8 : tensor<ui8>
func.func @clamp(%x: tensor<4xbf16>, %i: tensor<ui8>) {
  %r = thunder.clamp %x min = 0.000000e+00 : bf16 max = 6.000000e+00 : bf16 : tensor<4xbf16>
  %s = thunder.clamp %x max = 1.000000e+00 : bf16 : tensor<4xbf16>
  %t = thunder.clamp %i min = 3 : ui8 : tensor<ui8>
  return
}

// CHECK-LABEL: @lerp
// CHECK: thunder.lerp %{{.*}}, %{{.*}}, %{{.*}} : tensor<?x4xf32>
func.func @lerp(%a: tensor<?x4xf32>, %b: tensor<?x4xf32>, %w: tensor<?x4xf32>) {
  %r = thunder.lerp %a, %b, %w : tensor<?x4xf32>
  return
}
