// RUN: rm -rf %t && split-file %s %t
// RUN: thunder-opt %t/good.mlir | FileCheck %s
// RUN: not thunder-opt %t/bad.mlir 2>&1 | FileCheck %s --check-prefix=BAD

// CHECK: func.func @good
// BAD: bad.mlir:1:1: error: custom op 'oops' is unknown

//--- good.mlir
func.func @good() {
  return
}
//--- bad.mlir
oops
