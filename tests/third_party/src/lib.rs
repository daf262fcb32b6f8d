//! A dialect as a third party writes it: one op with a scalar body, one that decomposes.
//!
//! The framework knows nothing of it. The dialect takes part in folding, planning, lowering and the generated tests by
//! the interfaces that its ops implement.

use std::sync::LazyLock;

use thunder_ir::Dialect;
use thunder_ir::op::Op as _;

thunder_interface::ops! {
    soft_clip: SoftClip;
    l2_normalize: L2Normalize;
}

static ACME: LazyLock<Dialect> = LazyLock::new(|| {
    let dialect = Dialect::new("acme", "What Acme's models need beside the usual.").depends_on("thunder");
    register(dialect)
        .constants(|value, ty| (value.ty() == Some(ty)).then(thunder_dialect::ops::constant::Constant::definition))
});

/// The dialect.
pub fn dialect() -> &'static Dialect {
    &ACME
}
