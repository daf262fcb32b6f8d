//! What becomes of a sample: imported, differentiated, run by the reference and as machine code, compared.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::{Context as _, Result, ensure};
use thunder_conformance::sample;
use thunder_import::{ImportError, Model};
use thunder_interface::{INITIAL, PARAMETER, dtype_of, interpret_in_place};
use thunder_ir::{Context, Module};
use thunder_passes::autodiff::{Mode, differentiate};
use thunder_runtime::session::Options;
use thunder_tensor::Tensor;

use super::samples::{Operation, cotangent};
use super::{choices, close};

/// What became of a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// All that was compared is as good as PyTorch's.
    Passed,
    /// It is not imported: what is missing.
    Unsupported(String),
    /// What is wrong, in words that are the same on every machine, and with the values.
    Failed(String, String),
}

/// The step of results of the reference that are not as good as PyTorch's.
pub const REFERENCE_DIFFERS: &str = "the reference differs";

/// The verdicts on a sample.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// On its results.
    pub forward: Verdict,
    /// On its gradients, where PyTorch has some.
    pub gradient: Option<Verdict>,
}

/// A step that failed.
pub(super) struct Failure(pub(super) Verdict);

pub(super) type Step<T> = std::result::Result<T, Failure>;

/// Says of an error which step it ended.
pub(super) fn during<T>(step: &str, result: Result<T>) -> Step<T> {
    result.map_err(|error| Failure(Verdict::Failed(step.to_owned(), format!("{error:#}"))))
}

/// What all samples of an operation came to.
#[derive(Debug, Default)]
pub struct Outcomes {
    /// Of the samples that have a program, by number.
    pub samples: BTreeMap<usize, Outcome>,
    /// Of the calls that PyTorch refuses: whether they are refused here.
    pub refused: Vec<Verdict>,
}

/// Which samples become machine code too; all are run by the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The first in `f32`, or in `i64` where there is none.
    Some,
    /// All.
    All,
}

impl Code {
    fn takes(self, operation: &Operation, number: usize) -> bool {
        let of = |number: usize| &operation.samples[number];
        let is_first = (0..number).all(|other| of(other).dtype != of(number).dtype || of(other).program.is_none());
        let has_singles = operation.samples.iter().any(|sample| sample.dtype == "f32" && sample.program.is_some());
        let wanted = if has_singles { "f32" } else { "i64" };
        self == Self::All || is_first && of(number).dtype == wanted
    }
}

/// Runs all samples of an operation, and tries the calls that PyTorch refuses.
pub fn all(operation: &Operation, code: Code) -> Outcomes {
    let numbers = (0..operation.samples.len()).filter(|number| operation.samples[*number].program.is_some());
    let run = |number| (number, run(operation, number, code.takes(operation, number)));
    let refused = (0..operation.refused.len()).map(|number| {
        catch_unwind(AssertUnwindSafe(|| refusal(operation, number))).unwrap_or_else(|panic| panicked(&*panic))
    });
    Outcomes { samples: numbers.map(run).collect(), refused: refused.collect() }
}

/// Whether a call that PyTorch refuses is refused: when it is imported, or by the reference when it is run.
fn refusal(operation: &Operation, number: usize) -> Verdict {
    let program = &operation.refused[number].program;
    let run = match Run::of(operation, operation.samples.len() + number, program) {
        Ok(run) => run,
        Err(Failure(verdict)) => return verdict,
    };
    let context = thunder_lowering::context();
    let taken = || Verdict::Failed("takes what PyTorch refuses".to_owned(), operation.refused[number].says.clone());
    match run.model.module(&context) {
        Ok(module) => run.interpreted(&module, "main", &[]).map_or(Verdict::Passed, |_| taken()),
        // What the file says of the result is made up, so that a mismatch says that there is one.
        Err(ImportError::Graph { message, .. }) if message.ends_with(" in the file") => taken(),
        Err(_) => Verdict::Passed,
    }
}

/// Runs a sample that has a program; a panic is a failure like others.
fn run(operation: &Operation, number: usize, as_code: bool) -> Outcome {
    let guarded = catch_unwind(AssertUnwindSafe(|| Run::new(operation, number)));
    let run = match guarded {
        Ok(Ok(run)) => run,
        Ok(Err(Failure(forward))) => {
            return Outcome { forward, gradient: operation.gradient(number).map(|_| missed()) };
        }
        Err(panic) => {
            return Outcome { forward: panicked(&*panic), gradient: operation.gradient(number).map(|_| missed()) };
        }
    };
    let verdict = |body: &dyn Fn() -> Step<()>| match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => Verdict::Passed,
        Ok(Err(Failure(verdict))) => verdict,
        Err(panic) => panicked(&*panic),
    };
    let forward = verdict(&|| run.forward(as_code));
    let gradient = operation.gradient(number).map(|errors| match forward {
        Verdict::Passed => verdict(&|| run.gradient(errors, as_code)),
        _ => missed(),
    });
    Outcome { forward, gradient }
}

impl Operation {
    pub(super) fn gradient(&self, number: usize) -> Option<&[Option<f64>]> {
        self.samples[number].gradient_error.as_deref()
    }
}

fn missed() -> Verdict {
    Verdict::Failed("the results are missing".to_owned(), String::new())
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Verdict {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    Verdict::Failed("a panic".to_owned(), text.unwrap_or_default().to_owned())
}

/// A sample that was imported.
pub(super) struct Run<'o> {
    operation: &'o Operation,
    number: usize,
    pub(super) model: Model,
    pub(super) inputs: Vec<Tensor>,
}

/// What a sample's gradients are made from, and which these are.
pub(super) struct Derived {
    /// Of the results that are floats.
    pub(super) cotangents: Vec<Tensor>,
    /// The numbers of the inputs that are floats or complex.
    floats: Vec<usize>,
    /// How many results there are.
    results: usize,
}

impl<'o> Run<'o> {
    pub(super) fn new(operation: &'o Operation, number: usize) -> Step<Self> {
        Self::of(
            operation,
            number,
            operation.samples[number].program.as_ref().expect("only samples with a program are run"),
        )
    }

    fn of(operation: &'o Operation, number: usize, program: &serde_json::Value) -> Step<Self> {
        let data = || Ok((operation.constants(number)?, operation.inputs(number)?));
        let (constants, inputs) = during("the data is damaged", data())?;
        let name = format!("{}.{number}", operation.name);
        let model = Model::from_json(&name, program.to_string().as_bytes(), constants);
        let model = during("the program is not read", model.map_err(Into::into))?;
        Ok(Self { operation, number, model, inputs })
    }

    pub(super) fn module<'x>(&self, context: &'x Context) -> Step<Module<'x>> {
        self.model.module(context).map_err(|error| {
            Failure(match error {
                ImportError::Unsupported { gaps, .. } => {
                    Verdict::Unsupported(gaps.into_iter().map(|gap| gap.what).collect::<Vec<_>>().join(", "))
                }
                ImportError::Graph { message, .. } => Verdict::Failed(format!("refused: {message}"), String::new()),
                error => Verdict::Failed("the import fails".to_owned(), format!("{error:#}")),
            })
        })
    }

    fn forward(&self, as_code: bool) -> Step<()> {
        let context = thunder_lowering::context();
        let module = self.module(&context)?;
        let by_reference = during("the reference fails", self.interpreted(&module, "main", &[]))?;
        during(REFERENCE_DIFFERS, self.compare(&by_reference))?;
        if !as_code {
            return Ok(());
        }
        let by_code = during("the compiler fails", self.compiled(&module, "main", &[]))?;
        during("compiled code differs", self.compare(&by_code))
    }

    fn gradient(&self, errors: &[Option<f64>], as_code: bool) -> Step<()> {
        let context = thunder_lowering::context();
        let module = self.module(&context)?;
        let derived = self.derive(&module)?;
        let entry = Mode::Vjp.function("main");
        let by_reference = during("the reference fails", self.interpreted(&module, &entry, &derived.cotangents))?;
        during(REFERENCE_DIFFERS, self.compare_gradients(&derived, errors, &by_reference))?;
        if !as_code {
            return Ok(());
        }
        let by_code = during("the compiler fails", self.compiled(&module, &entry, &derived.cotangents))?;
        during("compiled code differs", self.compare_gradients(&derived, errors, &by_code))
    }

    /// Adds the function of the gradients by all floats to a sample's module.
    pub(super) fn derive(&self, module: &Module<'_>) -> Step<Derived> {
        let results = during("the reference fails", self.interpreted(module, "main", &[]))?;
        let floats: Vec<usize> = (0..self.inputs.len()).filter(|i| self.inputs[*i].dtype().part().is_float()).collect();
        let live = &self.operation.samples[self.number].live;
        let seeded = |(place, x): (usize, &Tensor)| match live.get(place) {
            Some(false) => Tensor::zeros(x.dtype(), x.shape()),
            _ => cotangent(x.dtype(), x.shape()),
        };
        let cotangents: Vec<Tensor> =
            results.iter().enumerate().filter(|(_, x)| x.dtype().part().is_float()).map(seeded).collect();
        match differentiate(module.operation(), "main", Mode::Vjp, &floats) {
            Ok(_) => Ok(Derived { cotangents, floats, results: results.len() }),
            Err(error) => Err(Failure(Verdict::Failed(format!("no gradient: {error}"), String::new()))),
        }
    }

    /// Compares the gradients, which follow the results; PyTorch's are off by `errors` at most.
    pub(super) fn compare_gradients(&self, derived: &Derived, errors: &[Option<f64>], all: &[Tensor]) -> Result<()> {
        let gradients = all.get(derived.results..).context("there are no gradients")?;
        for (place, gradient) in derived.floats.iter().zip(gradients) {
            let Some(error) = errors.get(*place).copied().flatten() else { continue };
            let exact = self.operation.expected(self.number, "grad", *place)?;
            close::check(gradient, &exact, error).with_context(|| format!("by input {place}"))?;
        }
        Ok(())
    }

    /// The results of a function by the reference; `more` are inputs that follow the program's own arguments.
    pub(super) fn interpreted(&self, module: &Module<'_>, entry: &str, more: &[Tensor]) -> Result<Vec<Tensor>> {
        let main = sample::function(module, "main")?;
        let body = sample::body(main)?;
        let attributes = main.attribute("arg_attrs").and_then(|a| a.as_array()).unwrap_or_default();
        let mut inputs = self.inputs.iter();
        let mut arguments = Vec::new();
        for (argument, attributes) in body.arguments().zip(attributes) {
            let Some(name) = attributes.entry(PARAMETER).and_then(|name| name.as_string().map(str::to_owned)) else {
                arguments.push(inputs.next().context("an input is missing")?.clone());
                continue;
            };
            arguments.push(match self.model.weights().get(&name) {
                Some(weight) => weight.clone(),
                None => {
                    let value = attributes.entry(INITIAL).and_then(|value| value.as_float());
                    let ty = argument.ty().as_tensor().and_then(|ty| ty.static_dims());
                    let shape = ty.map(|dims| dims.into_iter().map(|size| size as usize).collect::<Vec<_>>());
                    let initial = value.zip(shape).zip(dtype_of(argument.ty().element()));
                    let ((value, shape), dtype) = initial.with_context(|| format!("no weight '{name}'"))?;
                    Tensor::full(dtype, shape, value)
                }
            });
        }
        arguments.extend_from_slice(more);
        Ok(interpret_in_place(module.operation(), entry, &mut arguments)?)
    }

    fn compiled(&self, module: &Module<'_>, entry: &str, more: &[Tensor]) -> Result<Vec<Tensor>> {
        let options = thunder_lowering::Options { entry: entry.to_owned(), ..Default::default() };
        let compiled = thunder_lowering::compile_jit(&mut module.duplicate(), &options)?;
        let session = compiled.session(self.model.weights(), Options::with_threads(1))?;
        Ok(session.run_in_place(&mut [&self.inputs, more].concat())?)
    }

    pub(super) fn compare(&self, results: &[Tensor]) -> Result<()> {
        let sample = &self.operation.samples[self.number];
        if sample.random {
            return Ok(());
        }
        ensure!(results.len() == sample.error.len(), "{} results, not {}", results.len(), sample.error.len());
        for (place, (result, error)) in results.iter().zip(&sample.error).enumerate() {
            let exact = self.operation.expected(self.number, "out", place)?;
            if place == 1 && choices::are(self.operation) {
                ensure!(
                    result.shape() == exact.shape() && result.dtype() == exact.dtype(),
                    "result 1 is of another type"
                );
                choices::check(self.operation, self.number, &self.inputs[0], results).context("result 1")?;
                continue;
            }
            close::check(result, &exact, *error).with_context(|| format!("result {place}"))?;
        }
        Ok(())
    }
}
