//! The table of the dialect's ops.

use std::sync::LazyLock;
use thunder_interface::Rules;
use thunder_ir::op::{Op as _, OpDef};
use thunder_ir::{Dialect, Type};

thunder_interface::ops! {
    constant: Constant;
    create: Full, Iota;
    random: Philox, PhiloxWord;
    unary: Neg, Abs, Sign, Not, Ceil, Floor, Round, Trunc, Sqrt, Rsqrt, Reciprocal, Exp, Exp2, Expm1, Log, Log2, Log10,
        Log1p, Sin, Cos, Tan, Asin, Acos, Atan, Sinh, Cosh, Tanh, Asinh, Acosh, Atanh, Erf, Erfc;
    activation: Relu, Sigmoid, Silu, Softplus, Mish, HardSigmoid, HardSwish, Gelu, LeakyRelu, Elu;
    special: Lgamma, Polygamma, Erfinv, Ndtri, I0, I0e, I1, I1e;
    binary: Add, Sub, Mul, Div, Rem, Remainder, Pow, Maximum, Minimum, Atan2, And, Or, Xor, ShiftLeft, ShiftRight;
    compare: Eq, Ne, Lt, Le, Gt, Ge, Isnan, Isinf, Isfinite;
    select: Where, Clamp, Lerp;
    convert: Convert;
    complex: Complex, Real, Imag;
    bitcast: Bitcast;
    dim: Dim;
    memory: CopyInto, Read;
    broadcast: BroadcastInDim;
    reshape: Reshape;
    transpose: Transpose, Reverse;
    slice: Slice;
    dynamic_slice: DynamicSlice, DynamicUpdateSlice;
    concat: Concat;
    pad: Pad;
    matmul: Matmul;
    linear: Linear;
    scaled_matmul: ScaledMatmul;
    reduce: Sum, Prod, Amax, Amin, Mean, Any, All;
    arg_reduce: Argmax, Argmin;
    variance: Var, VarMean;
    scan: Cumsum, Cumprod, Cummax, Cummin, Logcumsumexp;
    gather: Take, TakeAlongAxis, Embedding;
    scatter: IndexAdd, ScatterAdd;
    scatter_reduce: ScatterReduce;
    sort: Argsort, Sort, Topk;
    softmax: Softmax, LogSoftmax;
    logsumexp: Logsumexp;
    cross_entropy: CrossEntropy;
    normalize: LayerNorm, RmsNorm, GroupNorm, BatchNorm;
    convolution: Convolution;
    pool: MaxPool, MaxPoolIndex, AvgPool;
    attention: Sdpa, SdpaBackward;
}

/// `arith.constant`, of which materialization needs no more than the name.
static ARITH_CONSTANT: LazyLock<OpDef> = LazyLock::new(|| OpDef::new("arith.constant", "A constant."));

static THUNDER: LazyLock<Dialect> = LazyLock::new(|| {
    let dialect = Dialect::new(
        "thunder",
        "Tensor programs at two levels: primitives, which neither broadcast nor promote, and \
         composites, which decompose into them.",
    )
    .depends_on("arith")
    .depends_on("func")
    .extend(Rules::new(crate::rules::table).with_merges(crate::rules::merges));
    register(dialect).constants(|value, ty| {
        if value.is_dense() {
            return (value.ty() == Some(ty)).then(constant::Constant::definition);
        }
        // Sizes are numbers of MLIR's own.
        (ty == Type::index(ty.context()) && value.as_integer().is_some()).then(|| &*ARITH_CONSTANT)
    })
});

/// The dialect.
pub fn dialect() -> &'static Dialect {
    &THUNDER
}
