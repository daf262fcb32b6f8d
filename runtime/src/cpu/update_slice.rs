//! Parts of tensors replaced where they are: blocks of bytes, copied.

use thunder_tensor::DType;

use super::Cpu;
use super::operand::Operand;

/// Copies of at least this many bytes use all threads.
const LARGE: usize = 1 << 20;

/// Sizes of an update, in elements of the dimensions but for `inner`, which is bytes.
pub(super) struct Sizes {
    pub outer: usize,
    pub extent: usize,
    pub length: usize,
    pub inner: usize,
}

/// Copies the blocks of `part` to their places in `out`, from the position that `start` holds, moved to where they fit.
///
/// # Safety
/// The operands have as many bytes as the sizes say, `out` overlaps no other, and `length` is at most `extent`.
pub(super) unsafe fn update(cpu: &Cpu, [part, start, out]: [Operand; 3], dtype: DType, sizes: &Sizes) {
    let Sizes { outer, extent, length, inner } = *sizes;
    // SAFETY: the start has one element, of this type.
    let first = unsafe { integer(start, dtype) }.clamp(0, (extent - length) as i64) as usize;
    let block = length * inner;
    if outer == 0 || block == 0 {
        return;
    }
    let copy = |i: usize| {
        let to = (i * extent + first) * inner;
        // SAFETY: block `i` lies within both operands, which do not overlap.
        unsafe { out.start().add(to).copy_from_nonoverlapping(part.start().add(i * block), block) };
    };
    if outer * block < LARGE {
        return (0..outer).for_each(copy);
    }
    let blocks = (LARGE / 4).div_ceil(block);
    cpu.pool().run(outer.div_ceil(blocks), &|chunk| (chunk * blocks..outer.min((chunk + 1) * blocks)).for_each(copy));
}

/// The integer in memory.
///
/// # Safety
/// There is one, of this type.
unsafe fn integer(at: Operand, dtype: DType) -> i64 {
    let at = at.start();
    // SAFETY: the caller's promise; elements may lie anywhere.
    unsafe {
        match dtype {
            DType::U8 => at.read().into(),
            DType::I8 => at.cast::<i8>().read().into(),
            DType::I16 => at.cast::<i16>().read_unaligned().into(),
            DType::I32 => at.cast::<i32>().read_unaligned().into(),
            _ => at.cast::<i64>().read_unaligned(),
        }
    }
}
