// RUN: acme-compile %s --compile-to functional | FileCheck %s --check-prefix=FUNCTIONAL
// RUN: acme-compile %s --compile-to planned | FileCheck %s --check-prefix=PLANNED
// RUN: acme-compile %s --compile-to tensors | FileCheck %s --check-prefix=TENSORS
// RUN: acme-compile %s -o %t.thb
// RUN: thunder-run %t.thb --input random:1:3x16 --output %t.safetensors | FileCheck %s --check-prefix=SHAPE
// RUN: acme-run %s --input random:1:3x16 --expect %t.safetensors

// What nobody claims is decomposed, then one kernel holds all, and the runtime needs no compiler.

// FUNCTIONAL-LABEL: @main(
// FUNCTIONAL-NOT: acme.l2_normalize
// FUNCTIONAL: acme.soft_clip
// PLANNED: acme.soft_clip
// TENSORS-NOT: acme.
// TENSORS: math.tanh
// SHAPE: f32[3, 16]
func.func @main(%x: tensor<?x16xf32>) -> tensor<?x16xf32> {
  %y = acme.l2_normalize %x axis = 1 : tensor<?x16xf32>
  %z = acme.soft_clip %y limit = 0.5 : tensor<?x16xf32>
  return %z : tensor<?x16xf32>
}
