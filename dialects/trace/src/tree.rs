//! Nested structures of tensors: what functions take and return.

use std::fmt;

use thunder_tensor::Tensor as HostTensor;

use crate::{Spec, Tensor};

/// A nested structure with leaves `T`, which becomes the same structure with leaves `U`.
///
/// Leaves, tuples, arrays, `Vec` and `Option` are trees, and so is a struct whose one type parameter
/// is that of its leaves:
///
/// ```
/// #[derive(thunder_trace::Tree)]
/// struct Batch<T> {
///     ids: T,
///     masks: Vec<T>,
/// }
/// let batch = Batch { ids: "a", masks: vec!["b", "c"] };
/// ```
///
/// `Batch<Spec>` describes a batch, `Batch<Tensor>` is traced and `Batch<HostTensor>` is one.
pub trait Tree<T, U>: Sized {
    /// The structure with leaves `U`.
    type Mapped;

    /// Replaces every leaf, in order; `f` gets its path.
    fn map(self, path: &Path<'_>, f: &mut dyn FnMut(&Path<'_>, T) -> U) -> Self::Mapped;
}

/// Where in a tree something is: `batch.ids`, `0.1`.
#[derive(Clone, Copy)]
pub struct Path<'p> {
    outer: Option<&'p Path<'p>>,
    step: Step<'p>,
}

#[derive(Clone, Copy)]
enum Step<'p> {
    Root,
    Field(&'p str),
    Index(usize),
}

impl Path<'_> {
    /// The path of the whole.
    pub const ROOT: Path<'static> = Path { outer: None, step: Step::Root };

    /// A field of it.
    pub fn field<'p>(&'p self, name: &'p str) -> Path<'p> {
        Path { outer: Some(self), step: Step::Field(name) }
    }

    /// An element of it.
    pub fn index(&self, index: usize) -> Path<'_> {
        Path { outer: Some(self), step: Step::Index(index) }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(outer) = self.outer {
            fmt::Display::fmt(outer, f)?;
            if !matches!(outer.step, Step::Root) {
                f.write_str(".")?;
            }
        }
        match self.step {
            Step::Root => Ok(()),
            Step::Field(name) => f.write_str(name),
            Step::Index(index) => write!(f, "{index}"),
        }
    }
}

/// The leaves of a tree in order, with their paths: the inputs of a compiled function from a structure.
pub fn leaves<T>(tree: impl Tree<T, ()>) -> Vec<(String, T)> {
    let mut leaves = Vec::new();
    tree.map(&Path::ROOT, &mut |path, leaf| leaves.push((path.to_string(), leaf)));
    leaves
}

macro_rules! leaf {
    ($([$($lifetime:lifetime)?] $leaf:ty;)*) => {$(
        impl<$($lifetime,)? U> Tree<$leaf, U> for $leaf {
            type Mapped = U;
            fn map(self, path: &Path<'_>, f: &mut dyn FnMut(&Path<'_>, $leaf) -> U) -> U {
                f(path, self)
            }
        }
    )*};
}

leaf! {
    [] Spec;
    ['t] Tensor<'t>;
    [] HostTensor;
}

impl<T, U, X: Tree<T, U>> Tree<T, U> for Vec<X> {
    type Mapped = Vec<X::Mapped>;
    fn map(self, path: &Path<'_>, f: &mut dyn FnMut(&Path<'_>, T) -> U) -> Self::Mapped {
        self.into_iter().enumerate().map(|(index, part)| part.map(&path.index(index), f)).collect()
    }
}

impl<T, U, X: Tree<T, U>, const N: usize> Tree<T, U> for [X; N] {
    type Mapped = [X::Mapped; N];
    fn map(self, path: &Path<'_>, f: &mut dyn FnMut(&Path<'_>, T) -> U) -> Self::Mapped {
        let mut index = 0..N;
        <[X; N]>::map(self, |part| part.map(&path.index(index.next().unwrap_or_default()), f))
    }
}

impl<T, U, X: Tree<T, U>> Tree<T, U> for Option<X> {
    type Mapped = Option<X::Mapped>;
    fn map(self, path: &Path<'_>, f: &mut dyn FnMut(&Path<'_>, T) -> U) -> Self::Mapped {
        Option::map(self, |part| part.map(path, f))
    }
}

macro_rules! tuples {
    ($(($($part:ident $index:tt)*))*) => {$(
        impl<T, U, $($part: Tree<T, U>),*> Tree<T, U> for ($($part,)*) {
            type Mapped = ($($part::Mapped,)*);
            #[allow(unused_variables, clippy::unused_unit, reason = "the empty tuple has no parts")]
            fn map(self, path: &Path<'_>, f: &mut dyn FnMut(&Path<'_>, T) -> U) -> Self::Mapped {
                ($(self.$index.map(&path.index($index), f),)*)
            }
        }
    )*};
}

tuples! {
    ()
    (A 0)
    (A 0 B 1)
    (A 0 B 1 C 2)
    (A 0 B 1 C 2 D 3)
    (A 0 B 1 C 2 D 3 E 4)
    (A 0 B 1 C 2 D 3 E 4 F 5)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7)
}
