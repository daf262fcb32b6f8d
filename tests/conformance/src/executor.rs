//! Ways to run a program: the columns of the table of generated tests.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use thunder_interface::{Decompose, interpret};
use thunder_ir::{Module, Operation, Rewriter};
use thunder_runtime::artifact;
use thunder_runtime::session::{self, Session};
use thunder_tensor::Tensor;

/// Runs functions of modules.
pub trait Executor: Sync {
    /// What failures call it.
    fn name(&self) -> &'static str;

    /// The results of the function `entry`.
    fn run(&self, module: &Module<'_>, entry: &str, inputs: &[Tensor]) -> Result<Vec<Tensor>>;

    /// Whether what it computes differs from the reference by roundings at most, rather than not at all.
    fn rounds(&self) -> bool {
        true
    }
}

/// The reference interpreter: what every other executor is compared with.
pub struct Reference;

impl Executor for Reference {
    fn name(&self) -> &'static str {
        "reference"
    }

    fn run(&self, module: &Module<'_>, entry: &str, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        Ok(interpret(module.operation(), entry, inputs)?)
    }

    fn rounds(&self) -> bool {
        false
    }
}

/// The reference interpreter after every composite has been replaced by its decomposition.
pub struct Decomposed;

impl Executor for Decomposed {
    fn name(&self) -> &'static str {
        "decomposed"
    }

    fn run(&self, module: &Module<'_>, entry: &str, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let copy = module.duplicate();
        decompose_all(&copy)?;
        Ok(interpret(copy.operation(), entry, inputs)?)
    }
}

/// Machine code: the module is compiled, written as an artifact, read back, and run on two threads.
pub struct Artifact;

impl Executor for Artifact {
    fn name(&self) -> &'static str {
        "artifact"
    }

    fn run(&self, module: &Module<'_>, entry: &str, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let mut copy = module.duplicate();
        let options = thunder_lowering::Options { entry: entry.to_owned(), ..thunder_lowering::Options::default() };
        let bytes = thunder_lowering::compile(&mut copy, &options)?.artifact.to_bytes();
        let artifact = artifact::Artifact::from_bytes(artifact::Bytes::new(bytes), entry)?;
        let session = Session::prepare_with(&artifact, &BTreeMap::new(), None, session::Options::with_threads(2))?;
        Ok(session.run_in_place(&mut inputs.to_vec())?)
    }
}

/// Machine code in this process's memory, run on one thread.
pub struct Jit;

impl Executor for Jit {
    fn name(&self) -> &'static str {
        "jit"
    }

    fn run(&self, module: &Module<'_>, entry: &str, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let mut copy = module.duplicate();
        let options = thunder_lowering::Options { entry: entry.to_owned(), ..thunder_lowering::Options::default() };
        let compiled = thunder_lowering::compile_jit(&mut copy, &options)?;
        Ok(compiled.session(&BTreeMap::new(), session::Options::with_threads(1))?.run_in_place(&mut inputs.to_vec())?)
    }
}

/// Replaces composites by their decompositions until there are none; the module is valid after.
pub fn decompose_all(module: &Module<'_>) -> Result<()> {
    const DEPTH_LIMIT: usize = 16;
    for _ in 0..DEPTH_LIMIT {
        let mut composites: Vec<Operation<'_>> = Vec::new();
        module.operation().walk(|op| {
            if <dyn Decompose>::of(op).is_some() {
                composites.push(op);
            }
        });
        if composites.is_empty() {
            return module.verify().with_context(|| format!("decomposed to an invalid program:\n{module}"));
        }
        for op in composites {
            let composite = <dyn Decompose>::of(op).context("collected for being a composite")?;
            let rewriter = Rewriter::at(op);
            composite.replace(op, &rewriter)?;
        }
    }
    anyhow::bail!("composites decompose into composites more than {DEPTH_LIMIT} deep")
}
