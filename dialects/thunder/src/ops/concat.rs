//! Tensors put together from parts.

use crate::{checked_axis, fold_constants, fold_to, infer_like};
use thunder_interface::{Cost, Dim, Dtypes, EvalError, Reference, SampleSet, Samples, ShapeInputs, ShapeRule};
use thunder_ir::prelude::*;
use thunder_tensor::Tensor as HostTensor;

/// The operands one after the other along one dimension.
///
/// - (C1) there is an operand, and all have one element type and rank
/// - (C2) `axis` is a dimension of the operands
/// - (C3) all other dimensions have equal sizes
///
/// ```mlir
/// %c = thunder.concat %a, %b axis = 0 : (tensor<2x3xf32>, tensor<4x3xf32>) -> tensor<6x3xf32>
/// ```
#[op("thunder.concat", pure, infer, fold, interfaces(Reference, ShapeRule, Cost))]
pub struct Concat {
    parts: Variadic<Tensor>,
    /// The dimension along which sizes add up.
    axis: Attr<i64>,
    out: Produces<Tensor>,
}

impl<'c> Infer<'c> for Concat<'c> {
    fn infer(&self) -> Result<Vec<Type<'c>>> {
        if self.parts().is_empty() {
            return Err(self.error("(C1) there is nothing to concatenate"));
        }
        infer_like(self)
    }
}

impl ShapeRule for Concat<'_> {
    fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
        let mut elements = self.parts().into_iter().map(|v| v.ty().element());
        let first = elements.next();
        if let (Some(first), Some(other)) = (first, elements.find(|e| Some(*e) != first)) {
            return Err(self.error(format!("(C1) element types differ: '{first}' and '{other}'")));
        }
        let mut shape = inputs.operands[0].clone();
        let along = checked_axis(self, self.axis(), shape.len(), "(C2)")?;
        for part in &inputs.operands[1..] {
            if part.len() != shape.len() {
                return Err(self.error(format!("(C1) ranks differ: {} and {}", shape.len(), part.len())));
            }
            for (axis, (dim, size)) in shape.iter_mut().zip(part).enumerate() {
                *dim = if axis == along {
                    dim.add(size)
                } else {
                    dim.unify(size)
                        .map_err(|e| self.error(format!("(C3) sizes of dimension {axis} differ: {e}")))?
                };
            }
        }
        Ok(vec![shape])
    }
}

impl Reference for Concat<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        let parts: Vec<&HostTensor> = inputs.iter().collect();
        let joined = thunder_tensor::concat(&parts, self.axis() as usize);
        joined.map(|t| vec![t]).map_err(|e| EvalError::Input(e.to_string()))
    }
}

impl<'c> Fold<'c> for Concat<'c> {
    fn fold(&self, constants: &[Option<Attribute<'c>>]) -> Option<FoldOutcome<'c>> {
        // concat(x) == x
        if let [only] = self.parts()[..] {
            return fold_to(self, only);
        }
        fold_constants(self, constants)
    }
}

impl Cost for Concat<'_> {
    fn flops(&self, _: &[Vec<i64>], _: &[Vec<i64>]) -> f64 {
        0.0
    }
}

impl Samples for Concat<'_> {
    fn samples(s: &mut SampleSet) {
        for (a, b, axis, out, shapes) in [
            ("3x17x", "3x5x", 1, "3x22x", [&[3, 17][..], &[3, 5]]),
            ("3x17x", "1x17x", 0, "4x17x", [&[3, 17], &[1, 17]]),
            ("?x5x", "?x5x", 0, "?x5x", [&[7, 5], &[2, 5]]),
            ("0x4x", "3x4x", 0, "3x4x", [&[0, 4], &[3, 4]]),
        ] {
            let [a, b, out] = [a, b, out].map(|dims| format!("tensor<{dims}$T>"));
            let body = format!("%r = thunder.concat %a, %b axis = {axis} : ({a}, {b}) -> {out}\n  return %r : {out}");
            s.add(Dtypes::ALL, &format!("(%a: {a}, %b: {b}) -> {out}"), &body, &shapes);
        }
    }
}
