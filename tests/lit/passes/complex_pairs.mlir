// RUN: thunder-opt %s --thunder-complex-pairs --thunder-decompose --canonicalize | FileCheck %s

func.func @product(%x: tensor<?x4xcomplex<f32>> {thunder.name = "x", thunder.dims = ["n", ""]},
                   %y: tensor<?x4xcomplex<f32>> {thunder.dims = ["n", ""]}) -> (tensor<?x4xcomplex<f32>> {thunder.name = "z"}) {
  %z = thunder.mul %x, %y : tensor<?x4xcomplex<f32>>
  return %z : tensor<?x4xcomplex<f32>>
}

func.func @constant() -> tensor<2xcomplex<f64>> {
  %z = thunder.constant value = dense<[(1.0, 2.0), (3.0, -4.0)]> : tensor<2xcomplex<f64>> : tensor<2xcomplex<f64>>
  %y = thunder.neg %z : tensor<2xcomplex<f64>>
  return %y : tensor<2xcomplex<f64>>
}
