//! The copies of a fragment in a kernel: one for each place where a thread has adjacent elements of a tile.
//!
//! Some copies ask for what they read before the first of them computes, as memory takes long to answer.

use std::collections::VecDeque;

use super::fragment::{Copy, Fragment};
use crate::cuda::mma::code::{Code, Kind};

/// The most copies that have asked for what they read, and the most registers for what they all get.
const AHEAD: usize = 4;
const REGISTERS: usize = 32;

/// Copies under construction, in the order in which they compute.
pub(super) struct Copies<'a> {
    fragment: &'a Fragment,
    /// Column and row of each place in the thread's part of a tile.
    places: Vec<[usize; 2]>,
    /// The registers of the numbers of the first elements of both rows.
    numbers: [String; 2],
    begun: VecDeque<Copy>,
    ended: usize,
}

impl<'a> Copies<'a> {
    pub(super) fn new(fragment: &'a Fragment, places: Vec<[usize; 2]>, numbers: [String; 2]) -> Self {
        Self { fragment, places, numbers, begun: VecDeque::new(), ended: 0 }
    }

    /// Begins as many copies as may be; `writes` says in a register whether there are elements at a column and row.
    pub(super) fn begin(&mut self, code: &mut Code, writes: impl Fn(&mut Code, [usize; 2]) -> String) {
        let most = (REGISTERS / self.fragment.reads_ahead().max(1)).clamp(1, AHEAD);
        while self.begun.len() < most
            && let Some(&place) = self.places.get(self.ended + self.begun.len())
        {
            let [column, row] = place;
            let number = code.make(Kind::Long, "add.s64", format!("{}, {column}", self.numbers[row]));
            let number = match self.fragment.reads_ahead() {
                0 => number,
                // Where there are no elements, what is read is that of the first, which there is always: so registers are
                // written in any case, and keep nothing from tile to tile.
                _ => {
                    let is_there = writes(code, place);
                    code.make(Kind::Long, "selp.b64", format!("{number}, 0, {is_there}"))
                }
            };
            self.begun.push_back(self.fragment.begin(code, number));
        }
    }

    /// Adds the rest of the next copy, of these words of elements, if `is_there` holds.
    pub(super) fn end(&mut self, code: &mut Code, words: &[String], is_there: &str) {
        let Some(copy) = self.begun.pop_front() else { unreachable!("each copy was begun") };
        self.fragment.end(code, &copy, words, is_there, &format!("place{}", self.ended));
        self.ended += 1;
    }
}
