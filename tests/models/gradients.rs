//! Gradients of whole models, beside PyTorch's in float64; `tests/goldens/models.py` makes these.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use libtest_mimic::Trial;
use thunder_interface::{PARAMETER, interpret};
use thunder_ir::{Context, Module};
use thunder_models::bert::BertConfig;
use thunder_models::gpt::{self, Gpt, GptConfig};
use thunder_models::llama::{Llama, LlamaConfig, Rotary};
use thunder_models::minilm;
use thunder_models::resnet::{BasicBlock, BlockConfig};
use thunder_passes::autodiff::{Mode, value_and_grad};
use thunder_runtime::session;
use thunder_tensor::{DType, SafeTensors, Tensor as HostTensor};
use thunder_trace::{Scope, Spec, Tensor, TraceError, Tracer, Tree};

use crate::trial;

pub fn trials() -> Vec<Trial> {
    vec![
        trial("gradients::of_llama", || check("llama", llama)),
        trial("gradients::of_gpt", || check("gpt", |cx, dtype| gpt(cx, dtype, true))),
        trial("gradients::of_gpt_with_a_head_of_its_own", || check("gpt_untied", |cx, dtype| gpt(cx, dtype, false))),
        trial("gradients::of_a_resnet_block", || {
            check("resnet", |cx, dtype| resnet(cx, dtype, BlockConfig { inputs: 5, outputs: 5, stride: 1 }))
        }),
        trial("gradients::of_a_strided_resnet_block", || {
            check("resnet_strided", |cx, dtype| resnet(cx, dtype, BlockConfig { inputs: 3, outputs: 6, stride: 2 }))
        }),
        trial("gradients::of_minilm", || check("minilm", minilm)),
    ]
}

type Traced<'x> = Result<Module<'x>, TraceError>;

/// A module whose `main` is a model with weights of `dtype`.
fn traced<'x, I>(
    cx: &'x Context,
    dtype: DType,
    inputs: I,
    model: impl for<'t> FnOnce(Scope<'t>, <I as Tree<Spec, Tensor<'t>>>::Mapped) -> Tensor<'t>,
) -> Traced<'x>
where
    I: for<'t> Tree<Spec, Tensor<'t>>,
{
    let tracer = Tracer::new(cx);
    tracer.function("main", inputs, |scope, inputs| model(scope.with_dtype(dtype), inputs))?;
    Ok(tracer.finish())
}

fn llama(cx: &Context, dtype: DType) -> Traced<'_> {
    let config = LlamaConfig { layers: 2, width: 16, heads: 2, intermediate: 24, eps: 1e-5 };
    let inputs = (Spec::new(dtype, [2, 9, 16]), Rotary::of(dtype, 9, &config));
    traced(cx, dtype, inputs, |scope, (x, rotary)| {
        let y = Llama::new(scope, &config).forward(x, &rotary);
        (y * y).mean(..)
    })
}

fn gpt(cx: &Context, dtype: DType, tied: bool) -> Traced<'_> {
    let config = GptConfig { vocabulary: 11, positions: 8, width: 16, layers: 2, heads: 2, tied };
    traced(cx, dtype, gpt::Batch::of(2, 7), |scope, batch| Gpt::new(scope, &config).loss(batch))
}

fn resnet(cx: &Context, dtype: DType, config: BlockConfig) -> Traced<'_> {
    let size = 6 / config.stride;
    let image = |channels, size| Spec::new(dtype, [3, channels, size, size]);
    traced(cx, dtype, (image(config.inputs, 6), image(config.outputs, size)), |scope, (x, cotangent)| {
        (BasicBlock::new(scope, &config).train(x).0 * cotangent).sum(..)
    })
}

fn minilm(cx: &Context, dtype: DType) -> Traced<'_> {
    let (layers, heads, eps) = (2, 2, 1e-12);
    let config =
        BertConfig { vocabulary: 20, positions: 8, segments: 2, width: 16, layers, heads, intermediate: 24, eps };
    let tokens = Spec::new(DType::I64, [2, 7]);
    let inputs = (minilm::Batch { ids: tokens.clone(), mask: tokens }, Spec::new(dtype, [2, 16]));
    traced(cx, dtype, inputs, |scope, (batch, cotangent)| {
        (minilm::embedding(scope, &config, batch) * cotangent).sum(..)
    })
}

/// What PyTorch says of a model.
struct Golden {
    tensors: SafeTensors,
    model: &'static str,
}

impl Golden {
    fn tensor(&self, kind: &str) -> Result<HostTensor> {
        Ok(self.tensors.tensor(&format!("{}.{kind}", self.model))?)
    }

    fn number(&self, kind: &str) -> Result<f64> {
        self.tensor(kind)?.to_vec::<f64>().first().copied().context("a number has an element")
    }

    /// The arguments of a model in `dtype`, with the inputs of one of the [`DRAWS`].
    fn arguments(&self, arguments: &[Argument], dtype: DType, draw: usize) -> Result<Vec<HostTensor>> {
        let argument = |argument: &Argument| {
            let tensor = self.tensor(&match argument {
                Argument::Input(index) if draw > 0 => format!("draw.{draw}.input.{index}"),
                Argument::Input(index) => format!("input.{index}"),
                Argument::Parameter(name) => format!("parameter.{name}"),
            })?;
            Ok(if tensor.dtype().is_float() { tensor.cast(dtype) } else { tensor })
        };
        arguments.iter().map(argument).collect()
    }
}

enum Argument {
    /// One of the inputs, by its number.
    Input(usize),
    Parameter(String),
}

/// The arguments of `main`, in order.
fn arguments(module: &Module<'_>) -> Result<Vec<Argument>> {
    let main = module.body().operations().into_iter().next().context("a traced module has a function")?;
    let attributes = main.attribute("arg_attrs").and_then(|a| a.as_array()).context("arguments have names")?;
    // Parameters follow the inputs.
    let argument = |(index, attribute): (usize, &thunder_ir::Attribute<'_>)| {
        let parameter = attribute.entry(PARAMETER).and_then(|a| a.as_string());
        parameter.map_or(Argument::Input(index), |name| Argument::Parameter(name.to_owned()))
    };
    Ok(attributes.iter().enumerate().map(argument).collect())
}

/// The value of a model and its gradients by all parameters, by name.
type Gradients = (f64, BTreeMap<String, Vec<f64>>);

/// How many inputs the error in f32 is measured on; the values by PyTorch are of the first.
const DRAWS: usize = 8;

/// Runs a function of a module whose arguments have these names, on several lists of values.
type Executor = fn(&mut Module<'_>, &str, &[Argument], &[Vec<HostTensor>]) -> Result<Vec<Vec<HostTensor>>>;

fn reference(
    module: &mut Module<'_>,
    entry: &str,
    _: &[Argument],
    draws: &[Vec<HostTensor>],
) -> Result<Vec<Vec<HostTensor>>> {
    draws.iter().map(|values| Ok(interpret(module.operation(), entry, values)?)).collect()
}

fn compiled(
    module: &mut Module<'_>,
    entry: &str,
    arguments: &[Argument],
    draws: &[Vec<HostTensor>],
) -> Result<Vec<Vec<HostTensor>>> {
    let options = thunder_lowering::Options { entry: entry.to_owned(), ..Default::default() };
    let compiled = thunder_lowering::compile_jit(module, &options)?;
    let run = |values: &Vec<HostTensor>| {
        let (mut inputs, mut parameters) = (Vec::new(), BTreeMap::new());
        for (argument, value) in arguments.iter().zip(values) {
            match argument {
                Argument::Input(_) => inputs.push(value.clone()),
                Argument::Parameter(name) => drop(parameters.insert(name.clone(), value.clone())),
            }
        }
        Ok(compiled.session(&parameters, session::Options::with_threads(2))?.run(&inputs)?)
    };
    draws.iter().map(run).collect()
}

fn gradients(
    golden: &Golden,
    executor: Executor,
    dtype: DType,
    draws: usize,
    model: impl for<'x> Fn(&'x Context, DType) -> Traced<'x>,
) -> Result<Vec<Gradients>> {
    let context = thunder_lowering::context();
    let mut module = model(&context, dtype)?;
    let arguments = arguments(&module)?;
    let parameters = || arguments.iter().enumerate().filter(|(_, a)| matches!(a, Argument::Parameter(_)));
    let wrt: Vec<usize> = parameters().map(|(index, _)| index).collect();
    value_and_grad(module.operation(), "main", &wrt)?;
    module.verify()?;
    let inputs: Vec<_> = (0..draws).map(|draw| golden.arguments(&arguments, dtype, draw)).collect::<Result<_>>()?;
    let results = executor(&mut module, &Mode::ValueAndGrad.function("main"), &arguments, &inputs)?;
    let names = || {
        parameters().filter_map(|(_, argument)| match argument {
            Argument::Parameter(name) => Some(name.clone()),
            Argument::Input(_) => None,
        })
    };
    let one = |results: &Vec<HostTensor>| {
        let gradients = results[1..].iter().map(|t| t.to_vec::<f64>());
        (results[0].to_vec::<f64>()[0], names().zip(gradients).collect())
    };
    Ok(results.iter().map(one).collect())
}

fn length(x: impl IntoIterator<Item = f64>) -> f64 {
    x.into_iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// The error of each gradient by its length, which is that of the longest for a gradient that is zero but for rounding.
fn errors(actual: &Gradients, expected: &Gradients) -> Result<BTreeMap<String, f64>> {
    let lengths = expected.1.values().map(|x| length(x.iter().copied()));
    let longest = lengths.fold(0.0, f64::max);
    let error = |(name, expected): (&String, &Vec<f64>)| {
        let actual = actual.1.get(name).with_context(|| format!("no gradient by '{name}'"))?;
        ensure!(actual.len() == expected.len(), "{} elements in the gradient by '{name}'", actual.len());
        let own = length(expected.iter().copied());
        let scale = if own > 1e-9 * longest { own } else { longest };
        Ok((name.clone(), length(actual.iter().zip(expected).map(|(x, y)| x - y)) / scale))
    };
    ensure!(actual.1.len() == expected.1.len(), "{} gradients instead of {}", actual.1.len(), expected.1.len());
    expected.1.iter().map(error).collect()
}

fn check(name: &'static str, model: impl for<'x> Fn(&'x Context, DType) -> Traced<'x>) -> Result<()> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens/models.safetensors");
    let golden = Golden { tensors: SafeTensors::open(file)?, model: name };
    let mut expected = (golden.number("value")?, BTreeMap::new());
    let prefix = format!("{name}.grad.");
    for (key, tensor) in golden.tensors.tensors().collect::<Result<Vec<_>, _>>()? {
        if let Some(parameter) = key.strip_prefix(&prefix) {
            expected.1.insert(parameter.to_owned(), tensor.to_vec::<f64>());
        }
    }
    let near = |which: &str, actual: &Gradients| {
        let relative = (actual.0 - expected.0).abs() / expected.0.abs();
        ensure!(relative <= 1e-10, "{which}: the value is {} instead of {}", actual.0, expected.0);
        for (parameter, error) in errors(actual, &expected)? {
            ensure!(error <= 1e-10, "{which}: the gradient by '{parameter}' is off by {error:e}");
        }
        Ok(())
    };
    near("reference", &gradients(&golden, reference, DType::F64, 1, &model)?[0])?;
    let double = gradients(&golden, compiled, DType::F64, DRAWS, &model)?;
    near("compiled", &double[0])?;
    let single = gradients(&golden, compiled, DType::F32, DRAWS, &model)?;
    let mut squares = Vec::new();
    for (actual, expected) in single.iter().zip(&double) {
        squares.extend(errors(actual, expected)?.values().map(|error| error * error));
    }
    let error = (squares.iter().sum::<f64>() / squares.len() as f64).sqrt();
    let own = golden.number("error")?;
    println!("in f32, gradients are off by {error:.3e}, PyTorch's by {own:.3e}");
    ensure!(error <= 2.0 * own, "in f32, gradients are off by {error:e}; twice PyTorch's error is {:e}", 2.0 * own);
    Ok(())
}
