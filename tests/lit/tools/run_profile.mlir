// The steps of the last run as a Chrome trace; a GPU's artifacts run on GPUs, all others do not.

// RUN: thunder-compile %s -o %t.thb
// RUN: thunder-run %t.thb --input random:1 --input random:2 --repeat 3 --profile %t.json | FileCheck %s
// RUN: FileCheck %s --check-prefix=TRACE < %t.json
// RUN: not thunder-run %t.thb --input random:1 --input random:2 --target gpu 2>&1 | FileCheck %s --check-prefix=TARGET
// RUN: not thunder-run %t.thb --input random:1 --input random:2 --profile %t/no/such.json 2>&1 | FileCheck %s --check-prefix=PATH

// CHECK: median of 3 runs
// TRACE: "traceEvents":[
// TRACE-NEXT: {"ph":"M","name":"process_name","pid":1,"args":{"name":"main on the processor"}},
// TRACE-NEXT: {"ph":"X","name":"{{.*}}matmul{{.*}}","cat":"library","pid":1,"tid":1,"ts":{{[0-9.]+}},"dur":{{[0-9.]+}}}
// TRACE: ]}
// TARGET: known are cpu, cuda and cuda:ARCHITECTURE
// PATH: error: writing '{{.*}}such.json'
func.func @main(%x: tensor<4x8xf32>, %w: tensor<8x8xf32>) -> (tensor<4x8xf32> {thunder.name = "y"}) {
  %h = thunder.matmul %x, %w : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
  %y = thunder.tanh %h : tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}
