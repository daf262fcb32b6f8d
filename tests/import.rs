//! Models of PyTorch, imported from archives: that they compute what PyTorch does, by reference and as machine code.
//!
//! `tests/goldens/import.py` writes the archives and, in float64, what comes out of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use libtest_mimic::{Arguments, Trial};
use thunder_import::Model;
use thunder_interface::{INITIAL, NAME, PARAMETER, dtype_of, interpret_in_place};
use thunder_ir::Module;
use thunder_passes::autodiff::{Mode, differentiate};
use thunder_runtime::session::Options;
use thunder_tensor::{DType, SafeTensors, Tensor};
use thunder_tests::golden::{FACTOR, ROUNDINGS, close, names};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/goldens/import");

/// How small the elements of a gradient are beside all others that is zero but for roundings.
const LEAST: f64 = 1e-6;
/// What no gradient is off by, relative to the largest of all, so that NaN and wrong shapes are found.
const LOOSE: f64 = 1e-3;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut archives: Vec<PathBuf> = std::fs::read_dir(FOLDER)
        .expect("the folder is part of the repository")
        .map(|entry| entry.expect("it can be listed").path())
        .filter(|path| path.extension().is_some_and(|e| e == "pt2"))
        .collect();
    archives.sort();
    assert!(!archives.is_empty(), "there are no archives to import");
    let executors: [(&str, Executor); 2] = [("reference", reference), ("jit", jit)];
    let trials = archives.iter().flat_map(|path| {
        let checks: &[(&str, Check)] = match has_gradients(path) {
            true => &[("", check), ("gradients_", check_gradients)],
            false => &[("", check)],
        };
        checks.iter().flat_map(move |(kind, check)| {
            executors.map(|(name, executor)| {
                let path = path.clone();
                let title = format!("{}::{kind}{name}", path.file_stem().unwrap_or_default().display());
                Trial::test(title, move || check(&path, executor).map_err(|error| format!("{error:#}").into()))
            })
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

type Check = fn(&Path, Executor) -> Result<()>;

/// Runs a function of a module on tensors, which are all of its arguments but the parameters.
type Executor = fn(&Module<'_>, &str, &Model, &[Tensor]) -> Result<Outcome>;

/// What a run leaves: outputs, and what parameters hold then.
struct Outcome {
    outputs: Vec<Tensor>,
    state: BTreeMap<String, Tensor>,
}

/// What PyTorch says of a model on some inputs.
struct Golden<'a> {
    tensors: &'a SafeTensors,
    /// `again.` for other inputs than those that the model was exported with.
    prefix: &'static str,
}

impl Golden<'_> {
    fn all(tensors: &SafeTensors) -> Vec<Golden<'_>> {
        let golden = |prefix: &'static str| Golden { tensors, prefix };
        let has = |prefix: &str| tensors.names().iter().any(|name| name.starts_with(prefix));
        if has("again.") { vec![golden(""), golden("again.")] } else { vec![golden("")] }
    }

    /// The names of what it has of a kind.
    fn names(&self, kind: &str) -> Vec<String> {
        let start = format!("{}{kind}.", self.prefix);
        self.tensors.names().into_iter().filter_map(|name| name.strip_prefix(&start).map(str::to_owned)).collect()
    }

    fn tensor(&self, kind: &str, name: &str) -> Result<Tensor> {
        Ok(self.tensors.tensor(&format!("{}{kind}.{name}", self.prefix))?)
    }

    /// The inputs of a module, in its order.
    fn inputs(&self, module: &Module<'_>) -> Result<Vec<Tensor>> {
        let known = self.names("input");
        let names = names(module, "main", "arg_attrs", NAME)?;
        let inputs = names.into_iter().flatten().map(|name| name.replace('.', "_")).filter(|name| known.contains(name));
        inputs.map(|name| self.tensor("input", &name)).collect()
    }

    /// Compares a value with PyTorch's, of which the file says how far it is off.
    fn compare(&self, kind: &str, name: &str, actual: &Tensor) -> Result<()> {
        let error: f64 = self.tensor(&format!("{kind}_error"), name)?.item()?;
        let whole = || format!("{}{kind} '{name}'", self.prefix);
        close(actual, &self.tensor(kind, name)?, error).with_context(whole)
    }

    /// Compares the gradients of a model with PyTorch's: the worst of ours with the worst of its, each by the largest
    /// element of the exact one, or of all for one that is zero but for roundings. One by one, it is chance which is off more.
    fn compare_gradients<'a>(&self, gradients: impl Iterator<Item = (&'a str, &'a Tensor)>) -> Result<()> {
        let gradients: Vec<(&str, &Tensor)> = gradients.collect();
        let exact = gradients.iter().map(|(name, _)| self.tensor("gradient", name)).collect::<Result<Vec<_>>>()?;
        let largest = |x: &Tensor| x.to_vec::<f64>().into_iter().map(f64::abs).fold(0.0, f64::max);
        let all = exact.iter().map(largest).fold(0.0, f64::max);
        let (mut ours, mut theirs) = ((0.0, ""), 0.0);
        for ((name, actual), exact) in gradients.iter().zip(&exact) {
            close(actual, exact, LOOSE * all).with_context(|| format!("{}gradient '{name}'", self.prefix))?;
            let own = largest(exact);
            let scale = if own > LEAST * all { own } else { all };
            let pairs = actual.cast(DType::F64).to_vec::<f64>().into_iter().zip(exact.to_vec::<f64>());
            let error = pairs.map(|(x, y)| (x - y).abs()).fold(0.0, f64::max) / scale;
            if error > ours.0 {
                ours = (error, name);
            }
            theirs = f64::max(theirs, self.tensor("gradient_error", name)?.item::<f64>()? / scale);
        }
        let limit = FACTOR * theirs + ROUNDINGS * f64::from(f32::EPSILON);
        let ((error, name), prefix) = (ours, self.prefix);
        ensure!(
            error <= limit,
            "{prefix}gradient '{name}' is off by {error:e} of its largest element, PyTorch by {theirs:e}"
        );
        Ok(())
    }
}

fn check(path: &Path, executor: Executor) -> Result<()> {
    let tensors = SafeTensors::open(path.with_extension("safetensors"))?;
    let context = thunder_lowering::context();
    let model = Model::open(path)?;
    let module = model.module(&context)?;
    let outputs: Vec<String> = names(&module, "main", "res_attrs", NAME)?.into_iter().flatten().collect();
    for golden in Golden::all(&tensors) {
        let outcome = executor(&module, "main", &model, &golden.inputs(&module)?)?;
        let count = golden.names("output").len();
        ensure!(count == outcome.outputs.len(), "there are {} outputs, not {count}", outcome.outputs.len());
        for (name, actual) in outputs.iter().zip(&outcome.outputs) {
            golden.compare("output", name, actual)?;
        }
        for name in golden.names("state") {
            let actual = outcome.state.get(&name).with_context(|| format!("'{name}' is no state"))?;
            golden.compare("state", &name, actual)?;
        }
    }
    Ok(())
}

fn has_gradients(path: &Path) -> bool {
    let golden = SafeTensors::open(path.with_extension("safetensors"));
    golden.is_ok_and(|golden| golden.names().iter().any(|name| name.starts_with("gradient.")))
}

/// Compares the gradients by parameters and inputs, from cotangents of all outputs.
fn check_gradients(path: &Path, executor: Executor) -> Result<()> {
    let tensors = SafeTensors::open(path.with_extension("safetensors"))?;
    let context = thunder_lowering::context();
    let model = Model::open(path)?;
    let module = model.module(&context)?;
    let known = Golden { tensors: &tensors, prefix: "" }.names("gradient");
    let parameters = names(&module, "main", "arg_attrs", PARAMETER)?;
    let inputs = names(&module, "main", "arg_attrs", NAME)?;
    let name = |(parameter, input): (&Option<String>, &Option<String>)| {
        let input = || input.as_ref().map(|name| format!("input.{}", name.replace('.', "_")));
        parameter.clone().or_else(input).filter(|name| known.contains(name))
    };
    let by: Vec<Option<String>> = parameters.iter().zip(&inputs).map(name).collect();
    let wrt: Vec<usize> = (0..by.len()).filter(|index| by[*index].is_some()).collect();
    ensure!(wrt.len() == known.len(), "there are {} of the arguments {known:?}", wrt.len());
    let outputs: Vec<String> = names(&module, "main", "res_attrs", NAME)?.into_iter().flatten().collect();
    differentiate(module.operation(), "main", Mode::Vjp, &wrt)?;
    module.verify()?;
    for golden in Golden::all(&tensors) {
        let mut given = golden.inputs(&module)?;
        let floats = golden.names("cotangent");
        for name in outputs.iter().filter(|name| floats.contains(name)) {
            given.push(golden.tensor("cotangent", name)?);
        }
        let outcome = executor(&module, &Mode::Vjp.function("main"), &model, &given)?;
        let gradients = outcome.outputs.get(outputs.len()..).context("there are no gradients")?;
        ensure!(gradients.len() == wrt.len(), "there are {} gradients, not {}", gradients.len(), wrt.len());
        golden.compare_gradients(by.iter().flatten().map(String::as_str).zip(gradients))?;
    }
    Ok(())
}

/// What a state of the program's own holds before the first run.
fn initial(module: &Module<'_>, argument: usize) -> Result<Option<Tensor>> {
    let function = thunder_conformance::sample::function(module, "main")?;
    let entries = function.attribute("arg_attrs").and_then(|a| a.as_array()).unwrap_or_default();
    let value = entries.get(argument).and_then(|entry| entry.entry(INITIAL)).and_then(|value| value.as_float());
    let ty = thunder_conformance::sample::body(function)?.argument(argument).ty();
    let shape: Option<Vec<usize>> =
        ty.as_tensor().and_then(|ty| ty.dims().into_iter().map(|dim| usize::try_from(dim?).ok()).collect());
    let dtype = dtype_of(ty.element());
    Ok(value.zip(shape).zip(dtype).map(|((value, shape), dtype)| Tensor::full(dtype, shape, value)))
}

fn reference(module: &Module<'_>, entry: &str, model: &Model, inputs: &[Tensor]) -> Result<Outcome> {
    let parameters = names(module, entry, "arg_attrs", PARAMETER)?;
    let mut given = inputs.iter();
    let mut arguments = Vec::new();
    for name in &parameters {
        arguments.push(match name {
            Some(name) => match model.weights().get(name) {
                Some(weight) => weight.clone(),
                None => initial(module, arguments.len())?.with_context(|| format!("no weight '{name}'"))?,
            },
            None => given.next().context("an input is missing")?.clone(),
        });
    }
    let outputs = interpret_in_place(module.operation(), entry, &mut arguments)?;
    let state = parameters.into_iter().zip(arguments).filter_map(|(name, value)| Some((name?, value))).collect();
    Ok(Outcome { outputs, state })
}

fn jit(module: &Module<'_>, entry: &str, model: &Model, inputs: &[Tensor]) -> Result<Outcome> {
    let options = thunder_lowering::Options { entry: entry.to_owned(), ..Default::default() };
    let compiled = thunder_lowering::compile_jit(&mut module.duplicate(), &options)?;
    let session = compiled.session(model.weights(), Options::with_threads(2))?;
    let outputs = session.run_in_place(&mut inputs.to_vec())?;
    Ok(Outcome { outputs, state: session.state()? })
}
