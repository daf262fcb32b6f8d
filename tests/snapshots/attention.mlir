func.func @main(%x: tensor<2x?x8xf32>, %qkv: tensor<24x8xf32>, %o: tensor<8x8xf32>) -> tensor<2x?x8xf32> {
  %t = thunder.dim %x axis = 1 : tensor<2x?x8xf32> -> index
  %p = thunder.linear %x, %qkv : (tensor<2x?x8xf32>, tensor<24x8xf32>) -> tensor<2x?x24xf32>
  %h = thunder.reshape %p, [%t] : (tensor<2x?x24xf32>, index) -> tensor<2x?x6x4xf32>
  %s = thunder.transpose %h permutation = [0, 2, 1, 3] : tensor<2x?x6x4xf32> -> tensor<2x6x?x4xf32>
  %q = thunder.slice %s start = [0, 0, 0, 0] limit = [2, 2, 9223372036854775807, 4] stride = [1, 1, 1, 1]
    : tensor<2x6x?x4xf32> -> tensor<2x2x?x4xf32>
  %k = thunder.slice %s start = [0, 2, 0, 0] limit = [2, 4, 9223372036854775807, 4] stride = [1, 1, 1, 1]
    : tensor<2x6x?x4xf32> -> tensor<2x2x?x4xf32>
  %v = thunder.slice %s start = [0, 4, 0, 0] limit = [2, 6, 9223372036854775807, 4] stride = [1, 1, 1, 1]
    : tensor<2x6x?x4xf32> -> tensor<2x2x?x4xf32>
  %a = thunder.sdpa %q, %k, %v causal = true
    : (tensor<2x2x?x4xf32>, tensor<2x2x?x4xf32>, tensor<2x2x?x4xf32>) -> tensor<2x2x?x4xf32>
  %m = thunder.transpose %a permutation = [0, 2, 1, 3] : tensor<2x2x?x4xf32> -> tensor<2x?x2x4xf32>
  %c = thunder.reshape %m, [%t] : (tensor<2x?x2x4xf32>, index) -> tensor<2x?x8xf32>
  %y = thunder.linear %c, %o : (tensor<2x?x8xf32>, tensor<8x8xf32>) -> tensor<2x?x8xf32>
  %r = thunder.add %x, %y : tensor<2x?x8xf32>
  return %r : tensor<2x?x8xf32>
}
