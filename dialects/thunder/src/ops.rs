//! The table of the dialect's ops.

use std::sync::LazyLock;
use thunder_interface::{SampleSet, Samples};
use thunder_ir::op::Op;
use thunder_ir::{Dialect, op::OpDef};

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
    unary: Exp;
    binary: Add;
    matmul: Matmul;
}

static THUNDER: LazyLock<Dialect> = LazyLock::new(|| {
    let dialect = Dialect::new(
        "thunder",
        "Tensor programs at two levels: primitives, which neither broadcast nor promote, and \
         composites, which decompose into them.",
    )
    .depends_on("arith")
    .depends_on("func");
    register(dialect)
        .constants(|value, ty| (value.is_dense() && value.ty() == Some(ty)).then(constant::Constant::definition))
});

/// The dialect.
pub fn dialect() -> &'static Dialect {
    &THUNDER
}
