// RUN: thunder-run %s --output %t.safetensors | FileCheck %s
// RUN: thunder-run %s --input %t.safetensors --entry again | FileCheck %s --check-prefix=AGAIN
// RUN: thunder-compile %s --entry again -o %t.thb
// RUN: thunder-run %t.thb --input %t.safetensors | FileCheck %s --check-prefix=AGAIN
// RUN: thunder-run %s --entry part --output %t.part.safetensors
// RUN: not thunder-run %s --input %t.part.safetensors --entry again 2>&1 | FileCheck %s --check-prefix=WRONG

// CHECK: z: complex<f32>[2]
// CHECK-NEXT: tensor<2xcomplex<f32>> [-5.0+10.0i,   0.0+1.0i]
func.func @main() -> (tensor<2xcomplex<f32>> {thunder.name = "z"}) {
  %x = thunder.constant value = dense<[(1.0, 2.0), (0.0, 2.0)]> : tensor<2xcomplex<f32>> : tensor<2xcomplex<f32>>
  %y = thunder.constant value = dense<[(3.0, 4.0), (2.0, 0.0)]> : tensor<2xcomplex<f32>> : tensor<2xcomplex<f32>>
  %p = thunder.mul %x, %y : tensor<2xcomplex<f32>>
  %h = thunder.constant value = dense<[(1.0, 0.0), (4.0, 0.0)]> : tensor<2xcomplex<f32>> : tensor<2xcomplex<f32>>
  %z = thunder.div %p, %h : tensor<2xcomplex<f32>>
  return %z : tensor<2xcomplex<f32>>
}

// Memory is that of complex numbers, whose sizes may be dynamic.
// AGAIN: output0: complex<f32>[2]
// AGAIN-NEXT: tensor<2xcomplex<f32>> [-75.0-100.0i,    -1.0+0.0i]
// AGAIN: output1: f32[]
// AGAIN-NEXT: tensor<f32> -5.0
// WRONG: error: input 'z' is of f32, the program needs complex<f32>
func.func @again(%z: tensor<?xcomplex<f32>> {thunder.name = "z"}) -> (tensor<?xcomplex<f32>>, tensor<f32>) {
  %y = thunder.mul %z, %z : tensor<?xcomplex<f32>>
  %s = thunder.sum %z axes = [0] : tensor<?xcomplex<f32>> -> tensor<complex<f32>>
  %r = thunder.real %s : tensor<complex<f32>> -> tensor<f32>
  return %y, %r : tensor<?xcomplex<f32>>, tensor<f32>
}

func.func @part() -> (tensor<2xf32> {thunder.name = "z"}) {
  %x = thunder.full value = 1.0 : f32 : tensor<2xf32>
  return %x : tensor<2xf32>
}
