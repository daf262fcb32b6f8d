func.func @main(
  %x: tensor<?x16xf32>,
  %w0: tensor<32x16xf32> {thunder.parameter = "0.weight"}, %b0: tensor<32xf32> {thunder.parameter = "0.bias"},
  %w1: tensor<4x32xf32> {thunder.parameter = "1.weight"}, %b1: tensor<4xf32> {thunder.parameter = "1.bias"}
) -> tensor<?x4xf32> {
  %0 = thunder.linear %x, %w0 bias(%b0) : (tensor<?x16xf32>, tensor<32x16xf32>, tensor<32xf32>) -> tensor<?x32xf32>
  %1 = thunder.gelu %0 : tensor<?x32xf32>
  %2 = thunder.linear %1, %w1 bias(%b1) : (tensor<?x32xf32>, tensor<4x32xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  return %2 : tensor<?x4xf32>
}
