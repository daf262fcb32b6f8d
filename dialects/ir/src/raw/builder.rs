//! The only ways to change IR: a builder that inserts, and a rewriter that also replaces and erases.

use super::attribute::Attribute;
use super::context::{Context, ContextRef, Location};
use super::diagnostic::capture;
use super::operation::{Block, Operation, Region, Value};
use super::scope::Scope;
use super::text;
use super::types::Type;
use crate::diagnostic::Error;
use mlir_sys::*;
use std::cell::Cell;
use std::marker::PhantomData;
use std::ops::Deref;
use thunder_mlir_shim::dialect::thunderModuleParse;

/// Inserts operations at a point.
pub struct Builder<'c> {
    raw: MlirRewriterBase,
    owned: bool,
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
            // SAFETY: created by `detached` below and not shared.
            unsafe { mlirIRRewriterDestroy(self.raw) }
        }
    }
}

impl<'c> Builder<'c> {
    fn detached(cx: ContextRef<'c>, scope: &'c Scope, location: Location<'c>) -> Self {
        // SAFETY: the context is alive.
        let raw = unsafe { mlirIRRewriterCreate(cx.to_raw()) };
        Self { raw, owned: true, scope, location: Cell::new(location.to_raw()), lifetime: PhantomData }
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
        // SAFETY: alive.
        unsafe { mlirRewriterBaseSetInsertionPointBefore(self.raw, op.to_raw()) }
        self
    }

    /// Inserts after `op` from now on.
    #[track_caller]
    pub fn after(&self, op: Operation<'c>) -> &Self {
        // SAFETY: alive.
        unsafe { mlirRewriterBaseSetInsertionPointAfter(self.raw, op.to_raw()) }
        self
    }

    /// Inserts at the start of `block` from now on.
    #[track_caller]
    pub fn at_start(&self, block: Block<'c>) -> &Self {
        // SAFETY: alive.
        unsafe { mlirRewriterBaseSetInsertionPointToStart(self.raw, block.to_raw()) }
        self
    }

    /// Inserts at the end of `block` from now on.
    #[track_caller]
    pub fn at_end(&self, block: Block<'c>) -> &Self {
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
        if self.insertion_block().is_none() {
            return Err(Error::at(self.location(), "the builder has no insertion point"));
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
            let raw = mlirOperationCreate(&mut state);
            if raw.ptr.is_null() {
                return Err(Error::at(
                    self.location(),
                    format!("'{}' could not be made from its attributes", blueprint.name),
                ));
            }
            let raw = mlirRewriterBaseInsert(self.raw, raw);
            Ok(Operation::from_raw(raw, self.scope))
        }
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
    /// `raw` is a live rewriter that outlives the value, and erasures by others reach `scope`.
    pub(crate) unsafe fn from_raw(raw: MlirRewriterBase, scope: &'c Scope, location: Location<'c>) -> Self {
        Self(Builder { raw, owned: false, scope, location: Cell::new(location.to_raw()), lifetime: PhantomData })
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

    /// Replaces all results of `op` and erases it; attributes that its dialect does not declare
    /// move to the operation that defines the first new value, unless that has them already.
    #[track_caller]
    pub fn replace(&self, op: Operation<'c>, values: &[Value<'c>]) -> Result<(), Error> {
        if values.len() != op.result_count() {
            return Err(op.error(format!(
                "has {} results and cannot be replaced by {} values",
                op.result_count(),
                values.len()
            )));
        }
        if let Some(successor) = values.first().and_then(|v| v.defining_op())
            && successor != op
            && successor.is_fresh_before(op)
        {
            for (name, value) in op.discardable_attributes() {
                if successor.attribute(name).is_none() {
                    successor.set_attribute(name, value);
                }
            }
        }
        if let Some(value) = values.iter().find(|v| v.defining_op() == Some(op)) {
            return Err(op.error(format!("cannot be replaced by its own result of {}", value.ty())));
        }
        let raw: Vec<_> = values.iter().map(|v| v.to_raw()).collect();
        let addresses = op.addresses();
        self.leave(op);
        // SAFETY: alive, with as many values as results.
        unsafe {
            mlirRewriterBaseReplaceOpWithValues(self.0.raw, op.to_raw(), raw.len() as isize, raw.as_ptr());
        }
        self.0.scope.erase(addresses, std::panic::Location::caller());
        Ok(())
    }

    /// Erases `op`, which nothing may use any more.
    #[track_caller]
    pub fn erase(&self, op: Operation<'c>) -> Result<(), Error> {
        if let Some(value) = op.results().find(|v| !v.is_unused()) {
            let (user, _) = value.uses()[0];
            return Err(op.error(format!("is still used by '{}' and cannot be erased", user.name())));
        }
        let addresses = op.addresses();
        self.leave(op);
        // SAFETY: alive and unused.
        unsafe { mlirRewriterBaseEraseOp(self.0.raw, op.to_raw()) }
        self.0.scope.erase(addresses, std::panic::Location::caller());
        Ok(())
    }

    /// Keeps the insertion point out of an operation that is about to go.
    fn leave(&self, op: Operation<'c>) {
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

    /// Replaces every use of `from`.
    #[track_caller]
    pub fn replace_uses(&self, from: Value<'c>, to: Value<'c>) {
        // SAFETY: both alive.
        unsafe { mlirRewriterBaseReplaceAllUsesWith(self.0.raw, from.to_raw(), to.to_raw()) }
    }

    /// Changes `op` in place; drivers hear of it.
    #[track_caller]
    pub fn modify<T>(&self, op: Operation<'c>, change: impl FnOnce(Operation<'c>) -> T) -> T {
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
        // SAFETY: both alive.
        unsafe { mlirRewriterBaseMoveOpBefore(self.0.raw, op.to_raw(), other.to_raw()) }
    }

    /// Moves all operations of `block` before `op`, with its arguments replaced, and erases `block`.
    #[track_caller]
    pub fn inline_block(&self, block: Block<'c>, op: Operation<'c>, arguments: &[Value<'c>]) {
        assert_eq!(block.argument_count(), arguments.len(), "one value per block argument");
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
        // SAFETY: both owners are alive.
        unsafe { mlirRegionTakeBody(to.to_raw(), from.to_raw()) }
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
}

/// An owned module.
pub struct Module<'x> {
    raw: MlirModule,
    scope: Box<Scope>,
    context: &'x Context,
}

impl Drop for Module<'_> {
    fn drop(&mut self) {
        // SAFETY: owned; no handle outlives the borrow of `self`.
        unsafe { mlirModuleDestroy(self.raw) }
    }
}

impl<'x> Module<'x> {
    /// An empty module.
    pub fn new(context: &'x Context, location: Location<'x>) -> Self {
        // SAFETY: the location's context is alive.
        let raw = unsafe { mlirModuleCreateEmpty(location.to_raw()) };
        Self { raw, scope: Box::default(), context }
    }

    /// Parses and verifies text or bytecode.
    pub fn parse(context: &'x Context, name: &str, source: &[u8]) -> Result<Self, Error> {
        let mut buffer = source.to_vec();
        buffer.push(0);
        let name = std::ffi::CString::new(name.replace('\0', "?")).expect("a name without zero bytes");
        let cx = context.as_ref();
        let (raw, diagnostics) = capture(cx, || {
            let source = MlirStringRef { data: buffer.as_ptr().cast(), length: source.len() };
            let name = MlirStringRef { data: name.as_ptr(), length: name.as_bytes().len() };
            // SAFETY: the buffer is zero-terminated beyond its length, as MLIR's lexer wants.
            let module = unsafe { thunderModuleParse(cx.to_raw(), source, name) };
            (!module.ptr.is_null()).then_some(module)
        });
        match raw {
            Some(raw) => Ok(Self { raw, scope: Box::default(), context }),
            None => Err(Error::from_diagnostics(diagnostics, "the source is not one module")),
        }
    }

    /// The `builtin.module` operation.
    pub fn operation(&self) -> Operation<'_> {
        // SAFETY: owned and alive; erasures below it go through handles of this scope.
        unsafe { Operation::from_raw(mlirModuleGetOperation(self.raw), &self.scope) }
    }

    /// The block of the module.
    pub fn body(&self) -> Block<'_> {
        // SAFETY: owned and alive.
        unsafe { Block::from_raw(mlirModuleGetBody(self.raw), &self.scope) }
    }

    /// The owning context.
    pub fn context(&self) -> &'x Context {
        self.context
    }

    /// A deep copy.
    pub fn duplicate(&self) -> Self {
        // SAFETY: the clone is a detached module operation, owned by the new value.
        let raw = unsafe { mlirModuleFromOperation(mlirOperationClone(mlirModuleGetOperation(self.raw))) };
        Self { raw, scope: Box::default(), context: self.context }
    }

    /// Verifies it; the diagnostics come back as the error.
    pub fn verify(&self) -> Result<(), Error> {
        let (ok, diagnostics) = capture(self.context.as_ref(), || self.operation().verify());
        if ok { Ok(()) } else { Err(Error::from_diagnostics(diagnostics, "the module is invalid")) }
    }
}

impl std::fmt::Display for Module<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.operation(), f)
    }
}
