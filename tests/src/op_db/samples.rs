//! The samples of one operation: a compressed file of safetensors, whose metadata lists them.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use lzma_rust2::XzReader;
use serde::Deserialize;
use thunder_tensor::{DType, SafeTensors, Tensor};

/// An operation with its samples.
pub struct Operation {
    /// The name that `op_db` has for it, and for the variant of its tests.
    pub name: String,
    /// All of them, by dtype.
    pub samples: Vec<Sample>,
    /// Calls that PyTorch refuses.
    pub refused: Vec<Refused>,
    /// How many more there are, which are no program.
    pub refused_without_program: usize,
    tensors: SafeTensors,
}

/// A call of the operation.
#[derive(Deserialize)]
pub struct Sample {
    /// The name of the dtype that it is a sample of.
    pub dtype: String,
    /// The exported program.
    #[serde(default)]
    pub program: Option<serde_json::Value>,
    /// Why there is no program.
    #[serde(default)]
    pub reason: Option<String>,
    /// Whether its results are not the same in each run.
    #[serde(default)]
    pub random: bool,
    /// How far each of PyTorch's results is off.
    #[serde(default)]
    pub error: Vec<f64>,
    /// How far PyTorch's gradient by each input is off, where there is one.
    #[serde(default)]
    pub gradient_error: Option<Vec<Option<f64>>>,
    /// Which results PyTorch differentiates.
    #[serde(default)]
    pub live: Vec<bool>,
}

/// A call that PyTorch refuses.
#[derive(Deserialize)]
pub struct Refused {
    /// The call as a program of one node.
    pub program: serde_json::Value,
    /// What PyTorch says of it, as a regular expression.
    pub says: String,
}

impl Operation {
    /// Reads a file that `op_db.py` wrote.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let compressed = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut bytes = Vec::new();
        XzReader::new(compressed.as_slice(), false)
            .read_to_end(&mut bytes)
            .with_context(|| format!("{} is damaged", path.display()))?;
        let tensors = SafeTensors::from_bytes(path, bytes)?;
        let metadata: BTreeMap<_, _> = tensors.metadata().into_iter().collect();
        let entry = |key| metadata.get(key).copied().with_context(|| format!("{} has no '{key}'", path.display()));
        let samples = serde_json::from_str(entry("samples")?)?;
        let refused = serde_json::from_str(entry("refused")?)?;
        let refused_without_program = serde_json::from_str(entry("refused_without_program")?)?;
        Ok(Self { name, samples, refused, refused_without_program, tensors })
    }

    /// The inputs of a sample; calls that are refused count on from the samples.
    pub fn inputs(&self, number: usize) -> Result<Vec<Tensor>> {
        let names = (0..).map(|place| format!("{number}.in.{place}"));
        names.map_while(|name| self.given(&name).transpose()).collect()
    }

    /// A tensor that a program is given: complex, where there are pairs of that name.
    fn given(&self, name: &str) -> Result<Option<Tensor>> {
        let pairs = format!("{name}.pairs");
        if self.tensors.contains(&pairs) {
            return Ok(Some(self.tensors.tensor(&pairs)?.of_pairs()?));
        }
        self.tensors.contains(name).then(|| Ok(self.tensors.tensor(name)?)).transpose()
    }

    /// The constants of a sample's program, by name.
    pub fn constants(&self, number: usize) -> Result<BTreeMap<String, Tensor>> {
        let prefix = format!("{number}.const.");
        let names = self.tensors.names();
        let names =
            names.iter().filter_map(|name| name.strip_prefix(&prefix)).map(|name| name.trim_end_matches(".pairs"));
        let constant = |name: &str| Ok(self.given(&format!("{prefix}{name}"))?.map(|tensor| (name.to_owned(), tensor)));
        names.filter_map(|name| constant(name).transpose()).collect()
    }

    /// A result of a sample, or with `grad` for kind its gradient by an input.
    pub fn expected(&self, number: usize, kind: &str, place: usize) -> Result<Tensor> {
        Ok(self.tensors.tensor(&format!("{number}.{kind}.{place}"))?)
    }
}

/// The files of a folder, sorted.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "xz"));
    files.sort();
    Ok(files)
}

/// The cotangent of a result; of complex numbers, the imaginary parts are the real ones in reverse order.
pub fn cotangent(dtype: DType, shape: &[usize]) -> Tensor {
    let values: Vec<f64> = (0..shape.iter().product()).map(|i: usize| (i * 7 % 11) as f64 / 4.0 - 1.25).collect();
    let part = |values| Tensor::from_values(dtype.part(), shape, values).expect("there is a value for each element");
    if !dtype.is_complex() {
        return part(values);
    }
    let reversed = values.iter().rev().copied().collect();
    Tensor::of_parts(&part(values), &part(reversed)).expect("both parts have the shape")
}
