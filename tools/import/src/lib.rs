//! Models of other frameworks: archives that `torch.export.save` writes, and StableHLO, which `jax.export` makes.
//!
//! A [`Model`] is a file that was read and checked. [`Model::module`] writes it as the function `@main` of a module of the
//! `thunder` dialect; [`Model::weights`] are its parameters by name, mapped and not copied. Nothing of the file is ever
//! run: no Python, no pickle.
//!
//! What the importer does not know of a model it reports at once, all of it: [`ImportError::Unsupported`].

mod archive;
mod arguments;
mod aten;
mod error;
mod fourier;
mod gaps;
mod graph;
mod memory;
mod names;
mod node;
mod pickle;
mod schema;
mod size;
mod stablehlo;
mod weights;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use thunder_ir::{Context, Module};
use thunder_tensor::Tensor;

pub use error::{Gap, ImportError};

use archive::Archive;
use schema::ExportedProgram;
use stablehlo::StableHlo;
use weights::Weights;

/// A model.
pub struct Model {
    path: PathBuf,
    source: Source,
    weights: Weights,
}

enum Source {
    Torch(ExportedProgram),
    StableHlo(StableHlo),
}

impl Model {
    /// Reads a model: an archive of `torch.export`, whose weights are mapped, or StableHLO as text or bytecode.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ImportError> {
        let path = path.as_ref();
        let is_archive = path.extension().is_some_and(|extension| extension == "pt2");
        if is_archive {
            let archive = Archive::open(path)?;
            let program = ExportedProgram::read(&archive)?;
            let weights = weights::find(&archive, &program)?;
            return Ok(Self { path: path.to_owned(), source: Source::Torch(program), weights });
        }
        let bytes = std::fs::read(path).map_err(|reason| ImportError::Io { path: path.to_owned(), reason })?;
        Self::stablehlo(path, &bytes)
    }

    /// Reads a module of StableHLO, text or bytecode, that stands in `path`.
    pub fn stablehlo(path: impl AsRef<Path>, bytes: &[u8]) -> Result<Self, ImportError> {
        let path = path.as_ref();
        let source = Source::StableHlo(StableHlo::read(bytes, path)?);
        Ok(Self { path: path.to_owned(), source, weights: Weights::default() })
    }

    /// Whether the contents of a file are a module of StableHLO.
    pub fn is_stablehlo(bytes: &[u8]) -> bool {
        stablehlo::is_stablehlo(bytes)
    }

    /// A program without an archive: the JSON that archives have of it, and its parameters, buffers and constants by name.
    ///
    /// Errors call it `name`.
    pub fn from_json(
        name: impl AsRef<Path>,
        json: &[u8],
        tensors: BTreeMap<String, Tensor>,
    ) -> Result<Self, ImportError> {
        let path = name.as_ref();
        let weights = Weights { tensors, ..Weights::default() };
        let source = Source::Torch(ExportedProgram::parse(path, path.display(), json)?);
        Ok(Self { path: path.to_owned(), source, weights })
    }

    /// The version of torch that wrote the archive, where it says so.
    pub fn torch_version(&self) -> Option<&str> {
        match &self.source {
            Source::Torch(program) => program.torch_version.as_deref(),
            Source::StableHlo(_) => None,
        }
    }

    /// The parameters, buffers and constants by name, as views of the mapped archive; StableHLO has none. Tied ones have
    /// the first of their names.
    pub fn weights(&self) -> &BTreeMap<String, Tensor> {
        &self.weights.tensors
    }

    /// The model as the function `@main`, in a context that knows the `thunder` dialect.
    ///
    /// Inputs have the names of the model's arguments, outputs their place in what the model returns.
    pub fn module<'x>(&self, context: &'x Context) -> Result<Module<'x>, ImportError> {
        match &self.source {
            Source::Torch(program) => graph::write(program, &self.weights, &self.path, context),
            Source::StableHlo(program) => program.module(&self.path, context),
        }
    }
}
