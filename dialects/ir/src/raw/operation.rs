//! Handles to operations, which can be erased.

use super::attribute::Attribute;
use super::block::{Block, Region};
use super::context::{ContextRef, Location};
use super::scope::{Editing, Scope};
use super::value::Value;
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

#[cold]
#[track_caller]
pub(super) fn erased(what: &str, site: &std::panic::Location<'_>) -> ! {
    panic!("use of {what} that was erased at {site}")
}

impl<'c> Operation<'c> {
    /// # Safety
    /// The operation is alive, and everything that erases it while `scope` lives tells `scope`.
    pub(crate) unsafe fn from_raw(raw: MlirOperation, scope: &'c Scope) -> Self {
        Self { raw, born: scope.now(), scope }
    }

    /// Nothing for null.
    ///
    /// # Safety
    /// As for [`from_raw`](Self::from_raw), unless it is null.
    pub(super) unsafe fn from_nullable(raw: MlirOperation, scope: &'c Scope) -> Option<Self> {
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
