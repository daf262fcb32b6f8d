// RUN: thunder-opt %s | thunder-opt | FileCheck %s
// RUN: thunder-opt %s --mlir-print-op-generic | thunder-opt | FileCheck %s

// CHECK-LABEL: @binary
// CHECK: thunder.add %{{.*}}, %{{.*}} : tensor<?x4xf32>
// CHECK: thunder.sub %{{.*}}, %{{.*}} : tensor<?x4xf32>
// CHECK: thunder.mul %{{.*}}, %{{.*}} : tensor<?x4xf32>
// CHECK: thunder.div %{{.*}}, %{{.*}} : tensor<?x4xf32>
// CHECK: thunder.rem %{{.*}}, %{{.*}} : tensor<?x4xf32>
// CHECK: thunder.remainder %{{.*}}, %{{.*}} : tensor<?x4xf32>
// CHECK: thunder.pow %{{.*}}, %{{.*}} : tensor<?x4xf32>
// CHECK: thunder.maximum %{{.*}}, %{{.*}} : tensor<?x4xf32>
// CHECK: thunder.minimum %{{.*}}, %{{.*}} : tensor<?x4xf32>
// CHECK: thunder.atan2 %{{.*}}, %{{.*}} : tensor<?x4xf32>
func.func @binary(%a: tensor<?x4xf32>, %b: tensor<?x4xf32>) {
  %add = thunder.add %a, %b : tensor<?x4xf32>
  %sub = thunder.sub %a, %b : tensor<?x4xf32>
  %mul = thunder.mul %a, %b : tensor<?x4xf32>
  %div = thunder.div %a, %b : tensor<?x4xf32>
  %rem = thunder.rem %a, %b : tensor<?x4xf32>
  %remainder = thunder.remainder %a, %b : tensor<?x4xf32>
  %pow = thunder.pow %a, %b : tensor<?x4xf32>
  %maximum = thunder.maximum %a, %b : tensor<?x4xf32>
  %minimum = thunder.minimum %a, %b : tensor<?x4xf32>
  %atan2 = thunder.atan2 %a, %b : tensor<?x4xf32>
  return
}

// CHECK-LABEL: @bits
// CHECK: thunder.and %{{.*}}, %{{.*}} : tensor<3xi1>
// CHECK: thunder.or %{{.*}}, %{{.*}} : tensor<3xi1>
// CHECK: thunder.xor %{{.*}}, %{{.*}} : tensor<3xi1>
func.func @bits(%a: tensor<3xi1>, %b: tensor<3xi1>) {
  %and = thunder.and %a, %b : tensor<3xi1>
  %or = thunder.or %a, %b : tensor<3xi1>
  %xor = thunder.xor %a, %b : tensor<3xi1>
  return
}

// CHECK-LABEL: @shifts
// CHECK: thunder.shift_left %{{.*}}, %{{.*}} : tensor<3xi8>
// CHECK: thunder.shift_right %{{.*}}, %{{.*}} : tensor<3xi8>
func.func @shifts(%a: tensor<3xi8>, %b: tensor<3xi8>) {
  %shift_left = thunder.shift_left %a, %b : tensor<3xi8>
  %shift_right = thunder.shift_right %a, %b : tensor<3xi8>
  return
}

// CHECK-LABEL: @partly_known
func.func @partly_known(%a: tensor<?x4xf32>, %b: tensor<3x?xf32>) {
  // CHECK: thunder.add %arg0, %arg1 : (tensor<?x4xf32>, tensor<3x?xf32>) -> tensor<3x4xf32>
  %c = thunder.add %a, %b : (tensor<?x4xf32>, tensor<3x?xf32>) -> tensor<3x4xf32>
  // CHECK: thunder.neg %{{.*}} : tensor<3x4xf32> -> tensor<?x4xf32>
  %d = thunder.neg %c : tensor<3x4xf32> -> tensor<?x4xf32>
  return
}
