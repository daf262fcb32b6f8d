//! Aligned memory that is reused instead of returned to the system.

use std::ops::{Deref, DerefMut};
use std::sync::Mutex;

/// One cache line, also the widest vector register.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct CacheLine([u8; 64]);

/// Initialized memory that starts at a multiple of 64 bytes.
#[derive(Debug, Default)]
pub(crate) struct Aligned {
    lines: Vec<CacheLine>,
    bytes: usize,
}

impl Aligned {
    /// No memory.
    pub(crate) const EMPTY: Self = Self { lines: Vec::new(), bytes: 0 };

    /// `bytes` zero bytes.
    pub(crate) fn zeroed(bytes: usize) -> Self {
        Self { lines: vec![CacheLine([0; 64]); bytes.div_ceil(64)], bytes }
    }

    /// A copy of `bytes`.
    pub(crate) fn copied(bytes: &[u8]) -> Self {
        let mut copy = Self::zeroed(bytes.len());
        // SAFETY: the copy has room for `bytes`, and is its own memory.
        unsafe { copy.as_mut_ptr().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        copy
    }

    /// The memory.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        // SAFETY: the lines are initialized and hold at least `bytes` bytes.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.bytes) }
    }

    /// Makes room for at least `bytes` bytes; contents are unspecified afterwards.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        if self.lines.len() * 64 < bytes {
            *self = Self::zeroed(bytes);
        }
        self.bytes = bytes;
    }

    /// Where the memory starts.
    pub(crate) fn as_mut_ptr(&mut self) -> *mut u8 {
        self.lines.as_mut_ptr().cast()
    }

    /// How many bytes may be used.
    pub(crate) fn len(&self) -> usize {
        self.bytes
    }

    /// Where the memory starts.
    pub(crate) fn as_ptr(&self) -> *const u8 {
        self.lines.as_ptr().cast()
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
            let capacity = |block: &Aligned| block.lines.len() * 64;
            // The smallest that fits, or else the largest, which grows.
            let best = (0..free.len()).min_by_key(|&i| {
                let capacity = capacity(&free[i]);
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
