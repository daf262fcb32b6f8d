// RUN: thunder-compile %s --target cuda:sm_90a -o %t.thb
// RUN: FileCheck %s < %t.thb

// What is used twice, again and again, is looked at once, whichever way it lies in memory: 2^48 ways lead to each input.
// CHECK: .visible .entry kernel_0(
// CHECK-NOT: .entry
func.func @main(%x: tensor<5x1xi64>, %y: tensor<5xi64>) -> tensor<5x5xi64> {
  %columns = thunder.broadcast_in_dim %x, [] dims = [0, 1] : tensor<5x1xi64> -> tensor<5x5xi64>
  %rows = thunder.broadcast_in_dim %y, [] dims = [1] : tensor<5xi64> -> tensor<5x5xi64>
  %0 = thunder.sub %columns, %rows : tensor<5x5xi64>
  %1 = thunder.mul %0, %0 : tensor<5x5xi64>
  %2 = thunder.add %1, %1 : tensor<5x5xi64>
  %3 = thunder.mul %2, %2 : tensor<5x5xi64>
  %4 = thunder.add %3, %3 : tensor<5x5xi64>
  %5 = thunder.mul %4, %4 : tensor<5x5xi64>
  %6 = thunder.add %5, %5 : tensor<5x5xi64>
  %7 = thunder.mul %6, %6 : tensor<5x5xi64>
  %8 = thunder.add %7, %7 : tensor<5x5xi64>
  %9 = thunder.mul %8, %8 : tensor<5x5xi64>
  %10 = thunder.add %9, %9 : tensor<5x5xi64>
  %11 = thunder.mul %10, %10 : tensor<5x5xi64>
  %12 = thunder.add %11, %11 : tensor<5x5xi64>
  %13 = thunder.mul %12, %12 : tensor<5x5xi64>
  %14 = thunder.add %13, %13 : tensor<5x5xi64>
  %15 = thunder.mul %14, %14 : tensor<5x5xi64>
  %16 = thunder.add %15, %15 : tensor<5x5xi64>
  %17 = thunder.mul %16, %16 : tensor<5x5xi64>
  %18 = thunder.add %17, %17 : tensor<5x5xi64>
  %19 = thunder.mul %18, %18 : tensor<5x5xi64>
  %20 = thunder.add %19, %19 : tensor<5x5xi64>
  %21 = thunder.mul %20, %20 : tensor<5x5xi64>
  %22 = thunder.add %21, %21 : tensor<5x5xi64>
  %23 = thunder.mul %22, %22 : tensor<5x5xi64>
  %24 = thunder.add %23, %23 : tensor<5x5xi64>
  %25 = thunder.mul %24, %24 : tensor<5x5xi64>
  %26 = thunder.add %25, %25 : tensor<5x5xi64>
  %27 = thunder.mul %26, %26 : tensor<5x5xi64>
  %28 = thunder.add %27, %27 : tensor<5x5xi64>
  %29 = thunder.mul %28, %28 : tensor<5x5xi64>
  %30 = thunder.add %29, %29 : tensor<5x5xi64>
  %31 = thunder.mul %30, %30 : tensor<5x5xi64>
  %32 = thunder.add %31, %31 : tensor<5x5xi64>
  %33 = thunder.mul %32, %32 : tensor<5x5xi64>
  %34 = thunder.add %33, %33 : tensor<5x5xi64>
  %35 = thunder.mul %34, %34 : tensor<5x5xi64>
  %36 = thunder.add %35, %35 : tensor<5x5xi64>
  %37 = thunder.mul %36, %36 : tensor<5x5xi64>
  %38 = thunder.add %37, %37 : tensor<5x5xi64>
  %39 = thunder.mul %38, %38 : tensor<5x5xi64>
  %40 = thunder.add %39, %39 : tensor<5x5xi64>
  %41 = thunder.mul %40, %40 : tensor<5x5xi64>
  %42 = thunder.add %41, %41 : tensor<5x5xi64>
  %43 = thunder.mul %42, %42 : tensor<5x5xi64>
  %44 = thunder.add %43, %43 : tensor<5x5xi64>
  %45 = thunder.mul %44, %44 : tensor<5x5xi64>
  %46 = thunder.add %45, %45 : tensor<5x5xi64>
  %47 = thunder.mul %46, %46 : tensor<5x5xi64>
  %48 = thunder.add %47, %47 : tensor<5x5xi64>
  return %48 : tensor<5x5xi64>
}
