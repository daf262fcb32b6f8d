//! Contexts and the registries they are made from.

use super::text;
use crate::dialect::Dialect;
use mlir_sys::*;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Once;
use thunder_mlir_shim::dialect::thunderDialectRegister;

/// The dialects that a context can load.
pub struct Registry {
    raw: MlirDialectRegistry,
}

impl Registry {
    /// A registry with every upstream dialect and extension; upstream passes are registered as well.
    pub fn upstream() -> Self {
        static PASSES: Once = Once::new();
        // SAFETY: fills MLIR's process-wide pass registry, once.
        PASSES.call_once(|| unsafe { mlirRegisterAllPasses() });
        // SAFETY: both calls take a registry that was just created.
        unsafe {
            let raw = mlirDialectRegistryCreate();
            mlirRegisterAllDialects(raw);
            Self { raw }
        }
    }

    /// A registry with nothing in it but the builtin dialect.
    pub fn empty() -> Self {
        // SAFETY: plain constructor.
        Self { raw: unsafe { mlirDialectRegistryCreate() } }
    }

    /// Adds a dialect written in Rust.
    pub fn insert(&mut self, dialect: &'static Dialect) -> &mut Self {
        let table = super::callback::dialect_table(dialect);
        // SAFETY: the table lives as long as the process.
        let placed = unsafe { thunderDialectRegister(self.raw, table) };
        assert!(placed, "a process holds at most 32 dialects written in Rust");
        self
    }

    /// Adds a dialect written in Rust; for building a registry in one expression.
    pub fn with(mut self, dialect: &'static Dialect) -> Self {
        self.insert(dialect);
        self
    }

    /// The registry for MLIR's C API; it stays owned by `self`.
    pub fn to_raw(&self) -> MlirDialectRegistry {
        self.raw
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // SAFETY: `raw` is owned; contexts made from it keep a copy.
        unsafe { mlirDialectRegistryDestroy(self.raw) }
    }
}

/// Owns types, attributes and dialects; everything else borrows from it.
pub struct Context {
    raw: MlirContext,
}

// SAFETY: MLIR guards a context's uniquing tables and dialect loading with locks.
unsafe impl Send for Context {}
// SAFETY: as above; mutation of IR goes through handles that are not `Send`.
unsafe impl Sync for Context {}

impl Context {
    /// A context with all dialects of `registry` loaded, running passes on MLIR's thread pool.
    pub fn new(registry: &Registry) -> Self {
        Self::with_threading(registry, true)
    }

    /// Like [`Context::new`], with or without multi-threading.
    pub fn with_threading(registry: &Registry, threading: bool) -> Self {
        // SAFETY: the registry outlives the call, which copies it. Loading everything now means
        // that no operation of an unloaded dialect is ever touched.
        unsafe {
            let raw = mlirContextCreateWithRegistry(registry.raw, threading);
            mlirRegisterAllLLVMTranslations(raw);
            mlirContextLoadAllAvailableDialects(raw);
            Self { raw }
        }
    }

    /// The handle that constructors of types, attributes and locations take.
    pub fn as_ref(&self) -> ContextRef<'_> {
        ContextRef { raw: self.raw, lifetime: PhantomData }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: `raw` is owned and all borrowers are gone.
        unsafe { mlirContextDestroy(self.raw) }
    }
}

/// A borrowed [`Context`].
#[derive(Clone, Copy)]
pub struct ContextRef<'c> {
    raw: MlirContext,
    lifetime: PhantomData<&'c Context>,
}

impl<'c> ContextRef<'c> {
    pub(crate) fn to_raw(self) -> MlirContext {
        self.raw
    }

    /// # Safety
    /// The context outlives `'c`.
    pub(crate) unsafe fn from_raw(raw: MlirContext) -> Self {
        Self { raw, lifetime: PhantomData }
    }

    /// Whether an operation of this name is registered.
    pub fn knows_op(self, name: &str) -> bool {
        // SAFETY: the context is alive.
        unsafe { mlirContextIsRegisteredOperation(self.raw, text(name)) }
    }

    /// Whether an operation of this name infers the types of its results, as MLIR sees it.
    pub fn infers_types(self, name: &str) -> bool {
        // SAFETY: the context is alive; both calls only look things up.
        unsafe {
            mlirContextIsRegisteredOperation(self.raw, text(name))
                && mlirOperationImplementsInterfaceStatic(text(name), self.raw, mlirInferTypeOpInterfaceTypeID())
        }
    }

    /// Turns MLIR's worker threads on or off.
    pub fn set_threading(self, enabled: bool) {
        // SAFETY: the context is alive.
        unsafe { mlirContextEnableMultithreading(self.raw, enabled) }
    }
}

impl fmt::Debug for ContextRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Context")
    }
}

/// Where something in the source program stands.
#[derive(Clone, Copy)]
pub struct Location<'c> {
    raw: MlirLocation,
    lifetime: PhantomData<&'c Context>,
}

impl<'c> Location<'c> {
    pub(crate) fn to_raw(self) -> MlirLocation {
        self.raw
    }

    /// # Safety
    /// The location is not null and its context outlives `'c`.
    pub(crate) unsafe fn from_raw(raw: MlirLocation) -> Self {
        Self { raw, lifetime: PhantomData }
    }

    /// Nowhere in particular.
    pub fn unknown(cx: ContextRef<'c>) -> Self {
        // SAFETY: the context is alive.
        unsafe { Self::from_raw(mlirLocationUnknownGet(cx.raw)) }
    }

    /// A line and column, both from 1, of a file.
    pub fn file(cx: ContextRef<'c>, file: &str, line: u32, column: u32) -> Self {
        // SAFETY: the context is alive; the name is copied.
        unsafe { Self::from_raw(mlirLocationFileLineColGet(cx.raw, text(file), line, column)) }
    }

    /// The Rust source line that called.
    #[track_caller]
    pub fn caller(cx: ContextRef<'c>) -> Self {
        Self::rust(cx, std::panic::Location::caller())
    }

    /// A Rust source line.
    pub fn rust(cx: ContextRef<'c>, site: &std::panic::Location<'_>) -> Self {
        Self::file(cx, site.file(), site.line(), site.column())
    }

    /// `child` under a name, such as the path of a layer.
    pub fn named(cx: ContextRef<'c>, name: &str, child: Location<'c>) -> Self {
        // SAFETY: the context is alive; the name is copied.
        unsafe { Self::from_raw(mlirLocationNameGet(cx.raw, text(name), child.raw)) }
    }

    /// All of `parts`, which something was made from; repeated ones count once, and one alone is itself.
    pub fn fused(cx: ContextRef<'c>, parts: &[Location<'c>]) -> Self {
        let raw: Vec<_> = parts.iter().map(|part| part.raw).collect();
        // SAFETY: the context is alive, the locations are of it; null stands for no metadata.
        unsafe {
            let metadata = MlirAttribute { ptr: std::ptr::null() };
            Self::from_raw(mlirLocationFusedGet(cx.raw, raw.len() as isize, raw.as_ptr(), metadata))
        }
    }

    /// `callee` as reached from `caller`.
    pub fn call_site(callee: Location<'c>, caller: Location<'c>) -> Self {
        // SAFETY: both locations are of one live context.
        unsafe { Self::from_raw(mlirLocationCallSiteGet(callee.raw, caller.raw)) }
    }

    /// The owning context.
    pub fn context(self) -> ContextRef<'c> {
        // SAFETY: the location is valid for 'c, so its context is.
        unsafe { ContextRef::from_raw(mlirLocationGetContext(self.raw)) }
    }

    /// File, line and column of the innermost file location in it, if there is one.
    pub fn file_line_column(self) -> Option<(&'c str, u32, u32)> {
        // SAFETY: each accessor is called on the kind of location that was just tested for.
        unsafe {
            if mlirLocationIsAFileLineColRange(self.raw) {
                let name = mlirLocationFileLineColRangeGetFilename(self.raw);
                return Some((
                    super::read(mlirIdentifierStr(name)),
                    mlirLocationFileLineColRangeGetStartLine(self.raw) as u32,
                    mlirLocationFileLineColRangeGetStartColumn(self.raw) as u32,
                ));
            }
            if mlirLocationIsAName(self.raw) {
                return Self::from_raw(mlirLocationNameGetChildLoc(self.raw)).file_line_column();
            }
            if mlirLocationIsACallSite(self.raw) {
                return Self::from_raw(mlirLocationCallSiteGetCallee(self.raw)).file_line_column();
            }
            if mlirLocationIsAFused(self.raw) {
                let n = mlirLocationFusedGetNumLocations(self.raw);
                let mut parts = vec![MlirLocation { ptr: std::ptr::null() }; n as usize];
                mlirLocationFusedGetLocations(self.raw, parts.as_mut_ptr());
                return parts.into_iter().find_map(|p| Self::from_raw(p).file_line_column());
            }
        }
        None
    }
}

impl PartialEq for Location<'_> {
    fn eq(&self, other: &Self) -> bool {
        // SAFETY: both are valid.
        unsafe { mlirLocationEqual(self.raw, other.raw) }
    }
}

impl fmt::Display for Location<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.file_line_column() {
            Some((file, line, column)) => write!(f, "{file}:{line}:{column}"),
            // SAFETY: the location is valid; the callback matches its user data.
            None => f.write_str(&super::collect(|cb, user| unsafe { mlirLocationPrint(self.raw, Some(cb), user) })),
        }
    }
}

impl fmt::Debug for Location<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
