// RUN: thunder-opt %s --split-input-file --thunder-autocast --canonicalize | FileCheck %s
// RUN: thunder-opt %s --split-input-file --thunder-autocast="dtype=f16 widen=thunder.linear" | FileCheck %s --check-prefix=OTHER
// RUN: thunder-opt %s --split-input-file --thunder-autocast --thunder-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=STAT
// RUN: not thunder-opt %s --split-input-file --thunder-autocast=dtype=i8 2>&1 | FileCheck %s --check-prefix=BAD

// STAT-DAG: thunder-autocast conversions
// STAT-DAG: thunder-autocast lowered ops
// BAD: error: 'builtin.module' op option dtype: 'i8' is neither bf16 nor f16

// Products are lowered, what follows keeps that, a softmax is widened. A weight is converted once, what is returned is
// as stated.
// CHECK-LABEL: func.func @classes(
// CHECK-SAME: %[[X:[^:]*]]: tensor<4x8xf32>, %[[W:[^:]*]]: tensor<8x8xf32>) -> tensor<4x8xf32>
// CHECK-DAG: %[[XL:.*]] = thunder.convert %[[X]] : tensor<4x8xf32> -> tensor<4x8xbf16>
// CHECK-DAG: %[[WL:.*]] = thunder.convert %[[W]] : tensor<8x8xf32> -> tensor<8x8xbf16>
// CHECK: %[[H:.*]] = thunder.linear %[[XL]], %[[WL]]
// CHECK: %[[R:.*]] = thunder.relu %[[H]] : tensor<4x8xbf16>
// CHECK: %[[S:.*]] = thunder.linear %[[R]], %[[WL]]
// CHECK: %[[SW:.*]] = thunder.convert %[[S]] : tensor<4x8xbf16> -> tensor<4x8xf32>
// CHECK: %[[P:.*]] = thunder.softmax %[[SW]] axis = 1 : tensor<4x8xf32>
// CHECK: %[[PL:.*]] = thunder.convert %[[P]]
// CHECK: %[[Y:.*]] = thunder.linear %[[PL]], %[[WL]]
// CHECK: %[[YW:.*]] = thunder.convert %[[Y]]
// CHECK: return %[[YW]] : tensor<4x8xf32>
// OTHER-LABEL: func.func @classes(
// OTHER-NOT: f16
// OTHER: return
func.func @classes(%x: tensor<4x8xf32>, %w: tensor<8x8xf32>) -> tensor<4x8xf32> {
  %h = thunder.linear %x, %w : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
  %r = thunder.relu %h : tensor<4x8xf32>
  %s = thunder.linear %r, %w : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
  %p = thunder.softmax %s axis = 1 : tensor<4x8xf32>
  %y = thunder.linear %p, %w : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// -----

// A constant does not widen what it meets: one half is a bf16, a tenth is not, so that product is rounded after it. What
// is single precision does.
// CHECK-LABEL: func.func @constants(
// CHECK: %[[M:.*]] = thunder.matmul {{.*}} -> tensor<4x4xbf16>
// CHECK: %[[H:.*]] = thunder.mul %[[M]], %{{.*}} : tensor<4x4xbf16>
// CHECK: %[[HW:.*]] = thunder.convert %[[H]] : tensor<4x4xbf16> -> tensor<4x4xf32>
// CHECK: %[[T:.*]] = thunder.mul %[[HW]], %{{.*}} : tensor<4x4xf32>
// CHECK: %[[TL:.*]] = thunder.convert %[[T]] : tensor<4x4xf32> -> tensor<4x4xbf16>
// CHECK: %[[TW:.*]] = thunder.convert %[[TL]] : tensor<4x4xbf16> -> tensor<4x4xf32>
// CHECK: thunder.add %[[TW]], %{{.*}} : tensor<4x4xf32>
func.func @constants(%x: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %half = thunder.constant value = dense<0.5> : tensor<4x4xf32> : tensor<4x4xf32>
  %tenth = thunder.full value = 0.1 : f32 : tensor<4x4xf32>
  %m = thunder.matmul %x, %x : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %h = thunder.mul %m, %half : tensor<4x4xf32>
  %t = thunder.mul %h, %tenth : tensor<4x4xf32>
  %s = thunder.add %t, %x : tensor<4x4xf32>
  return %s : tensor<4x4xf32>
}

// -----

// What the program says itself stays: other dtypes, and the class of an op.
// CHECK-LABEL: func.func @stated(
// CHECK: thunder.matmul {{.*}} -> tensor<4x4xf64>
// CHECK: thunder.matmul {{.*}} -> tensor<4x4xf32>
// CHECK: thunder.exp %{{.*}} {thunder.precision = "lower"} : tensor<4x4xbf16>
func.func @stated(%d: tensor<4x4xf64>, %x: tensor<4x4xf32>) -> (tensor<4x4xf64>, tensor<4x4xf32>) {
  %a = thunder.matmul %d, %d : (tensor<4x4xf64>, tensor<4x4xf64>) -> tensor<4x4xf64>
  %b = thunder.matmul %x, %x {thunder.precision = "widen"} : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %e = thunder.exp %b {thunder.precision = "lower"} : tensor<4x4xf32>
  return %a, %e : tensor<4x4xf64>, tensor<4x4xf32>
}

// -----

// What a loop is given, and what it gives, is as its functions state it; these are cast by themselves.
// CHECK-LABEL: func.func private @body(
// CHECK: thunder.convert %{{.*}} : tensor<8x8xf32> -> tensor<8x8xbf16>
// CHECK: return %{{.*}} : tensor<8x8xf32>
// CHECK-LABEL: func.func @looped(
// CHECK: %[[H:.*]] = thunder.linear %{{.*}} : (tensor<8x8xbf16>, tensor<8x8xbf16>) -> tensor<8x8xbf16>
// CHECK: %[[HW:.*]] = thunder.convert %[[H]] : tensor<8x8xbf16> -> tensor<8x8xf32>
// CHECK: %[[Y:.*]] = exec.while %[[HW]] condition = @condition body = @body : tensor<8x8xf32> -> tensor<8x8xf32>
// CHECK: return %[[Y]] : tensor<8x8xf32>
func.func private @condition(%x: tensor<8x8xf32>) -> tensor<i1> {
  %s = thunder.sum %x axes = [0, 1] : tensor<8x8xf32> -> tensor<f32>
  %z = thunder.full value = 0.0 : f32 : tensor<f32>
  %c = thunder.lt %s, %z : (tensor<f32>, tensor<f32>) -> tensor<i1>
  return %c : tensor<i1>
}
func.func private @body(%x: tensor<8x8xf32>) -> tensor<8x8xf32> {
  %y = thunder.linear %x, %x : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  return %y : tensor<8x8xf32>
}
func.func @looped(%x: tensor<8x8xf32>) -> tensor<8x8xf32> {
  %h = thunder.linear %x, %x : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  %y = exec.while %h condition = @condition body = @body : tensor<8x8xf32> -> tensor<8x8xf32>
  return %y : tensor<8x8xf32>
}
