//! The table of the dialect's ops.

use std::sync::LazyLock;
use thunder_interface::{SampleSet, Samples};
use thunder_ir::op::Op;
use thunder_ir::{Dialect, Type, op::OpDef};

/// Declares the modules of ops and lists the ops of each. One word here adds an op everywhere:
/// registration, builder methods, documentation and generated tests.
macro_rules! ops {
    ($($module:ident: $($op:ident),* $(,)?;)*) => {
        $(pub mod $module;)*

        /// The builder methods of every op.
        pub mod build {
            $(#[allow(unused_imports, reason = "a module may have no builder methods of its own")]
            pub use super::$module::*;)*
        }

        fn register(dialect: Dialect) -> Dialect {
            dialect $($(.op::<$module::$op>())*)*
        }

        /// The samples of every op, in the order of the table.
        pub fn all_samples() -> Vec<(&'static OpDef, SampleSet)> {
            vec![$($((<$module::$op<'static> as Op>::definition(), {
                let mut set = SampleSet::default();
                <$module::$op<'static> as Samples>::samples(&mut set);
                set
            }),)*)*]
        }
    };
}

ops! {
    constant: Constant;
    create: Full, Iota;
    unary: Neg, Abs, Sign, Not, Ceil, Floor, Round, Trunc, Sqrt, Rsqrt, Reciprocal, Exp, Exp2, Expm1, Log, Log2, Log10,
        Log1p, Sin, Cos, Tan, Asin, Acos, Atan, Sinh, Cosh, Tanh, Asinh, Acosh, Atanh, Erf, Erfc;
    activation: Relu, Sigmoid, Silu, Softplus, Mish, HardSigmoid, HardSwish, Gelu, LeakyRelu, Elu;
    binary: Add, Sub, Mul, Div, Rem, Remainder, Pow, Maximum, Minimum, Atan2, And, Or, Xor, ShiftLeft, ShiftRight;
    compare: Eq, Ne, Lt, Le, Gt, Ge, Isnan, Isinf, Isfinite;
    select: Where, Clamp, Lerp;
    convert: Convert;
    dim: Dim;
    broadcast: BroadcastInDim;
    reshape: Reshape;
    transpose: Transpose, Reverse;
    slice: Slice;
    concat: Concat;
    pad: Pad;
    matmul: Matmul;
    linear: Linear;
    reduce: Sum, Prod, Amax, Amin, Mean, Any, All;
    arg_reduce: Argmax, Argmin;
    variance: Var, VarMean;
    scan: Cumsum;
    gather: Take, TakeAlongAxis, Embedding;
    softmax: Softmax, LogSoftmax;
    normalize: LayerNorm, RmsNorm, GroupNorm, BatchNorm;
    convolution: Convolution;
    pool: MaxPool, AvgPool;
    attention: Sdpa;
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
    .depends_on("func");
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
