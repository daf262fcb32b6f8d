//! A dialect as a third party writes it: one op with a scalar body, one that decomposes.
//!
//! The framework knows nothing of it. The dialect takes part in folding, planning, lowering and the generated tests by
//! the interfaces that its ops implement.

mod drop_clips;

use std::sync::LazyLock;

use thunder_interface::{Dtypes, Numerics, Rule, Rules};
use thunder_ir::Dialect;
use thunder_ir::op::Op as _;

use drop_clips::DropClips;

thunder_interface::ops! {
    soft_clip: SoftClip;
    l2_normalize: L2Normalize;
}

static ACME: LazyLock<Dialect> = LazyLock::new(|| {
    let dialect = Dialect::new("acme", "What Acme's models need beside the usual.")
        .depends_on("thunder")
        .extend(Rules::new(algebra));
    register(dialect)
        .constants(|value, ty| (value.ty() == Some(ty)).then(thunder_dialect::ops::constant::Constant::definition))
});

thunder_ir::passes! {
    /// Registers the passes.
    pub fn register_passes; DropClips
}

/// The dialect.
pub fn dialect() -> &'static Dialect {
    &ACME
}

fn algebra() -> Vec<Rule> {
    vec![
        // soft_clip(-x) == -soft_clip(x)
        Rule::new(
            "acme",
            "soft_clip_of_neg",
            Numerics::Exact,
            "soft_clip[limit = l](thunder.neg(x))",
            "thunder.neg(soft_clip[limit = l](x))",
        )
        .sample(
            Dtypes::FLOATS,
            "(%x: tensor<61x$T>) -> tensor<61x$T>",
            "%a = thunder.neg %x : tensor<61x$T>
             %r = acme.soft_clip %a limit = 1.5 : tensor<61x$T>
             return %r : tensor<61x$T>",
            &[&[61]],
        ),
    ]
}
