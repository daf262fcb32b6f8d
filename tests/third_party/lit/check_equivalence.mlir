// A pass that breaks a function is named, with the rewrite that does it and a program that shows it.

// RUN: not acme-opt %s --check-equivalence=%t.mlir --canonicalize --acme-drop-clips=limit=2.0 2>&1 | FileCheck %s
// RUN: FileCheck %s --check-prefix=FILE --input-file=%t.mlir
// RUN: not acme-opt %t.mlir --check-equivalence=%t.again.mlir --acme-drop-clips="limit=2.0 fuel=1" 2>&1 | FileCheck %s --check-prefix=AGAIN
// RUN: acme-opt %s --check-equivalence=%t.fine.mlir --acme-drop-clips=limit=9.0 2>&1 | FileCheck %s --check-prefix=FINE

// CHECK: error: 'acme-drop-clips', which must be exact, changes what functions compute: '@clipped' returns another value #0: {{.*}} elements differ
// CHECK: note: rewrite 1 is the first that does: 'acme-drop-clips{limit=2.0 fuel=1}'
// CHECK: note: '{{.*}}.mlir' shows it
// FILE: // thunder-opt --check-equivalence --pass-pipeline='builtin.module(acme-drop-clips{limit=2.0 fuel=1})' FILE
// FILE: func.func @clipped
// AGAIN: error: 'acme-drop-clips', which must be exact, changes
// FINE: acme-drop-clips{limit=9.0}: 1 function agrees
// FINE: acme.soft_clip
func.func @clipped(%x: tensor<4x?xf32>) -> tensor<4x?xf32> {
  %a = acme.soft_clip %x limit = 1.5 : tensor<4x?xf32>
  %b = acme.soft_clip %a limit = 2.5 : tensor<4x?xf32>
  %c = acme.soft_clip %b limit = 3.5 : tensor<4x?xf32>
  return %c : tensor<4x?xf32>
}
