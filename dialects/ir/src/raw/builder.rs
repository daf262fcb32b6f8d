//! The only ways to change IR: a builder that inserts, and a rewriter that also replaces and erases.

use super::attribute::Attribute;
use super::block::{Block, Region};
use super::context::{Context, ContextRef, Location};
use super::operation::Operation;
use super::scope::{Editing, Scope};
use super::text;
use super::types::Type;
use super::value::Value;
use crate::diagnostic::Error;
use mlir_sys::*;
use std::cell::Cell;
use std::marker::PhantomData;
use std::ops::Deref;
use thunder_mlir_shim::conversion::{thunderConversionReplace, thunderConversionReplaced};
use thunder_mlir_shim::rewrite::{thunderRewriterFollow, thunderRewriterMoveBlocks};

/// Inserts operations at a point.
pub struct Builder<'c> {
    raw: MlirRewriterBase,
    owned: bool,
    /// Within a dialect conversion, which deletes only at its end, the address of the operation under conversion.
    converting: Option<usize>,
    modified: Cell<bool>,
    scope: &'c Scope,
    location: Cell<MlirLocation>,
    lifetime: PhantomData<&'c Context>,
}

/// A [`Builder`] that may also replace and erase.
pub struct Rewriter<'c>(Builder<'c>);

/// What an operation is made of, before it exists.
#[derive(Clone)]
pub struct Blueprint<'c> {
    /// The full name, dialect included.
    pub name: String,
    /// The operands.
    pub operands: Vec<Value<'c>>,
    /// The types of the results.
    pub results: Vec<Type<'c>>,
    /// Whether the operation shall infer the types of its results, of which none are given then.
    pub infers: bool,
    /// The attributes by name.
    pub attributes: Vec<(String, Attribute<'c>)>,
    /// How many empty regions it starts with.
    pub regions: usize,
    /// The blocks that it may pass control to.
    pub successors: Vec<Block<'c>>,
}

impl<'c> Blueprint<'c> {
    /// An operation with nothing but a name.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            operands: Vec::new(),
            results: Vec::new(),
            infers: false,
            attributes: Vec::new(),
            regions: 0,
            successors: Vec::new(),
        }
    }

    /// Adds operands.
    pub fn operands(mut self, operands: impl IntoIterator<Item = Value<'c>>) -> Self {
        self.operands.extend(operands);
        self
    }

    /// Adds results.
    pub fn results(mut self, results: impl IntoIterator<Item = Type<'c>>) -> Self {
        self.results.extend(results);
        self
    }

    /// Leaves the types of results to the operation, which must know how to infer them.
    pub fn infer(mut self) -> Self {
        self.infers = true;
        self
    }

    /// Adds an attribute.
    pub fn attribute(mut self, name: &str, value: Attribute<'c>) -> Self {
        self.attributes.push((name.to_owned(), value));
        self
    }

    /// Adds empty regions.
    pub fn regions(mut self, count: usize) -> Self {
        self.regions += count;
        self
    }

    /// Adds successors.
    pub fn successors(mut self, blocks: impl IntoIterator<Item = Block<'c>>) -> Self {
        self.successors.extend(blocks);
        self
    }
}

impl Drop for Builder<'_> {
    fn drop(&mut self) {
        if self.owned {
            // SAFETY: created by `detached` or `copied` below and not shared.
            unsafe { mlirIRRewriterDestroy(self.raw) }
        }
    }
}

impl<'c> Builder<'c> {
    #[track_caller]
    fn detached(cx: ContextRef<'c>, scope: &'c Scope, location: Location<'c>) -> Self {
        // SAFETY: the context is alive, and so is the driver's rewriter while handles of its callback are.
        let raw = unsafe {
            match scope.editing() {
                Editing::Free => mlirIRRewriterCreate(cx.to_raw()),
                Editing::Followed(driver) => thunderRewriterFollow(driver),
                Editing::Refused(reason) => panic!("{reason}"),
            }
        };
        Self {
            raw,
            owned: true,
            converting: None,
            modified: Cell::new(false),
            scope,
            location: Cell::new(location.to_raw()),
            lifetime: PhantomData,
        }
    }

    /// # Safety
    /// `raw` is a live rewriter that outlives the value, and erasures by others reach `scope`.
    pub(crate) unsafe fn from_raw(raw: MlirRewriterBase, scope: &'c Scope, location: Location<'c>) -> Self {
        let (modified, location) = (Cell::new(false), Cell::new(location.to_raw()));
        Self { raw, owned: false, converting: None, modified, scope, location, lifetime: PhantomData }
    }

    /// The rewriter behind it.
    pub(crate) fn to_raw(&self) -> MlirRewriterBase {
        self.raw
    }

    pub(crate) fn scope(&self) -> &'c Scope {
        self.scope
    }

    /// The owning context.
    pub fn context(&self) -> ContextRef<'c> {
        // SAFETY: the rewriter is alive.
        unsafe { ContextRef::from_raw(mlirRewriterBaseGetContext(self.raw)) }
    }

    /// The location that new operations get.
    pub fn location(&self) -> Location<'c> {
        // SAFETY: set from a location of this lifetime.
        unsafe { Location::from_raw(self.location.get()) }
    }

    /// Gives new operations another location, and returns the one before.
    pub fn set_location(&self, location: Location<'c>) -> Location<'c> {
        let before = self.location.replace(location.to_raw());
        // SAFETY: set from a location of this lifetime.
        unsafe { Location::from_raw(before) }
    }

    /// Inserts before `op` from now on.
    #[track_caller]
    pub fn before(&self, op: Operation<'c>) -> &Self {
        attached(op.block());
        // SAFETY: alive and in a block.
        unsafe { mlirRewriterBaseSetInsertionPointBefore(self.raw, op.to_raw()) }
        self
    }

    /// Inserts after `op` from now on.
    #[track_caller]
    pub fn after(&self, op: Operation<'c>) -> &Self {
        attached(op.block());
        // SAFETY: alive and in a block.
        unsafe { mlirRewriterBaseSetInsertionPointAfter(self.raw, op.to_raw()) }
        self
    }

    /// Inserts at the start of `block` from now on.
    #[track_caller]
    pub fn at_start(&self, block: Block<'c>) -> &Self {
        attached(Some(block));
        // SAFETY: alive.
        unsafe { mlirRewriterBaseSetInsertionPointToStart(self.raw, block.to_raw()) }
        self
    }

    /// Inserts at the end of `block` from now on.
    #[track_caller]
    pub fn at_end(&self, block: Block<'c>) -> &Self {
        attached(Some(block));
        // SAFETY: alive.
        unsafe { mlirRewriterBaseSetInsertionPointToEnd(self.raw, block.to_raw()) }
        self
    }

    /// The block that new operations go to.
    pub fn insertion_block(&self) -> Option<Block<'c>> {
        // SAFETY: the rewriter is alive; null where no point is set.
        unsafe {
            let raw = mlirRewriterBaseGetInsertionBlock(self.raw);
            (!raw.ptr.is_null()).then(|| Block::from_raw(raw, self.scope))
        }
    }

    fn next_operation(&self) -> Option<Operation<'c>> {
        self.insertion_block()?;
        // SAFETY: a point is set; null at the end of its block.
        unsafe {
            let raw = mlirRewriterBaseGetOperationAfterInsertion(self.raw);
            (!raw.ptr.is_null()).then(|| Operation::from_raw(raw, self.scope))
        }
    }

    /// Runs `body` and puts the insertion point and location back.
    pub fn nested<T>(&self, body: impl FnOnce(&Self) -> T) -> T {
        let (block, next) = (self.insertion_block(), self.next_operation());
        let location = self.location();
        let value = body(self);
        self.set_location(location);
        match (next, block) {
            (Some(next), _) if next.is_alive() => _ = self.before(next),
            (_, Some(block)) => _ = self.at_end(block),
            _ => {}
        }
        value
    }

    /// Makes an operation and inserts it; it is not verified yet.
    #[track_caller]
    pub fn insert(&self, blueprint: &Blueprint<'c>) -> Result<Operation<'c>, Error> {
        let cx = self.context();
        if !cx.knows_op(&blueprint.name) {
            return Err(Error::at(self.location(), format!("no operation '{}' is registered", blueprint.name)));
        }
        let Some(block) = self.insertion_block() else {
            return Err(Error::at(self.location(), "the builder has no insertion point"));
        };
        if let Some(parent) = block.parent().filter(|parent| self.has_replaced(*parent)) {
            return Err(parent.error("was replaced already: nothing can be inserted into it"));
        }
        let operands: Vec<_> = blueprint.operands.iter().map(|v| v.to_raw()).collect();
        let results: Vec<_> = blueprint.results.iter().map(|t| t.to_raw()).collect();
        let successors: Vec<_> = blueprint.successors.iter().map(|b| b.to_raw()).collect();
        // SAFETY: every pointer is valid during the call with its own count; created regions are
        // owned by the new operation, which the rewriter's block owns.
        unsafe {
            let attributes: Vec<_> = blueprint
                .attributes
                .iter()
                .map(|(name, value)| MlirNamedAttribute {
                    name: mlirIdentifierGet(cx.to_raw(), text(name)),
                    attribute: value.to_raw(),
                })
                .collect();
            let regions: Vec<_> = (0..blueprint.regions).map(|_| mlirRegionCreate()).collect();
            let mut state = mlirOperationStateGet(text(&blueprint.name), self.location().to_raw());
            mlirOperationStateAddOperands(&mut state, operands.len() as isize, operands.as_ptr());
            mlirOperationStateAddResults(&mut state, results.len() as isize, results.as_ptr());
            mlirOperationStateAddAttributes(&mut state, attributes.len() as isize, attributes.as_ptr());
            mlirOperationStateAddOwnedRegions(&mut state, regions.len() as isize, regions.as_ptr());
            mlirOperationStateAddSuccessors(&mut state, successors.len() as isize, successors.as_ptr());
            if blueprint.infers {
                mlirOperationStateEnableResultTypeInference(&mut state);
            }
            let raw = mlirOperationCreate(&mut state);
            if raw.ptr.is_null() {
                return Err(Error::at(
                    self.location(),
                    format!("'{}' could not be made from its operands and attributes", blueprint.name),
                ));
            }
            let raw = mlirRewriterBaseInsert(self.raw, raw);
            Ok(Operation::from_raw(raw, self.scope))
        }
    }

    /// Takes an operation back that this builder has made and that nothing uses yet.
    #[track_caller]
    pub(crate) fn take_back(&self, op: Operation<'c>) {
        let addresses = op.addresses();
        // SAFETY: alive and unused.
        unsafe { mlirRewriterBaseEraseOp(self.raw, op.to_raw()) }
        self.scope.erase(addresses, std::panic::Location::caller());
    }

    /// Whether the running conversion has replaced or erased `op`.
    #[track_caller]
    pub(crate) fn has_replaced(&self, op: Operation<'c>) -> bool {
        // SAFETY: alive, and the rewriter is a conversion's.
        self.converting.is_some() && unsafe { thunderConversionReplaced(self.raw, op.to_raw()) }
    }

    /// Copies `op` and all below it to the insertion point.
    #[track_caller]
    pub fn clone_op(&self, op: Operation<'c>) -> Operation<'c> {
        // SAFETY: alive.
        unsafe { Operation::from_raw(mlirRewriterBaseClone(self.raw, op.to_raw()), self.scope) }
    }
}

impl<'c> Deref for Rewriter<'c> {
    type Target = Builder<'c>;
    fn deref(&self) -> &Builder<'c> {
        &self.0
    }
}

impl<'c> Rewriter<'c> {
    /// # Safety
    /// `raw` is a live rewriter that outlives the value, and erasures by others reach `scope`. If and only if it is
    /// a dialect conversion's, `converting` is the operation under conversion.
    pub(crate) unsafe fn from_raw(
        raw: MlirRewriterBase,
        scope: &'c Scope,
        location: Location<'c>,
        converting: Option<Operation<'c>>,
    ) -> Self {
        // SAFETY: the caller promises it.
        let mut builder = unsafe { Builder::from_raw(raw, scope, location) };
        builder.converting = converting.map(|op| op.to_raw().ptr as usize);
        Self(builder)
    }

    /// A rewriter that inserts before `op`, outside of any pattern.
    #[track_caller]
    pub fn at(op: Operation<'c>) -> Self {
        let rewriter = Self(Builder::detached(op.context(), op.scope(), op.location()));
        if op.block().is_some() {
            rewriter.before(op);
        }
        rewriter
    }

    /// A rewriter that appends to `block`.
    #[track_caller]
    pub fn at_end_of(block: Block<'c>, location: Location<'c>) -> Self {
        let rewriter = Self(Builder::detached(location.context(), block.scope(), location));
        rewriter.at_end(block);
        rewriter
    }

    /// Whether it has replaced, erased or modified the operation under conversion.
    pub(crate) fn has_changed(&self, op: MlirOperation) -> bool {
        // SAFETY: a conversion deletes nothing before its end.
        self.0.modified.get() || unsafe { thunderConversionReplaced(self.0.raw, op) }
    }

    /// Replaces all results of `op` and erases it.
    ///
    /// Discardable attributes, those that the definition of `op` does not declare, are kept where one operation
    /// plainly takes its place: all values are results of one operation, which stands before `op` in the same block
    /// and which nothing uses yet. It gets each attribute that it neither has nor declares.
    /// [`replace_discarding`](Self::replace_discarding) leaves them out.
    #[track_caller]
    pub fn replace(&self, op: Operation<'c>, values: &[Value<'c>]) -> Result<(), Error> {
        let successor = values.first().and_then(|value| value.defining_op());
        let heir = successor.filter(|heir| {
            *heir != op && heir.is_fresh_before(op) && values.iter().all(|value| value.defining_op() == Some(*heir))
        });
        let kept = op.discardable_attributes();
        self.replace_discarding(op, values)?;
        heir.into_iter().for_each(|heir| heir.inherit(&kept));
        Ok(())
    }

    /// Replaces `op` by `by`, result by result, and erases it; `by` gets its discardable attributes as in
    /// [`replace`](Self::replace), wherever it stands. For operations without results, too.
    #[track_caller]
    pub fn replace_op(&self, op: Operation<'c>, by: Operation<'c>) -> Result<(), Error> {
        let values: Vec<_> = by.results().collect();
        let kept = op.discardable_attributes();
        self.replace_discarding(op, &values)?;
        by.inherit(&kept);
        Ok(())
    }

    /// [`replace`](Self::replace), but discardable attributes go with `op`.
    #[track_caller]
    pub fn replace_discarding(&self, op: Operation<'c>, values: &[Value<'c>]) -> Result<(), Error> {
        if values.len() != op.result_count() {
            return Err(op.error(format!(
                "has {} results and cannot be replaced by {} values",
                op.result_count(),
                values.len()
            )));
        }
        let raw: Vec<_> = values.iter().map(|v| v.to_raw()).collect();
        let addresses = self.leave(op, values)?;
        // SAFETY: alive, with as many values as results.
        unsafe {
            mlirRewriterBaseReplaceOpWithValues(self.0.raw, op.to_raw(), raw.len() as isize, raw.as_ptr());
        }
        self.0.scope.erase(addresses, std::panic::Location::caller());
        Ok(())
    }

    /// Replaces each result of `op` by any number of values; only a conversion can.
    #[track_caller]
    pub(crate) fn replace_each(&self, op: Operation<'c>, values: &[Vec<Value<'c>>]) -> Result<(), Error> {
        if values.len() != op.result_count() {
            return Err(op.error(format!(
                "has {} results and cannot be replaced by {} groups of values",
                op.result_count(),
                values.len()
            )));
        }
        assert!(self.0.converting.is_some(), "only the rewriter of a conversion replaces one value by many");
        let flat = values.concat();
        let raw: Vec<_> = flat.iter().map(|v| v.to_raw()).collect();
        let sizes: Vec<_> = values.iter().map(|group| group.len() as isize).collect();
        let addresses = self.leave(op, &flat)?;
        // SAFETY: alive, with one size per result and as many values as they say.
        unsafe { thunderConversionReplace(self.0.raw, op.to_raw(), sizes.as_ptr(), raw.as_ptr()) }
        self.0.scope.erase(addresses, std::panic::Location::caller());
        Ok(())
    }

    /// Erases `op`, which nothing may use any more; in a conversion, by its end.
    #[track_caller]
    pub fn erase(&self, op: Operation<'c>) -> Result<(), Error> {
        if self.0.converting.is_none()
            && let Some(value) = op.results().find(|v| !v.is_unused())
        {
            let (user, _) = value.uses()[0];
            return Err(op.error(format!("is still used by '{}' and cannot be erased", user.name())));
        }
        let addresses = self.leave(op, &[])?;
        // SAFETY: alive and unused, or a conversion gives its users a value or fails.
        unsafe { mlirRewriterBaseEraseOp(self.0.raw, op.to_raw()) }
        self.0.scope.erase(addresses, std::panic::Location::caller());
        Ok(())
    }

    /// Checks that `op` can go and `values` take its place, keeps the insertion point out of it, and tells which
    /// addresses go with it.
    #[track_caller]
    fn leave(&self, op: Operation<'c>, values: &[Value<'c>]) -> Result<Vec<usize>, Error> {
        let addresses = op.addresses();
        if let Some(value) = values.iter().find(|v| addresses.contains(&v.owner())) {
            return Err(op.error(format!("cannot be replaced by its own value of {}", value.ty())));
        }
        if self.0.scope.needs(&addresses) {
            return Err(op.error("holds what the pass or pattern driver runs on and cannot be erased"));
        }
        if self.has_replaced(op) {
            return Err(op.error("was replaced or erased by another pattern already"));
        }
        let root = self.0.converting.unwrap_or(op.to_raw().ptr as usize);
        if op.name() == "builtin.unrealized_conversion_cast" && op.to_raw().ptr as usize != root {
            return Err(op.error("was made by the conversion, which alone may remove it"));
        }
        self.step_out(op);
        Ok(addresses)
    }

    /// Keeps the insertion point out of an operation that is about to go.
    fn step_out(&self, op: Operation<'c>) {
        if self.next_operation() == Some(op) {
            self.after(op);
            return;
        }
        let mut around = self.insertion_block().and_then(|b| b.parent());
        while let Some(outer) = around {
            if outer == op {
                self.after(op);
                return;
            }
            around = outer.parent();
        }
    }

    /// Replaces every use of `from`; in a conversion, at most once for each value.
    #[track_caller]
    pub fn replace_uses(&self, from: Value<'c>, to: Value<'c>) {
        assert!(from != to, "a value cannot replace itself");
        // SAFETY: both alive and different.
        unsafe { mlirRewriterBaseReplaceAllUsesWith(self.0.raw, from.to_raw(), to.to_raw()) }
    }

    /// Changes `op` in place; drivers hear of it.
    #[track_caller]
    pub fn modify<T>(&self, op: Operation<'c>, change: impl FnOnce(Operation<'c>) -> T) -> T {
        assert!(!self.has_replaced(op), "'{}' was replaced or erased by another pattern already", op.name());
        self.0.modified.set(true);
        // SAFETY: alive; the two calls bracket the change.
        unsafe {
            mlirRewriterBaseStartOpModification(self.0.raw, op.to_raw());
            let value = change(op);
            mlirRewriterBaseFinalizeOpModification(self.0.raw, op.to_raw());
            value
        }
    }

    /// Moves `op` before `other`.
    #[track_caller]
    pub fn move_before(&self, op: Operation<'c>, other: Operation<'c>) {
        attached(op.block());
        attached(other.block());
        assert!(!other.is_within(op), "an operation cannot move into itself");
        // SAFETY: both alive and in blocks, neither within the other.
        unsafe { mlirRewriterBaseMoveOpBefore(self.0.raw, op.to_raw(), other.to_raw()) }
    }

    /// Moves all operations of `block` before `op`, with its arguments replaced, and erases `block`.
    #[track_caller]
    pub fn inline_block(&self, block: Block<'c>, op: Operation<'c>, arguments: &[Value<'c>]) {
        assert_eq!(block.argument_count(), arguments.len(), "one value per block argument");
        assert_eq!(block.predecessor_count(), 0, "a block that others branch to cannot be inlined");
        attached(op.block());
        let outer = std::iter::successors(op.block(), |inner| inner.parent().and_then(Operation::block));
        assert!(!outer.into_iter().any(|outer| outer == block), "a block cannot be inlined into itself");
        let raw: Vec<_> = arguments.iter().map(|v| v.to_raw()).collect();
        let address = block.to_raw().ptr as usize;
        // SAFETY: all alive, with as many values as arguments.
        unsafe {
            mlirRewriterBaseInlineBlockBefore(
                self.0.raw,
                block.to_raw(),
                op.to_raw(),
                raw.len() as isize,
                raw.as_ptr(),
            );
        }
        self.0.scope.erase([address], std::panic::Location::caller());
    }

    /// Moves the blocks of `from` to the end of `to`.
    #[track_caller]
    pub fn take_region(&self, from: Region<'c>, to: Region<'c>) {
        assert!(!to.owner().is_within(from.owner()), "a region cannot move into itself");
        // SAFETY: both owners are alive, and `to` is not below `from`.
        unsafe { thunderRewriterMoveBlocks(self.0.raw, from.to_raw(), to.to_raw()) }
    }
}

impl<'c> Operation<'c> {
    /// Whether it was made to replace `other`: it stands before it and nothing uses it yet.
    fn is_fresh_before(self, other: Operation<'c>) -> bool {
        self.block() == other.block()
            && self.block().is_some()
            && self.is_before(other)
            && self.results().all(|v| v.is_unused())
    }

    /// Takes over attributes of an operation that it replaces, but for those that it has or declares itself.
    fn inherit(self, attributes: &[(&str, Attribute<'c>)]) {
        for (name, value) in attributes {
            if !self.declares_attribute(name) && self.attribute(name).is_none() {
                self.set_attribute(name, *value);
            }
        }
    }
}

/// Panics where the block of an insertion point is none, or was taken out of its region by a conversion.
#[track_caller]
fn attached(block: Option<Block<'_>>) {
    assert!(block.is_some_and(Block::is_attached), "an insertion point is in a block of a region");
}
