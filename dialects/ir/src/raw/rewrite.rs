//! Patterns as MLIR sees them, and the greedy driver.

use super::builder::Rewriter;
use super::callback::report_at;
use super::diagnostic::guard;
use super::operation::Operation;
use super::scope::Scope;
use super::{outcome, text};
use crate::diagnostic::{Error, Result, Severity};
use crate::rewrite::{Mismatch, Pattern, Patterns, RewriteFn};
use mlir_sys::*;
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a C pattern owns.
struct Payload {
    name: &'static str,
    rewrite: Arc<RewriteFn>,
    failed: Arc<AtomicBool>,
}

/// Adds `patterns` to a set that MLIR owns; failures inside them are reported only.
///
/// # Safety
/// Both handles are alive.
pub(crate) unsafe fn add_all(set: MlirRewritePatternSet, cx: MlirContext, patterns: Patterns) {
    // SAFETY: the caller promises it.
    unsafe { add_tracked(set, cx, patterns, &Arc::default()) }
}

/// # Safety
/// Both handles are alive.
pub(crate) unsafe fn add_tracked(
    set: MlirRewritePatternSet,
    cx: MlirContext,
    patterns: Patterns,
    failed: &Arc<AtomicBool>,
) {
    for pattern in patterns.patterns {
        let roots: Vec<Option<&str>> = if pattern.roots.is_empty() {
            vec![None]
        } else {
            pattern.roots.iter().map(|r| Some(r.as_str())).collect()
        };
        for root in roots {
            // SAFETY: the caller promises that the handles are alive.
            unsafe { add_one(set, cx, &pattern, root, failed) }
        }
    }
}

unsafe fn add_one(
    set: MlirRewritePatternSet,
    cx: MlirContext,
    pattern: &Pattern,
    root: Option<&str>,
    failed: &Arc<AtomicBool>,
) {
    let payload =
        Box::new(Payload { name: pattern.name, rewrite: Arc::clone(&pattern.rewrite), failed: Arc::clone(failed) });
    let user: *mut c_void = Box::into_raw(payload).cast();
    // SAFETY: MLIR takes the payload and gives it back to `destruct` once.
    unsafe {
        match root {
            Some(root) => {
                let callbacks = MlirRewritePatternCallbacks {
                    construct: None,
                    destruct: Some(destruct),
                    matchAndRewrite: Some(match_and_rewrite),
                };
                let raw = mlirOpRewritePatternCreate(
                    text(root),
                    u32::from(pattern.benefit),
                    cx,
                    callbacks,
                    user,
                    0,
                    std::ptr::null_mut(),
                );
                mlirRewritePatternSetAdd(set, raw);
            }
            None => thunder_mlir_shim::pass::thunderPatternAddAny(
                set,
                u32::from(pattern.benefit),
                match_any,
                destruct,
                user,
            ),
        }
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
    let scope = Scope::default();
    // SAFETY: MLIR passes a live operation and rewriter and the payload of the pattern; within this
    // call all erasures go through our rewriter.
    unsafe {
        let payload = &*user.cast::<Payload>();
        let op = Operation::from_raw(op, &scope);
        let location = op.location();
        let rewriter = Rewriter::from_raw(rewriter, &scope, location);
        let name = op.name();
        match guard(|| (payload.rewrite)(op, &rewriter)) {
            Ok(Ok(())) => outcome(true),
            Ok(Err(Mismatch::NoMatch(_))) => outcome(false),
            Ok(Err(Mismatch::Failed(error))) => {
                payload.failed.store(true, Ordering::Relaxed);
                if op.is_alive() {
                    report_at(op, &error);
                } else {
                    super::diagnostic::emit(location, Severity::Error, &error.message());
                }
                outcome(false)
            }
            Err(panic) => {
                payload.failed.store(true, Ordering::Relaxed);
                let message = format!("'{name}' op pattern '{}': {panic}", payload.name);
                super::diagnostic::emit(location, Severity::Error, &message);
                outcome(false)
            }
        }
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
    let failed = Arc::new(AtomicBool::new(false));
    // SAFETY: the operation is alive; sets and configuration are created, used and destroyed here.
    let converged = unsafe {
        let set = mlirRewritePatternSetCreate(cx.to_raw());
        add_tracked(set, cx.to_raw(), patterns, &failed);
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
    if failed.load(Ordering::Relaxed) {
        return Err(Error::at(location, "a rewrite pattern failed; its diagnostic says where"));
    }
    // SAFETY: the driver never erases the operation it is given.
    Ok((unsafe { Operation::from_raw(raw, op.scope()) }, converged))
}
