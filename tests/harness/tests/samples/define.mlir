// DEFINE: %{flags} = --canonicalize
// DEFINE: %{run} = thunder-opt %s %{flags} \
// DEFINE:   | FileCheck %s --check-prefix
// RUN: %{run}=FOLDED
// REDEFINE: %{flags} = --cse
// RUN: %{run}=KEPT

// FOLDED-NOT: arith.addi
// KEPT: arith.addi
func.func @adds_zero(%x: i32) -> i32 {
  %zero = arith.constant 0 : i32
  %sum = arith.addi %x, %zero : i32
  return %sum : i32
}
