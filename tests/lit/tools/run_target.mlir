// RUN: not thunder-run %s --target cuda:sm_75 --input random:1 2>&1 | FileCheck %s --check-prefix=OLD
// RUN: not thunder-run %s --target tpu --input random:1 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// A module is compiled for what it is to run on.
// OLD: thunder-run: error: there is no code for GPUs of sm_75
// UNKNOWN: known are cpu, cuda and cuda:ARCHITECTURE
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %y = thunder.exp %x : tensor<4xf32>
  return %y : tensor<4xf32>
}
