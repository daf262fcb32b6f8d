//! Machine code from the LLVM dialect: object files and their in-memory loader.

use std::ffi::c_char;

unsafe extern "C" {
    /// The host's CPU name, as LLVM spells it; freed with [`thunderFree`].
    pub fn thunderHostCpu() -> *mut c_char;

    /// Frees what a function of this module allocated.
    pub fn thunderFree(bytes: *mut c_char);
}
