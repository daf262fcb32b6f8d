//! Modules as owned values.

use super::block::Block;
use super::context::{Context, ContextRef, Location};
use super::diagnostic::capture;
use super::operation::Operation;
use super::scope::Scope;
use crate::diagnostic::Error;
use mlir_sys::*;
use thunder_mlir_shim::dialect::thunderModuleParse;

/// Parses and verifies text or bytecode into a module that the caller owns.
pub(crate) fn parse_raw(cx: ContextRef<'_>, name: &str, source: &[u8]) -> Option<MlirModule> {
    let mut buffer = source.to_vec();
    buffer.push(0);
    let name = std::ffi::CString::new(name.replace('\0', "?")).expect("a name without zero bytes");
    let source = MlirStringRef { data: buffer.as_ptr().cast(), length: source.len() };
    let name = MlirStringRef { data: name.as_ptr(), length: name.as_bytes().len() };
    // SAFETY: the buffer is zero-terminated beyond its length, as MLIR's lexer wants.
    let module = unsafe { thunderModuleParse(cx.to_raw(), source, name) };
    (!module.ptr.is_null()).then_some(module)
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
        let cx = context.as_ref();
        let (raw, diagnostics) = capture(cx, || parse_raw(cx, name, source));
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
