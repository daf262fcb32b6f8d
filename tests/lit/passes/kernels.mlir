// RUN: thunder-opt %s --thunder-decompose --canonicalize --thunder-kernels --cse | FileCheck %s
// RUN: thunder-opt %s --thunder-kernels=separate=true --cse | FileCheck %s --check-prefix=SEPARATE

// A chain of elementwise ops and reductions over rows is one kernel.
// CHECK-LABEL: func.func @softmax
// CHECK: %[[Y:.*]] = call @kernel_0(%arg0, %{{.*}}) : (tensor<?x8xf32>, index) -> tensor<?x8xf32>
// CHECK-NEXT: return %[[Y]]
func.func @softmax(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %y = thunder.softmax %x axis = 1 : tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// Equal groups are one kernel; a library call and the views around it stay in the function.
// CHECK-LABEL: func.func @library
// CHECK: call @[[EXP:kernel_[0-9]+]](%arg0)
// CHECK: thunder.matmul
// CHECK: call @[[EXP]](
// SEPARATE-LABEL: func.func @library
// SEPARATE-COUNT-2: call @kernel_
func.func @library(%x: tensor<?x?xf32>, %w: tensor<?x?xf32>) -> tensor<?x?xf32> {
  %e = thunder.exp %x : tensor<?x?xf32>
  %t = thunder.transpose %w permutation = [1, 0] : tensor<?x?xf32> -> tensor<?x?xf32>
  %p = thunder.matmul %e, %t : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  %y = thunder.exp %p : tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}

// What a kernel needs of an op that needs the kernel would be a cycle: two kernels.
// CHECK-LABEL: func.func @no_cycle
// CHECK: call @kernel_
// CHECK: thunder.matmul
// CHECK: call @kernel_
func.func @no_cycle(%x: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %e = thunder.exp %x : tensor<4x4xf32>
  %p = thunder.matmul %e, %e : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %y = thunder.add %e, %p : tensor<4x4xf32>
  return %y : tensor<4x4xf32>
}

// What nobody reads is no kernel, and is not left where the sizes that it takes come after it.
// CHECK-LABEL: func.func @unread
// CHECK-NOT: call
// CHECK: return %arg0
// SEPARATE-LABEL: func.func @unread
// SEPARATE-NOT: call
// SEPARATE-NOT: thunder.full
// SEPARATE: return %arg0
func.func @unread(%x: tensor<?xf32>) -> tensor<?xf32> {
  %e = thunder.exp %x : tensor<?xf32>
  %n = thunder.dim %x axis = 0 : tensor<?xf32> -> index
  %c = thunder.full %n value = 2.0 : f32 : index -> tensor<?xf32>
  %t = thunder.reverse %c axes = [0] : tensor<?xf32> -> tensor<?xf32>
  return %x : tensor<?xf32>
}

// A library takes a view of what kernels would repeat, which is computed once for it.
// SEPARATE-LABEL: func.func @repeated
// SEPARATE: %[[Y:.*]] = call @kernel_
// SEPARATE: %[[N:.*]] = thunder.dim %[[Y]]
// SEPARATE: %[[C:.*]] = call @kernel_{{.*}}(%[[N]])
// SEPARATE: %[[B:.*]] = thunder.broadcast_in_dim %[[C]], [%[[N]]]
// SEPARATE: thunder.matmul %[[Y]], %[[B]]
func.func @repeated(%x: tensor<3x?xf32>) -> tensor<3x4xf32> {
  %y = thunder.neg %x : tensor<3x?xf32>
  %n = thunder.dim %y axis = 1 : tensor<3x?xf32> -> index
  %c = thunder.full %n value = 2.0 : f32 : index -> tensor<?xf32>
  %b = thunder.broadcast_in_dim %c, [%n] dims = [0] : (tensor<?xf32>, index) -> tensor<?x4xf32>
  %z = thunder.matmul %y, %b : (tensor<3x?xf32>, tensor<?x4xf32>) -> tensor<3x4xf32>
  return %z : tensor<3x4xf32>
}

// CHECK: func.func private @kernel_0({{.*}}tensor<?x8xf32> {thunder.dims = ["d0", ""]}, {{.*}}) {{.*}} attributes {thunder.kernel, thunder.rows = array<i64: 1, 0, 1>
