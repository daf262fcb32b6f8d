//! Tables that describe a dialect to MLIR, and questions about what they defined.
#![allow(missing_docs, reason = "shim.h documents the tables, field by field")]

use crate::asm::{AsmParser, AsmPrinter};
use mlir_sys::{
    MlirAttribute, MlirContext, MlirDialectRegistry, MlirLocation, MlirLogicalResult, MlirModule, MlirOperation,
    MlirRewritePatternSet, MlirStringRef, MlirType, MlirValue,
};
use std::ffi::c_void;

pub const FOLD_NONE: i32 = 0;
pub const FOLD_IN_PLACE: i32 = 1;
pub const FOLD_REPLACED: i32 = 2;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct FoldResult {
    pub value: MlirValue,
    pub attribute: MlirAttribute,
}

pub type AddEffect = unsafe extern "C" fn(i32, MlirValue, *mut c_void);
pub type AddType = unsafe extern "C" fn(MlirType, *mut c_void);
pub type AddAttribute = unsafe extern "C" fn(MlirAttribute, *mut c_void);
pub type Report = unsafe extern "C" fn(MlirStringRef, *mut c_void);

#[repr(C)]
pub struct Op {
    pub data: *const c_void,
    pub name: MlirStringRef,
    pub n_traits: isize,
    pub traits: *const MlirStringRef,
    pub n_attributes: isize,
    pub attributes: *const MlirStringRef,
    pub knows_effects: bool,
    pub is_symbol: bool,
    pub is_graph_region: bool,
    pub speculatable: i32,
    pub parse: unsafe extern "C" fn(*const c_void, *mut AsmParser) -> MlirLogicalResult,
    pub print: unsafe extern "C" fn(*const c_void, MlirOperation, *mut AsmPrinter),
    pub structure: unsafe extern "C" fn(*const c_void, MlirOperation) -> MlirLogicalResult,
    pub verify: Option<unsafe extern "C" fn(*const c_void, MlirOperation) -> MlirLogicalResult>,
    pub verify_regions: Option<unsafe extern "C" fn(*const c_void, MlirOperation) -> MlirLogicalResult>,
    pub fold: Option<unsafe extern "C" fn(*const c_void, MlirOperation, *const MlirAttribute, *mut FoldResult) -> i32>,
    pub patterns: Option<unsafe extern "C" fn(*const c_void, MlirRewritePatternSet, MlirContext)>,
    pub defaults: Option<unsafe extern "C" fn(*const c_void, MlirContext, *mut c_void)>,
    pub effects: Option<unsafe extern "C" fn(*const c_void, MlirOperation, AddEffect, *mut c_void)>,
    pub infer: Option<
        unsafe extern "C" fn(
            *const c_void,
            MlirLocation,
            isize,
            *const MlirValue,
            MlirAttribute,
            AddType,
            *mut c_void,
        ) -> MlirLogicalResult,
    >,
}

#[repr(C)]
pub struct Parametric {
    pub data: *const c_void,
    pub name: MlirStringRef,
    pub verify:
        unsafe extern "C" fn(*const c_void, isize, *const MlirAttribute, Report, *mut c_void) -> MlirLogicalResult,
    pub parse: unsafe extern "C" fn(*const c_void, *mut AsmParser, AddAttribute, *mut c_void) -> MlirLogicalResult,
    pub print: unsafe extern "C" fn(*const c_void, isize, *const MlirAttribute, *mut AsmPrinter),
}

#[repr(C)]
pub struct Dialect {
    pub data: *const c_void,
    pub name: MlirStringRef,
    pub n_ops: isize,
    pub ops: *const Op,
    pub n_types: isize,
    pub types: *const Parametric,
    pub n_attributes: isize,
    pub attributes: *const Parametric,
    pub n_dependent: isize,
    pub dependent: *const MlirStringRef,
    pub materialize:
        Option<unsafe extern "C" fn(*const c_void, MlirAttribute, MlirType, MlirLocation) -> MlirOperation>,
}

unsafe extern "C" {
    pub fn thunderDialectRegister(registry: MlirDialectRegistry, table: *const Dialect) -> bool;
    pub fn thunderOperationData(op: MlirOperation) -> *const c_void;
    pub fn thunderOperationHasTrait(op: MlirOperation, name: MlirStringRef) -> bool;
    pub fn thunderTraitExists(name: MlirStringRef) -> bool;
    pub fn thunderOperationIsPure(op: MlirOperation) -> bool;
    pub fn thunderAttributesAdd(list: *mut c_void, name: MlirStringRef, value: MlirAttribute);
    pub fn thunderModuleParse(context: MlirContext, source: MlirStringRef, name: MlirStringRef) -> MlirModule;
    pub fn thunderTypeGet(
        location: MlirLocation,
        dialect: MlirStringRef,
        name: MlirStringRef,
        n_params: isize,
        params: *const MlirAttribute,
    ) -> MlirType;
    pub fn thunderAttributeGet(
        location: MlirLocation,
        dialect: MlirStringRef,
        name: MlirStringRef,
        n_params: isize,
        params: *const MlirAttribute,
    ) -> MlirAttribute;
    pub fn thunderTypeParameters(
        ty: MlirType,
        dialect: MlirStringRef,
        name: MlirStringRef,
        add: AddAttribute,
        user: *mut c_void,
    ) -> bool;
    pub fn thunderAttributeParameters(
        attribute: MlirAttribute,
        dialect: MlirStringRef,
        name: MlirStringRef,
        add: AddAttribute,
        user: *mut c_void,
    ) -> bool;
}
