// RUN: thunder-opt %s | thunder-opt | FileCheck %s
// RUN: thunder-opt %s --mlir-print-op-generic | thunder-opt | FileCheck %s

// CHECK-LABEL: @compare
// CHECK: thunder.eq %{{.*}}, %{{.*}} : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xi1>
// CHECK: thunder.ne %{{.*}}, %{{.*}} : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xi1>
// CHECK: thunder.lt %{{.*}}, %{{.*}} : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xi1>
// CHECK: thunder.le %{{.*}}, %{{.*}} : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xi1>
// CHECK: thunder.gt %{{.*}}, %{{.*}} : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xi1>
// CHECK: thunder.ge %{{.*}}, %{{.*}} : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xi1>
func.func @compare(%a: tensor<?x4xf32>, %b: tensor<?x4xf32>) {
  %eq = thunder.eq %a, %b : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xi1>
  %ne = thunder.ne %a, %b : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xi1>
  %lt = thunder.lt %a, %b : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xi1>
  %le = thunder.le %a, %b : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xi1>
  %gt = thunder.gt %a, %b : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xi1>
  %ge = thunder.ge %a, %b : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xi1>
  return
}

// CHECK-LABEL: @partly_known
// CHECK: thunder.lt %{{.*}}, %{{.*}} : (tensor<?x4xf32>, tensor<3x?xf32>) -> tensor<3x4xi1>
func.func @partly_known(%a: tensor<?x4xf32>, %b: tensor<3x?xf32>) {
  %c = thunder.lt %a, %b : (tensor<?x4xf32>, tensor<3x?xf32>) -> tensor<3x4xi1>
  return
}

// CHECK-LABEL: @classes
// CHECK: thunder.isnan %{{.*}} : tensor<?x4xf32> -> tensor<?x4xi1>
// CHECK: thunder.isinf %{{.*}} : tensor<?x4xf32> -> tensor<?x4xi1>
// CHECK: thunder.isfinite %{{.*}} : tensor<?x4xf32> -> tensor<?x4xi1>
func.func @classes(%x: tensor<?x4xf32>) {
  %isnan = thunder.isnan %x : tensor<?x4xf32> -> tensor<?x4xi1>
  %isinf = thunder.isinf %x : tensor<?x4xf32> -> tensor<?x4xi1>
  %isfinite = thunder.isfinite %x : tensor<?x4xf32> -> tensor<?x4xi1>
  return
}
