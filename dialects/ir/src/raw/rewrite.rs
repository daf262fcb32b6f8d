//! Patterns as MLIR sees them, and the greedy driver.

use super::builder::Rewriter;
use super::callback::report_at;
use super::context::{ContextRef, Location};
use super::diagnostic::{emit, guard};
use super::operation::Operation;
use super::pdl::Natives;
use super::scope::{Editing, Scope};
use super::{outcome, text};
use crate::diagnostic::{Error, Result, Severity};
use crate::rewrite::{Mismatch, Pattern, Patterns, RewriteFn, Rewritten};
use mlir_sys::*;
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use thunder_mlir_shim::rewrite as shim;

/// What the callbacks of one run of a driver share.
#[derive(Clone, Default)]
pub(crate) struct Tracking {
    failed: Arc<AtomicBool>,
    anchor: Option<usize>,
    converting: bool,
}

impl Tracking {
    /// For a driver that needs the operation at address `anchor` afterwards.
    pub(crate) fn new(anchor: usize, converting: bool) -> Self {
        Self { failed: Arc::default(), anchor: Some(anchor), converting }
    }

    pub(crate) fn fail(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_converting(&self) -> bool {
        self.converting
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// The scope of a callback that changes IR through `rewriter`.
    pub(crate) fn scope(&self, rewriter: MlirRewriterBase) -> Scope {
        let editing = if self.converting { CONVERTING } else { Editing::Followed(rewriter) };
        Scope::new(editing, self.anchor)
    }

    /// The rewriter of such a callback, in its scope.
    ///
    /// # Safety
    /// `raw` is a live rewriter of this driver, and outlives the value.
    pub(crate) unsafe fn rewriter<'c>(
        &self,
        raw: MlirRewriterBase,
        scope: &'c Scope,
        op: Operation<'c>,
    ) -> Rewriter<'c> {
        // SAFETY: the caller promises it; both kinds of driver erase nothing behind a callback's back.
        unsafe { Rewriter::from_raw(raw, scope, op.location(), self.converting.then_some(op)) }
    }

    /// Reports what went wrong in a callback at `op`; answers whether it rewrote.
    pub(crate) fn settle(
        &self,
        name: &str,
        op: Operation<'_>,
        location: Location<'_>,
        result: std::result::Result<Rewritten, String>,
    ) -> bool {
        let error = match result {
            Ok(Ok(())) => return true,
            Ok(Err(Mismatch::NoMatch(_))) => return false,
            Ok(Err(Mismatch::Failed(error))) => error,
            Err(panic) => Error::new(format!("pattern '{name}': {panic}")),
        };
        self.fail();
        if op.is_alive() {
            report_at(op, &error);
        } else {
            emit(location, Severity::Error, &error.message());
        }
        false
    }
}

/// Why the handles of a conversion's callback make no rewriters.
pub(crate) const CONVERTING: Editing = Editing::Refused("during a conversion, only its own rewriter changes IR");

/// What a C pattern owns.
struct Payload {
    name: &'static str,
    rewrite: Arc<RewriteFn>,
    tracking: Tracking,
}

/// Adds `patterns` to a set that MLIR owns; failures inside them are reported only.
///
/// # Safety
/// Both handles are alive.
pub(crate) unsafe fn add_all(set: MlirRewritePatternSet, cx: MlirContext, patterns: Patterns) -> Result {
    // SAFETY: the caller promises it.
    unsafe { add_tracked(set, cx, patterns, &Tracking::default()) }
}

/// # Safety
/// Both handles are alive.
pub(crate) unsafe fn add_tracked(
    set: MlirRewritePatternSet,
    cx: MlirContext,
    patterns: Patterns,
    tracking: &Tracking,
) -> Result {
    for pattern in patterns.patterns {
        let roots: Vec<Option<&str>> = if pattern.roots.is_empty() {
            vec![None]
        } else {
            pattern.roots.iter().map(|r| Some(r.as_str())).collect()
        };
        for root in roots {
            // SAFETY: the caller promises that the handles are alive.
            unsafe { add_one(set, cx, &pattern, root, tracking) }
        }
    }
    for patterns in &patterns.pdl {
        // SAFETY: the caller promises that the handles are alive; natives live until the set's patterns go.
        unsafe {
            let natives = super::pdl::add(set, ContextRef::from_raw(cx), patterns, tracking)?;
            keep(set, cx, natives);
        }
    }
    Ok(())
}

/// Lets natives of PDL patterns live as long as a set: as what a pattern owns that never runs.
unsafe fn keep(set: MlirRewritePatternSet, cx: MlirContext, natives: Natives<'_>) {
    unsafe extern "C" fn destruct(user: *mut c_void) {
        // SAFETY: made by `Box::into_raw` below, and given back once.
        drop(unsafe { Box::from_raw(user.cast::<Natives<'_>>()) });
    }
    unsafe extern "C" fn decline(
        _: MlirRewritePattern,
        _: MlirOperation,
        _: MlirPatternRewriter,
        _: *mut c_void,
    ) -> MlirLogicalResult {
        outcome(false)
    }
    let callbacks =
        MlirRewritePatternCallbacks { construct: None, destruct: Some(destruct), matchAndRewrite: Some(decline) };
    let user = Box::into_raw(Box::new(natives)).cast();
    let none = std::ptr::null_mut();
    // SAFETY: MLIR takes the natives and gives them back to `destruct` once.
    unsafe {
        let raw = mlirOpRewritePatternCreate(text("pdl.pattern"), 0, cx, callbacks, user, 0, none);
        mlirRewritePatternSetAdd(set, raw);
    }
}

unsafe fn add_one(
    set: MlirRewritePatternSet,
    cx: MlirContext,
    pattern: &Pattern,
    root: Option<&str>,
    tracking: &Tracking,
) {
    let (rewrite, tracking) = (Arc::clone(&pattern.rewrite), tracking.clone());
    let user: *mut c_void = Box::into_raw(Box::new(Payload { name: pattern.name, rewrite, tracking })).cast();
    let benefit = u32::from(pattern.benefit);
    // SAFETY: MLIR takes the payload and gives it back to `destruct` once.
    unsafe {
        let Some(root) = root else { return shim::thunderPatternAddAny(set, benefit, match_any, destruct, user) };
        let callbacks = MlirRewritePatternCallbacks {
            construct: None,
            destruct: Some(destruct),
            matchAndRewrite: Some(match_and_rewrite),
        };
        let none = std::ptr::null_mut();
        let raw = mlirOpRewritePatternCreate(text(root), benefit, cx, callbacks, user, 0, none);
        mlirRewritePatternSetAdd(set, raw);
    }
}

unsafe extern "C" fn destruct(user: *mut c_void) {
    // SAFETY: made by `Box::into_raw` in `add_one`, and given back once.
    drop(unsafe { Box::from_raw(user.cast::<Payload>()) });
}

unsafe extern "C" fn match_and_rewrite(
    _: MlirRewritePattern,
    op: MlirOperation,
    rewriter: MlirPatternRewriter,
    user: *mut c_void,
) -> MlirLogicalResult {
    // SAFETY: MLIR passes a live operation and rewriter and the payload of the pattern.
    unsafe { match_any(op, mlirPatternRewriterAsBase(rewriter), user) }
}

unsafe extern "C" fn match_any(op: MlirOperation, rewriter: MlirRewriterBase, user: *mut c_void) -> MlirLogicalResult {
    // SAFETY: MLIR passes the payload of the pattern, which outlives this call.
    let Payload { name, rewrite, tracking } = unsafe { &*user.cast::<Payload>() };
    let scope = tracking.scope(rewriter);
    // SAFETY: MLIR passes a live operation and rewriter; within this call all erasures go through our rewriters.
    unsafe {
        let op = Operation::from_raw(op, &scope);
        let location = op.location();
        let rewriter = tracking.rewriter(rewriter, &scope, op);
        let result = guard(|| rewrite(op, &rewriter));
        outcome(tracking.settle(name, op, location, result))
    }
}

/// How the greedy driver runs.
#[derive(Debug, Clone, Copy)]
pub struct GreedyConfig {
    /// How often it may walk over everything; `None` until nothing changes.
    pub max_iterations: Option<u32>,
    /// How many rewrites it may do; `None` without limit. Fuel for bisecting.
    pub max_rewrites: Option<u32>,
    /// Whether it folds and removes dead operations as well.
    pub fold: bool,
    /// Whether it starts at the top.
    pub top_down: bool,
}

impl Default for GreedyConfig {
    fn default() -> Self {
        Self { max_iterations: Some(10), max_rewrites: None, fold: true, top_down: true }
    }
}

/// Applies `patterns` to everything below `op` until none matches.
///
/// Handles made before are dead afterwards, but for the one returned. Whether the driver reached a
/// fixpoint within its limits is the second value.
#[track_caller]
pub fn apply_greedily<'c>(
    op: Operation<'c>,
    patterns: Patterns,
    config: GreedyConfig,
) -> Result<(Operation<'c>, bool)> {
    let raw = op.to_raw();
    let cx = op.context();
    let location = op.location();
    op.check_free()?;
    let tracking = Tracking::new(raw.ptr as usize, false);
    // SAFETY: the operation is alive; sets and configuration are created, used and destroyed here.
    let converged = unsafe {
        let set = mlirRewritePatternSetCreate(cx.to_raw());
        if let Err(error) = add_tracked(set, cx.to_raw(), patterns, &tracking) {
            mlirRewritePatternSetDestroy(set);
            return Err(error);
        }
        let frozen = mlirFreezeRewritePattern(set);
        let driver = mlirGreedyRewriteDriverConfigCreate();
        mlirGreedyRewriteDriverConfigSetMaxIterations(driver, config.max_iterations.map_or(-1, i64::from));
        mlirGreedyRewriteDriverConfigSetMaxNumRewrites(driver, config.max_rewrites.map_or(-1, i64::from));
        mlirGreedyRewriteDriverConfigEnableFolding(driver, config.fold);
        mlirGreedyRewriteDriverConfigSetUseTopDownTraversal(driver, config.top_down);
        let result = mlirApplyPatternsAndFoldGreedilyWithOp(raw, frozen, driver);
        mlirGreedyRewriteDriverConfigDestroy(driver);
        mlirFrozenRewritePatternSetDestroy(frozen);
        mlirRewritePatternSetDestroy(set);
        result.value != 0
    };
    op.scope().invalidate(std::panic::Location::caller());
    if tracking.has_failed() {
        return Err(Error::at(location, "a rewrite pattern failed; its diagnostic says where"));
    }
    // SAFETY: the driver never erases the operation it is given.
    Ok((unsafe { Operation::from_raw(raw, op.scope()) }, converged))
}
