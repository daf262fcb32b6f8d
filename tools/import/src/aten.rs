//! The operations of ATen as ops of Thunder, one line or one function each.
//!
//! A table below has an entry for each operation: the names of the overloads that it serves, and what it makes of a
//! [`Call`]. Type promotion and broadcasting, which ATen leaves implicit, are those of `thunder-trace`, which are
//! PyTorch's. An operation that updates its operand, such as `aten.add_.Tensor`, needs no entry: it is the one without
//! the underscore, whose result replaces the operand.

mod arithmetic;
mod attention;
mod backward;
mod compare;
mod complex;
mod control;
mod create;
mod fourier;
mod fractional;
mod histogram;
mod index;
mod join;
mod loss;
mod matrix;
mod normalize;
mod order;
mod random;
mod recurrent;
mod reduce;
mod resize;
mod scatter;
mod segment;
mod shape;
mod special;
mod spectrogram;
mod statistics;
mod unary;
mod window;

use std::collections::HashMap;
use std::sync::LazyLock;

use thunder_trace::Tensor;

use crate::arguments::{Answer, Call};
use crate::schema::Graph;

/// Operations that one function writes.
pub(crate) struct Entry {
    names: &'static [&'static str],
    pub(crate) build: Build,
}

type One = for<'a, 't> fn(&Call<'a, 't>) -> Answer<Tensor<'t>>;
type Many = for<'a, 't> fn(&Call<'a, 't>) -> Answer<Vec<Tensor<'t>>>;
type Graphs = for<'a, 't> fn(&Call<'a, 't>, Run<'_, 't>) -> Answer<Vec<Tensor<'t>>>;
/// Carries out a graph on tensors.
type Run<'r, 't> = &'r dyn Fn(&Graph, &[Tensor<'t>]) -> Answer<Vec<Tensor<'t>>>;
type Inverse = for<'a, 't> fn(&Call<'a, 't>, Tensor<'t>) -> Answer<Tensor<'t>>;

/// What an operation makes.
#[derive(Clone, Copy)]
pub(crate) enum Build {
    /// A value.
    One(One),
    /// A value in memory of its own, even where it is the operand's.
    Copy(One),
    /// A view of the first operand, and that operand with the view replaced.
    View(One, Option<Inverse>),
    /// Several values.
    Many(Many),
    /// Several views of the first operand.
    Parts(Many),
    /// Several values, and after them what the arguments of these names hold from then on.
    Updates(Many, &'static [&'static str]),
    /// What graphs among its inputs make.
    Graphs(Graphs),
    /// Nothing that a program needs: assertions about what is known already.
    Nothing,
}

/// The entry of an operation.
pub(crate) fn find(name: &str) -> Option<&'static Entry> {
    static TABLE: LazyLock<HashMap<&'static str, &'static Entry>> = LazyLock::new(|| {
        let families = [
            arithmetic::OPS,
            attention::OPS,
            backward::OPS,
            compare::COMPARISONS,
            compare::OPS,
            complex::OPS,
            control::OPS,
            create::OPS,
            fourier::OPS,
            fractional::OPS,
            histogram::OPS,
            index::OPS,
            join::OPS,
            loss::OPS,
            matrix::OPS,
            normalize::OPS,
            order::OPS,
            random::OPS,
            recurrent::OPS,
            reduce::OPS,
            resize::OPS,
            scatter::OPS,
            segment::OPS,
            shape::OPS,
            special::OPS,
            spectrogram::OPS,
            statistics::OPS,
            unary::OPS,
            unary::PLAIN,
            window::OPS,
        ];
        let entries = families.into_iter().flatten();
        entries.flat_map(|entry| entry.names.iter().map(move |name| (*name, entry))).collect()
    });
    TABLE.get(name).copied()
}

const fn one(names: &'static [&'static str], build: One) -> Entry {
    Entry { names, build: Build::One(build) }
}

const fn copy(names: &'static [&'static str], build: One) -> Entry {
    Entry { names, build: Build::Copy(build) }
}

const fn view(names: &'static [&'static str], build: One, inverse: Inverse) -> Entry {
    Entry { names, build: Build::View(build, Some(inverse)) }
}

const fn read_only(names: &'static [&'static str], build: One) -> Entry {
    Entry { names, build: Build::View(build, None) }
}

const fn many(names: &'static [&'static str], build: Many) -> Entry {
    Entry { names, build: Build::Many(build) }
}

const fn parts(names: &'static [&'static str], build: Many) -> Entry {
    Entry { names, build: Build::Parts(build) }
}

const fn updates(names: &'static [&'static str], arguments: &'static [&'static str], build: Many) -> Entry {
    Entry { names, build: Build::Updates(build, arguments) }
}

const fn graphs(names: &'static [&'static str], build: Graphs) -> Entry {
    Entry { names, build: Build::Graphs(build) }
}

const fn nothing(names: &'static [&'static str]) -> Entry {
    Entry { names, build: Build::Nothing }
}
