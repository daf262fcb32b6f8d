// RUN: thunder-opt %s --thunder-kernels --split-input-file | FileCheck %s

// Two that read the same read it in one kernel.
// CHECK-LABEL: func.func @same
// CHECK: %[[BOTH:.*]]:2 = call @kernel_0
// CHECK-NOT: call
// CHECK: return
func.func @same(%p: tensor<?x8xf32> {thunder.dims = ["n", ""]}, %m: tensor<?x8xf32> {thunder.dims = ["n", ""]}, %g: tensor<?x8xf32> {thunder.dims = ["n", ""]}) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  %a = thunder.sub %p, %g : tensor<?x8xf32>
  %b = thunder.add %m, %g : tensor<?x8xf32>
  return %a, %b : tensor<?x8xf32>, tensor<?x8xf32>
}

// -----

// So do two of which one reads what the other makes, and this as well.
// CHECK-LABEL: func.func @adam
// CHECK: call @kernel_0
// CHECK-NOT: call
// CHECK: return
func.func @adam(%p: tensor<8xf32>, %m: tensor<8xf32>, %v: tensor<8xf32>, %g: tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) {
  %m1 = thunder.add %m, %g : tensor<8xf32>
  %gg = thunder.mul %g, %g : tensor<8xf32>
  %v1 = thunder.add %v, %gg : tensor<8xf32>
  %s = thunder.sqrt %v1 : tensor<8xf32>
  %d = thunder.div %m1, %s : tensor<8xf32>
  %p1 = thunder.sub %p, %d : tensor<8xf32>
  return %p1, %m1, %v1 : tensor<8xf32>, tensor<8xf32>, tensor<8xf32>
}

// -----

// Each can be a part of its product, which is worth more than to read one tensor less.
// CHECK-LABEL: func.func @epilogues
// CHECK: thunder.matmul
// CHECK: thunder.matmul
// CHECK-COUNT-2: call @kernel_
func.func @epilogues(%x: tensor<8x8xf32>, %y: tensor<8x8xf32>, %r: tensor<8x8xf32>) -> (tensor<8x8xf32>, tensor<8x8xf32>) {
  %p = thunder.matmul %x, %y : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  %q = thunder.matmul %y, %x : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  %a = thunder.sub %p, %r : tensor<8x8xf32>
  %b = thunder.add %q, %r : tensor<8x8xf32>
  return %a, %b : tensor<8x8xf32>, tensor<8x8xf32>
}

// -----

// Two readers of one product are one kernel, which then is a part of it.
// CHECK-LABEL: func.func @product
// CHECK: thunder.matmul
// CHECK: call @kernel_0
// CHECK-NOT: call
// CHECK: return
func.func @product(%x: tensor<8x8xf32>, %y: tensor<8x8xf32>, %m: tensor<8x8xf32>, %v: tensor<8x8xf32>) -> (tensor<8x8xf32>, tensor<8x8xf32>) {
  %p = thunder.matmul %x, %y : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  %a = thunder.sub %m, %p : tensor<8x8xf32>
  %b = thunder.add %v, %p : tensor<8x8xf32>
  return %a, %b : tensor<8x8xf32>, tensor<8x8xf32>
}

// -----

// The second needs a product of the first: both cannot be one.
// CHECK-LABEL: func.func @between
// CHECK: call @kernel_
// CHECK: thunder.matmul
// CHECK: call @kernel_
func.func @between(%x: tensor<8x8xf32>, %w: tensor<8x8xf32>) -> tensor<8x8xf32> {
  %a = thunder.exp %x : tensor<8x8xf32>
  %p = thunder.matmul %a, %w : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  %b = thunder.add %x, %p : tensor<8x8xf32>
  return %b : tensor<8x8xf32>
}

// -----

// What is read by both is small: two kernels. A total of rows is made where these are read.
// CHECK-LABEL: func.func @apart
// CHECK-COUNT-2: call @kernel_
// CHECK-NOT: call
// CHECK: return
func.func @apart(%x: tensor<4x8xf32>, %y: tensor<4x8xf32>, %b: tensor<8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>, tensor<4xf32>) {
  %r = thunder.broadcast_in_dim %b, [] dims = [1] : tensor<8xf32> -> tensor<4x8xf32>
  %a = thunder.add %x, %r : tensor<4x8xf32>
  %c = thunder.mul %y, %r : tensor<4x8xf32>
  %s = thunder.sum %x axes = [1] : tensor<4x8xf32> -> tensor<4xf32>
  return %a, %c, %s : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4xf32>
}
