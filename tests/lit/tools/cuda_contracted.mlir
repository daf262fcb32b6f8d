// RUN: thunder-compile %s --entry=rounded --target cuda:sm_90a -o %t.rounded.thb
// RUN: FileCheck %s --check-prefix=ROUNDED < %t.rounded.thb
// RUN: thunder-compile %s --entry=wide --target cuda:sm_90a -o %t.wide.thb
// RUN: FileCheck %s --check-prefix=WIDE < %t.wide.thb
// RUN: thunder-compile %s --entry=compared --target cuda:sm_90a -o %t.compared.thb
// RUN: FileCheck %s --check-prefix=COMPARED < %t.compared.thb

// Where a sum is rounded to 16 bits afterwards, it is made at once with the products that it adds, also where the kernel
// stores other sums in f32.
// ROUNDED: .visible .entry kernel_0(
// ROUNDED-NOT: {{mul|add}}.rn.f32
// ROUNDED: fma.rn.f32
// ROUNDED-NOT: {{mul|add}}.rn.f32
func.func @rounded(%x: tensor<4096xbf16>, %y: tensor<4096xbf16>) -> (tensor<4096xbf16>, tensor<4096xf32>) {
  %a = thunder.convert %x : tensor<4096xbf16> -> tensor<4096xf32>
  %b = thunder.convert %y : tensor<4096xbf16> -> tensor<4096xf32>
  %p = thunder.mul %a, %b : tensor<4096xf32>
  %s = thunder.add %p, %a : tensor<4096xf32>
  %r = thunder.convert %s : tensor<4096xf32> -> tensor<4096xbf16>
  %m = thunder.maximum %a, %b : tensor<4096xf32>
  return %r, %m : tensor<4096xbf16>, tensor<4096xf32>
}

// Else each is rounded by itself.
// WIDE: .visible .entry kernel_0(
// WIDE-NOT: fma.rn.f32
// WIDE: mul.rn.f32
// WIDE-NOT: fma.rn.f32
// WIDE: add.rn.f32
// WIDE-NOT: fma.rn.f32
func.func @wide(%x: tensor<4096xbf16>, %y: tensor<4096xbf16>) -> tensor<4096xf32> {
  %a = thunder.convert %x : tensor<4096xbf16> -> tensor<4096xf32>
  %b = thunder.convert %y : tensor<4096xbf16> -> tensor<4096xf32>
  %p = thunder.mul %a, %b : tensor<4096xf32>
  %s = thunder.add %p, %a : tensor<4096xf32>
  return %s : tensor<4096xf32>
}

// So is what is compared: it has to be the same wherever it is computed again.
// COMPARED: .visible .entry kernel_0(
// COMPARED-NOT: fma.rn.f32
// COMPARED: setp.gt.f32
// COMPARED-NOT: fma.rn.f32
func.func @compared(%x: tensor<4096xbf16>, %y: tensor<4096xbf16>) -> tensor<4096xi1> {
  %a = thunder.convert %x : tensor<4096xbf16> -> tensor<4096xf32>
  %b = thunder.convert %y : tensor<4096xbf16> -> tensor<4096xf32>
  %p = thunder.mul %a, %b : tensor<4096xf32>
  %s = thunder.add %p, %a : tensor<4096xf32>
  %c = thunder.gt %s, %b : (tensor<4096xf32>, tensor<4096xf32>) -> tensor<4096xi1>
  return %c : tensor<4096xi1>
}
