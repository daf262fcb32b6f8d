//! Which of its algorithms the library multiplies with: the one that it expects to be fastest, or the one that is, measured.

use std::mem::MaybeUninit;

use cudarc::cublaslt::result::{self, CublasError};
use cudarc::cublaslt::sys::{
    cublasLtMatmulAlgo_t, cublasLtMatmulAlgoGetHeuristic, cublasLtMatmulHeuristicResult_t, cublasLtMatmulPreference_t,
    cublasLtMatmulPreferenceAttributes_t, cublasStatus_t,
};

use super::{Addresses, Handle, Product, Shape, failed, status, unsupported};
use crate::cuda::Gpu;
use crate::cuda::error::Result;
use crate::cuda::measure::{self, noise};

/// Scratch memory that an algorithm may ask for: what NVIDIA recommends for its newest architectures.
const WORKSPACE: usize = 32 << 20;

/// How many algorithms are measured.
const CANDIDATES: usize = 12;

/// An algorithm for products of one shape.
#[derive(Clone, Copy, Debug)]
pub(super) struct Algorithm {
    pub(super) algorithm: cublasLtMatmulAlgo_t,
    /// Bytes of scratch memory that it needs.
    pub(super) workspace: usize,
}

/// The algorithm for a product: where the GPU's settings say so, the fastest of those that the library expects most of.
pub(super) fn choose(handle: &Handle, product: &Product, shape: &Shape, gpu: &Gpu) -> Result<Algorithm> {
    let candidates = candidates(handle, product, shape, if gpu.settings().tuned { CANDIDATES } else { 1 })?;
    match candidates[..] {
        [] => Err(unsupported("a product that it has no algorithm for")),
        [only] => Ok(only),
        [first, ..] => {
            // Where there is no memory to measure in, there is still the one that is expected to be fastest.
            Ok(fastest(handle, product, shape, gpu, &candidates).unwrap_or(first))
        }
    }
}

/// At most `count` algorithms, the one that the library expects to be fastest first.
pub(super) fn candidates(handle: &Handle, product: &Product, shape: &Shape, count: usize) -> Result<Vec<Algorithm>> {
    let preference = Preference(result::create_matmul_pref().map_err(status)?);
    preference.fill(shape)?;
    let mut found = vec![MaybeUninit::<cublasLtMatmulHeuristicResult_t>::uninit(); count];
    let (mut written, Product { desc, a, b, d }) = (0, product);
    // SAFETY: the descriptions live; there is room for `count` results.
    let asked = unsafe {
        cublasLtMatmulAlgoGetHeuristic(
            handle.0,
            desc.0,
            a.0,
            b.0,
            d.0,
            d.0,
            preference.0,
            count as i32,
            found.as_mut_ptr().cast(),
            &mut written,
        )
        .result()
    };
    match asked {
        Err(CublasError(cublasStatus_t::CUBLAS_STATUS_NOT_SUPPORTED)) => return Ok(Vec::new()),
        other => other.map_err(status)?,
    }
    // SAFETY: the library says that it has written so many.
    let found = found[..written as usize].iter().map(|result| unsafe { result.assume_init_ref() });
    let able = found.filter(|result| result.state == cublasStatus_t::CUBLAS_STATUS_SUCCESS);
    Ok(able.map(|result| Algorithm { algorithm: result.algo, workspace: result.workspaceSize }).collect())
}

/// The candidate that takes the least time, on numbers made up.
fn fastest(
    handle: &Handle,
    product: &Product,
    shape: &Shape,
    gpu: &Gpu,
    candidates: &[Algorithm],
) -> Result<Algorithm> {
    let [lhs, rhs, out] = shape.bytes();
    let (lhs, rhs, out) = (noise(gpu, lhs)?, noise(gpu, rhs)?, noise(gpu, out)?);
    let (bias, scale) = (noise(gpu, shape.bias_bytes())?, noise(gpu, 4)?);
    let scratch = candidates.iter().map(|algorithm| algorithm.workspace).max().unwrap_or(0);
    let scratch = gpu.allocate(scratch, &|| "scratch memory of products".to_owned())?;
    product.set(shape.bias.then(|| bias.start()), shape.scaled.then(|| [scale.start(); 2]))?;
    let beside = shape.has_beside().then(|| noise(gpu, shape.bytes()[2])).transpose()?;
    beside.iter().try_for_each(|beside| product.set_beside(beside.start()))?;
    let addresses = Addresses { lhs: lhs.start(), rhs: rhs.start(), out: out.start(), workspace: scratch.start() };
    let start = |algorithm| move || product.start(handle, algorithm, shape, addresses, gpu);
    let ways: Vec<_> = candidates.iter().map(start).collect();
    let ways: Vec<&dyn Fn() -> Result> = ways.iter().map(|way| way as &dyn Fn() -> Result).collect();
    let best = measure::fastest(gpu, &ways)?;
    best.map(|number| candidates[number]).ok_or_else(|| failed("none of its algorithms runs"))
}

/// What algorithms are asked for with.
struct Preference(cublasLtMatmulPreference_t);

impl Preference {
    fn fill(&self, shape: &Shape) -> Result {
        use cublasLtMatmulPreferenceAttributes_t::*;
        self.set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &(WORKSPACE as u64))?;
        let [lhs, rhs, out] = shape.alignments.map(|alignment| alignment as u32);
        self.set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &rhs)?;
        self.set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &lhs)?;
        self.set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &out)?;
        self.set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &out)
    }

    fn set<T>(&self, attribute: cublasLtMatmulPreferenceAttributes_t, value: &T) -> Result {
        // SAFETY: the value has the type of the attribute.
        unsafe { result::set_matmul_pref_attribute(self.0, attribute, (&raw const *value).cast(), size_of::<T>()) }
            .map_err(status)
    }
}

impl Drop for Preference {
    fn drop(&mut self) {
        // SAFETY: nobody has it any more.
        let _ = unsafe { result::destroy_matmul_pref(self.0) };
    }
}
