//! Elements of a tile that are still to be written: sums are rounded as soon as all terms are added, so that those of the next
//! tile have their registers.

use super::kernel::{Kernel, Writes};
use super::pieces::TRADED;
use crate::cuda::code::{Code, Kind};

/// The registers of what a thread holds, the same for all tiles.
pub(super) struct Held {
    /// By piece, by product, by row: words of two elements that are adjacent, of every 8.
    pub(super) words: Vec<Vec<[Vec<String>; 2]>>,
    /// Whether there is anything, of any thread: 1 or 0.
    pub(super) any: String,
    /// Rows and columns that there are from the first of the thread on.
    pub(super) left: [String; 2],
    /// Bytes from the first element of a result to the first of the thread.
    pub(super) offset: String,
}

impl Held {
    /// Of no tile yet: there are no rows and columns. `None` where elements are written otherwise.
    pub(super) fn new(code: &mut Code, kernel: &Kernel) -> Option<Self> {
        if kernel.writes != Writes::Chunks {
            return None;
        }
        let word = |code: &mut Code| code.make(Kind::Word, "mov.b32", "0");
        let mut words = Vec::new();
        for _ in 0..kernel.pieces() {
            let of_row = |code: &mut Code| (0..TRADED).map(|_| word(code)).collect();
            words.push((0..kernel.products()).map(|_| [0, 1].map(|_| of_row(code))).collect());
        }
        let any = word(code);
        let left = [0, 1].map(|_| word(code));
        let offset = code.make(Kind::Long, "mov.b64", "0");
        Some(Self { words, any, left, offset })
    }
}
