//! Passes and pipelines in MLIR's registry, and diagnostics of every severity.
#![allow(missing_docs, reason = "shim.h documents the tables, field by field")]

use mlir_sys::{MlirContext, MlirLocation, MlirLogicalResult, MlirOpPassManager, MlirOperation, MlirStringRef};
use std::ffi::c_void;

pub const OPTION_BOOL: i32 = 0;
pub const OPTION_INT: i32 = 1;
pub const OPTION_UNSIGNED: i32 = 2;
pub const OPTION_FLOAT: i32 = 3;
pub const OPTION_TEXT: i32 = 4;
pub const OPTION_LIST: i32 = 5;

#[repr(C)]
pub struct PassOption {
    pub name: MlirStringRef,
    pub description: MlirStringRef,
    pub kind: i32,
    pub initial: MlirStringRef,
}

#[repr(C)]
pub struct Pass {
    pub data: *const c_void,
    pub name: MlirStringRef,
    pub argument: MlirStringRef,
    pub description: MlirStringRef,
    pub anchor: MlirStringRef,
    pub n_dependent: isize,
    pub dependent: *const MlirStringRef,
    pub n_options: isize,
    pub options: *const PassOption,
    pub create: unsafe extern "C" fn(*const c_void, MlirContext, *const isize, *const MlirStringRef) -> *mut c_void,
    pub share: unsafe extern "C" fn(*mut c_void) -> *mut c_void,
    pub drop: unsafe extern "C" fn(*mut c_void),
    pub run: unsafe extern "C" fn(*mut c_void, MlirOperation, *mut c_void) -> MlirLogicalResult,
}

unsafe extern "C" {
    pub fn thunderPassRegister(table: *const Pass);
    pub fn thunderPipelineRegister(argument: MlirStringRef, description: MlirStringRef, body: MlirStringRef);
    pub fn thunderPassRunPipeline(
        pass: *mut c_void,
        pipeline: MlirOpPassManager,
        op: MlirOperation,
    ) -> MlirLogicalResult;
    pub fn thunderEmit(
        location: MlirLocation,
        op: MlirOperation,
        severity: i32,
        message: MlirStringRef,
        n_notes: isize,
        locations: *const MlirLocation,
        notes: *const MlirStringRef,
    );
}
