//! Machine code from modules of the LLVM dialect.

use super::module::Module;
use super::{collect, read, text};
use crate::diagnostic::Error;
use mlir_sys::MlirStringRef;
use std::ffi::{c_int, c_void};
use std::ptr::NonNull;
use thunder_mlir_shim::codegen as shim;

/// The processor that code is made for, in LLVM's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// The triple of the target, such as `nvptx64-nvidia-cuda`; empty is that of this process.
    pub triple: String,
    /// The CPU, such as `znver4` or `x86-64-v3`; `native` is this one, with its features.
    pub cpu: String,
    /// Further features, such as `+avx2,-avx512f`; mostly none.
    pub features: String,
}

impl Machine {
    /// The processor of this process.
    pub fn native() -> Self {
        Self { triple: String::new(), cpu: "native".to_owned(), features: String::new() }
    }
}

/// What is made of a module as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Assembly.
    Assembly,
    /// LLVM IR after optimization.
    Llvm,
}

/// The CPU of this process, as LLVM spells it.
pub fn host_cpu() -> String {
    // SAFETY: the callback matches its user data.
    collect(|append, user| unsafe { shim::thunderHostCpu(append, user) })
}

/// The features of this process's CPU, each with its sign.
pub fn host_features() -> String {
    // SAFETY: the callback matches its user data.
    collect(|append, user| unsafe { shim::thunderHostFeatures(append, user) })
}

/// Optimizes a module of the LLVM dialect at `level` 0 to 3 and emits it for `machine`.
///
/// The same module, machine and level give the same bytes. It is the caller's error where the
/// module has ops that do not translate, or LLVM knows no such CPU.
pub fn emit(module: &Module<'_>, machine: &Machine, level: u8, output: Output) -> Result<Vec<u8>, Error> {
    let kind = match output {
        Output::Assembly => shim::EMIT_ASSEMBLY,
        Output::Llvm => shim::EMIT_LLVM,
    };
    emit_parts(module, machine, level, kind, 1).map(|parts| parts.concat())
}

/// As [`emit`], relocatable object files, position independent, that together have the functions of the module: at
/// most `count`, of about the same size. Threads of this machine make them at the same time.
pub fn objects(module: &Module<'_>, machine: &Machine, level: u8, count: usize) -> Result<Vec<Vec<u8>>, Error> {
    emit_parts(module, machine, level, shim::EMIT_OBJECT, count)
}

/// As [`objects`], assembly.
pub fn assemblies(module: &Module<'_>, machine: &Machine, level: u8, count: usize) -> Result<Vec<Vec<u8>>, Error> {
    emit_parts(module, machine, level, shim::EMIT_ASSEMBLY, count)
}

fn emit_parts(
    module: &Module<'_>,
    machine: &Machine,
    level: u8,
    kind: c_int,
    count: usize,
) -> Result<Vec<Vec<u8>>, Error> {
    let mut outcome = Outcome::default();
    // SAFETY: the module is alive; the callbacks match their user data.
    let done = unsafe {
        shim::thunderCodegenEmit(
            module.operation().to_raw(),
            text(&machine.triple),
            text(&machine.cpu),
            text(&machine.features),
            c_int::from(level.min(3)),
            kind,
            count,
            Outcome::keep,
            Outcome::complain,
            (&raw mut outcome).cast(),
        )
    };
    if done { Ok(outcome.parts) } else { Err(Error::new(outcome.message)) }
}

/// Object files in this process's memory.
#[derive(Debug)]
pub struct Jit {
    raw: NonNull<c_void>,
}

// SAFETY: LLVM's loader locks its tables; code and data do not move.
unsafe impl Send for Jit {}
// SAFETY: as above.
unsafe impl Sync for Jit {}

impl Drop for Jit {
    fn drop(&mut self) {
        // SAFETY: created by `load` and dropped once.
        unsafe { shim::thunderJitDestroy(self.raw.as_ptr()) }
    }
}

/// A compiled kernel, which reads its arguments from `pointers` and `sizes`.
pub type Kernel = unsafe extern "C" fn(pointers: *const *mut u8, sizes: *const i64);

impl Jit {
    /// Loads what [`objects`] made. What they call is looked up in each other and in this process.
    pub fn load(objects: &[impl AsRef<[u8]>]) -> Result<Self, Error> {
        let mut outcome = Outcome::default();
        let reference = |bytes: &[u8]| MlirStringRef { data: bytes.as_ptr().cast(), length: bytes.len() };
        let bytes: Vec<MlirStringRef> = objects.iter().map(|object| reference(object.as_ref())).collect();
        let (at, count, user) = (bytes.as_ptr(), bytes.len(), (&raw mut outcome).cast());
        // SAFETY: the bytes are copied during the call; the callback matches its user data.
        let raw = unsafe { shim::thunderJitCreate(at, count, Outcome::complain, user) };
        NonNull::new(raw).map(|raw| Self { raw }).ok_or_else(|| Error::new(outcome.message))
    }

    /// The kernel of that name; calling it is safe only as its maker says, and while `self` lives.
    pub fn kernel(&self, name: &str) -> Result<Kernel, Error> {
        let mut outcome = Outcome::default();
        // SAFETY: alive; the callback matches its user data.
        let address = unsafe {
            shim::thunderJitLookup(self.raw.as_ptr(), text(name), Outcome::complain, (&raw mut outcome).cast())
        };
        if address.is_null() {
            return Err(Error::new(outcome.message));
        }
        // SAFETY: an address of code; that it is a kernel's is the promise of whoever calls it.
        Ok(unsafe { std::mem::transmute::<*mut c_void, Kernel>(address) })
    }
}

/// What the shim's callbacks write.
#[derive(Default)]
struct Outcome {
    parts: Vec<Vec<u8>>,
    message: String,
}

impl Outcome {
    unsafe extern "C" fn keep(bytes: MlirStringRef, user: *mut c_void) {
        // SAFETY: `user` is an `Outcome`, and the bytes are valid during this call.
        unsafe {
            let bytes = std::slice::from_raw_parts(bytes.data.cast::<u8>(), bytes.length);
            (*user.cast::<Self>()).parts.push(bytes.to_vec());
        }
    }

    unsafe extern "C" fn complain(message: MlirStringRef, user: *mut c_void) {
        // SAFETY: `user` is an `Outcome`, and the text is valid during this call.
        unsafe { (*user.cast::<Self>()).message = read(message).to_owned() }
    }
}
