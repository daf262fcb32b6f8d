//! Entry points of MLIR's tools, and what their command lines know.

use super::context::{Context, Registry};
use super::diagnostic::guard;
use super::{read, text};
use mlir_sys::MlirStringRef;
use std::ffi::{CString, c_char, c_int, c_void};
use thunder_mlir_shim::tools as shim;

/// A name that a command line or pipeline knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// As it is spelled, without dashes.
    pub name: String,
    /// What it does, in one line.
    pub help: String,
}

/// Runs the driver behind `mlir-opt`; `args` starts with the tool's name. Says whether all went well.
///
/// `review` learns whether LLVM accepts the arguments, or else its words about them, which may be none where it has
/// printed them; the driver runs if it returns true. Diagnostics and the output go where the arguments say. Flags such
/// as `--help` and `--version` print and end the process.
pub fn opt_main<F: FnMut(Result<(), &str>) -> bool>(args: &[String], registry: &Registry, mut review: F) -> bool {
    unsafe extern "C" fn forward<F: FnMut(Result<(), &str>) -> bool>(
        accepted: bool,
        words: MlirStringRef,
        user: *mut c_void,
    ) -> bool {
        // SAFETY: `user` is the closure below; the text is valid during this call.
        let (review, words) = unsafe { (&mut *user.cast::<F>(), read(words)) };
        guard(|| review(if accepted { Ok(()) } else { Err(words) })).unwrap_or_else(|panic| {
            eprintln!("error: {panic}");
            false
        })
    }
    let mut args = Arguments::new(args);
    let user = (&raw mut review).cast();
    // SAFETY: argc and argv belong together; the callback matches its user data.
    unsafe { shim::thunderOptMain(args.count(), args.pointer(), registry.to_raw(), forward::<F>, user) == 0 }
}

/// Runs the language server over stdin and stdout until the client ends it.
pub fn lsp_main(args: &[String], registry: &Registry) -> bool {
    let mut args = Arguments::new(args);
    // SAFETY: argc and argv belong together.
    unsafe { shim::thunderLspMain(args.count(), args.pointer(), registry.to_raw()) == 0 }
}

/// Runs the driver behind `mlir-reduce`.
pub fn reduce_main(args: &[String], registry: &Registry) -> bool {
    let context = Context::new(registry);
    let mut args = Arguments::new(args);
    // SAFETY: argc and argv belong together; the context outlives the call.
    unsafe { shim::thunderReduceMain(args.count(), args.pointer(), context.as_ref().to_raw()) == 0 }
}

/// The flags that a driver of this process has declared so far, passes and pipelines among them; sorted.
pub fn flags() -> Vec<Entry> {
    let mut found = entries(|user| {
        // SAFETY: the callback matches its user data.
        unsafe { shim::thunderFlags(add, user) }
    });
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// The options of a registered pass or pipeline, sorted; `None` where there is none of this name.
pub fn pass_options(name: &str) -> Option<Vec<Entry>> {
    let mut known = false;
    let mut found = entries(|user| {
        // SAFETY: the name is valid during the call; the callback matches its user data.
        known = unsafe { shim::thunderPassOptions(text(name), add, user) };
    });
    found.sort_by(|a, b| a.name.cmp(&b.name));
    known.then_some(found)
}

/// Whether MLIR can build a pipeline from `source`, `builtin.module(...)` included; its own words if not.
pub fn check_pipeline(source: &str) -> Result<(), String> {
    let mut parsed = false;
    let mut errors = entries(|user| {
        // SAFETY: the text is valid during the call; the callback matches its user data.
        parsed = unsafe { shim::thunderPipelineCheck(text(source), add, user) };
    });
    if parsed { Ok(()) } else { Err(errors.pop().map(|e| e.name).unwrap_or_default()) }
}

fn entries(tell: impl FnOnce(*mut c_void)) -> Vec<Entry> {
    let mut found: Vec<Entry> = Vec::new();
    tell((&raw mut found).cast());
    found
}

unsafe extern "C" fn add(name: MlirStringRef, help: MlirStringRef, user: *mut c_void) {
    // SAFETY: both texts are valid during this call; `user` is the vector of the caller.
    unsafe { (*user.cast::<Vec<Entry>>()).push(Entry { name: read(name).to_owned(), help: read(help).to_owned() }) }
}

/// Arguments as C's `main` takes them: a null pointer follows the last.
struct Arguments {
    pointers: Vec<*mut c_char>,
}

impl Arguments {
    /// The texts are kept for the life of the process, since LLVM's command-line library keeps references.
    fn new(args: &[String]) -> Self {
        let keep = |arg: &String| CString::new(arg.replace('\0', "?")).expect("a text without zero bytes").into_raw();
        let mut pointers: Vec<_> = args.iter().map(keep).collect();
        pointers.push(std::ptr::null_mut());
        Self { pointers }
    }

    fn count(&self) -> c_int {
        c_int::try_from(self.pointers.len() - 1).expect("the system limits the number of arguments")
    }

    fn pointer(&mut self) -> *mut *mut c_char {
        self.pointers.as_mut_ptr()
    }
}
