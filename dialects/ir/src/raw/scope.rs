//! Which operations and blocks have been erased since a handle was made.

use mlir_sys::MlirRewriterBase;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::panic::Location;

/// The record that makes handles sound: one per callback, or one per owned module.
///
/// A handle remembers the scope's clock at its creation. Erasing an operation stamps its address
/// with a later time, so that older handles to this address are dead while a new operation that the
/// allocator puts at the same address is not.
#[derive(Default)]
pub struct Scope {
    editing: Editing,
    anchor: Option<usize>,
    clock: Cell<u32>,
    floor: Cell<(u32, Option<&'static Location<'static>>)>,
    erased: RefCell<HashMap<usize, (u32, &'static Location<'static>)>>,
}

/// Who may change IR through the handles of a scope, besides the rewriter that a callback is given.
#[derive(Clone, Copy, Default)]
pub(crate) enum Editing {
    /// Anyone: nobody else looks at it meanwhile.
    #[default]
    Free,
    /// Anyone, so that the driver behind this rewriter hears of it.
    Followed(MlirRewriterBase),
    /// No one, for this reason.
    Refused(&'static str),
}

impl Scope {
    pub(crate) fn new(editing: Editing, anchor: Option<usize>) -> Self {
        Self { editing, anchor, ..Self::default() }
    }

    pub(crate) fn editing(&self) -> Editing {
        self.editing
    }

    /// Whether whoever made the scope needs one of the operations at these addresses afterwards.
    pub(crate) fn needs(&self, addresses: &[usize]) -> bool {
        self.anchor.is_some_and(|anchor| addresses.contains(&anchor))
    }

    pub(crate) fn now(&self) -> u32 {
        self.clock.get()
    }

    fn tick(&self) -> u32 {
        self.clock.set(self.clock.get() + 1);
        self.clock.get()
    }

    /// Declares the things at `addresses` erased.
    pub(crate) fn erase(&self, addresses: impl IntoIterator<Item = usize>, site: &'static Location<'static>) {
        let time = self.tick();
        let mut erased = self.erased.borrow_mut();
        for address in addresses {
            erased.insert(address, (time, site));
        }
    }

    /// Declares every handle dead that exists now: something outside our sight edits the IR.
    pub(crate) fn invalidate(&self, site: &'static Location<'static>) {
        let time = self.tick();
        self.floor.set((time, Some(site)));
        self.erased.borrow_mut().clear();
    }

    /// Where the thing at `address`, known since `born`, was erased, if it was.
    pub(crate) fn erasure(&self, address: usize, born: u32) -> Option<&'static Location<'static>> {
        let (floor, site) = self.floor.get();
        if born < floor {
            return site;
        }
        let erased = self.erased.borrow();
        if erased.is_empty() {
            return None;
        }
        erased.get(&address).filter(|(time, _)| born < *time).map(|(_, site)| *site)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_used_again_is_a_new_thing() {
        let scope = Scope::default();
        let old = scope.now();
        scope.erase([16], Location::caller());
        let new = scope.now();
        assert!(scope.erasure(16, old).is_some());
        assert!(scope.erasure(16, new).is_none());
        assert!(scope.erasure(32, old).is_none());
        scope.invalidate(Location::caller());
        assert!(scope.erasure(32, new).is_some());
        assert!(scope.erasure(16, scope.now()).is_none());
    }
}
