//! The only module of this crate that calls MLIR: handles whose safe methods cannot corrupt memory.
//!
//! Types, attributes and locations are immutable and live as long as their context. Operations,
//! blocks, regions and values can be erased while a handle still exists: each such handle carries
//! the [`Scope`] it was made in, and every use first asks the scope whether the thing still stands.

pub(crate) mod assembly;
pub(crate) mod attribute;
pub(crate) mod block;
pub(crate) mod builder;
pub(crate) mod callback;
pub(crate) mod codegen;
pub(crate) mod context;
pub(crate) mod conversion;
pub(crate) mod dense_array;
pub(crate) mod diagnostic;
pub(crate) mod module;
pub(crate) mod operation;
pub(crate) mod pass;
pub(crate) mod pdl;
pub(crate) mod rewrite;
pub(crate) mod scope;
pub(crate) mod tools;
pub(crate) mod types;
pub(crate) mod value;

use mlir_sys::{MlirLogicalResult, MlirStringRef};
use std::ffi::c_void;

/// Borrows `text` for the duration of a call.
pub(crate) fn text(text: &str) -> MlirStringRef {
    MlirStringRef { data: text.as_ptr().cast(), length: text.len() }
}

/// Reads a string that MLIR owns for at least `'a`.
///
/// # Safety
/// `raw` points to `length` bytes that stay valid and unchanged for `'a`.
pub(crate) unsafe fn read<'a>(raw: MlirStringRef) -> &'a str {
    if raw.length == 0 {
        return "";
    }
    // SAFETY: the caller promises that the bytes are valid for 'a.
    let bytes = unsafe { std::slice::from_raw_parts(raw.data.cast::<u8>(), raw.length) };
    std::str::from_utf8(bytes).unwrap_or("<not utf-8>")
}

/// Collects what a C printing function writes.
pub(crate) fn collect(print: impl FnOnce(unsafe extern "C" fn(MlirStringRef, *mut c_void), *mut c_void)) -> String {
    unsafe extern "C" fn append(part: MlirStringRef, user: *mut c_void) {
        // SAFETY: `user` is the buffer below, and `part` is valid during this call.
        unsafe {
            let bytes: &[u8] =
                if part.length == 0 { &[] } else { std::slice::from_raw_parts(part.data.cast(), part.length) };
            (*user.cast::<Vec<u8>>()).extend_from_slice(bytes);
        }
    }
    let mut buffer = Vec::<u8>::new();
    print(append, (&raw mut buffer).cast());
    String::from_utf8_lossy(&buffer).into_owned()
}

pub(crate) fn outcome(ok: bool) -> MlirLogicalResult {
    MlirLogicalResult { value: ok.into() }
}
