// RUN: thunder-opt %s --split-input-file --verify-diagnostics

func.func @return_of_nothing() -> i32 {
  // expected-error @+1 {{has 0 operands, but enclosing function (@return_of_nothing) returns 1}}
  return
}

// -----

// expected-note @+1 {{see existing symbol definition here}}
func.func private @twice()
// expected-error @+1 {{redefinition of symbol named 'twice'}}
func.func private @twice()
