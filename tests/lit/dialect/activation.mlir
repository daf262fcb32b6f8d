// RUN: thunder-opt %s | thunder-opt | FileCheck %s
// RUN: thunder-opt %s --mlir-print-op-generic | thunder-opt | FileCheck %s

// CHECK-LABEL: @activation
// CHECK: thunder.relu %{{.*}} : tensor<?x4xf32>
// CHECK: thunder.sigmoid %{{.*}} : tensor<?x4xf32>
// CHECK: thunder.silu %{{.*}} : tensor<?x4xf32>
// CHECK: thunder.softplus %{{.*}} : tensor<?x4xf32>
// CHECK: thunder.mish %{{.*}} : tensor<?x4xf32>
// CHECK: thunder.hard_sigmoid %{{.*}} : tensor<?x4xf32>
// CHECK: thunder.hard_swish %{{.*}} : tensor<?x4xf32>
// CHECK: thunder.gelu %{{.*}} : tensor<?x4xf32>
// CHECK: thunder.gelu %{{.*}} approximate = tanh : tensor<?x4xf32>
// CHECK: thunder.leaky_relu %{{.*}} : tensor<?x4xf32>
// CHECK: thunder.leaky_relu %{{.*}} slope = 0.2 : tensor<?x4xf32>
// CHECK: thunder.elu %{{.*}} : tensor<?x4xf32>
// CHECK: thunder.elu %{{.*}} alpha = 0.5 : tensor<?x4xf32>
func.func @activation(%x: tensor<?x4xf32>) {
  %relu = thunder.relu %x : tensor<?x4xf32>
  %sigmoid = thunder.sigmoid %x : tensor<?x4xf32>
  %silu = thunder.silu %x : tensor<?x4xf32>
  %softplus = thunder.softplus %x : tensor<?x4xf32>
  %mish = thunder.mish %x : tensor<?x4xf32>
  %hard_sigmoid = thunder.hard_sigmoid %x : tensor<?x4xf32>
  %hard_swish = thunder.hard_swish %x : tensor<?x4xf32>
  %g0 = thunder.gelu %x : tensor<?x4xf32>
  %g1 = thunder.gelu %x approximate = tanh : tensor<?x4xf32>
  %l0 = thunder.leaky_relu %x : tensor<?x4xf32>
  %l1 = thunder.leaky_relu %x slope = 0.2 : tensor<?x4xf32>
  %e0 = thunder.elu %x : tensor<?x4xf32>
  %e1 = thunder.elu %x alpha = 0.5 : tensor<?x4xf32>
  return
}
