//! The tensors of an archive: where its own tables say they are, as views of the map.

use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use serde::Deserialize;
use thunder_tensor::walk::IndexSpace;
use thunder_tensor::{DType, Tensor};

use crate::ImportError;
use crate::archive::Archive;
use crate::pickle::{self, Stored};
use crate::schema::{ExportedProgram, InputSpec, SymInt, TensorMeta};

/// The tables of tensors, and the folder that each is about.
const TABLES: [(&str, &str); 2] = [
    ("data/weights/model_weights_config.json", "data/weights/"),
    ("data/constants/model_constants_config.json", "data/constants/"),
];

/// Where torch up to 2.8 has all tensors in one archive of `torch.save`.
const SAVED: [&str; 4] =
    ["serialized_state_dict.pt", "serialized_constants.pt", "data/weights/model.pt", "data/constants/model.pt"];

#[derive(Deserialize)]
struct Table {
    config: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Entry {
    path_name: String,
    #[serde(default)]
    use_pickle: bool,
    #[serde(default)]
    tensor_meta: Option<TensorMeta>,
}

/// What the program's graph takes besides its inputs.
#[derive(Default)]
pub(crate) struct Weights {
    /// Parameters, buffers and constants by name.
    pub(crate) tensors: BTreeMap<String, Tensor>,
    /// Other names of these, as tied weights have them.
    pub(crate) aliases: BTreeMap<String, String>,
}

/// Finds the tensors that the program's graph takes.
pub(crate) fn find(archive: &Archive, program: &ExportedProgram) -> Result<Weights, ImportError> {
    let mut tables = Vec::new();
    for (table, folder) in TABLES {
        if archive.range(table).is_some() {
            tables.push((archive.json::<Table>(table)?.config, folder));
        }
    }
    let mut saved = BTreeMap::new();
    for name in SAVED {
        saved.extend(all_saved(archive, name)?);
    }
    let mut weights = Weights::default();
    let mut places = HashMap::new();
    for spec in &program.graph_module.signature.input_specs {
        let name = match spec {
            InputSpec::Parameter { parameter_name: name, .. }
            | InputSpec::Buffer { buffer_name: name, .. }
            | InputSpec::TensorConstant { tensor_constant_name: name, .. } => name,
            _ => continue,
        };
        let found = tables.iter().find_map(|(entries, folder)| Some((entries.get(name)?, folder)));
        let tensor = match found {
            Some((entry, folder)) => read(archive, entry, folder)?,
            None => saved.get(name).cloned().unwrap_or_else(|| Err("the archive does not have it".to_owned())),
        };
        let tensor = tensor.map_err(|reason| archive.corrupt(format!("tensor '{name}': {reason}")))?;
        let place = (tensor.bytes().as_ptr(), tensor.dtype(), tensor.shape().to_vec());
        match places.entry(place) {
            Vacant(free) => _ = free.insert(name),
            Occupied(first) if !tensor.bytes().is_empty() && *first.get() != name => {
                weights.aliases.insert(name.clone(), (*first.get()).clone());
                continue;
            }
            Occupied(_) => {}
        }
        weights.tensors.insert(name.clone(), tensor);
    }
    Ok(weights)
}

/// The tensors of an archive of `torch.save` in the archive; why not, for each that cannot be had.
fn all_saved(archive: &Archive, name: &str) -> Result<BTreeMap<String, Result<Tensor, String>>, ImportError> {
    let Some(entries) = archive.inner(name)? else { return Ok(BTreeMap::new()) };
    let all = (**archive.map()).as_ref();
    let pickle = entries.get("data.pkl").and_then(|range| all.get(range.clone()));
    let pickle = pickle.ok_or_else(|| archive.corrupt(format!("'{name}' has no 'data.pkl'")))?;
    let stored = pickle::tensors(pickle).map_err(|reason| archive.corrupt(format!("'{name}': {reason}")))?;
    let tensor = |stored: &Stored| {
        let storage = entries.get(&format!("data/{}", stored.key)).cloned();
        let storage = storage.ok_or_else(|| format!("its storage '{}' is missing", stored.key))?;
        let dtype = stored
            .dtype
            .clone()
            .map_err(|class| format!("its elements are those of {class}, which Thunder does not have"))?;
        strided(archive, storage, dtype, &stored.shape, &stored.strides, stored.offset)
    };
    Ok(stored.iter().map(|(name, stored)| (name.clone(), tensor(stored))).collect())
}

fn read(archive: &Archive, entry: &Entry, folder: &str) -> Result<Result<Tensor, String>, ImportError> {
    if entry.use_pickle {
        let mut saved = all_saved(archive, &format!("{folder}{}", entry.path_name))?;
        return Ok(saved.remove("").unwrap_or_else(|| Err("its pickle holds no tensor".to_owned())));
    }
    Ok(raw(archive, entry, folder))
}

/// A tensor whose bytes are an entry of their own.
fn raw(archive: &Archive, entry: &Entry, folder: &str) -> Result<Tensor, String> {
    let meta = entry.tensor_meta.as_ref().ok_or("nothing says what it is")?;
    let path = format!("{folder}{}", entry.path_name);
    let range = archive.range(&path).ok_or_else(|| format!("the archive has no '{path}'"))?;
    let dtype = meta.dtype().map_err(|name| format!("it has elements of {name}, which Thunder does not have"))?;
    let known = |sizes: &[SymInt]| {
        let number = |size: &SymInt| size.known().and_then(|size| usize::try_from(size).ok());
        sizes.iter().map(number).collect::<Option<Vec<usize>>>().ok_or("its sizes are no numbers from 0")
    };
    let shape = known(&meta.sizes)?;
    let strides = known(&meta.strides)?;
    let offset =
        meta.storage_offset.as_ref().map_or(Ok(0), |offset| known(std::slice::from_ref(offset)).map(|o| o[0]))?;
    strided(archive, range, dtype, &shape, &strides, offset)
}

/// The elements of a storage that sizes and strides name: a view of the map where they lie in order, and a copy else.
fn strided(
    archive: &Archive,
    storage: Range<usize>,
    dtype: DType,
    shape: &[usize],
    strides: &[usize],
    offset: usize,
) -> Result<Tensor, String> {
    if strides.len() != shape.len() {
        return Err(format!("it has {} sizes and {} strides", shape.len(), strides.len()));
    }
    let last = last_element(shape, strides, offset).ok_or("its sizes are out of range")?;
    let needed = last.checked_mul(dtype.size()).ok_or("its sizes are out of range")?;
    if needed > storage.len() {
        return Err(format!("it needs {needed} bytes, but its storage has {}", storage.len()));
    }
    let map = archive.map();
    if is_in_order(shape, strides) {
        let start = storage.start + if shape.contains(&0) { 0 } else { offset * dtype.size() };
        return Tensor::from_owner(dtype, shape, Arc::clone(map), start).map_err(|error| error.to_string());
    }
    let all = (**map).as_ref().get(storage).ok_or("the file has become shorter")?;
    // A tensor that repeats its elements may be far larger than the file that holds them.
    let count = shape.iter().try_fold(dtype.size(), |bytes, size| bytes.checked_mul(*size));
    if count.is_none_or(|bytes| bytes > all.len()) {
        return Err(format!("its sizes {shape:?} are more than its storage of {} bytes", all.len()));
    }
    let strides: Vec<isize> = strides.iter().map(|stride| *stride as isize).collect();
    let mut bytes = Vec::with_capacity(count.unwrap_or_default());
    IndexSpace::new(shape).for_each_strided(offset, &strides, |_, element| {
        bytes.extend_from_slice(&all[element * dtype.size()..][..dtype.size()]);
    });
    Tensor::from_bytes(dtype, shape, &bytes).map_err(|error| error.to_string())
}

/// The number of elements up to and including the last one that is named; 0 for none.
fn last_element(shape: &[usize], strides: &[usize], offset: usize) -> Option<usize> {
    if shape.contains(&0) {
        return Some(0);
    }
    let mut last = offset;
    for (size, stride) in shape.iter().zip(strides) {
        last = last.checked_add((size - 1).checked_mul(*stride)?)?;
    }
    last.checked_add(1).filter(|last| isize::try_from(*last).is_ok())
}

/// Whether the elements stand in row-major order, one after the other.
fn is_in_order(shape: &[usize], strides: &[usize]) -> bool {
    let mut expected = 1usize;
    let in_order = shape.iter().zip(strides).rev().all(|(size, stride)| {
        let is_next = *size == 1 || *stride == expected;
        expected = expected.saturating_mul(*size);
        is_next
    });
    in_order || shape.contains(&0)
}
