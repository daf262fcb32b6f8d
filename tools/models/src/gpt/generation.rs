//! Generation: a prompt at once, then a token at a time, with the keys and values of earlier tokens kept.

use std::collections::BTreeMap;

use thunder_lowering::{CompileError, Options, compile_jit};
use thunder_runtime::session::{self, Session, SessionError};
use thunder_tensor::{DType, Tensor as HostTensor};
use thunder_trace::{Attention, Scope, Spec, Tensor, TraceError, Tracer};

use super::random::Stream;
use super::{Gpt, GptConfig};

/// How the next token is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Sampling {
    /// What logits are divided by: below 1 makes likely tokens more likely; at 0 the likeliest is taken.
    pub temperature: f64,
    /// How many of the likeliest tokens are drawn from.
    pub top_k: usize,
    /// Decides what is drawn.
    pub seed: u64,
}

/// Why a model cannot generate.
#[derive(Debug, thiserror::Error)]
pub enum GenerationError {
    /// The model breaks a rule. Always a bug in the model.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// The module could not be compiled.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The weights do not fit the model.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// There is nothing to go on from. The caller's to fix.
    #[error("a prompt has at least one token")]
    EmptyPrompt,
}

/// The names of what is kept of each layer, in the order in which the prompt's program returns it.
fn cache_names(config: &GptConfig) -> impl Iterator<Item = String> {
    (0..config.layers).flat_map(|layer| ["key", "value"].map(|kind| format!("cache.{layer}.{kind}")))
}

impl<'t> Gpt<'t> {
    /// Logits `[1, 1, vocabulary]` after token `last` `[1]` of `tokens` `[1, positions]`, of which those after it do not
    /// count, and keys and values of each layer.
    #[track_caller]
    pub fn prefill(&self, tokens: Tensor<'t>, last: Tensor<'t>) -> (Tensor<'t>, Vec<[Tensor<'t>; 2]>) {
        self.scope.enter(|| {
            let mut cache = Vec::new();
            let positions = self.scope.arange(tokens.size(1), DType::I64);
            let hidden = self.hidden(tokens, positions, &mut |_, heads| {
                cache.push([heads.key, heads.value]);
                heads.causal()
            });
            (self.logits(hidden.index_select(1, last)), cache)
        })
    }

    /// Logits `[1, 1, vocabulary]` after `token` `[1, 1]` at `position` `[1]`, by what the states below `cache` keep of the
    /// tokens before it; they keep this one as well.
    #[track_caller]
    pub fn decode(&self, config: &GptConfig, cache: Scope<'t>, token: Tensor<'t>, position: Tensor<'t>) -> Tensor<'t> {
        self.scope.enter(|| {
            let places = self.scope.arange(config.positions, DType::I64);
            let is_here = places.eq(position).unsqueeze(-1);
            let counts = Attention { mask: Some(places.le(position)), ..Attention::default() };
            let hidden = self.hidden(token, position, &mut |layer, heads| {
                let keep = |kind: &str, new: Tensor<'t>| {
                    let sizes = [1, config.heads, config.positions, config.depth()];
                    let memory = cache.at(layer).state(kind, new.dtype(), sizes, 0.0);
                    let updated = is_here.where_(new, memory);
                    memory.copy_(updated);
                    updated
                };
                heads.query.sdpa(keep("key", heads.key), keep("value", heads.value), counts)
            });
            self.logits(hidden)
        })
    }
}

/// A model that goes on with texts.
pub struct Generator {
    config: GptConfig,
    prefill: Session,
    decode: Session,
}

impl Generator {
    /// A model with these weights.
    pub fn new(
        config: &GptConfig,
        weights: &BTreeMap<String, HostTensor>,
        compiling: &Options,
        running: &session::Options,
    ) -> Result<Self, GenerationError> {
        let (context, config) = (thunder_lowering::context(), *config);
        let tracer = Tracer::new(&context);
        let numbers = |sizes: &[i64]| Spec::new(DType::I64, sizes.to_vec());
        tracer.function("prefill", (numbers(&[1, config.positions]), numbers(&[1])), |scope, (tokens, last)| {
            Gpt::new(scope, &config).prefill(tokens, last)
        })?;
        tracer.function("decode", (numbers(&[1, 1]), numbers(&[1])), |scope, (token, position)| {
            Gpt::new(scope, &config).decode(&config, scope.at("cache"), token, position)
        })?;
        let module = tracer.finish();
        let session = |entry: &str| {
            let options = Options { entry: entry.to_owned(), ..compiling.clone() };
            let compiled = compile_jit(&mut module.duplicate(), &options)?;
            Ok::<_, GenerationError>(compiled.session(weights, running.clone())?)
        };
        Ok(Self { config, prefill: session("prefill")?, decode: session("decode")? })
    }

    /// Goes on with `prompt`; `each` gets a token at a time, and says whether that was enough.
    pub fn generate(
        &self,
        prompt: &[i64],
        sampling: Sampling,
        mut each: impl FnMut(i64) -> bool,
    ) -> Result<(), GenerationError> {
        let stream = Stream::new(sampling.seed, "tokens");
        let mut tokens = prompt.to_vec();
        let mut logits = self.begin(&mut tokens)?;
        for place in 0.. {
            let token = draw(&logits, &sampling, stream.unit(place));
            if each(token) {
                break;
            }
            tokens.push(token);
            logits = match tokens.len() > self.config.positions as usize {
                true => self.begin(&mut tokens)?,
                false => self.go_on(token, tokens.len() - 1)?,
            };
        }
        Ok(())
    }

    /// The logits after each token of a text that is no longer than the model has positions: the first `prompt` ones at
    /// once, the others one at a time.
    pub fn logits(&self, tokens: &[i64], prompt: usize) -> Result<Vec<Vec<f32>>, GenerationError> {
        let mut all = vec![self.begin(&mut tokens[..prompt].to_vec())?];
        for (position, token) in tokens.iter().enumerate().skip(prompt) {
            all.push(self.go_on(*token, position)?);
        }
        Ok(all)
    }

    /// The logits after `tokens`. Of more than there are positions, the later half of the positions is kept.
    fn begin(&self, tokens: &mut Vec<i64>) -> Result<Vec<f32>, GenerationError> {
        let positions = self.config.positions as usize;
        if tokens.len() > positions {
            tokens.drain(..tokens.len() - positions.div_ceil(2));
        }
        let last = tokens.len().checked_sub(1).ok_or(GenerationError::EmptyPrompt)?;
        let padded = HostTensor::from_fn(DType::I64, [1, positions], |at| tokens.get(at[1]).copied().unwrap_or(0));
        let mut outputs = self.prefill.run(&[padded, numbers(&[1], last as i64)])?.into_iter();
        let logits = outputs.next().map(|logits| logits.to_vec::<f64>()).unwrap_or_default();
        self.decode.set_state(&cache_names(&self.config).zip(outputs).collect())?;
        Ok(logits.into_iter().map(|x| x as f32).collect())
    }

    /// The logits after one token more, at a position.
    fn go_on(&self, token: i64, position: usize) -> Result<Vec<f32>, GenerationError> {
        let outputs = self.decode.run(&[numbers(&[1, 1], token), numbers(&[1], position as i64)])?;
        Ok(outputs[0].to_vec::<f64>().into_iter().map(|x| x as f32).collect())
    }
}

fn numbers(shape: &[usize], value: i64) -> HostTensor {
    HostTensor::full(DType::I64, shape, value)
}

/// The token at `place`, from 0 to 1, among the likeliest, each as wide as it is likely.
fn draw(logits: &[f32], sampling: &Sampling, place: f64) -> i64 {
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]));
    order.truncate(sampling.top_k.max(1));
    if sampling.temperature <= 0.0 {
        return order[0] as i64;
    }
    let weight = |token: &usize| (f64::from(logits[*token] - logits[order[0]]) / sampling.temperature).exp();
    let mut left = place * order.iter().map(weight).sum::<f64>();
    let chosen = order.iter().find(|token| {
        left -= weight(token);
        left < 0.0
    });
    chosen.or(order.last()).map_or(0, |token| *token as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_drawn_by_their_share_among_the_likeliest() {
        let logits = [0.0, 3f32.ln(), 1e-3, -5.0];
        let sampling = Sampling { temperature: 1.0, top_k: 2, seed: 0 };
        let tokens = [0.0, 0.7, 0.76, 0.999].map(|place| draw(&logits, &sampling, place));
        assert_eq!(tokens, [1, 1, 2, 2]);
        assert_eq!(draw(&logits, &Sampling { temperature: 0.0, ..sampling }, 0.999), 1);
        let hot = Sampling { temperature: 1e9, top_k: 4, seed: 0 };
        assert_eq!([0.1, 0.3, 0.6, 0.9].map(|place| draw(&logits, &hot, place)), [1, 2, 0, 3]);
    }
}
