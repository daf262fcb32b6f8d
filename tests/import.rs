//! Models of PyTorch, imported from archives: that they compute what PyTorch does, by reference and as machine code.
//!
//! `tests/goldens/import.py` writes the archives and, in float64, what comes out of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use libtest_mimic::{Arguments, Trial};
use thunder_import::Model;
use thunder_interface::{INITIAL, NAME, PARAMETER, dtype_of, interpret_in_place};
use thunder_ir::Module;
use thunder_runtime::session::Options;
use thunder_tensor::{DType, SafeTensors, Tensor};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/goldens/import");
/// How much farther than PyTorch's own result one may be from the exact value.
const FACTOR: f64 = 2.0;
/// Roundings that are granted beside, relative to the largest value: an error of PyTorch's may happen to be none.
const ROUNDINGS: f64 = 4.0;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut archives: Vec<PathBuf> = std::fs::read_dir(FOLDER)
        .expect("the folder is part of the repository")
        .map(|entry| entry.expect("it can be listed").path())
        .filter(|path| path.extension().is_some_and(|e| e == "pt2"))
        .collect();
    archives.sort();
    assert!(!archives.is_empty(), "there are no archives to import");
    let runs: [(&str, Run); 2] = [("reference", reference), ("jit", jit)];
    let trials = archives.iter().flat_map(|path| {
        runs.map(|(name, run)| {
            let path = path.clone();
            let title = format!("{}::{name}", path.file_stem().unwrap_or_default().display());
            Trial::test(title, move || check(&path, run).map_err(|error| format!("{error:#}").into()))
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// What a run leaves: outputs by name, and what parameters and inputs hold then.
struct Outcome {
    outputs: Vec<(String, Tensor)>,
    state: BTreeMap<String, Tensor>,
}

type Run = fn(&Module<'_>, &Model, &[Tensor]) -> Result<Outcome>;

fn check(path: &Path, run: Run) -> Result<()> {
    let golden = SafeTensors::open(path.with_extension("safetensors"))?;
    let context = thunder_lowering::context();
    let model = Model::open(path)?;
    let module = model.module(&context)?;
    for prefix in ["", "again."] {
        let inputs: Vec<Tensor> = names(&module, "arg_attrs", NAME)?
            .into_iter()
            .flatten()
            .map(|name| format!("{prefix}input.{}", name.replace('.', "_")))
            .filter(|name| golden.contains(name))
            .map(|name| golden.tensor(&name))
            .collect::<Result<_, _>>()?;
        if prefix == "again." && inputs.is_empty() {
            continue;
        }
        let outcome = run(&module, &model, &inputs)?;
        for (name, actual) in &outcome.outputs {
            let expected = golden.tensor(&format!("{prefix}output.{name}"))?;
            let error: f64 = golden.tensor(&format!("{prefix}error.{name}"))?.item()?;
            close(actual, &expected, error).with_context(|| format!("{prefix}output '{name}'"))?;
        }
        let count = golden.names().iter().filter(|name| name.starts_with(&format!("{prefix}output."))).count();
        ensure!(count == outcome.outputs.len(), "there are {} outputs, not {count}", outcome.outputs.len());
        let state =
            golden.names().into_iter().filter_map(|n| n.strip_prefix(&format!("{prefix}state.")).map(str::to_owned));
        for name in state {
            let actual = outcome.state.get(&name).with_context(|| format!("'{name}' is no state"))?;
            let expected = golden.tensor(&format!("{prefix}state.{name}"))?;
            close(actual, &expected, 0.0).with_context(|| format!("{prefix}state '{name}'"))?;
        }
    }
    Ok(())
}

/// The names that one attribute of arguments or results gives, none where it is missing.
fn names(module: &Module<'_>, list: &str, key: &str) -> Result<Vec<Option<String>>> {
    let function = thunder_conformance::sample::function(module, "main")?;
    let entries = function.attribute(list).and_then(|a| a.as_array()).unwrap_or_default();
    let name = |entry: thunder_ir::Attribute<'_>| entry.entry(key).and_then(|name| name.as_string()).map(str::to_owned);
    Ok(entries.into_iter().map(name).collect())
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

fn reference(module: &Module<'_>, model: &Model, inputs: &[Tensor]) -> Result<Outcome> {
    let parameters = names(module, "arg_attrs", PARAMETER)?;
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
    let results = interpret_in_place(module.operation(), "main", &mut arguments)?;
    let outputs = names(module, "res_attrs", NAME)?.into_iter().flatten().zip(results).collect();
    let state = parameters.into_iter().zip(arguments).filter_map(|(name, value)| Some((name?, value))).collect();
    Ok(Outcome { outputs, state })
}

fn jit(module: &Module<'_>, model: &Model, inputs: &[Tensor]) -> Result<Outcome> {
    let compiled = thunder_lowering::compile_jit(&mut module.duplicate(), &Default::default())?;
    let session = compiled.session(model.weights(), Options::with_threads(2))?;
    let results = session.run_in_place(&mut inputs.to_vec())?;
    let outputs = session.program().outputs.iter().map(|port| port.name.clone()).zip(results).collect();
    Ok(Outcome { outputs, state: session.state()? })
}

/// Whether a value is as close to the exact one as PyTorch's, of which `error` says how far it is off.
fn close(actual: &Tensor, exact: &Tensor, error: f64) -> Result<()> {
    ensure!(actual.shape() == exact.shape(), "the shape is {:?}, not {:?}", actual.shape(), exact.shape());
    ensure!(
        actual.dtype() == exact.dtype() || actual.dtype() == DType::F32 && exact.dtype() == DType::F64,
        "the dtype is {}, not {}",
        actual.dtype(),
        exact.dtype()
    );
    let (actual, exact) = (actual.cast(DType::F64), exact.cast(DType::F64));
    let pairs: Vec<(f64, f64)> = actual.to_vec::<f64>().into_iter().zip(exact.to_vec::<f64>()).collect();
    let largest = pairs.iter().map(|(_, exact)| exact.abs()).filter(|x| x.is_finite()).fold(0.0, f64::max);
    let limit = FACTOR * error + ROUNDINGS * f64::from(f32::EPSILON) * largest;
    for (index, (actual, exact)) in pairs.into_iter().enumerate() {
        let is_close = actual == exact || actual.is_nan() && exact.is_nan() || (actual - exact).abs() <= limit;
        if !is_close {
            bail!(
                "element {index} is {actual}, not {exact}, which is more than {limit:e} off: PyTorch is off by {error:e}"
            );
        }
    }
    Ok(())
}
