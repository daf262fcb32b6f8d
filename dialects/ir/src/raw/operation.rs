//! Handles to what can be erased: operations, blocks, regions and values.

use super::attribute::Attribute;
use super::context::{ContextRef, Location};
use super::scope::{Editing, Scope};
use super::types::Type;
use super::{collect, read, text};
use crate::diagnostic::{Error, Severity};
use crate::op::OpDef;
use mlir_sys::*;
use std::ffi::c_void;
use std::fmt;
use thunder_mlir_shim::dialect::{thunderOperationData, thunderOperationHasTrait, thunderOperationIsPure};
use thunder_mlir_shim::pass::thunderEmit;

/// A live operation, or a panic that says where it was erased.
#[derive(Clone, Copy)]
pub struct Operation<'c> {
    raw: MlirOperation,
    born: u32,
    scope: &'c Scope,
}

/// A live block, or a panic that says where it was erased.
#[derive(Clone, Copy)]
pub struct Block<'c> {
    raw: MlirBlock,
    born: u32,
    scope: &'c Scope,
}

/// A region of a live operation.
#[derive(Clone, Copy)]
pub struct Region<'c> {
    raw: MlirRegion,
    owner: Operation<'c>,
}

/// A result of a live operation or an argument of a live block.
#[derive(Clone, Copy)]
pub struct Value<'c> {
    raw: MlirValue,
    owner: usize,
    born: u32,
    scope: &'c Scope,
}

#[cold]
#[track_caller]
fn erased(what: &str, site: &std::panic::Location<'_>) -> ! {
    panic!("use of {what} that was erased at {site}")
}

impl<'c> Operation<'c> {
    /// # Safety
    /// The operation is alive, and everything that erases it while `scope` lives tells `scope`.
    pub(crate) unsafe fn from_raw(raw: MlirOperation, scope: &'c Scope) -> Self {
        Self { raw, born: scope.now(), scope }
    }

    unsafe fn from_nullable(raw: MlirOperation, scope: &'c Scope) -> Option<Self> {
        // SAFETY: not null; the caller promises the rest.
        (!raw.ptr.is_null()).then(|| unsafe { Self::from_raw(raw, scope) })
    }

    /// The raw handle of a live operation.
    #[track_caller]
    pub(crate) fn to_raw(self) -> MlirOperation {
        if let Some(site) = self.scope.erasure(self.raw.ptr as usize, self.born) {
            erased("an operation", site);
        }
        self.raw
    }

    pub(crate) fn scope(self) -> &'c Scope {
        self.scope
    }

    /// Refuses to run a driver where another one is at work.
    #[track_caller]
    pub(crate) fn check_free(self) -> Result<(), Error> {
        match self.scope.editing() {
            Editing::Free => Ok(()),
            _ => Err(self.error("is under a pattern driver already: another cannot run")),
        }
    }

    /// Whether it has not been erased.
    pub fn is_alive(self) -> bool {
        self.scope.erasure(self.raw.ptr as usize, self.born).is_none()
    }

    /// The owning context.
    #[track_caller]
    pub fn context(self) -> ContextRef<'c> {
        // SAFETY: alive.
        unsafe { ContextRef::from_raw(mlirOperationGetContext(self.to_raw())) }
    }

    /// The full name, dialect included.
    #[track_caller]
    pub fn name(self) -> &'c str {
        // SAFETY: alive; the context owns the text.
        unsafe { read(mlirIdentifierStr(mlirOperationGetName(self.to_raw()))) }
    }

    /// Where it came from.
    #[track_caller]
    pub fn location(self) -> Location<'c> {
        // SAFETY: alive.
        unsafe { Location::from_raw(mlirOperationGetLocation(self.to_raw())) }
    }

    /// What its dialect says of it, if that dialect is written in Rust.
    #[track_caller]
    pub fn definition(self) -> Option<&'static OpDef> {
        // SAFETY: alive; the table's data is the `OpDef` that registered the operation.
        unsafe { thunderOperationData(self.to_raw()).cast::<OpDef>().as_ref() }
    }

    /// Whether MLIR sees this trait on it; the names are those of `#[op]`.
    #[track_caller]
    pub fn has_trait(self, name: &str) -> bool {
        // SAFETY: alive.
        unsafe { thunderOperationHasTrait(self.to_raw(), text(name)) }
    }

    /// Whether it has no memory effects and may be speculated, as MLIR sees it.
    #[track_caller]
    pub fn is_pure(self) -> bool {
        // SAFETY: alive.
        unsafe { thunderOperationIsPure(self.to_raw()) }
    }

    /// The number of operands.
    #[track_caller]
    pub fn operand_count(self) -> usize {
        // SAFETY: alive.
        unsafe { mlirOperationGetNumOperands(self.to_raw()) as usize }
    }

    /// Operand `index`; panics out of range.
    #[track_caller]
    pub fn operand(self, index: usize) -> Value<'c> {
        assert!(index < self.operand_count(), "'{}' has no operand #{index}", self.name());
        // SAFETY: alive and in range.
        unsafe { Value::from_raw(mlirOperationGetOperand(self.raw, index as isize), self.scope) }
    }

    /// All operands.
    #[track_caller]
    pub fn operands(self) -> impl ExactSizeIterator<Item = Value<'c>> + use<'c> {
        let n = self.operand_count();
        (0..n).map(move |i| self.operand(i))
    }

    /// Replaces operand `index`.
    #[track_caller]
    pub fn set_operand(self, index: usize, value: Value<'c>) {
        assert!(index < self.operand_count(), "'{}' has no operand #{index}", self.name());
        // SAFETY: alive and in range.
        unsafe { mlirOperationSetOperand(self.raw, index as isize, value.to_raw()) }
    }

    /// The number of results.
    #[track_caller]
    pub fn result_count(self) -> usize {
        // SAFETY: alive.
        unsafe { mlirOperationGetNumResults(self.to_raw()) as usize }
    }

    /// Result `index`; panics out of range.
    #[track_caller]
    pub fn result(self, index: usize) -> Value<'c> {
        assert!(index < self.result_count(), "'{}' has no result #{index}", self.name());
        // SAFETY: alive and in range.
        unsafe {
            let raw = mlirOperationGetResult(self.raw, index as isize);
            Value { raw, owner: self.raw.ptr as usize, born: self.born, scope: self.scope }
        }
    }

    /// All results.
    #[track_caller]
    pub fn results(self) -> impl ExactSizeIterator<Item = Value<'c>> + use<'c> {
        let n = self.result_count();
        (0..n).map(move |i| self.result(i))
    }

    /// The number of regions.
    #[track_caller]
    pub fn region_count(self) -> usize {
        // SAFETY: alive.
        unsafe { mlirOperationGetNumRegions(self.to_raw()) as usize }
    }

    /// Region `index`; panics out of range.
    #[track_caller]
    pub fn region(self, index: usize) -> Region<'c> {
        assert!(index < self.region_count(), "'{}' has no region #{index}", self.name());
        // SAFETY: alive and in range.
        let raw = unsafe { mlirOperationGetRegion(self.raw, index as isize) };
        Region { raw, owner: self }
    }

    /// All regions.
    #[track_caller]
    pub fn regions(self) -> impl ExactSizeIterator<Item = Region<'c>> + use<'c> {
        let n = self.region_count();
        (0..n).map(move |i| self.region(i))
    }

    /// The blocks that a terminator passes control to.
    #[track_caller]
    pub fn successors(self) -> Vec<Block<'c>> {
        let raw = self.to_raw();
        // SAFETY: alive and in range.
        unsafe {
            (0..mlirOperationGetNumSuccessors(raw))
                .map(|i| Block::from_raw(mlirOperationGetSuccessor(raw, i), self.scope))
                .collect()
        }
    }

    /// The attribute `name`.
    #[track_caller]
    pub fn attribute(self, name: &str) -> Option<Attribute<'c>> {
        // SAFETY: alive; null where absent.
        unsafe { Attribute::from_nullable(mlirOperationGetAttributeByName(self.to_raw(), text(name))) }
    }

    /// All attributes by name.
    #[track_caller]
    pub fn attributes(self) -> Vec<(&'c str, Attribute<'c>)> {
        let raw = self.to_raw();
        // SAFETY: alive and in range; names belong to the context.
        unsafe {
            (0..mlirOperationGetNumAttributes(raw))
                .map(|i| {
                    let entry = mlirOperationGetAttribute(raw, i);
                    (read(mlirIdentifierStr(entry.name)), Attribute::from_raw(entry.attribute))
                })
                .collect()
        }
    }

    /// Sets the attribute `name`.
    #[track_caller]
    pub fn set_attribute(self, name: &str, value: Attribute<'c>) {
        // SAFETY: alive; the name is copied.
        unsafe { mlirOperationSetAttributeByName(self.to_raw(), text(name), value.to_raw()) }
    }

    /// Removes the attribute `name`; answers whether it was there.
    #[track_caller]
    pub fn remove_attribute(self, name: &str) -> bool {
        // SAFETY: alive.
        unsafe { mlirOperationRemoveAttributeByName(self.to_raw(), text(name)) }
    }

    /// The attributes that its definition does not declare, to be kept when it is replaced.
    #[track_caller]
    pub fn discardable_attributes(self) -> Vec<(&'c str, Attribute<'c>)> {
        let raw = self.to_raw();
        // SAFETY: alive and in range; names belong to the context.
        let all: Vec<_> = unsafe {
            (0..mlirOperationGetNumDiscardableAttributes(raw))
                .map(|i| {
                    let entry = mlirOperationGetDiscardableAttribute(raw, i);
                    (read(mlirIdentifierStr(entry.name)), Attribute::from_raw(entry.attribute))
                })
                .collect()
        };
        all.into_iter().filter(|(name, _)| !self.declares_attribute(name)).collect()
    }

    /// Whether an attribute of this name is part of the operation, not an annotation on it.
    #[track_caller]
    pub fn declares_attribute(self, name: &str) -> bool {
        // SAFETY: alive.
        let is_inherent = unsafe { mlirOperationHasInherentAttributeByName(self.to_raw(), text(name)) };
        is_inherent || self.definition().is_some_and(|definition| definition.declares_attribute(name))
    }

    /// The operation around it.
    #[track_caller]
    pub fn parent(self) -> Option<Operation<'c>> {
        // SAFETY: alive; null at the top.
        unsafe { Self::from_nullable(mlirOperationGetParentOperation(self.to_raw()), self.scope) }
    }

    /// Whether it is `outer` or below that.
    #[track_caller]
    pub fn is_within(self, outer: Operation<'c>) -> bool {
        std::iter::successors(Some(self), |op| op.parent()).any(|op| op == outer)
    }

    /// The block that holds it.
    #[track_caller]
    pub fn block(self) -> Option<Block<'c>> {
        // SAFETY: alive; null at the top.
        unsafe {
            let raw = mlirOperationGetBlock(self.to_raw());
            (!raw.ptr.is_null()).then(|| Block::from_raw(raw, self.scope))
        }
    }

    /// The operation after it in its block.
    #[track_caller]
    pub fn next(self) -> Option<Operation<'c>> {
        self.block()?;
        // SAFETY: alive and in a block; null at its end.
        unsafe { Self::from_nullable(mlirOperationGetNextInBlock(self.to_raw()), self.scope) }
    }

    /// Whether it comes before `other` in the same block.
    #[track_caller]
    pub fn is_before(self, other: Operation<'c>) -> bool {
        assert!(self.block().is_some() && self.block() == other.block(), "order is defined within one block");
        // SAFETY: alive and in one block.
        unsafe { mlirOperationIsBeforeInBlock(self.to_raw(), other.to_raw()) }
    }

    /// Visits it and all operations below, each before what it contains.
    ///
    /// The visit works on a snapshot: operations erased meanwhile are skipped.
    #[track_caller]
    pub fn walk(self, mut visit: impl FnMut(Operation<'c>)) {
        let mut stack = vec![self];
        while let Some(op) = stack.pop() {
            if !op.is_alive() {
                continue;
            }
            visit(op);
            if op.is_alive() {
                let mut inner: Vec<_> = op.regions().flat_map(Region::blocks).flat_map(Block::operations).collect();
                inner.reverse();
                stack.append(&mut inner);
            }
        }
    }

    /// Runs MLIR's verifier on it; what is wrong goes to the context's diagnostics.
    #[track_caller]
    pub fn verify(self) -> bool {
        // SAFETY: alive.
        unsafe { mlirOperationVerify(self.to_raw()) }
    }

    /// An error that will be reported at this operation.
    #[track_caller]
    pub fn error(self, message: impl fmt::Display) -> Error {
        Error::at(self.location(), format!("'{}' op {message}", self.name()))
    }

    /// Emits a diagnostic at this operation.
    #[track_caller]
    pub fn emit(self, severity: Severity, message: impl fmt::Display) {
        self.emit_text(severity, &format!("'{}' op {message}", self.name()), &[]);
    }

    #[track_caller]
    pub(crate) fn emit_text(self, severity: Severity, message: &str, notes: &[(Location<'c>, String)]) {
        let locations: Vec<_> = notes.iter().map(|(loc, _)| loc.to_raw()).collect();
        let texts: Vec<_> = notes.iter().map(|(_, note)| text(note)).collect();
        // SAFETY: alive; all pointers are valid during the call.
        unsafe {
            thunderEmit(
                self.location().to_raw(),
                self.to_raw(),
                severity.to_raw(),
                text(message),
                texts.len() as isize,
                locations.as_ptr(),
                texts.as_ptr(),
            );
        }
    }

    /// The text of it, in the generic form if asked for, with locations if asked for.
    #[track_caller]
    pub fn to_text(self, generic: bool, locations: bool) -> String {
        // SAFETY: the flags live through the print and are destroyed after it.
        unsafe {
            let flags = mlirOpPrintingFlagsCreate();
            if generic {
                mlirOpPrintingFlagsPrintGenericOpForm(flags);
            }
            if locations {
                mlirOpPrintingFlagsEnableDebugInfo(flags, true, false);
            }
            let raw = self.to_raw();
            let out = collect(|cb, user| mlirOperationPrintWithFlags(raw, flags, Some(cb), user));
            mlirOpPrintingFlagsDestroy(flags);
            out
        }
    }

    /// MLIR bytecode of it.
    #[track_caller]
    pub fn to_bytecode(self) -> Vec<u8> {
        unsafe extern "C" fn append(part: MlirStringRef, user: *mut c_void) {
            // SAFETY: `user` is the vector below and `part` is valid during this call.
            unsafe {
                let bytes = std::slice::from_raw_parts(part.data.cast::<u8>(), part.length);
                (*user.cast::<Vec<u8>>()).extend_from_slice(bytes);
            }
        }
        let mut out = Vec::<u8>::new();
        // SAFETY: alive; the callback matches its user data.
        unsafe { mlirOperationWriteBytecode(self.to_raw(), Some(append), (&raw mut out).cast()) }
        out
    }

    /// Addresses of the operation and of every operation and block below it.
    pub(crate) fn addresses(self) -> Vec<usize> {
        let mut out = Vec::new();
        self.walk(|op| {
            out.push(op.raw.ptr as usize);
            for block in op.regions().flat_map(Region::blocks) {
                out.push(block.raw.ptr as usize);
            }
        });
        out
    }
}

impl PartialEq for Operation<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.raw.ptr == other.raw.ptr
    }
}

impl Eq for Operation<'_> {}

impl std::hash::Hash for Operation<'_> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.raw.ptr.hash(state);
    }
}

impl fmt::Display for Operation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text(false, false))
    }
}

impl fmt::Debug for Operation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_alive() { fmt::Display::fmt(self, f) } else { f.write_str("<erased>") }
    }
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
                out.push(Block::from_raw(raw, self.owner.scope));
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
            (!raw.ptr.is_null()).then(|| Block::from_raw(raw, self.owner.scope))
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
            Block::from_raw(block, self.owner.scope)
        }
    }
}

impl<'c> Value<'c> {
    /// # Safety
    /// As for [`Operation::from_raw`].
    pub(crate) unsafe fn from_raw(raw: MlirValue, scope: &'c Scope) -> Self {
        // SAFETY: the value is alive, so its owner is.
        let owner = unsafe {
            if mlirValueIsAOpResult(raw) {
                mlirOpResultGetOwner(raw).ptr as usize
            } else {
                mlirBlockArgumentGetOwner(raw).ptr as usize
            }
        };
        Self { raw, owner, born: scope.now(), scope }
    }

    /// The address of the operation or block that it belongs to.
    pub(crate) fn owner(self) -> usize {
        self.owner
    }

    #[track_caller]
    pub(crate) fn to_raw(self) -> MlirValue {
        if let Some(site) = self.scope.erasure(self.owner, self.born) {
            erased("a value of an operation", site);
        }
        self.raw
    }

    /// The owning context.
    #[track_caller]
    pub fn context(self) -> ContextRef<'c> {
        self.ty().context()
    }

    /// Its type.
    #[track_caller]
    pub fn ty(self) -> Type<'c> {
        // SAFETY: alive.
        unsafe { Type::from_raw(mlirValueGetType(self.to_raw())) }
    }

    /// Changes its type in place; the users' verifiers decide whether that was right.
    #[track_caller]
    pub fn set_type(self, ty: Type<'c>) {
        // SAFETY: alive.
        unsafe { mlirValueSetType(self.to_raw(), ty.to_raw()) }
    }

    /// The operation that it is a result of, with the index.
    #[track_caller]
    pub fn definer(self) -> Option<(Operation<'c>, usize)> {
        let raw = self.to_raw();
        // SAFETY: alive; accessors run on an operation result.
        unsafe {
            mlirValueIsAOpResult(raw).then(|| {
                (Operation::from_raw(mlirOpResultGetOwner(raw), self.scope), mlirOpResultGetResultNumber(raw) as usize)
            })
        }
    }

    /// The operation that it is a result of.
    #[track_caller]
    pub fn defining_op(self) -> Option<Operation<'c>> {
        self.definer().map(|(op, _)| op)
    }

    /// The block that it is an argument of, with the index.
    #[track_caller]
    pub fn block_argument(self) -> Option<(Block<'c>, usize)> {
        let raw = self.to_raw();
        // SAFETY: alive; accessors run on a block argument.
        unsafe {
            mlirValueIsABlockArgument(raw).then(|| {
                (
                    Block::from_raw(mlirBlockArgumentGetOwner(raw), self.scope),
                    mlirBlockArgumentGetArgNumber(raw) as usize,
                )
            })
        }
    }

    /// The operations that use it, with the operand index, once per use.
    #[track_caller]
    pub fn uses(self) -> Vec<(Operation<'c>, usize)> {
        let mut out = Vec::new();
        // SAFETY: alive; the use list does not change during the loop.
        unsafe {
            let mut r#use = mlirValueGetFirstUse(self.to_raw());
            while !r#use.ptr.is_null() {
                out.push((
                    Operation::from_raw(mlirOpOperandGetOwner(r#use), self.scope),
                    mlirOpOperandGetOperandNumber(r#use) as usize,
                ));
                r#use = mlirOpOperandGetNextUse(r#use);
            }
        }
        out
    }

    /// Whether nothing uses it.
    #[track_caller]
    pub fn is_unused(self) -> bool {
        // SAFETY: alive.
        unsafe { mlirValueGetFirstUse(self.to_raw()).ptr.is_null() }
    }

    /// The constant it is, if an operation with the `constant_like` trait defines it.
    #[track_caller]
    pub fn as_constant(self) -> Option<Attribute<'c>> {
        let op = self.defining_op()?;
        op.has_trait("constant_like").then(|| op.attribute("value")).flatten()
    }
}

impl PartialEq for Value<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.raw.ptr == other.raw.ptr
    }
}

impl Eq for Value<'_> {}

impl std::hash::Hash for Value<'_> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.raw.ptr.hash(state);
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: alive, else `to_raw` panics; the callback matches its user data.
        f.write_str(&collect(|cb, user| unsafe { mlirValuePrint(self.to_raw(), Some(cb), user) }))
    }
}
