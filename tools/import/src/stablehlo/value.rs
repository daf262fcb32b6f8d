//! Values of a program while it is written: tensors, and what is known of their elements beforehand.
//!
//! Sizes that a model computes with are values of the program. What they are is known as expressions over the sizes of
//! inputs, so that they can be the sizes of other tensors; nothing computes them unless they are used as numbers. In the
//! same way, counters of loops are known, by which the rounds of loops are counted.

use std::cell::OnceCell;
use std::rc::Rc;

use thunder_trace::{DType, Dim, HostTensor, Scalar, Scope, Tensor, cat};

use super::program::{Element, Elements};
use crate::arguments::{Answer, gap, malformed, number};

/// Of how many elements at most it is known what they are.
const KNOWN: usize = 64;

/// A value; cheap to clone.
#[derive(Clone)]
pub(crate) struct Value<'t>(Rc<Inner<'t>>);

struct Inner<'t> {
    element: Element,
    dims: Vec<Dim>,
    content: Content,
    tensor: OnceCell<Tensor<'t>>,
}

enum Content {
    Computed,
    Uniform(Scalar),
    Numbers(Vec<Dim>),
}

impl<'t> Value<'t> {
    /// A value that the program computes.
    pub(crate) fn of(element: Element, tensor: Tensor<'t>) -> Self {
        let made = OnceCell::from(tensor);
        Self(Rc::new(Inner { element, dims: tensor.shape(), content: Content::Computed, tensor: made }))
    }

    /// A value whose elements all are one number, unsigned ones of 64 bits by their bits.
    pub(crate) fn uniform(element: Element, dims: Vec<Dim>, value: Scalar) -> Self {
        Self(Rc::new(Inner { element, dims, content: Content::Uniform(value), tensor: OnceCell::new() }))
    }

    /// A value of known integers or truth values, if they are few and the type holds them.
    pub(crate) fn numbers(element: Element, dims: Vec<Dim>, numbers: Vec<Dim>) -> Option<Self> {
        let (least, most) = element.range()?;
        let fits = |number: &Dim| number.known().is_none_or(|value| (least..=most).contains(&value));
        if numbers.len() > KNOWN || !numbers.iter().all(fits) {
            return None;
        }
        let first = numbers.first().and_then(Dim::known);
        let content = match first.filter(|first| numbers.iter().all(|number| number.known() == Some(*first))) {
            Some(value) if element == Element::Bool => Content::Uniform((value == 1).into()),
            Some(value) => Content::Uniform(value.into()),
            None => Content::Numbers(numbers),
        };
        Some(Self(Rc::new(Inner { element, dims, content, tensor: OnceCell::new() })))
    }

    /// A constant.
    pub(crate) fn constant(cx: Scope<'t>, elements: &Elements) -> Answer<Self> {
        let element = elements.ty.element.clone();
        let Some(dtype) = element.dtype() else { return gap(format!("elements of {element}")) };
        let sizes: Option<Vec<i64>> = elements.ty.dims.iter().copied().collect();
        let Some(sizes) = sizes else { return malformed(format!("a constant of type '{}'", elements.ty)) };
        let dims: Vec<Dim> = sizes.iter().map(|size| Dim::from(*size)).collect();
        let host = |shape: Vec<usize>| match HostTensor::from_bytes(dtype, shape, &elements.bytes) {
            Ok(tensor) => Ok(tensor),
            Err(error) => malformed(error.to_string()),
        };
        let count = elements.ty.count().unwrap_or(usize::MAX);
        if elements.is_splat || count == 1 {
            let scalar = match &element {
                Element::Bool => (elements.bytes.first() == Some(&1)).into(),
                Element::Float(_) => host(Vec::new())?.item::<f64>().unwrap_or(f64::NAN).into(),
                Element::Complex(_) => {
                    let [re, im] = host(Vec::new())?.parts().map(|part| part.item::<f64>().unwrap_or(f64::NAN));
                    Scalar::Complex(re, im)
                }
                _ => elements.ints().and_then(|ints| ints.first().copied()).unwrap_or(0).into(),
            };
            return Ok(Self::uniform(element, dims, scalar));
        }
        let known = elements.ints().filter(|ints| ints.len() <= KNOWN);
        let known =
            known.and_then(|ints| Self::numbers(element.clone(), dims, ints.into_iter().map(Dim::from).collect()));
        if let Some(known) = known {
            return Ok(known);
        }
        let shape = sizes.iter().map(|size| usize::try_from(*size).unwrap_or(0)).collect();
        Ok(Self::of(element, cx.constant(&host(shape)?)))
    }

    pub(crate) fn element(&self) -> &Element {
        &self.0.element
    }

    pub(crate) fn dims(&self) -> &[Dim] {
        &self.0.dims
    }

    pub(crate) fn rank(&self) -> usize {
        self.0.dims.len()
    }

    /// The number that all elements are, if that is known.
    pub(crate) fn scalar(&self) -> Option<Scalar> {
        match &self.0.content {
            Content::Uniform(value) => Some(*value),
            _ => None,
        }
    }

    /// The elements in row-major order, if they are known: truth values are 0 and 1.
    pub(crate) fn known(&self) -> Option<Vec<Dim>> {
        let value = match &self.0.content {
            Content::Computed | Content::Uniform(Scalar::Float(_) | Scalar::Complex(..)) => return None,
            Content::Numbers(numbers) => return Some(numbers.clone()),
            Content::Uniform(Scalar::Bool(value)) => i64::from(*value),
            // Above all numbers with a sign.
            Content::Uniform(Scalar::Int(..0)) if self.0.element.is_carried() => return None,
            Content::Uniform(Scalar::Int(value)) => *value,
        };
        let count = self.0.dims.iter().try_fold(1usize, |count, dim| {
            count.checked_mul(usize::try_from(dim.known()?).ok()?).filter(|count| *count <= KNOWN)
        });
        Some(vec![Dim::from(value); count?])
    }

    /// The one integer that it is, if that is known.
    pub(crate) fn int(&self) -> Option<i64> {
        match &self.known()?[..] {
            [number] => number.known(),
            _ => None,
        }
    }

    /// The tensor, which is made where it is not there yet.
    pub(crate) fn tensor(&self, cx: Scope<'t>) -> Tensor<'t> {
        *self.0.tensor.get_or_init(|| match &self.0.content {
            Content::Computed => unreachable!("values that are computed have a tensor"),
            Content::Uniform(value) => cx.full(self.0.dims.clone(), self.carried(*value), self.dtype()),
            Content::Numbers(numbers) => self.listed(cx, numbers),
        })
    }

    fn dtype(&self) -> DType {
        self.0.element.dtype().expect("what is known has a dtype")
    }

    /// A number as the dtype has it that carries it.
    fn carried(&self, value: Scalar) -> Scalar {
        match (&self.0.element, value) {
            (Element::Int { bits: 16, signed: false }, Scalar::Int(value)) => i64::from(value as i16).into(),
            (Element::Int { bits: 32, signed: false }, Scalar::Int(value)) => i64::from(value as i32).into(),
            _ => value,
        }
    }

    fn listed(&self, cx: Scope<'t>, numbers: &[Dim]) -> Tensor<'t> {
        let known: Option<Vec<i64>> = numbers.iter().map(Dim::known).collect();
        let Some(known) = known else {
            let one = |dim: &Dim| match dim.known() {
                Some(value) => cx.full([1], value, DType::I64),
                None => number(cx, dim.clone()).reshape([1]),
            };
            let parts: Vec<_> = numbers.iter().map(one).collect();
            return cat(&parts, 0).to(self.dtype()).reshape(self.0.dims.clone());
        };
        let shape: Vec<usize> = self.0.dims.iter().map(|dim| dim.known().unwrap_or(0) as usize).collect();
        // Integers wrap into the dtype that carries them.
        let wide = HostTensor::from_values(DType::I64, shape, known).expect("there are as many as the sizes say");
        cx.constant(&wide.cast(self.dtype()))
    }

    /// The value with dimensions in front, which repeat it, and others: `axes` says what its own become.
    pub(crate) fn broadcast(&self, cx: Scope<'t>, axes: &[i64], dims: Vec<Dim>) -> Self {
        match self.0.content {
            Content::Uniform(value) => Self::uniform(self.0.element.clone(), dims, value),
            _ if axes.len() == dims.len() && self.0.dims == dims => self.clone(),
            _ => Self::of(self.0.element.clone(), self.tensor(cx).broadcast_in_dim(axes, dims)),
        }
    }
}
