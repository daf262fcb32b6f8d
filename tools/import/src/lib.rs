//! Models of PyTorch, read from the archives that `torch.export.save` writes.
//!
//! A [`Model`] is an archive whose graph and weights were found and checked. [`Model::module`] writes it as the function
//! `@main` of a module of the `thunder` dialect; [`Model::weights`] are its parameters by name, mapped and not copied.
//! Nothing of the archive is ever run: no Python, no pickle.
//!
//! What the importer does not know of a model it reports at once, all of it: [`ImportError::Unsupported`].

mod archive;
mod arguments;
mod aten;
mod error;
mod graph;
mod memory;
mod names;
mod node;
mod pickle;
mod schema;
mod size;
mod weights;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use thunder_ir::{Context, Module};
use thunder_tensor::Tensor;

pub use error::{Gap, ImportError};

use archive::Archive;
use schema::ExportedProgram;
use weights::Weights;

/// An exported model.
pub struct Model {
    path: PathBuf,
    program: ExportedProgram,
    weights: Weights,
}

impl Model {
    /// Maps an archive, reads its graph and finds its weights.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ImportError> {
        let path = path.as_ref();
        let archive = Archive::open(path)?;
        let program = ExportedProgram::read(&archive)?;
        let weights = weights::find(&archive, &program)?;
        Ok(Self { path: path.to_owned(), program, weights })
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
        let weights = Weights { tensors, aliases: BTreeMap::new() };
        Ok(Self { path: path.to_owned(), program: ExportedProgram::parse(path, path.display(), json)?, weights })
    }

    /// The version of torch that wrote the archive, where it says so.
    pub fn torch_version(&self) -> Option<&str> {
        self.program.torch_version.as_deref()
    }

    /// The parameters, buffers and constants by name, as views of the mapped archive. Tied ones have the first of their names.
    pub fn weights(&self) -> &BTreeMap<String, Tensor> {
        &self.weights.tensors
    }

    /// The model as the function `@main`, in a context that knows the `thunder` dialect.
    ///
    /// Inputs have the names of the model's arguments, outputs their place in what the model returns.
    pub fn module<'x>(&self, context: &'x Context) -> Result<Module<'x>, ImportError> {
        graph::write(&self.program, &self.weights, &self.path, context)
    }
}
