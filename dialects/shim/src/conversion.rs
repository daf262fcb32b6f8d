//! Dialect conversion, all of whose decisions are callbacks.
#![allow(missing_docs, reason = "conversion.cpp documents the functions")]

use mlir_sys::{
    MlirContext, MlirLocation, MlirLogicalResult, MlirOperation, MlirRegion, MlirRewritePatternSet, MlirRewriterBase,
    MlirStringRef, MlirType, MlirValue,
};
use std::ffi::{c_int, c_void};

pub const NO_OPINION: c_int = -1;

pub const UPSTREAM_FUNCTIONS: c_int = 0;
pub const UPSTREAM_CONTROL_FLOW: c_int = 1;

pub const PARTIAL: c_int = 0;
pub const FULL: c_int = 1;
pub const ANALYSIS: c_int = 2;

pub type Legality = unsafe extern "C" fn(MlirOperation, *mut c_void) -> c_int;
pub type AddType = unsafe extern "C" fn(MlirType, *mut c_void);
pub type AddValue = unsafe extern "C" fn(MlirValue, *mut c_void);
pub type AddOperation = unsafe extern "C" fn(MlirOperation, *mut c_void);
pub type Convert = unsafe extern "C" fn(*mut c_void, MlirType, AddType, *mut c_void) -> c_int;
pub type Materialize = unsafe extern "C" fn(
    *mut c_void,
    bool,
    MlirRewriterBase,
    MlirLocation,
    isize,
    *const MlirType,
    isize,
    *const MlirValue,
    MlirType,
    AddValue,
    *mut c_void,
);
pub type Run = unsafe extern "C" fn(
    MlirOperation,
    *const isize,
    *const MlirValue,
    MlirRewriterBase,
    *mut c_void,
) -> MlirLogicalResult;

unsafe extern "C" {
    pub fn thunderConversionCreate(context: MlirContext, legality: Legality, user: *mut c_void) -> *mut c_void;
    pub fn thunderConversionDestroy(conversion: *mut c_void);
    pub fn thunderConversionPatterns(conversion: *mut c_void) -> MlirRewritePatternSet;
    pub fn thunderConversionKeep(conversion: *mut c_void, name: MlirStringRef);
    pub fn thunderConversionConverter(
        conversion: *mut c_void,
        convert: Convert,
        materialize: Materialize,
        user: *mut c_void,
    ) -> *mut c_void;
    pub fn thunderConversionUpstream(conversion: *mut c_void, converter: *const c_void, which: c_int);
    pub fn thunderConversionPattern(
        conversion: *mut c_void,
        converter: *const c_void,
        root: MlirStringRef,
        benefit: u32,
        run: Run,
        destroy: unsafe extern "C" fn(*mut c_void),
        user: *mut c_void,
    );
    pub fn thunderConversionRun(
        conversion: *mut c_void,
        root: MlirOperation,
        mode: c_int,
        add: AddOperation,
        into: *mut c_void,
    ) -> MlirLogicalResult;
    pub fn thunderConversionReplaced(rewriter: MlirRewriterBase, op: MlirOperation) -> bool;
    pub fn thunderConversionReplace(
        rewriter: MlirRewriterBase,
        op: MlirOperation,
        sizes: *const isize,
        values: *const MlirValue,
    );
    pub fn thunderConversionRegion(rewriter: MlirRewriterBase, region: MlirRegion, converter: *const c_void) -> bool;
}
