//! Aligned memory that is reused instead of returned to the system.

use std::ops::{Deref, DerefMut};
use std::sync::Mutex;

use thunder_tensor::Aligned as Memory;

/// Initialized memory that starts at a multiple of 64 bytes.
#[derive(Debug, Default)]
pub(crate) struct Aligned {
    memory: Memory,
    bytes: usize,
}

impl Aligned {
    /// No memory.
    pub(crate) const EMPTY: Self = Self { memory: Memory::EMPTY, bytes: 0 };

    /// `bytes` zero bytes.
    pub(crate) fn zeroed(bytes: usize) -> Self {
        Self { memory: Memory::zeroed(bytes), bytes }
    }

    /// A copy of `bytes`.
    pub(crate) fn copied(bytes: &[u8]) -> Self {
        let mut copy = Self::zeroed(bytes.len());
        copy.memory.bytes_mut()[..bytes.len()].copy_from_slice(bytes);
        copy
    }

    /// The memory.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.memory.bytes()[..self.bytes]
    }

    /// How many bytes there are, used or not.
    fn capacity(&self) -> usize {
        self.memory.bytes().len()
    }

    /// Makes room for at least `bytes` bytes; contents are unspecified afterwards.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        if self.capacity() < bytes {
            *self = Self::zeroed(bytes);
        }
        self.bytes = bytes;
    }

    /// Where the memory starts.
    pub(crate) fn as_mut_ptr(&mut self) -> *mut u8 {
        self.memory.bytes_mut().as_mut_ptr()
    }

    /// How many bytes may be used.
    pub(crate) fn len(&self) -> usize {
        self.bytes
    }

    /// Where the memory starts.
    pub(crate) fn as_ptr(&self) -> *const u8 {
        self.memory.bytes().as_ptr()
    }
}

/// Memory blocks that are not in use.
#[derive(Debug, Default)]
pub(crate) struct Reserve {
    free: Mutex<Vec<Aligned>>,
}

/// A block on loan from a [`Reserve`].
pub(crate) struct Loan<'a> {
    reserve: &'a Reserve,
    block: Aligned,
}

impl Reserve {
    /// A block of at least `bytes` bytes with unspecified contents.
    pub(crate) fn take(&self, bytes: usize) -> Loan<'_> {
        let mut block = {
            let mut free = self.free.lock().expect("nothing panics while it holds this lock");
            // The smallest that fits, or else the largest, which grows.
            let best = (0..free.len()).min_by_key(|&i| {
                let capacity = free[i].capacity();
                if capacity >= bytes { (false, capacity) } else { (true, usize::MAX - capacity) }
            });
            best.map(|i| free.swap_remove(i)).unwrap_or_default()
        };
        block.reserve(bytes);
        Loan { reserve: self, block }
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        if let Ok(mut free) = self.reserve.free.lock() {
            free.push(std::mem::take(&mut self.block));
        }
    }
}

impl Deref for Loan<'_> {
    type Target = Aligned;

    fn deref(&self) -> &Aligned {
        &self.block
    }
}

impl DerefMut for Loan<'_> {
    fn deref_mut(&mut self) -> &mut Aligned {
        &mut self.block
    }
}
