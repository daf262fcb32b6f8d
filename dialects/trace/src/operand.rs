//! Operands of elementwise ops, brought to one dtype and one shape.

use std::fmt;

use thunder_dialect::build::{BuildBroadcastInDim as _, BuildConvert as _};
use thunder_interface::{Dim as Size, dtype_of};
use thunder_ir::{Attribute, Type};
use thunder_tensor::DType;

use crate::Tensor;
use crate::promote::{Weight, result_type};
use crate::tracer::Site;

/// A number or truth value of Rust's: it takes the dtype of the tensors that it meets, unless they
/// are of a lesser kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar {
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// A complex number: its real and its imaginary part.
    Complex(f64, f64),
}

impl Scalar {
    fn dtype(self) -> DType {
        match self {
            Self::Bool(_) => DType::Bool,
            Self::Int(_) => DType::I64,
            Self::Float(_) => DType::F32,
            Self::Complex(..) => DType::C64,
        }
    }

    /// The parts of the scalar as a complex number.
    pub(crate) fn parts(self) -> [Self; 2] {
        match self {
            Self::Complex(re, im) => [Self::Float(re), Self::Float(im)],
            real => [real, Self::Int(0)],
        }
    }

    /// The scalar as an element; `None` where the type cannot hold it.
    pub(crate) fn to_attribute(self, element: Type<'_>) -> Option<Attribute<'_>> {
        let dtype = dtype_of(element)?;
        if dtype.is_float() || dtype.is_float8() {
            let value = match self {
                Self::Bool(value) => f64::from(u8::from(value)),
                Self::Int(value) => value as f64,
                Self::Float(value) => value,
                Self::Complex(..) => return None,
            };
            return Some(Attribute::float(element, value));
        }
        let value = match self {
            Self::Bool(value) => i64::from(value),
            Self::Int(value) => value,
            Self::Float(_) | Self::Complex(..) => return None,
        };
        let fits = dtype == DType::I64 || (dtype.min_value()..=dtype.max_value()).contains(&(value as f64));
        let attribute = match dtype {
            DType::Bool => Attribute::bool(element.context(), value == 1),
            _ => Attribute::integer(element, value),
        };
        fits.then_some(attribute)
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Complex(re, im) => write!(f, "{re:?}{im:+?}i"),
        }
    }
}

/// What elementwise methods take: a tensor or a [`Scalar`].
#[derive(Clone, Copy)]
pub enum Operand<'t> {
    /// A tensor.
    Tensor(Tensor<'t>),
    /// A number or truth value.
    Scalar(Scalar),
}

impl<'t> From<Tensor<'t>> for Operand<'t> {
    fn from(tensor: Tensor<'t>) -> Self {
        Self::Tensor(tensor)
    }
}

macro_rules! scalars {
    ($($ty:ty => |$value:ident| $scalar:expr;)*) => {$(
        impl From<$ty> for Scalar {
            fn from($value: $ty) -> Self {
                $scalar
            }
        }

        impl From<$ty> for Operand<'_> {
            fn from(value: $ty) -> Self {
                Self::Scalar(value.into())
            }
        }
    )*};
}

scalars! {
    bool => |value| Self::Bool(value);
    i32 => |value| Self::Int(value.into());
    i64 => |value| Self::Int(value);
    f32 => |value| Self::Float(value.into());
    f64 => |value| Self::Float(value);
}

impl<'t> Site<'t> {
    /// The dtype that operands of an elementwise op have in common.
    pub(crate) fn common_dtype(self, operands: &[Operand<'t>]) -> DType {
        let weighed = operands.iter().map(|operand| match operand {
            Operand::Tensor(tensor) if tensor.rank() > 0 => (Weight::Tensor, tensor.dtype()),
            Operand::Tensor(tensor) => (Weight::RankZero, tensor.dtype()),
            Operand::Scalar(scalar) => (Weight::Scalar, scalar.dtype()),
        });
        result_type(weighed).expect("an elementwise op has operands")
    }

    /// The operands as tensors of one shape and of `dtype`.
    pub(crate) fn unified<const N: usize>(self, operands: [Operand<'t>; N], dtype: DType) -> [Tensor<'t>; N] {
        let sizes = self.common_sizes(&operands);
        operands.map(|operand| self.operand(operand, &sizes, dtype))
    }

    /// An operand as a tensor of these sizes and of `dtype`.
    pub(crate) fn operand(self, operand: Operand<'t>, sizes: &[Size], dtype: DType) -> Tensor<'t> {
        match operand {
            Operand::Tensor(tensor) => tensor.converted(dtype).broadcast(sizes),
            Operand::Scalar(scalar) => self.full(sizes.to_vec(), scalar, dtype),
        }
    }

    /// The sizes that all operands broadcast to.
    pub(crate) fn common_sizes(self, operands: &[Operand<'t>]) -> Vec<Size> {
        let mut common: Vec<Size> = Vec::new();
        for operand in operands {
            let Operand::Tensor(tensor) = operand else { continue };
            common = self.broadcast_sizes(&common, &tensor.sizes());
        }
        common
    }

    /// The sizes that tensors of sizes `a` and `b` broadcast to.
    pub(crate) fn broadcast_sizes(self, a: &[Size], b: &[Size]) -> Vec<Size> {
        let rank = a.len().max(b.len());
        let at = |sizes: &[Size], axis: usize| match (axis + sizes.len()).checked_sub(rank) {
            Some(own) => sizes[own].clone(),
            None => Size::Known(1),
        };
        let unify = |axis: usize| match (at(a, axis), at(b, axis)) {
            (Size::Known(1), other) | (other, Size::Known(1)) => other,
            (x, y) => x.unify(&y).unwrap_or_else(|_| {
                self.fail(format!("shapes {:?} and {:?} do not broadcast", self.named(a), self.named(b)))
            }),
        };
        (0..rank).map(unify).collect()
    }
}

impl<'t> Tensor<'t> {
    /// The tensor with elements of `dtype`.
    pub(crate) fn converted(self, dtype: DType) -> Self {
        if self.dtype() == dtype {
            return self;
        }
        let dims: Vec<_> = self.sizes().iter().map(Size::known).collect();
        let ty = Type::tensor(self.site.element(dtype), &dims);
        self.site.op(&[self], |b| b.convert(self.value, ty))
    }

    /// The tensor at the end of a shape that it broadcasts to.
    pub(crate) fn broadcast(self, sizes: &[Size]) -> Self {
        let own = self.sizes();
        let new = sizes.len() - own.len();
        let is_repeated = |(own, size): (&Size, &Size)| *own == Size::Known(1) && *size != Size::Known(1);
        if new == 0 && !own.iter().zip(sizes).any(is_repeated) {
            return self;
        }
        let dims: Vec<i64> = (new as i64..sizes.len() as i64).collect();
        self.placed(dims, sizes.to_vec())
    }

    /// Dimension `i` becomes dimension `dims[i]` of a tensor of these sizes.
    pub(crate) fn placed(self, dims: Vec<i64>, sizes: Vec<Size>) -> Self {
        let element = self.value.ty().element();
        self.site.sized_op(&[self], element, sizes, |b, dynamic, ty| b.broadcast_in_dim(self.value, dynamic, dims, ty))
    }
}
