//! What traced functions are: their ops, names, places and values.

#[path = "trace/coverage.rs"]
mod coverage;
#[path = "trace/dims.rs"]
mod dims;
#[path = "trace/errors.rs"]
mod errors;
#[path = "trace/locations.rs"]
mod locations;
#[path = "trace/promotion.rs"]
mod promotion;
#[path = "trace/trees.rs"]
mod trees;
#[path = "trace/values.rs"]
mod values;

use thunder_interface::interpret;
use thunder_ir::{Module, Operation};
use thunder_trace::{HostTensor, Scope, Spec, Tensor, Tracer, context};

/// Traces `model` over tensors like `inputs`, and interprets it on them.
#[track_caller]
fn run<const N: usize>(
    inputs: [HostTensor; N],
    model: impl for<'t> FnOnce(Scope<'t>, [Tensor<'t>; N]) -> Tensor<'t>,
) -> HostTensor {
    run_with([], inputs, model)
}

/// As [`run`], with what the model's states hold.
#[track_caller]
fn run_with<const N: usize, const STATES: usize>(
    states: [HostTensor; STATES],
    inputs: [HostTensor; N],
    model: impl for<'t> FnOnce(Scope<'t>, [Tensor<'t>; N]) -> Tensor<'t>,
) -> HostTensor {
    let specs = inputs.each_ref().map(|input| Spec::new(input.dtype(), input.shape()));
    let context = context();
    let tracer = Tracer::new(&context);
    tracer.function("main", specs, model).expect("the model is right");
    let module = tracer.finish();
    let arguments: Vec<HostTensor> = inputs.into_iter().chain(states).collect();
    interpret(module.operation(), "main", &arguments).expect("the program runs").remove(0)
}

/// The one function of a module.
fn function<'m>(module: &'m Module<'_>) -> Operation<'m> {
    module.body().operations()[0]
}

/// The ops of a function's body, without its return.
fn ops<'m>(module: &'m Module<'_>) -> Vec<Operation<'m>> {
    let mut ops = function(module).region(0).entry().expect("a function has a body").operations();
    ops.pop();
    ops
}

fn f32s<const N: usize>(shape: [usize; N], values: &[f32]) -> HostTensor {
    HostTensor::from_slice(shape, values).expect("as many values as elements")
}

fn i64s<const N: usize>(shape: [usize; N], values: &[i64]) -> HostTensor {
    HostTensor::from_slice(shape, values).expect("as many values as elements")
}
