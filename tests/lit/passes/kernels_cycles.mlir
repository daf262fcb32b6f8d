// Groups that need each other by way of others are taken apart. Here these are running sums, kernels of their own: `%15` joins the
// mask `%3`, and needs a sum of the product `%10`; the product `%16` needs sums of the mask, and joins `%10`, as both read
// `%arg1`.
//
// RUN: thunder-opt %s --thunder-kernels | FileCheck %s
// RUN: thunder-opt %s --thunder-kernels=separate --check-equivalence -o %t.separate
// RUN: thunder-opt %s --thunder-kernels --check-equivalence -o %t

// CHECK-LABEL: func.func @main(
// CHECK-COUNT-18: call @kernel_
// CHECK-NEXT: return
func.func @main(%arg0: tensor<3x37xf32>, %arg1: tensor<3x37xf32>) -> (tensor<3x37xf32>, tensor<3x37xf32>) {
    %0 = "thunder.constant"() {value = dense<1.000000e+00> : tensor<3x37xf32>} : () -> tensor<3x37xf32>
    %1 = "thunder.constant"() {value = dense<0.000000e+00> : tensor<3x37xf32>} : () -> tensor<3x37xf32>
    %2 = "thunder.cumsum"(%arg0) {axis = 1 : i64} : (tensor<3x37xf32>) -> tensor<3x37xf32>
    %3 = "thunder.eq"(%arg0, %1) : (tensor<3x37xf32>, tensor<3x37xf32>) -> tensor<3x37xi1>
    %4 = "thunder.convert"(%3) : (tensor<3x37xi1>) -> tensor<3x37xf32>
    %5 = "thunder.cumsum"(%4) {axis = 1 : i64} : (tensor<3x37xf32>) -> tensor<3x37xf32>
    %6 = "thunder.eq"(%5, %0) : (tensor<3x37xf32>, tensor<3x37xf32>) -> tensor<3x37xi1>
    %7 = "thunder.and"(%3, %6) : (tensor<3x37xi1>, tensor<3x37xi1>) -> tensor<3x37xi1>
    %8 = "thunder.where"(%7, %0, %arg0) : (tensor<3x37xi1>, tensor<3x37xf32>, tensor<3x37xf32>) -> tensor<3x37xf32>
    %9 = "thunder.cumsum"(%8) {axis = 1 : i64} : (tensor<3x37xf32>) -> tensor<3x37xf32>
    %10 = "thunder.mul"(%2, %arg1) : (tensor<3x37xf32>, tensor<3x37xf32>) -> tensor<3x37xf32>
    %11 = "thunder.reverse"(%10) {axes = array<i64: 1>} : (tensor<3x37xf32>) -> tensor<3x37xf32>
    %12 = "thunder.cumsum"(%11) {axis = 1 : i64} : (tensor<3x37xf32>) -> tensor<3x37xf32>
    %13 = "thunder.reverse"(%12) {axes = array<i64: 1>} : (tensor<3x37xf32>) -> tensor<3x37xf32>
    %14 = "thunder.where"(%3, %0, %arg0) : (tensor<3x37xi1>, tensor<3x37xf32>, tensor<3x37xf32>) -> tensor<3x37xf32>
    %15 = "thunder.div"(%13, %14) : (tensor<3x37xf32>, tensor<3x37xf32>) -> tensor<3x37xf32>
    %16 = "thunder.mul"(%9, %arg1) : (tensor<3x37xf32>, tensor<3x37xf32>) -> tensor<3x37xf32>
    %17 = "thunder.reverse"(%16) {axes = array<i64: 1>} : (tensor<3x37xf32>) -> tensor<3x37xf32>
    %18 = "thunder.cumsum"(%17) {axis = 1 : i64} : (tensor<3x37xf32>) -> tensor<3x37xf32>
    %19 = "thunder.reverse"(%18) {axes = array<i64: 1>} : (tensor<3x37xf32>) -> tensor<3x37xf32>
    %20 = "thunder.where"(%7, %19, %1) : (tensor<3x37xi1>, tensor<3x37xf32>, tensor<3x37xf32>) -> tensor<3x37xf32>
    %21 = "thunder.eq"(%5, %1) : (tensor<3x37xf32>, tensor<3x37xf32>) -> tensor<3x37xi1>
    %22 = "thunder.where"(%21, %15, %20) : (tensor<3x37xi1>, tensor<3x37xf32>, tensor<3x37xf32>) -> tensor<3x37xf32>
    return %2, %22 : tensor<3x37xf32>, tensor<3x37xf32>
}
