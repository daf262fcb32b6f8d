// Text, generic text and bytecode say the same.
// RUN: thunder-opt %s | FileCheck %s
// RUN: thunder-opt %s --mlir-print-op-generic | thunder-opt | FileCheck %s
// RUN: thunder-opt %s --emit-bytecode | thunder-opt | FileCheck %s
// RUN: thunder-opt %s --verify-roundtrip | FileCheck %s
// RUN: thunder-opt %s --mlir-print-op-generic | FileCheck %s --check-prefix=GENERIC
// RUN: thunder-opt %s --mlir-print-debuginfo | FileCheck %s --check-prefix=LOCATION

// CHECK: thunder.matmul %{{.+}}, %{{.+}} {note = "kept"} : (tensor<?x3xf32>, tensor<3x4xf32>) -> tensor<?x4xf32>
// GENERIC: "thunder.matmul"(%{{.+}}, %{{.+}}) {note = "kept"} : (tensor<?x3xf32>, tensor<3x4xf32>) -> tensor<?x4xf32>
// LOCATION: thunder.matmul {{.*}} loc(#[[AT:.+]])
// LOCATION: #[[AT]] = loc("{{.*}}opt_forms.mlir":[[#@LINE+2]]:8)
func.func @product(%a: tensor<?x3xf32>, %b: tensor<3x4xf32>) -> tensor<?x4xf32> {
  %c = thunder.matmul %a, %b {note = "kept"} : (tensor<?x3xf32>, tensor<3x4xf32>) -> tensor<?x4xf32>
  return %c : tensor<?x4xf32>
}
