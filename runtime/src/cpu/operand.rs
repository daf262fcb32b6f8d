//! Memory of one argument during one run.

use std::fmt;

/// A checked range of memory.
#[derive(Clone, Copy)]
pub struct Operand {
    start: *mut u8,
    bytes: usize,
}

// SAFETY: a plain address range; whoever reads or writes through it vouches for the access.
unsafe impl Send for Operand {}
// SAFETY: as above.
unsafe impl Sync for Operand {}

impl fmt::Debug for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes at {:p}", self.bytes, self.start)
    }
}

impl Operand {
    pub(crate) fn new(start: *mut u8, bytes: usize) -> Self {
        Self { start, bytes }
    }

    /// Memory that is only read.
    pub(crate) fn fixed(bytes: &[u8]) -> Self {
        Self { start: bytes.as_ptr().cast_mut(), bytes: bytes.len() }
    }

    /// Memory that is read and written.
    pub(crate) fn writable(bytes: &mut [u8]) -> Self {
        Self { start: bytes.as_mut_ptr(), bytes: bytes.len() }
    }

    /// What is left after `bytes` bytes, or `None` if there are fewer.
    pub(crate) fn skip(self, bytes: usize) -> Option<Self> {
        let left = self.bytes.checked_sub(bytes)?;
        Some(Self { start: self.start.wrapping_add(bytes), bytes: left })
    }

    /// First byte.
    pub fn start(self) -> *mut u8 {
        self.start
    }

    /// Length in bytes.
    pub fn bytes(self) -> usize {
        self.bytes
    }
}
