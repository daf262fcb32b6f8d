// RUN: thunder-opt %s --split-input-file --thunder-outline-loops --verify-diagnostics | FileCheck %s

// Newton's method. What is outside is an argument of both functions, where equal sizes have equal names; constants and sizes
// are made again.
// CHECK-LABEL: func.func private @newton_while0_condition(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<?xf32> {thunder.dims = ["d0"]}, %[[ARG1:.+]]: tensor<?xf32> {thunder.dims = ["d0"]}, %[[ARG2:.+]]: tensor<?xf32>) -> tensor<i1>
// CHECK-NEXT:  %[[V0:.+]] = thunder.mul %[[ARG0]], %[[ARG0]] : tensor<?xf32>
// CHECK-NEXT:  %[[C0:.+]] = arith.constant 0 : index
// CHECK-NEXT:  %[[DIM:.+]] = tensor.dim %[[ARG1]], %[[C0]] : tensor<?xf32>
// CHECK-NEXT:  %[[V1:.+]] = thunder.full %[[DIM]] value = 1.000000e-03 : f32 : index -> tensor<?xf32>
// CHECK-NEXT:  %[[V2:.+]] = thunder.sub %[[V0]], %[[ARG1]] : tensor<?xf32>
// CHECK-NEXT:  %[[V3:.+]] = thunder.lt %[[V1]], %[[V2]] : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xi1>
// CHECK-NEXT:  %[[V4:.+]] = thunder.any %[[V3]] axes = [0] : tensor<?xi1> -> tensor<i1>
// CHECK-NEXT:  return %[[V4]] : tensor<i1>
// CHECK-LABEL: func.func private @newton_while0_body(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<?xf32> {thunder.dims = ["d0"]}, %[[ARG1:.+]]: tensor<?xf32> {thunder.dims = ["d0"]}, %[[ARG2:.+]]: tensor<?xf32>) -> tensor<?xf32>
// CHECK-NEXT:  %[[V0:.+]] = thunder.div %[[ARG1]], %[[ARG0]] : tensor<?xf32>
// CHECK-NEXT:  %[[V1:.+]] = thunder.add %[[ARG0]], %[[V0]] : tensor<?xf32>
// CHECK-NEXT:  %[[V2:.+]] = thunder.mul %[[V1]], %[[ARG2]] : tensor<?xf32>
// CHECK-NEXT:  return %[[V2]] : tensor<?xf32>
// CHECK-LABEL: func.func @newton(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<?xf32>) -> tensor<?xf32>
// CHECK-NEXT:  %[[C0:.+]] = arith.constant 0 : index
// CHECK-NEXT:  %[[DIM:.+]] = tensor.dim %[[ARG0]], %[[C0]] : tensor<?xf32>
// CHECK-NEXT:  %[[V0:.+]] = thunder.constant value = dense<5.000000e-01> : tensor<f32> : tensor<f32>
// CHECK-NEXT:  %[[V1:.+]] = thunder.broadcast_in_dim %[[V0]], [%[[DIM]]] dims = [] : (tensor<f32>, index) -> tensor<?xf32>
// CHECK-NEXT:  %[[V2:.+]] = exec.while %[[ARG0]], %[[ARG0]], %[[V1]] condition = @newton_while0_condition body = @newton_while0_body : (tensor<?xf32>, tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
// CHECK-NEXT:  return %[[V2]] : tensor<?xf32>
func.func @newton(%x: tensor<?xf32>) -> tensor<?xf32> {
  %zero = arith.constant 0 : index
  %n = tensor.dim %x, %zero : tensor<?xf32>
  %half = thunder.constant value = dense<0.5> : tensor<f32>
  %halves = thunder.broadcast_in_dim %half, [%n] dims = [] : (tensor<f32>, index) -> tensor<?xf32>
  %y = scf.while (%g = %x) : (tensor<?xf32>) -> tensor<?xf32> {
    %s = thunder.mul %g, %g : tensor<?xf32>
    %near = thunder.full %n value = 1.0e-3 : f32 : index -> tensor<?xf32>
    %d = thunder.sub %s, %x : tensor<?xf32>
    %c = thunder.lt %near, %d : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xi1>
    %any = thunder.any %c axes = [0] : tensor<?xi1> -> tensor<i1>
    %b = tensor.extract %any[] : tensor<i1>
    scf.condition(%b) %g : tensor<?xf32>
  } do {
  ^bb0(%g: tensor<?xf32>):
    %q = thunder.div %x, %g : tensor<?xf32>
    %t = thunder.add %g, %q : tensor<?xf32>
    %r = thunder.mul %t, %halves : tensor<?xf32>
    scf.yield %r : tensor<?xf32>
  }
  return %y : tensor<?xf32>
}

// -----

// A loop in a loop.
// CHECK-LABEL: func.func private @nested_while0_condition(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<i64>, %[[ARG1:.+]]: tensor<4xi64>, %[[ARG2:.+]]: tensor<4xi64>) -> tensor<i1>
// CHECK-NEXT:  %[[V0:.+]] = thunder.constant value = dense<0> : tensor<i64> : tensor<i64>
// CHECK-NEXT:  %[[V1:.+]] = thunder.lt %[[V0]], %[[ARG0]] : (tensor<i64>, tensor<i64>) -> tensor<i1>
// CHECK-NEXT:  return %[[V1]] : tensor<i1>
// CHECK-LABEL: func.func private @nested_while0_body_while0_condition(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<i64>, %[[ARG1:.+]]: tensor<4xi64>, %[[ARG2:.+]]: tensor<4xi64>) -> tensor<i1>
// CHECK-NEXT:  %[[V0:.+]] = thunder.constant value = dense<0> : tensor<i64> : tensor<i64>
// CHECK-NEXT:  %[[V1:.+]] = thunder.lt %[[V0]], %[[ARG0]] : (tensor<i64>, tensor<i64>) -> tensor<i1>
// CHECK-NEXT:  return %[[V1]] : tensor<i1>
// CHECK-LABEL: func.func private @nested_while0_body_while0_body(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<i64>, %[[ARG1:.+]]: tensor<4xi64>, %[[ARG2:.+]]: tensor<4xi64>) -> (tensor<i64>, tensor<4xi64>)
// CHECK-NEXT:  %[[V0:.+]] = thunder.constant value = dense<1> : tensor<i64> : tensor<i64>
// CHECK-NEXT:  %[[V1:.+]] = thunder.sub %[[ARG0]], %[[V0]] : tensor<i64>
// CHECK-NEXT:  %[[V2:.+]] = thunder.add %[[ARG1]], %[[ARG2]] : tensor<4xi64>
// CHECK-NEXT:  return %[[V1]], %[[V2]] : tensor<i64>, tensor<4xi64>
// CHECK-LABEL: func.func private @nested_while0_body(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<i64>, %[[ARG1:.+]]: tensor<4xi64>, %[[ARG2:.+]]: tensor<4xi64>) -> (tensor<i64>, tensor<4xi64>)
// CHECK-NEXT:  %[[V0:.+]] = thunder.constant value = dense<1> : tensor<i64> : tensor<i64>
// CHECK-NEXT:  %[[V1:.+]]:2 = exec.while %[[ARG0]], %[[ARG1]], %[[ARG2]] condition = @nested_while0_body_while0_condition body = @nested_while0_body_while0_body : (tensor<i64>, tensor<4xi64>, tensor<4xi64>) -> (tensor<i64>, tensor<4xi64>)
// CHECK-NEXT:  %[[V2:.+]] = thunder.sub %[[ARG0]], %[[V0]] : tensor<i64>
// CHECK-NEXT:  return %[[V2]], %[[V1]]#1 : tensor<i64>, tensor<4xi64>
// CHECK-LABEL: func.func @nested(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<4xi64>, %[[ARG1:.+]]: tensor<i64>) -> tensor<4xi64>
// CHECK-NEXT:  %[[V0:.+]] = thunder.constant value = dense<1> : tensor<i64> : tensor<i64>
// CHECK-NEXT:  %[[V1:.+]]:2 = exec.while %[[ARG1]], %[[ARG0]], %[[ARG0]] condition = @nested_while0_condition body = @nested_while0_body : (tensor<i64>, tensor<4xi64>, tensor<4xi64>) -> (tensor<i64>, tensor<4xi64>)
// CHECK-NEXT:  return %[[V1]]#1 : tensor<4xi64>
func.func @nested(%x: tensor<4xi64>, %n: tensor<i64>) -> tensor<4xi64> {
  %one = thunder.constant value = dense<1> : tensor<i64>
  %y:2 = scf.while (%i = %n, %a = %x) : (tensor<i64>, tensor<4xi64>) -> (tensor<i64>, tensor<4xi64>) {
    %zero = thunder.constant value = dense<0> : tensor<i64>
    %c = thunder.lt %zero, %i : (tensor<i64>, tensor<i64>) -> tensor<i1>
    %b = tensor.extract %c[] : tensor<i1>
    scf.condition(%b) %i, %a : tensor<i64>, tensor<4xi64>
  } do {
  ^bb0(%i: tensor<i64>, %a: tensor<4xi64>):
    %inner:2 = scf.while (%j = %i, %e = %a) : (tensor<i64>, tensor<4xi64>) -> (tensor<i64>, tensor<4xi64>) {
      %zero = thunder.constant value = dense<0> : tensor<i64>
      %c = thunder.lt %zero, %j : (tensor<i64>, tensor<i64>) -> tensor<i1>
      %b = tensor.extract %c[] : tensor<i1>
      scf.condition(%b) %j, %e : tensor<i64>, tensor<4xi64>
    } do {
    ^bb0(%j: tensor<i64>, %e: tensor<4xi64>):
      %less = thunder.sub %j, %one : tensor<i64>
      %more = thunder.add %e, %x : tensor<4xi64>
      scf.yield %less, %more : tensor<i64>, tensor<4xi64>
    }
    %less = thunder.sub %i, %one : tensor<i64>
    scf.yield %less, %inner#1 : tensor<i64>, tensor<4xi64>
  }
  return %y#1 : tensor<4xi64>
}

// -----

// What a round leaves as it is, is given in every round; what is left of a loop that changes nothing is nothing.
// CHECK-LABEL: func.func private @kept_while0_condition(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<f32>, %[[ARG1:.+]]: tensor<f32>) -> tensor<i1>
// CHECK-NEXT:  %[[V0:.+]] = thunder.lt %[[ARG0]], %[[ARG1]] : (tensor<f32>, tensor<f32>) -> tensor<i1>
// CHECK-NEXT:  return %[[V0]] : tensor<i1>
// CHECK-LABEL: func.func private @kept_while0_body(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<f32>, %[[ARG1:.+]]: tensor<f32>) -> tensor<f32>
// CHECK-NEXT:  %[[V0:.+]] = thunder.add %[[ARG0]], %[[ARG0]] : tensor<f32>
// CHECK-NEXT:  return %[[V0]] : tensor<f32>
// CHECK-LABEL: func.func @kept(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<f32>, %[[ARG1:.+]]: tensor<f32>) -> (tensor<f32>, tensor<f32>)
// CHECK-NEXT:  %[[V0:.+]] = exec.while %[[ARG0]], %[[ARG1]] condition = @kept_while0_condition body = @kept_while0_body : (tensor<f32>, tensor<f32>) -> tensor<f32>
// CHECK-NEXT:  return %[[V0]], %[[ARG0]] : tensor<f32>, tensor<f32>
func.func @kept(%x: tensor<f32>, %bound: tensor<f32>) -> (tensor<f32>, tensor<f32>) {
  %y:2 = scf.while (%b = %bound, %a = %x) : (tensor<f32>, tensor<f32>) -> (tensor<f32>, tensor<f32>) {
    %c = thunder.lt %a, %b : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %e = tensor.extract %c[] : tensor<i1>
    scf.condition(%e) %b, %a : tensor<f32>, tensor<f32>
  } do {
  ^bb0(%b: tensor<f32>, %a: tensor<f32>):
    %twice = thunder.add %a, %a : tensor<f32>
    scf.yield %b, %twice : tensor<f32>, tensor<f32>
  }
  %z = scf.while (%a = %x) : (tensor<f32>) -> tensor<f32> {
    %false = arith.constant false
    scf.condition(%false) %a : tensor<f32>
  } do {
  ^bb0(%a: tensor<f32>):
    scf.yield %a : tensor<f32>
  }
  return %y#1, %z : tensor<f32>, tensor<f32>
}

// -----

// A condition that makes what a round begins with: rounds end by asking again.
// CHECK-LABEL: func.func private @rotated_while0_condition(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<i1>, %[[ARG1:.+]]: tensor<f32>, %[[ARG2:.+]]: tensor<f32>) -> tensor<i1>
// CHECK-NEXT:  return %[[ARG0]] : tensor<i1>
// CHECK-LABEL: func.func private @rotated_while0_body(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<i1>, %[[ARG1:.+]]: tensor<f32>, %[[ARG2:.+]]: tensor<f32>) -> (tensor<i1>, tensor<f32>)
// CHECK-NEXT:  %[[V0:.+]] = thunder.exp %[[ARG1]] : tensor<f32>
// CHECK-NEXT:  %[[V1:.+]] = thunder.add %[[V0]], %[[V0]] : tensor<f32>
// CHECK-NEXT:  %[[V2:.+]] = thunder.lt %[[V1]], %[[ARG2]] : (tensor<f32>, tensor<f32>) -> tensor<i1>
// CHECK-NEXT:  return %[[V2]], %[[V1]] : tensor<i1>, tensor<f32>
// CHECK-LABEL: func.func @rotated(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<f32>, %[[ARG1:.+]]: tensor<f32>) -> tensor<f32>
// CHECK-NEXT:  %[[V0:.+]] = thunder.add %[[ARG0]], %[[ARG0]] : tensor<f32>
// CHECK-NEXT:  %[[V1:.+]] = thunder.lt %[[V0]], %[[ARG1]] : (tensor<f32>, tensor<f32>) -> tensor<i1>
// CHECK-NEXT:  %[[V2:.+]]:2 = exec.while %[[V1]], %[[V0]], %[[ARG1]] condition = @rotated_while0_condition body = @rotated_while0_body : (tensor<i1>, tensor<f32>, tensor<f32>) -> (tensor<i1>, tensor<f32>)
// CHECK-NEXT:  return %[[V2]]#1 : tensor<f32>
func.func @rotated(%x: tensor<f32>, %bound: tensor<f32>) -> tensor<f32> {
  %y = scf.while (%a = %x) : (tensor<f32>) -> tensor<f32> {
    %twice = thunder.add %a, %a : tensor<f32>
    %c = thunder.lt %twice, %bound : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %e = tensor.extract %c[] : tensor<i1>
    scf.condition(%e) %twice : tensor<f32>
  } do {
  ^bb0(%a: tensor<f32>):
    %more = thunder.exp %a : tensor<f32>
    scf.yield %more : tensor<f32>
  }
  return %y : tensor<f32>
}

// -----

func.func @index(%n: index) -> index {
  // expected-error @+1 {{'scf.while' op carries a 'index', but only tensors are carried from round to round}}
  %y = scf.while (%i = %n) : (index) -> index {
    %false = arith.constant false
    scf.condition(%false) %i : index
  } do {
  ^bb0(%i: index):
    scf.yield %i : index
  }
  return %y : index
}

// -----

func.func @memory(%x: tensor<f32>, %m: tensor<f32>) -> tensor<f32> {
  %y = scf.while (%a = %x) : (tensor<f32>) -> tensor<f32> {
    %false = arith.constant false
    scf.condition(%false) %a : tensor<f32>
  } do {
  ^bb0(%a: tensor<f32>):
    // expected-error @+1 {{'thunder.copy_into' op uses memory inside of a loop: let the loop carry what is there as a value}}
    thunder.copy_into %a, %m : (tensor<f32>, tensor<f32>)
    scf.yield %a : tensor<f32>
  }
  return %y : tensor<f32>
}

// -----

func.func @elsewhere(%x: tensor<f32>, %c: i1) -> tensor<f32> {
  // expected-error @+1 {{'scf.while' op uses a 'i1' from outside, which is no tensor}}
  %y = scf.while (%a = %x) : (tensor<f32>) -> tensor<f32> {
    scf.condition(%c) %a : tensor<f32>
  } do {
  ^bb0(%a: tensor<f32>):
    %b = thunder.exp %a : tensor<f32>
    scf.yield %b : tensor<f32>
  }
  return %y : tensor<f32>
}
