//! Memory that starts at a multiple of a vector's size; where it is large, in large pages.

use bytemuck::{Pod, Zeroable};
use memmap2::MmapMut;

/// One cache line, which is also the widest vector register.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
struct Line([u8; Aligned::ALIGNMENT]);

/// Memory of its own, zeros at first.
///
/// What is large is mapped rather than taken from the heap, in whole large pages where the system has them: fewer of them
/// need to be looked up, and fewer are faulted in. A walk through memory beyond the caches waits half as long for each line.
#[derive(Debug)]
pub struct Aligned(Memory);

#[derive(Debug)]
enum Memory {
    Heap(Vec<Line>),
    Mapped(MmapMut),
}

impl Aligned {
    /// Memory starts at a multiple of so many bytes.
    pub const ALIGNMENT: usize = 64;

    /// No memory.
    pub const EMPTY: Self = Self(Memory::Heap(Vec::new()));

    /// A large page of most systems.
    const PAGE: usize = 2 << 20;

    /// At least `bytes` zero bytes.
    pub fn zeroed(bytes: usize) -> Self {
        // Half a page at most is lost at the end.
        let is_large = bytes >= Self::PAGE && bytes.next_multiple_of(Self::PAGE) - bytes <= bytes / 4;
        match is_large.then(|| mapped(bytes.next_multiple_of(Self::PAGE))).flatten() {
            Some(memory) => Self(Memory::Mapped(memory)),
            None => Self(Memory::Heap(bytemuck::zeroed_vec(bytes.div_ceil(Self::ALIGNMENT)))),
        }
    }

    /// All of the memory, which may be more than was asked for.
    pub fn bytes(&self) -> &[u8] {
        match &self.0 {
            Memory::Heap(lines) => bytemuck::cast_slice(lines),
            Memory::Mapped(memory) => memory,
        }
    }

    /// All of the memory, to write.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        match &mut self.0 {
            Memory::Heap(lines) => bytemuck::cast_slice_mut(lines),
            Memory::Mapped(memory) => memory,
        }
    }
}

impl Default for Aligned {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl Clone for Aligned {
    fn clone(&self) -> Self {
        let mut copy = Self::zeroed(self.bytes().len());
        copy.bytes_mut()[..self.bytes().len()].copy_from_slice(self.bytes());
        copy
    }
}

fn mapped(bytes: usize) -> Option<MmapMut> {
    let memory = MmapMut::map_anon(bytes).ok()?;
    // A wish: a system without large pages serves small ones.
    #[cfg(target_os = "linux")]
    let _ = memory.advise(memmap2::Advice::HugePage);
    Some(memory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_any_size_is_aligned_and_zero() {
        for bytes in [0, 1, 63, 64, 65, Aligned::PAGE - 1, Aligned::PAGE, Aligned::PAGE + 1, 5 * Aligned::PAGE + 7] {
            let mut memory = Aligned::zeroed(bytes);
            assert!(memory.bytes().len() >= bytes && memory.bytes().iter().all(|&byte| byte == 0), "{bytes}");
            assert_eq!(memory.bytes().as_ptr() as usize % Aligned::ALIGNMENT, 0, "{bytes}");
            memory.bytes_mut().fill(7);
            assert_eq!(memory.clone().bytes(), memory.bytes(), "{bytes}");
        }
    }
}
