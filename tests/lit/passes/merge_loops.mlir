// RUN: thunder-opt %s --thunder-merge-loops | FileCheck %s

#id = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>
#column = affine_map<(d0, d1) -> (d1)>
#one = affine_map<(d0) -> (d0)>
#swap = affine_map<(d0, d1) -> (d1, d0)>

// What is made for another loop nest and for others is a scalar to the first.
// CHECK-LABEL: func.func @producer
// CHECK: %[[BOTH:.*]]:2 = linalg.generic
// CHECK-SAME: ins(%arg0 : tensor<?x8xf32>)
// CHECK: %[[E:.*]] = math.exp
// CHECK-NEXT: %[[S:.*]] = math.sqrt %[[E]]
// CHECK-NEXT: linalg.yield %[[E]], %[[S]]
// CHECK: return %[[BOTH]]#0, %[[BOTH]]#1
func.func @producer(%x: tensor<?x8xf32>, %to: tensor<?x8xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  %a = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<?x8xf32>) outs(%to : tensor<?x8xf32>) {
  ^bb0(%in: f32, %out: f32):
    %e = math.exp %in : f32
    linalg.yield %e : f32
  } -> tensor<?x8xf32>
  %b = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%a : tensor<?x8xf32>) outs(%to : tensor<?x8xf32>) {
  ^bb0(%in: f32, %out: f32):
    %s = math.sqrt %in : f32
    linalg.yield %s : f32
  } -> tensor<?x8xf32>
  return %a, %b : tensor<?x8xf32>, tensor<?x8xf32>
}

// Two that read the same read it once; a row's number is another access of the same loops.
// CHECK-LABEL: func.func @siblings
// CHECK: linalg.generic
// CHECK-SAME: ins(%arg0, %arg1 : tensor<4x8xf32>, tensor<4xf32>)
// CHECK-NOT: linalg.generic
func.func @siblings(%x: tensor<4x8xf32>, %r: tensor<4xf32>, %to: tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>) {
  %a = linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %r : tensor<4x8xf32>, tensor<4xf32>) outs(%to : tensor<4x8xf32>) {
  ^bb0(%in: f32, %row: f32, %out: f32):
    %e = arith.addf %in, %row : f32
    linalg.yield %e : f32
  } -> tensor<4x8xf32>
  %b = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<4x8xf32>) outs(%to : tensor<4x8xf32>) {
  ^bb0(%in: f32, %out: f32):
    %s = math.sqrt %in : f32
    linalg.yield %s : f32
  } -> tensor<4x8xf32>
  return %a, %b : tensor<4x8xf32>, tensor<4x8xf32>
}

// What starts from its result's old elements goes on doing so, though nobody else reads that result.
// CHECK-LABEL: func.func @starts
// CHECK: %[[BOTH:.*]]:2 = linalg.generic
// CHECK-SAME: ins(%arg0 : tensor<4x8xf32>) outs(%arg1, %arg1 : tensor<4x8xf32>, tensor<4x8xf32>)
// CHECK-NEXT: ^bb0(%[[IN:.*]]: f32, %[[OLD:.*]]: f32, %{{.*}}: f32):
// CHECK-NEXT: %[[E:.*]] = arith.addf %[[IN]], %[[OLD]]
// CHECK: return %[[BOTH]]#1
func.func @starts(%x: tensor<4x8xf32>, %to: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %a = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<4x8xf32>) outs(%to : tensor<4x8xf32>) {
  ^bb0(%in: f32, %out: f32):
    %e = arith.addf %in, %out : f32
    linalg.yield %e : f32
  } -> tensor<4x8xf32>
  %b = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%a : tensor<4x8xf32>) outs(%to : tensor<4x8xf32>) {
  ^bb0(%in: f32, %out: f32):
    %s = math.sqrt %in : f32
    linalg.yield %s : f32
  } -> tensor<4x8xf32>
  return %b : tensor<4x8xf32>
}

// One reads other elements than the other makes; sizes that differ, or may.
// CHECK-LABEL: func.func @apart
// CHECK-COUNT-4: linalg.generic
func.func @apart(%x: tensor<8x8xf32>, %y: tensor<?x8xf32>, %z: tensor<?x8xf32>) -> (tensor<8x8xf32>, tensor<8x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>) {
  %a = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<8x8xf32>) outs(%x : tensor<8x8xf32>) {
  ^bb0(%in: f32, %out: f32):
    %e = math.exp %in : f32
    linalg.yield %e : f32
  } -> tensor<8x8xf32>
  %b = linalg.generic {indexing_maps = [#swap, #id], iterator_types = ["parallel", "parallel"]}
      ins(%a : tensor<8x8xf32>) outs(%x : tensor<8x8xf32>) {
  ^bb0(%in: f32, %out: f32):
    %s = math.sqrt %in : f32
    linalg.yield %s : f32
  } -> tensor<8x8xf32>
  %c = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%y : tensor<?x8xf32>) outs(%y : tensor<?x8xf32>) {
  ^bb0(%in: f32, %out: f32):
    %e = math.exp %in : f32
    linalg.yield %e : f32
  } -> tensor<?x8xf32>
  %d = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%z : tensor<?x8xf32>) outs(%z : tensor<?x8xf32>) {
  ^bb0(%in: f32, %out: f32):
    %s = math.sqrt %in : f32
    linalg.yield %s : f32
  } -> tensor<?x8xf32>
  return %a, %b, %c, %d : tensor<8x8xf32>, tensor<8x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>
}

// Sums of the same; what reads a sum comes after it.
// CHECK-LABEL: func.func @sums
// CHECK: %[[SUMS:.*]]:2 = linalg.generic
// CHECK-SAME: iterator_types = ["reduction", "parallel"]
// CHECK: %[[SCALED:.*]] = linalg.generic
// CHECK-NOT: linalg.generic
// CHECK: return %[[SCALED]], %[[SUMS]]#1
func.func @sums(%x: tensor<?x8xf32>, %y: tensor<?x8xf32>, %to: tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>) {
  %a = linalg.generic {indexing_maps = [#id, #column], iterator_types = ["reduction", "parallel"]}
      ins(%x : tensor<?x8xf32>) outs(%to : tensor<8xf32>) {
  ^bb0(%in: f32, %out: f32):
    %e = arith.addf %in, %out : f32
    linalg.yield %e : f32
  } -> tensor<8xf32>
  %b = linalg.generic {indexing_maps = [#one, #one], iterator_types = ["parallel"]}
      ins(%a : tensor<8xf32>) outs(%to : tensor<8xf32>) {
  ^bb0(%in: f32, %out: f32):
    %e = arith.mulf %in, %in : f32
    linalg.yield %e : f32
  } -> tensor<8xf32>
  %c = linalg.generic {indexing_maps = [#id, #id, #column], iterator_types = ["reduction", "parallel"]}
      ins(%x, %y : tensor<?x8xf32>, tensor<?x8xf32>) outs(%to : tensor<8xf32>) {
  ^bb0(%in: f32, %other: f32, %out: f32):
    %p = arith.mulf %in, %other : f32
    %e = arith.addf %p, %out : f32
    linalg.yield %e : f32
  } -> tensor<8xf32>
  return %b, %c : tensor<8xf32>, tensor<8xf32>
}
