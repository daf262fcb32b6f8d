//! Handles to blocks, which can be erased, and to regions of operations.

use super::context::Location;
use super::operation::{Operation, erased};
use super::scope::Scope;
use super::types::Type;
use super::value::Value;
use mlir_sys::*;
use std::fmt;

/// A live block, or a panic that says where it was erased.
#[derive(Clone, Copy)]
pub struct Block<'c> {
    pub(super) raw: MlirBlock,
    born: u32,
    scope: &'c Scope,
}

/// A region of a live operation.
#[derive(Clone, Copy)]
pub struct Region<'c> {
    pub(super) raw: MlirRegion,
    pub(super) owner: Operation<'c>,
}

impl<'c> Block<'c> {
    /// # Safety
    /// As for [`Operation::from_raw`].
    pub(crate) unsafe fn from_raw(raw: MlirBlock, scope: &'c Scope) -> Self {
        Self { raw, born: scope.now(), scope }
    }

    #[track_caller]
    pub(crate) fn to_raw(self) -> MlirBlock {
        if let Some(site) = self.scope.erasure(self.raw.ptr as usize, self.born) {
            erased("a block", site);
        }
        self.raw
    }

    /// The number of arguments.
    #[track_caller]
    pub fn argument_count(self) -> usize {
        // SAFETY: alive.
        unsafe { mlirBlockGetNumArguments(self.to_raw()) as usize }
    }

    /// Argument `index`; panics out of range.
    #[track_caller]
    pub fn argument(self, index: usize) -> Value<'c> {
        assert!(index < self.argument_count(), "the block has no argument #{index}");
        // SAFETY: alive and in range.
        unsafe { Value::from_raw(mlirBlockGetArgument(self.raw, index as isize), self.scope) }
    }

    /// All arguments.
    #[track_caller]
    pub fn arguments(self) -> impl ExactSizeIterator<Item = Value<'c>> + use<'c> {
        let n = self.argument_count();
        (0..n).map(move |i| self.argument(i))
    }

    /// Adds an argument at the end.
    #[track_caller]
    pub fn add_argument(self, ty: Type<'c>, location: Location<'c>) -> Value<'c> {
        // SAFETY: alive.
        unsafe {
            let raw = mlirBlockAddArgument(self.to_raw(), ty.to_raw(), location.to_raw());
            Value::from_raw(raw, self.scope)
        }
    }

    /// A snapshot of the operations in it, in order.
    #[track_caller]
    pub fn operations(self) -> Vec<Operation<'c>> {
        let mut out = Vec::new();
        // SAFETY: alive; null at the end.
        unsafe {
            let mut raw = mlirBlockGetFirstOperation(self.to_raw());
            while !raw.ptr.is_null() {
                out.push(Operation::from_raw(raw, self.scope));
                raw = mlirOperationGetNextInBlock(raw);
            }
        }
        out
    }

    /// The terminator, if it has one.
    #[track_caller]
    pub fn terminator(self) -> Option<Operation<'c>> {
        // SAFETY: alive; null where there is none.
        unsafe { Operation::from_nullable(mlirBlockGetTerminator(self.to_raw()), self.scope) }
    }

    /// The operation whose region holds it.
    #[track_caller]
    pub fn parent(self) -> Option<Operation<'c>> {
        // SAFETY: alive; null for a detached block.
        unsafe { Operation::from_nullable(mlirBlockGetParentOperation(self.to_raw()), self.scope) }
    }

    /// How many blocks may pass control to it, counted once per way.
    #[track_caller]
    pub(crate) fn predecessor_count(self) -> usize {
        // SAFETY: alive.
        unsafe { mlirBlockGetNumPredecessors(self.to_raw()) as usize }
    }

    /// Whether it is in a region still.
    #[track_caller]
    pub(crate) fn is_attached(self) -> bool {
        // SAFETY: alive; null for a detached block.
        unsafe { !mlirBlockGetParentRegion(self.to_raw()).ptr.is_null() }
    }

    pub(crate) fn scope(self) -> &'c Scope {
        self.scope
    }
}

impl PartialEq for Block<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.raw.ptr == other.raw.ptr
    }
}

impl Eq for Block<'_> {}

impl fmt::Debug for Block<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Block({:?})", self.raw.ptr)
    }
}

impl<'c> Region<'c> {
    #[track_caller]
    pub(crate) fn to_raw(self) -> MlirRegion {
        self.owner.to_raw();
        self.raw
    }

    /// The operation that it belongs to.
    pub fn owner(self) -> Operation<'c> {
        self.owner
    }

    /// A snapshot of the blocks in it, in order.
    #[track_caller]
    pub fn blocks(self) -> Vec<Block<'c>> {
        let mut out = Vec::new();
        // SAFETY: the owner is alive; null at the end.
        unsafe {
            let mut raw = mlirRegionGetFirstBlock(self.to_raw());
            while !raw.ptr.is_null() {
                out.push(Block::from_raw(raw, self.owner.scope()));
                raw = mlirBlockGetNextInRegion(raw);
            }
        }
        out
    }

    /// The first block.
    #[track_caller]
    pub fn entry(self) -> Option<Block<'c>> {
        // SAFETY: the owner is alive; null when empty.
        unsafe {
            let raw = mlirRegionGetFirstBlock(self.to_raw());
            (!raw.ptr.is_null()).then(|| Block::from_raw(raw, self.owner.scope()))
        }
    }

    /// Adds a block at the end.
    #[track_caller]
    pub fn append_block(self, arguments: &[(Type<'c>, Location<'c>)]) -> Block<'c> {
        let types: Vec<_> = arguments.iter().map(|(ty, _)| ty.to_raw()).collect();
        let locations: Vec<_> = arguments.iter().map(|(_, loc)| loc.to_raw()).collect();
        // SAFETY: the region takes ownership of the new block.
        unsafe {
            let block = mlirBlockCreate(types.len() as isize, types.as_ptr(), locations.as_ptr());
            mlirRegionAppendOwnedBlock(self.to_raw(), block);
            Block::from_raw(block, self.owner.scope())
        }
    }
}
