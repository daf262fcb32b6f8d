//! Reductions over dimensions and over windows.

use thunder_dialect::build::{BuildAmax as _, BuildAmin as _, BuildProd as _, BuildSum as _};
use thunder_trace::{Dim, Scalar, Tensor, apply, cat};

use super::bits::flipped;
use super::contract::product;
use super::shape::permuted;
use super::{Entry, values};
use crate::arguments::{Answer, gap, malformed};
use crate::stablehlo::call::Call;
use crate::stablehlo::program::{Element, Region};
use crate::stablehlo::value::Value;

pub(super) const OPS: &[Entry] = &[values("stablehlo.reduce", reduce)];

/// A function of two elements that is an op by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fold {
    Add,
    Multiply,
    Maximum,
    Minimum,
    And,
    Or,
}

impl Fold {
    /// The function that a region is, if it is one.
    pub(super) fn of(region: &Region, element: &Element) -> Option<Self> {
        let [op, end] = &region.ops[..] else { return None };
        let [x, y] = &region.arguments[..] else { return None };
        let [(result, _)] = op.results[..] else { return None };
        let is_plain =
            end.operands == [result] && (op.operands == [x.value, y.value] || op.operands == [y.value, x.value]);
        let fold = match (op.name.as_str(), element) {
            ("stablehlo.add" | "stablehlo.maximum" | "stablehlo.or", Element::Bool) => Self::Or,
            ("stablehlo.multiply" | "stablehlo.minimum" | "stablehlo.and", Element::Bool) => Self::And,
            ("stablehlo.add", _) => Self::Add,
            ("stablehlo.multiply", _) => Self::Multiply,
            ("stablehlo.maximum", _) => Self::Maximum,
            ("stablehlo.minimum", _) => Self::Minimum,
            _ => return None,
        };
        is_plain.then_some(fold)
    }

    /// The element that changes no other.
    pub(super) fn neutral(self, element: &Element) -> Scalar {
        let (least, most) = element.range().unwrap_or((0, 0));
        match (self, element) {
            (Self::And, _) => true.into(),
            (Self::Or, _) => false.into(),
            (Self::Add, _) => 0i64.into(),
            (Self::Multiply, _) => 1i64.into(),
            (Self::Maximum, Element::Float(_)) => f64::NEG_INFINITY.into(),
            (Self::Minimum, Element::Float(_)) => f64::INFINITY.into(),
            (Self::Maximum, _) => least.into(),
            (Self::Minimum, _) => most.into(),
        }
    }

    /// Whether a number is the neutral one; floats may be any zero.
    pub(super) fn is_neutral(self, element: &Element, value: Option<Scalar>) -> bool {
        let number = |scalar: Scalar| match scalar {
            Scalar::Bool(value) => f64::from(u8::from(value)),
            Scalar::Int(value) => value as f64,
            Scalar::Float(value) | Scalar::Complex(value, _) => value,
        };
        match (value, self.neutral(element)) {
            (Some(Scalar::Int(a)), Scalar::Int(b)) => a == b,
            (Some(value), neutral) => number(value) == number(neutral),
            (None, _) => false,
        }
    }

    /// The function on two tensors.
    pub(super) fn apply<'t>(self, element: &Element, x: Tensor<'t>, y: Tensor<'t>) -> Tensor<'t> {
        match self {
            Self::Add => x + y,
            Self::Multiply => x * y,
            Self::And => x & y,
            Self::Or => x | y,
            Self::Maximum if element.is_carried() => flipped(flipped(x).maximum(flipped(y))),
            Self::Minimum if element.is_carried() => flipped(flipped(x).minimum(flipped(y))),
            Self::Maximum => x.maximum(y),
            Self::Minimum => x.minimum(y),
        }
    }

    /// Its reduction over dimensions.
    pub(super) fn over<'t>(self, element: &Element, x: Tensor<'t>, axes: &[i64], keep: bool) -> Tensor<'t> {
        let axes = axes.to_vec();
        match self {
            Self::And if keep => x.all_keepdim(axes),
            Self::And => x.all(axes),
            Self::Or if keep => x.any_keepdim(axes),
            Self::Or => x.any(axes),
            // Sums stay in the dtype of their elements.
            Self::Add => apply(&[x], |b| b.sum(x.value(), axes, keep)),
            Self::Multiply => apply(&[x], |b| b.prod(x.value(), axes, keep)),
            Self::Maximum | Self::Minimum => {
                let x = if element.is_carried() { flipped(x) } else { x };
                let most = if self == Self::Maximum {
                    apply(&[x], |b| b.amax(x.value(), axes, keep))
                } else {
                    apply(&[x], |b| b.amin(x.value(), axes, keep))
                };
                if element.is_carried() { flipped(most) } else { most }
            }
        }
    }
}

fn reduce<'t>(c: &Call<'_, 't>) -> Answer<Vec<Value<'t>>> {
    let count = c.operands.len() / 2;
    let (inputs, initials) = c.operands.split_at(count);
    let (Some(first), true) = (inputs.first(), c.operands.len() == 2 * count) else {
        return malformed(format!("{} operands", c.operands.len()));
    };
    let mut axes = c.axes("dimensions", first.rank())?;
    axes.sort_unstable();
    let region = c.region(0)?;
    if let ([x], Some(fold)) = (inputs, Fold::of(region, first.element())) {
        let element = x.element();
        let numbers: Vec<i64> = axes.iter().map(|axis| *axis as i64).collect();
        let given = x.tensor(c.cx);
        let reduced = if axes.is_empty() { given } else { fold.over(element, given, &numbers, false) };
        let initial = &initials[0];
        let result = match fold.is_neutral(element, initial.scalar()) {
            true => reduced,
            false => fold.apply(element, reduced, initial.tensor(c.cx)),
        };
        return Ok(vec![Value::of(element.clone(), result)]);
    }
    if inputs.iter().any(|x| x.dims() != first.dims()) {
        return malformed("its operands differ in their sizes");
    }
    folded(c, inputs, initials, &axes)
}

/// A reduction by any function that is associative: of two halves, element by element, until one is left.
fn folded<'t>(
    c: &Call<'_, 't>,
    inputs: &[Value<'t>],
    initials: &[Value<'t>],
    axes: &[usize],
) -> Answer<Vec<Value<'t>>> {
    let region = c.region(0)?;
    let dims = inputs[0].dims();
    let kept: Vec<usize> = (0..dims.len()).filter(|axis| !axes.contains(axis)).collect();
    let outer: Vec<Dim> = kept.iter().map(|axis| dims[*axis].clone()).collect();
    let inner: Vec<Dim> = axes.iter().map(|axis| dims[*axis].clone()).collect();
    let Some(mut length) = product(&inner).known() else {
        return gap("a function of its own over a dimension of dynamic size");
    };
    let order: Vec<i64> = axes.iter().chain(&kept).map(|axis| *axis as i64).collect();
    let lined = |x: &Value<'t>| {
        let tensor = permuted(x.tensor(c.cx), &order);
        tensor.reshape([&[Dim::from(length)], &outer[..]].concat())
    };
    let mut parts: Vec<Tensor<'t>> = inputs.iter().map(lined).collect();
    let element = |index: usize| inputs[index].element().clone();
    let combine = |left: &[Tensor<'t>], right: &[Tensor<'t>], dims: &[Dim]| -> Answer<Vec<Tensor<'t>>> {
        let given: Vec<Value<'t>> =
            left.iter().chain(right).enumerate().map(|(i, x)| Value::of(element(i % inputs.len()), *x)).collect();
        let made = c.map(region, dims, &given)?;
        if made.len() != inputs.len() {
            return malformed(format!("its function has {} results", made.len()));
        }
        Ok(made.iter().map(|value| value.tensor(c.cx)).collect())
    };
    while length > 1 {
        let half = length / 2;
        let halves = |start: i64| parts.iter().map(|x| x.narrow(0, start, half)).collect::<Vec<_>>();
        let dims = [&[Dim::from(half)], &outer[..]].concat();
        let mut made = combine(&halves(0), &halves(half), &dims)?;
        if length % 2 == 1 {
            made = made.iter().zip(&parts).map(|(x, all)| cat(&[*x, all.narrow(0, length - 1, 1)], 0)).collect();
        }
        (parts, length) = (made, half + length % 2);
    }
    let initial: Vec<Tensor<'t>> =
        initials.iter().map(|x| x.broadcast(c.cx, &[], outer.clone()).tensor(c.cx)).collect();
    let results = if length == 0 {
        initial
    } else {
        let last: Vec<Tensor<'t>> = parts.iter().map(|x| x.reshape(outer.clone())).collect();
        combine(&initial, &last, &outer)?
    };
    Ok(results.into_iter().enumerate().map(|(i, x)| Value::of(element(i), x)).collect())
}
