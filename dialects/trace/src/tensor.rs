//! The proxy of a tensor, and what is known of it while a model is traced.

use std::fmt;
use std::rc::Rc;

use thunder_interface::{Differentiate, Dim as Size, dtype_of};
use thunder_ir::{Builder, Result, Value};
use thunder_tensor::DType;

use crate::tracer::{Site, fail_at};
use crate::{Device, Dim};

/// A tensor that the traced program will have: one SSA value, with PyTorch's methods and operators.
///
/// Operands broadcast and promote as in PyTorch; dimensions count from the end where they are
/// negative. A size that is a symbol is never taken to be 1, and where two different ones meet, the
/// program checks that they are equal.
#[derive(Clone, Copy)]
pub struct Tensor<'t> {
    pub(crate) site: Site<'t>,
    pub(crate) value: Value<'t>,
    pub(crate) shape: u32,
}

impl<'t> Tensor<'t> {
    /// The size of each dimension.
    pub fn shape(self) -> Vec<Dim> {
        self.site.named(&self.sizes())
    }

    /// The size of a dimension.
    #[track_caller]
    pub fn size(self, axis: i64) -> Dim {
        let _at = self.site.at(std::panic::Location::caller());
        let axis = self.axis(axis);
        self.shape().swap_remove(axis)
    }

    /// The number of dimensions.
    pub fn rank(self) -> usize {
        self.sizes().len()
    }

    /// The type of the elements.
    pub fn dtype(self) -> DType {
        dtype_of(self.value.ty().element()).expect("proxies are made of dtypes only")
    }

    /// Where the elements are.
    pub fn device(self) -> Device {
        Device::Cpu
    }

    /// What the gradient of an op that made this tensor from `operands`, all that it has, is: the cotangent of each, where
    /// it has one, given that of the result.
    ///
    /// Functions are differentiated by `--thunder-autodiff`; this is for front ends whose models name derivatives of ops.
    #[track_caller]
    pub fn cotangents(self, operands: &[Tensor<'t>], cotangent: Tensor<'t>) -> Vec<Option<Tensor<'t>>> {
        let _at = self.site.at(std::panic::Location::caller());
        let maker = self.value.defining_op().filter(|op| op.operands().eq(operands.iter().map(|x| x.value)));
        let Some(rule) = maker.and_then(<dyn Differentiate>::of) else {
            self.site.fail(format!("{self} is not made by an op of these operands that has a gradient"))
        };
        let cotangents = self.site.build(&[cotangent], |b| rule.vjp(b, &[Some(cotangent.value)]));
        let like = |(operand, value): (&Tensor<'t>, Option<Value<'t>>)| {
            value.map(|value| self.site.tensor(value, operand.sizes().to_vec()))
        };
        operands.iter().zip(cotangents).map(like).collect()
    }

    /// The value in the program.
    pub fn value(self) -> Value<'t> {
        self.value
    }

    pub(crate) fn sizes(self) -> Rc<[Size]> {
        self.site.sizes(self.shape)
    }

    /// A dimension by its number, which counts from the end where it is negative.
    pub(crate) fn axis(self, axis: i64) -> usize {
        self.axis_below(axis, self.rank())
    }

    /// Like [`Self::axis`] among `rank` dimensions.
    pub(crate) fn axis_below(self, axis: i64, rank: usize) -> usize {
        let from_start = if axis < 0 { axis + rank as i64 } else { axis };
        match usize::try_from(from_start) {
            Ok(axis) if axis < rank => axis,
            _ => self.site.fail(format!("dimension {axis} is out of range for a tensor of rank {rank}")),
        }
    }
}

/// Makes an op that has no method here, such as one of another dialect, from `operands`.
///
/// ```
/// # use thunder_dialect::build::BuildErf as _;
/// # use thunder_trace::{Tensor, apply};
/// # fn model(x: Tensor<'_>) -> Tensor<'_> {
/// apply(&[x], |b| b.erf(x.value()))
/// # }
/// ```
#[track_caller]
pub fn apply<'t>(operands: &[Tensor<'t>], build: impl FnOnce(&Builder<'t>) -> Result<Value<'t>>) -> Tensor<'t> {
    let line = std::panic::Location::caller();
    let [first, ..] = operands else { fail_at(line, "an op needs an operand to know its function") };
    let _at = first.site.at(line);
    first.site.op(operands, build)
}

impl fmt::Display for Tensor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dims: Vec<String> = self.shape().iter().map(Dim::to_string).collect();
        write!(f, "{}[{}]", self.dtype(), dims.join(", "))
    }
}

impl fmt::Debug for Tensor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
