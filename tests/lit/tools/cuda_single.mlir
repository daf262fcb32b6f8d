// RUN: thunder-compile %s --target cuda:sm_90a -o %t.thb
// RUN: FileCheck %s < %t.thb

// A tensor without dimensions that is an element of another.
// CHECK: .visible .entry kernel_0(
// CHECK: ld.global.b64 {{.*}}+8];
func.func @main(%x: tensor<2xi64>) -> tensor<i64> {
  %second = thunder.slice %x start = [1] limit = [2] stride = [1] : tensor<2xi64> -> tensor<1xi64>
  %single = thunder.reshape %second, [] : tensor<1xi64> -> tensor<i64>
  %double = thunder.add %single, %single : tensor<i64>
  return %double : tensor<i64>
}
