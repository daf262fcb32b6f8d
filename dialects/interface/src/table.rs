//! The table of a dialect's ops.

/// Declares the modules of a dialect's ops and lists the ops of each. One word here adds an op everywhere:
/// registration, builder methods, documentation and generated tests.
///
/// ```ignore
/// thunder_interface::ops! {
///     gelu: Gelu, QuickGelu;
///     softmax: Softmax;
/// }
///
/// static MY: LazyLock<Dialect> = LazyLock::new(|| register(Dialect::new("my", "Activations.")));
/// ```
///
/// Each module is public, and beside them there are `build`, which holds the builder methods of every op, `register`,
/// which adds the ops to a dialect, and `all_samples`, which needs every op to implement
/// [`Samples`](crate::Samples).
#[macro_export]
macro_rules! ops {
    ($($module:ident: $($op:ident),* $(,)?;)*) => {
        $(pub mod $module;)*

        /// The builder methods of every op.
        pub mod build {
            $(#[allow(unused_imports, reason = "a module may have no builder methods of its own")]
            pub use super::$module::*;)*
        }

        fn register(dialect: ::thunder_ir::Dialect) -> ::thunder_ir::Dialect {
            dialect $($(.op::<$module::$op>())*)*
        }

        /// The samples of every op, in the order of the table.
        pub fn all_samples() -> Vec<(&'static ::thunder_ir::op::OpDef, $crate::SampleSet)> {
            vec![$($((<$module::$op<'static> as ::thunder_ir::op::Op>::definition(), {
                let mut set = $crate::SampleSet::default();
                <$module::$op<'static> as $crate::Samples>::samples(&mut set);
                set
            }),)*)*]
        }
    };
}
