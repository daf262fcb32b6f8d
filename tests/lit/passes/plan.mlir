// RUN: thunder-opt %s --thunder-plan | FileCheck %s
// RUN: thunder-opt %s --thunder-plan=numerics=fast | FileCheck %s --check-prefix=FAST
// RUN: thunder-opt %s --thunder-plan=rules=-transpose_of_transpose | FileCheck %s --check-prefix=WITHOUT
// RUN: not thunder-opt %s --thunder-plan=numerics=some 2>&1 | FileCheck %s --check-prefix=NUMERICS
// RUN: not thunder-opt %s --thunder-plan=rules=+nothing 2>&1 | FileCheck %s --check-prefix=RULE

// NUMERICS: numerics must be exact, fast or none, not 'some'
// RULE: no rule is called 'nothing'

// Transposes meet through what stands between them.
// CHECK-LABEL: func.func @transposes
// CHECK-NEXT: %[[E:.*]] = thunder.exp %arg0
// CHECK-NEXT: return %[[E]]
// WITHOUT-LABEL: func.func @transposes
// WITHOUT: thunder.transpose
// WITHOUT: thunder.transpose
func.func @transposes(%x: tensor<64x128xf32>) -> tensor<64x128xf32> {
  %a = thunder.transpose %x permutation = [1, 0] : tensor<64x128xf32> -> tensor<128x64xf32>
  %b = thunder.exp %a : tensor<128x64xf32>
  %c = thunder.transpose %b permutation = [1, 0] : tensor<128x64xf32> -> tensor<64x128xf32>
  return %c : tensor<64x128xf32>
}

// A repeated value is computed once where computing it again takes longer than one more kernel; the size of the
// repetition stays an operand.
// CHECK-LABEL: func.func @broadcast
// CHECK: %[[N:.*]] = thunder.dim %arg1
// CHECK: %[[E:.*]] = thunder.gelu %arg0 : tensor<4096xf32>
// CHECK: thunder.broadcast_in_dim %[[E]], [%[[N]]] dims = [1]
func.func @broadcast(%x: tensor<4096xf32>, %y: tensor<?x4096xf32>) -> tensor<?x4096xf32> {
  %n = thunder.dim %y axis = 0 : tensor<?x4096xf32> -> index
  %a = thunder.broadcast_in_dim %x, [%n] dims = [1] : (tensor<4096xf32>, index) -> tensor<?x4096xf32>
  %b = thunder.gelu %a : tensor<?x4096xf32>
  return %b : tensor<?x4096xf32>
}

// Small ones are computed within the kernel that repeats them.
// CHECK-LABEL: func.func @small_broadcast
// CHECK: thunder.exp {{.*}} : tensor<?x64xf32>
func.func @small_broadcast(%x: tensor<64xf32>, %y: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %n = thunder.dim %y axis = 0 : tensor<?x64xf32> -> index
  %a = thunder.broadcast_in_dim %x, [%n] dims = [1] : (tensor<64xf32>, index) -> tensor<?x64xf32>
  %b = thunder.exp %a : tensor<?x64xf32>
  return %b : tensor<?x64xf32>
}

// What is read transposed need not be transposed.
// CHECK-LABEL: func.func @linear
// CHECK-NEXT: %[[R:.*]] = thunder.linear %arg0, %arg1
// CHECK-NEXT: return %[[R]]
func.func @linear(%x: tensor<8x64xf32>, %w: tensor<32x64xf32>) -> tensor<8x32xf32> {
  %t = thunder.transpose %w permutation = [1, 0] : tensor<32x64xf32> -> tensor<64x32xf32>
  %r = thunder.matmul %x, %t : (tensor<8x64xf32>, tensor<64x32xf32>) -> tensor<8x32xf32>
  return %r : tensor<8x32xf32>
}

// Narrowing loses bits, also if widening follows; widening first loses none.
// CHECK-LABEL: func.func @narrow_then_wide
// CHECK: thunder.convert %arg0 : tensor<4xf32> -> tensor<4xf16>
// CHECK: thunder.convert {{.*}} -> tensor<4xf32>
// FAST-LABEL: func.func @narrow_then_wide
// FAST: thunder.convert
// FAST: thunder.convert
func.func @narrow_then_wide(%x: tensor<4xf32>) -> tensor<4xf32> {
  %a = thunder.convert %x : tensor<4xf32> -> tensor<4xf16>
  %b = thunder.convert %a : tensor<4xf16> -> tensor<4xf32>
  return %b : tensor<4xf32>
}

// CHECK-LABEL: func.func @wide_then_narrow
// CHECK-NEXT: return %arg0
func.func @wide_then_narrow(%x: tensor<4xf16>) -> tensor<4xf16> {
  %a = thunder.convert %x : tensor<4xf16> -> tensor<4xf32>
  %b = thunder.convert %a : tensor<4xf32> -> tensor<4xf16>
  return %b : tensor<4xf16>
}

// x + 0 is not x where x is -0, but x * 1 is; a rule's own constants are folded.
// CHECK-LABEL: func.func @zero
// CHECK: thunder.add
func.func @zero(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c = thunder.constant value = dense<0.0> : tensor<4xf32> : tensor<4xf32>
  %a = thunder.add %x, %c : tensor<4xf32>
  return %a : tensor<4xf32>
}

// The order of products is a matter of roundings.
// CHECK-LABEL: func.func @chain
// CHECK: thunder.matmul {{.*}} -> tensor<512x512xf32>
// FAST-LABEL: func.func @chain
// FAST: thunder.matmul %arg1, %arg2 {{.*}} -> tensor<512x4xf32>
func.func @chain(%x: tensor<512x512xf32>, %y: tensor<512x512xf32>, %z: tensor<512x4xf32>) -> tensor<512x4xf32> {
  %a = thunder.matmul %x, %y : (tensor<512x512xf32>, tensor<512x512xf32>) -> tensor<512x512xf32>
  %b = thunder.matmul %a, %z : (tensor<512x512xf32>, tensor<512x4xf32>) -> tensor<512x4xf32>
  return %b : tensor<512x4xf32>
}

// FAST-LABEL: func.func @softmax
// FAST-NEXT: %[[S:.*]] = thunder.softmax %arg0 axis = 1
// FAST-NEXT: return %[[S]]
func.func @softmax(%x: tensor<64x128xf32>) -> tensor<64x128xf32> {
  %m = thunder.amax %x axes = [1] keep_dims = true : tensor<64x128xf32> -> tensor<64x1xf32>
  %b = thunder.broadcast_in_dim %m, [] dims = [0, 1] : tensor<64x1xf32> -> tensor<64x128xf32>
  %d = thunder.sub %x, %b : tensor<64x128xf32>
  %e = thunder.exp %d : tensor<64x128xf32>
  %s = thunder.sum %e axes = [1] : tensor<64x128xf32> -> tensor<64xf32>
  %t = thunder.broadcast_in_dim %s, [] dims = [0] : tensor<64xf32> -> tensor<64x128xf32>
  %r = thunder.div %e, %t : tensor<64x128xf32>
  return %r : tensor<64x128xf32>
}

// What cannot get cheaper stays as it is: names, order and operands.
// CHECK-LABEL: func.func @unchanged
// CHECK-NEXT: %[[A:.*]] = thunder.exp %arg1
// CHECK-NEXT: %[[B:.*]] = thunder.exp %arg0
// CHECK-NEXT: thunder.add %[[A]], %[[B]]
func.func @unchanged(%x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xf32> {
  %a = thunder.exp %y : tensor<4xf32>
  %b = thunder.exp %x : tensor<4xf32>
  %c = thunder.add %a, %b : tensor<4xf32>
  return %c : tensor<4xf32>
}

// Annotations move to what replaces an op.
// CHECK-LABEL: func.func @annotated
// CHECK: thunder.sub %arg0, %arg1 {note.kept = "here"}
func.func @annotated(%x: tensor<64xf32>, %y: tensor<64xf32>) -> tensor<64xf32> {
  %a = thunder.neg %y : tensor<64xf32>
  %b = thunder.add %x, %a {note.kept = "here"} : tensor<64xf32>
  return %b : tensor<64xf32>
}

// A part of parts that were put together is a part of one of them.
// CHECK-LABEL: func.func @slice
// CHECK-NEXT: %[[S:.*]] = thunder.slice %arg1 start = [0, 1] limit = [8, 3] stride = [1, 1]
// CHECK-NEXT: return %[[S]]
func.func @slice(%x: tensor<8x5xf32>, %y: tensor<8x4xf32>) -> tensor<8x2xf32> {
  %c = thunder.concat %x, %y axis = 1 : (tensor<8x5xf32>, tensor<8x4xf32>) -> tensor<8x9xf32>
  %s = thunder.slice %c start = [0, 6] limit = [8, 8] stride = [1, 1] : tensor<8x9xf32> -> tensor<8x2xf32>
  return %s : tensor<8x2xf32>
}

// A part that reaches into both is not.
// CHECK-LABEL: func.func @slice_across
// CHECK: thunder.concat
func.func @slice_across(%x: tensor<8x5xf32>, %y: tensor<8x4xf32>) -> tensor<8x3xf32> {
  %c = thunder.concat %x, %y axis = 1 : (tensor<8x5xf32>, tensor<8x4xf32>) -> tensor<8x9xf32>
  %s = thunder.slice %c start = [0, 4] limit = [8, 7] stride = [1, 1] : tensor<8x9xf32> -> tensor<8x3xf32>
  return %s : tensor<8x3xf32>
}

// CHECK-LABEL: func.func @choice
// CHECK-NEXT: %[[R:.*]] = thunder.where %arg0, %arg2, %arg1
// CHECK-NEXT: return %[[R]]
func.func @choice(%c: tensor<64xi1>, %x: tensor<64xf32>, %y: tensor<64xf32>) -> tensor<64xf32> {
  %n = thunder.not %c : tensor<64xi1>
  %r = thunder.where %n, %x, %y : (tensor<64xi1>, tensor<64xf32>, tensor<64xf32>) -> tensor<64xf32>
  return %r : tensor<64xf32>
}

// A sum in two steps rounds twice.
// CHECK-LABEL: func.func @sums
// CHECK: thunder.sum
// CHECK: thunder.sum
// FAST-LABEL: func.func @sums
// FAST-NEXT: %[[S:.*]] = thunder.sum %arg0 axes = [0, 2]
// FAST-NEXT: return %[[S]]
func.func @sums(%x: tensor<8x16x32xf32>) -> tensor<16xf32> {
  %a = thunder.sum %x axes = [2] : tensor<8x16x32xf32> -> tensor<8x16xf32>
  %b = thunder.sum %a axes = [0] : tensor<8x16xf32> -> tensor<16xf32>
  return %b : tensor<16xf32>
}

// A factor goes where fewest elements are.
// FAST-LABEL: func.func @scale
// FAST: thunder.matmul %arg0, %arg1
// FAST: thunder.mul {{.*}} : tensor<4x512xf32>
func.func @scale(%x: tensor<4x512xf32>, %w: tensor<512x512xf32>) -> tensor<4x512xf32> {
  %c = thunder.constant value = dense<0.125> : tensor<512x512xf32> : tensor<512x512xf32>
  %s = thunder.mul %w, %c : tensor<512x512xf32>
  %r = thunder.matmul %x, %s : (tensor<4x512xf32>, tensor<512x512xf32>) -> tensor<4x512xf32>
  return %r : tensor<4x512xf32>
}

// One product is less than two; also where sizes are dynamic.
// FAST-LABEL: func.func @distribute
// FAST-NEXT: %[[S:.*]] = thunder.add %arg0, %arg1
// FAST-NEXT: %[[R:.*]] = thunder.linear %[[S]], %arg2
// FAST-NEXT: return %[[R]]
func.func @distribute(%x: tensor<?x512xf32>, %y: tensor<?x512xf32>, %w: tensor<512x512xf32>) -> tensor<?x512xf32> {
  %a = thunder.linear %x, %w : (tensor<?x512xf32>, tensor<512x512xf32>) -> tensor<?x512xf32>
  %b = thunder.linear %y, %w : (tensor<?x512xf32>, tensor<512x512xf32>) -> tensor<?x512xf32>
  %r = thunder.add %a, %b : tensor<?x512xf32>
  return %r : tensor<?x512xf32>
}

// What is not pure keeps its place, and what it makes is used after it.
// CHECK-LABEL: func.func @calls
// CHECK: %[[A:.*]] = call @choice
// CHECK-NEXT: thunder.sub %[[A]], %arg1
func.func @calls(%c: tensor<64xi1>, %x: tensor<64xf32>) -> tensor<64xf32> {
  %n = thunder.neg %x : tensor<64xf32>
  %a = func.call @choice(%c, %x, %x) : (tensor<64xi1>, tensor<64xf32>, tensor<64xf32>) -> tensor<64xf32>
  %m = thunder.neg %x : tensor<64xf32>
  %r = thunder.add %a, %m : tensor<64xf32>
  %s = thunder.add %r, %n : tensor<64xf32>
  return %s : tensor<64xf32>
}

// Regions that are graphs stay as they are: nothing in them has an order.
// CHECK-LABEL: func.func @graph
// CHECK: %[[A:.*]] = thunder.neg %[[B:.*]] : tensor<64xf32>
// CHECK-NEXT: %[[B]] = thunder.neg %[[A]]
func.func @graph() {
  builtin.module {
    %a = thunder.neg %b : tensor<64xf32>
    %b = thunder.neg %a : tensor<64xf32>
  }
  return
}

// A constant goes before what its user goes before.
// CHECK-LABEL: func.func @late_constant
// CHECK: thunder.constant
// CHECK: thunder.sub
// CHECK: return
func.func @late_constant(%x: tensor<64xf32>, %y: tensor<64xf32>) -> (tensor<64xf32>, tensor<64xf32>) {
  %n = thunder.neg %y : tensor<64xf32>
  %a = thunder.add %x, %n : tensor<64xf32>
  %c = thunder.constant value = dense<3.0> : tensor<64xf32> : tensor<64xf32>
  %b = thunder.mul %a, %c : tensor<64xf32>
  return %a, %b : tensor<64xf32>, tensor<64xf32>
}

// Products of one value by weights are one product by all of them, which are joined before the program runs. A library
// takes its parts as views; a kernel would rather run on blocks of a product of its own. Products by what comes with each
// run are left alone.
// CHECK-LABEL: func.func @weights
// CHECK: %[[W:.*]] = thunder.concat %arg1, %arg2 axis = 0
// CHECK: %[[P:.*]] = thunder.linear %arg0, %[[W]] : {{.*}} -> tensor<8x96xf32>
// CHECK: thunder.slice %[[P]] start = [0, 0] limit = [{{.*}}, 32]
// CHECK: thunder.slice %[[P]] start = [0, 32] limit = [{{.*}}, 96]
func.func @weights(
    %x: tensor<8x64xf32>, %v: tensor<32x64xf32> {thunder.parameter = "v"},
    %w: tensor<64x64xf32> {thunder.parameter = "w"}, %y: tensor<4x32xf32>, %z: tensor<4x64xf32>)
    -> (tensor<8x4xf32>, tensor<8x4xf32>) {
  %a = thunder.linear %x, %v : (tensor<8x64xf32>, tensor<32x64xf32>) -> tensor<8x32xf32>
  %b = thunder.linear %x, %w : (tensor<8x64xf32>, tensor<64x64xf32>) -> tensor<8x64xf32>
  %c = thunder.linear %a, %y : (tensor<8x32xf32>, tensor<4x32xf32>) -> tensor<8x4xf32>
  %d = thunder.linear %b, %z : (tensor<8x64xf32>, tensor<4x64xf32>) -> tensor<8x4xf32>
  return %c, %d : tensor<8x4xf32>, tensor<8x4xf32>
}

// CHECK-LABEL: func.func @epilogues
// CHECK-NOT: thunder.concat
// CHECK: return
func.func @epilogues(
    %x: tensor<8x64xf32>, %v: tensor<32x64xf32> {thunder.parameter = "v"},
    %w: tensor<64x64xf32> {thunder.parameter = "w"}) -> (tensor<8x32xf32>, tensor<8x64xf32>) {
  %a = thunder.linear %x, %v : (tensor<8x64xf32>, tensor<32x64xf32>) -> tensor<8x32xf32>
  %b = thunder.linear %x, %w : (tensor<8x64xf32>, tensor<64x64xf32>) -> tensor<8x64xf32>
  %c = thunder.tanh %a : tensor<8x32xf32>
  %d = thunder.tanh %b : tensor<8x64xf32>
  return %c, %d : tensor<8x32xf32>, tensor<8x64xf32>
}

// CHECK-LABEL: func.func @inputs
// CHECK-NOT: thunder.concat
// CHECK: return
func.func @inputs(
    %x: tensor<8x64xf32>, %v: tensor<32x64xf32>, %w: tensor<64x64xf32>, %y: tensor<4x32xf32>, %z: tensor<4x64xf32>)
    -> (tensor<8x4xf32>, tensor<8x4xf32>) {
  %a = thunder.linear %x, %v : (tensor<8x64xf32>, tensor<32x64xf32>) -> tensor<8x32xf32>
  %b = thunder.linear %x, %w : (tensor<8x64xf32>, tensor<64x64xf32>) -> tensor<8x64xf32>
  %c = thunder.linear %a, %y : (tensor<8x32xf32>, tensor<4x32xf32>) -> tensor<8x4xf32>
  %d = thunder.linear %b, %z : (tensor<8x64xf32>, tensor<4x64xf32>) -> tensor<8x4xf32>
  return %c, %d : tensor<8x4xf32>, tensor<8x4xf32>
}
