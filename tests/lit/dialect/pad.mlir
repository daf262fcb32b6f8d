// RUN: thunder-opt %s | thunder-opt | FileCheck %s
// RUN: thunder-opt %s --mlir-print-op-generic | thunder-opt | FileCheck %s

// CHECK-LABEL: @pad
// CHECK: thunder.pad %{{.*}} low = [1, -1] high = [0, 2] interior = [0, 1] value = 0.000000e+00 : f32 : tensor<?x4xf32> -> tensor<?x8xf32>
func.func @pad(%x: tensor<?x4xf32>) {
  %a = thunder.pad %x low = [1, -1] high = [0, 2] interior = [0, 1] value = 0.000000e+00 : f32 : tensor<?x4xf32> -> tensor<?x8xf32>
  return
}
