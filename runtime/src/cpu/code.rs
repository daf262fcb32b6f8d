//! Compiled kernels: where their addresses come from.

use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use libloading::Library;
use libloading::os::unix::Symbol;

use crate::artifact::Artifact;

/// A compiled kernel; see `program::Launch` for what it is given and may do.
pub type Kernel = unsafe extern "C" fn(ptrs: *const *mut u8, dims: *const i64);

/// A source of kernels: a shared object, or a JIT in this process.
///
/// # Safety
/// Every address returned is a [`Kernel`] that stays callable for as long as the source lives, keeps
/// the contract of `program::Launch`, and does not unwind.
pub unsafe trait Code: Send + Sync {
    /// The kernel of that name, if there is one.
    fn kernel(&self, name: &str) -> Option<Kernel>;
}

/// Why code cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum CodeError {
    /// The system refuses memory for the code.
    #[error("cannot place the compiled code in memory: {0}")]
    Memory(#[from] io::Error),
    /// The bytes are not a shared object that this system loads. The compiler's bug.
    #[error("cannot load the compiled code: {0}")]
    Load(#[from] libloading::Error),
}

/// A shared object loaded from memory.
#[derive(Debug)]
pub struct SharedObject {
    library: Library,
    /// Stays open as long as the library is loaded: the loader takes a path that it knows for the library
    /// that it loaded from there, and a descriptor that was closed may be another file's next.
    _file: OwnedFd,
}

impl SharedObject {
    /// Loads the bytes of a shared object.
    ///
    /// # Safety
    /// The code is trusted: its initializers run now, and its symbols keep the contract of [`Code`].
    pub unsafe fn load(bytes: &[u8]) -> Result<Self, CodeError> {
        let file =
            rustix::fs::memfd_create("thunder-code", rustix::fs::MemfdFlags::CLOEXEC).map_err(io::Error::from)?;
        let mut left = bytes;
        while !left.is_empty() {
            let written = rustix::io::write(&file, left).map_err(io::Error::from)?;
            left = &left[written..];
        }
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        // SAFETY: the caller trusts the code.
        let library = unsafe { Library::new(path)? };
        Ok(Self { library, _file: file })
    }
}

// SAFETY: the library stays loaded as long as the value lives; the rest is the promise made to `load`.
unsafe impl Code for SharedObject {
    fn kernel(&self, name: &str) -> Option<Kernel> {
        // SAFETY: by the promise made to `load`, symbols are kernels.
        let symbol = unsafe { self.library.get::<Kernel>(name.as_bytes()).ok()? };
        // SAFETY: the raw symbol is used only while `self`, and so the library, lives.
        let symbol: Symbol<Kernel> = unsafe { symbol.into_raw() };
        Some(*symbol)
    }
}

/// Kernels that a compiler in this process has placed in its memory.
pub struct InMemory {
    kernels: BTreeMap<String, Kernel>,
    _owner: Arc<dyn Any + Send + Sync>,
}

impl InMemory {
    /// Kernels by name, which are callable for as long as `owner` lives.
    ///
    /// As with an artifact, running the program is running this code: pass only what a compiler made for it.
    pub fn new(owner: Arc<dyn Any + Send + Sync>, kernels: impl IntoIterator<Item = (String, Kernel)>) -> Self {
        Self { kernels: kernels.into_iter().collect(), _owner: owner }
    }
}

// SAFETY: the owner lives as long as the value; that the addresses are kernels is the promise made to `new`.
unsafe impl Code for InMemory {
    fn kernel(&self, name: &str) -> Option<Kernel> {
        self.kernels.get(name).copied()
    }
}

/// The code of an artifact, which whoever prepares a session trusts.
pub(crate) fn of_artifact(artifact: &Artifact) -> Result<Arc<dyn Code>, CodeError> {
    // SAFETY: running an artifact is running its code; that is what a session is asked for. The
    // checksums have shown that the code is what the compiler wrote.
    let object = unsafe { SharedObject::load(artifact.code())? };
    Ok(Arc::new(object))
}
