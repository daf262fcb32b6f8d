//! The zip archive: mapped, every entry a range of the map that was checked to be one.
//!
//! torch stores entries as they are, without compression, so that each one can be used where it lies. An archive that
//! compresses entries, overlaps them, or names one outside of its folder is refused.

use std::collections::BTreeMap;
use std::io::{self, Cursor};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thunder_tensor::Owner;
use zip::read::{ArchiveOffset, Config};
use zip::{CompressionMethod, ZipArchive};

use crate::ImportError;

/// A mapped archive.
pub(crate) struct Archive {
    path: PathBuf,
    map: Arc<dyn Owner>,
    /// Where the entries lie, by their names below the archive's folder.
    entries: BTreeMap<String, Range<usize>>,
}

impl Archive {
    /// Maps an archive and checks its directory.
    pub(crate) fn open(path: &Path) -> Result<Self, ImportError> {
        let map = mmap_guard::map_file(path).map_err(|reason| match reason.kind() {
            io::ErrorKind::InvalidInput => corrupt(path, "the file is empty"),
            _ => ImportError::Io { path: path.to_owned(), reason },
        })?;
        let map: Arc<dyn Owner> = Arc::new(map);
        let entries = directory((*map).as_ref()).map_err(|reason| corrupt(path, reason))?;
        Ok(Self { path: path.to_owned(), map, entries: below_folder(path, entries)? })
    }

    /// An error about this archive.
    pub(crate) fn corrupt(&self, reason: impl Into<String>) -> ImportError {
        corrupt(&self.path, reason)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What keeps the archive's bytes.
    pub(crate) fn map(&self) -> &Arc<dyn Owner> {
        &self.map
    }

    /// The entries of an archive that is an entry of this one, as `torch.save` writes it, by their names below its
    /// folder; where they lie in the map.
    pub(crate) fn inner(&self, name: &str) -> Result<Option<BTreeMap<String, Range<usize>>>, ImportError> {
        let (Some(range), Some(bytes)) = (self.range(name), self.bytes(name)) else { return Ok(None) };
        let entries = directory(bytes).map_err(|reason| self.corrupt(format!("'{name}': {reason}")))?;
        let moved = |(name, own): (String, Range<usize>)| (name, range.start + own.start..range.start + own.end);
        below_folder(&self.path, entries.into_iter().map(moved).collect()).map(Some)
    }

    /// Where an entry lies in the map.
    pub(crate) fn range(&self, name: &str) -> Option<Range<usize>> {
        self.entries.get(name).cloned()
    }

    /// The bytes of an entry.
    pub(crate) fn bytes(&self, name: &str) -> Option<&[u8]> {
        // The map may shrink if somebody else truncates the file: then there is nothing any more.
        (*self.map).as_ref().get(self.range(name)?)
    }

    /// The text of a JSON entry as a value of the schema.
    pub(crate) fn json<'a, T: serde::Deserialize<'a>>(&'a self, name: &str) -> Result<T, ImportError> {
        let bytes = self.bytes(name).ok_or_else(|| self.corrupt(format!("it has no '{name}'")))?;
        serde_json::from_slice(bytes).map_err(|error| self.corrupt(format!("'{name}': {error}")))
    }
}

fn corrupt(path: &Path, reason: impl Into<String>) -> ImportError {
    ImportError::Archive { path: path.to_owned(), reason: reason.into() }
}

/// Where every file of the archive lies.
fn directory(bytes: &[u8]) -> Result<Vec<(String, Range<usize>)>, String> {
    // An archive within may not be taken for this one.
    let config = Config { archive_offset: ArchiveOffset::Known(0) };
    let mut archive = ZipArchive::with_config(config, Cursor::new(bytes)).map_err(|error| error.to_string())?;
    let mut entries = Vec::new();
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(|error| error.to_string())?;
        if entry.is_dir() {
            continue;
        }
        let name = entry.name().map_err(|error| error.to_string())?.into_owned();
        let parts: Vec<&str> = name.split('/').collect();
        if name.starts_with('/') || name.contains('\\') || parts.iter().any(|part| matches!(*part, "" | "." | "..")) {
            return Err(format!("the entry '{name}' is no path inside of the archive"));
        }
        if entry.compression() != CompressionMethod::Stored
            || entry.encrypted()
            || entry.compressed_size() != entry.size()
        {
            return Err(format!("the entry '{name}' is compressed or encrypted, which torch never does"));
        }
        let range = entry.data_start().zip(usize::try_from(entry.size()).ok()).and_then(|(start, size)| {
            let start = usize::try_from(start).ok()?;
            start.checked_add(size).filter(|end| *end <= bytes.len()).map(|end| start..end)
        });
        let range = range.ok_or_else(|| format!("the entry '{name}' is not within the file"))?;
        entries.push((name, range));
    }
    let mut sorted: Vec<_> = entries.iter().filter(|(_, range)| !range.is_empty()).collect();
    sorted.sort_by_key(|(_, range)| range.start);
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0].1.end > pair[1].1.start) {
        return Err(format!("the entries '{}' and '{}' overlap", pair[0].0, pair[1].0));
    }
    Ok(entries)
}

/// Names without the folder that all entries have in common, which is the archive's own name.
fn below_folder(
    path: &Path,
    entries: Vec<(String, Range<usize>)>,
) -> Result<BTreeMap<String, Range<usize>>, ImportError> {
    let folder = entries.first().and_then(|(name, _)| name.split_once('/')).map(|(folder, _)| format!("{folder}/"));
    let shared = folder.filter(|folder| entries.iter().all(|(name, _)| name.starts_with(folder)));
    let mut named = BTreeMap::new();
    for (name, range) in entries {
        let name = shared.as_ref().and_then(|folder| name.strip_prefix(folder)).unwrap_or(&name).to_owned();
        if named.insert(name.clone(), range).is_some() {
            return Err(corrupt(path, format!("it has two entries '{name}'")));
        }
    }
    Ok(named)
}
