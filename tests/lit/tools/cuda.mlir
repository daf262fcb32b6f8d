// RUN: thunder-compile %s --target cuda:sm_90a --compile-to target | FileCheck %s
// RUN: thunder-compile %s --target cuda:sm_90a -o %t.thb
// RUN: FileCheck %s --check-prefix=PTX < %t.thb
// RUN: not thunder-compile %s --target cuda:sm_12 -o %t.thb 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// A kernel takes a pointer for each tensor; what is read only may come through the cache of textures.
// CHECK: llvm.func @kernel_0(%{{.*}}: !llvm.ptr<1> {llvm.noalias, llvm.readonly}, %{{.*}}: !llvm.ptr<1> {llvm.noalias, llvm.readonly}, %{{.*}}: !llvm.ptr<1> {llvm.noalias})
// CHECK-SAME: nvvm.kernel, nvvm.maxntid = array<i32: 256>

// PTX: .target sm_90a
// PTX: .visible .entry kernel_0(
// PTX: .maxntid 256
// Memory that is not aligned is read element by element, other memory 128 bits at a time.
// PTX: ld.global.nc.b16
// PTX: ld.global.nc.v4.b32
// PTX: ld.global.nc.v4.b32
// PTX: cvt.rn.bf16x2.f32
// PTX: st.global.v4.b32

// UNKNOWN: unknown architecture 'sm_12': known are sm_80, sm_90a and sm_100
func.func @main(%x: tensor<4096x4096xbf16>, %b: tensor<4096xbf16>) -> tensor<4096x4096xbf16> {
  %all = thunder.broadcast_in_dim %b, [] dims = [1] : (tensor<4096xbf16>) -> tensor<4096x4096xbf16>
  %sum = thunder.add %x, %all : tensor<4096x4096xbf16>
  %y = thunder.relu %sum : tensor<4096x4096xbf16>
  return %y : tensor<4096x4096xbf16>
}
