//! Where sessions run: on the processor or on a GPU.

use std::sync::Arc;
use std::time::Duration;

use thunder_tensor::Tensor;

use super::{Options, Result, SessionError, Weight};
use crate::artifact::{Artifact, Target};
use crate::cpu;
use crate::cpu::code::Code;
use crate::cpu::operand::Operand;
#[cfg(feature = "cuda")]
use crate::cuda::{self, Gpu};
use crate::plan::{Cut, Plan};
use crate::program::{Parameter, Program};

/// The weights of a program, by parameter.
pub type Weights<'a> = &'a dyn Fn(&Parameter) -> Result<Weight>;

/// What the programs of an artifact share on a device.
pub enum Device {
    Cpu(cpu::engine::Shared),
    #[cfg(feature = "cuda")]
    Cuda(cuda::engine::Shared),
}

/// A program on a device.
pub enum Engine {
    Cpu(cpu::engine::Engine),
    #[cfg(feature = "cuda")]
    Cuda(cuda::engine::Engine),
}

impl Device {
    /// The device that an artifact's code or the options ask for.
    pub fn of(artifact: &Artifact, code: Option<Arc<dyn Code>>, options: Options) -> Result<Self> {
        #[cfg(feature = "cuda")]
        match (artifact.target(), &options.gpu) {
            (Target::Any, None) | (Target::Cpu { .. }, None) => {}
            (Target::Cpu { .. }, Some(_)) => return Err(SessionError::NoGpuCode),
            (Target::Any | Target::Cuda { .. }, Some(gpu)) => {
                return Ok(Self::Cuda(cuda::engine::Shared::new(artifact, Arc::clone(gpu))?));
            }
            (Target::Cuda { .. }, None) => {
                return Ok(Self::Cuda(cuda::engine::Shared::new(artifact, Gpu::open(0)?)?));
            }
        }
        #[cfg(not(feature = "cuda"))]
        if let Target::Cuda { arch } = artifact.target() {
            return Err(SessionError::NoCuda(arch.clone()));
        }
        Ok(Self::Cpu(cpu::engine::Shared::new(artifact, code, options)?))
    }

    /// Prepares the functions of an artifact, for the programs that are prepared from then on.
    pub fn add_functions(&mut self, functions: &[Arc<Program>]) -> Result<()> {
        for function in functions {
            let function = self.adapt(function);
            match self {
                Self::Cpu(shared) => shared.add_function(&function)?,
                #[cfg(feature = "cuda")]
                Self::Cuda(shared) => shared.add_function(&function)?,
            }
        }
        Ok(())
    }

    /// These functions, as they are run there.
    pub fn functions(&self) -> Arc<[Arc<Program>]> {
        match self {
            Self::Cpu(shared) => shared.functions().collect(),
            #[cfg(feature = "cuda")]
            Self::Cuda(shared) => shared.functions().collect(),
        }
    }

    /// The program as it is run there.
    pub fn adapt(&self, program: &Arc<Program>) -> Arc<Program> {
        match self {
            Self::Cpu(_) => Arc::clone(program),
            #[cfg(feature = "cuda")]
            Self::Cuda(shared) => {
                let mut adapted = Program::clone(program);
                adapted.save_attention();
                adapted.fuse(&|op, dims| shared.fuses(op, dims));
                Arc::new(adapted)
            }
        }
    }

    pub fn engine(&self, program: &Arc<Program>, weights: Weights<'_>) -> Result<Engine> {
        Ok(match self {
            Self::Cpu(shared) => Engine::Cpu(cpu::engine::Engine::new(program, weights, shared)?),
            #[cfg(feature = "cuda")]
            Self::Cuda(shared) => Engine::Cuda(cuda::engine::Engine::new(program, weights, shared)?),
        })
    }
}

impl Engine {
    /// How plans are cut for the device.
    pub fn cut(&self) -> Cut {
        match self {
            Self::Cpu(engine) => engine.cut(),
            #[cfg(feature = "cuda")]
            Self::Cuda(_) => Cut::Grids,
        }
    }

    /// Runs a plan of the program on tensors that its guards have passed. `updated` is the memory of the inputs that the
    /// program updates, in the order of its states. The times at which the plan's steps end go to `ends`.
    pub fn run(
        &self,
        plan: &Plan,
        inputs: &[Tensor],
        updated: &[Operand],
        outputs: &mut [Tensor],
        ends: Option<&mut Vec<Duration>>,
    ) -> Result<()> {
        match self {
            Self::Cpu(engine) => {
                engine.run(plan, inputs, updated, outputs, ends);
                Ok(())
            }
            #[cfg(feature = "cuda")]
            Self::Cuda(engine) => Ok(engine.run(plan, inputs, updated, outputs, ends)?),
        }
    }

    /// What whoever prepares the session may want to know.
    pub fn remarks(&self) -> Vec<String> {
        match self {
            Self::Cpu(_) => Vec::new(),
            #[cfg(feature = "cuda")]
            Self::Cuda(engine) => engine.remarks(),
        }
    }

    /// What the parameters hold that the program updates, in the order of its states.
    pub fn state(&self) -> Result<Vec<Tensor>> {
        match self {
            Self::Cpu(engine) => Ok(engine.state()),
            #[cfg(feature = "cuda")]
            Self::Cuda(engine) => Ok(engine.state()?),
        }
    }

    /// Gives these parameters other contents, of their types and shapes.
    pub fn set_state(&self, state: Vec<Tensor>) -> Result<()> {
        match self {
            Self::Cpu(engine) => {
                engine.set_state(state);
                Ok(())
            }
            #[cfg(feature = "cuda")]
            Self::Cuda(engine) => Ok(engine.set_state(&state)?),
        }
    }
}
