// RUN: thunder-opt %s --thunder-decompose=all=true --thunder-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=TABLE
// RUN: thunder-opt %s --thunder-decompose=all=true --thunder-statistics=json -o /dev/null 2>&1 | FileCheck %s --check-prefix=JSON
// RUN: thunder-opt %s --cse --thunder-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: thunder-opt %s --thunder-decompose -o /dev/null 2>&1 | count 0

// TABLE: 1 thunder-decompose composites
// JSON: "count": 1,
// JSON-NEXT: "name": "composites",
// JSON-NEXT: "pass": "thunder-decompose"
// NONE: no pass counted anything
func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = thunder.softmax %x axis = 0 : tensor<4xf32>
  return %0 : tensor<4xf32>
}
