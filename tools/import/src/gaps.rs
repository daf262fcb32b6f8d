//! What an importer lacks for a model, noted as it is met, so that one run finds all of it.

use std::collections::BTreeMap;

use crate::Gap;

/// What is missing, by what it is: how often, and where first.
#[derive(Default)]
pub(crate) struct Gaps(BTreeMap<String, (usize, String)>);

impl Gaps {
    pub(crate) fn note(&mut self, what: String, place: impl FnOnce() -> String) {
        self.0.entry(what).or_insert_with(|| (0, place())).0 += 1;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The most frequent first.
    pub(crate) fn sorted(self) -> Vec<Gap> {
        let mut gaps: Vec<_> = self.0.into_iter().map(|(what, (count, place))| Gap { what, count, place }).collect();
        gaps.sort_by_key(|gap| std::cmp::Reverse(gap.count));
        gaps
    }
}
