//! Runs on tensors that are on the GPU and stay there.

use std::sync::Arc;

use super::device::Engine;
use super::{Result, Session, SessionError, guard};
use crate::cuda::{Counts, DeviceTensor, Gpu};

impl Session {
    /// The GPU that the session runs on; `None` on the processor.
    pub fn gpu(&self) -> Option<&Arc<Gpu>> {
        match &self.engine {
            Engine::Cpu(_) => None,
            Engine::Cuda(engine) => Some(engine.gpu()),
        }
    }

    /// Starts a run on tensors of the session's GPU, for fresh outputs there. It returns before the run is done; what
    /// reads its results waits, [`DeviceTensor::download`] or [`Gpu::synchronize`]. Inputs that the program updates are
    /// changed.
    pub fn run_on_gpu(&self, inputs: &mut [DeviceTensor]) -> Result<Vec<DeviceTensor>> {
        let engine = self.cuda()?;
        let plan = self.plan(inputs)?;
        let outputs = engine.outputs(&plan)?;
        engine.start_on(&plan, inputs, &outputs)?;
        Ok(outputs)
    }

    /// As [`Session::run_on_gpu`], on outputs given. Runs that are given the same tensors again are replayed as a graph.
    pub fn run_on_gpu_into(&self, inputs: &mut [DeviceTensor], outputs: &mut [DeviceTensor]) -> Result<()> {
        let engine = self.cuda()?;
        let plan = self.plan(inputs)?;
        guard::outputs(self.program(), &plan.outputs, outputs)?;
        Ok(engine.start_on(&plan, inputs, outputs)?)
    }

    /// How runs with inputs of these sizes were done so far.
    pub fn gpu_runs(&self, inputs: &[DeviceTensor]) -> Result<Counts> {
        Ok(self.cuda()?.counts(&*self.plan(inputs)?))
    }

    fn cuda(&self) -> Result<&crate::cuda::engine::Engine> {
        match &self.engine {
            Engine::Cpu(_) => Err(SessionError::NotOnGpu(self.program().name.clone())),
            Engine::Cuda(engine) => Ok(engine),
        }
    }
}
