// RUN: thunder-opt %s --split-input-file --thunder-autodiff="function=f mode=grad" --verify-diagnostics

// expected-error @+1 {{has no function '@f'}}
module {
}

// -----

// expected-error @+1 {{has no argument of floats to differentiate by}}
func.func @f(%x: tensor<2xi32>) -> tensor<2xi32> {
  return %x : tensor<2xi32>
}

// -----

func.func @f(%x: tensor<2xf32>) -> tensor<2xf32> {
  %y = thunder.exp %x : tensor<2xf32>
  // expected-error @+1 {{returns 'tensor<2xf32>' first; a gradient is that of one float: reduce the first result to one, or take the vjp}}
  return %y : tensor<2xf32>
}

// -----

func.func @f(%x: tensor<f32>) -> tensor<f32> {
  // expected-error @+1 {{'math.exp' op has no gradient: implement Differentiate, Scalar or Decompose for it}}
  %y = math.exp %x : tensor<f32>
  return %y : tensor<f32>
}

// -----

func.func @f(%x: tensor<f32>) -> tensor<f32> {
  // expected-error @+1 {{'scf.while' op is a loop, through which no gradient is taken: leave its operands out of 'wrt'}}
  %y = scf.while (%a = %x) : (tensor<f32>) -> tensor<f32> {
    %c = arith.constant false
    scf.condition(%c) %a : tensor<f32>
  } do {
  ^bb0(%a: tensor<f32>):
    %b = thunder.exp %a : tensor<f32>
    scf.yield %b : tensor<f32>
  }
  return %y : tensor<f32>
}

// -----

func.func private @c(%x: tensor<f32>) -> tensor<i1>
func.func private @b(%x: tensor<f32>) -> tensor<f32>
func.func @f(%x: tensor<f32>) -> tensor<f32> {
  // expected-error @+1 {{'exec.while' op is a loop, through which no gradient is taken: leave its operands out of 'wrt'}}
  %y = exec.while %x condition = @c body = @b : tensor<f32> -> tensor<f32>
  return %y : tensor<f32>
}

// -----

func.func @f(%x: tensor<f32>, %c: i1) -> tensor<f32> {
  // expected-error @+1 {{'scf.if' op has a region, through which no gradient is taken}}
  %y = scf.if %c -> tensor<f32> {
    %a = thunder.exp %x : tensor<f32>
    scf.yield %a : tensor<f32>
  } else {
    scf.yield %x : tensor<f32>
  }
  %z = thunder.mul %y, %x : tensor<f32>
  return %z : tensor<f32>
}

// -----

// expected-error @+1 {{'@f' is differentiated already: there is an '@f_grad'}}
func.func @f(%x: tensor<f32>) -> tensor<f32> {
  return %x : tensor<f32>
}
func.func @f_grad(%x: tensor<f32>) -> tensor<f32> {
  return %x : tensor<f32>
}
