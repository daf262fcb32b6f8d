//! The models as modules, by name: for looking at what passes make of real programs.
//!
//! Sizes are those of small published models; weights are parameters, so that no numbers are needed. What a module
//! computes is its function `main`; gradients are `main_grad`, beside the loss.

use thunder_ir::{Context, Module};
use thunder_passes::autodiff;
use thunder_trace::{DType, Dim, Spec, TraceError, Tracer};

use crate::bert::BertConfig;
use crate::gpt::{self, Gpt, GptConfig};
use crate::llama::{Llama, LlamaConfig, Rotary};
use crate::minilm;
use crate::resnet::{BasicBlock, BlockConfig};

/// A model by name.
pub struct Entry {
    /// The name.
    pub name: &'static str,
    /// What it is.
    pub summary: &'static str,
    trace: fn(&Context) -> Result<Module<'_>, TraceError>,
}

impl Entry {
    /// The model's module.
    pub fn module<'x>(&self, context: &'x Context) -> Result<Module<'x>, TraceError> {
        (self.trace)(context)
    }

    /// The function that is the model.
    pub fn entry(&self) -> &'static str {
        if self.name.ends_with("-step") { "main_grad" } else { "main" }
    }
}

/// All models.
pub const ENTRIES: &[Entry] = &[
    Entry { name: "minilm", summary: "sentence embeddings, any batch and length", trace: minilm_any },
    Entry { name: "bert-layer", summary: "two layers of BERT, batch 1 of 16 tokens", trace: minilm_short },
    Entry { name: "llama", summary: "two layers of Llama, 256 tokens", trace: |cx| llama(cx, 256, false) },
    Entry { name: "llama-short", summary: "two layers of Llama, 4 tokens", trace: |cx| llama(cx, 4, false) },
    Entry { name: "llama-step", summary: "gradients of two layers of Llama", trace: |cx| llama(cx, 256, true) },
    Entry { name: "gpt-decode", summary: "the next token of a GPT with kept keys and values", trace: gpt_decode },
    Entry { name: "gpt-step", summary: "gradients of a GPT's loss", trace: gpt_step },
    Entry { name: "resnet", summary: "a block of ResNet with running statistics", trace: |cx| resnet(cx, false) },
    Entry { name: "resnet-step", summary: "gradients of a block of ResNet", trace: |cx| resnet(cx, true) },
];

/// The model of this name.
pub fn find(name: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.name == name)
}

fn minilm_any(context: &Context) -> Result<Module<'_>, TraceError> {
    minilm::trace(context, &minilm::CONFIG)
}

fn minilm_short(context: &Context) -> Result<Module<'_>, TraceError> {
    let tracer = Tracer::new(context);
    let tokens = Spec::new(DType::I64, [1, 16]);
    let batch = minilm::Batch { ids: tokens.clone(), mask: tokens };
    let config = BertConfig { layers: 2, ..minilm::CONFIG };
    tracer.function("main", batch, |scope, batch| minilm::embedding(scope, &config, batch))?;
    Ok(tracer.finish())
}

fn llama(context: &Context, tokens: i64, is_step: bool) -> Result<Module<'_>, TraceError> {
    let config = LlamaConfig { layers: 2, width: 512, heads: 8, intermediate: 1376, eps: 1e-5 };
    let tracer = Tracer::new(context);
    let inputs = (Spec::new(DType::F32, [1, tokens, config.width]), Rotary::of(DType::F32, tokens, &config));
    tracer.function("main", inputs, |scope, (x, rotary)| {
        let y = Llama::new(scope, &config).forward(x, &rotary);
        if is_step { (y * y).mean(..) } else { y }
    })?;
    finished(tracer, is_step)
}

fn gpt_decode(context: &Context) -> Result<Module<'_>, TraceError> {
    let config = GptConfig::characters(65);
    let tracer = Tracer::new(context);
    let numbers = |sizes: &[i64]| Spec::new(DType::I64, sizes.to_vec());
    tracer.function("main", (numbers(&[1, 1]), numbers(&[1])), |scope, (token, position)| {
        Gpt::new(scope, &config).decode(&config, scope.at("cache"), token, position)
    })?;
    Ok(tracer.finish())
}

fn gpt_step(context: &Context) -> Result<Module<'_>, TraceError> {
    let config = GptConfig::characters(65);
    let tracer = Tracer::new(context);
    tracer.function("main", gpt::Batch::of(8, 128), |scope, batch| Gpt::new(scope, &config).loss(batch))?;
    finished(tracer, true)
}

fn resnet(context: &Context, is_step: bool) -> Result<Module<'_>, TraceError> {
    let config = BlockConfig { inputs: 64, outputs: 64, stride: 1 };
    let tracer = Tracer::new(context);
    let image = Spec::new(DType::F32, [Dim::from(8), 64.into(), 28.into(), 28.into()]);
    tracer.function("main", image, |scope, x| {
        let block = BasicBlock::new(scope, &config);
        if is_step { block.train(x).0.mean(..) } else { block.infer(x) }
    })?;
    finished(tracer, is_step)
}

/// The module; with the gradients of `main` by all parameters where these are the model.
fn finished(tracer: Tracer<'_>, is_step: bool) -> Result<Module<'_>, TraceError> {
    let module = tracer.finish();
    if is_step {
        let root = module.operation();
        autodiff::grad(root, "main", &autodiff::trained(root, "main")?)?;
    }
    Ok(module)
}
