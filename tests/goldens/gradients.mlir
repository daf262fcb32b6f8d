// The functions whose gradients are compared with PyTorch's; gradients.py has their arguments.

func.func @relu(%x: tensor<9xf64>) -> tensor<9xf64> {
  %y = thunder.relu %x : tensor<9xf64>
  return %y : tensor<9xf64>
}

func.func @absolute(%x: tensor<9xf64>) -> tensor<9xf64> {
  %y = thunder.abs %x : tensor<9xf64>
  return %y : tensor<9xf64>
}

func.func @clamp(%x: tensor<9xf64>) -> tensor<9xf64> {
  %y = thunder.clamp %x min = -0.5 : f64 max = 1.0 : f64 : tensor<9xf64>
  return %y : tensor<9xf64>
}

func.func @leaky_relu(%x: tensor<9xf64>) -> tensor<9xf64> {
  %y = thunder.leaky_relu %x slope = 0.25 : tensor<9xf64>
  return %y : tensor<9xf64>
}

func.func @elu(%x: tensor<9xf64>) -> tensor<9xf64> {
  %y = thunder.elu %x alpha = 0.5 : tensor<9xf64>
  return %y : tensor<9xf64>
}

func.func @hard_sigmoid(%x: tensor<9xf64>) -> tensor<9xf64> {
  %y = thunder.hard_sigmoid %x : tensor<9xf64>
  return %y : tensor<9xf64>
}

func.func @hard_swish(%x: tensor<7xf64>) -> tensor<7xf64> {
  %y = thunder.hard_swish %x : tensor<7xf64>
  return %y : tensor<7xf64>
}

func.func @steps(%x: tensor<9xf64>) -> tensor<9xf64> {
  %0 = thunder.floor %x : tensor<9xf64>
  %1 = thunder.ceil %x : tensor<9xf64>
  %2 = thunder.round %x : tensor<9xf64>
  %3 = thunder.trunc %x : tensor<9xf64>
  %4 = thunder.sign %x : tensor<9xf64>
  %5 = thunder.add %0, %1 : tensor<9xf64>
  %6 = thunder.add %2, %3 : tensor<9xf64>
  %7 = thunder.add %5, %6 : tensor<9xf64>
  %y = thunder.add %7, %4 : tensor<9xf64>
  return %y : tensor<9xf64>
}

func.func @extremes_of_two(%x: tensor<4xf64>, %y: tensor<4xf64>) -> tensor<4xf64> {
  %0 = thunder.maximum %x, %y : tensor<4xf64>
  %1 = thunder.minimum %x, %y : tensor<4xf64>
  %2 = thunder.add %0, %0 : tensor<4xf64>
  %3 = thunder.add %2, %1 : tensor<4xf64>
  return %3 : tensor<4xf64>
}

func.func @extremes_of_many(%x: tensor<2x4xf64>) -> (tensor<2xf64>, tensor<2x1xf64>) {
  %0 = thunder.amax %x axes = [1] : tensor<2x4xf64> -> tensor<2xf64>
  %1 = thunder.amin %x axes = [1] keep_dims = true : tensor<2x4xf64> -> tensor<2x1xf64>
  return %0, %1 : tensor<2xf64>, tensor<2x1xf64>
}

func.func @product(%x: tensor<3x3xf64>) -> tensor<3xf64> {
  %y = thunder.prod %x axes = [1] : tensor<3x3xf64> -> tensor<3xf64>
  return %y : tensor<3xf64>
}

func.func @power(%x: tensor<3x5xf64>, %y: tensor<3x5xf64>) -> tensor<3x5xf64> {
  %z = thunder.pow %x, %y : tensor<3x5xf64>
  return %z : tensor<3x5xf64>
}

func.func @power_of_zero(%x: tensor<4xf64>, %y: tensor<4xf64>) -> tensor<4xf64> {
  %z = thunder.pow %x, %y : tensor<4xf64>
  return %z : tensor<4xf64>
}

func.func @remainders(%x: tensor<3x5xf64>, %y: tensor<3x5xf64>) -> tensor<3x5xf64> {
  %0 = thunder.rem %x, %y : tensor<3x5xf64>
  %1 = thunder.neg %x : tensor<3x5xf64>
  %2 = thunder.remainder %1, %y : tensor<3x5xf64>
  %3 = thunder.add %0, %0 : tensor<3x5xf64>
  %z = thunder.add %3, %2 : tensor<3x5xf64>
  return %z : tensor<3x5xf64>
}

func.func @angle(%x: tensor<3x5xf64>, %y: tensor<3x5xf64>) -> tensor<3x5xf64> {
  %z = thunder.atan2 %x, %y : tensor<3x5xf64>
  return %z : tensor<3x5xf64>
}

func.func @lerp(%x: tensor<3x5xf64>, %y: tensor<3x5xf64>, %w: tensor<3x5xf64>) -> tensor<3x5xf64> {
  %z = thunder.lerp %x, %y, %w : tensor<3x5xf64>
  return %z : tensor<3x5xf64>
}

func.func @activations(%x: tensor<3x7xf64>) -> tensor<3x7xf64> {
  %0 = thunder.silu %x : tensor<3x7xf64>
  %1 = thunder.mish %x : tensor<3x7xf64>
  %2 = thunder.softplus %x : tensor<3x7xf64>
  %3 = thunder.sigmoid %x : tensor<3x7xf64>
  %4 = thunder.tanh %x : tensor<3x7xf64>
  %5 = thunder.gelu %x : tensor<3x7xf64>
  %6 = thunder.gelu %x approximate = tanh : tensor<3x7xf64>
  %c1 = thunder.full value = 2.0 : f64 : tensor<3x7xf64>
  %c2 = thunder.full value = 3.0 : f64 : tensor<3x7xf64>
  %c3 = thunder.full value = 4.0 : f64 : tensor<3x7xf64>
  %c4 = thunder.full value = 5.0 : f64 : tensor<3x7xf64>
  %c5 = thunder.full value = 6.0 : f64 : tensor<3x7xf64>
  %c6 = thunder.full value = 7.0 : f64 : tensor<3x7xf64>
  %m1 = thunder.mul %1, %c1 : tensor<3x7xf64>
  %m2 = thunder.mul %2, %c2 : tensor<3x7xf64>
  %m3 = thunder.mul %3, %c3 : tensor<3x7xf64>
  %m4 = thunder.mul %4, %c4 : tensor<3x7xf64>
  %m5 = thunder.mul %5, %c5 : tensor<3x7xf64>
  %m6 = thunder.mul %6, %c6 : tensor<3x7xf64>
  %a1 = thunder.add %0, %m1 : tensor<3x7xf64>
  %a2 = thunder.add %a1, %m2 : tensor<3x7xf64>
  %a3 = thunder.add %a2, %m3 : tensor<3x7xf64>
  %a4 = thunder.add %a3, %m4 : tensor<3x7xf64>
  %a5 = thunder.add %a4, %m5 : tensor<3x7xf64>
  %y = thunder.add %a5, %m6 : tensor<3x7xf64>
  return %y : tensor<3x7xf64>
}

func.func @activations_far_and_near(%x: tensor<5xf64>)
    -> (tensor<5xf64>, tensor<5xf64>, tensor<5xf64>, tensor<5xf64>, tensor<5xf64>) {
  %0 = thunder.silu %x : tensor<5xf64>
  %1 = thunder.mish %x : tensor<5xf64>
  %2 = thunder.softplus %x : tensor<5xf64>
  %3 = thunder.sigmoid %x : tensor<5xf64>
  %4 = thunder.gelu %x : tensor<5xf64>
  return %0, %1, %2, %3, %4 : tensor<5xf64>, tensor<5xf64>, tensor<5xf64>, tensor<5xf64>, tensor<5xf64>
}

func.func @softmax(%x: tensor<3x5x4xf64>) -> tensor<3x5x4xf64> {
  %y = thunder.softmax %x axis = 1 : tensor<3x5x4xf64>
  return %y : tensor<3x5x4xf64>
}

func.func @log_softmax(%x: tensor<3x5xf64>) -> tensor<3x5xf64> {
  %y = thunder.log_softmax %x axis = 1 : tensor<3x5xf64>
  return %y : tensor<3x5xf64>
}

func.func @cross_entropy(%x: tensor<6x5xf64>, %i: tensor<6x1xi64>) -> tensor<f64> {
  %l = thunder.log_softmax %x axis = 1 : tensor<6x5xf64>
  %t = thunder.take_along_axis %l, %i axis = 1 : (tensor<6x5xf64>, tensor<6x1xi64>) -> tensor<6x1xf64>
  %n = thunder.neg %t : tensor<6x1xf64>
  %y = thunder.mean %n axes = [0, 1] : tensor<6x1xf64> -> tensor<f64>
  return %y : tensor<f64>
}

func.func @embedding(%w: tensor<7x3xf64>, %i: tensor<2x3xi64>) -> tensor<2x3x3xf64> {
  %y = thunder.embedding %w, %i : (tensor<7x3xf64>, tensor<2x3xi64>) -> tensor<2x3x3xf64>
  return %y : tensor<2x3x3xf64>
}

func.func @take_along_axis(%x: tensor<4x5xf64>, %i: tensor<4x3xi64>) -> tensor<4x3xf64> {
  %y = thunder.take_along_axis %x, %i axis = 1 : (tensor<4x5xf64>, tensor<4x3xi64>) -> tensor<4x3xf64>
  return %y : tensor<4x3xf64>
}

func.func @index_add(%x: tensor<4x3xf64>, %i: tensor<3xi64>, %u: tensor<3x3xf64>) -> tensor<4x3xf64> {
  %y = thunder.index_add %x, %i, %u axis = 0 : (tensor<4x3xf64>, tensor<3xi64>, tensor<3x3xf64>) -> tensor<4x3xf64>
  return %y : tensor<4x3xf64>
}

func.func @variance(%x: tensor<3x5xf64>) -> (tensor<3xf64>, tensor<3xf64>) {
  %v, %m = thunder.var_mean %x axes = [1] : tensor<3x5xf64> -> (tensor<3xf64>, tensor<3xf64>)
  return %v, %m : tensor<3xf64>, tensor<3xf64>
}

func.func @cumsum(%x: tensor<3x5xf64>) -> tensor<3x5xf64> {
  %y = thunder.cumsum %x axis = 0 : tensor<3x5xf64>
  return %y : tensor<3x5xf64>
}

func.func @layer_norm(%x: tensor<2x3x8xf64>, %w: tensor<8xf64>, %b: tensor<8xf64>) -> tensor<2x3x8xf64> {
  %y = thunder.layer_norm %x weight(%w) bias(%b) : (tensor<2x3x8xf64>, tensor<8xf64>, tensor<8xf64>) -> tensor<2x3x8xf64>
  return %y : tensor<2x3x8xf64>
}

func.func @rms_norm(%x: tensor<2x3x8xf64>, %w: tensor<8xf64>) -> tensor<2x3x8xf64> {
  %y = thunder.rms_norm %x weight(%w) eps = 1.0e-6 : (tensor<2x3x8xf64>, tensor<8xf64>) -> tensor<2x3x8xf64>
  return %y : tensor<2x3x8xf64>
}

func.func @group_norm(%x: tensor<2x6x3x2xf64>, %w: tensor<6xf64>, %b: tensor<6xf64>) -> tensor<2x6x3x2xf64> {
  %y = thunder.group_norm %x weight(%w) bias(%b) groups = 3
    : (tensor<2x6x3x2xf64>, tensor<6xf64>, tensor<6xf64>) -> tensor<2x6x3x2xf64>
  return %y : tensor<2x6x3x2xf64>
}

func.func @batch_norm(
    %x: tensor<2x3x4xf64>, %m: tensor<3xf64>, %v: tensor<3xf64>, %w: tensor<3xf64>, %b: tensor<3xf64>)
    -> tensor<2x3x4xf64> {
  %y = thunder.batch_norm %x, %m, %v weight(%w) bias(%b)
    : (tensor<2x3x4xf64>, tensor<3xf64>, tensor<3xf64>, tensor<3xf64>, tensor<3xf64>) -> tensor<2x3x4xf64>
  return %y : tensor<2x3x4xf64>
}

func.func @linear(%x: tensor<2x3x8xf64>, %w: tensor<5x8xf64>, %b: tensor<5xf64>) -> tensor<2x3x5xf64> {
  %y = thunder.linear %x, %w bias(%b) : (tensor<2x3x8xf64>, tensor<5x8xf64>, tensor<5xf64>) -> tensor<2x3x5xf64>
  return %y : tensor<2x3x5xf64>
}

func.func @matmul(%x: tensor<2x3x4xf64>, %y: tensor<2x4x5xf64>) -> tensor<2x3x5xf64> {
  %z = thunder.matmul %x, %y : (tensor<2x3x4xf64>, tensor<2x4x5xf64>) -> tensor<2x3x5xf64>
  return %z : tensor<2x3x5xf64>
}

func.func @convolution_1d(%x: tensor<2x6x9xf64>, %w: tensor<4x3x3xf64>, %b: tensor<4xf64>) -> tensor<2x4x4xf64> {
  %y = thunder.convolution %x, %w bias(%b) stride = [2] padding = [[1, 1]] dilation = [2] groups = 2
    : (tensor<2x6x9xf64>, tensor<4x3x3xf64>, tensor<4xf64>) -> tensor<2x4x4xf64>
  return %y : tensor<2x4x4xf64>
}

func.func @convolution_2d(%x: tensor<2x3x7x8xf64>, %w: tensor<4x3x3x2xf64>) -> tensor<2x4x5x5xf64> {
  %y = thunder.convolution %x, %w stride = [2, 1] padding = [[2, 2], [0, 0]] dilation = [1, 3]
    : (tensor<2x3x7x8xf64>, tensor<4x3x3x2xf64>) -> tensor<2x4x5x5xf64>
  return %y : tensor<2x4x5x5xf64>
}

func.func @convolution_3d(%x: tensor<1x2x4x5x3xf64>, %w: tensor<3x2x2x2x2xf64>) -> tensor<1x3x3x2x2xf64> {
  %y = thunder.convolution %x, %w stride = [1, 2, 1]
    : (tensor<1x2x4x5x3xf64>, tensor<3x2x2x2x2xf64>) -> tensor<1x3x3x2x2xf64>
  return %y : tensor<1x3x3x2x2xf64>
}

func.func @max_pool(%x: tensor<2x2x7x6xf64>) -> tensor<2x2x4x5xf64> {
  %y = thunder.max_pool %x window = [3, 2] stride = [2, 1] padding = [[1, 1], [0, 0]]
    : tensor<2x2x7x6xf64> -> tensor<2x2x4x5xf64>
  return %y : tensor<2x2x4x5xf64>
}

func.func @avg_pool(%x: tensor<1x2x7x6xf64>) -> tensor<1x2x4x3xf64> {
  %y = thunder.avg_pool %x window = [3, 3] stride = [2, 2] padding = [[1, 1], [1, 1]]
    : tensor<1x2x7x6xf64> -> tensor<1x2x4x3xf64>
  return %y : tensor<1x2x4x3xf64>
}

func.func @avg_pool_without_padding(%x: tensor<1x2x7x6xf64>) -> tensor<1x2x4x3xf64> {
  %y = thunder.avg_pool %x window = [3, 3] stride = [2, 2] padding = [[1, 1], [1, 1]] count_include_pad = false
    : tensor<1x2x7x6xf64> -> tensor<1x2x4x3xf64>
  return %y : tensor<1x2x4x3xf64>
}

func.func @attention(%q: tensor<2x3x5x4xf64>, %k: tensor<2x3x6x4xf64>, %v: tensor<2x3x6x4xf64>) -> tensor<2x3x5x4xf64> {
  %y = thunder.sdpa %q, %k, %v
    : (tensor<2x3x5x4xf64>, tensor<2x3x6x4xf64>, tensor<2x3x6x4xf64>) -> tensor<2x3x5x4xf64>
  return %y : tensor<2x3x5x4xf64>
}

func.func @attention_causal(%q: tensor<1x2x5x4xf64>, %k: tensor<1x2x5x4xf64>, %v: tensor<1x2x5x3xf64>)
    -> tensor<1x2x5x3xf64> {
  %y = thunder.sdpa %q, %k, %v causal = true
    : (tensor<1x2x5x4xf64>, tensor<1x2x5x4xf64>, tensor<1x2x5x3xf64>) -> tensor<1x2x5x3xf64>
  return %y : tensor<1x2x5x3xf64>
}

func.func @attention_grouped(%q: tensor<2x4x3x4xf64>, %k: tensor<2x2x5x4xf64>, %v: tensor<2x2x5x6xf64>)
    -> tensor<2x4x3x6xf64> {
  %y = thunder.sdpa %q, %k, %v scale = 0.3
    : (tensor<2x4x3x4xf64>, tensor<2x2x5x4xf64>, tensor<2x2x5x6xf64>) -> tensor<2x4x3x6xf64>
  return %y : tensor<2x4x3x6xf64>
}

func.func @attention_biased(
    %q: tensor<2x2x3x4xf64>, %k: tensor<2x2x5x4xf64>, %v: tensor<2x2x5x4xf64>, %m: tensor<2x1x3x5xf64>)
    -> tensor<2x2x3x4xf64> {
  %y = thunder.sdpa %q, %k, %v mask(%m)
    : (tensor<2x2x3x4xf64>, tensor<2x2x5x4xf64>, tensor<2x2x5x4xf64>, tensor<2x1x3x5xf64>) -> tensor<2x2x3x4xf64>
  return %y : tensor<2x2x3x4xf64>
}

func.func @attention_masked(
    %q: tensor<1x2x3x4xf64>, %k: tensor<1x2x5x4xf64>, %v: tensor<1x2x5x4xf64>, %m: tensor<3x5xi1>)
    -> tensor<1x2x3x4xf64> {
  %y = thunder.sdpa %q, %k, %v mask(%m)
    : (tensor<1x2x3x4xf64>, tensor<1x2x5x4xf64>, tensor<1x2x5x4xf64>, tensor<3x5xi1>) -> tensor<1x2x3x4xf64>
  return %y : tensor<1x2x3x4xf64>
}
