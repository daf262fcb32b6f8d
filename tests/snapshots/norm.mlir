func.func @main(%x: tensor<?x?x16xbf16>, %y: tensor<?x?x16xbf16>, %w: tensor<16xbf16>) -> tensor<?x?x16xbf16> {
  %sum = thunder.add %x, %y : tensor<?x?x16xbf16>
  %out = thunder.rms_norm %sum weight(%w) eps = 1.0e-6 : (tensor<?x?x16xbf16>, tensor<16xbf16>) -> tensor<?x?x16xbf16>
  return %out : tensor<?x?x16xbf16>
}
