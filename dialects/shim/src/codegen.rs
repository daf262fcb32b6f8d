//! Machine code from the LLVM dialect, and its in-memory loader.
//!
//! Functions that fail call `error` once and return `false` or null. Text and bytes given to a callback are
//! valid during the call only. Different modules may be emitted at the same time, each by one thread, where
//! their contexts differ or no other thread loads dialects into them.

use mlir_sys::{MlirOperation, MlirStringRef};
use std::ffi::{c_int, c_void};

/// Receives bytes, and the `user` given beside it.
pub type Text = unsafe extern "C" fn(MlirStringRef, *mut c_void);

/// A relocatable object file.
pub const EMIT_OBJECT: c_int = 0;
/// Assembly of the target.
pub const EMIT_ASSEMBLY: c_int = 1;
/// LLVM IR after optimization.
pub const EMIT_LLVM: c_int = 2;

unsafe extern "C" {
    /// The host's CPU name, as LLVM spells it.
    pub fn thunderHostCpu(result: Text, user: *mut c_void);

    /// The host's features for `thunderCodegenEmit`, each with its sign: `+avx,-avx512f,...`.
    pub fn thunderHostFeatures(result: Text, user: *mut c_void);

    /// Emits `module`, of the LLVM and NVVM dialects, for `cpu` (`native`: the host with its features) of the target
    /// `triple` (empty: this process's, else NVPTX) at level 0 to 3. Its functions are dealt out to at most `parts`
    /// parts, which are made at the same time; `result` has each in order.
    pub fn thunderCodegenEmit(
        module: MlirOperation,
        triple: MlirStringRef,
        cpu: MlirStringRef,
        features: MlirStringRef,
        level: c_int,
        kind: c_int,
        parts: usize,
        result: Text,
        error: Text,
        user: *mut c_void,
    ) -> bool;

    /// Loads object files; what they leave undefined is looked up in each other and in this process.
    pub fn thunderJitCreate(objects: *const MlirStringRef, count: usize, error: Text, user: *mut c_void)
    -> *mut c_void;

    /// The address of a symbol, valid until `thunderJitDestroy`.
    pub fn thunderJitLookup(jit: *mut c_void, name: MlirStringRef, error: Text, user: *mut c_void) -> *mut c_void;

    /// Unloads the objects.
    pub fn thunderJitDestroy(jit: *mut c_void);
}
