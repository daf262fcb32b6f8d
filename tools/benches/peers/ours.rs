//! Our side: sessions on outputs that stay warm.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use thunder_ir::Module;
use thunder_lowering::{compile, context};
use thunder_models::minilm::{Batch, MiniLm};
use thunder_runtime::session::{Options, Session};
use thunder_tensor::{DType, Random, Tensor};

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
            let sizes = port.shape.iter().map(|dim| session.program().dims.as_constant(*dim));
            let sizes: Option<Vec<usize>> = sizes.map(|size| usize::try_from(size?).ok()).collect();
            inputs.push(random.normal(DType::F32, sizes.context("a kernel's sizes are known")?, 0.0, 1.0));
        }
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
