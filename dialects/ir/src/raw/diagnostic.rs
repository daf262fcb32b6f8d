//! Capturing what MLIR reports, and reporting.

use super::context::{ContextRef, Location};
use super::{collect, text};
use crate::diagnostic::{Diagnostic, Severity};
use mlir_sys::*;
use std::ffi::c_void;
use std::sync::Mutex;
use std::thread::ThreadId;
use thunder_mlir_shim::pass::thunderEmit;

/// Runs `body` and returns the diagnostics that the context emitted meanwhile, on any thread.
///
/// Handlers that were attached before do not see them.
pub fn capture<T>(cx: ContextRef<'_>, body: impl FnOnce() -> T) -> (T, Vec<Diagnostic>) {
    capture_of(cx, None, body)
}

/// Like [`capture`], but what other threads emit meanwhile goes where it went before.
pub(crate) fn capture_here<T>(cx: ContextRef<'_>, body: impl FnOnce() -> T) -> (T, Vec<Diagnostic>) {
    capture_of(cx, Some(std::thread::current().id()), body)
}

fn capture_of<T>(cx: ContextRef<'_>, thread: Option<ThreadId>, body: impl FnOnce() -> T) -> (T, Vec<Diagnostic>) {
    type Sink = (Option<ThreadId>, Mutex<Vec<Diagnostic>>);

    unsafe extern "C" fn handle(raw: MlirDiagnostic, user: *mut c_void) -> MlirLogicalResult {
        // SAFETY: `user` is the sink below, alive until the handler is detached.
        let (thread, sink) = unsafe { &*user.cast::<Sink>() };
        if thread.is_some_and(|thread| thread != std::thread::current().id()) {
            return super::outcome(false);
        }
        // SAFETY: the diagnostic is alive during this call.
        let diagnostic = unsafe { convert(raw) };
        sink.lock().unwrap_or_else(|e| e.into_inner()).push(diagnostic);
        super::outcome(true)
    }

    struct Attached {
        cx: MlirContext,
        id: MlirDiagnosticHandlerID,
    }
    impl Drop for Attached {
        fn drop(&mut self) {
            // SAFETY: attached below to the same live context.
            unsafe { mlirContextDetachDiagnosticHandler(self.cx, self.id) }
        }
    }

    let sink: Box<Sink> = Box::new((thread, Mutex::default()));
    // SAFETY: the sink outlives the handler, which the guard detaches even when `body` panics.
    let guard = unsafe {
        let user = (&raw const *sink).cast_mut().cast();
        let id = mlirContextAttachDiagnosticHandler(cx.to_raw(), Some(handle), user, None);
        Attached { cx: cx.to_raw(), id }
    };
    let value = body();
    drop(guard);
    let diagnostics = sink.1.into_inner().unwrap_or_else(|e| e.into_inner());
    (value, diagnostics)
}

/// # Safety
/// `raw` is alive.
unsafe fn convert(raw: MlirDiagnostic) -> Diagnostic {
    // SAFETY: the caller promises that the diagnostic is alive, and so its notes and location.
    unsafe {
        let severity = match mlirDiagnosticGetSeverity(raw) {
            0 => Severity::Error,
            1 => Severity::Warning,
            2 => Severity::Note,
            _ => Severity::Remark,
        };
        let location = Location::from_raw(mlirDiagnosticGetLocation(raw));
        Diagnostic {
            severity,
            location: location.to_string(),
            message: collect(|cb, user| mlirDiagnosticPrint(raw, Some(cb), user)),
            notes: (0..mlirDiagnosticGetNumNotes(raw)).map(|i| convert(mlirDiagnosticGetNote(raw, i))).collect(),
        }
    }
}

impl Severity {
    /// As MLIR counts them.
    pub(crate) fn to_raw(self) -> i32 {
        match self {
            Self::Note => 0,
            Self::Warning => 1,
            Self::Error => 2,
            Self::Remark => 3,
        }
    }
}

/// Emits a diagnostic at a location.
pub fn emit(location: Location<'_>, severity: Severity, message: &str) {
    // SAFETY: all pointers are valid during the call.
    unsafe {
        let (op, kind) = (MlirOperation { ptr: std::ptr::null_mut() }, severity.to_raw());
        thunderEmit(location.to_raw(), op, kind, text(message), 0, std::ptr::null(), std::ptr::null());
    }
}

/// Runs a callback of MLIR's; a panic becomes text instead of crossing C++ frames.
pub(crate) fn guard<T>(body: impl FnOnce() -> T) -> Result<T, String> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).map_err(|payload| {
        let message = payload
            .downcast_ref::<&str>()
            .map(|s| (*s).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a value that is not text".to_owned());
        format!("rust panic: {message}")
    })
}
