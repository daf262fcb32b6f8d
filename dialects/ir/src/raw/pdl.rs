//! PDL patterns as MLIR sees them: a module, and functions by name.

use super::attribute::Attribute;
use super::context::{ContextRef, Location};
use super::diagnostic::{capture_here, emit, guard};
use super::module::parse_raw;
use super::operation::Operation;
use super::rewrite::Tracking;
use super::scope::{Editing, Scope};
use super::types::Type;
use super::value::Value;
use super::{outcome, text};
use crate::diagnostic::{Error, Result, Severity};
use crate::pdl::{ConstraintFn, PdlPatterns, PdlValue, Program, prepare};
use mlir_sys::*;
use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::Arc;
use thunder_mlir_shim::rewrite as shim;

/// What the functions of one module need, for as long as its patterns live.
pub(crate) struct Natives<'c> {
    /// Its address tells these functions from those of every other module.
    _identity: Box<u8>,
    constraints: Vec<Constraint>,
    rewrites: Vec<Rewrite<'c>>,
}

struct Constraint {
    name: String,
    holds: Arc<ConstraintFn>,
    tracking: Tracking,
}

struct Rewrite<'c> {
    program: Program<'c>,
    tracking: Tracking,
}

/// A module without handles.
struct Owned(MlirModule);

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: owned, and destroyed once.
        unsafe { mlirModuleDestroy(self.0) }
    }
}

impl Owned {
    fn parse(cx: ContextRef<'_>, source: &[u8]) -> Result<Self> {
        let (raw, diagnostics) = capture_here(cx, || parse_raw(cx, "pdl", source));
        raw.map(Self).ok_or_else(|| Error::from_diagnostics(diagnostics, "the source is not a module of PDL patterns"))
    }
}

/// Checks patterns, and that MLIR can compile them, and returns them as bytecode.
pub(crate) fn check(cx: ContextRef<'_>, source: &[u8]) -> Result<Vec<u8>> {
    let module = Owned::parse(cx, source)?;
    let scope = Scope::default();
    // SAFETY: owned and alive; the scope lives as long as the handle.
    let bytecode = unsafe { Operation::from_raw(mlirModuleGetOperation(module.0), &scope) }.to_bytecode();
    let (compiles, diagnostics) = capture_here(cx, || {
        // SAFETY: the manager is created, used and destroyed here; no handle into the module is left.
        unsafe {
            let manager = mlirPassManagerCreate(cx.to_raw());
            let passes = mlirPassManagerGetAsOpPassManager(manager);
            let name = text("convert-pdl-to-pdl-interp");
            let known = mlirOpPassManagerAddPipeline(passes, name, Some(ignore), std::ptr::null_mut()).value != 0;
            let ok = known && mlirPassManagerRunOnOp(manager, mlirModuleGetOperation(module.0)).value != 0;
            mlirPassManagerDestroy(manager);
            ok
        }
    });
    if compiles { Ok(bytecode) } else { Err(Error::from_diagnostics(diagnostics, "MLIR cannot compile the patterns")) }
}

unsafe extern "C" fn ignore(_: MlirStringRef, _: *mut c_void) {}

/// Adds patterns to a set. What is returned must outlive the set's patterns.
///
/// # Safety
/// Both handles are alive.
pub(crate) unsafe fn add<'c>(
    set: MlirRewritePatternSet,
    cx: ContextRef<'c>,
    patterns: &PdlPatterns,
    tracking: &Tracking,
) -> Result<Natives<'c>> {
    let module = Owned::parse(cx, &patterns.bytecode)?;
    let identity = Box::new(0);
    let suffix = &raw const *identity as usize;
    let scope = Scope::default();
    // SAFETY: owned and alive. Programs outlive the scope: the attributes and types in them belong to the context.
    let programs = unsafe {
        let op = Operation::from_raw(mlirModuleGetOperation(module.0), NonNull::from(&scope).as_ref());
        let programs = prepare(op, patterns, suffix)?;
        let (valid, diagnostics) = capture_here(cx, || op.verify());
        if !valid {
            return Err(Error::from_diagnostics(diagnostics, "the patterns without their rewrites are invalid"));
        }
        programs
    };
    let constraints = patterns.constraints.iter().map(|(name, holds)| {
        let name = format!("{name}#{suffix}");
        Constraint { name, holds: Arc::clone(holds), tracking: tracking.clone() }
    });
    let rewrites = programs.into_iter().map(|program| Rewrite { program, tracking: tracking.clone() });
    let natives = Natives { _identity: identity, constraints: constraints.collect(), rewrites: rewrites.collect() };
    // SAFETY: the pattern module takes the module, and the set takes its contents; the natives stay where they are.
    unsafe {
        let raw = mlirPDLPatternModuleFromModule(module.0);
        std::mem::forget(module);
        for constraint in &natives.constraints {
            let user = (&raw const *constraint).cast_mut().cast();
            mlirPDLPatternModuleRegisterConstraintFunction(raw, text(&constraint.name), Some(constrain), user);
        }
        for rewrite in &natives.rewrites {
            let user = (&raw const *rewrite).cast_mut().cast();
            mlirPDLPatternModuleRegisterRewriteFunction(raw, text(&rewrite.program.name), Some(run), user);
        }
        shim::thunderPatternsAddPdl(set, raw);
        mlirPDLPatternModuleDestroy(raw);
    }
    Ok(natives)
}

/// # Safety
/// The value is valid, as MLIR passes it to native code, and what it holds lives as long as `scope`.
unsafe fn read<'c>(raw: MlirPDLValue, scope: &'c Scope) -> Result<PdlValue<'c>> {
    unsafe extern "C" fn push(element: *const c_void, user: *mut c_void) {
        // SAFETY: `user` is the vector below.
        unsafe { (*user.cast::<Vec<*const c_void>>()).push(element) }
    }
    let mut elements = Vec::<*const c_void>::new();
    // SAFETY: the caller promises it; elements are what their kind says.
    unsafe {
        let kind = shim::thunderPdlValue(raw, push, (&raw mut elements).cast());
        let ty = |ptr: &*const c_void| Type::from_raw(MlirType { ptr: *ptr });
        let value = |ptr: &*const c_void| Value::from_raw(MlirValue { ptr: ptr.cast_mut() }, scope);
        let one = elements.first().ok_or("PDL passes nothing where a value is");
        Ok(match kind {
            shim::PDL_ATTRIBUTE => PdlValue::Attribute(Attribute::from_raw(MlirAttribute { ptr: *one? })),
            shim::PDL_OPERATION => {
                PdlValue::Operation(Operation::from_raw(MlirOperation { ptr: one?.cast_mut() }, scope))
            }
            shim::PDL_TYPE => PdlValue::Type(ty(one?)),
            shim::PDL_TYPES => PdlValue::Types(elements.iter().map(ty).collect()),
            shim::PDL_VALUE => PdlValue::Value(value(one?)),
            shim::PDL_VALUES => PdlValue::Values(elements.iter().map(value).collect()),
            other => return Err(Error::new(format!("PDL passes a value of the unknown kind {other}"))),
        })
    }
}

/// # Safety
/// As for [`read`], for each of the `n` values.
unsafe fn read_all<'c>(n: usize, values: *const MlirPDLValue, scope: &'c Scope) -> Result<Vec<PdlValue<'c>>> {
    // SAFETY: the caller promises it.
    (0..n).map(|i| unsafe { read(*values.add(i), scope) }).collect()
}

/// Where the first argument that is somewhere is.
fn place<'c>(arguments: &[PdlValue<'c>], cx: ContextRef<'c>) -> Location<'c> {
    let location = |argument: &PdlValue<'c>| match argument {
        PdlValue::Operation(op) => Some(op.location()),
        PdlValue::Value(value) => value.defining_op().map(Operation::location),
        _ => None,
    };
    arguments.iter().find_map(location).unwrap_or_else(|| Location::unknown(cx))
}

unsafe extern "C" fn constrain(
    rewriter: MlirPatternRewriter,
    _: MlirPDLResultList,
    n: usize,
    values: *mut MlirPDLValue,
    user: *mut c_void,
) -> MlirLogicalResult {
    let scope = Scope::new(Editing::Refused("a constraint changes nothing"), None);
    // SAFETY: MLIR passes `n` values that outlive this call, and what `add` registered.
    let (Constraint { name, holds, tracking }, arguments, cx) = unsafe {
        let cx = ContextRef::from_raw(mlirRewriterBaseGetContext(mlirPatternRewriterAsBase(rewriter)));
        (&*user.cast::<Constraint>(), read_all(n, values, &scope), cx)
    };
    let location = arguments.as_ref().map_or_else(|_| Location::unknown(cx), |arguments| place(arguments, cx));
    let problem = match guard(|| holds(&arguments?)) {
        Ok(Ok(holds)) => return outcome(holds),
        Ok(Err(error)) => error.message(),
        Err(panic) => panic,
    };
    tracking.fail();
    let name = name.split('#').next().unwrap_or_default();
    emit(location, Severity::Error, &format!("constraint '{name}': {problem}"));
    outcome(false)
}

unsafe extern "C" fn run(
    rewriter: MlirPatternRewriter,
    _: MlirPDLResultList,
    n: usize,
    values: *mut MlirPDLValue,
    user: *mut c_void,
) -> MlirLogicalResult {
    // SAFETY: MLIR passes what `add` registered, and a live rewriter.
    let (Rewrite { program, tracking }, rewriter) =
        unsafe { (&*user.cast::<Rewrite<'_>>(), mlirPatternRewriterAsBase(rewriter)) };
    let scope = tracking.scope(rewriter);
    // SAFETY: MLIR passes `n` values that outlive this call; the first is the root, as `prepare` says.
    let inputs = unsafe { read_all(n, values, &scope) };
    let root = inputs.as_ref().ok().and_then(|inputs| inputs.first()?.operation().ok());
    let (Ok(inputs), Some(root)) = (inputs, root) else {
        tracking.fail();
        return outcome(!tracking.is_converting());
    };
    let location = root.location();
    // SAFETY: the rewriter is alive, and of the driver that `tracking` is for.
    let rewriter = unsafe { tracking.rewriter(rewriter, &scope, root) };
    rewriter.before(root);
    let result = guard(|| Ok(program.run(inputs, &rewriter)?));
    // A driver that cannot undo ends the process where a rewrite fails; there, the flag alone says so.
    outcome(tracking.settle("pdl.rewrite", root, location, result) || !tracking.is_converting())
}
