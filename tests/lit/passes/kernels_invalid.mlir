// RUN: thunder-opt %s --thunder-kernels --split-input-file --verify-diagnostics

// The sizes of what a function that calls itself returns would depend on themselves.
func.func @f(%x: tensor<?xf32>) -> tensor<?xf32> {
  // expected-error @below {{calls '@f', which calls itself: its sizes are unknown}}
  %y = func.call @f(%x) : (tensor<?xf32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// -----

func.func @main(%x: tensor<?xf32>) -> tensor<?xf32> {
  %y = func.call @f(%x) : (tensor<?xf32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}
func.func @f(%x: tensor<?xf32>) -> tensor<?xf32> {
  %y = func.call @g(%x) : (tensor<?xf32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}
func.func @g(%x: tensor<?xf32>) -> tensor<?xf32> {
  // expected-error @below {{calls '@f', which calls itself: its sizes are unknown}}
  %y = func.call @f(%x) : (tensor<?xf32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// -----

// What memory holds depends on the order of the program, which kernels do not keep.
func.func @read(%x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @below {{reads or writes memory: functionalize before cutting into kernels}}
  thunder.copy_into %y, %x : (tensor<4xf32>, tensor<4xf32>)
  %r = thunder.read %x : tensor<4xf32>
  return %r : tensor<4xf32>
}
