//! The layers of Llama, with the names of their parameters in published checkpoints.

use thunder_trace::nn::{Linear, RmsNorm};
use thunder_trace::{Attention, DType, Dim, HostTensor, Scope, Spec, Tensor, Tree, cat};

/// The sizes of the layers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LlamaConfig {
    /// How many layers there are.
    pub layers: i64,
    /// Elements of a hidden state.
    pub width: i64,
    /// How many heads attention has.
    pub heads: i64,
    /// Elements of a hidden state inside the feed-forward part of a layer.
    pub intermediate: i64,
    /// What normalization adds to the mean square.
    pub eps: f64,
}

impl LlamaConfig {
    /// Elements of a head.
    pub fn depth(&self) -> i64 {
        self.width / self.heads
    }
}

/// Rotations that say where a token stands: the cosine and sine of each angle, `[tokens, depth]`.
#[derive(Clone, Debug, Tree)]
pub struct Rotary<T> {
    /// The cosines.
    pub cos: T,
    /// The sines.
    pub sin: T,
}

impl Rotary<Spec> {
    /// The rotations of this many tokens.
    pub fn of(dtype: DType, tokens: impl Into<Dim>, config: &LlamaConfig) -> Self {
        let spec = Spec::new(dtype, [tokens.into(), config.depth().into()]);
        Self { cos: spec.clone(), sin: spec }
    }
}

impl Rotary<HostTensor> {
    /// The rotations of positions from 0 on: pair `i` of `n` turns by `10000^(-i / n)` at each step.
    pub fn table(dtype: DType, tokens: usize, config: &LlamaConfig) -> Self {
        let depth = config.depth() as usize;
        let pairs = depth / 2;
        let angle = |at: &[usize]| at[0] as f64 * 10000f64.powf(-((at[1] % pairs) as f64) / pairs as f64);
        let table = |f: fn(f64) -> f64| HostTensor::from_fn(dtype, [tokens, depth], |at| f(angle(at)));
        Self { cos: table(f64::cos), sin: table(f64::sin) }
    }
}

/// The layers.
pub struct Llama<'t> {
    scope: Scope<'t>,
    layers: Vec<Layer<'t>>,
}

struct Layer<'t> {
    scope: Scope<'t>,
    input_norm: RmsNorm<'t>,
    attention: SelfAttention<'t>,
    post_attention_norm: RmsNorm<'t>,
    mlp: Mlp<'t>,
}

struct SelfAttention<'t> {
    scope: Scope<'t>,
    heads: i64,
    query: Linear<'t>,
    key: Linear<'t>,
    value: Linear<'t>,
    output: Linear<'t>,
}

struct Mlp<'t> {
    scope: Scope<'t>,
    gate: Linear<'t>,
    up: Linear<'t>,
    down: Linear<'t>,
}

impl<'t> Llama<'t> {
    /// Layers whose parameters stand below `scope`.
    pub fn new(scope: Scope<'t>, config: &LlamaConfig) -> Self {
        let layers = scope.at("layers");
        Self { scope, layers: (0..config.layers).map(|i| Layer::new(layers.at(i), config)).collect() }
    }

    /// The hidden states `[batch, tokens, width]` that the layers make of others; no token sees later ones.
    #[track_caller]
    pub fn forward(&self, x: Tensor<'t>, rotary: &Rotary<Tensor<'t>>) -> Tensor<'t> {
        self.scope.enter(|| self.layers.iter().fold(x, |x, layer| layer.forward(x, rotary)))
    }
}

impl<'t> Layer<'t> {
    fn new(scope: Scope<'t>, config: &LlamaConfig) -> Self {
        let norm = |name: &str| RmsNorm::new(scope.at(name), config.width, config.eps);
        Self {
            scope,
            input_norm: norm("input_layernorm"),
            attention: SelfAttention::new(scope.at("self_attn"), config),
            post_attention_norm: norm("post_attention_layernorm"),
            mlp: Mlp::new(scope.at("mlp"), config),
        }
    }

    #[track_caller]
    fn forward(&self, x: Tensor<'t>, rotary: &Rotary<Tensor<'t>>) -> Tensor<'t> {
        self.scope.enter(|| {
            let x = x + self.attention.forward(self.input_norm.forward(x), rotary);
            x + self.mlp.forward(self.post_attention_norm.forward(x))
        })
    }
}

impl<'t> SelfAttention<'t> {
    fn new(scope: Scope<'t>, config: &LlamaConfig) -> Self {
        let part = |name: &str| Linear::without_bias(scope.at(name), config.width, config.width);
        Self {
            scope,
            heads: config.heads,
            query: part("q_proj"),
            key: part("k_proj"),
            value: part("v_proj"),
            output: part("o_proj"),
        }
    }

    #[track_caller]
    fn forward(&self, x: Tensor<'t>, rotary: &Rotary<Tensor<'t>>) -> Tensor<'t> {
        self.scope.enter(|| {
            let heads = |part: &Linear<'t>| part.forward(x).unflatten(-1, [self.heads, -1]).transpose(1, 2);
            let (query, key, value) = (heads(&self.query), heads(&self.key), heads(&self.value));
            let causal = Attention { causal: true, ..Attention::default() };
            let mixed = rotated(query, rotary).sdpa(rotated(key, rotary), value, causal);
            self.output.forward(mixed.transpose(1, 2).flatten(-2, -1))
        })
    }
}

/// Each element of the first half of the last dimension and its like of the second half, turned by an angle.
#[track_caller]
fn rotated<'t>(x: Tensor<'t>, rotary: &Rotary<Tensor<'t>>) -> Tensor<'t> {
    let halves = x.chunk(2, -1);
    x * rotary.cos + cat(&[-halves[1], halves[0]], -1) * rotary.sin
}

impl<'t> Mlp<'t> {
    fn new(scope: Scope<'t>, config: &LlamaConfig) -> Self {
        let (width, intermediate) = (config.width, config.intermediate);
        Self {
            scope,
            gate: Linear::without_bias(scope.at("gate_proj"), width, intermediate),
            up: Linear::without_bias(scope.at("up_proj"), width, intermediate),
            down: Linear::without_bias(scope.at("down_proj"), intermediate, width),
        }
    }

    #[track_caller]
    fn forward(&self, x: Tensor<'t>) -> Tensor<'t> {
        self.scope.enter(|| self.down.forward(self.gate.forward(x).silu() * self.up.forward(x)))
    }
}
