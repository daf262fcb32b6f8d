// RUN: thunder-opt %s --canonicalize \
// RUN:   | FileCheck %s
// RUN: thunder-opt %s %{twice} | FileCheck %s --check-prefix=CSE

// CHECK-LABEL: func.func @adds_zero
// CHECK-SAME:  %[[X:.+]]: i32
// CHECK-NEXT:  return %[[X]] : i32

// CSE-LABEL: func.func @adds_zero
// CSE:       arith.addi
func.func @adds_zero(%x: i32) -> i32 {
  %zero = arith.constant 0 : i32
  %sum = arith.addi %x, %zero : i32
  return %sum : i32
}
