//! all-MiniLM-L6-v2: sentences as vectors whose cosine is how alike they are.
//!
//! One compilation serves every batch size and length: both are symbols.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use thunder_ir::{Context, Module};
use thunder_lowering::{CompileError, Compiled};
use thunder_runtime::session::{self, Session, SessionError};
use thunder_tensor::{DType, FileError, SafeTensors, Tensor as HostTensor};
use thunder_trace::{Dim, Scope, Spec, Tensor, TraceError, Tracer, Tree, leaves};
use tokenizers::Tokenizer;

use crate::bert::{Bert, BertConfig};

/// The sizes of the published weights.
pub const CONFIG: BertConfig = BertConfig {
    vocabulary: 30522,
    positions: 512,
    segments: 2,
    width: 384,
    layers: 6,
    heads: 12,
    intermediate: 1536,
    eps: 1e-12,
};

/// What the model takes: token numbers, and 1 for tokens that count, 0 for padding; `[batch, tokens]`.
#[derive(Clone, Debug, Tree)]
pub struct Batch<T> {
    /// The tokens.
    pub ids: T,
    /// Which of them count.
    pub mask: T,
}

impl Batch<Spec> {
    /// Any number of sequences of any length.
    pub fn any() -> Self {
        let spec = Spec::new(DType::I64, [Dim::new("batch"), Dim::new("tokens")]);
        Self { ids: spec.clone(), mask: spec }
    }
}

impl Batch<HostTensor> {
    /// Sequences of equal length without padding, for timing.
    pub fn full(batch: usize, tokens: usize) -> Self {
        let ids = HostTensor::from_fn(DType::I64, [batch, tokens], |at| {
            1000 + (7919 * (at[0] * tokens + at[1]) % 19000) as i64
        });
        Self { ids, mask: HostTensor::full(DType::I64, [batch, tokens], 1i64) }
    }
}

/// The mean of the hidden states that count, scaled to length 1: `[batch, width]`.
pub fn embedding<'t>(scope: Scope<'t>, config: &BertConfig, batch: Batch<Tensor<'t>>) -> Tensor<'t> {
    let hidden = Bert::new(scope, config).forward(batch.ids, batch.mask);
    let weight = batch.mask.to(scope.dtype()).unsqueeze(-1);
    let mean = (hidden * weight).sum(1) / weight.sum(1).maximum(1e-9);
    mean.normalize(-1, 1e-12)
}

/// The model as the function `main`.
pub fn trace<'x>(context: &'x Context, config: &BertConfig) -> Result<Module<'x>, TraceError> {
    let tracer = Tracer::new(context);
    tracer.function("main", Batch::any(), |scope, batch| embedding(scope, config, batch))?;
    Ok(tracer.finish())
}

/// Why the model could not be prepared or run.
#[derive(Debug, thiserror::Error)]
pub enum MiniLmError {
    /// The weights cannot be read. The files' to fix, or the path is wrong.
    #[error(transparent)]
    Weights(#[from] FileError),
    /// The tokenizer cannot be read, or not tokenize. The file's to fix, or the path is wrong.
    #[error("{path}: {reason}")]
    Tokenizer {
        /// The tokenizer's file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A sequence has more tokens than the model has positions. The caller's to shorten.
    #[error("a sequence has {tokens} tokens, but the model has positions for {limit}")]
    TooLong {
        /// The length of the sequence.
        tokens: usize,
        /// The longest that there may be.
        limit: i64,
    },
    /// The model breaks a rule. Always a bug in the model.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// The module could not be compiled.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The weights do not fit, or the batch does not.
    #[error(transparent)]
    Session(#[from] SessionError),
}

/// The model, ready to run.
pub struct MiniLm {
    tokenizer: Tokenizer,
    path: PathBuf,
    session: Session,
    /// How long each phase of preparation took: tracing, the compiler's, and binding the weights.
    pub times: Vec<(&'static str, Duration)>,
}

impl MiniLm {
    /// Reads `tokenizer.json` and `model.safetensors` of a folder, and compiles the model.
    pub fn load(folder: &Path, options: session::Options) -> Result<Self, MiniLmError> {
        let path = folder.join("tokenizer.json");
        let weights = weights(&folder.join("model.safetensors"))?;
        let tokenizer = tokenizer(&path)?;
        let clock = Instant::now();
        let context = thunder_lowering::context();
        let context_time = clock.elapsed();
        let clock = Instant::now();
        let mut module = trace(&context, &CONFIG)?;
        let trace_time = clock.elapsed();
        let Compiled { artifact, code, times } = thunder_lowering::compile_jit(&mut module, &Default::default())?;
        let clock = Instant::now();
        let session = Session::prepare_with(&artifact, &weights, code, options)?;
        let session_time = clock.elapsed();
        let before = [("context", context_time), ("trace", trace_time)];
        let times = before.into_iter().chain(times).chain([("session", session_time)]).collect();
        Ok(Self { tokenizer, path, session, times })
    }

    /// The compiled program with its weights.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// A vector of length 1 for each text, computed as one batch.
    pub fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, MiniLmError> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let vectors = self.run(self.tokenize(texts)?)?;
        let values = vectors.as_slice::<f32>().expect("the model's output is of f32");
        Ok(values.chunks(CONFIG.width as usize).map(<[f32]>::to_vec).collect())
    }

    /// The tokens of texts, padded to the longest.
    pub fn tokenize(&self, texts: &[&str]) -> Result<Batch<HostTensor>, MiniLmError> {
        let encoded = self.tokenizer.encode_batch(texts.to_vec(), true);
        let encoded = encoded.map_err(|error| unusable(&self.path, error))?;
        let tokens = encoded.iter().map(|text| text.get_ids().len()).max().unwrap_or(0);
        let shape = [texts.len(), tokens];
        let padded = |of: fn(&tokenizers::Encoding) -> &[u32]| {
            HostTensor::from_fn(DType::I64, shape, |at| of(&encoded[at[0]]).get(at[1]).map_or(0, |id| i64::from(*id)))
        };
        Ok(Batch { ids: padded(|text| text.get_ids()), mask: padded(|text| text.get_attention_mask()) })
    }

    /// The vectors of a batch: `[batch, width]`.
    pub fn run(&self, batch: Batch<HostTensor>) -> Result<HostTensor, MiniLmError> {
        let limit = CONFIG.positions;
        if let Some(tokens) = batch.ids.shape().get(1).copied().filter(|tokens| *tokens as i64 > limit) {
            return Err(MiniLmError::TooLong { tokens, limit });
        }
        let inputs: Vec<HostTensor> = leaves(batch).into_iter().map(|(_, tensor)| tensor).collect();
        let outputs = self.session.run(&inputs)?;
        Ok(outputs.into_iter().next().expect("the model has one output"))
    }
}

/// All tensors of a file, by name, as views of it.
fn weights(path: &Path) -> Result<BTreeMap<String, HostTensor>, FileError> {
    SafeTensors::open(path)?.tensors().collect()
}

/// The tokenizer of a file, which shall not pad: a batch is as long as its longest text.
fn tokenizer(path: &Path) -> Result<Tokenizer, MiniLmError> {
    let text = std::fs::read_to_string(path).map_err(|error| unusable(path, error))?;
    let mut tokenizer: Tokenizer =
        text.parse().map_err(|error| unusable(path, format!("not a valid tokenizer: {error}")))?;
    tokenizer.with_padding(None);
    Ok(tokenizer)
}

fn unusable(path: &Path, reason: impl ToString) -> MiniLmError {
    MiniLmError::Tokenizer { path: path.to_owned(), reason: reason.to_string() }
}
