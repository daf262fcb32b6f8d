// A loop that values end runs from a file as in memory, at any size, and has code for GPUs; it is one step by name.

// RUN: thunder-opt %s --check-equivalence=%t.mlir --thunder-outline-loops --canonicalize --thunder-decompose --thunder-plan \
// RUN:   --thunder-kernels 2>&1 | FileCheck %s --check-prefix=SAME
// RUN: thunder-compile %s -o %t.thb
// RUN: thunder-run %s --input random:1:5x3 --output %t.safetensors > %t.out
// RUN: thunder-run %t.thb --input random:1:5x3 --expect %t.safetensors --profile %t.json | FileCheck %s
// RUN: FileCheck %s --check-prefix=TRACE < %t.json
// RUN: thunder-run %t.thb --input random:1:0x3 | FileCheck %s --check-prefix=EMPTY
// RUN: thunder-compile %s --compile-to=planned | FileCheck %s --check-prefix=PLANNED
// RUN: thunder-compile %s --target cuda:sm_90a -o %t.cuda.thb
// RUN: FileCheck %s --check-prefix=PTX < %t.cuda.thb
// RUN: not thunder-compile %s --grad=vjp -o %t.grad.thb 2>&1 | FileCheck %s --check-prefix=GRAD

// SAME-COUNT-5: agree
// CHECK: rounds: i64[]
// CHECK: y: f32[5, 3]
// TRACE: {"ph":"X","name":"while","cat":"loop"
// EMPTY: y: f32[0, 3]
// PLANNED: func.func private @main_while0_condition
// PLANNED: func.func private @main_while0_body
// PLANNED: call @kernel_
// PLANNED: func.func @main(
// PLANNED: exec.while {{.*}} condition = @main_while0_condition body = @main_while0_body
// PTX: .visible .entry kernel_0(
// GRAD: run_while.mlir:{{[0-9]+:[0-9]+}}: 'scf.while' op is a loop, through which no gradient is taken

// The sum of absolute values doubles in each round, whose number is at most 40.
func.func @main(%x: tensor<?x3xf32>) -> (tensor<i64> {thunder.name = "rounds"}, tensor<?x3xf32> {thunder.name = "y"}) {
  %zero = thunder.constant value = dense<0> : tensor<i64>
  %one = thunder.constant value = dense<1> : tensor<i64>
  %most = thunder.constant value = dense<40> : tensor<i64>
  %bound = thunder.constant value = dense<1000.0> : tensor<f32>
  %rows = thunder.dim %x axis = 0 : tensor<?x3xf32> -> index
  %two = thunder.full %rows value = 2.0 : f32 : index -> tensor<?x3xf32>
  %r:2 = scf.while (%i = %zero, %a = %x) : (tensor<i64>, tensor<?x3xf32>) -> (tensor<i64>, tensor<?x3xf32>) {
    %abs = thunder.abs %a : tensor<?x3xf32>
    %sum = thunder.sum %abs axes = [0, 1] : tensor<?x3xf32> -> tensor<f32>
    %small = thunder.lt %sum, %bound : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %few = thunder.lt %i, %most : (tensor<i64>, tensor<i64>) -> tensor<i1>
    %both = thunder.and %small, %few : tensor<i1>
    %b = tensor.extract %both[] : tensor<i1>
    scf.condition(%b) %i, %a : tensor<i64>, tensor<?x3xf32>
  } do {
  ^bb0(%i: tensor<i64>, %a: tensor<?x3xf32>):
    %next = thunder.add %i, %one : tensor<i64>
    %twice = thunder.mul %a, %two : tensor<?x3xf32>
    scf.yield %next, %twice : tensor<i64>, tensor<?x3xf32>
  }
  return %r#0, %r#1 : tensor<i64>, tensor<?x3xf32>
}
