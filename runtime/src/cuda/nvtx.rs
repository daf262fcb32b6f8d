//! NVTX ranges: a profiler such as Nsight Systems is told which program and which step starts what.
//!
//! A profiler has a library, which is loaded where `Settings::nvtx` names it; NVIDIA's own headers in C do so too, by a
//! variable of the environment. It asks for a table of the functions of NVTX, and writes its own there. Without one,
//! nothing is loaded or called.

use std::ffi::{CString, c_char, c_int, c_void};
use std::path::Path;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use libloading::Library;

/// The function of a profiler's library that is called first. It is given `export`, and returns 0 on failure.
const ENTRY: &[u8] = b"InitializeInjectionNvtx2\0";

/// Tables that are exported: of functions, and of versions.
const CALLBACKS: u32 = 1;
const VERSIONS: u32 = 3;

/// The version of NVTX that this file is written for.
const VERSION: u32 = 3;

/// Modules of functions, by number, with how many they have; the first of each is none. Those used here are in the module 1.
const FUNCTIONS: [usize; 7] = [0, 16, 9, 15, 7, 16, 7];
const CORE: usize = 1;

/// `int nvtxRangePushA(const char*)` and `int nvtxRangePop(void)` in their module.
const PUSH: usize = 9;
const POP: usize = 11;

/// The most functions of a module.
const MOST: usize = 16;

type Export = unsafe extern "C" fn(u32) -> *const c_void;
type Entry = unsafe extern "C" fn(Export) -> c_int;
type Push = unsafe extern "C" fn(*const c_char) -> c_int;
type Pop = unsafe extern "C" fn() -> c_int;

/// A function of the profiler's.
type Slot = AtomicPtr<c_void>;

/// Addresses of slots. A module's end with none, so that a profiler that knows more of them stops.
struct Table([[*const Slot; MOST + 1]; FUNCTIONS.len()]);

// SAFETY: the slots live as long as the process, and are written and read at once.
unsafe impl Sync for Table {}

// The interface leaves no other place: the profiler's library writes here when it is attached, once for the process.
static SLOTS: [[Slot; MOST]; FUNCTIONS.len()] =
    [const { [const { Slot::new(std::ptr::null_mut()) }; MOST] }; FUNCTIONS.len()];

static TABLE: Table = {
    let mut table = [[std::ptr::null(); MOST + 1]; FUNCTIONS.len()];
    let mut module = 0;
    while module < FUNCTIONS.len() {
        let mut function = 1;
        while function < FUNCTIONS[module] {
            table[module][function] = &raw const SLOTS[module][function];
            function += 1;
        }
        module += 1;
    }
    Table(table)
};

/// What `export` gives for functions.
#[repr(C)]
struct Callbacks {
    size: usize,
    table: unsafe extern "C" fn(c_int, *mut *const *const Slot, *mut u32) -> c_int,
}

static EXPORTED: Callbacks = Callbacks { size: size_of::<Callbacks>(), table: functions };

/// What `export` gives for versions.
#[repr(C)]
struct Versions {
    size: usize,
    version: u32,
    reserved: u32,
    set: unsafe extern "C" fn(u32),
}

static VERSIONED: Versions = Versions { size: size_of::<Versions>(), version: VERSION, reserved: 0, set: ignore };

unsafe extern "C" fn ignore(_version: u32) {}

/// Gives a profiler's library one of the tables.
unsafe extern "C" fn export(which: u32) -> *const c_void {
    match which {
        CALLBACKS => (&raw const EXPORTED).cast(),
        VERSIONS => (&raw const VERSIONED).cast(),
        _ => std::ptr::null(),
    }
}

/// Gives it the functions of a module, and their number.
unsafe extern "C" fn functions(module: c_int, table: *mut *const *const Slot, count: *mut u32) -> c_int {
    let module = usize::try_from(module).unwrap_or(0);
    let Some(known) = TABLE.0.get(module).filter(|_| module > 0) else { return 0 };
    // SAFETY: the profiler gives places to write to, or none.
    unsafe {
        if !table.is_null() {
            *table = known.as_ptr();
        }
        if !count.is_null() {
            *count = FUNCTIONS[module] as u32;
        }
    }
    1
}

/// A profiler that is told of ranges.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nvtx {
    push: Push,
    pop: Pop,
}

impl Nvtx {
    /// Loads a profiler's library, once for the process; says why where that fails.
    pub(super) fn attach(library: &Path) -> Result<Self, String> {
        // Which libraries were loaded stays so: a profiler cannot be detached.
        static ATTACHED: Mutex<()> = Mutex::new(());
        static FIRST: OnceLock<Result<Library, String>> = OnceLock::new();
        let _alone = ATTACHED.lock().unwrap_or_else(PoisonError::into_inner);
        let loaded = FIRST.get_or_init(|| Self::load(library));
        loaded.as_ref().map_err(Clone::clone)?;
        Self::attached().ok_or_else(|| format!("'{}' takes no ranges", library.display()))
    }

    fn load(library: &Path) -> Result<Library, String> {
        let failed = |error: libloading::Error| format!("cannot load '{}': {error}", library.display());
        // SAFETY: whoever names the library vouches for it, as for every profiler; its entry has this type.
        unsafe {
            let loaded = Library::new(library).map_err(failed)?;
            let entry = loaded.get::<Entry>(ENTRY).map_err(failed)?;
            match entry(export) {
                0 => Err(format!("'{}' does not start", library.display())),
                _ => Ok(loaded),
            }
        }
    }

    /// The profiler's functions, if it has written them.
    fn attached() -> Option<Self> {
        let [push, pop] = [PUSH, POP].map(|function| SLOTS[CORE][function].load(Ordering::Acquire));
        if push.is_null() || pop.is_null() {
            return None;
        }
        // SAFETY: a profiler writes functions of these types into these slots, which live as long as the process.
        let (push, pop) =
            unsafe { (std::mem::transmute::<*mut c_void, Push>(push), std::mem::transmute::<*mut c_void, Pop>(pop)) };
        Some(Self { push, pop })
    }

    /// Begins a range, which lasts until what is returned is dropped; ranges of a thread nest.
    pub(super) fn range(&self, name: &str) -> Range {
        // Names have no zeros but by mistake; what is before one is told then.
        let name = CString::new(name).unwrap_or_else(|error| {
            let end = error.nul_position();
            CString::new(&error.into_vec()[..end]).unwrap_or_default()
        });
        // SAFETY: the profiler's function takes a string that ends with a zero, and copies it.
        unsafe { (self.push)(name.as_ptr()) };
        Range(self.pop)
    }
}

/// Ends a range when it is dropped.
pub(super) struct Range(Pop);

impl Drop for Range {
    fn drop(&mut self) {
        // SAFETY: the profiler's function takes nothing.
        unsafe { (self.0)() };
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());

    unsafe extern "C" fn push(name: *const c_char) -> c_int {
        // SAFETY: it is given a string.
        let name = unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned();
        TOLD.lock().unwrap_or_else(PoisonError::into_inner).push(name);
        0
    }

    unsafe extern "C" fn pop() -> c_int {
        TOLD.lock().unwrap_or_else(PoisonError::into_inner).push("end".to_owned());
        0
    }

    /// As a profiler's library does.
    #[test]
    fn a_profiler_is_told_of_ranges_once_it_has_written_its_functions() {
        assert!(Nvtx::attached().is_none(), "no profiler is attached");
        let (mut table, mut count) = (std::ptr::null(), 0);
        // SAFETY: the tables have these types, and as many functions as they say.
        unsafe {
            let versions = &*export(VERSIONS).cast::<Versions>();
            assert_eq!((versions.size, versions.version), (24, 3));
            assert!(export(7).is_null(), "there is no such table");
            let exported = &*export(CALLBACKS).cast::<Callbacks>();
            assert_eq!((exported.table)(7, &mut table, &mut count), 0, "there is no such module");
            for (module, expected) in (1..).zip(&FUNCTIONS[1..]) {
                assert_eq!((exported.table)(module, &mut table, &mut count), 1);
                assert_eq!(count as usize, *expected);
                assert!((*table).is_null() && (*table.add(*expected)).is_null(), "it begins and ends with none");
                assert!((1..*expected).all(|function| !(*table.add(function)).is_null()), "it has all functions");
            }
            assert_eq!((exported.table)(1, &mut table, &mut count), 1);
            (**table.add(PUSH)).store(push as *mut c_void, Ordering::Release);
            (**table.add(POP)).store(pop as *mut c_void, Ordering::Release);
        }
        let nvtx = Nvtx::attached().expect("a profiler is attached");
        let outer = nvtx.range("program");
        drop(nvtx.range("step\0 of no name"));
        drop(outer);
        let told = TOLD.lock().unwrap_or_else(PoisonError::into_inner).clone();
        assert_eq!(told, ["program", "step", "end", "end"]);
    }

    #[test]
    fn libraries_that_are_none_are_said() {
        let error = Nvtx::load(Path::new("/no/such/library.so")).expect_err("there is none");
        assert!(error.starts_with("cannot load '/no/such/library.so': "), "{error}");
    }
}
