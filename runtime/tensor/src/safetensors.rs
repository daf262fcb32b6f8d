//! Safetensors files: mapped, not read, and written whole or not at all.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use safetensors::tensor::{Dtype, Metadata, SafeTensors as Format, View};
use safetensors::{SafeTensorError, serialize_to_file};

use crate::storage::Owner;
use crate::{DType, Tensor};

/// Why a tensor file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The operating system refused. The environment's to fix, or the path is wrong.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The file is truncated, corrupt, or of another format. Whoever made it is to fix it.
    #[error("{path}: not a valid {format} file: {reason}")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// The format it was read as.
        format: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The file holds no tensor of that name. The caller's to fix.
    #[error("{path}: no tensor named '{name}'")]
    Missing {
        /// The file.
        path: PathBuf,
        /// The name asked for.
        name: String,
    },
    /// Two tensors to write share a name, or one has the name `__metadata__`, which the format reserves. The caller's.
    #[error("{path}: the name '{name}' is already taken")]
    Name {
        /// The file that was to be written.
        path: PathBuf,
        /// The name.
        name: String,
    },
    /// The element type has no place in Thunder, or none in the format.
    #[error("{path}: {what} has element type {dtype}, which {limit}")]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// The tensor.
        what: String,
        /// The element type, as the format spells it.
        dtype: String,
        /// Who does not know it.
        limit: &'static str,
    },
}

/// A safetensors file, mapped into memory, or held there.
///
/// Opening checks the header; the elements are read from disk when they are used. Tensors share the mapping and keep it
/// alive. The map holds a shared advisory lock: a program that truncates the file meanwhile, despite the lock, can end
/// this one, as with every mapped file.
pub struct SafeTensors {
    path: PathBuf,
    owner: Arc<dyn Owner>,
    metadata: Metadata,
    data_start: usize,
}

impl SafeTensors {
    /// Maps a file and checks its header: every tensor it names lies within the file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, FileError> {
        let path = path.as_ref().to_owned();
        let owner = map(&path, "safetensors")?;
        Self::of(path, owner)
    }

    /// What would be a file, of these bytes; errors call it `path`.
    pub fn from_bytes(path: impl AsRef<Path>, bytes: Vec<u8>) -> Result<Self, FileError> {
        Self::of(path.as_ref().to_owned(), Arc::new(bytes))
    }

    fn of(path: PathBuf, owner: Arc<dyn Owner>) -> Result<Self, FileError> {
        match Format::read_metadata((*owner).as_ref()) {
            Ok((header, metadata)) => Ok(SafeTensors { path, owner, metadata, data_start: 8 + header }),
            Err(error) => Err(FileError::Corrupt { path, format: "safetensors", reason: error.to_string() }),
        }
    }

    /// The file that was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The tensors' names, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names = self.metadata.offset_keys();
        names.sort_unstable();
        names
    }

    /// What the file says about itself: the `__metadata__` entries, sorted by key.
    pub fn metadata(&self) -> Vec<(&str, &str)> {
        let entries = self.metadata.metadata().iter().flatten();
        let mut entries: Vec<_> = entries.map(|(key, value)| (key.as_str(), value.as_str())).collect();
        entries.sort_unstable();
        entries
    }

    /// Whether there is a tensor of that name.
    pub fn contains(&self, name: &str) -> bool {
        self.metadata.info(name).is_some()
    }

    /// The tensor of that name, as a view of the mapping.
    ///
    /// Elements that the file does not align to their size are copied.
    pub fn tensor(&self, name: &str) -> Result<Tensor, FileError> {
        let info = self
            .metadata
            .info(name)
            .ok_or_else(|| FileError::Missing { path: self.path.clone(), name: name.to_owned() })?;
        let dtype = from_format(info.dtype).ok_or_else(|| FileError::Unsupported {
            path: self.path.clone(),
            what: format!("tensor '{name}'"),
            dtype: info.dtype.to_string(),
            limit: "Thunder does not have",
        })?;
        let offset = self.data_start + info.data_offsets.0;
        Tensor::from_owner(dtype, info.shape.as_slice(), Arc::clone(&self.owner), offset).map_err(|error| {
            FileError::Corrupt {
                path: self.path.clone(),
                format: "safetensors",
                reason: format!("tensor '{name}': {error}"),
            }
        })
    }

    /// Every tensor with its name, sorted by name.
    pub fn tensors(&self) -> impl Iterator<Item = Result<(String, Tensor), FileError>> {
        self.names().into_iter().map(|name| {
            let tensor = self.tensor(&name)?;
            Ok((name, tensor))
        })
    }
}

/// Writes named tensors to a safetensors file.
///
/// The file replaces an existing one at once when it is complete, so that tensors mapped from the old one stay valid.
/// The same tensors give the same bytes, in whatever order they come. Names are unique.
pub fn write_safetensors<'a>(
    path: impl AsRef<Path>,
    tensors: impl IntoIterator<Item = (&'a str, &'a Tensor)>,
) -> Result<(), FileError> {
    let path = path.as_ref();
    let tensors = tensors.into_iter().map(|(name, tensor)| {
        let dtype = to_format(tensor.dtype()).ok_or_else(|| FileError::Unsupported {
            path: path.to_owned(),
            what: format!("tensor '{name}'"),
            dtype: tensor.dtype().to_string(),
            limit: "the safetensors format does not have",
        })?;
        Ok((name, Entry { tensor, dtype }))
    });
    let tensors = tensors.collect::<Result<Vec<_>, FileError>>()?;
    let mut names = BTreeSet::from(["__metadata__"]);
    if let Some((name, _)) = tensors.iter().find(|(name, _)| !names.insert(name)) {
        return Err(FileError::Name { path: path.to_owned(), name: (*name).to_owned() });
    }
    serialize_to_file(tensors, None, path).map_err(|error| match error {
        SafeTensorError::IoError(source) => FileError::Io { path: path.to_owned(), source },
        error => FileError::Corrupt { path: path.to_owned(), format: "safetensors", reason: error.to_string() },
    })
}

struct Entry<'a> {
    tensor: &'a Tensor,
    dtype: Dtype,
}

impl View for Entry<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        self.tensor.shape()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.tensor.bytes())
    }

    fn data_len(&self) -> usize {
        self.tensor.bytes().len()
    }
}

/// Maps a file; the error names it.
pub(crate) fn map(path: &Path, format: &'static str) -> Result<Arc<dyn Owner>, FileError> {
    match mmap_guard::map_file(path) {
        Ok(data) => Ok(Arc::new(data)),
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            Err(FileError::Corrupt { path: path.to_owned(), format, reason: "the file is empty".to_owned() })
        }
        Err(source) => Err(FileError::Io { path: path.to_owned(), source }),
    }
}

fn from_format(dtype: Dtype) -> Option<DType> {
    DType::ALL.into_iter().find(|&ours| to_format(ours) == Some(dtype))
}

/// The format's word for a dtype, if it has one.
fn to_format(dtype: DType) -> Option<Dtype> {
    Some(match dtype {
        DType::Bool => Dtype::BOOL,
        DType::U8 => Dtype::U8,
        DType::I8 => Dtype::I8,
        DType::I16 => Dtype::I16,
        DType::I32 => Dtype::I32,
        DType::I64 => Dtype::I64,
        DType::F16 => Dtype::F16,
        DType::BF16 => Dtype::BF16,
        DType::F32 => Dtype::F32,
        DType::F64 => Dtype::F64,
        DType::C64 => Dtype::C64,
        DType::F8E4M3FN => Dtype::F8_E4M3,
        DType::F8E5M2 => Dtype::F8_E5M2,
        DType::F8E4M3FNUZ => Dtype::F8_E4M3FNUZ,
        DType::F8E5M2FNUZ => Dtype::F8_E5M2FNUZ,
        DType::C128 => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;
    use crate::Random;

    fn sample() -> Vec<(String, Tensor)> {
        let mut random = Random::new(7);
        let dtypes = DType::ALL.into_iter().filter(|dtype| to_format(*dtype).is_some()).enumerate();
        let mut tensors: Vec<_> =
            dtypes.map(|(i, dtype)| (format!("layer.{dtype}"), random.uniform(dtype, [i, 3], 0.0..2.0))).collect();
        tensors.push(("scalar".to_owned(), Tensor::scalar(-0.0f32)));
        tensors
    }

    fn write(path: &Path, tensors: &[(String, Tensor)]) -> Result<(), FileError> {
        write_safetensors(path, tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)))
    }

    #[test]
    fn every_dtype_round_trips_without_copies() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.safetensors");
        let tensors = sample();
        write(&path, &tensors).unwrap();
        let first = fs::read(&path).unwrap();
        write(&path, &tensors.iter().rev().cloned().collect::<Vec<_>>()).unwrap();
        assert_eq!(first, fs::read(&path).unwrap(), "the order does not matter");

        let file = SafeTensors::open(&path).unwrap();
        assert_eq!(file.names().len(), tensors.len());
        for (name, tensor) in &tensors {
            let read = file.tensor(name).unwrap();
            assert_eq!(&read, tensor, "{name}");
            assert!(read.is_external(), "{name}");
        }
        assert_eq!(file.tensors().map(Result::unwrap).count(), tensors.len());
        let error = file.tensor("layer.f8").unwrap_err();
        assert!(error.to_string().ends_with("x.safetensors: no tensor named 'layer.f8'"), "{error}");
    }

    #[test]
    fn mapped_tensors_survive_an_overwrite() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.safetensors");
        write_safetensors(&path, [("x", &Tensor::full(DType::F32, [1000], 1.0))]).unwrap();
        let x = SafeTensors::open(&path).unwrap().tensor("x").unwrap();
        write_safetensors(&path, [("x", &Tensor::zeros(DType::I8, [0]))]).unwrap();
        assert_eq!(x.to_vec::<f64>(), [1.0; 1000]);
    }

    #[test]
    fn what_the_format_lacks_is_refused() {
        let path = Path::new("never-written.safetensors");
        let error = write_safetensors(path, [("z", &Tensor::zeros(DType::C128, [1]))]).unwrap_err().to_string();
        assert!(error.contains("tensor 'z'") && error.contains("complex<f64>"), "{error}");
    }

    #[test]
    fn taken_names_are_refused() {
        let x = Tensor::scalar(1i8);
        let path = Path::new("never-written.safetensors");
        assert!(matches!(write_safetensors(path, [("x", &x), ("x", &x)]), Err(FileError::Name { .. })));
        assert!(matches!(write_safetensors(path, [("__metadata__", &x)]), Err(FileError::Name { .. })));
    }

    #[test]
    fn bad_files_are_errors_that_name_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bad.safetensors");
        let reason = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            let error = match SafeTensors::open(&path) {
                Ok(file) => file.tensor("x").unwrap_err(),
                Err(error) => error,
            };
            assert!(error.to_string().contains("bad.safetensors"), "{error}");
            assert!(matches!(error, FileError::Corrupt { .. } | FileError::Unsupported { .. }), "{error}");
            error.to_string()
        };
        let with_header =
            |header: &str, data: &[u8]| [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat();
        assert!(reason(&[]).contains("empty"));
        reason(&[1, 2, 3]);
        reason(&u64::MAX.to_le_bytes());
        reason(&with_header("{not json", &[]));
        reason(&with_header(r#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, &[0; 7]));
        reason(&with_header(r#"{"x":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#, &[0; 8]));
        reason(&with_header(r#"{"x":{"dtype":"F32","shape":[18446744073709551615,2],"data_offsets":[0,8]}}"#, &[0; 8]));
        assert!(
            reason(&with_header(r#"{"x":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}}"#, &[1, 3]))
                .contains("tensor 'x': byte 3 at element 1 is not a truth value")
        );
        assert!(
            reason(&with_header(r#"{"x":{"dtype":"F8_E8M0","shape":[2],"data_offsets":[0,2]}}"#, &[1, 3]))
                .contains("tensor 'x' has element type F8_E8M0, which Thunder does not have")
        );
        let missing = SafeTensors::open(dir.path().join("none")).err().unwrap();
        assert!(matches!(missing, FileError::Io { .. }), "{missing}");
        assert!(SafeTensors::open(dir.path()).is_err(), "a folder is not a file");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn damaged_files_never_panic(cut in 0usize..700, at in 0usize..700, byte: u8) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("x.safetensors");
            write(&path, &sample()).unwrap();
            let mut bytes = fs::read(&path).unwrap();
            let length = bytes.len();
            bytes[at.min(length - 1)] = byte;
            bytes.truncate(length - cut.saturating_sub(350).min(length));
            fs::write(&path, &bytes).unwrap();
            if let Ok(file) = SafeTensors::open(&path) {
                for tensor in file.tensors() {
                    let _ = tensor.map(|(_, tensor)| tensor.to_vec::<f64>());
                }
            }
        }
    }
}
