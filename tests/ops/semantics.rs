//! What structured ops mean, by numbers worked out by hand: the reference is the oracle of all other tests, and
//! this is what the reference is held to.

use anyhow::{Context as _, Result, bail, ensure};
use libtest_mimic::Trial;
use thunder_conformance::executor::{Decomposed, Executor, Reference};
use thunder_conformance::{example, sample, trial};
use thunder_ir::Module;
use thunder_tensor::{DType, Tensor, Tolerance, compare};

const NAN: f64 = f64::NAN;
const INF: f64 = f64::INFINITY;

/// A tensor: dtype, shape, values.
type Numbers = (DType, &'static [usize], &'static [f64]);

/// A name, the op with its types, its operands in the order of `%0`, `%1`, ..., and its results.
type Case = (&'static str, &'static str, &'static [Numbers], &'static [Numbers]);

use DType::{BF16, Bool, F8E4M3FN, F8E5M2FNUZ, F16, F32, F64, I8, I64, U8};

const CASES: &[Case] = &[
    (
        "convert_to_8_bits_rounds_to_even_and_saturates",
        "thunder.convert %0 : tensor<5xf32> -> tensor<5xf8E4M3FN>",
        &[(F32, &[5], &[1.0625, 1.1875, 464.0, 1000.0, -INF])],
        &[(F8E4M3FN, &[5], &[1.0, 1.25, 448.0, 448.0, -448.0])],
    ),
    (
        "convert_to_8_bits_without_infinities_is_no_number_beyond_the_largest",
        "thunder.convert %0 : tensor<5xf64> -> tensor<5xf8E5M2FNUZ>",
        &[(F64, &[5], &[61439.0, 61440.0, INF, -1e-9, 3.2])],
        &[(F8E5M2FNUZ, &[5], &[57344.0, NAN, NAN, 0.0, 3.0])],
    ),
    (
        "sum_of_bytes_wraps",
        "thunder.sum %0 axes = [0] : tensor<3xi8> -> tensor<i8>",
        &[(I8, &[3], &[100.0, 100.0, 100.0])],
        &[(I8, &[], &[44.0])],
    ),
    (
        "sum_of_halves_is_rounded_once",
        "thunder.sum %0 axes = [0] : tensor<4xf16> -> tensor<f16>",
        &[(F16, &[4], &[2048.0, 1.0, 1.0, 1.0])],
        &[(F16, &[], &[2052.0])],
    ),
    (
        "sum_of_nothing",
        "thunder.sum %0 axes = [1] : tensor<2x0xf32> -> tensor<2xf32>",
        &[(F32, &[2, 0], &[])],
        &[(F32, &[2], &[0.0, 0.0])],
    ),
    (
        "prod_over_outer_and_inner",
        "thunder.prod %0 axes = [0, 2] keep_dims = true : tensor<2x2x2xf32> -> tensor<1x2x1xf32>",
        &[(F32, &[2, 2, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0])],
        &[(F32, &[1, 2, 1], &[60.0, 672.0])],
    ),
    (
        "amax_is_nan_if_any_is",
        "thunder.amax %0 axes = [1] : tensor<2x3xf32> -> tensor<2xf32>",
        &[(F32, &[2, 3], &[1.0, NAN, 3.0, -1.0, -INF, -2.0])],
        &[(F32, &[2], &[NAN, -1.0])],
    ),
    (
        "amax_of_nothing",
        "thunder.amax %0 axes = [0] : tensor<0xf32> -> tensor<f32>",
        &[(F32, &[0], &[])],
        &[(F32, &[], &[-INF])],
    ),
    (
        "amin_of_no_bytes",
        "thunder.amin %0 axes = [0] : tensor<0xui8> -> tensor<ui8>",
        &[(U8, &[0], &[])],
        &[(U8, &[], &[255.0])],
    ),
    (
        "mean_of_nothing",
        "thunder.mean %0 axes = [0] : tensor<0xf32> -> tensor<f32>",
        &[(F32, &[0], &[])],
        &[(F32, &[], &[NAN])],
    ),
    (
        "all_of_nothing",
        "thunder.all %0 axes = [1] : tensor<2x0xi1> -> tensor<2xi1>",
        &[(Bool, &[2, 0], &[])],
        &[(Bool, &[2], &[1.0, 1.0])],
    ),
    (
        "any_is_true_for_one",
        "thunder.any %0 axes = [1] : tensor<2x2xi1> -> tensor<2xi1>",
        &[(Bool, &[2, 2], &[0.0, 1.0, 0.0, 0.0])],
        &[(Bool, &[2], &[1.0, 0.0])],
    ),
    (
        "argmax_takes_the_first_of_equals_and_nan_before_all",
        "thunder.argmax %0 axis = 1 : tensor<3x4xf32> -> tensor<3xi64>",
        &[(F32, &[3, 4], &[1.0, 3.0, 3.0, 2.0, INF, NAN, 5.0, NAN, -INF, -INF, -INF, -INF])],
        &[(I64, &[3], &[1.0, 1.0, 0.0])],
    ),
    (
        "argmin_along_the_outer_axis",
        "thunder.argmin %0 axis = 0 keep_dims = true : tensor<3x2xi8> -> tensor<1x2xi64>",
        &[(I8, &[3, 2], &[5.0, -3.0, 2.0, 7.0, 2.0, -3.0])],
        &[(I64, &[1, 2], &[1.0, 0.0])],
    ),
    (
        "var_is_unbiased",
        "thunder.var %0 axes = [0] : tensor<4xf32> -> tensor<f32>",
        &[(F32, &[4], &[1.0, 2.0, 3.0, 6.0])],
        &[(F32, &[], &[14.0 / 3.0])],
    ),
    (
        "var_mean_of_one_element",
        "thunder.var_mean %0 axes = [0] : tensor<1xf32> -> (tensor<f32>, tensor<f32>)",
        &[(F32, &[1], &[5.0])],
        &[(F32, &[], &[NAN]), (F32, &[], &[5.0])],
    ),
    (
        "cumsum_wraps",
        "thunder.cumsum %0 axis = 0 : tensor<3x2xi8>",
        &[(I8, &[3, 2], &[100.0, 1.0, 100.0, 2.0, 100.0, 3.0])],
        &[(I8, &[3, 2], &[100.0, 1.0, -56.0, 3.0, 44.0, 6.0])],
    ),
    (
        "cumprod_passes_zeros",
        "thunder.cumprod %0 axis = 0 : tensor<4xf32>",
        &[(F32, &[4], &[2.0, 3.0, 0.0, 5.0])],
        &[(F32, &[4], &[2.0, 6.0, 0.0, 0.0])],
    ),
    (
        "cummax_stays_nan",
        "thunder.cummax %0 axis = 0 : tensor<4xf32>",
        &[(F32, &[4], &[-INF, 3.0, NAN, 5.0])],
        &[(F32, &[4], &[-INF, 3.0, NAN, NAN])],
    ),
    (
        "cummin_of_bytes",
        "thunder.cummin %0 axis = 0 : tensor<3xui8>",
        &[(U8, &[3], &[200.0, 7.0, 255.0])],
        &[(U8, &[3], &[200.0, 7.0, 7.0])],
    ),
    (
        "logcumsumexp_of_infinities",
        "thunder.logcumsumexp %0 axis = 0 : tensor<4xf64>",
        &[(F64, &[4], &[-INF, -INF, 1000.0, INF])],
        &[(F64, &[4], &[-INF, -INF, 1000.0, INF])],
    ),
    (
        "argsort_is_stable_and_has_nan_last",
        "thunder.argsort %0 axis = 0 : tensor<6xf32> -> tensor<6xi64>",
        &[(F32, &[6], &[NAN, 1.0, -0.0, 0.0, -INF, 1.0])],
        &[(I64, &[6], &[4.0, 2.0, 3.0, 1.0, 5.0, 0.0])],
    ),
    (
        "argsort_down_has_nan_first",
        "thunder.argsort %0 axis = 0 descending = true : tensor<5xf32> -> tensor<5xi64>",
        &[(F32, &[5], &[1.0, NAN, 2.0, 1.0, NAN])],
        &[(I64, &[5], &[1.0, 4.0, 2.0, 0.0, 3.0])],
    ),
    (
        "topk_finds_the_least",
        "thunder.topk %0 axis = 1 count = 2 largest = false : tensor<2x3xi8> -> (tensor<2x2xi8>, tensor<2x2xi64>)",
        &[(I8, &[2, 3], &[3.0, -1.0, 2.0, 0.0, 5.0, 0.0])],
        &[(I8, &[2, 2], &[-1.0, 2.0, 0.0, 0.0]), (I64, &[2, 2], &[1.0, 2.0, 0.0, 2.0])],
    ),
    (
        "scatter_reduce_lets_the_last_one_stay",
        "thunder.scatter_reduce %0, %1, %2 axis = 0 : (tensor<3xf32>, tensor<3xi64>, tensor<3xf32>) -> tensor<3xf32>",
        &[(F32, &[3], &[1.0, 2.0, 3.0]), (I64, &[3], &[1.0, 1.0, 0.0]), (F32, &[3], &[7.0, 8.0, 9.0])],
        &[(F32, &[3], &[9.0, 8.0, 3.0])],
    ),
    (
        "scatter_reduce_multiplies",
        "thunder.scatter_reduce %0, %1, %2 axis = 0 reduce = prod : (tensor<2xi8>, tensor<3xi64>, tensor<3xi8>) -> tensor<2xi8>",
        &[(I8, &[2], &[2.0, 5.0]), (I64, &[3], &[0.0, 0.0, 0.0]), (I8, &[3], &[10.0, 10.0, 2.0])],
        &[(I8, &[2], &[-112.0, 5.0])],
    ),
    (
        "scatter_reduce_amax_is_nan_if_any_is",
        "thunder.scatter_reduce %0, %1, %2 axis = 0 reduce = amax : (tensor<2xf32>, tensor<2xi64>, tensor<2xf32>) -> tensor<2xf32>",
        &[(F32, &[2], &[1.0, NAN]), (I64, &[2], &[0.0, 1.0]), (F32, &[2], &[4.0, 9.0])],
        &[(F32, &[2], &[4.0, NAN])],
    ),
    (
        "max_pool_index_counts_in_the_plane",
        "thunder.max_pool_index %0 window = [2, 2] : tensor<1x1x2x4xf32> -> tensor<1x1x1x2xi64>",
        &[(F32, &[1, 1, 2, 4], &[1.0, 3.0, 2.0, 2.0, 3.0, 0.0, 2.0, NAN])],
        &[(I64, &[1, 1, 1, 2], &[1.0, 7.0])],
    ),
    (
        "lgamma_at_factorials_and_poles",
        "thunder.lgamma %0 : tensor<6xf64>",
        &[(F64, &[6], &[1.0, 2.0, 0.5, -0.5, 0.0, -1.0])],
        &[(F64, &[6], &[0.0, 0.0, 0.572_364_942_924_700_1, 1.265_512_123_484_645_4, INF, INF])],
    ),
    (
        "polygamma_of_order_0_is_digamma",
        "thunder.polygamma %0 order = 0 : tensor<3xf64>",
        &[(F64, &[3], &[1.0, 0.5, -1.5])],
        &[(F64, &[3], &[-0.577_215_664_901_532_9, -1.963_510_026_021_423_5, 0.703_156_640_645_243_2])],
    ),
    (
        "polygamma_of_order_1",
        "thunder.polygamma %0 order = 1 : tensor<2xf64>",
        &[(F64, &[2], &[1.0, -0.5])],
        &[(F64, &[2], &[1.644_934_066_848_226_4, 8.934_802_200_544_679])],
    ),
    (
        "erfinv_at_its_ends",
        "thunder.erfinv %0 : tensor<5xf64>",
        &[(F64, &[5], &[0.5, -1.0, 1.0, 1.5, 0.0])],
        &[(F64, &[5], &[0.476_936_276_204_469_9, -INF, INF, NAN, 0.0])],
    ),
    (
        "ndtri_at_its_ends",
        "thunder.ndtri %0 : tensor<4xf64>",
        &[(F64, &[4], &[0.975, 0.0, 1.0, 0.5])],
        &[(F64, &[4], &[1.959_963_984_540_054, -INF, INF, 0.0])],
    ),
    (
        "i0_and_its_series",
        "thunder.i0 %0 : tensor<3xf64>",
        &[(F64, &[3], &[0.0, 1.0, -1.0])],
        &[(F64, &[3], &[1.0, 1.266_065_877_752_008_4, 1.266_065_877_752_008_4])],
    ),
    (
        "i1_is_odd",
        "thunder.i1 %0 : tensor<2xf64>",
        &[(F64, &[2], &[1.0, -1.0])],
        &[(F64, &[2], &[0.565_159_103_992_485, -0.565_159_103_992_485])],
    ),
    (
        "linear_is_by_the_transposed_weight",
        "thunder.linear %0, %1 bias(%2) : (tensor<1x2xf32>, tensor<3x2xf32>, tensor<3xf32>) -> tensor<1x3xf32>",
        &[
            (F32, &[1, 2], &[1.0, 2.0]),
            (F32, &[3, 2], &[1.0, 0.0, 0.0, 1.0, 3.0, -1.0]),
            (F32, &[3], &[10.0, 20.0, 30.0]),
        ],
        &[(F32, &[1, 3], &[11.0, 22.0, 31.0])],
    ),
    (
        "convolution_does_not_mirror",
        "thunder.convolution %0, %1 padding = [[1, 0]] : (tensor<1x1x4xf32>, tensor<1x1x2xf32>) -> tensor<1x1x4xf32>",
        &[(F32, &[1, 1, 4], &[1.0, 2.0, 3.0, 4.0]), (F32, &[1, 1, 2], &[10.0, 1.0])],
        &[(F32, &[1, 1, 4], &[1.0, 12.0, 23.0, 34.0])],
    ),
    (
        "convolution_of_bytes_wraps",
        "thunder.convolution %0, %1 : (tensor<1x1x3xi8>, tensor<1x1x2xi8>) -> tensor<1x1x2xi8>",
        &[(I8, &[1, 1, 3], &[100.0, 2.0, -3.0]), (I8, &[1, 1, 2], &[2.0, 1.0])],
        &[(I8, &[1, 1, 2], &[-54.0, 1.0])],
    ),
    (
        "convolution_steps_dilates_and_groups",
        "thunder.convolution %0, %1 bias(%2) stride = [2] dilation = [2] groups = 2
           : (tensor<1x2x5xf32>, tensor<2x1x2xf32>, tensor<2xf32>) -> tensor<1x2x2xf32>",
        &[
            (F32, &[1, 2, 5], &[1.0, 2.0, 3.0, 4.0, 5.0, 10.0, 20.0, 30.0, 40.0, 50.0]),
            (F32, &[2, 1, 2], &[1.0, 1.0, 1.0, -1.0]),
            (F32, &[2], &[0.5, -0.5]),
        ],
        &[(F32, &[1, 2, 2], &[4.5, 8.5, -20.5, -20.5])],
    ),
    (
        "max_pool_never_sees_padding",
        "thunder.max_pool %0 window = [2] stride = [1] padding = [[1, 1]] : tensor<1x1x3xf32> -> tensor<1x1x4xf32>",
        &[(F32, &[1, 1, 3], &[-3.0, -1.0, -2.0])],
        &[(F32, &[1, 1, 4], &[-3.0, -1.0, -1.0, -2.0])],
    ),
    (
        "max_pool_of_padding_alone_is_the_least_integer",
        "thunder.max_pool %0 window = [1] stride = [1] padding = [[1, 0]] : tensor<1x1x2xi64> -> tensor<1x1x3xi64>",
        &[(I64, &[1, 1, 2], &[-3.0, -1.0])],
        &[(I64, &[1, 1, 3], &[i64::MIN as f64, -3.0, -1.0])],
    ),
    (
        "avg_pool_counts_padding",
        "thunder.avg_pool %0 window = [2] stride = [1] padding = [[1, 1]] : tensor<1x1x2xf32> -> tensor<1x1x3xf32>",
        &[(F32, &[1, 1, 2], &[2.0, 4.0])],
        &[(F32, &[1, 1, 3], &[1.0, 3.0, 2.0])],
    ),
    (
        "avg_pool_need_not_count_padding",
        "thunder.avg_pool %0 window = [2] stride = [1] padding = [[1, 1]] count_include_pad = false
           : tensor<1x1x2xf32> -> tensor<1x1x3xf32>",
        &[(F32, &[1, 1, 2], &[2.0, 4.0])],
        &[(F32, &[1, 1, 3], &[2.0, 3.0, 4.0])],
    ),
    (
        "take_puts_the_indices_shape_in_place_of_the_axis",
        "thunder.take %0, %1 axis = 1 : (tensor<2x3xf32>, tensor<1x2xi64>) -> tensor<2x1x2xf32>",
        &[(F32, &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), (I64, &[1, 2], &[2.0, 0.0])],
        &[(F32, &[2, 1, 2], &[3.0, 1.0, 6.0, 4.0])],
    ),
    (
        "take_along_axis_has_an_index_for_each_element",
        "thunder.take_along_axis %0, %1 axis = 0 : (tensor<3x2xf32>, tensor<2x2xi64>) -> tensor<2x2xf32>",
        &[(F32, &[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), (I64, &[2, 2], &[2.0, 0.0, 1.0, 2.0])],
        &[(F32, &[2, 2], &[5.0, 2.0, 3.0, 6.0])],
    ),
    (
        "embedding_gives_rows",
        "thunder.embedding %0, %1 : (tensor<3x2xbf16>, tensor<2xi64>) -> tensor<2x2xbf16>",
        &[(BF16, &[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), (I64, &[2], &[2.0, 0.0])],
        &[(BF16, &[2, 2], &[5.0, 6.0, 1.0, 2.0])],
    ),
    (
        "softmax_of_large_differences",
        "thunder.softmax %0 axis = 1 : tensor<3x2xf32>",
        &[(F32, &[3, 2], &[1e30, 0.0, 3.0, 3.0, -INF, 7.0])],
        &[(F32, &[3, 2], &[1.0, 0.0, 0.5, 0.5, 0.0, 1.0])],
    ),
    (
        "softmax_of_infinities_is_nan",
        "thunder.softmax %0 axis = 1 : tensor<2x2xf32>",
        &[(F32, &[2, 2], &[-INF, -INF, INF, 0.0])],
        &[(F32, &[2, 2], &[NAN, NAN, NAN, NAN])],
    ),
    (
        "cross_entropy_of_large_differences",
        "thunder.cross_entropy %0, %1 : (tensor<2x2xf32>, tensor<2xi64>) -> tensor<2xf32>",
        &[(F32, &[2, 2], &[1000.0, 0.0, 1000.0, 0.0]), (I64, &[2], &[0.0, 1.0])],
        &[(F32, &[2], &[0.0, 1000.0])],
    ),
    (
        "cross_entropy_of_ignored_targets_is_zero",
        "thunder.cross_entropy %0, %1 ignore_index = -1 : (tensor<2x4xf64>, tensor<2xi64>) -> tensor<2xf64>",
        &[(F64, &[2, 4], &[5.0; 8]), (I64, &[2], &[-1.0, 2.0])],
        &[(F64, &[2], &[0.0, 2.0 * std::f64::consts::LN_2])],
    ),
    (
        "cross_entropy_smoothed_counts_the_mean_of_logits",
        "thunder.cross_entropy %0, %1 label_smoothing = 0.5 : (tensor<1x2xf32>, tensor<1xi64>) -> tensor<1xf32>",
        &[(F32, &[1, 2], &[1000.0, 0.0]), (I64, &[1], &[0.0])],
        &[(F32, &[1], &[250.0])],
    ),
    (
        "log_softmax_of_large_differences",
        "thunder.log_softmax %0 axis = 0 : tensor<2xf32>",
        &[(F32, &[2], &[1000.0, 0.0])],
        &[(F32, &[2], &[0.0, -1000.0])],
    ),
    (
        "layer_norm_of_two_dimensions",
        "thunder.layer_norm %0 weight(%1) bias(%1) trailing_dims = 2 eps = 2.75
           : (tensor<1x2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<1x2x2xf32>",
        &[(F32, &[1, 2, 2], &[1.0, 2.0, 3.0, 4.0]), (F32, &[2, 2], &[0.0, 1.0, 2.0, 3.0])],
        &[(F32, &[1, 2, 2], &[0.0, 0.75, 2.5, 5.25])],
    ),
    (
        "rms_norm_is_not_centred",
        "thunder.rms_norm %0 eps = 0.0 : tensor<1x2xf32> -> tensor<1x2xf32>",
        &[(F32, &[1, 2], &[7.0, 1.0])],
        &[(F32, &[1, 2], &[1.4, 0.2])],
    ),
    (
        "group_norm_scales_each_channel",
        "thunder.group_norm %0 weight(%1) groups = 1 eps = 0.0 : (tensor<1x2x2xf32>, tensor<2xf32>) -> tensor<1x2x2xf32>",
        &[(F32, &[1, 2, 2], &[1.0, 3.0, 3.0, 1.0]), (F32, &[2], &[1.0, 10.0])],
        &[(F32, &[1, 2, 2], &[-1.0, 1.0, 10.0, -10.0])],
    ),
    (
        "batch_norm_uses_what_it_is_given",
        "thunder.batch_norm %0, %1, %2 bias(%1) eps = 0.0
           : (tensor<1x2x1xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x1xf32>",
        &[(F32, &[1, 2, 1], &[5.0, 5.0]), (F32, &[2], &[1.0, 2.0]), (F32, &[2], &[4.0, 9.0])],
        &[(F32, &[1, 2, 1], &[3.0, 3.0])],
    ),
    (
        "sdpa_sees_by_its_own_number",
        "thunder.sdpa %0, %1, %2 causal = true
           : (tensor<1x3x1xf32>, tensor<1x2x1xf32>, tensor<1x2x1xf32>) -> tensor<1x3x1xf32>",
        &[(F32, &[1, 3, 1], &[0.0, 0.0, 0.0]), (F32, &[1, 2, 1], &[1.0, 1.0]), (F32, &[1, 2, 1], &[4.0, 8.0])],
        &[(F32, &[1, 3, 1], &[4.0, 6.0, 6.0])],
    ),
    (
        "sdpa_of_rows_that_see_nothing_is_zero",
        "thunder.sdpa %0, %1, %2 mask(%3)
           : (tensor<1x2x1xf32>, tensor<1x2x1xf32>, tensor<1x2x1xf32>, tensor<2x2xi1>) -> tensor<1x2x1xf32>",
        &[
            (F32, &[1, 2, 1], &[1.0, 1.0]),
            (F32, &[1, 2, 1], &[1.0, 1.0]),
            (F32, &[1, 2, 1], &[4.0, 8.0]),
            (Bool, &[2, 2], &[0.0, 0.0, 0.0, 1.0]),
        ],
        &[(F32, &[1, 2, 1], &[0.0, 8.0])],
    ),
    (
        "sdpa_adds_a_float_mask",
        "thunder.sdpa %0, %1, %2 mask(%3) scale = 3.0
           : (tensor<1x1x1xf32>, tensor<1x2x1xf32>, tensor<1x2x1xf32>, tensor<1x2xf32>) -> tensor<1x1x1xf32>",
        &[
            (F32, &[1, 1, 1], &[2.0]),
            (F32, &[1, 2, 1], &[1.0, -1.0]),
            (F32, &[1, 2, 1], &[4.0, 8.0]),
            (F32, &[1, 2], &[-6.0, 6.0]),
        ],
        &[(F32, &[1, 1, 1], &[6.0])],
    ),
    (
        "sdpa_shares_key_heads_among_neighbours",
        "thunder.sdpa %0, %1, %2 : (tensor<4x1x1xf32>, tensor<2x1x1xf32>, tensor<2x1x1xf32>) -> tensor<4x1x1xf32>",
        &[(F32, &[4, 1, 1], &[0.0, 0.0, 0.0, 0.0]), (F32, &[2, 1, 1], &[1.0, 1.0]), (F32, &[2, 1, 1], &[4.0, 8.0])],
        &[(F32, &[4, 1, 1], &[4.0, 4.0, 8.0, 8.0])],
    ),
];

/// Programs that only their inputs make wrong: the op, its operands, and what the error says.
const REFUSED: &[(&str, &str, &[Numbers], &str)] = &[
    (
        "take_beyond_the_end",
        "thunder.take %0, %1 axis = 0 : (tensor<3xf32>, tensor<1xi64>) -> tensor<1xf32>",
        &[(F32, &[3], &[1.0, 2.0, 3.0]), (I64, &[1], &[3.0])],
        "index 3 is out of range for a dimension of size 3",
    ),
    (
        "embedding_of_a_negative_index",
        "thunder.embedding %0, %1 : (tensor<2x1xf32>, tensor<1xi64>) -> tensor<1x1xf32>",
        &[(F32, &[2, 1], &[1.0, 2.0]), (I64, &[1], &[-1.0])],
        "index -1 is out of range for a dimension of size 2",
    ),
    (
        "argmax_of_nothing",
        "thunder.argmax %0 axis = 0 : tensor<?xf32> -> tensor<i64>",
        &[(F32, &[0], &[])],
        "(C3) the operand has no elements along axis 0",
    ),
    (
        "linear_of_dynamic_sizes_that_differ",
        "thunder.linear %0, %1 : (tensor<1x?xf32>, tensor<1x?xf32>) -> tensor<1x1xf32>",
        &[(F32, &[1, 2], &[1.0, 2.0]), (F32, &[1, 3], &[1.0, 2.0, 3.0])],
        "(C3) inner dimensions differ: 2 and 3",
    ),
    (
        "sdpa_does_not_repeat_a_dynamic_mask",
        "thunder.sdpa %0, %0, %0 mask(%1)
           : (tensor<1x2x1xf32>, tensor<1x2x1xf32>, tensor<1x2x1xf32>, tensor<?x2xi1>) -> tensor<1x2x1xf32>",
        &[(F32, &[1, 2, 1], &[0.0, 0.0]), (Bool, &[1, 2], &[1.0, 1.0])],
        "(C6) sizes of mask and scores differ: 1 and 2",
    ),
];

/// One test for each case.
pub fn trials() -> Vec<Trial> {
    let computed = CASES.iter().map(|case| trial(format!("semantics::{}", case.0), || check(case)));
    let refused = REFUSED.iter().map(|(name, op, operands, message)| {
        trial(format!("semantics::{name}"), move || match run(&Reference, op, operands) {
            Ok(results) => bail!("computes {results:?}"),
            Err(error) => {
                let error = format!("{error:#}");
                ensure!(error.contains(message), "another error: {error}");
                Ok(())
            }
        })
    });
    computed.chain(refused).collect()
}

fn check((_, op, operands, results): &Case) -> Result<()> {
    for executor in [&Reference as &dyn Executor, &Decomposed] {
        let computed = run(executor, op, operands)?;
        ensure!(computed.len() == results.len(), "{} results", computed.len());
        for (computed, expected) in computed.iter().zip(*results) {
            let bound = 8.0 * computed.dtype().epsilon();
            compare(computed, &tensor(expected)?, Tolerance::new(bound, 0.0))
                .map_err(|mismatch| anyhow::anyhow!("{}: {mismatch}", executor.name()))?;
        }
    }
    Ok(())
}

fn tensor((dtype, shape, values): &Numbers) -> Result<Tensor> {
    Ok(Tensor::from_values(*dtype, *shape, values.to_vec())?)
}

/// Runs a function around one op.
fn run(executor: &dyn Executor, op: &str, operands: &[Numbers]) -> Result<Vec<Tensor>> {
    let context = sample::context(&[]);
    let (text, signature) = op.rsplit_once(" : ").context("an op ends with its types")?;
    let (operand_types, result_types) = signature.split_once(" -> ").unwrap_or((signature, signature));
    let (operand_types, result_types) = (example::types(operand_types), example::types(result_types));
    let names = example::names(text);
    let arguments = (0..operands.len()).map(|number| {
        let place = names.iter().position(|name| *name == number.to_string());
        let ty = place.and_then(|place| operand_types.get(place)).with_context(|| format!("%{number} has no type"))?;
        Ok(format!("%{number}: {ty}"))
    });
    let arguments = arguments.collect::<Result<Vec<_>>>()?.join(", ");
    let count = result_types.len();
    let results: Vec<_> = (0..count).map(|number| format!("%r#{number}")).collect();
    let (results, types) = (results.join(", "), result_types.join(", "));
    let program = format!(
        "func.func @case({arguments}) -> ({types}) {{\n  %r:{count} = {op}\n  return {results} : {types}\n}}\n"
    );
    let module = Module::parse(&context, "case.mlir", program.as_bytes())?;
    let inputs = operands.iter().map(tensor).collect::<Result<Vec<_>>>()?;
    executor.run(&module, "case", &inputs)
}
