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

// CHECK: func.func private @kernel_0({{.*}}tensor<?x8xf32> {thunder.dims = ["d0", ""]}, {{.*}}) {{.*}} attributes {thunder.kernel, thunder.rows = array<i64: 1, 0, 1>
