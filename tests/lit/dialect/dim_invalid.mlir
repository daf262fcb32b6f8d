// RUN: thunder-opt %s --split-input-file --verify-diagnostics

func.func @dim_c1(%x: tensor<?x4xf32>) {
  // expected-error @+1 {{(C1) axis 2 is not one of 2 dimensions}}
  %n = thunder.dim %x axis = 2 : tensor<?x4xf32> -> index
  return
}

// -----

func.func @dim_negative(%x: tensor<?x4xf32>) {
  // expected-error @+1 {{(C1) axis -1 is not one of 2 dimensions}}
  %n = thunder.dim %x axis = -1 : tensor<?x4xf32>
  return
}
