//! Samples for a machine with a GPU, which has neither the compiler nor the data: as artifacts with their inputs; and what
//! their results, which it sends back, are worth.
//!
//! Of a sample `NUMBER` of an operation `NAME` there are the program `NAME.NUMBER.out.thb` and, where PyTorch has
//! gradients, `NAME.NUMBER.grad.thb`, each with a file of inputs and one of weights; see the example `gpu_samples` of the
//! runtime, which runs them.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use thunder_ir::Module;
use thunder_lowering::{Options, Target, compile};
use thunder_passes::autodiff::Mode;
use thunder_tensor::{DType, SafeTensors, Tensor, write_safetensors};

use super::close;
use super::run::{Failure, REFERENCE_DIFFERS, Run, Step, Verdict, during};
use super::samples::Operation;

/// What is compared of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Its results.
    Results,
    /// Its gradients, behind its results.
    Gradients,
}

impl Kind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Results, Self::Gradients];

    fn name(self) -> &'static str {
        match self {
            Self::Results => "out",
            Self::Gradients => "grad",
        }
    }

    /// The path of a sample's files but for what follows their dot.
    fn stem(self, folder: &Path, operation: &Operation, number: usize) -> PathBuf {
        folder.join(format!("{}.{number}.{}", operation.name, self.name()))
    }
}

/// Whether PyTorch has what a kind of program makes.
fn applies(kind: Kind, operation: &Operation, number: usize) -> bool {
    operation.samples[number].program.is_some() && (kind == Kind::Results || operation.gradient(number).is_some())
}

/// Writes the programs of an operation into a folder. What the compiler refuses gets a file `.refused` that says why;
/// what is not imported gets none.
pub fn write(operation: &Operation, target: &Target, folder: &Path) -> Result<()> {
    for number in 0..operation.samples.len() {
        for kind in Kind::ALL.into_iter().filter(|kind| applies(*kind, operation, number)) {
            let stem = kind.stem(folder, operation, number);
            let context = thunder_lowering::context();
            let Ok(run) = Run::new(operation, number) else { continue };
            let Ok(module) = run.module(&context) else { continue };
            match write_one(&run, module, kind, target, &stem) {
                Ok(()) => {}
                Err(Failure(Verdict::Failed(step, values))) => {
                    std::fs::write(stem.with_added_extension("refused"), format!("{step}: {values}"))?;
                }
                Err(Failure(verdict)) => bail!("{}: {verdict:?}", stem.display()),
            }
        }
    }
    Ok(())
}

fn write_one(run: &Run<'_>, mut module: Module<'_>, kind: Kind, target: &Target, stem: &Path) -> Step<()> {
    let (mut entry, mut inputs) = ("main".to_owned(), run.inputs.clone());
    if kind == Kind::Gradients {
        inputs.extend(run.derive(&module)?.cotangents);
        entry = Mode::Vjp.function("main");
    }
    let options = Options { entry, target: target.clone(), ..Options::default() };
    let compiled = during("the compiler fails", compile(&mut module, &options).map_err(Into::into))?;
    let write = || -> Result<()> {
        compiled.artifact.write(stem.with_added_extension("thb"))?;
        let inputs = inputs.iter().enumerate().map(|(place, x)| in_pairs(&place.to_string(), x));
        let weights = run.model.weights().iter().map(|(name, x)| in_pairs(name, x));
        for (extension, tensors) in [("inputs", inputs.collect::<Vec<_>>()), ("weights", weights.collect())] {
            let named = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor));
            write_safetensors(stem.with_added_extension(extension), named)?;
        }
        Ok(())
    };
    during("writing fails", write())
}

/// Complex numbers as pairs of real ones, which a file has in double precision too.
fn in_pairs(name: &str, tensor: &Tensor) -> (String, Tensor) {
    let suffix = if tensor.dtype().is_complex() { ".pairs" } else { "" };
    (format!("{name}{suffix}"), tensor.as_pairs())
}

/// What the results are worth that came back for the programs of an operation: by number and kind. Nothing is said of what
/// is not imported.
pub fn check(operation: &Operation, programs: &Path, results: &Path) -> Result<Vec<(usize, Kind, Verdict)>> {
    let mut verdicts = Vec::new();
    for number in 0..operation.samples.len() {
        for kind in Kind::ALL.into_iter().filter(|kind| applies(*kind, operation, number)) {
            let (program, result) = (kind.stem(programs, operation, number), kind.stem(results, operation, number));
            let refused = program.with_added_extension("refused");
            let verdict = if refused.exists() {
                Verdict::Failed("the compiler fails".to_owned(), std::fs::read_to_string(refused)?)
            } else if program.with_added_extension("thb").exists() {
                match check_one(operation, number, kind, &result) {
                    Ok(()) => Verdict::Passed,
                    Err(Failure(verdict)) => verdict,
                }
            } else {
                continue;
            };
            verdicts.push((number, kind, verdict));
        }
    }
    Ok(verdicts)
}

fn check_one(operation: &Operation, number: usize, kind: Kind, result: &Path) -> Step<()> {
    let error = result.with_added_extension("error");
    if let Ok(text) = std::fs::read_to_string(&error) {
        return Err(Failure(Verdict::Failed("the GPU fails".to_owned(), text)));
    }
    let read = || -> Result<Vec<Tensor>> {
        let path = result.with_added_extension("outputs");
        let file = SafeTensors::open(&path).with_context(|| format!("nothing came back: {}", path.display()))?;
        (0..file.names().len()).map(|place| Ok(file.tensor(&place.to_string())?)).collect()
    };
    let all = during("the results are missing", read())?;
    let run = Run::new(operation, number)?;
    let context = thunder_lowering::context();
    let module = run.module(&context)?;
    let derived = (kind == Kind::Gradients).then(|| run.derive(&module)).transpose()?;
    let compare = |all: &[Tensor]| match &derived {
        None => run.compare(all),
        Some(derived) => run.compare_gradients(derived, operation.gradient(number).unwrap_or_default(), all),
    };
    let Err(error) = compare(&all) else { return Ok(()) };
    let by_reference = match &derived {
        None => run.interpreted(&module, "main", &[]),
        Some(derived) => run.interpreted(&module, &Mode::Vjp.function("main"), &derived.cotangents),
    };
    let by_reference = during("the reference fails", by_reference)?;
    let step = if are_close(&all, &by_reference) { REFERENCE_DIFFERS } else { "the GPU differs" };
    during(step, Err(error))
}

/// Whether all results are those of the reference, within the tolerance for their dtype.
fn are_close(all: &[Tensor], by_reference: &[Tensor]) -> bool {
    let is_close = |(made, reference): (&Tensor, &Tensor)| {
        let reference = reference.as_pairs();
        let wide = if reference.dtype().is_float() { reference.cast(DType::F64) } else { reference };
        close::check(made, &wide, 0.0).is_ok()
    };
    all.len() == by_reference.len() && all.iter().zip(by_reference).all(is_close)
}
