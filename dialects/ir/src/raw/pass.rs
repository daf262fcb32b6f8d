//! Passes in MLIR's registry, and pipelines that run them.

use super::callback::{argument_text, report_at};
use super::context::{ContextRef, Location};
use super::diagnostic::{capture, emit, guard};
use super::operation::Operation;
use super::scope::{Editing, Scope};
use super::{collect, outcome, text};
use crate::diagnostic::{Diagnostic, Error, Result, Severity};
use crate::pass::{Describe, Pass, PassDef};
use crate::raw::module::Module;
use mlir_sys::*;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::c_void;
use std::sync::{Arc, Mutex};
use thunder_mlir_shim::pass as shim;

/// Counters of passes, by pass and name; shared by all threads that run them.
#[derive(Debug, Default)]
pub struct Statistics {
    counts: Mutex<BTreeMap<(String, String), u64>>,
}

impl Statistics {
    /// Adds `n` to a counter.
    pub fn add(&self, pass: &str, name: &str, n: u64) {
        let mut counts = self.counts.lock().unwrap_or_else(|e| e.into_inner());
        *counts.entry((pass.to_owned(), name.to_owned())).or_default() += n;
    }

    /// All counters as `(pass, name, count)`, sorted.
    pub fn entries(&self) -> Vec<(String, String, u64)> {
        let counts = self.counts.lock().unwrap_or_else(|e| e.into_inner());
        counts.iter().map(|((pass, name), n)| (pass.clone(), name.clone(), *n)).collect()
    }
}

/// What a running pass may ask of its surroundings.
pub struct PassContext<'a> {
    argument: &'static str,
    statistics: &'a Statistics,
    raw: *mut c_void,
}

impl PassContext<'_> {
    /// Adds `n` to the pass's counter `name`.
    pub fn count(&self, name: &str, n: u64) {
        self.statistics.add(self.argument, name, n);
    }

    /// Runs a pipeline on `op`, which the pass runs on or which is below that. Handles to anything
    /// below `op` are dead afterwards; the one returned is new.
    #[track_caller]
    pub fn run_pipeline<'c>(&self, pipeline: &str, op: Operation<'c>) -> Result<Operation<'c>> {
        let raw = op.to_raw();
        let location = op.location();
        // SAFETY: the manager lives through the run; the pass handle is the running pass.
        let ok = unsafe {
            let anchor = mlirIdentifierStr(mlirOperationGetName(raw));
            let manager = mlirPassManagerCreateOnOperation(op.context().to_raw(), anchor);
            let nested = mlirPassManagerGetAsOpPassManager(manager);
            let parsed = parse_into(nested, pipeline);
            let ok = parsed.as_ref().map(|()| shim::thunderPassRunPipeline(self.raw, nested, raw).value != 0);
            op.scope().invalidate(std::panic::Location::caller());
            let ok = ok.unwrap_or(false);
            mlirPassManagerDestroy(manager);
            parsed.map_err(|e| Error::at(location, e))?;
            ok
        };
        if !ok {
            return Err(Error::at(location, format!("the pipeline '{pipeline}' failed")));
        }
        // SAFETY: pipelines never erase the operation they run on.
        Ok(unsafe { Operation::from_raw(raw, op.scope()) })
    }
}

struct Registration {
    def: &'static PassDef,
    statistics: Arc<Statistics>,
}

struct Instance {
    registration: &'static Registration,
    pass: Box<dyn Pass>,
}

/// Registers a pass with MLIR under its argument. A name that is registered already stays what it is, and counts
/// in the statistics given then.
pub fn register(def: &'static PassDef, statistics: &Arc<Statistics>) {
    // MLIR's registry is one per process and takes a name once; what counts is who came first.
    static REGISTERED: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    if !REGISTERED.lock().unwrap_or_else(|e| e.into_inner()).insert(def.argument) {
        return;
    }
    let registration: &'static Registration =
        Box::leak(Box::new(Registration { def, statistics: Arc::clone(statistics) }));
    let summary = def.doc.trim().lines().next().unwrap_or_default().trim_end_matches('.');
    let options: Vec<_> = def
        .options
        .iter()
        .map(|option| shim::PassOption {
            name: text(option.name),
            description: text(option.doc.trim().lines().next().unwrap_or_default()),
            kind: option.kind as i32,
            initial: text(&option.initial),
        })
        .collect();
    let dependent: Vec<_> = def.dependent.iter().map(|name| text(name)).collect();
    let (options, dependent) = (options.leak(), dependent.leak());
    let table: &'static shim::Pass = Box::leak(Box::new(shim::Pass {
        data: (&raw const *registration).cast(),
        name: text(def.name),
        argument: text(def.argument),
        description: text(summary),
        anchor: text(def.anchor),
        n_dependent: dependent.len() as isize,
        dependent: dependent.as_ptr(),
        n_options: options.len() as isize,
        options: options.as_ptr(),
        create,
        share,
        drop: drop_instance,
        run,
    }));
    // SAFETY: the table and all it points to live as long as the process.
    unsafe { shim::thunderPassRegister(table) }
}

/// Registers a name for a textual pipeline.
pub fn register_pipeline(argument: &str, description: &str, body: &str) {
    // MLIR's registry keeps references to the first two.
    let argument: &'static str = String::leak(argument.to_owned());
    let description: &'static str = String::leak(description.to_owned());
    // SAFETY: kept texts are static; the body is copied.
    unsafe { shim::thunderPipelineRegister(text(argument), text(description), text(body)) }
}

unsafe extern "C" fn create(
    data: *const c_void,
    cx: MlirContext,
    counts: *const isize,
    values: *const MlirStringRef,
) -> *mut c_void {
    // SAFETY: MLIR passes the data of the table, one count per option and that many texts each.
    unsafe {
        let registration: &'static Registration = &*data.cast();
        let mut next = 0;
        let texts: Vec<Vec<&str>> = (0..registration.def.options.len())
            .map(|option| {
                let count = *counts.add(option) as usize;
                let group = (next..next + count).map(|i| argument_text(*values.add(i))).collect();
                next += count;
                group
            })
            .collect();
        match guard(|| (registration.def.create)(&texts)) {
            Ok(Ok(pass)) => {
                let instance = Arc::new(Instance { registration, pass });
                Arc::into_raw(instance).cast_mut().cast()
            }
            Ok(Err(message)) | Err(message) => {
                let location = Location::unknown(ContextRef::from_raw(cx));
                let message = format!("pass '{}': {message}", registration.def.argument);
                emit(location, Severity::Error, &message);
                std::ptr::null_mut()
            }
        }
    }
}

unsafe extern "C" fn share(instance: *mut c_void) -> *mut c_void {
    // SAFETY: a live `Arc` made by `create` or `share`.
    unsafe { Arc::increment_strong_count(instance.cast::<Instance>()) }
    instance
}

unsafe extern "C" fn drop_instance(instance: *mut c_void) {
    // SAFETY: a live `Arc` made by `create` or `share`, given back once.
    drop(unsafe { Arc::from_raw(instance.cast::<Instance>()) });
}

unsafe extern "C" fn run(instance: *mut c_void, op: MlirOperation, pass: *mut c_void) -> MlirLogicalResult {
    let scope = Scope::new(Editing::Free, Some(op.ptr as usize));
    // SAFETY: MLIR passes a live instance, operation and pass; within this call all erasures go
    // through our API, which tells the scope.
    unsafe {
        let instance = &*instance.cast::<Instance>();
        let def = instance.registration.def;
        let op = Operation::from_raw(op, &scope);
        let location = op.location();
        let cx = PassContext { argument: def.argument, statistics: &instance.registration.statistics, raw: pass };
        match guard(|| instance.pass.run(op, &cx)) {
            Ok(Ok(())) => outcome(true),
            Ok(Err(error)) => {
                match &error {
                    Error::Located { location: None, .. } if op.is_alive() => report_at(op, &error),
                    Error::Located { location: Some(_), message } => {
                        emit_where(location.context(), &error, message);
                    }
                    _ => emit(location, Severity::Error, &error.message()),
                }
                outcome(false)
            }
            Err(panic) => {
                emit(location, Severity::Error, &format!("pass '{}': {panic}", def.argument));
                outcome(false)
            }
        }
    }
}

/// Emits an error at the file location it carries as text.
fn emit_where(cx: ContextRef<'_>, error: &Error, message: &str) {
    let Error::Located { location: Some(place), .. } = error else { return };
    let mut parts = place.rsplitn(3, ':');
    let column = parts.next().and_then(|c| c.parse().ok());
    let line = parts.next().and_then(|l| l.parse().ok());
    match (parts.next(), line, column) {
        (Some(file), Some(line), Some(column)) => {
            emit(Location::file(cx, file, line, column), Severity::Error, message);
        }
        _ => emit(Location::unknown(cx), Severity::Error, message),
    }
}

unsafe fn parse_into(manager: MlirOpPassManager, pipeline: &str) -> Result<(), String> {
    let mut ok = false;
    let errors = collect(|cb, user| {
        // SAFETY: the caller passes a live manager; the callback matches its user data.
        let parsed = unsafe { mlirOpPassManagerAddPipeline(manager, text(pipeline), Some(cb), user) };
        ok = parsed.value != 0;
    });
    if ok { Ok(()) } else { Err(errors.trim().to_owned()) }
}

/// A sequence of passes anchored on `builtin.module`, as a value that prints as MLIR's text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pipeline {
    elements: Vec<Element>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Element {
    Pass(String),
    Nested(String, Pipeline),
}

impl Pipeline {
    /// No passes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a pass or pipeline by MLIR's text, such as `cse` or `canonicalize{top-down=false}`.
    pub fn then(mut self, pass: &str) -> Self {
        self.elements.push(Element::Pass(pass.to_owned()));
        self
    }

    /// Adds a pass with its options from a struct.
    pub fn pass<P: Describe>(mut self, pass: &P) -> Self {
        let options: Vec<_> = pass
            .options()
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let name = P::definition().argument;
        let options = if options.is_empty() { String::new() } else { format!("{{{}}}", options.join(" ")) };
        self.elements.push(Element::Pass(format!("{name}{options}")));
        self
    }

    /// Adds passes that run on every operation `anchor` directly below.
    pub fn on(mut self, anchor: &str, nested: Pipeline) -> Self {
        self.elements.push(Element::Nested(anchor.to_owned(), nested));
        self
    }

    /// Reads MLIR's text, `builtin.module(...)` included; checks it against the registry.
    pub fn parse(cx: ContextRef<'_>, source: &str) -> Result<Self> {
        // SAFETY: the manager is created, used and destroyed here.
        unsafe {
            let manager = mlirPassManagerCreate(cx.to_raw());
            let nested = mlirPassManagerGetAsOpPassManager(manager);
            let mut ok = false;
            let errors = collect(|cb, user| {
                ok = mlirParsePassPipeline(nested, text(source), Some(cb), user).value != 0;
            });
            let printed = collect(|cb, user| mlirPrintPassPipeline(nested, Some(cb), user));
            mlirPassManagerDestroy(manager);
            if !ok {
                return Err(Error::new(errors.trim()));
            }
            let body =
                printed.strip_prefix("builtin.module(").and_then(|rest| rest.strip_suffix(')')).unwrap_or_default();
            Ok(if body.is_empty() { Self::new() } else { Self::new().then(body) })
        }
    }

    fn body(&self) -> String {
        let parts: Vec<_> = self
            .elements
            .iter()
            .map(|element| match element {
                Element::Pass(pass) => pass.clone(),
                Element::Nested(anchor, nested) => format!("{anchor}({})", nested.body()),
            })
            .collect();
        parts.join(",")
    }

    /// Runs it on a module. Errors carry MLIR's diagnostics; others come back as the value.
    pub fn run(&self, module: &mut Module<'_>) -> Result<Vec<Diagnostic>> {
        self.run_with(module, true)
    }

    /// Like [`Pipeline::run`], verifying between passes or not.
    pub fn run_with(&self, module: &mut Module<'_>, verify: bool) -> Result<Vec<Diagnostic>> {
        let cx = module.context().as_ref();
        let raw = module.operation().to_raw();
        let (ok, diagnostics) = capture(cx, || {
            // SAFETY: the manager is created, used and destroyed here; `&mut` means that no handle
            // into the module is left.
            unsafe {
                let manager = mlirPassManagerCreate(cx.to_raw());
                mlirPassManagerEnableVerifier(manager, verify);
                let nested = mlirPassManagerGetAsOpPassManager(manager);
                let mut parsed = Ok(());
                if !self.elements.is_empty() {
                    parsed = parse_into(nested, &self.body());
                }
                let ok = parsed.map(|()| mlirPassManagerRunOnOp(manager, raw).value != 0);
                mlirPassManagerDestroy(manager);
                ok
            }
        });
        match ok {
            Ok(true) => Ok(diagnostics),
            Ok(false) => Err(Error::from_diagnostics(diagnostics, "the pipeline failed")),
            Err(message) => Err(Error::new(message)),
        }
    }
}

impl std::fmt::Display for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "builtin.module({})", self.body())
    }
}
