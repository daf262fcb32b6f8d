//! A panel of an operand: what a stage of shared memory has of it, as copies bring it and as tensor cores read it.
//!
//! Lines have 128 bytes, which are 64 elements that are adjacent in memory. Which 16 bytes are where in a line differs from
//! line to line, and is the same again after 8 lines. Either the terms of sums are along lines, one line for each row or
//! column; or rows or columns are, and there are blocks of 64 of these, with a line for each term.

/// Terms of the sums that a stage has.
pub(super) const DEPTH: usize = 64;

/// Bytes of a line, and of the 8 after which lines are alike.
const LINE: usize = 128;
const PERIOD: usize = 8 * LINE;

/// Terms of the sums that an instruction multiplies.
pub(super) const TERMS: usize = 16;

/// Bytes of a block: 64 lines.
const BLOCK: usize = DEPTH * LINE;

/// Elements of a line.
pub(super) const ACROSS: usize = LINE / 2;

/// The upper half of what tells tensor cores of a panel: the bytes from 8 lines to the next 8 in units of 16, and that lines
/// of 128 bytes are changed from line to line.
pub(super) const UPPER: usize = (PERIOD >> 4) | (1 << 30);

/// The bits of an address that tensor cores are told.
pub(super) const ADDRESSES: usize = (1 << 18) - 1;

/// Bytes of so many rows or columns.
pub(super) fn bytes(count: usize) -> usize {
    count * DEPTH * 2
}

/// The lower half of what tells tensor cores of a panel, but for the address: the bytes from one block to the next in units
/// of 16, which is not used where terms are along lines.
pub(super) fn lower(sums: bool) -> usize {
    if sums { 1 << 16 } else { (BLOCK >> 4) << 16 }
}

/// How far the next terms are that an instruction multiplies, in units of 16 bytes.
pub(super) fn next(sums: bool) -> usize {
    (if sums { TERMS * 2 } else { TERMS * LINE }) >> 4
}

/// Rows or columns of each copy that brings so many.
pub(super) fn copied(sums: bool, count: usize) -> usize {
    if sums { count } else { ACROSS }
}
