// Floats of 8 bits are inputs and outputs, in files and as text.

// RUN: thunder-compile %s -o %t.thb
// RUN: thunder-run %t.thb --input random:1 --output %t.safetensors | FileCheck %s
// RUN: thunder-run %s --input random:1 --expect %t.safetensors | FileCheck %s
// RUN: thunder-run %s --entry back --input random:1 | FileCheck %s --check-prefix=BACK

// CHECK: output0: f8E5M2[2, 4]
// CHECK-NEXT: tensor<2x4xf8E5M2>
// CHECK-NEXT: {{\[\[}} 0.875,  0.25, -0.1875,   inf],
// CHECK-NEXT: {{ \[}} 0.875,  0.25, -0.1875,   inf]]
func.func @main(%x: tensor<3xf32>) -> tensor<2x4xf8E5M2> {
  %far = thunder.constant value = dense<1.0e5> : tensor<1xf32> : tensor<1xf32>
  %all = thunder.concat %x, %far axis = 0 : (tensor<3xf32>, tensor<1xf32>) -> tensor<4xf32>
  %a = thunder.convert %all : tensor<4xf32> -> tensor<4xf8E5M2>
  %b = thunder.broadcast_in_dim %a, [] dims = [1] : tensor<4xf8E5M2> -> tensor<2x4xf8E5M2>
  return %b : tensor<2x4xf8E5M2>
}

// BACK: output0: f32[4, 2]
// BACK-NEXT: tensor<4x2xf32>

func.func @back(%x: tensor<2x4xf8E5M2>) -> tensor<4x2xf32> {
  %a = thunder.transpose %x permutation = [1, 0] : tensor<2x4xf8E5M2> -> tensor<4x2xf8E5M2>
  %b = thunder.convert %a : tensor<4x2xf8E5M2> -> tensor<4x2xf32>
  return %b : tensor<4x2xf32>
}
