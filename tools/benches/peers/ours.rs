//! Our side: sessions on outputs that stay warm.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use thunder_ir::Module;
use thunder_lowering::{compile, context};
use thunder_models::gpt::GptConfig;
use thunder_models::gpt::text::{SHAKESPEARE, Text};
use thunder_models::gpt::training::{Run, Trainer};
use thunder_models::llama::{Llama, LlamaConfig, Rotary};
use thunder_models::minilm::{Batch, MiniLm};
use thunder_passes::autodiff::{Mode, grad};
use thunder_runtime::program::{Parameter, Port, Program as Steps};
use thunder_runtime::session::{Options, Session};
use thunder_tensor::{DType, Random, Tensor};
use thunder_trace::{Spec, Tracer, leaves};

/// Normally distributed numbers around 0 for an input or a parameter of a program.
fn normal(random: &mut Random, program: &Steps, port: &Port, deviation: f64) -> Result<Tensor> {
    let sizes = port.shape.iter().map(|dim| program.dims.as_constant(*dim));
    let sizes: Option<Vec<usize>> = sizes.map(|size| usize::try_from(size?).ok()).collect();
    Ok(random.normal(port.dtype, sizes.with_context(|| format!("'{}' has a dynamic size", port.name))?, 0.0, deviation))
}

/// A program with its inputs.
pub(crate) struct Ours {
    program: Program,
    inputs: Vec<Tensor>,
    outputs: Vec<Tensor>,
}

/// Whose session it is.
#[derive(Clone)]
enum Program {
    Kernel(Arc<Session>),
    Model(Arc<MiniLm>),
}

impl Program {
    fn session(&self) -> &Session {
        match self {
            Self::Kernel(session) => session,
            Self::Model(model) => model.session(),
        }
    }
}

impl Ours {
    /// A kernel on random inputs.
    pub(crate) fn kernel(case: &crate::Case, threads: usize) -> Result<Self> {
        let context = context();
        let mut module = Module::parse(&context, case.name, case.module().as_bytes())?;
        let compiled = compile(&mut module, &Default::default())?;
        let session = compiled.session(&BTreeMap::new(), Options::with_threads(threads))?;
        let mut random = Random::new(0);
        let mut inputs = Vec::new();
        for port in &session.program().inputs {
            inputs.push(normal(&mut random, session.program(), port, 1.0)?);
        }
        Ok(Self { program: Program::Kernel(Arc::new(session)), inputs, outputs: Vec::new() })
    }

    /// A model's forward part or training step, with random weights.
    pub(crate) fn training(case: &crate::Case, threads: usize) -> Result<Self> {
        if case.name == "gpt_step" { Self::gpt(case, threads) } else { Self::llama(case, threads) }
    }

    /// A step of the GPT, its optimizer included.
    fn gpt(case: &crate::Case, threads: usize) -> Result<Self> {
        let [vocabulary, width, layers, heads, batch, tokens] = case.sizes[..] else {
            bail!("{case}: a GPT has six sizes");
        };
        let (width, layers, heads) = (width as i64, layers as i64, heads as i64);
        let characters = GptConfig::characters(vocabulary as i64);
        let config = GptConfig { positions: tokens as i64, width, layers, heads, ..characters };
        let text = Text::new(SHAKESPEARE);
        let run = Run { seed: 0, batch, tokens, steps: 1000, precision: DType::F32 };
        let trainer = Trainer::new(&config, &text, run, &Default::default(), Options::with_threads(threads))?;
        let inputs = trainer.inputs();
        let program = Program::Kernel(Arc::new(trainer.into_session()));
        Ok(Self { program, inputs, outputs: Vec::new() })
    }

    /// A Llama's forward part or training step, with random weights.
    fn llama(case: &crate::Case, threads: usize) -> Result<Self> {
        let [layers, width, heads, intermediate, batch, tokens] = case.sizes[..] else {
            bail!("{case}: a Llama has six sizes");
        };
        let size = |size: usize| size as i64;
        let config = LlamaConfig {
            layers: size(layers),
            width: size(width),
            heads: size(heads),
            intermediate: size(intermediate),
            eps: 1e-5,
        };
        let context = context();
        let tracer = Tracer::new(&context);
        let rotary = Rotary::of(DType::F32, size(tokens), &config);
        let inputs = (Spec::new(DType::F32, [size(batch), size(tokens), size(width)]), rotary);
        let is_step = case.name == "llama_step";
        tracer.function("main", inputs, |scope, (x, rotary)| {
            let y = Llama::new(scope, &config).forward(x, &rotary);
            if is_step { (y * y).mean(..) } else { y }
        })?;
        let mut module = tracer.finish();
        let mut options = thunder_lowering::Options::default();
        if is_step {
            // What follows the inputs are parameters.
            let weights: Vec<usize> = (3..3 + 9 * layers).collect();
            grad(module.operation(), "main", &weights)?;
            options.entry = Mode::Grad.function("main");
        }
        let compiled = compile(&mut module, &options)?;
        let mut random = Random::new(0);
        let weight = |p: Parameter| (p.name, random.normal(p.dtype, p.shape, 0.0, 0.02));
        let weights: BTreeMap<_, _> = compiled.artifact.parameters().into_iter().map(weight).collect();
        let session = compiled.session(&weights, Options::with_threads(threads))?;
        let rotary = Rotary::table(DType::F32, tokens, &config);
        let x = random.normal(DType::F32, [batch, tokens, width], 0.0, 1.0);
        let inputs = leaves((x, rotary)).into_iter().map(|(_, tensor)| tensor).collect();
        Ok(Self { program: Program::Kernel(Arc::new(session)), inputs, outputs: Vec::new() })
    }

    /// MiniLM with the weights of a folder; prints how long it took to prepare.
    pub(crate) fn minilm(folder: &Path, threads: usize) -> Result<Self> {
        let model = MiniLm::load(folder, Options::with_threads(threads))?;
        let phases: Vec<_> =
            model.times.iter().map(|(name, time)| format!("{name} {:.0}", time.as_secs_f64() * 1e3)).collect();
        let total: Duration = model.times.iter().map(|(_, time)| *time).sum();
        println!("MiniLM from code to runnable: {:.0} ms ({})", total.as_secs_f64() * 1e3, phases.join(", "));
        Ok(Self { program: Program::Model(Arc::new(model)), inputs: Vec::new(), outputs: Vec::new() })
    }

    /// The same program on batches of a case's sizes.
    pub(crate) fn sized(&self, case: &crate::Case) -> Result<Self> {
        let batch = Batch::full(case.sizes[0], case.sizes[1]);
        Ok(Self { program: self.program.clone(), inputs: vec![batch.ids, batch.mask], outputs: Vec::new() })
    }

    /// The median time of a run.
    pub(crate) fn median_us(&mut self, seconds: f64) -> Result<f64> {
        let session = self.program.session();
        if self.outputs.is_empty() {
            self.outputs = session.run(&self.inputs)?;
        }
        session.run_into(&self.inputs, &mut self.outputs)?;
        let mut times = Vec::new();
        let end = Instant::now() + Duration::from_secs_f64(seconds);
        while times.len() < 5 || Instant::now() < end {
            let start = Instant::now();
            session.run_into(&self.inputs, &mut self.outputs)?;
            times.push(start.elapsed().as_secs_f64() * 1e6);
        }
        Ok(crate::median(times))
    }
}
