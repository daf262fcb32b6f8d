// RUN: thunder-opt %s --thunder-decompose --canonicalize --thunder-kernels --thunder-to-linalg --thunder-cpu-entries | FileCheck %s

// A kernel becomes a C function of pointers and sizes; the program around it is gone.
// CHECK-NOT: func.func @main
// CHECK: noalias
// CHECK: @kernel_0(%{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr)
func.func @main(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %y = thunder.softmax %x axis = 1 : tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}
