//! The vocabulary of decompositions: sizes that may be dynamic, and the precision to compute in.
//!
//! Composites of half precision are computed in single precision and rounded once at the end.

use crate::build::*;
use crate::complex::part_type;
use crate::declared;
use thunder_ir::op::Op;
use thunder_ir::{Attribute, Blueprint, Builder, Result, Scalar, Type, Value};

/// The size of a dimension while a program is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent<'c> {
    /// A number.
    Known(i64),
    /// An `index` that is computed when the program runs.
    Value(Value<'c>),
}

impl<'c> Extent<'c> {
    /// The size as a type states it.
    pub fn stated(self) -> Option<i64> {
        match self {
            Self::Known(size) => Some(size),
            Self::Value(_) => None,
        }
    }

    /// The size where a type leaves it open.
    pub fn value(self) -> Option<Value<'c>> {
        match self {
            Self::Known(_) => None,
            Self::Value(value) => Some(value),
        }
    }

    fn to_value(self, b: &Builder<'c>) -> Result<Value<'c>> {
        let size = match self {
            Self::Value(value) => return Ok(value),
            Self::Known(size) => size,
        };
        let index = Type::index(b.context());
        let constant = Blueprint::new("arith.constant").results([index]);
        Ok(b.insert(&constant.attribute("value", Attribute::integer(index, size)))?.result(0))
    }

    fn combine(
        self,
        b: &Builder<'c>,
        other: Self,
        known: fn(i64, i64) -> Option<i64>,
        name: &str,
    ) -> Result<Extent<'c>> {
        if let (Self::Known(x), Self::Known(y)) = (self, other)
            && let Some(size) = known(x, y)
        {
            return Ok(Self::Known(size));
        }
        let operands = [self.to_value(b)?, other.to_value(b)?];
        let op = Blueprint::new(name).operands(operands).results([Type::index(b.context())]);
        Ok(Self::Value(b.insert(&op)?.result(0)))
    }

    /// The product of two sizes.
    pub fn mul(self, b: &Builder<'c>, other: Self) -> Result<Self> {
        match (self, other) {
            (Self::Known(1), x) | (x, Self::Known(1)) => Ok(x),
            _ => self.combine(b, other, i64::checked_mul, "arith.muli"),
        }
    }

    /// The sum of two sizes.
    pub fn add(self, b: &Builder<'c>, other: Self) -> Result<Self> {
        match (self, other) {
            (Self::Known(0), x) | (x, Self::Known(0)) => Ok(x),
            _ => self.combine(b, other, i64::checked_add, "arith.addi"),
        }
    }

    /// The difference of two sizes.
    pub fn sub(self, b: &Builder<'c>, other: Self) -> Result<Self> {
        match other {
            Self::Known(0) => Ok(self),
            _ => self.combine(b, other, i64::checked_sub, "arith.subi"),
        }
    }

    /// The larger of two sizes.
    pub fn max(self, b: &Builder<'c>, other: Self) -> Result<Self> {
        self.combine(b, other, |x, y| Some(x.max(y)), "arith.maxsi")
    }

    /// The smaller of two sizes.
    pub fn min(self, b: &Builder<'c>, other: Self) -> Result<Self> {
        match (self, other) {
            (Self::Known(0), _) | (_, Self::Known(0)) => Ok(Self::Known(0)),
            // min(x, y) == x - max(x - y, 0)
            _ => self.sub(b, self.sub(b, other)?.max(b, Self::Known(0))?),
        }
    }

    /// The quotient of two sizes of which the second divides the first; 0 divides 0, with the
    /// quotient 0.
    pub fn div(self, b: &Builder<'c>, other: Self) -> Result<Self> {
        match (self, other) {
            (x, Self::Known(1)) => Ok(x),
            (_, Self::Known(0)) => Ok(Self::Known(0)),
            (_, Self::Known(_)) => self.combine(b, other, i64::checked_div, "arith.divsi"),
            _ => {
                let divisor = other.max(b, Self::Known(1))?;
                self.combine(b, divisor, i64::checked_div, "arith.divsi")
            }
        }
    }
}

/// The sizes of a tensor; what its type leaves open is asked of the value.
pub fn extents<'c>(b: &Builder<'c>, x: Value<'c>) -> Result<Vec<Extent<'c>>> {
    let dims = x.ty().as_tensor().map(|t| t.dims()).unwrap_or_default();
    let extent = |(axis, dim): (usize, Option<i64>)| match dim {
        Some(size) => Ok(Extent::Known(size)),
        None => b.dim(x, axis as i64).map(Extent::Value),
    };
    dims.into_iter().enumerate().map(extent).collect()
}

/// The number of elements in dimensions of these sizes.
pub fn count<'c>(b: &Builder<'c>, sizes: &[Extent<'c>]) -> Result<Extent<'c>> {
    sizes.iter().try_fold(Extent::Known(1), |product, size| product.mul(b, *size))
}

fn tensor_of<'c>(element: Type<'c>, sizes: &[Extent<'c>]) -> (Type<'c>, Vec<Value<'c>>) {
    let stated: Vec<_> = sizes.iter().map(|size| size.stated()).collect();
    let dynamic = sizes.iter().filter_map(|size| match size {
        Extent::Known(_) => None,
        Extent::Value(value) => Some(*value),
    });
    (Type::tensor(element, &stated), dynamic.collect())
}

/// Dimension `i` of `x` becomes dimension `dims[i]` of a tensor of these sizes.
pub fn broadcast<'c>(b: &Builder<'c>, x: Value<'c>, dims: &[usize], sizes: &[Extent<'c>]) -> Result<Value<'c>> {
    let (ty, dynamic) = tensor_of(x.ty().element(), sizes);
    if x.ty() == ty && dims.iter().copied().eq(0..sizes.len()) {
        return Ok(x);
    }
    b.broadcast_in_dim(x, &dynamic, dims.iter().map(|dim| *dim as i64).collect(), ty)
}

/// The elements of `x` in the same order, in a tensor of these sizes.
pub fn reshape<'c>(b: &Builder<'c>, x: Value<'c>, sizes: &[Extent<'c>]) -> Result<Value<'c>> {
    let (ty, dynamic) = tensor_of(x.ty().element(), sizes);
    if x.ty() == ty && dynamic.is_empty() { Ok(x) } else { b.reshape(x, &dynamic, ty) }
}

/// The value of an op whose last operands are the sizes that its type leaves open, under the type `ty`.
pub fn restated<'c>(b: &Builder<'c>, op: &impl Op<'c>, sizes: &[Value<'c>], ty: Type<'c>) -> Result<Value<'c>> {
    let op = op.operation();
    let mut open = sizes.iter().copied().map(Extent::Value);
    let mut operands: Vec<Value<'c>> = op.operands().take(op.operand_count() - sizes.len()).collect();
    for (before, after) in declared(op.result(0).ty()).iter().zip(declared(ty)) {
        let size = before.known().map(Extent::Known).or_else(|| open.next());
        if let (Some(size), None) = (size, after.known()) {
            operands.push(size.to_value(b)?);
        }
    }
    let again = Blueprint::new(op.name()).operands(operands).results([ty]);
    let again = op.attributes().into_iter().fold(again, |again, (name, value)| again.attribute(name, value));
    Ok(b.insert(&again)?.result(0))
}

/// A tensor of these sizes whose elements all are the float `value`, or the complex number of that real part.
pub fn full<'c>(b: &Builder<'c>, element: Type<'c>, value: f64, sizes: &[Extent<'c>]) -> Result<Value<'c>> {
    let part = part_type(element);
    if part != element {
        return b.complex(full(b, part, value, sizes)?, full(b, part, 0.0, sizes)?);
    }
    let (ty, dynamic) = tensor_of(element, sizes);
    b.full(&dynamic, Attribute::float(element, value), ty)
}

/// A tensor of these sizes that is true everywhere.
pub fn truths<'c>(b: &Builder<'c>, sizes: &[Extent<'c>]) -> Result<Value<'c>> {
    let (ty, dynamic) = tensor_of(Type::int(b.context(), 1), sizes);
    b.full(&dynamic, Attribute::bool(b.context(), true), ty)
}

/// A tensor of these sizes whose elements all are zero, whatever their type.
pub fn zeros<'c>(b: &Builder<'c>, element: Type<'c>, sizes: &[Extent<'c>]) -> Result<Value<'c>> {
    if part_type(element) != element {
        return full(b, element, 0.0, sizes);
    }
    let (ty, dynamic) = tensor_of(element, sizes);
    b.full(&dynamic, zero(element), ty)
}

/// The element zero of a type; that of a part, for complex numbers.
pub fn zero(element: Type<'_>) -> Attribute<'_> {
    match element.as_scalar() {
        Some(scalar) if scalar.is_float() || scalar.is_complex() => Attribute::float(part_type(element), 0.0),
        Some(scalar) if scalar.is_float8() => Attribute::float(element, 0.0),
        _ if element == Type::int(element.context(), 1) => Attribute::bool(element.context(), false),
        _ => Attribute::integer(element, 0),
    }
}

/// `x`, converted to the elements `element`.
pub fn converted<'c>(b: &Builder<'c>, x: Value<'c>, element: Type<'c>) -> Result<Value<'c>> {
    let Some(tensor) = x.ty().as_tensor().filter(|t| t.element() != element) else { return Ok(x) };
    b.convert(x, tensor.with_element(element))
}

/// The element type to compute in: single precision for what is narrower.
pub fn wide(element: Type<'_>) -> Type<'_> {
    match element.as_scalar() {
        Some(Scalar::F16 | Scalar::BF16) => Type::f32(element.context()),
        _ => element,
    }
}

/// `x` in the precision to compute in.
pub fn widened<'c>(b: &Builder<'c>, x: Value<'c>) -> Result<Value<'c>> {
    converted(b, x, wide(x.ty().element()))
}

/// The number of elements in dimensions of these sizes, as a float tensor of rank 0.
pub fn float_count<'c>(b: &Builder<'c>, element: Type<'c>, sizes: &[Extent<'c>]) -> Result<Value<'c>> {
    let stated: Option<i64> = sizes.iter().try_fold(1i64, |n, size| n.checked_mul(size.stated()?));
    if let Some(count) = stated {
        return full(b, element, count as f64, &[]);
    }
    let ones = full(b, element, 1.0, sizes)?;
    b.sum(ones, (0..sizes.len() as i64).collect(), false)
}
