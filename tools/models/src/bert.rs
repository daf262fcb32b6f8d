//! BERT's encoder, with the names of its parameters in published checkpoints.

use thunder_trace::nn::{Embedding, LayerNorm, Linear};
use thunder_trace::{Approximation, Attention, DType, Scope, Tensor};

/// The sizes of an encoder.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BertConfig {
    /// How many tokens there are.
    pub vocabulary: i64,
    /// The longest sequence.
    pub positions: i64,
    /// How many kinds of segments there are.
    pub segments: i64,
    /// Elements of a hidden state.
    pub width: i64,
    /// How many layers there are.
    pub layers: i64,
    /// How many heads attention has.
    pub heads: i64,
    /// Elements of a hidden state inside the feed-forward part of a layer.
    pub intermediate: i64,
    /// What layer normalization adds to the variance.
    pub eps: f64,
}

/// Embeddings and layers.
pub struct Bert<'t> {
    scope: Scope<'t>,
    embeddings: Embeddings<'t>,
    layers: Vec<Layer<'t>>,
}

struct Embeddings<'t> {
    scope: Scope<'t>,
    word: Embedding<'t>,
    position: Embedding<'t>,
    segment: Embedding<'t>,
    norm: LayerNorm<'t>,
}

struct Layer<'t> {
    scope: Scope<'t>,
    attention: SelfAttention<'t>,
    intermediate: Linear<'t>,
    output: Residual<'t>,
}

struct SelfAttention<'t> {
    scope: Scope<'t>,
    heads: i64,
    query: Linear<'t>,
    key: Linear<'t>,
    value: Linear<'t>,
    output: Residual<'t>,
}

/// A linear layer whose value is added to what a block began with, and the sum normalized.
struct Residual<'t> {
    scope: Scope<'t>,
    dense: Linear<'t>,
    norm: LayerNorm<'t>,
}

impl<'t> Bert<'t> {
    /// An encoder whose parameters stand below `scope`.
    pub fn new(scope: Scope<'t>, config: &BertConfig) -> Self {
        let layers = scope.at("encoder").at("layer");
        Self {
            scope,
            embeddings: Embeddings::new(scope.at("embeddings"), config),
            layers: (0..config.layers).map(|i| Layer::new(layers.at(i), config)).collect(),
        }
    }

    /// Hidden states `[batch, tokens, width]` of the tokens `ids` `[batch, tokens]`, where `mask`
    /// `[batch, tokens]` is not zero for tokens that count.
    #[track_caller]
    pub fn forward(&self, ids: Tensor<'t>, mask: Tensor<'t>) -> Tensor<'t> {
        self.scope.enter(|| {
            // What is added to the scores of each column: nothing, or so much that its weight is zero.
            let mask = mask.ne(0).where_(0.0, f64::NEG_INFINITY).to(self.scope.dtype()).unsqueeze(1).unsqueeze(1);
            let embedded = self.embeddings.forward(ids);
            self.layers.iter().fold(embedded, |x, layer| layer.forward(x, mask))
        })
    }
}

impl<'t> Embeddings<'t> {
    fn new(scope: Scope<'t>, config: &BertConfig) -> Self {
        Self {
            scope,
            word: Embedding::new(scope.at("word_embeddings"), config.vocabulary, config.width),
            position: Embedding::new(scope.at("position_embeddings"), config.positions, config.width),
            segment: Embedding::new(scope.at("token_type_embeddings"), config.segments, config.width),
            norm: LayerNorm::new(scope.at("LayerNorm"), config.width, config.eps),
        }
    }

    #[track_caller]
    fn forward(&self, ids: Tensor<'t>) -> Tensor<'t> {
        self.scope.enter(|| {
            let positions = self.scope.arange(ids.size(1), DType::I64);
            // All tokens are of the first segment.
            let segment = self.segment.weight.select(0, 0);
            self.norm.forward(self.word.forward(ids) + segment + self.position.forward(positions))
        })
    }
}

impl<'t> Layer<'t> {
    fn new(scope: Scope<'t>, config: &BertConfig) -> Self {
        let (width, intermediate) = (config.width, config.intermediate);
        Self {
            scope,
            attention: SelfAttention::new(scope.at("attention"), config),
            intermediate: Linear::new(scope.at("intermediate").at("dense"), width, intermediate),
            output: Residual::new(scope.at("output"), intermediate, config),
        }
    }

    #[track_caller]
    fn forward(&self, x: Tensor<'t>, mask: Tensor<'t>) -> Tensor<'t> {
        self.scope.enter(|| {
            let x = self.attention.forward(x, mask);
            self.output.forward(self.intermediate.forward(x).gelu(Approximation::None), x)
        })
    }
}

impl<'t> SelfAttention<'t> {
    fn new(scope: Scope<'t>, config: &BertConfig) -> Self {
        let part = |name: &str| Linear::new(scope.at("self").at(name), config.width, config.width);
        Self {
            scope,
            heads: config.heads,
            query: part("query"),
            key: part("key"),
            value: part("value"),
            output: Residual::new(scope.at("output"), config.width, config),
        }
    }

    #[track_caller]
    fn forward(&self, x: Tensor<'t>, mask: Tensor<'t>) -> Tensor<'t> {
        self.scope.enter(|| {
            let heads = |part: &Linear<'t>| part.forward(x).unflatten(-1, [self.heads, -1]).transpose(1, 2);
            let (query, key, value) = (heads(&self.query), heads(&self.key), heads(&self.value));
            let mixed = query.sdpa(key, value, Attention { mask: Some(mask), ..Attention::default() });
            self.output.forward(mixed.transpose(1, 2).flatten(-2, -1), x)
        })
    }
}

impl<'t> Residual<'t> {
    fn new(scope: Scope<'t>, inputs: i64, config: &BertConfig) -> Self {
        Self {
            scope,
            dense: Linear::new(scope.at("dense"), inputs, config.width),
            norm: LayerNorm::new(scope.at("LayerNorm"), config.width, config.eps),
        }
    }

    #[track_caller]
    fn forward(&self, x: Tensor<'t>, residual: Tensor<'t>) -> Tensor<'t> {
        self.scope.enter(|| self.norm.forward(self.dense.forward(x) + residual))
    }
}
