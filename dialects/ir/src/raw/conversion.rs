//! Dialect conversion as MLIR runs it: every callback enters here, guarded against panics.

use super::block::Region;
use super::builder::{Builder, Rewriter};
use super::callback::report_at;
use super::context::Location;
use super::diagnostic::{emit, guard};
use super::operation::Operation;
use super::rewrite::{CONVERTING, Tracking, add_tracked};
use super::scope::Scope;
use super::types::Type;
use super::value::Value;
use super::{outcome, text};
use crate::conversion::{Adapted, Conversion, ConversionFn, ConversionTarget, TypeConverter};
use crate::diagnostic::{Error, Result, Severity};
use mlir_sys::*;
use std::ffi::{c_int, c_void};
use std::ops::Deref;
use std::sync::Arc;
use thunder_mlir_shim::conversion as shim;

/// What a conversion does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Converts what is illegal.
    Partial = shim::PARTIAL as isize,
    /// Converts all that is not legal.
    Full = shim::FULL as isize,
    /// Tells what could be converted.
    Analysis = shim::ANALYSIS as isize,
}

/// Patterns of MLIR that need to know no more than types.
#[derive(Clone, Copy)]
pub enum Upstream {
    /// Of functions, calls, returns and branches.
    Functions = shim::UPSTREAM_FUNCTIONS as isize,
    /// Of structured control flow.
    ControlFlow = shim::UPSTREAM_CONTROL_FLOW as isize,
}

/// A [`Rewriter`] that converts: it may also replace one value by many.
pub struct ConversionRewriter<'c> {
    rewriter: Rewriter<'c>,
    types: Option<&'c Types>,
}

impl<'c> Deref for ConversionRewriter<'c> {
    type Target = Rewriter<'c>;
    fn deref(&self) -> &Rewriter<'c> {
        &self.rewriter
    }
}

impl<'c> ConversionRewriter<'c> {
    /// Replaces each result of `op` by any number of values, which become the operands of its users, and erases it.
    #[track_caller]
    pub fn replace_each(&self, op: Operation<'c>, values: &[Vec<Value<'c>>]) -> Result<()> {
        self.rewriter.replace_each(op, values)
    }

    /// The types that a type becomes.
    pub fn convert_types(&self, ty: Type<'c>) -> Result<Vec<Type<'c>>> {
        let Some(types) = self.types else { return Ok(vec![ty]) };
        let converted = types.converter.convert(ty)?;
        converted.ok_or_else(|| Error::at(self.location(), format!("no rule converts the type '{ty}'")))
    }

    /// The one type that a type becomes.
    pub fn convert_type(&self, ty: Type<'c>) -> Result<Type<'c>> {
        match self.convert_types(ty)?[..] {
            [one] => Ok(one),
            ref many => Err(Error::at(self.location(), format!("the type '{ty}' becomes {} types", many.len()))),
        }
    }

    /// Converts the argument types of all blocks of `region`; handles to these blocks and arguments are dead then.
    #[track_caller]
    pub fn convert_region(&self, region: Region<'c>) -> Result<()> {
        let Some(types) = self.types else { return Ok(()) };
        if self.rewriter.has_replaced(region.owner()) {
            return Err(region.owner().error("was replaced or erased by another pattern already"));
        }
        let before = region.blocks();
        // SAFETY: the owner is alive and not replaced; the converter lives through the conversion.
        let done = unsafe { shim::thunderConversionRegion(self.to_raw(), region.to_raw(), types.raw) };
        let after = region.blocks();
        let gone = before.into_iter().filter(|block| !after.contains(block)).map(|block| block.to_raw().ptr as usize);
        self.scope().erase(gone.collect::<Vec<_>>(), std::panic::Location::caller());
        if done { Ok(()) } else { Err(region.owner().error("has block arguments whose types no rule converts")) }
    }
}

/// A type converter on both sides.
pub(crate) struct Types {
    converter: TypeConverter,
    raw: *const c_void,
    location: MlirLocation,
    tracking: Tracking,
}

struct Legality<'a> {
    target: &'a ConversionTarget,
    tracking: Tracking,
}

/// What a C pattern owns.
struct Payload {
    name: &'static str,
    rewrite: Arc<ConversionFn>,
    /// Lives in `run`, which outlives all patterns.
    types: *const Types,
    tracking: Tracking,
}

/// Runs a conversion that changes what is below `op`.
#[track_caller]
pub(crate) fn apply<'c>(conversion: &Conversion, op: Operation<'c>, mode: Mode) -> Result<Operation<'c>> {
    let raw = op.to_raw();
    run(conversion, op, mode)?;
    // SAFETY: a conversion never erases the operation that it runs below.
    Ok(unsafe { Operation::from_raw(raw, op.scope()) })
}

/// Runs a conversion below `op`. An analysis tells what could be converted.
#[track_caller]
pub(crate) fn run<'c>(conversion: &Conversion, op: Operation<'c>, mode: Mode) -> Result<Vec<Operation<'c>>> {
    let site = std::panic::Location::caller();
    let raw = op.to_raw();
    let location = op.location();
    op.check_free()?;
    let cx = op.context().to_raw();
    let tracking = Tracking::new(raw.ptr as usize, true);
    let legality = Legality { target: &conversion.target, tracking: tracking.clone() };
    let mut possible: Vec<MlirOperation> = Vec::new();
    let mut converters: Vec<Box<Types>> = Vec::new();
    // SAFETY: the conversion is created, filled, run and destroyed here, and what its callbacks are given outlives it.
    let done = unsafe {
        let shim = Session(shim::thunderConversionCreate(cx, is_legal, (&raw const legality).cast_mut().cast()));
        for name in &conversion.target.kept {
            shim::thunderConversionKeep(shim.0, text(name));
        }
        for group in &conversion.groups {
            let types = group.types.as_ref().map_or(std::ptr::null(), |converter| {
                let converter = converter.clone();
                let location = location.to_raw();
                let mut types =
                    Box::new(Types { converter, raw: std::ptr::null(), location, tracking: tracking.clone() });
                let user = (&raw mut *types).cast();
                types.raw = shim::thunderConversionConverter(shim.0, convert, materialize, user);
                let address: *const Types = &raw const *types;
                converters.push(types);
                address
            });
            for which in &group.upstream {
                shim::thunderConversionUpstream(shim.0, (*types).raw, *which as c_int);
            }
            for pattern in &group.patterns {
                let any = [String::new()];
                let roots = if pattern.roots.is_empty() { &any[..] } else { &pattern.roots[..] };
                for root in roots {
                    let (rewrite, tracking) = (Arc::clone(&pattern.rewrite), tracking.clone());
                    let payload = Box::new(Payload { name: pattern.name, rewrite, types, tracking });
                    let converter = types.as_ref().map_or(std::ptr::null(), |types| types.raw);
                    shim::thunderConversionPattern(
                        shim.0,
                        converter,
                        text(root),
                        u32::from(pattern.benefit),
                        match_and_rewrite,
                        destroy,
                        Box::into_raw(payload).cast(),
                    );
                }
            }
            add_tracked(shim::thunderConversionPatterns(shim.0), cx, group.rewrites.clone(), &tracking)?;
        }
        let into = (&raw mut possible).cast();
        shim::thunderConversionRun(shim.0, raw, mode as c_int, push_operation, into).value != 0
    };
    if mode != Mode::Analysis {
        op.scope().invalidate(site);
    }
    if tracking.has_failed() {
        return Err(Error::at(location, "a callback of a conversion failed; its diagnostic says where"));
    }
    if !done {
        return Err(Error::at(location, "the conversion failed; its diagnostics say where"));
    }
    // SAFETY: an analysis tells operations below `op`, which it leaves alone.
    Ok(possible.into_iter().map(|raw| unsafe { Operation::from_raw(raw, op.scope()) }).collect())
}

/// Owns the C++ side.
struct Session(*mut c_void);

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: created in `run`, and destroyed once.
        unsafe { shim::thunderConversionDestroy(self.0) }
    }
}

unsafe extern "C" fn push_operation(op: MlirOperation, into: *mut c_void) {
    // SAFETY: `into` is the vector in `run`.
    unsafe { (*into.cast::<Vec<MlirOperation>>()).push(op) }
}

unsafe extern "C" fn destroy(user: *mut c_void) {
    // SAFETY: made by `Box::into_raw` in `run`, and given back once.
    drop(unsafe { Box::from_raw(user.cast::<Payload>()) });
}

unsafe extern "C" fn is_legal(op: MlirOperation, user: *mut c_void) -> c_int {
    let scope = Scope::new(CONVERTING, None);
    // SAFETY: MLIR passes a live operation, and the data that `run` keeps alive.
    let (legality, op) = unsafe { (&*user.cast::<Legality<'_>>(), Operation::from_raw(op, &scope)) };
    let failed = |error: Error| {
        legality.tracking.fail();
        report_at(op, &error);
        0
    };
    match guard(|| legality.target.answer(op)) {
        Ok(None) => shim::NO_OPINION,
        Ok(Some(Ok(legal))) => c_int::from(legal),
        Ok(Some(Err(error))) => failed(error),
        Err(panic) => failed(Error::new(format!("legality: {panic}"))),
    }
}

unsafe extern "C" fn convert(user: *mut c_void, ty: MlirType, add: shim::AddType, into: *mut c_void) -> c_int {
    // SAFETY: MLIR passes a valid type, the data that `run` keeps alive, and a callback for its own data.
    unsafe {
        let types = &*user.cast::<Types>();
        let ty = Type::from_raw(ty);
        let failed = |message: String| {
            types.tracking.fail();
            let message = format!("conversion of the type '{ty}': {message}");
            emit(Location::from_raw(types.location), Severity::Error, &message);
            0
        };
        match guard(|| types.converter.convert(ty)) {
            Ok(Ok(None)) => shim::NO_OPINION,
            Ok(Ok(Some(converted))) => {
                converted.into_iter().for_each(|ty| add(ty.to_raw(), into));
                1
            }
            Ok(Err(error)) => failed(error.message()),
            Err(panic) => failed(panic),
        }
    }
}

#[allow(clippy::too_many_arguments, reason = "the C signature")]
unsafe extern "C" fn materialize(
    user: *mut c_void,
    to_target: bool,
    rewriter: MlirRewriterBase,
    location: MlirLocation,
    n_types: isize,
    types: *const MlirType,
    n_inputs: isize,
    inputs: *const MlirValue,
    original: MlirType,
    add: shim::AddValue,
    into: *mut c_void,
) {
    let scope = Scope::new(CONVERTING, None);
    // SAFETY: MLIR passes live things with their counts, null where it knows no original type, the data that `run`
    // keeps alive, and a callback for its own data.
    unsafe {
        let state = &*user.cast::<Types>();
        let location = Location::from_raw(location);
        let b = Builder::from_raw(rewriter, &scope, location);
        let types: Vec<_> = (0..n_types as usize).map(|i| Type::from_raw(*types.add(i))).collect();
        let inputs: Vec<_> = (0..n_inputs as usize).map(|i| Value::from_raw(*inputs.add(i), &scope)).collect();
        let made = guard(|| {
            let made = state.converter.cast(to_target, &b, &types, &inputs, Type::from_nullable(original))?;
            let has_types = |made: &Vec<Value<'_>>| made.iter().map(|v| v.ty()).eq(types.iter().copied());
            match made {
                Some(made) if !has_types(&made) => {
                    let actual: Vec<_> = made.iter().map(|v| v.ty()).collect();
                    Err(Error::new(format!("made values of {actual:?} where {types:?} are needed")))
                }
                made => Ok(made.unwrap_or_default().into_iter().map(Value::to_raw).collect::<Vec<_>>()),
            }
        });
        let error = match made {
            Ok(Ok(made)) => return made.into_iter().for_each(|value| add(value, into)),
            Ok(Err(error)) => error.message(),
            Err(panic) => panic,
        };
        state.tracking.fail();
        let kind = if to_target { "target" } else { "source" };
        emit(location, Severity::Error, &format!("{kind} materialization: {error}"));
    }
}

unsafe extern "C" fn match_and_rewrite(
    op: MlirOperation,
    sizes: *const isize,
    operands: *const MlirValue,
    rewriter: MlirRewriterBase,
    user: *mut c_void,
) -> MlirLogicalResult {
    // SAFETY: MLIR passes the payload of the pattern, which outlives this call.
    let Payload { name, rewrite, types, tracking } = unsafe { &*user.cast::<Payload>() };
    let scope = tracking.scope(rewriter);
    // SAFETY: MLIR passes a live operation and rewriter, one size per operand and as many values as these say;
    // during this call it deletes nothing.
    unsafe {
        let raw = op;
        let op = Operation::from_raw(op, &scope);
        let mut values = (0..).map(|i| Value::from_raw(*operands.add(i), &scope));
        let groups = (0..op.operand_count()).map(|i| values.by_ref().take(*sizes.add(i) as usize).collect());
        let operands = Adapted(groups.collect());
        let location = op.location();
        let rewriter = tracking.rewriter(rewriter, &scope, op);
        let rewriter = ConversionRewriter { rewriter, types: types.as_ref() };
        let result = guard(|| {
            rewrite(op, &operands, &rewriter)?;
            let error = || Error::new(format!("pattern '{name}' neither replaced nor modified it")).into();
            if rewriter.has_changed(raw) { Ok(()) } else { Err(error()) }
        });
        outcome(tracking.settle(name, op, location, result))
    }
}
