//! Places in a model's tree of names, where parameters are declared and tensors made from nothing.

use std::fmt;
use std::panic::Location;

use thunder_dialect::build::{BuildConstant as _, BuildFull as _, BuildIota as _};
use thunder_interface::{Dim as Size, tensor_to_attribute};
use thunder_ir::Attribute;
use thunder_tensor::{DType, Tensor as HostTensor};

use crate::tracer::{At, Entered, Site};
use crate::{Dims, Scalar, Spec, Tensor, Tree};

/// A place in a model's tree of names, such as `encoder.layer.0`.
#[derive(Clone, Copy)]
pub struct Scope<'t> {
    site: Site<'t>,
    path: u32,
    dtype: DType,
}

impl<'t> Scope<'t> {
    pub(crate) fn root(site: Site<'t>) -> Self {
        Self { site, path: 0, dtype: DType::F32 }
    }

    /// The place `name` below this one: `cx.at("encoder").at(0)`.
    pub fn at(self, name: impl fmt::Display) -> Self {
        let path = self.site.add_path(&self.name(name));
        Self { path, ..self }
    }

    pub(crate) fn site(self) -> Site<'t> {
        self.site
    }

    /// The root of the tree.
    pub(crate) fn root_of(self) -> Self {
        Self { path: 0, ..self }
    }

    /// The same place, where layers have weights of another dtype than `f32`.
    pub fn with_dtype(self, dtype: DType) -> Self {
        Self { dtype, ..self }
    }

    /// The dtype of the weights of layers.
    pub fn dtype(self) -> DType {
        self.dtype
    }

    /// The path from the root, dots between names.
    pub fn path(self) -> String {
        self.site.path(self.path).to_string()
    }

    fn name(self, name: impl fmt::Display) -> String {
        let path = self.site.path(self.path);
        if path.is_empty() { name.to_string() } else { format!("{path}.{name}") }
    }

    /// Carries out this layer: ops that `layer` makes stand under its path and, beside their own line, at
    /// the line that called the function around, which is `#[track_caller]`.
    ///
    /// ```
    /// # use thunder_trace::{Scope, Tensor};
    /// struct Doubled<'t>(Scope<'t>);
    ///
    /// impl<'t> Doubled<'t> {
    ///     #[track_caller]
    ///     fn forward(&self, x: Tensor<'t>) -> Tensor<'t> {
    ///         self.0.enter(|| x + x)
    ///     }
    /// }
    /// ```
    #[track_caller]
    pub fn enter<T>(self, layer: impl FnOnce() -> T) -> T {
        let _layer = self.site.enter(self.path, Location::caller());
        layer()
    }

    /// Carries out `body` for the value `name` of a model that a front end reads: what it makes stands at that line of
    /// that file, whatever line of Rust makes it.
    pub fn quote<T>(self, name: &str, file: &str, line: u32, body: impl FnOnce() -> T) -> T {
        self.site.quote(name, file, line, body)
    }

    /// Activation checkpointing: what `body` computes for itself is not kept for gradients, but computed again from what
    /// it is given.
    ///
    /// The values are the same, random ones too. Of regions in each other, the outermost counts. `--thunder-remat` acts
    /// on it.
    ///
    /// ```
    /// # use thunder_trace::{Scope, Tensor};
    /// # fn layer<'t>(cx: Scope<'t>, x: Tensor<'t>) -> Tensor<'t> {
    /// cx.checkpoint(|| x.exp().tanh())
    /// # }
    /// ```
    pub fn checkpoint<T>(self, body: impl FnOnce() -> T) -> T {
        self.site.checkpoint(body)
    }

    /// Writes what `body` writes to memory only where `condition`, one truth value, holds when the program runs; what it
    /// computes is computed all the same.
    #[track_caller]
    pub fn only_if<T>(self, condition: Tensor<'t>, body: impl FnOnce() -> T) -> T {
        let _at = self.site.at(Location::caller());
        self.site.only_if(condition, body)
    }

    /// Repeats `body`, which replaces the values that the loop carries, as long as `condition` holds of them: once for
    /// all that values decide, where loops of Rust are as many rounds as are written.
    ///
    /// Both are traced once. `condition` gives one truth value, and `body` one tensor for each of `initial`, of its
    /// dtype and sizes. They see all tensors around; what they make is theirs. A loop has no gradient, and updates no
    /// memory.
    ///
    /// ```
    /// # use thunder_trace::{Dim, DType, Spec, Tracer};
    /// # let context = thunder_trace::context();
    /// # let tracer = Tracer::new(&context);
    /// // The square root of `x`, by Newton's method.
    /// tracer.function("root", Spec::new(DType::F32, ()), |cx, x| {
    ///     cx.while_loop(
    ///         &[x],
    ///         |guess| (guess[0] * guess[0] - x).abs().gt(x * 1e-6),
    ///         |guess| vec![(guess[0] + x / guess[0]) * 0.5],
    ///     )
    /// })?;
    /// assert!(tracer.finish().to_string().contains("scf.while"));
    /// # Ok::<(), thunder_trace::TraceError>(())
    /// ```
    #[track_caller]
    pub fn while_loop(
        self,
        initial: &[Tensor<'t>],
        condition: impl FnOnce(&[Tensor<'t>]) -> Tensor<'t>,
        body: impl FnOnce(&[Tensor<'t>]) -> Vec<Tensor<'t>>,
    ) -> Vec<Tensor<'t>> {
        let outcome = self.try_while_loop(initial, |x| Ok(condition(x)), |x| Ok(body(x)));
        outcome.unwrap_or_else(|never: std::convert::Infallible| match never {})
    }

    /// As [`Scope::while_loop`], for front ends that may find out on the way that they cannot write the loop: then
    /// there is none.
    #[track_caller]
    pub fn try_while_loop<E>(
        self,
        initial: &[Tensor<'t>],
        condition: impl FnOnce(&[Tensor<'t>]) -> Result<Tensor<'t>, E>,
        body: impl FnOnce(&[Tensor<'t>]) -> Result<Vec<Tensor<'t>>, E>,
    ) -> Result<Vec<Tensor<'t>>, E> {
        let at = self.site.at(Location::caller());
        self.site.while_loop(initial, |x| at.outside(|| condition(x)), |x| at.outside(|| body(x)))
    }

    /// Begins a layer of this crate, whose ops stand at the line that calls it.
    pub(crate) fn layer(self, caller: &'static Location<'static>) -> (At<'t>, Entered<'t>) {
        let at = self.site.at(caller);
        (at, self.site.enter(self.path, caller))
    }

    /// A weight, named by its path: whoever runs the program provides it.
    ///
    /// A name that is asked for twice is one weight, which layers share.
    #[track_caller]
    pub fn parameter(self, name: &str, dtype: DType, dims: impl Dims) -> Tensor<'t> {
        let _at = self.site.at(Location::caller());
        self.site.parameter(self.name(name), &Spec::new(dtype, dims))
    }

    /// A parameter that is all `initial` before the first run, where whoever runs the program does not provide it:
    /// running statistics, moments of an optimizer, a cache. [`Tensor::copy_`] updates it.
    #[track_caller]
    pub fn state(self, name: &str, dtype: DType, dims: impl Dims, initial: f64) -> Tensor<'t> {
        let _at = self.site.at(Location::caller());
        self.site.state(self.name(name), &Spec::new(dtype, dims), initial)
    }

    /// Calls a function of the module that has been traced or written before, such as a derivative.
    ///
    /// It takes its parameters by name, so that they are parameters of this function as well, and `inputs` in order.
    /// The results, whose sizes must be known, come with their names.
    #[track_caller]
    pub fn call(self, function: &str, inputs: impl Tree<Tensor<'t>, ()>) -> Vec<(String, Tensor<'t>)> {
        let _at = self.site.at(Location::caller());
        let inputs: Vec<_> = crate::leaves(inputs).into_iter().map(|(_, tensor)| tensor).collect();
        self.site.call(function, &inputs)
    }

    /// The parameter that is called so, wherever its scope is, if there is one so far.
    pub(crate) fn known_parameter(self, name: &str) -> Option<Tensor<'t>> {
        self.site.known_parameter(name)
    }

    /// The elements of a host tensor, which become part of the program.
    #[track_caller]
    pub fn constant(self, tensor: &HostTensor) -> Tensor<'t> {
        let _at = self.site.at(Location::caller());
        let sizes = tensor.shape().iter().map(|size| Size::Known(*size as i64)).collect();
        let element = self.site.element(tensor.dtype());
        self.site.sized_op(&[], element, sizes, |b, _, _| b.constant(tensor_to_attribute(b.context(), tensor)))
    }

    /// A tensor whose elements all are `value`.
    #[track_caller]
    pub fn full(self, dims: impl Dims, value: impl Into<Scalar>, dtype: DType) -> Tensor<'t> {
        let _at = self.site.at(Location::caller());
        let sizes = self.site.resolve(&dims.dims());
        self.site.full(sizes, value.into(), dtype)
    }

    /// A tensor of zeros.
    #[track_caller]
    pub fn zeros(self, dims: impl Dims, dtype: DType) -> Tensor<'t> {
        let _at = self.site.at(Location::caller());
        self.full(dims, 0, dtype)
    }

    /// A tensor of ones.
    #[track_caller]
    pub fn ones(self, dims: impl Dims, dtype: DType) -> Tensor<'t> {
        let _at = self.site.at(Location::caller());
        self.full(dims, 1, dtype)
    }

    /// The numbers 0, 1, 2, ... below `end`.
    #[track_caller]
    pub fn arange(self, end: impl Into<crate::Dim>, dtype: DType) -> Tensor<'t> {
        let _at = self.site.at(Location::caller());
        let sizes = self.site.resolve(&[end.into()]);
        self.site.sized_op(&[], self.site.element(dtype), sizes, |b, dynamic, ty| b.iota(dynamic, 0, ty))
    }
}

impl<'t> Site<'t> {
    /// The numbers 0, 1, 2, ... below `size`, as indices.
    pub(crate) fn count(self, size: Size) -> Tensor<'t> {
        self.sized_op(&[], self.element(DType::I64), vec![size], |b, dynamic, ty| b.iota(dynamic, 0, ty))
    }

    pub(crate) fn full(self, sizes: Vec<Size>, value: Scalar, dtype: DType) -> Tensor<'t> {
        if dtype.is_complex() {
            let [re, im] = value.parts().map(|part| self.full(sizes.clone(), part, dtype.part()));
            return re.complex(im);
        }
        let value = self.literal(value, dtype);
        self.sized_op(&[], self.element(dtype), sizes, |b, dynamic, ty| b.full(dynamic, value, ty))
    }

    /// A scalar as an element.
    pub(crate) fn literal(self, value: Scalar, dtype: DType) -> Attribute<'t> {
        value.to_attribute(self.element(dtype)).unwrap_or_else(|| self.fail(format!("{value} is no value of {dtype}")))
    }
}
