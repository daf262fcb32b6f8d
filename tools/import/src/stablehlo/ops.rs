//! The ops of StableHLO as ops of Thunder, one line or one function each.
//!
//! A table below has an entry for each op: what it makes of a [`Call`], and, for those that sizes and counters of loops
//! are computed with, what is known of its result beforehand. Ops of CHLO stand beside, which JAX writes as composites.

mod bits;
mod complex;
mod contract;
mod control;
mod convolution;
mod create;
mod elementwise;
mod index;
mod known;
mod reduce;
mod shape;
mod sort;
mod window;

use std::collections::HashMap;
use std::sync::LazyLock;

use thunder_trace::Tensor;

use super::call::Call;
use super::value::Value;
use crate::arguments::Answer;

/// What one op becomes.
pub(crate) struct Entry {
    name: &'static str,
    /// The result, where that is known without computing it.
    pub(crate) known: Option<Known>,
    pub(crate) build: Build,
    /// Whether each element is computed from those in its place alone.
    pub(crate) is_elementwise: bool,
}

type Known = for<'a, 't> fn(&Call<'a, 't>) -> Option<Value<'t>>;
type OneTensor = for<'a, 't> fn(&Call<'a, 't>) -> Answer<Tensor<'t>>;
type One = for<'a, 't> fn(&Call<'a, 't>) -> Answer<Value<'t>>;
type Many = for<'a, 't> fn(&Call<'a, 't>) -> Answer<Vec<Value<'t>>>;

/// What an op makes.
#[derive(Clone, Copy)]
pub(crate) enum Build {
    /// A tensor, of elements as the file says.
    Tensor(OneTensor),
    /// A value.
    Value(One),
    /// Several values.
    Values(Many),
    /// Nothing that a program needs.
    Nothing,
}

/// The entry of an op.
pub(crate) fn find(name: &str) -> Option<&'static Entry> {
    static TABLE: LazyLock<HashMap<&'static str, &'static Entry>> = LazyLock::new(|| {
        let families = [
            bits::OPS,
            complex::OPS,
            contract::OPS,
            control::OPS,
            convolution::OPS,
            create::OPS,
            elementwise::OPS,
            elementwise::CHLO,
            index::OPS,
            reduce::OPS,
            shape::OPS,
            sort::OPS,
            window::OPS,
        ];
        families.into_iter().flatten().map(|entry| (entry.name, entry)).collect()
    });
    TABLE.get(name).copied()
}

impl Entry {
    const fn new(name: &'static str, build: Build) -> Self {
        Self { name, known: None, build, is_elementwise: false }
    }

    const fn known(self, known: Known) -> Self {
        Self { known: Some(known), ..self }
    }
}

const fn tensor(name: &'static str, build: OneTensor) -> Entry {
    Entry::new(name, Build::Tensor(build))
}

/// An op that computes each element from those in its place.
const fn each(name: &'static str, build: OneTensor) -> Entry {
    Entry { is_elementwise: true, ..tensor(name, build) }
}

const fn value(name: &'static str, build: One) -> Entry {
    Entry::new(name, Build::Value(build))
}

const fn values(name: &'static str, build: Many) -> Entry {
    Entry::new(name, Build::Values(build))
}

const fn nothing(name: &'static str) -> Entry {
    Entry::new(name, Build::Nothing)
}
