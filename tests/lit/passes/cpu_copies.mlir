// RUN: thunder-opt %s --thunder-cpu-copies | FileCheck %s

// CHECK-LABEL: func.func @copy
// CHECK-NOT: memref.copy
// CHECK: linalg.generic
func.func @copy(%from: memref<?x4xf32, strided<[8, 1]>>, %to: memref<?x4xf32>) {
  memref.copy %from, %to : memref<?x4xf32, strided<[8, 1]>> to memref<?x4xf32>
  return
}
