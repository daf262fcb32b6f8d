//! Memory behind tensors: owned and aligned, or borrowed from an owner that is kept alive.

use std::ops::Range;
use std::sync::Arc;

use crate::memory::Aligned;

/// Bytes that somebody else keeps, such as a mapped file.
///
/// [`AsRef::as_ref`] must return the same bytes at every call for as long as the owner lives; a tensor checks the length
/// at each access, so that breaking this can panic but not read stray memory.
pub trait Owner: AsRef<[u8]> + Send + Sync {}

impl<T: AsRef<[u8]> + Send + Sync> Owner for T {}

#[derive(Clone)]
enum Memory {
    Owned(Arc<Aligned>),
    External(Arc<dyn Owner>),
}

/// Shared bytes, copied when written through one of several handles or through a view of an owner.
#[derive(Clone)]
pub(crate) struct Storage {
    memory: Memory,
    range: Range<usize>,
}

impl Storage {
    /// The alignment of owned memory in bytes.
    pub(crate) const ALIGNMENT: usize = Aligned::ALIGNMENT;

    pub(crate) fn zeroed(bytes: usize) -> Self {
        Storage { memory: Memory::Owned(Arc::new(Aligned::zeroed(bytes))), range: 0..bytes }
    }

    pub(crate) fn copied(bytes: &[u8]) -> Self {
        let mut storage = Self::zeroed(bytes.len());
        storage.bytes_mut().copy_from_slice(bytes);
        storage
    }

    /// Views a range of an owner's bytes; the caller has checked that the range lies within.
    pub(crate) fn external(owner: Arc<dyn Owner>, range: Range<usize>) -> Self {
        Storage { memory: Memory::External(owner), range }
    }

    pub(crate) fn is_external(&self) -> bool {
        matches!(self.memory, Memory::External(_))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        let all = match &self.memory {
            Memory::Owned(memory) => memory.bytes(),
            Memory::External(owner) => (**owner).as_ref(),
        };
        &all[self.range.clone()]
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        if self.is_external() {
            *self = Self::copied(self.bytes());
        }
        match &mut self.memory {
            Memory::Owned(memory) => &mut Arc::make_mut(memory).bytes_mut()[self.range.clone()],
            Memory::External(_) => unreachable!("external bytes were copied above"),
        }
    }
}
