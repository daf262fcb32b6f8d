//! From the elements that a thread holds to what is written, in pieces: of 32 columns of both rows of a thread.
//!
//! A thread has two elements that are adjacent of every 8. So that it writes 8 at once, the four threads of a row trade them:
//! as a matrix of four by four, which is transposed. What else is computed from the elements is so from these 8.

use super::copies::{Ahead, Copies};
use super::held::Held;
use super::kernel::Kernel;
use super::store::{ADJACENT, Store};
use crate::cuda::code::{Code, Kind};

/// How many words of a row four threads trade, and the columns of a piece.
pub(super) const TRADED: usize = 4;
pub(super) const COLUMNS: usize = TRADED * ADJACENT;

/// The pieces of a tile, which are added one after the other.
pub(super) struct Pieces<'a> {
    kernel: &'a Kernel,
    store: &'a Store,
    held: &'a Held,
    copies: Option<Copies<'a>>,
    done: usize,
}

impl<'a> Pieces<'a> {
    /// None is added yet, but what is read ahead of the first. Labels begin with a name.
    pub(super) fn new(
        code: &mut Code,
        kernel: &'a Kernel,
        store: &'a Store,
        held: &'a Held,
        labels: (&'static str, Ahead),
    ) -> Self {
        let copies = kernel.fusion.as_ref().map(|fusion| {
            let places = (0..kernel.columns()).step_by(COLUMNS).flat_map(|column| [[column, 0], [column, 1]]);
            Copies::new(&fusion.fragment, places.collect(), labels)
        });
        let mut pieces = Self { kernel, store, held, copies, done: 0 };
        pieces.begin(code);
        pieces
    }

    /// Adds the next piece, which is jumped around where nothing is held. So it also is a block of its own, of which the
    /// assembler moves nothing to before products that are started ahead of it.
    pub(super) fn next_if_any(&mut self, code: &mut Code) {
        let is_any = code.make(Kind::Truth, "setp.ne.s32", format!("{}, 0", self.held.any));
        let end = format!("nothing{}", self.done);
        code.add(format!("@!{is_any} bra {end}"));
        self.piece(code, false);
        code.label(&end);
        // What is read in any case keeps no register from tile to tile.
        self.begin(code);
    }

    /// Adds the next piece.
    pub(super) fn next(&mut self, code: &mut Code) {
        self.piece(code, true);
    }

    /// Adds a piece; `begins` says whether others are begun in it.
    fn piece(&mut self, code: &mut Code, begins: bool) {
        let size = self.kernel.dtype.size();
        let column = self.done * COLUMNS;
        for row in 0..2 {
            if self.copies.as_ref().is_some_and(|copies| !copies.has_begun()) {
                self.begin(code);
            }
            let words = &self.held.words[self.done];
            let words: Vec<Vec<String>> = words.iter().map(|words| self.traded(code, words[row].clone())).collect();
            let is_there = writes(code, self.held, [column, row]);
            let kept = self.store.outs.iter().zip(&words).filter_map(|(out, words)| Some((out.as_ref()?, words)));
            for (out, words) in kept {
                let offset = offset(code, self.store, self.held, row);
                let line = code.make(Kind::Long, "add.s64", format!("{out}, {offset}"));
                let to = format!("{line}+{}", column * size);
                code.add(format!("@{is_there} st.global.v4.b32 [{to}], {{{}}}", words.join(", ")));
            }
            if let Some(copies) = &mut self.copies {
                copies.end(code, &words.concat(), &is_there);
            }
            if begins {
                self.begin(code);
            }
        }
        // Threads meet where they have parted.
        if self.kernel.fusion.as_ref().is_some_and(|fusion| fusion.fragment.is_jumped()) {
            code.add("bar.warp.sync -1");
        }
        self.done += 1;
    }

    fn begin(&mut self, code: &mut Code) {
        if let Some(copies) = &mut self.copies {
            copies.begin(code, |code, [column, row]| {
                let offset = offset(code, self.store, self.held, row);
                let number = code.make(Kind::Long, "shr.u64", format!("{offset}, 1"));
                let number = code.make(Kind::Long, "add.s64", format!("{number}, {column}"));
                (number, writes(code, self.held, [column, row]))
            });
        }
    }

    /// Of four words of four threads, those with the number of the thread, in the order of threads.
    fn traded(&self, code: &mut Code, mut words: Vec<String>) -> Vec<String> {
        for (bit, even) in [1, 2].into_iter().zip(&self.store.even) {
            for low in (0..TRADED).filter(|number| number & bit == 0) {
                let high = low + bit;
                let select =
                    |code: &mut Code, a: &str, b: &str| code.make(Kind::Word, "selp.b32", format!("{a}, {b}, {even}"));
                let given = select(code, &words[high], &words[low]);
                let got = code.make(Kind::Word, "shfl.sync.bfly.b32", format!("{given}, {bit}, 31, -1"));
                let (kept_low, kept_high) = (select(code, &words[low], &got), select(code, &got, &words[high]));
                (words[low], words[high]) = (kept_low, kept_high);
            }
        }
        words
    }
}

/// Whether there are elements at a column and row.
fn writes(code: &mut Code, held: &Held, [column, row]: [usize; 2]) -> String {
    let is_row = code.make(Kind::Truth, "setp.gt.s32", format!("{}, {}", held.left[0], 8 * row));
    code.make(Kind::Truth, "setp.gt.and.s32", format!("{}, {column}, {is_row}", held.left[1]))
}

/// How far the first element of a row is from that of a result.
fn offset(code: &mut Code, store: &Store, held: &Held, row: usize) -> String {
    match row {
        0 => held.offset.clone(),
        _ => code.make(Kind::Long, "mad.lo.s64", format!("{}, 8, {}", store.stride[0], held.offset)),
    }
}
