// XFAIL: *
// RUN: thunder-opt %s | FileCheck %s

// CHECK: something that is not printed
func.func @f() {
  return
}
