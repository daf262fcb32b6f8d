//! The shim links with MLIR and makes code that runs.

use std::ffi::CStr;
use thunder_mlir_shim::codegen::{thunderFree, thunderHostCpu};

#[test]
fn the_host_has_a_name() {
    // SAFETY: both functions have no preconditions but the order used here.
    let name = unsafe { CStr::from_ptr(thunderHostCpu()).to_owned() };
    assert!(!name.is_empty());
    let _ = thunderFree;
}
