//! GPT: a language model that predicts each token from those before it.
//!
//! Parameters have the names of GPT-2's, but the weights of all linear layers are `[outputs, inputs]`.

pub mod generation;
pub mod random;
pub mod text;
pub mod training;

use thunder_trace::nn::{Embedding, LayerNorm, Linear};
use thunder_trace::{Approximation, Attention, CrossEntropy, DType, Dim, Scope, Spec, Tensor, Tree};

/// The sizes of a model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GptConfig {
    /// How many tokens there are.
    pub vocabulary: i64,
    /// The longest sequence.
    pub positions: i64,
    /// Elements of a hidden state.
    pub width: i64,
    /// How many layers there are.
    pub layers: i64,
    /// How many heads attention has.
    pub heads: i64,
    /// Whether logits are products with the vectors of tokens, rather than with a weight of their own.
    pub tied: bool,
}

impl GptConfig {
    /// A model of characters, with 1.8 million parameters.
    pub const fn characters(vocabulary: i64) -> Self {
        Self { vocabulary, positions: 128, width: 192, layers: 4, heads: 6, tied: true }
    }

    /// Elements of a head.
    pub fn depth(&self) -> i64 {
        self.width / self.heads
    }
}

/// What layer normalization adds to the variance.
const EPS: f64 = 1e-5;

/// Sequences and what follows each of their tokens: `[batch, tokens]`.
#[derive(Clone, Debug, Tree)]
pub struct Batch<T> {
    /// The tokens.
    pub tokens: T,
    /// The tokens one place further.
    pub targets: T,
}

impl Batch<Spec> {
    /// Batches of these sizes.
    pub fn of(batch: impl Into<Dim>, tokens: impl Into<Dim>) -> Self {
        let spec = Spec::new(DType::I64, [batch.into(), tokens.into()]);
        Self { tokens: spec.clone(), targets: spec }
    }
}

/// What a layer's attention asks, is found by, and answers: `[batch, heads, tokens, depth]`.
#[derive(Clone, Copy, Debug)]
pub struct Heads<T> {
    /// What is asked.
    pub query: T,
    /// What answers are found by.
    pub key: T,
    /// The answers.
    pub value: T,
}

impl<'t> Heads<Tensor<'t>> {
    /// Attention of each token to itself and those before it.
    #[track_caller]
    fn causal(self) -> Tensor<'t> {
        self.query.sdpa(self.key, self.value, Attention { causal: true, ..Attention::default() })
    }
}

/// The attention of a layer, by its number: from `[batch, heads, tokens, depth]` to its like.
type Attend<'a, 't> = &'a mut dyn FnMut(usize, Heads<Tensor<'t>>) -> Tensor<'t>;

/// The model.
pub struct Gpt<'t> {
    scope: Scope<'t>,
    tokens: Embedding<'t>,
    positions: Embedding<'t>,
    layers: Vec<Layer<'t>>,
    norm: LayerNorm<'t>,
    /// What logits are products with: `[vocabulary, width]`.
    head: Tensor<'t>,
}

struct Layer<'t> {
    scope: Scope<'t>,
    attention_norm: LayerNorm<'t>,
    attention: SelfAttention<'t>,
    mlp_norm: LayerNorm<'t>,
    mlp: Mlp<'t>,
}

struct SelfAttention<'t> {
    scope: Scope<'t>,
    heads: i64,
    /// Queries, keys and values, one after the other.
    inputs: Linear<'t>,
    output: Linear<'t>,
}

struct Mlp<'t> {
    scope: Scope<'t>,
    inner: Linear<'t>,
    output: Linear<'t>,
}

impl<'t> Gpt<'t> {
    /// A model whose parameters stand below `scope`.
    pub fn new(scope: Scope<'t>, config: &GptConfig) -> Self {
        let tokens = Embedding::new(scope.at("wte"), config.vocabulary, config.width);
        let head = match config.tied {
            true => tokens.weight,
            false => Linear::without_bias(scope.at("lm_head"), config.width, config.vocabulary).weight,
        };
        Self {
            scope,
            tokens,
            positions: Embedding::new(scope.at("wpe"), config.positions, config.width),
            layers: (0..config.layers).map(|i| Layer::new(scope.at("h").at(i), config)).collect(),
            norm: LayerNorm::new(scope.at("ln_f"), config.width, EPS),
            head,
        }
    }

    /// Logits `[batch, tokens, vocabulary]` of the token that follows each of `tokens` `[batch, tokens]`.
    #[track_caller]
    pub fn forward(&self, tokens: Tensor<'t>) -> Tensor<'t> {
        self.scope.enter(|| {
            let positions = self.scope.arange(tokens.size(1), DType::I64);
            self.logits(self.hidden(tokens, positions, &mut |_, heads| heads.causal()))
        })
    }

    /// Hidden states `[batch, tokens, width]` of tokens at `positions` `[tokens]`.
    #[track_caller]
    fn hidden(&self, tokens: Tensor<'t>, positions: Tensor<'t>, attend: Attend<'_, 't>) -> Tensor<'t> {
        let x = self.tokens.forward(tokens) + self.positions.forward(positions);
        let layers = self.layers.iter().enumerate();
        layers.fold(x, |x, (number, layer)| layer.forward(x, &mut |heads| attend(number, heads)))
    }

    #[track_caller]
    fn logits(&self, hidden: Tensor<'t>) -> Tensor<'t> {
        self.norm.forward(hidden).linear(self.head, None)
    }

    /// The mean cross-entropy of a batch.
    #[track_caller]
    pub fn loss(&self, batch: Batch<Tensor<'t>>) -> Tensor<'t> {
        self.scope.enter(|| self.forward(batch.tokens).cross_entropy(batch.targets, CrossEntropy::default()))
    }
}

impl<'t> Layer<'t> {
    fn new(scope: Scope<'t>, config: &GptConfig) -> Self {
        Self {
            scope,
            attention_norm: LayerNorm::new(scope.at("ln_1"), config.width, EPS),
            attention: SelfAttention::new(scope.at("attn"), config),
            mlp_norm: LayerNorm::new(scope.at("ln_2"), config.width, EPS),
            mlp: Mlp::new(scope.at("mlp"), config),
        }
    }

    #[track_caller]
    fn forward(&self, x: Tensor<'t>, attend: &mut dyn FnMut(Heads<Tensor<'t>>) -> Tensor<'t>) -> Tensor<'t> {
        self.scope.enter(|| {
            let x = x + self.attention.forward(self.attention_norm.forward(x), attend);
            x + self.mlp.forward(self.mlp_norm.forward(x))
        })
    }
}

impl<'t> SelfAttention<'t> {
    fn new(scope: Scope<'t>, config: &GptConfig) -> Self {
        Self {
            scope,
            heads: config.heads,
            inputs: Linear::new(scope.at("c_attn"), config.width, 3 * config.width),
            output: Linear::new(scope.at("c_proj"), config.width, config.width),
        }
    }

    #[track_caller]
    fn forward(&self, x: Tensor<'t>, attend: &mut dyn FnMut(Heads<Tensor<'t>>) -> Tensor<'t>) -> Tensor<'t> {
        self.scope.enter(|| {
            let parts = self.inputs.forward(x).chunk(3, -1);
            let heads = |part: Tensor<'t>| part.unflatten(-1, [self.heads, -1]).transpose(1, 2);
            let mixed = attend(Heads { query: heads(parts[0]), key: heads(parts[1]), value: heads(parts[2]) });
            self.output.forward(mixed.transpose(1, 2).flatten(-2, -1))
        })
    }
}

impl<'t> Mlp<'t> {
    fn new(scope: Scope<'t>, config: &GptConfig) -> Self {
        Self {
            scope,
            inner: Linear::new(scope.at("c_fc"), config.width, 4 * config.width),
            output: Linear::new(scope.at("c_proj"), 4 * config.width, config.width),
        }
    }

    #[track_caller]
    fn forward(&self, x: Tensor<'t>) -> Tensor<'t> {
        self.scope.enter(|| self.output.forward(self.inner.forward(x).gelu(Approximation::Tanh)))
    }
}
