// RUN: thunder-opt %s --split-input-file --thunder-functionalize --verify-diagnostics | FileCheck %s

// What memory holds at the end is a result; a read is what was written last.
// CHECK-LABEL: func.func @count(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<i64> {thunder.parameter = "step"}) -> (tensor<i64>, tensor<i64> {thunder.name = "step", thunder.updates = 0 : i64})
// CHECK-NEXT:  %[[V0:.+]] = thunder.full value = 1 : i64 : tensor<i64>
// CHECK-NEXT:  %[[V1:.+]] = thunder.add %[[ARG0]], %[[V0]] : tensor<i64>
// CHECK-NEXT:  return %[[V1]], %[[V1]] : tensor<i64>, tensor<i64>
func.func @count(%step: tensor<i64> {thunder.parameter = "step"}) -> tensor<i64> {
  %one = thunder.full value = 1 : i64 : tensor<i64>
  %next = thunder.add %step, %one : tensor<i64>
  thunder.copy_into %next, %step : (tensor<i64>, tensor<i64>)
  %now = thunder.read %step : tensor<i64>
  return %now : tensor<i64>
}

// -----

// A part of memory is replaced in the whole; views show it.
// CHECK-LABEL: func.func @part(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<4x6xf32>, %[[ARG1:.+]]: tensor<6xf32>) -> (tensor<6x4xf32>, tensor<4x6xf32> {thunder.updates = 0 : i64})
// CHECK-NEXT:  %[[V0:.+]] = thunder.slice %[[ARG0]] start = [1, 0] limit = [2, 6] stride = [1, 1] : tensor<4x6xf32> -> tensor<1x6xf32>
// CHECK-NEXT:  %[[V1:.+]] = thunder.reshape %[[V0]], [] : tensor<1x6xf32> -> tensor<6xf32>
// CHECK-NEXT:  %[[V2:.+]] = thunder.reshape %[[ARG1]], [] : tensor<6xf32> -> tensor<1x6xf32>
// CHECK-NEXT:  %[[V3:.+]] = thunder.full value = 1 : i64 : tensor<i64>
// CHECK-NEXT:  %[[V4:.+]] = thunder.dynamic_update_slice %[[ARG0]], %[[V2]], %[[V3]] axis = 0 : (tensor<4x6xf32>, tensor<1x6xf32>, tensor<i64>) -> tensor<4x6xf32>
// CHECK-NEXT:  %[[V5:.+]] = thunder.transpose %[[ARG0]] permutation = [1, 0] : tensor<4x6xf32> -> tensor<6x4xf32>
// CHECK-NEXT:  %[[V6:.+]] = thunder.transpose %[[V4]] permutation = [1, 0] : tensor<4x6xf32> -> tensor<6x4xf32>
// CHECK-NEXT:  return %[[V6]], %[[V4]] : tensor<6x4xf32>, tensor<4x6xf32>
func.func @part(%x: tensor<4x6xf32>, %row: tensor<6xf32>) -> tensor<6x4xf32> {
  %slice = thunder.slice %x start = [1, 0] limit = [2, 6] stride = [1, 1] : tensor<4x6xf32> -> tensor<1x6xf32>
  %target = thunder.reshape %slice, [] : tensor<1x6xf32> -> tensor<6xf32>
  thunder.copy_into %row, %target : (tensor<6xf32>, tensor<6xf32>)
  %columns = thunder.transpose %x permutation = [1, 0] : tensor<4x6xf32> -> tensor<6x4xf32>
  %now = thunder.read %columns : tensor<6x4xf32>
  return %now : tensor<6x4xf32>
}

// -----

// Reads before any write are the argument itself; two arguments have two results.
// CHECK-LABEL: func.func @swap(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<4xf32>, %[[ARG1:.+]]: tensor<4xf32>) -> (tensor<4xf32> {thunder.updates = 0 : i64}, tensor<4xf32> {thunder.updates = 1 : i64})
// CHECK-NEXT:  return %[[ARG1]], %[[ARG0]] : tensor<4xf32>, tensor<4xf32>
func.func @swap(%x: tensor<4xf32>, %y: tensor<4xf32>) {
  %a = thunder.read %x : tensor<4xf32>
  %b = thunder.read %y : tensor<4xf32>
  thunder.copy_into %b, %x : (tensor<4xf32>, tensor<4xf32>)
  thunder.copy_into %a, %y : (tensor<4xf32>, tensor<4xf32>)
  return
}

// -----

// A function that uses no memory stays as it is.
// CHECK-LABEL: func.func @pure(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<4xf32>) -> tensor<4xf32>
// CHECK-NEXT:  %[[V0:.+]] = thunder.exp %[[ARG0]] : tensor<4xf32>
// CHECK-NEXT:  return %[[V0]] : tensor<4xf32>
func.func @pure(%x: tensor<4xf32>) -> tensor<4xf32> {
  %y = thunder.exp %x : tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

func.func @no_memory(%x: tensor<4xf32>) {
  %y = thunder.exp %x : tensor<4xf32>
  // expected-error @+1 {{reads or writes the result of 'thunder.exp', which is no memory: it takes an argument of the function, or a view of one in which no element repeats}}
  thunder.copy_into %x, %y : (tensor<4xf32>, tensor<4xf32>)
  return
}

// -----

func.func @repeats(%x: tensor<4xf32>, %y: tensor<3x4xf32>) {
  %rows = thunder.broadcast_in_dim %x, [] dims = [1] : tensor<4xf32> -> tensor<3x4xf32>
  // expected-error @+1 {{reads or writes the result of 'thunder.broadcast_in_dim', which is no memory}}
  thunder.copy_into %y, %rows : (tensor<3x4xf32>, tensor<3x4xf32>)
  return
}

// -----

func.func private @write(%x: tensor<4xf32>, %y: tensor<4xf32>) {
  thunder.copy_into %y, %x : (tensor<4xf32>, tensor<4xf32>)
  return
}

func.func @calls(%x: tensor<4xf32>, %y: tensor<4xf32>) {
  // expected-error @+1 {{calls '@write', which uses memory: inline it first (--thunder-inline)}}
  func.call @write(%x, %y) : (tensor<4xf32>, tensor<4xf32>) -> ()
  return
}

// -----

func.func @inside(%x: tensor<4xf32>, %y: tensor<4xf32>, %c: i1) {
  scf.if %c {
    // expected-error @+1 {{uses memory inside of another op, where the order is unknown}}
    thunder.copy_into %y, %x : (tensor<4xf32>, tensor<4xf32>)
  }
  return
}

// -----

func.func @blocks(%x: tensor<4xf32>, %y: tensor<4xf32>) {
  // expected-error @+1 {{uses memory in a function of 2 blocks: only one can be ordered}}
  thunder.copy_into %y, %x : (tensor<4xf32>, tensor<4xf32>)
  cf.br ^end
^end:
  return
}
