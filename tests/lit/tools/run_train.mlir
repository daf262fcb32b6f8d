// A training step as text: the derivative of @loss is declared, --thunder-autodiff defines it, and @step calls it. What
// the program updates is state: each of the runs finds what the one before has left.

// RUN: thunder-opt %s --thunder-autodiff="function=loss mode=value-and-grad wrt=0" | thunder-compile - --entry step -o %t.thb
// RUN: thunder-run %t.thb --input random:1 --save-state %t.safetensors | FileCheck %s --check-prefix=ONCE
// RUN: thunder-run %t.thb --input random:1 --weights %t.safetensors --repeat 99 | FileCheck %s
// RUN: thunder-run %t.thb --input random:1 --repeat 100 | FileCheck %s
// RUN: not thunder-run %t.thb --input random:1 --weights random:2 --save-state 2>&1 | FileCheck %s --check-prefix=USAGE

// ONCE: count: i64[]
// ONCE-NEXT: 1
// CHECK: loss: f32[]
// CHECK-NEXT: {{[0-9.]+e-}}
// CHECK: count: i64[]
// CHECK-NEXT: 100
// USAGE: a value is required for '--save-state

// (w - x)^2, summed.
func.func @loss(%w: tensor<3xf32> {thunder.parameter = "w"}, %x: tensor<3xf32>)
    -> (tensor<f32> {thunder.name = "loss"}) {
  %d = thunder.sub %w, %x : tensor<3xf32>
  %s = thunder.mul %d, %d : tensor<3xf32>
  %l = thunder.sum %s axes = [0] : tensor<3xf32> -> tensor<f32>
  return %l : tensor<f32>
}

func.func private @loss_value_and_grad(tensor<3xf32>, tensor<3xf32>) -> (tensor<f32>, tensor<3xf32>)

func.func @step(%w: tensor<3xf32> {thunder.parameter = "w", thunder.initial = 0.0},
    %step: tensor<i64> {thunder.parameter = "step", thunder.initial = 0 : i64}, %x: tensor<3xf32>)
    -> (tensor<f32> {thunder.name = "loss"}, tensor<i64> {thunder.name = "count"}) {
  %loss, %gradient = func.call @loss_value_and_grad(%w, %x) : (tensor<3xf32>, tensor<3xf32>) -> (tensor<f32>, tensor<3xf32>)
  %rate = thunder.full value = 0.125 : f32 : tensor<3xf32>
  %change = thunder.mul %rate, %gradient : tensor<3xf32>
  %new = thunder.sub %w, %change : tensor<3xf32>
  thunder.copy_into %new, %w : (tensor<3xf32>, tensor<3xf32>)
  %one = thunder.full value = 1 : i64 : tensor<i64>
  %next = thunder.add %step, %one : tensor<i64>
  thunder.copy_into %next, %step : (tensor<i64>, tensor<i64>)
  return %loss, %next : tensor<f32>, tensor<i64>
}
