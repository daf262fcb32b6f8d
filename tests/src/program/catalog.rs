//! The elementwise ops that random programs are made of, from the dialect's table.

use thunder_conformance::sample::context;
use thunder_interface::type_of;
use thunder_ir::op::{Arity, OpDef};
use thunder_ir::{ContextRef, Type};
use thunder_tensor::DType;

/// An op that computes each element from those of its operands, which have one type.
pub(super) struct Elementwise {
    pub name: &'static str,
    pub operands: usize,
    pub dtypes: Vec<DType>,
}

/// The ops by the type of their result.
pub(super) struct Catalog {
    /// That of the operands.
    pub same: Vec<Elementwise>,
    /// Truth values.
    pub compare: Vec<Elementwise>,
}

/// Ops that are not defined for every integer.
const PARTIAL: [&str; 3] = ["thunder.div", "thunder.rem", "thunder.remainder"];

impl Catalog {
    pub fn new() -> Self {
        let context = context(&[]);
        let cx = context.as_ref();
        let (mut same, mut compare) = (Vec::new(), Vec::new());
        for def in &thunder_dialect::dialect().ops {
            let plain = def.has_trait("elementwise")
                && def.attributes.iter().all(|spec| spec.default.is_some())
                && def.operands.iter().all(|spec| spec.arity == Arity::One);
            let [result] = &def.results[..] else { continue };
            if !plain {
                continue;
            }
            let op = Elementwise { name: def.name, operands: def.operands.len(), dtypes: accepted(cx, def) };
            let accepts = |dtype| (result.constraint.accepts)(tensor(cx, dtype));
            if def.has_trait("same_type") {
                same.push(op);
            } else if accepts(DType::Bool) && !accepts(DType::F32) {
                compare.push(op);
            }
        }
        Self { same, compare }
    }
}

fn tensor(cx: ContextRef<'_>, dtype: DType) -> Type<'_> {
    Type::tensor(type_of(cx, dtype), &[])
}

/// The dtypes that every operand may have.
fn accepted(cx: ContextRef<'_>, def: &OpDef) -> Vec<DType> {
    let fits = |dtype: &DType| def.operands.iter().all(|spec| (spec.constraint.accepts)(tensor(cx, *dtype)));
    let total = |dtype: &DType| dtype.is_float() || !PARTIAL.contains(&def.name);
    DType::COMPUTED.into_iter().filter(fits).filter(total).collect()
}
