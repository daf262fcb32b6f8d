//! Training: forward part, backward part, clipping and optimizer as one program that updates the weights in place.
//!
//! The batches and the learning rate of a step follow from its number, and a checkpoint holds everything else: training
//! that goes on from one finds the losses that it would have found.

use std::collections::BTreeMap;
use std::f64::consts::PI;
use std::path::Path;
use std::time::Duration;

use thunder_lowering::{CompileError, Compiled, Options, compile_jit};
use thunder_passes::autocast::{Autocast, autocast};
use thunder_passes::autodiff;
use thunder_runtime::session::{self, Session, SessionError};
use thunder_tensor::{DType, FileError, SafeTensors, Tensor as HostTensor, write_safetensors};
use thunder_trace::optim::{AdamW, Optimizer as _};
use thunder_trace::{Spec, TraceError, Tracer, leaves};

use super::random::weights;
use super::text::Text;
use super::{Batch, Gpt, GptConfig};

/// The tensor of a checkpoint that says which run it is of.
const RUN: &str = "run";
/// The state that counts steps.
const STEP: &str = "optimizer.step";
/// The largest norm of gradients.
const CLIP: f64 = 1.0;

/// What decides a run, beside the text and the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Decides weights and batches.
    pub seed: u64,
    /// Sequences in a batch.
    pub batch: usize,
    /// Tokens in a sequence.
    pub tokens: usize,
    /// Steps until the learning rate has fallen.
    pub steps: u64,
    /// What products are computed in: `f32`, or `bf16` with weights, their gradients and sums kept in `f32`.
    pub precision: DType,
}

/// What a run may compute in, by the numbers of checkpoints.
const PRECISIONS: [DType; 2] = [DType::F32, DType::BF16];

impl Run {
    /// The learning rate of a step: it rises in a line, then falls as half a wave to a tenth.
    pub fn learning_rate(&self, step: u64) -> f64 {
        let (peak, warmup) = (1e-3, (self.steps / 10).clamp(1, 100));
        if step < warmup {
            return peak * (step + 1) as f64 / warmup as f64;
        }
        let progress = (step - warmup) as f64 / self.steps.saturating_sub(warmup).max(1) as f64;
        peak * (0.55 + 0.45 * (PI * progress.min(1.0)).cos())
    }

    fn to_tensor(self) -> HostTensor {
        let precision = PRECISIONS.iter().position(|dtype| *dtype == self.precision).unwrap_or_default();
        let numbers = [self.seed, self.batch as u64, self.tokens as u64, self.steps, precision as u64];
        HostTensor::from_vec([5], numbers.map(|n| n as i64).to_vec()).expect("five numbers")
    }

    fn from_tensor(tensor: &HostTensor) -> Option<Self> {
        let [seed, batch, tokens, steps, precision] = tensor.as_slice::<i64>().ok()?.try_into().ok()?;
        let precision = *PRECISIONS.get(usize::try_from(precision).ok()?)?;
        let (batch, tokens) = (usize::try_from(batch).ok()?, usize::try_from(tokens).ok()?);
        Some(Self { seed: seed as u64, batch, tokens, steps: steps as u64, precision })
    }
}

/// Why a model could not be trained.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    /// The checkpoint cannot be read or written. The file's to fix, or the path is wrong.
    #[error(transparent)]
    Checkpoint(#[from] FileError),
    /// The checkpoint is another thing. The caller's to fix.
    #[error("{0}: not a checkpoint of a training run")]
    NoCheckpoint(String),
    /// The text is too short for a sequence. The caller's to fix.
    #[error("a text of {0} characters is too short for sequences of {1}")]
    ShortText(usize, usize),
    /// The model breaks a rule. Always a bug in the model.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// The model has no derivative. Always a bug in the model.
    #[error(transparent)]
    Derivative(#[from] thunder_ir::Error),
    /// The module could not be compiled.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The weights do not fit the model.
    #[error(transparent)]
    Session(#[from] SessionError),
}

/// What a step says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Report {
    /// The step's number, from 0.
    pub step: u64,
    /// The mean cross-entropy before it.
    pub loss: f32,
    /// The norm of the gradients before clipping.
    pub norm: f32,
}

/// A model in training.
pub struct Trainer<'a> {
    text: &'a Text,
    run: Run,
    session: Session,
    step: u64,
    /// How long each phase of compilation took.
    pub times: Vec<(&'static str, Duration)>,
}

impl<'a> Trainer<'a> {
    /// A model before training.
    pub fn new(
        config: &GptConfig,
        text: &'a Text,
        run: Run,
        compiling: &Options,
        running: session::Options,
    ) -> Result<Self, TrainingError> {
        Self::prepare(config, text, run, None, compiling, running)
    }

    /// A model as a checkpoint left it, and its run.
    pub fn resume(
        config: &GptConfig,
        text: &'a Text,
        checkpoint: &Path,
        compiling: &Options,
        running: session::Options,
    ) -> Result<Self, TrainingError> {
        let tensors: BTreeMap<String, HostTensor> =
            SafeTensors::open(checkpoint)?.tensors().collect::<Result<_, _>>()?;
        let run = tensors.get(RUN).and_then(Run::from_tensor);
        let run = run.ok_or_else(|| TrainingError::NoCheckpoint(checkpoint.display().to_string()))?;
        Self::prepare(config, text, run, Some(&tensors), compiling, running)
    }

    fn prepare(
        config: &GptConfig,
        text: &'a Text,
        run: Run,
        checkpoint: Option<&BTreeMap<String, HostTensor>>,
        compiling: &Options,
        running: session::Options,
    ) -> Result<Self, TrainingError> {
        if text.len() <= run.tokens {
            return Err(TrainingError::ShortText(text.len(), run.tokens));
        }
        let compiled = compile(config, &run, compiling)?;
        let parameters = compiled.artifact.parameters();
        let shapes = parameters.iter().filter(|p| !p.name.starts_with("optimizer."));
        let shapes = shapes.map(|p| (p.name.as_str(), p.shape.clone()));
        let initial = weights(config, run.seed, shapes);
        let session = compiled.session(checkpoint.unwrap_or(&initial), running)?;
        let step = session.state()?.get(STEP).and_then(|step| step.item::<i64>().ok()).unwrap_or_default();
        Ok(Self { text, run, session, step: step as u64, times: compiled.times })
    }

    /// The run.
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// The number of the next step.
    pub fn next_step(&self) -> u64 {
        self.step
    }

    /// What the program takes in the next step.
    pub fn inputs(&self) -> Vec<HostTensor> {
        let Run { seed, batch, tokens, .. } = self.run;
        let batch = self.text.batch(seed, self.step, batch, tokens);
        let rate = HostTensor::scalar(self.run.learning_rate(self.step) as f32);
        leaves((batch, rate)).into_iter().map(|(_, tensor)| tensor).collect()
    }

    /// The program with its state.
    pub fn into_session(self) -> Session {
        self.session
    }

    /// Takes a step.
    pub fn step(&mut self) -> Result<Report, TrainingError> {
        let step = self.step;
        let outputs = self.session.run(&self.inputs())?;
        self.step += 1;
        let number = |index: usize| outputs[index].item::<f64>().expect("the program returns two numbers") as f32;
        Ok(Report { step, loss: number(0), norm: number(1) })
    }

    /// The weights, by name.
    pub fn weights(&self) -> Result<BTreeMap<String, HostTensor>, TrainingError> {
        let mut state = self.session.state()?;
        state.retain(|name, _| !name.starts_with("optimizer."));
        Ok(state)
    }

    /// Writes a checkpoint, which replaces an older one once it is complete.
    pub fn save(&self, path: &Path) -> Result<(), TrainingError> {
        let (state, run) = (self.session.state()?, self.run.to_tensor());
        let tensors = state.iter().map(|(name, tensor)| (name.as_str(), tensor));
        Ok(write_safetensors(path, tensors.chain([(RUN, &run)]))?)
    }
}

/// The training step: it takes a batch and the learning rate, and returns the loss and the norm of the gradients.
fn compile(config: &GptConfig, run: &Run, options: &Options) -> Result<Compiled, TrainingError> {
    let context = thunder_lowering::context();
    let tracer = Tracer::new(&context);
    let batch = Batch::of(run.batch as i64, run.tokens as i64);
    tracer.function("loss", batch.clone(), |scope, batch| Gpt::new(scope, config).loss(batch))?;
    let module = tracer.module().operation();
    if run.precision != DType::F32 {
        autocast(module, &Autocast::of("loss", run.precision))?;
    }
    autodiff::value_and_grad(module, "loss", &autodiff::trained(module, "loss")?)?;
    tracer.function("step", (batch, Spec::new(DType::F32, [0i64; 0])), |scope, (batch, rate)| {
        let (values, gradients) = scope.value_and_grad("loss", batch);
        let (gradients, norm) = gradients.clip_norm(CLIP);
        AdamW { betas: (0.9, 0.99), weight_decay: 0.1, ..AdamW::default() }.update(
            scope.at("optimizer"),
            &gradients,
            rate,
        );
        (values, norm)
    })?;
    Ok(compile_jit(&mut tracer.finish(), &Options { entry: "step".to_owned(), ..options.clone() })?)
}
