// RUN: thunder-opt %s --split-input-file --thunder-inline --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func.func @twice(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<4xf32>) -> tensor<4xf32>
// CHECK-NEXT:  %[[V0:.+]] = thunder.add %[[ARG0]], %[[ARG0]] : tensor<4xf32>
// CHECK-NEXT:  return %[[V0]] : tensor<4xf32>
func.func @twice(%x: tensor<4xf32>) -> tensor<4xf32> {
  %y = thunder.add %x, %x : tensor<4xf32>
  return %y : tensor<4xf32>
}

// CHECK-LABEL: func.func @nested(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<4xf32>) -> tensor<4xf32>
// CHECK-NEXT:  %[[V0:.+]] = thunder.add %[[ARG0]], %[[ARG0]] : tensor<4xf32>
// CHECK-NEXT:  return %[[V0]] : tensor<4xf32>
func.func @nested(%x: tensor<4xf32>) -> tensor<4xf32> {
  %y = func.call @twice(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// CHECK-LABEL: func.func @main(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<4xf32>) -> tensor<4xf32>
// CHECK-NEXT:  %[[V0:.+]] = thunder.add %[[ARG0]], %[[ARG0]] : tensor<4xf32>
// CHECK-NEXT:  %[[V1:.+]] = thunder.add %[[V0]], %[[V0]] : tensor<4xf32>
// CHECK-NEXT:  return %[[V1]] : tensor<4xf32>
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %y = func.call @nested(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %z = func.call @nested(%y) : (tensor<4xf32>) -> tensor<4xf32>
  return %z : tensor<4xf32>
}

// -----

// The memory of an argument is that of the caller.
// CHECK-LABEL: func.func @count(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<i64>)
// CHECK-NEXT:  %[[V0:.+]] = thunder.full value = 1 : i64 : tensor<i64>
// CHECK-NEXT:  %[[V1:.+]] = thunder.add %[[ARG0]], %[[V0]] : tensor<i64>
// CHECK-NEXT:  thunder.copy_into %[[V1]], %[[ARG0]] : (tensor<i64>, tensor<i64>)
// CHECK-NEXT:  return
func.func @count(%step: tensor<i64>) {
  %one = thunder.full value = 1 : i64 : tensor<i64>
  %next = thunder.add %step, %one : tensor<i64>
  thunder.copy_into %next, %step : (tensor<i64>, tensor<i64>)
  return
}

// CHECK-LABEL: func.func @main(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<i64>) -> tensor<i64>
// CHECK-NEXT:  %[[V0:.+]] = thunder.full value = 1 : i64 : tensor<i64>
// CHECK-NEXT:  %[[V1:.+]] = thunder.add %[[ARG0]], %[[V0]] : tensor<i64>
// CHECK-NEXT:  thunder.copy_into %[[V1]], %[[ARG0]] : (tensor<i64>, tensor<i64>)
// CHECK-NEXT:  %[[V2:.+]] = thunder.read %[[ARG0]] : tensor<i64>
// CHECK-NEXT:  return %[[V2]] : tensor<i64>
func.func @main(%step: tensor<i64>) -> tensor<i64> {
  func.call @count(%step) : (tensor<i64>) -> ()
  %now = thunder.read %step : tensor<i64>
  return %now : tensor<i64>
}

// -----

func.func @write(%x: tensor<4xf32>, %y: tensor<4xf32>) {
  thunder.copy_into %y, %x : (tensor<4xf32>, tensor<4xf32>)
  return
}

func.func @one_memory_twice(%x: tensor<4xf32>) {
  // expected-error @+1 {{passes one memory as arguments #0 and #1 of '@write', which writes it: the order is unknown}}
  func.call @write(%x, %x) : (tensor<4xf32>, tensor<4xf32>) -> ()
  return
}

// -----

func.func @write(%x: tensor<4xf32>, %y: tensor<4xf32>) {
  thunder.copy_into %y, %x : (tensor<4xf32>, tensor<4xf32>)
  return
}

func.func @no_memory(%x: tensor<4xf32>) {
  %y = thunder.exp %x : tensor<4xf32>
  // expected-error @+1 {{reads or writes the result of 'thunder.exp', which is no memory}}
  func.call @write(%y, %x) : (tensor<4xf32>, tensor<4xf32>) -> ()
  return
}

// -----

func.func @write(%x: tensor<4xf32>, %y: tensor<4xf32>) {
  thunder.copy_into %y, %x : (tensor<4xf32>, tensor<4xf32>)
  return
}

func.func @written_before(%x: tensor<4xf32>, %y: tensor<4xf32>) {
  thunder.copy_into %y, %x : (tensor<4xf32>, tensor<4xf32>)
  // expected-error @+1 {{passes memory as argument #0 of '@write' that has been written before}}
  func.call @write(%x, %y) : (tensor<4xf32>, tensor<4xf32>) -> ()
  return
}

// -----

func.func @endless(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{calls '@endless', which calls itself, and so cannot be inlined}}
  %y = func.call @endless(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}
