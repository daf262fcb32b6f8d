//! The shim links with MLIR and makes code that runs.

use mlir_sys::{
    MlirContext, MlirModule, MlirStringRef, mlirContextAppendDialectRegistry, mlirContextCreate, mlirContextDestroy,
    mlirContextLoadAllAvailableDialects, mlirDialectRegistryCreate, mlirDialectRegistryDestroy, mlirModuleCreateParse,
    mlirModuleDestroy, mlirModuleGetOperation, mlirRegisterAllDialects,
};
use std::ffi::c_void;
use thunder_mlir_shim::codegen::{
    EMIT_ASSEMBLY, EMIT_LLVM, EMIT_OBJECT, Text, thunderCodegenEmit, thunderHostCpu, thunderHostFeatures,
    thunderJitCreate, thunderJitDestroy, thunderJitLookup,
};

const AXPY: &str = r#"
llvm.func @axpy(%ptrs: !llvm.ptr, %dims: !llvm.ptr) {
  %y_at = llvm.getelementptr %ptrs[1] : (!llvm.ptr) -> !llvm.ptr, !llvm.ptr
  %x = llvm.load %ptrs : !llvm.ptr -> !llvm.ptr
  %y = llvm.load %y_at : !llvm.ptr -> !llvm.ptr
  %a = llvm.load %x : !llvm.ptr -> f32
  %b = llvm.call @sinf(%a) : (f32) -> f32
  llvm.store %b, %y : f32, !llvm.ptr
  llvm.return
}
llvm.func @sinf(f32) -> f32
"#;

fn text(s: &str) -> MlirStringRef {
    MlirStringRef { data: s.as_ptr().cast(), length: s.len() }
}

/// Functions of which one calls another, and both one that only this module sees.
const CALLS: &str = r#"
llvm.mlir.global private constant @two(2.0 : f32) : f32
llvm.func internal @twice(%x: f32) -> f32 attributes {passthrough = ["noinline"]} {
  %at = llvm.mlir.addressof @two : !llvm.ptr
  %two = llvm.load %at : !llvm.ptr -> f32
  %y = llvm.fmul %x, %two : f32
  llvm.return %y : f32
}
llvm.func @fourfold(%x: f32) -> f32 {
  %y = llvm.call @twice(%x) : (f32) -> f32
  %z = llvm.call @twice(%y) : (f32) -> f32
  llvm.return %z : f32
}
llvm.func @axpy(%ptrs: !llvm.ptr, %dims: !llvm.ptr) {
  %y_at = llvm.getelementptr %ptrs[1] : (!llvm.ptr) -> !llvm.ptr, !llvm.ptr
  %x = llvm.load %ptrs : !llvm.ptr -> !llvm.ptr
  %y = llvm.load %y_at : !llvm.ptr -> !llvm.ptr
  %a = llvm.load %x : !llvm.ptr -> f32
  %b = llvm.call @fourfold(%a) : (f32) -> f32
  %c = llvm.call @twice(%b) : (f32) -> f32
  llvm.store %c, %y : f32, !llvm.ptr
  llvm.return
}
"#;

/// What a call gave: bytes of each part on success, a message on failure.
#[derive(Default)]
struct Outcome {
    parts: Vec<Vec<u8>>,
    message: String,
}

unsafe fn bytes(s: MlirStringRef) -> Vec<u8> {
    // SAFETY: the caller has a valid string reference.
    unsafe { std::slice::from_raw_parts(s.data.cast::<u8>(), s.length) }.to_vec()
}

unsafe extern "C" fn keep(s: MlirStringRef, user: *mut c_void) {
    // SAFETY: every call below passes an `Outcome`.
    unsafe { (*user.cast::<Outcome>()).parts.push(bytes(s)) };
}

unsafe extern "C" fn complain(s: MlirStringRef, user: *mut c_void) {
    // SAFETY: every call below passes an `Outcome`.
    unsafe { (*user.cast::<Outcome>()).message = String::from_utf8_lossy(&bytes(s)).into_owned() };
}

/// Parses `source` and emits it in at most `count` parts.
fn emit(source: &str, cpu: &str, kind: i32, count: usize) -> Result<Vec<Vec<u8>>, String> {
    let mut outcome = Outcome::default();
    // SAFETY: objects are created, used and destroyed in order; the callbacks get an `Outcome`.
    let done = unsafe {
        let context: MlirContext = mlirContextCreate();
        let registry = mlirDialectRegistryCreate();
        mlirRegisterAllDialects(registry);
        mlirContextAppendDialectRegistry(context, registry);
        mlirContextLoadAllAvailableDialects(context);
        let module: MlirModule = mlirModuleCreateParse(context, text(source));
        assert!(!module.ptr.is_null());
        let user = (&raw mut outcome).cast();
        let op = mlirModuleGetOperation(module);
        let done = thunderCodegenEmit(op, text(""), text(cpu), text(""), 3, kind, count, keep, complain, user);
        mlirModuleDestroy(module);
        mlirContextDestroy(context);
        mlirDialectRegistryDestroy(registry);
        done
    };
    if done { Ok(outcome.parts) } else { Err(outcome.message) }
}

#[test]
fn the_host_is_known() {
    let ask = |question: unsafe extern "C" fn(Text, *mut c_void)| {
        let mut outcome = Outcome::default();
        // SAFETY: the callback gets an `Outcome`.
        unsafe { question(keep, (&raw mut outcome).cast()) };
        String::from_utf8(outcome.parts.concat()).expect("LLVM's names are ASCII")
    };
    assert!(!ask(thunderHostCpu).is_empty());
    #[cfg(target_arch = "x86_64")]
    assert!(ask(thunderHostFeatures).contains("+sse2"));
}

/// What the `axpy` of some objects writes for an input.
fn run(objects: &[Vec<u8>], mut x: f32) -> f32 {
    let mut outcome = Outcome::default();
    let user = (&raw mut outcome).cast();
    let objects: Vec<_> =
        objects.iter().map(|object| MlirStringRef { data: object.as_ptr().cast(), length: object.len() }).collect();
    // SAFETY: `axpy` has the type it is called with, and reads one float and writes one.
    unsafe {
        let jit = thunderJitCreate(objects.as_ptr(), objects.len(), complain, user);
        assert!(!jit.is_null(), "{}", outcome.message);
        assert!(thunderJitLookup(jit, text("absent"), complain, user).is_null());
        assert!(outcome.message.contains("absent"), "{}", outcome.message);
        let address = thunderJitLookup(jit, text("axpy"), complain, user);
        assert!(!address.is_null(), "{}", outcome.message);
        let function: unsafe extern "C" fn(*const *mut u8, *const i64) = std::mem::transmute(address);
        let mut y = 0.0f32;
        let pointers = [(&raw mut x).cast::<u8>(), (&raw mut y).cast::<u8>()];
        function(pointers.as_ptr(), std::ptr::null());
        thunderJitDestroy(jit);
        y
    }
}

#[test]
fn an_object_runs_in_this_process() {
    let objects = emit(AXPY, "native", EMIT_OBJECT, 1).expect("the module is valid");
    assert_eq!(run(&objects, 1.0), 1.0f32.sin());
}

#[test]
fn parts_run_together_and_are_the_same_each_time() {
    for (count, expected) in [(1, 1), (2, 2), (8, 2)] {
        let objects = emit(CALLS, "native", EMIT_OBJECT, count).expect("the module is valid");
        assert_eq!(objects.len(), expected);
        assert_eq!(run(&objects, 1.5), 12.0);
        assert_eq!(emit(CALLS, "native", EMIT_OBJECT, count), Ok(objects));
    }
    let declarations = "llvm.func @sinf(f32) -> f32";
    assert_eq!(emit(declarations, "native", EMIT_OBJECT, 8).map(|parts| parts.len()), Ok(1));
}

#[test]
fn the_same_module_prints() {
    let assembly = emit(AXPY, "native", EMIT_ASSEMBLY, 1).expect("the module is valid");
    assert!(String::from_utf8_lossy(&assembly[0]).contains("axpy:"));
    let ir = emit(AXPY, "native", EMIT_LLVM, 1).expect("the module is valid");
    assert!(String::from_utf8_lossy(&ir[0]).contains("define void @axpy"));
}

#[test]
fn failures_are_messages() {
    assert_eq!(emit(AXPY, "pdp11", EMIT_OBJECT, 1), Err("unknown CPU 'pdp11'".to_owned()));
    let untranslatable = "func.func @f() { return }";
    let message = emit(untranslatable, "native", EMIT_OBJECT, 1).unwrap_err();
    assert!(message.contains("func.func"), "{message}");
    assert!(loading_error(b"not an object").contains("valid object file"));
}

/// What the loader says about bytes that are no object.
fn loading_error(object: &[u8]) -> String {
    let mut outcome = Outcome::default();
    let reference = MlirStringRef { data: object.as_ptr().cast(), length: object.len() };
    // SAFETY: the callback gets an `Outcome`.
    let jit = unsafe { thunderJitCreate(&raw const reference, 1, complain, (&raw mut outcome).cast()) };
    if !jit.is_null() {
        // SAFETY: just created; looking up makes the loader read the object.
        unsafe {
            thunderJitLookup(jit, text("f"), complain, (&raw mut outcome).cast());
            thunderJitDestroy(jit);
        }
    }
    outcome.message
}
