// RUN: thunder-opt %s --split-input-file --thunder-autodiff=function=f | FileCheck %s
// RUN: thunder-opt %s --split-input-file --thunder-autodiff="function=f mode=jvp" | FileCheck %s --check-prefix=JVP

// Forward and backward are one function. A value with two uses gets the sum of both cotangents, an argument
// that is repeated gets the sum over its copies.
// CHECK-LABEL: func.func @f(%{{.*}}: tensor<?x4xf32>, %{{.*}}: tensor<4xf32>) -> tensor<?x4xf32>
// CHECK-LABEL: func.func @f_vjp(
// CHECK-SAME: %[[X:.*]]: tensor<?x4xf32> {thunder.dims = ["argument0.0", ""]}, %[[B:.*]]: tensor<4xf32>
// CHECK-SAME: %[[DY:.*]]: tensor<?x4xf32> {thunder.dims = ["argument0.0", ""]})
// CHECK-SAME: -> (tensor<?x4xf32>, tensor<?x4xf32> {thunder.name = "grad.0"}, tensor<4xf32> {thunder.name = "grad.1"})
// CHECK-SAME: thunder.joint = array<i64: 2, 1>
// CHECK: %[[S:.*]] = thunder.add %[[X]], %{{.*}}
// CHECK: %[[Y:.*]] = thunder.mul %[[S]], %[[S]]
// CHECK: %[[P:.*]] = thunder.mul %[[DY]], %[[S]]
// CHECK: %[[DS:.*]] = thunder.add
// CHECK: %[[DB:.*]] = thunder.sum %[[DS]] axes = [0] : tensor<?x4xf32> -> tensor<4xf32>
// CHECK: return %[[Y]], %[[DS]], %[[DB]]

// JVP-LABEL: func.func @f_jvp(
// JVP-SAME: %[[X:.*]]: tensor<?x4xf32> {{.*}}, %[[B:.*]]: tensor<4xf32>, %[[TX:.*]]: tensor<?x4xf32> {{.*}}, %[[TB:.*]]: tensor<4xf32>)
// JVP-SAME: -> (tensor<?x4xf32>, tensor<?x4xf32> {thunder.name = "tangent.0"})
// JVP: %[[TS:.*]] = thunder.add %[[TX]], %{{.*}}
// JVP: return
func.func @f(%x: tensor<?x4xf32>, %b: tensor<4xf32>) -> tensor<?x4xf32> {
  %n = thunder.dim %x axis = 0 : tensor<?x4xf32> -> index
  %r = thunder.broadcast_in_dim %b, [%n] dims = [1] : (tensor<4xf32>, index) -> tensor<?x4xf32>
  %s = thunder.add %x, %r : tensor<?x4xf32>
  %y = thunder.mul %s, %s : tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

// A conversion is undone in the cotangent; what is not made of floats has no gradient and takes no work.
// CHECK-LABEL: func.func @f_vjp(
// CHECK-SAME: %[[X:.*]]: tensor<3xbf16>, %[[I:.*]]: tensor<3xi64>, %[[DY:.*]]: tensor<3xf32>)
// CHECK-SAME: -> (tensor<3xf32>, tensor<3xbf16>
// CHECK: %[[W:.*]] = thunder.convert %[[X]] : tensor<3xbf16> -> tensor<3xf32>
// CHECK: %[[F:.*]] = thunder.convert %[[I]] : tensor<3xi64> -> tensor<3xf32>
// CHECK: thunder.mul %[[W]], %[[F]]
// CHECK-NEXT: %[[DW:.*]] = thunder.mul %[[DY]], %[[F]]
// CHECK-NEXT: %[[DX:.*]] = thunder.convert %[[DW]] : tensor<3xf32> -> tensor<3xbf16>
// CHECK-NEXT: return %{{.*}}, %[[DX]]
func.func @f(%x: tensor<3xbf16>, %i: tensor<3xi64>) -> tensor<3xf32> {
  %w = thunder.convert %x : tensor<3xbf16> -> tensor<3xf32>
  %f = thunder.convert %i : tensor<3xi64> -> tensor<3xf32>
  %y = thunder.mul %w, %f : tensor<3xf32>
  return %y : tensor<3xf32>
}

// -----

// What a call calls is differentiated in its place. What nothing depends on has the gradient zero.
// CHECK-LABEL: func.func @f_vjp(
// CHECK-NOT: call
// CHECK: thunder.exp
// CHECK: %[[ZERO:.*]] = thunder.full value = 0.000000e+00
// CHECK: return %{{.*}}, %{{.*}}, %[[ZERO]]
func.func private @exp(%x: tensor<2xf64>) -> tensor<2xf64> {
  %y = thunder.exp %x : tensor<2xf64>
  return %y : tensor<2xf64>
}
func.func @f(%x: tensor<2xf64>, %unused: tensor<f64>) -> tensor<2xf64> {
  %y = call @exp(%x) : (tensor<2xf64>) -> tensor<2xf64>
  return %y : tensor<2xf64>
}

// -----

// Gradients are rounded where values are.
// CHECK-LABEL: func.func @f_vjp(
// CHECK: %[[D:.*]] = thunder.convert %{{.*}} : tensor<4xf32> -> tensor<4xf8E5M2>
// CHECK: return %{{.*}}, %{{.*}} : tensor<4xf32>, tensor<4xf32>
func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  %a = thunder.convert %x : tensor<4xf32> -> tensor<4xf8E5M2>
  %b = thunder.convert %a : tensor<4xf8E5M2> -> tensor<4xf32>
  return %b : tensor<4xf32>
}

// -----

// Of complex numbers, gradients are by their parts.
// CHECK-LABEL: func.func @f_vjp(
// CHECK-SAME: -> (tensor<4xf32>, tensor<4xcomplex<f32>> {thunder.name = "grad.0"})
// CHECK: %[[X:.*]] = thunder.real %[[Z:.*]] :
// CHECK: %[[DZ:.*]] = thunder.complex
// CHECK: return %{{.*}}, %{{.*}}
func.func @f(%z: tensor<4xcomplex<f32>>) -> tensor<4xf32> {
  %x = thunder.real %z : tensor<4xcomplex<f32>> -> tensor<4xf32>
  %w = thunder.mul %z, %z : tensor<4xcomplex<f32>>
  %y = thunder.imag %w : tensor<4xcomplex<f32>> -> tensor<4xf32>
  %r = thunder.add %x, %y : tensor<4xf32>
  return %r : tensor<4xf32>
}
