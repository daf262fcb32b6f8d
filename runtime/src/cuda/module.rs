//! Code on a GPU: what the driver has made of PTX or a cubin, kept for as long as a session uses it.

use std::ffi::{CString, c_void};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use cudarc::driver::result::{self, DriverError};
use cudarc::driver::sys;
use cudarc::driver::sys::{
    CUfunction, CUfunction_attribute, CUjit_option, CUlaunchAttribute, CUlaunchAttributeID, CUlaunchAttributeValue,
    CUlaunchConfig, CUmodule, CUstream,
};

use super::error::{CudaError, Result, said};
use super::queue::Queue;
use crate::artifact::Bytes;
use crate::plan::PlannedGrid;

/// Bytes of what the driver's assembler may say.
const LOG: usize = 4096;

/// Loaded code.
pub(crate) struct Module {
    queue: Arc<Queue>,
    module: CUmodule,
}

// SAFETY: the driver's handles may be used from any thread.
unsafe impl Send for Module {}
// SAFETY: as above.
unsafe impl Sync for Module {}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Module")
    }
}

/// A kernel of a module that is loaded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Function(pub(super) CUfunction);

impl Function {
    /// Starts the kernel on a stream, where `overlaps` says that it may be on the GPU before the kernel ahead is done.
    ///
    /// # Safety
    ///
    /// The module lives; the arguments are as many and of such sizes as the kernel's parameters, and of what it touches.
    pub(super) unsafe fn start(
        self,
        grid: &PlannedGrid,
        stream: CUstream,
        arguments: &mut [*mut c_void],
    ) -> std::result::Result<(), DriverError> {
        let value = CUlaunchAttributeValue { programmaticStreamSerializationAllowed: 1 };
        let id = CUlaunchAttributeID::CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
        let mut overlaps = CUlaunchAttribute { id, pad: [0; 4], value };
        let [x, y, z] = grid.blocks;
        let config = CUlaunchConfig {
            gridDimX: x,
            gridDimY: y,
            gridDimZ: z,
            blockDimX: grid.threads,
            blockDimY: 1,
            blockDimZ: 1,
            sharedMemBytes: grid.shared,
            hStream: stream,
            attrs: &raw mut overlaps,
            numAttrs: grid.overlaps.into(),
        };
        // SAFETY: the caller's; the driver copies the configuration and the arguments.
        unsafe {
            sys::cuLaunchKernelEx(&raw const config, self.0, arguments.as_mut_ptr(), std::ptr::null_mut()).result()
        }
    }
}

// SAFETY: the driver's handles may be used from any thread.
unsafe impl Send for Function {}
// SAFETY: as above.
unsafe impl Sync for Function {}

impl Module {
    /// Loads a cubin where there is one that the driver takes, and else assembles the PTX.
    fn load(queue: &Arc<Queue>, ptx: &[u8], cubin: &[u8]) -> Result<Self> {
        queue.enter()?;
        let loaded = |module| Self { queue: Arc::clone(queue), module };
        if !cubin.is_empty() {
            // SAFETY: the cubin is what an assembler wrote, as checksums have shown, and says itself how long it is.
            if let Ok(module) = unsafe { result::module::load_data(cubin.as_ptr().cast()) } {
                return Ok(loaded(module));
            }
        }
        let text = CString::new(ptx).map_err(|_| CudaError::Load("the PTX has a zero byte".to_owned()))?;
        let mut log = vec![0_u8; LOG];
        let mut module = std::ptr::null_mut();
        let mut names = [CUjit_option::CU_JIT_ERROR_LOG_BUFFER, CUjit_option::CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES];
        let mut values = [log.as_mut_ptr().cast::<c_void>(), std::ptr::without_provenance_mut(LOG)];
        // SAFETY: the text ends with a zero; the log has as many bytes as it says.
        let made = unsafe {
            let (names, values) = (names.as_mut_ptr(), values.as_mut_ptr());
            sys::cuModuleLoadDataEx(&mut module, text.as_ptr().cast(), 2, names, values).result()
        };
        made.map(|()| loaded(module)).map_err(|error| CudaError::Load(refusal(error, &log)))
    }

    /// The kernel of that name, with room for so many bytes of shared memory beyond its own; `None` if there is none.
    pub(super) fn function(&self, name: &str, shared: u32) -> Result<Option<Function>> {
        self.queue.enter()?;
        let Ok(name) = CString::new(name) else { return Ok(None) };
        // SAFETY: the module is loaded.
        let Ok(function) = (unsafe { result::module::get_function(self.module, name) }) else { return Ok(None) };
        let most = i32::try_from(shared).unwrap_or(i32::MAX);
        let attribute = CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        if most > 0 {
            // SAFETY: the function was found just now.
            unsafe { result::function::set_function_attribute(function, attribute, most)? };
        }
        Ok(Some(Function(function)))
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        // Kernels that run need their code.
        if self.queue.wait(&|| "earlier work".to_owned()).is_ok() {
            // SAFETY: nobody has its functions any more, and what was started is done.
            let _ = unsafe { result::module::unload(self.module) };
        }
    }
}

/// The driver's words with its assembler's, on one line.
fn refusal(error: DriverError, log: &[u8]) -> String {
    let log = String::from_utf8_lossy(log.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned();
    let lines: Vec<&str> = log.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let words = said(error);
    if lines.is_empty() { words } else { format!("{words}: {}", lines.join("; ")) }
}

/// Modules that sessions use, by their code.
#[derive(Default)]
pub(super) struct Modules(Mutex<Vec<(Bytes, Weak<Module>)>>);

impl Modules {
    /// The module of this code, which is loaded once for all sessions that live at the same time.
    pub(super) fn load(&self, queue: &Arc<Queue>, ptx: &Bytes, cubin: &Bytes) -> Result<Arc<Module>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(_, module)| module.strong_count() > 0);
        let found = known.iter().find(|(code, _)| **code == **ptx);
        if let Some(module) = found.and_then(|(_, module)| module.upgrade()) {
            return Ok(module);
        }
        let module = Arc::new(Module::load(queue, ptx, cubin)?);
        known.push((ptx.clone(), Arc::downgrade(&module)));
        Ok(module)
    }
}
