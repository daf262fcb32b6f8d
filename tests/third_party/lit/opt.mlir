// RUN: acme-opt %s --canonicalize --cse | FileCheck %s
// RUN: acme-opt %s --thunder-plan | FileCheck %s --check-prefix=PLAN
// RUN: acme-opt --list-ops | FileCheck %s --check-prefix=LIST

// MLIR and the framework treat a third party's ops as their own.

// CHECK-LABEL: @shared(
// CHECK-NEXT: %[[Y:.*]] = acme.soft_clip %{{.*}} limit = 2.0 : tensor<4x8xf32>
// CHECK-NEXT: %[[Z:.*]] = thunder.add %[[Y]], %[[Y]] : tensor<4x8xf32>
// CHECK-NEXT: return %[[Z]]
func.func @shared(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %a = acme.soft_clip %x limit = 2.0 : tensor<4x8xf32>
  %b = acme.soft_clip %x limit = 2.0 : tensor<4x8xf32>
  %unused = acme.l2_normalize %x axis = 1 : tensor<4x8xf32>
  %c = thunder.add %a, %b : tensor<4x8xf32>
  return %c : tensor<4x8xf32>
}

// CHECK-LABEL: @folded(
// CHECK-NEXT: %[[Y:.*]] = thunder.constant value = dense<0.000000e+00> : tensor<3xf32>
// CHECK-NEXT: return %[[Y]]
func.func @folded() -> tensor<3xf32> {
  %zero = thunder.full value = 0.0 : f32 : tensor<3xf32>
  %y = acme.soft_clip %zero : tensor<3xf32>
  return %y : tensor<3xf32>
}

// A third party's rule, and the dialect's own, meet: -soft_clip(-x) == soft_clip(x).
// PLAN-LABEL: @planned(
// PLAN-NEXT: %[[Y:.*]] = acme.soft_clip %arg0 limit = 2.0
// PLAN-NEXT: return %[[Y]]
func.func @planned(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %a = thunder.neg %x : tensor<4x8xf32>
  %b = acme.soft_clip %a limit = 2.0 : tensor<4x8xf32>
  %c = thunder.neg %b : tensor<4x8xf32>
  return %c : tensor<4x8xf32>
}

// LIST: acme.soft_clip
// LIST: acme.l2_normalize
