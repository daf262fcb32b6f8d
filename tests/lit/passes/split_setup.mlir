// RUN: thunder-opt %s --split-input-file --thunder-functionalize --thunder-split-setup | FileCheck %s

// What depends on parameters alone is made once. Parameters that nothing else reads are the other function's only; all
// are, in their order.
// CHECK-LABEL: func.func @hoisted(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<?x4xf32>, %[[ARG1:.+]]: tensor<4x4xbf16> {thunder.parameter = "setup.0"}, %[[ARG2:.+]]: tensor<4xf32> {thunder.parameter = "setup.1"}) -> (tensor<?x4xbf16> {thunder.name = "y"}, tensor<4xf32>) attributes {thunder.setup = @hoisted_setup}
// CHECK-NEXT:  %[[V0:.+]] = thunder.convert %[[ARG0]] : tensor<?x4xf32> -> tensor<?x4xbf16>
// CHECK-NEXT:  %[[V1:.+]] = thunder.matmul %[[V0]], %[[ARG1]] : (tensor<?x4xbf16>, tensor<4x4xbf16>) -> tensor<?x4xbf16>
// CHECK-NEXT:  return %[[V1]], %[[ARG2]] : tensor<?x4xbf16>, tensor<4xf32>
func.func @hoisted(%x: tensor<?x4xf32>, %w: tensor<4x4xf32> {thunder.parameter = "w"},
    %scale: tensor<4x4xf32> {thunder.parameter = "scale"}, %b: tensor<4xf32> {thunder.parameter = "b"},
    %unused: tensor<4xf32> {thunder.parameter = "unused"}) -> (tensor<?x4xbf16> {thunder.name = "y"}, tensor<4xf32>) {
  %s = thunder.mul %w, %scale : tensor<4x4xf32>
  %n = thunder.convert %s : tensor<4x4xf32> -> tensor<4x4xbf16>
  %xn = thunder.convert %x : tensor<?x4xf32> -> tensor<?x4xbf16>
  %y = thunder.matmul %xn, %n : (tensor<?x4xbf16>, tensor<4x4xbf16>) -> tensor<?x4xbf16>
  %e = thunder.exp %b : tensor<4xf32>
  %r = thunder.add %e, %b : tensor<4xf32>
  return %y, %r : tensor<?x4xbf16>, tensor<4xf32>
}
// CHECK-LABEL: func.func private @hoisted_setup(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<4x4xf32> {thunder.parameter = "w"}, %[[ARG1:.+]]: tensor<4x4xf32> {thunder.parameter = "scale"}, %[[ARG2:.+]]: tensor<4xf32> {thunder.parameter = "b"}, %[[ARG3:.+]]: tensor<4xf32> {thunder.parameter = "unused"}) -> (tensor<4x4xbf16> {thunder.name = "setup.0"}, tensor<4xf32> {thunder.name = "setup.1"})
// CHECK-NEXT:  %[[V0:.+]] = thunder.mul %[[ARG0]], %[[ARG1]] : tensor<4x4xf32>
// CHECK-NEXT:  %[[V1:.+]] = thunder.convert %[[V0]] : tensor<4x4xf32> -> tensor<4x4xbf16>
// CHECK-NEXT:  %[[V2:.+]] = thunder.exp %[[ARG2]] : tensor<4xf32>
// CHECK-NEXT:  %[[V3:.+]] = thunder.add %[[V2]], %[[ARG2]] : tensor<4xf32>
// CHECK-NEXT:  return %[[V1]], %[[V3]] : tensor<4x4xbf16>, tensor<4xf32>

// -----

// What the function updates is another value in each run.
// CHECK-LABEL: func.func @updated(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<4xf32>, %[[ARG1:.+]]: tensor<4xf32> {thunder.parameter = "w"}, %[[ARG2:.+]]: tensor<4xf32> {thunder.parameter = "s"}, %[[ARG3:.+]]: tensor<4xf32> {thunder.parameter = "setup.0"}) -> (tensor<4xf32>, tensor<4xf32> {thunder.name = "w", thunder.updates = 1 : i64}, tensor<4xf32> {thunder.name = "s", thunder.updates = 2 : i64}) attributes {thunder.setup = @updated_setup}
// CHECK-NEXT:  %[[V0:.+]] = thunder.exp %[[ARG1]] : tensor<4xf32>
// CHECK-NEXT:  %[[V1:.+]] = thunder.add %[[V0]], %[[ARG3]] : tensor<4xf32>
// CHECK-NEXT:  %[[V2:.+]] = thunder.add %[[ARG0]], %[[V1]] : tensor<4xf32>
// CHECK-NEXT:  %[[V3:.+]] = thunder.add %[[ARG2]], %[[V2]] : tensor<4xf32>
// CHECK-NEXT:  return %[[V2]], %[[V2]], %[[V3]] : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
func.func @updated(%x: tensor<4xf32>, %w: tensor<4xf32> {thunder.parameter = "w"},
    %b: tensor<4xf32> {thunder.parameter = "b"}, %s: tensor<4xf32> {thunder.parameter = "s"}) -> tensor<4xf32> {
  %e = thunder.exp %w : tensor<4xf32>
  %f = thunder.exp %b : tensor<4xf32>
  %y = thunder.add %e, %f : tensor<4xf32>
  %z = thunder.add %x, %y : tensor<4xf32>
  thunder.copy_into %z, %w : (tensor<4xf32>, tensor<4xf32>)
  %t = thunder.add %s, %z : tensor<4xf32>
  thunder.copy_into %t, %s : (tensor<4xf32>, tensor<4xf32>)
  return %z : tensor<4xf32>
}
// CHECK-LABEL: func.func private @updated_setup(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<4xf32> {thunder.parameter = "b"}) -> (tensor<4xf32> {thunder.name = "setup.0"})
// CHECK-NEXT:  %[[V0:.+]] = thunder.exp %[[ARG0]] : tensor<4xf32>
// CHECK-NEXT:  return %[[V0]] : tensor<4xf32>

// -----

// Views and values that are larger than what they are made from stay, on top of what is made once.
// CHECK-LABEL: func.func @views(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<3x2xf32>, %[[ARG1:.+]]: tensor<2x3xf32> {thunder.parameter = "w"}, %[[ARG2:.+]]: tensor<2x3xf32> {thunder.parameter = "setup.0"}, %[[ARG3:.+]]: tensor<2xf32> {thunder.parameter = "setup.1"}) -> tensor<3x2xf32> attributes {thunder.setup = @views_setup}
// CHECK-NEXT:  %[[V0:.+]] = thunder.transpose %[[ARG1]] permutation = [1, 0] : tensor<2x3xf32> -> tensor<3x2xf32>
// CHECK-NEXT:  %[[V1:.+]] = thunder.add %[[ARG0]], %[[V0]] : tensor<3x2xf32>
// CHECK-NEXT:  %[[V2:.+]] = thunder.transpose %[[ARG2]] permutation = [1, 0] : tensor<2x3xf32> -> tensor<3x2xf32>
// CHECK-NEXT:  %[[V3:.+]] = thunder.add %[[V1]], %[[V2]] : tensor<3x2xf32>
// CHECK-NEXT:  %[[V4:.+]] = thunder.broadcast_in_dim %[[ARG3]], [] dims = [1] : tensor<2xf32> -> tensor<3x2xf32>
// CHECK-NEXT:  %[[V5:.+]] = thunder.sin %[[V4]] : tensor<3x2xf32>
// CHECK-NEXT:  %[[V6:.+]] = thunder.add %[[V3]], %[[V5]] : tensor<3x2xf32>
// CHECK-NEXT:  return %[[V6]] : tensor<3x2xf32>
func.func @views(%x: tensor<3x2xf32>, %w: tensor<2x3xf32> {thunder.parameter = "w"},
    %b: tensor<2xf32> {thunder.parameter = "b"}) -> tensor<3x2xf32> {
  %t = thunder.transpose %w permutation = [1, 0] : tensor<2x3xf32> -> tensor<3x2xf32>
  %y = thunder.add %x, %t : tensor<3x2xf32>
  %e = thunder.exp %w : tensor<2x3xf32>
  %et = thunder.transpose %e permutation = [1, 0] : tensor<2x3xf32> -> tensor<3x2xf32>
  %z = thunder.add %y, %et : tensor<3x2xf32>
  %n = thunder.neg %b : tensor<2xf32>
  %bb = thunder.broadcast_in_dim %n, [] dims = [1] : tensor<2xf32> -> tensor<3x2xf32>
  %big = thunder.sin %bb : tensor<3x2xf32>
  %r = thunder.add %z, %big : tensor<3x2xf32>
  return %r : tensor<3x2xf32>
}
// CHECK-LABEL: func.func private @views_setup(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<2x3xf32> {thunder.parameter = "w"}, %[[ARG1:.+]]: tensor<2xf32> {thunder.parameter = "b"}) -> (tensor<2x3xf32> {thunder.name = "setup.0"}, tensor<2xf32> {thunder.name = "setup.1"})
// CHECK-NEXT:  %[[V0:.+]] = thunder.exp %[[ARG0]] : tensor<2x3xf32>
// CHECK-NEXT:  %[[V1:.+]] = thunder.neg %[[ARG1]] : tensor<2xf32>
// CHECK-NEXT:  return %[[V0]], %[[V1]] : tensor<2x3xf32>, tensor<2xf32>

// -----

// A view that strides cannot say is made once, and so is one that a library's op would have to copy.
// CHECK-LABEL: func.func @copied_views(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<6xf32>, %[[ARG1:.+]]: tensor<6xf32> {thunder.parameter = "setup.0"}) -> tensor<6xf32> attributes {thunder.setup = @copied_views_setup}
// CHECK-NEXT:  %[[V0:.+]] = thunder.add %[[ARG0]], %[[ARG1]] : tensor<6xf32>
// CHECK-NEXT:  return %[[V0]] : tensor<6xf32>
func.func @copied_views(%x: tensor<6xf32>, %w: tensor<2x3xf32> {thunder.parameter = "w"}) -> tensor<6xf32> {
  %t = thunder.transpose %w permutation = [1, 0] : tensor<2x3xf32> -> tensor<3x2xf32>
  %flat = thunder.reshape %t, [] : tensor<3x2xf32> -> tensor<6xf32>
  %y = thunder.add %x, %flat : tensor<6xf32>
  return %y : tensor<6xf32>
}
// CHECK-LABEL: func.func private @copied_views_setup(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<2x3xf32> {thunder.parameter = "w"}) -> (tensor<6xf32> {thunder.name = "setup.0"})
// CHECK-NEXT:  %[[V0:.+]] = thunder.transpose %[[ARG0]] permutation = [1, 0] : tensor<2x3xf32> -> tensor<3x2xf32>
// CHECK-NEXT:  %[[V1:.+]] = thunder.reshape %[[V0]], [] : tensor<3x2xf32> -> tensor<6xf32>
// CHECK-NEXT:  return %[[V1]] : tensor<6xf32>

// CHECK-LABEL: func.func @copied_by_convolution(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<1x2x5xf32>, %[[ARG1:.+]]: tensor<2x2x3xf32> {thunder.parameter = "setup.0"}) -> tensor<1x2x3xf32> attributes {thunder.setup = @copied_by_convolution_setup}
// CHECK-NEXT:  %[[V0:.+]] = thunder.convolution %[[ARG0]], %[[ARG1]] : (tensor<1x2x5xf32>, tensor<2x2x3xf32>) -> tensor<1x2x3xf32>
// CHECK-NEXT:  return %[[V0]] : tensor<1x2x3xf32>
func.func @copied_by_convolution(%x: tensor<1x2x5xf32>, %w: tensor<2x2x3xf32> {thunder.parameter = "w"})
    -> tensor<1x2x3xf32> {
  %t = thunder.transpose %w permutation = [1, 0, 2] : tensor<2x2x3xf32> -> tensor<2x2x3xf32>
  %y = thunder.convolution %x, %t : (tensor<1x2x5xf32>, tensor<2x2x3xf32>) -> tensor<1x2x3xf32>
  return %y : tensor<1x2x3xf32>
}
// CHECK-LABEL: func.func private @copied_by_convolution_setup(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<2x2x3xf32> {thunder.parameter = "w"}) -> (tensor<2x2x3xf32> {thunder.name = "setup.0"})
// CHECK-NEXT:  %[[V0:.+]] = thunder.transpose %[[ARG0]] permutation = [1, 0, 2] : tensor<2x2x3xf32> -> tensor<2x2x3xf32>
// CHECK-NEXT:  return %[[V0]] : tensor<2x2x3xf32>

// -----

// A product reads its weight as it lies in memory: there is nothing to do once.
// CHECK-LABEL: func.func @nothing(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<2x4xf32>, %[[ARG1:.+]]: tensor<3x4xf32> {thunder.parameter = "w"}, %[[ARG2:.+]]: tensor<3xf32> {thunder.parameter = "unused"}) -> tensor<2x3xf32>
// CHECK-NEXT:  %[[V0:.+]] = thunder.transpose %[[ARG1]] permutation = [1, 0] : tensor<3x4xf32> -> tensor<4x3xf32>
// CHECK-NEXT:  %[[V1:.+]] = thunder.matmul %[[ARG0]], %[[V0]] : (tensor<2x4xf32>, tensor<4x3xf32>) -> tensor<2x3xf32>
// CHECK-NEXT:  return %[[V1]] : tensor<2x3xf32>
func.func @nothing(%x: tensor<2x4xf32>, %w: tensor<3x4xf32> {thunder.parameter = "w"},
    %unused: tensor<3xf32> {thunder.parameter = "unused"}) -> tensor<2x3xf32> {
  %t = thunder.transpose %w permutation = [1, 0] : tensor<3x4xf32> -> tensor<4x3xf32>
  %y = thunder.matmul %x, %t : (tensor<2x4xf32>, tensor<4x3xf32>) -> tensor<2x3xf32>
  return %y : tensor<2x3xf32>
}

// -----

// What has no size of its own, or depends on an input, stays.
// CHECK-LABEL: func.func @dynamic(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<?x4xf32>, %[[ARG1:.+]]: tensor<i64>, %[[ARG2:.+]]: tensor<4x4xf32> {thunder.parameter = "w"}, %[[ARG3:.+]]: tensor<4xf32> {thunder.parameter = "setup.0"}) -> (tensor<?x4xf32>, tensor<2x4xf32>) attributes {thunder.setup = @dynamic_setup}
// CHECK-NEXT:  %[[V0:.+]] = thunder.dim %[[ARG0]] axis = 0 : tensor<?x4xf32> -> index
// CHECK-NEXT:  %[[V1:.+]] = thunder.broadcast_in_dim %[[ARG3]], [%[[V0]]] dims = [1] : (tensor<4xf32>, index) -> tensor<?x4xf32>
// CHECK-NEXT:  %[[V2:.+]] = thunder.exp %[[V1]] : tensor<?x4xf32>
// CHECK-NEXT:  %[[V3:.+]] = thunder.dynamic_slice %[[ARG2]], %[[ARG1]] axis = 0 size = 2 : (tensor<4x4xf32>, tensor<i64>) -> tensor<2x4xf32>
// CHECK-NEXT:  return %[[V2]], %[[V3]] : tensor<?x4xf32>, tensor<2x4xf32>
func.func @dynamic(%x: tensor<?x4xf32>, %i: tensor<i64>, %w: tensor<4x4xf32> {thunder.parameter = "w"})
    -> (tensor<?x4xf32>, tensor<2x4xf32>) {
  %n = thunder.dim %x axis = 0 : tensor<?x4xf32> -> index
  %e = thunder.amax %w axes = [0] : tensor<4x4xf32> -> tensor<4xf32>
  %b = thunder.broadcast_in_dim %e, [%n] dims = [1] : (tensor<4xf32>, index) -> tensor<?x4xf32>
  %y = thunder.exp %b : tensor<?x4xf32>
  %s = thunder.dynamic_slice %w, %i axis = 0 size = 2 : (tensor<4x4xf32>, tensor<i64>) -> tensor<2x4xf32>
  return %y, %s : tensor<?x4xf32>, tensor<2x4xf32>
}
// CHECK-LABEL: func.func private @dynamic_setup(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<4x4xf32> {thunder.parameter = "w"}) -> (tensor<4xf32> {thunder.name = "setup.0"})
// CHECK-NEXT:  %[[V0:.+]] = thunder.amax %[[ARG0]] axes = [0] : tensor<4x4xf32> -> tensor<4xf32>
// CHECK-NEXT:  return %[[V0]] : tensor<4xf32>

// -----

// What is made of constants alone has no weights to wait for.
// CHECK-LABEL: func.func @constants(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<4xf32>, %[[ARG1:.+]]: tensor<4xf32> {thunder.parameter = "setup.0"}) -> tensor<4xf32> attributes {thunder.setup = @constants_setup}
// CHECK-NEXT:  %[[V0:.+]] = thunder.iota axis = 0 : tensor<4xf32>
// CHECK-NEXT:  %[[V1:.+]] = thunder.exp %[[V0]] : tensor<4xf32>
// CHECK-NEXT:  %[[V2:.+]] = thunder.mul %[[ARG0]], %[[V1]] : tensor<4xf32>
// CHECK-NEXT:  %[[V3:.+]] = thunder.add %[[V2]], %[[ARG1]] : tensor<4xf32>
// CHECK-NEXT:  return %[[V3]] : tensor<4xf32>
func.func @constants(%x: tensor<4xf32>, %w: tensor<4xf32> {thunder.parameter = "w"}) -> tensor<4xf32> {
  %i = thunder.iota axis = 0 : tensor<4xf32>
  %e = thunder.exp %i : tensor<4xf32>
  %y = thunder.mul %x, %e : tensor<4xf32>
  %v = thunder.mul %w, %e : tensor<4xf32>
  %z = thunder.add %y, %v : tensor<4xf32>
  return %z : tensor<4xf32>
}
// CHECK-LABEL: func.func private @constants_setup(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<4xf32> {thunder.parameter = "w"}) -> (tensor<4xf32> {thunder.name = "setup.0"})
// CHECK-NEXT:  %[[V0:.+]] = thunder.iota axis = 0 : tensor<4xf32>
// CHECK-NEXT:  %[[V1:.+]] = thunder.exp %[[V0]] : tensor<4xf32>
// CHECK-NEXT:  %[[V2:.+]] = thunder.mul %[[ARG0]], %[[V1]] : tensor<4xf32>
// CHECK-NEXT:  return %[[V2]] : tensor<4xf32>

// -----

// A function that is called keeps its arguments; one without parameters stays as it is; names are new ones.
// CHECK-LABEL: func.func @called(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<4xf32> {thunder.parameter = "w"}) -> tensor<4xf32>
// CHECK-NEXT:  %[[V0:.+]] = thunder.exp %[[ARG0]] : tensor<4xf32>
// CHECK-NEXT:  return %[[V0]] : tensor<4xf32>
func.func @called(%w: tensor<4xf32> {thunder.parameter = "w"}) -> tensor<4xf32> {
  %e = thunder.exp %w : tensor<4xf32>
  return %e : tensor<4xf32>
}

// CHECK-LABEL: func.func @calls(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<4xf32>) -> tensor<4xf32>
// CHECK-NEXT:  %[[V0:.+]] = call @called(%[[ARG0]]) : (tensor<4xf32>) -> tensor<4xf32>
// CHECK-NEXT:  return %[[V0]] : tensor<4xf32>
func.func @calls(%x: tensor<4xf32>) -> tensor<4xf32> {
  %e = func.call @called(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %e : tensor<4xf32>
}

// CHECK-LABEL: func.func @names_setup(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<4xf32>) -> tensor<4xf32>
// CHECK-NEXT:  return %[[ARG0]] : tensor<4xf32>
func.func @names_setup(%w: tensor<4xf32>) -> tensor<4xf32> {
  return %w : tensor<4xf32>
}

// CHECK-LABEL: func.func @names(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<4xf32> {thunder.parameter = "setup.1"}) -> tensor<4xf32> attributes {thunder.setup = @names_setup_}
// CHECK-NEXT:  return %[[ARG0]] : tensor<4xf32>
func.func @names(%w: tensor<4xf32> {thunder.parameter = "setup.0"}) -> tensor<4xf32> {
  %e = thunder.exp %w : tensor<4xf32>
  return %e : tensor<4xf32>
}
// CHECK-LABEL: func.func private @names_setup_(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<4xf32> {thunder.parameter = "setup.0"}) -> (tensor<4xf32> {thunder.name = "setup.1"})
// CHECK-NEXT:  %[[V0:.+]] = thunder.exp %[[ARG0]] : tensor<4xf32>
// CHECK-NEXT:  return %[[V0]] : tensor<4xf32>

