//! What the C API lacks of patterns and rewriters.
#![allow(missing_docs, reason = "rewrite.cpp documents what is not plain")]

use mlir_sys::{
    MlirLogicalResult, MlirOperation, MlirPDLPatternModule, MlirPDLValue, MlirRegion, MlirRewritePatternSet,
    MlirRewriterBase,
};
use std::ffi::{c_int, c_void};

/// Runs a pattern with the user data it was added with.
pub type Run = unsafe extern "C" fn(MlirOperation, MlirRewriterBase, *mut c_void) -> MlirLogicalResult;

/// Takes user data back.
pub type Destroy = unsafe extern "C" fn(*mut c_void);

pub const PDL_ATTRIBUTE: c_int = 0;
pub const PDL_OPERATION: c_int = 1;
pub const PDL_TYPE: c_int = 2;
pub const PDL_TYPES: c_int = 3;
pub const PDL_VALUE: c_int = 4;
pub const PDL_VALUES: c_int = 5;

unsafe extern "C" {
    pub fn thunderPatternAddAny(
        set: MlirRewritePatternSet,
        benefit: u32,
        run: Run,
        destroy: Destroy,
        user: *mut c_void,
    );
    pub fn thunderRewriterFollow(rewriter: MlirRewriterBase) -> MlirRewriterBase;
    pub fn thunderRewriterMoveBlocks(rewriter: MlirRewriterBase, from: MlirRegion, to: MlirRegion);
    pub fn thunderPatternsAddPdl(set: MlirRewritePatternSet, module: MlirPDLPatternModule);
    pub fn thunderPdlValue(
        value: MlirPDLValue,
        add: unsafe extern "C" fn(*const c_void, *mut c_void),
        user: *mut c_void,
    ) -> c_int;
}
