//! The assembly parser and printer.
#![allow(missing_docs, reason = "asm.cpp documents what is not plain")]

use mlir_sys::{
    MlirAttribute, MlirBlock, MlirContext, MlirLocation, MlirLogicalResult, MlirOperation, MlirRegion, MlirStringRef,
    MlirType, MlirValue,
};
use std::ffi::c_char;

/// MLIR's parser, wrapped; opaque here.
#[repr(C)]
pub struct AsmParser {
    _private: [u8; 0],
}

/// MLIR's printer, wrapped; opaque here.
#[repr(C)]
pub struct AsmPrinter {
    _private: [u8; 0],
}

unsafe extern "C" {
    pub fn thunderParserContext(p: *mut AsmParser) -> MlirContext;
    pub fn thunderParserLocation(p: *mut AsmParser) -> MlirLocation;
    pub fn thunderParserHere(p: *mut AsmParser) -> *const c_char;
    pub fn thunderParserError(p: *mut AsmParser, at: *const c_char, message: MlirStringRef);
    pub fn thunderParserPunctuation(p: *mut AsmParser, kind: i32, optional: bool) -> i32;
    pub fn thunderParserKeyword(p: *mut AsmParser, keyword: MlirStringRef, optional: bool) -> bool;
    pub fn thunderParserAnyKeyword(p: *mut AsmParser, optional: bool, text: *mut MlirStringRef) -> bool;
    pub fn thunderParserString(p: *mut AsmParser, optional: bool, text: *mut MlirStringRef) -> bool;
    pub fn thunderParserInteger(p: *mut AsmParser, value: *mut i64) -> i32;
    pub fn thunderParserFloat(p: *mut AsmParser, value: *mut f64) -> MlirLogicalResult;
    pub fn thunderParserType(p: *mut AsmParser, optional: bool, out: *mut MlirType) -> i32;
    pub fn thunderParserAttribute(p: *mut AsmParser, ty: MlirType) -> MlirAttribute;
    pub fn thunderParserSymbolName(p: *mut AsmParser) -> MlirAttribute;
    pub fn thunderParserAttrDict(p: *mut AsmParser, with_keyword: bool) -> MlirLogicalResult;
    pub fn thunderParserOperand(p: *mut AsmParser, optional: bool) -> i64;
    pub fn thunderParserOperandLocation(p: *mut AsmParser, index: i64) -> *const c_char;
    pub fn thunderParserResolve(p: *mut AsmParser, index: i64, ty: MlirType) -> MlirValue;
    pub fn thunderParserRegion(
        p: *mut AsmParser,
        n_arguments: isize,
        arguments: *const i64,
        types: *const MlirType,
    ) -> MlirLogicalResult;
    pub fn thunderParserOptionalRegion(p: *mut AsmParser) -> i32;
    pub fn thunderParserEmptyRegion(p: *mut AsmParser);
    pub fn thunderParserArgument(p: *mut AsmParser, ty: *mut MlirType) -> i64;
    pub fn thunderParserSuccessor(p: *mut AsmParser, optional: bool) -> i32;
    pub fn thunderParserAddAttribute(p: *mut AsmParser, name: MlirStringRef, value: MlirAttribute);
    pub fn thunderParserGetAttribute(p: *mut AsmParser, name: MlirStringRef) -> MlirAttribute;
    pub fn thunderParserAttributes(p: *mut AsmParser) -> MlirAttribute;
    pub fn thunderParserAddTypes(p: *mut AsmParser, n: isize, types: *const MlirType);

    pub fn thunderPrinterText(p: *mut AsmPrinter, text: MlirStringRef);
    pub fn thunderPrinterString(p: *mut AsmPrinter, text: MlirStringRef);
    pub fn thunderPrinterSymbolName(p: *mut AsmPrinter, text: MlirStringRef);
    pub fn thunderPrinterType(p: *mut AsmPrinter, ty: MlirType);
    pub fn thunderPrinterAttribute(p: *mut AsmPrinter, attribute: MlirAttribute, with_type: bool);
    pub fn thunderPrinterOperand(p: *mut AsmPrinter, value: MlirValue);
    pub fn thunderPrinterRegion(p: *mut AsmPrinter, region: MlirRegion, entry_arguments: bool, terminators: bool);
    pub fn thunderPrinterSuccessor(p: *mut AsmPrinter, block: MlirBlock);
    pub fn thunderPrinterAttrDict(
        p: *mut AsmPrinter,
        op: MlirOperation,
        n_elided: isize,
        elided: *const MlirStringRef,
        with_keyword: bool,
    );
}
