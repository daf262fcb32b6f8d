// RUN: thunder-opt %s --thunder-outline-loops --thunder-complex-pairs --thunder-decompose --canonicalize | FileCheck %s

// CHECK-LABEL: func.func @product(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<?x4x2xf32> {thunder.complex, thunder.dims = ["n", "", ""], thunder.name = "x"}, %[[ARG1:.+]]: tensor<?x4x2xf32> {thunder.complex, thunder.dims = ["n", "", ""]}) -> (tensor<?x4x2xf32> {thunder.complex, thunder.name = "z"})
// CHECK-NEXT:  %[[V0:.+]] = thunder.dim %[[ARG0]] axis = 0 : tensor<?x4x2xf32> -> index
// CHECK-NEXT:  %[[V1:.+]] = thunder.slice %[[ARG0]] start = [0, 0, 0] limit = [9223372036854775807, 9223372036854775807, 1] stride = [1, 1, 1] : tensor<?x4x2xf32> -> tensor<?x4x1xf32>
// CHECK-NEXT:  %[[V2:.+]] = thunder.reshape %[[V1]], [%[[V0]]] : (tensor<?x4x1xf32>, index) -> tensor<?x4xf32>
// CHECK-NEXT:  %[[V3:.+]] = thunder.slice %[[ARG0]] start = [0, 0, 1] limit = [9223372036854775807, 9223372036854775807, 2] stride = [1, 1, 1] : tensor<?x4x2xf32> -> tensor<?x4x1xf32>
// CHECK-NEXT:  %[[V4:.+]] = thunder.reshape %[[V3]], [%[[V0]]] : (tensor<?x4x1xf32>, index) -> tensor<?x4xf32>
// CHECK-NEXT:  %[[V5:.+]] = thunder.dim %[[ARG1]] axis = 0 : tensor<?x4x2xf32> -> index
// CHECK-NEXT:  %[[V6:.+]] = thunder.slice %[[ARG1]] start = [0, 0, 0] limit = [9223372036854775807, 9223372036854775807, 1] stride = [1, 1, 1] : tensor<?x4x2xf32> -> tensor<?x4x1xf32>
// CHECK-NEXT:  %[[V7:.+]] = thunder.reshape %[[V6]], [%[[V5]]] : (tensor<?x4x1xf32>, index) -> tensor<?x4xf32>
// CHECK-NEXT:  %[[V8:.+]] = thunder.slice %[[ARG1]] start = [0, 0, 1] limit = [9223372036854775807, 9223372036854775807, 2] stride = [1, 1, 1] : tensor<?x4x2xf32> -> tensor<?x4x1xf32>
// CHECK-NEXT:  %[[V9:.+]] = thunder.reshape %[[V8]], [%[[V5]]] : (tensor<?x4x1xf32>, index) -> tensor<?x4xf32>
// CHECK-NEXT:  %[[V10:.+]] = thunder.mul %[[V2]], %[[V7]] : tensor<?x4xf32>
// CHECK-NEXT:  %[[V11:.+]] = thunder.mul %[[V4]], %[[V9]] : tensor<?x4xf32>
// CHECK-NEXT:  %[[V12:.+]] = thunder.sub %[[V10]], %[[V11]] : tensor<?x4xf32>
// CHECK-NEXT:  %[[V13:.+]] = thunder.mul %[[V2]], %[[V9]] : tensor<?x4xf32>
// CHECK-NEXT:  %[[V14:.+]] = thunder.mul %[[V4]], %[[V7]] : tensor<?x4xf32>
// CHECK-NEXT:  %[[V15:.+]] = thunder.add %[[V13]], %[[V14]] : tensor<?x4xf32>
// CHECK-NEXT:  %[[V16:.+]] = thunder.reshape %[[V12]], [%[[V0]]] : (tensor<?x4xf32>, index) -> tensor<?x4x1xf32>
// CHECK-NEXT:  %[[V17:.+]] = thunder.reshape %[[V15]], [%[[V0]]] : (tensor<?x4xf32>, index) -> tensor<?x4x1xf32>
// CHECK-NEXT:  %[[V18:.+]] = thunder.concat %[[V16]], %[[V17]] axis = 2 : (tensor<?x4x1xf32>, tensor<?x4x1xf32>) -> tensor<?x4x2xf32>
// CHECK-NEXT:  return %[[V18]] : tensor<?x4x2xf32>
func.func @product(%x: tensor<?x4xcomplex<f32>> {thunder.name = "x", thunder.dims = ["n", ""]},
                   %y: tensor<?x4xcomplex<f32>> {thunder.dims = ["n", ""]}) -> (tensor<?x4xcomplex<f32>> {thunder.name = "z"}) {
  %z = thunder.mul %x, %y : tensor<?x4xcomplex<f32>>
  return %z : tensor<?x4xcomplex<f32>>
}

// CHECK-LABEL: func.func @constant() -> (tensor<2x2xf64> {thunder.complex})
// CHECK-NEXT:  %[[V0:.+]] = thunder.constant value = dense<{{\[\[}}-1.000000e+00, -2.000000e+00], [-3.000000e+00, 4.000000e+00]]> : tensor<2x2xf64> : tensor<2x2xf64>
// CHECK-NEXT:  return %[[V0]] : tensor<2x2xf64>
func.func @constant() -> tensor<2xcomplex<f64>> {
  %z = thunder.constant value = dense<[(1.0, 2.0), (3.0, -4.0)]> : tensor<2xcomplex<f64>> : tensor<2xcomplex<f64>>
  %y = thunder.neg %z : tensor<2xcomplex<f64>>
  return %y : tensor<2xcomplex<f64>>
}

// CHECK-LABEL: func.func @power(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<?x2xf32> {thunder.complex}, %[[ARG1:.+]]: tensor<i64>) -> (tensor<?x2xf32> {thunder.complex})
// CHECK-NEXT:  %[[V0:.+]] = thunder.slice %[[ARG0]] start = [0, 0] limit = [9223372036854775807, 1] stride = [1, 1] : tensor<?x2xf32> -> tensor<?x1xf32>
// CHECK-NEXT:  %[[V1:.+]] = thunder.slice %[[ARG0]] start = [0, 1] limit = [9223372036854775807, 2] stride = [1, 1] : tensor<?x2xf32> -> tensor<?x1xf32>
// CHECK-NEXT:  %[[V2:.+]] = thunder.concat %[[V0]], %[[V1]] axis = 1 : (tensor<?x1xf32>, tensor<?x1xf32>) -> tensor<?x2xf32>
// CHECK-NEXT:  %[[V3:.+]] = thunder.concat %[[V0]], %[[V1]] axis = 1 : (tensor<?x1xf32>, tensor<?x1xf32>) -> tensor<?x2xf32>
// CHECK-NEXT:  %[[V4:.+]]:2 = exec.while %[[ARG1]], %[[V2]], %[[V3]] condition = @power_while0_condition body = @power_while0_body : (tensor<i64>, tensor<?x2xf32>, tensor<?x2xf32>) -> (tensor<i64>, tensor<?x2xf32>)
// CHECK-NEXT:  %[[V5:.+]] = thunder.slice %[[V4]]#1 start = [0, 0] limit = [9223372036854775807, 1] stride = [1, 1] : tensor<?x2xf32> -> tensor<?x1xf32>
// CHECK-NEXT:  %[[V6:.+]] = thunder.slice %[[V4]]#1 start = [0, 1] limit = [9223372036854775807, 2] stride = [1, 1] : tensor<?x2xf32> -> tensor<?x1xf32>
// CHECK-NEXT:  %[[V7:.+]] = thunder.concat %[[V5]], %[[V6]] axis = 1 : (tensor<?x1xf32>, tensor<?x1xf32>) -> tensor<?x2xf32>
// CHECK-NEXT:  return %[[V7]] : tensor<?x2xf32>
func.func @power(%z: tensor<?xcomplex<f32>>, %n: tensor<i64>) -> tensor<?xcomplex<f32>> {
  %one = thunder.constant value = dense<1> : tensor<i64>
  %r:2 = scf.while (%i = %n, %p = %z) : (tensor<i64>, tensor<?xcomplex<f32>>) -> (tensor<i64>, tensor<?xcomplex<f32>>) {
    %c = thunder.lt %one, %i : (tensor<i64>, tensor<i64>) -> tensor<i1>
    %b = tensor.extract %c[] : tensor<i1>
    scf.condition(%b) %i, %p : tensor<i64>, tensor<?xcomplex<f32>>
  } do {
  ^bb0(%i: tensor<i64>, %p: tensor<?xcomplex<f32>>):
    %less = thunder.sub %i, %one : tensor<i64>
    %next = thunder.mul %p, %z : tensor<?xcomplex<f32>>
    scf.yield %less, %next : tensor<i64>, tensor<?xcomplex<f32>>
  }
  return %r#1 : tensor<?xcomplex<f32>>
}
