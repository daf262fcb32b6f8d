// RUN: thunder-opt %s --split-input-file --thunder-autodiff=function=f --canonicalize --thunder-decompose --canonicalize --cse --thunder-remat --cse 2>&1 | FileCheck %s
// RUN: thunder-opt %s --split-input-file --thunder-autodiff=function=f --canonicalize --thunder-decompose --canonicalize --cse --thunder-remat=max-recompute=0%% --thunder-split-joint -o /dev/null 2>&1 | FileCheck %s --check-prefix=LEAST
// RUN: thunder-opt %s --split-input-file --thunder-autodiff=function=f --canonicalize --cse --thunder-remat=budget=100 -o /dev/null 2>&1 | FileCheck %s --check-prefix=BUDGET
// RUN: thunder-opt %s --split-input-file --thunder-autodiff=function=f --canonicalize --cse --thunder-remat=sizes=rows=8 -o /dev/null 2>&1 | FileCheck %s --check-prefix=SIZES
// RUN: not thunder-opt %s --split-input-file --thunder-autodiff=function=f --thunder-remat=max-recompute=much 2>&1 | FileCheck %s --check-prefix=BAD

// BAD: error: 'builtin.module' op option max-recompute: 'much' is no percentage, such as 15%

// What costs much is kept, what follows from it is computed again: one value instead of three. Merging equal ops does
// not undo that.
// CHECK: remark: 'func.func' op keeps 1 values of 16384 bytes for its backward part instead of 3 of 49152; computes
// LEAST: remark: 'func.func' op keeps 3 values of 49152 bytes
// BUDGET: remark: 'func.func' op keeps 0 values of 0 bytes
// CHECK-LABEL: func.func @f_vjp
// CHECK: %[[A:.*]] = thunder.exp
// CHECK: %[[B:.*]] = thunder.sin %[[A]]
// CHECK: thunder.mul %[[B]], %[[A]]
// CHECK: %[[K:.*]] = exec.barrier %[[A]]
// CHECK: %[[S:.*]] = thunder.sin %[[K]]
// CHECK: thunder.mul %[[S]], %[[K]]
// CHECK: return
func.func @f(%x: tensor<64x64xf32>, %w: tensor<64x64xf32>) -> tensor<64x64xf32> {
  %h = thunder.matmul %x, %w : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
  %a = thunder.exp %h : tensor<64x64xf32>
  %b = thunder.sin %a : tensor<64x64xf32>
  %c = thunder.mul %b, %a : tensor<64x64xf32>
  %y = thunder.matmul %c, %w : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
  return %y : tensor<64x64xf32>
}

// -----

// Regions are not kept, whatever the limit; what a region makes for others is.
// LEAST: remark: 'func.func' op keeps 1 values of 16384 bytes for its backward part instead of 2 of 32768; computes 2 ops of
// CHECK-LABEL: func.func @f_vjp
// CHECK: %[[T:.*]] = thunder.tanh
// CHECK: %[[K:.*]] = exec.barrier %[[T]]
// CHECK: %[[B:.*]] = thunder.matmul %[[K]]
// CHECK: thunder.exp %[[B]]
func.func @f(%x: tensor<64x64xf32>, %w: tensor<64x64xf32>) -> tensor<64x64xf32> {
  %h = thunder.matmul %x, %w {thunder.checkpoint = 0 : i64} : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
  %a = thunder.tanh %h {thunder.checkpoint = 0 : i64} : tensor<64x64xf32>
  %b = thunder.matmul %a, %w {thunder.checkpoint = 1 : i64} : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
  %c = thunder.exp %b {thunder.checkpoint = 1 : i64} : tensor<64x64xf32>
  %d = thunder.matmul %c, %w {thunder.checkpoint = 1 : i64} : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
  return %d : tensor<64x64xf32>
}

// -----

// Dynamic sizes count as assumed.
// CHECK: remark: 'func.func' op keeps 1 values of 32768 bytes for its backward part instead of 3 of 98304;
// SIZES: remark: 'func.func' op keeps 1 values of 2048 bytes for its backward part instead of 3 of 6144;
func.func @f(%x: tensor<?x64xf32> {thunder.dims = ["rows", ""]}, %w: tensor<64x64xf32>) -> tensor<?x64xf32> {
  %h = thunder.matmul %x, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %a = thunder.exp %h : tensor<?x64xf32>
  %b = thunder.sin %a : tensor<?x64xf32>
  %c = thunder.mul %b, %a : tensor<?x64xf32>
  %y = thunder.matmul %c, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
