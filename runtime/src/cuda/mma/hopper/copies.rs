//! The copies of a fragment in a kernel: one for each place where a thread has adjacent elements of a tile.
//!
//! Some copies ask for what they read before the first of them computes, as memory takes long to answer.

use std::collections::VecDeque;

use super::fragment::{Copy, Fragment};
use crate::cuda::code::{Code, Kind};

/// How far copies are ahead of the first that computes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ahead {
    /// The most copies that have asked for what they read, and the most registers for what they all get.
    copies: usize,
    registers: usize,
}

impl Ahead {
    /// Where the registers of sums are free.
    pub(super) const FAR: Self = Self { copies: 4, registers: 32 };
    /// Where the sums of another tile have them: a piece ahead.
    pub(super) const NEAR: Self = Self { copies: 2, registers: 16 };

    /// Whether there are registers for what a copy gets.
    pub(super) fn holds(self, fragment: &Fragment) -> bool {
        fragment.reads_ahead() <= self.registers
    }
}

/// Copies under construction, in the order in which they compute.
pub(super) struct Copies<'a> {
    fragment: &'a Fragment,
    /// Column and row of each place in the thread's part of a tile.
    places: Vec<[usize; 2]>,
    ahead: Ahead,
    /// What labels begin with.
    name: &'static str,
    begun: VecDeque<Copy>,
    ended: usize,
}

impl<'a> Copies<'a> {
    pub(super) fn new(fragment: &'a Fragment, places: Vec<[usize; 2]>, (name, ahead): (&'static str, Ahead)) -> Self {
        Self { fragment, places, ahead, name, begun: VecDeque::new(), ended: 0 }
    }

    /// Begins as many copies as may be; `first` says in registers which number the first element at a column and row has, and
    /// whether there is one.
    pub(super) fn begin(&mut self, code: &mut Code, first: impl Fn(&mut Code, [usize; 2]) -> (String, String)) {
        let Ahead { copies, registers } = self.ahead;
        let most = (registers / self.fragment.reads_ahead().max(1)).clamp(1, copies);
        while self.begun.len() < most
            && let Some(&place) = self.places.get(self.ended + self.begun.len())
        {
            let (number, is_there) = first(code, place);
            let number = match self.fragment.reads_ahead() {
                0 => number,
                // Where there are no elements, what is read is that of the first, which there is always: so registers are
                // written in any case, and keep nothing from tile to tile.
                _ => code.make(Kind::Long, "selp.b64", format!("{number}, 0, {is_there}")),
            };
            self.begun.push_back(self.fragment.begin(code, number));
        }
    }

    /// Whether the next copy has begun.
    pub(super) fn has_begun(&self) -> bool {
        !self.begun.is_empty()
    }

    /// Adds the rest of the next copy, of these words of elements, if `is_there` holds.
    pub(super) fn end(&mut self, code: &mut Code, words: &[String], is_there: &str) {
        let Some(copy) = self.begun.pop_front() else { unreachable!("each copy was begun") };
        self.fragment.end(code, &copy, words, is_there, &format!("{}{}", self.name, self.ended));
        self.ended += 1;
    }
}
