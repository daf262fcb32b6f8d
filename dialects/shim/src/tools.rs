//! MLIR's own tools over a registry that Rust fills, and what their command lines know.
#![allow(missing_docs, reason = "tools.cpp documents the functions")]

use mlir_sys::{MlirContext, MlirDialectRegistry, MlirStringRef};
use std::ffi::{c_char, c_int, c_void};

/// Takes a name and its help, or one text and nothing.
pub type AddText = unsafe extern "C" fn(MlirStringRef, MlirStringRef, *mut c_void);

unsafe extern "C" {
    pub fn thunderOptMain(
        argc: c_int,
        argv: *mut *mut c_char,
        registry: MlirDialectRegistry,
        review: unsafe extern "C" fn(bool, MlirStringRef, *mut c_void) -> bool,
        user: *mut c_void,
    ) -> c_int;
    pub fn thunderLspMain(argc: c_int, argv: *mut *mut c_char, registry: MlirDialectRegistry) -> c_int;
    pub fn thunderReduceMain(argc: c_int, argv: *mut *mut c_char, context: MlirContext) -> c_int;
    pub fn thunderFlags(add: AddText, user: *mut c_void);
    pub fn thunderPassOptions(name: MlirStringRef, add: AddText, user: *mut c_void) -> bool;
    pub fn thunderPipelineCheck(pipeline: MlirStringRef, report: AddText, user: *mut c_void) -> bool;
}
