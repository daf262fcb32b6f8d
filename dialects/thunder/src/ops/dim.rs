//! Sizes of tensors as numbers.

use crate::{checked_axis, declared, replaced};
use thunder_interface::{
    Cost, Dim as Size, DimExpr, Dtypes, EvalError, Precision, Reference, SampleSet, Samples, ShapeInputs, ShapeRule,
    SizeRule,
};
use thunder_ir::prelude::*;
use thunder_tensor::Tensor as HostTensor;

/// The size of one dimension of a tensor.
///
/// - (C1) `axis` is a dimension of the operand
///
/// ```mlir
/// %n = thunder.dim %x axis = 0 : tensor<?xf32> -> index
/// ```
#[op("thunder.dim", pure, infer, fold, interfaces(Reference, ShapeRule, SizeRule, Cost, Precision))]
pub struct Dim {
    operand: Operand<Tensor>,
    /// The dimension.
    axis: Attr<i64>,
    size: Produces<Index>,
}

impl<'c> Infer<'c> for Dim<'c> {
    fn infer(&self) -> Result<Vec<Type<'c>>> {
        let rank = self.operand().ty().as_tensor().map_or(0, |t| t.rank());
        checked_axis(self, self.axis(), rank, "(C1)")?;
        Ok(vec![Type::index(self.context())])
    }
}

impl ShapeRule for Dim<'_> {
    fn shapes<'b>(&'b self, _: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Size>>> {
        Ok(vec![Vec::new()])
    }
}

impl SizeRule for Dim<'_> {
    fn size(&self, operands: &[Vec<Size>]) -> Size {
        operands[0][self.axis() as usize].clone()
    }
}

impl Reference for Dim<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        Ok(vec![HostTensor::scalar(inputs[0].shape()[self.axis() as usize] as i64)])
    }
}

impl<'c> Fold<'c> for Dim<'c> {
    fn fold(&self, _: &[Option<Attribute<'c>>]) -> Option<FoldOutcome<'c>> {
        let operand = self.operand();
        let number = |size| replaced(Folded::Constant(Attribute::integer(Type::index(self.context()), size)));
        // dim(x: tensor<..x4x..>) == 4
        if let Size::Known(size) = declared(operand.ty()).get(self.axis() as usize)? {
            return Some(number(*size));
        }
        // dim(f(x, n)) == dim(x) or n, where the shape rule of f says so
        match origin(operand.defining_op()?, operand, self.axis() as usize)? {
            Origin::Number(size) => Some(number(size)),
            Origin::Value(value) => Some(replaced(Folded::Value(value))),
            Origin::Dimension(value, axis) => {
                self.operation().set_operand(0, value);
                self.operation().set_attribute("axis", Attribute::i64(self.context(), axis as i64));
                Some(FoldOutcome::InPlace)
            }
        }
    }
}

/// Where a size comes from.
enum Origin<'c> {
    Number(i64),
    /// An operand of type `index`.
    Value(Value<'c>),
    /// A dimension of an operand.
    Dimension(Value<'c>, usize),
}

/// Asks the op's shape rule with a symbol for each size that goes in: is the size just one of them?
fn origin<'c>(op: Operation<'c>, result: Value<'c>, axis: usize) -> Option<Origin<'c>> {
    let operands: Vec<Value<'c>> = op.operands().collect();
    let mut origins: Vec<Origin<'c>> = Vec::new();
    let mut numbers = Vec::new();
    let mut dims = Vec::new();
    for value in &operands {
        numbers.push(origins.len() as u32);
        if value.ty().as_tensor().is_none() {
            origins.push(Origin::Value(*value));
        }
        let mut sizes = declared(value.ty());
        for (axis, size) in sizes.iter_mut().enumerate().filter(|(_, size)| **size == Size::Unknown) {
            *size = Size::symbol(origins.len() as u32);
            origins.push(Origin::Dimension(*value, axis));
        }
        dims.push(sizes);
    }
    let shapes = match <dyn ShapeRule>::of(op) {
        Some(rule) => {
            let size = |v: Value<'_>| {
                let found = operands.iter().position(|known| *known == v);
                found.map_or(Size::Unknown, |index| Size::symbol(numbers[index]))
            };
            rule.shapes(&ShapeInputs { operands: dims, size: &size }).ok()?
        }
        None if op.has_trait("same_type") => vec![dims.first()?.clone(); op.result_count()],
        None => return None,
    };
    let (_, index) = result.definer()?;
    match shapes.get(index)?.get(axis)? {
        Size::Known(size) => Some(Origin::Number(*size)),
        Size::Expr(expr) => match **expr {
            DimExpr::Symbol(number) => Some(origins.swap_remove(number as usize)),
            _ => None,
        },
        Size::Unknown => None,
    }
}

impl Cost for Dim<'_> {
    fn flops(&self, _: &[Vec<i64>], _: &[Vec<i64>]) -> f64 {
        0.0
    }
}

impl Precision for Dim<'_> {}

impl Samples for Dim<'_> {
    fn samples(s: &mut SampleSet) {
        for shape in [[2, 3, 5], [0, 3, 7], [4, 3, 0]] {
            s.add(
                Dtypes::MOVED,
                "(%x: tensor<?x3x?x$T>) -> tensor<?x?xi32>",
                "%n = thunder.dim %x axis = 2 : tensor<?x3x?x$T> -> index
                 %m = thunder.dim %x axis = 1 : tensor<?x3x?x$T> -> index
                 %r = thunder.full %n, %m value = 1 : i32 : (index, index) -> tensor<?x?xi32>
                 return %r : tensor<?x?xi32>",
                &[&shape],
            );
        }
    }
}
