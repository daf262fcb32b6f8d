//! Matrix products and convolutions without a library, by kernels that are made here as PTX.
//!
//! It takes every product without an epilogue: in each dtype, with whatever strides, of no terms, with or without bias. f16
//! and bf16 are multiplied by tensor cores and summed in f32, f32 by fused multiplications and additions, without rounding
//! what is multiplied, f64 by tensor cores, which round as additions do. A kernel is made for each way in which operands
//! lie, and is loaded when sizes are known.
//!
//! A product of floats of 8 bits is one of f32, which are written to scratch memory first (`scaled.rs`).
//!
//! A convolution is a product with what its windows see, which is written to scratch memory first (`convolution.rs`). In bf16,
//! 32 images of 64 channels and 56 by 56 elements take 18 % of cuDNN's rate with windows of 3 by 3, as that memory is written and
//! read; windows of single elements, which need none, 80 % and more.
//!
//! The floor that it is to hold is half of cuBLASLt for large products in half precision on an H200, which the example
//! `gpu_conformance --times` measures: it gets 453 TFLOP/s where cuBLASLt gets 805, for bf16 and 4096 rows, columns and terms,
//! which is 56 %. What limits it: `mma.sync` is the tensor cores' instruction since sm_80, and gets at most about 5/8 of what
//! those of sm_90 and newer do with instructions of their own; those of sm_90 are what [`Hopper`] has.
//! Below the floor are products with few tiles and many terms, such as those with one row, as no sum is split among blocks;
//! and operands in half precision whose rows are not a multiple of 4 bytes long, or whose elements are adjacent in neither
//! dimension, which are read element by element.

mod convolution;
mod copy;
mod hopper;
mod kernel;
mod multiply;
mod panel;
mod scaled;
mod store;
#[cfg(test)]
mod tests;
mod tile;

use cudarc::driver::result::DriverError;
use cudarc::driver::sys::{CUdevice_attribute, CUdeviceptr};
use thunder_tensor::DType;

use super::Gpu;
use super::architecture::Architecture;
use super::error::{CudaError, Result, said};
use super::executor::{Executor, Invocation, Prepared, Site};
use super::loaded::Loaded;
use crate::program::{Dims, LibraryOp, Matmul};
pub use hopper::Hopper;
use kernel::{Kernel, NAME};
use panel::{CHUNK, Copies, Layout};
use tile::Tile;

/// The most blocks of a launch.
const BLOCKS: u64 = i32::MAX as u64;

/// The most sums of a thread that reads single elements.
const MOST_SUMS: usize = 64;

/// The oldest architecture whose tensor cores have the instructions.
const OLDEST: &str = "sm_80";

/// Claims matrix products, also of floats of 8 bits, and convolutions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mma;

impl Executor for Mma {
    fn name(&self) -> &'static str {
        "mma"
    }

    fn claims(&self, op: &LibraryOp, _dims: &Dims) -> bool {
        let is_known = |dtype| matches!(dtype, DType::F32 | DType::F64 | DType::F16 | DType::BF16);
        match op {
            LibraryOp::Matmul(op) => op.epilogue.is_none() && is_known(op.dtype),
            LibraryOp::ScaledMatmul(op) => [op.product.dtype, op.rhs].into_iter().all(scaled::is_known),
            LibraryOp::Convolution(op) => (1..=convolution::AXES).contains(&op.axes.len()) && is_known(op.dtype),
            _ => false,
        }
    }

    fn is_spare(&self) -> bool {
        true
    }

    fn prepare(&self, site: &Site<'_>) -> Result<Box<dyn Prepared>> {
        let gpu = site.gpu;
        let op = site.op.name();
        if !gpu.architecture.is_at_least(Architecture::of(8, 0)) {
            let error = format!("it needs a GPU of {OLDEST} or newer, '{}' is {}", gpu.name(), gpu.architecture);
            return Err(failed(op)(error));
        }
        let multiprocessors = gpu.queue.attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?;
        let multiprocessors = usize::try_from(multiprocessors).unwrap_or(1);
        match site.op {
            LibraryOp::Matmul(op) => {
                let product = Product::new(op, &|dim| site.size(dim), site.alignments);
                let Some(work) = Work::new(&product, multiprocessors) else { return Ok(Box::new(Nothing)) };
                Ok(Box::new(PreparedMma(Ready::new(gpu, work)?)))
            }
            LibraryOp::ScaledMatmul(op) => scaled::prepare(op, site, multiprocessors),
            LibraryOp::Convolution(op) => convolution::prepare(op, site, multiprocessors),
            _ => unreachable!("an executor prepares what it claims"),
        }
    }
}

/// Nothing to compute.
struct Nothing;

impl Prepared for Nothing {
    fn run(&self, _invocation: &Invocation<'_>) -> Result {
        Ok(())
    }
}

/// A product whose sizes are known. Strides are in elements, and 0 where there is but one.
#[derive(Clone, Debug)]
struct Product {
    dtype: DType,
    /// m, n and k.
    size: [usize; 3],
    /// Of lhs: from one row to the next, and from one term of the sums to the next.
    lhs: [usize; 2],
    /// Of rhs: from one column to the next, and from one term of the sums to the next.
    rhs: [usize; 2],
    /// Of out: from one row to the next, and from one column to the next.
    out: [usize; 2],
    /// Dimensions of the batch, outermost first: extent, and strides in lhs, rhs and out.
    batch: Vec<[usize; 4]>,
    bias: bool,
    /// Of the addresses of lhs, rhs and out.
    alignments: [usize; 3],
}

impl Product {
    fn new(op: &Matmul, size: &dyn Fn(crate::program::DimId) -> usize, alignments: &[usize]) -> Self {
        let (m, n, k) = (size(op.m), size(op.n), size(op.k));
        let strides = |dims: [(crate::program::DimId, usize); 2]| {
            dims.map(|(stride, extent)| if extent > 1 { size(stride) } else { 0 })
        };
        let mut batch: Vec<[usize; 4]> =
            op.batch.iter().map(|b| [size(b.extent), size(b.lhs), size(b.rhs), size(b.out)]).collect();
        batch.retain(|[extent, ..]| *extent != 1);
        Self {
            dtype: op.dtype,
            size: [m, n, k],
            lhs: strides([(op.lhs.row, m), (op.lhs.column, k)]),
            rhs: strides([(op.rhs.column, n), (op.rhs.row, k)]),
            out: strides([(op.out.row, m), (op.out.column, n)]),
            batch: joined(batch),
            bias: op.bias,
            alignments: [alignments[0], alignments[1], alignments[2 + usize::from(op.bias)]],
        }
    }

    /// How the panels of lhs (`side` 0) or rhs (1) are copied.
    fn layout(&self, side: usize) -> Layout {
        let [own, sums] = [self.lhs, self.rhs][side];
        let (rows, terms) = (self.size[side], self.size[2]);
        let size = self.dtype.size();
        let batch = self.batch.iter().map(|dim| dim[1 + side]);
        // Whatever divides addresses of lines that are `stride` apart.
        let divides = |stride: usize| {
            let all = batch.clone().fold(stride, |all, stride| all | stride);
            1 << (all.wrapping_mul(size) | self.alignments[side]).trailing_zeros().min(CHUNK.trailing_zeros())
        };
        let unit = |stride: usize| Some(divides(stride)).filter(|unit| *unit >= 4);
        // Along the sums where elements are adjacent there, or along rows or columns.
        let along = if sums == 1 || terms <= 1 { unit(own) } else { None };
        let across = if own == 1 || rows <= 1 { unit(sums) } else { None };
        match along.max(across) {
            Some(unit) => Layout { sums: along >= across, copies: Copies::Aligned(unit) },
            None => Layout { sums: sums <= own, copies: Copies::Single },
        }
    }

    /// Whether columns of the result are adjacent, and rows so aligned that `run` of them are written at once.
    fn packs(&self, run: usize) -> bool {
        let [row, column] = self.out;
        let strides = self.batch.iter().fold(row, |all, dim| all | dim[3]).wrapping_mul(self.dtype.size());
        let is_aligned = (strides | self.alignments[2]).is_multiple_of(run * self.dtype.size());
        is_aligned && (column == 1 || self.size[1] <= 1)
    }
}

/// Dimensions of a batch, of which those are one that follow each other alike in all operands.
fn joined(batch: Vec<[usize; 4]>) -> Vec<[usize; 4]> {
    let mut all: Vec<[usize; 4]> = Vec::with_capacity(batch.len());
    for dim in batch {
        match all.last_mut() {
            Some(outer) if (1..4).all(|i| dim[0].checked_mul(dim[i]) == Some(outer[i])) => {
                *outer = [outer[0] * dim[0], dim[1], dim[2], dim[3]];
            }
            _ => all.push(dim),
        }
    }
    all
}

/// A kernel and what it is given.
#[derive(Clone, Debug)]
struct Work {
    kernel: Kernel,
    /// How many blocks there are.
    blocks: u64,
    /// The kernel's parameters behind the number of the first block.
    numbers: Vec<u64>,
    /// The time that it is expected to take, as [`Tile::choose`] counts.
    time: f64,
}

impl Work {
    /// `None` where there is nothing to compute.
    fn new(product: &Product, multiprocessors: usize) -> Option<Self> {
        let &Product { dtype, size: [m, n, k], .. } = product;
        if m == 0 || n == 0 || product.batch.iter().any(|[extent, ..]| *extent == 0) {
            return None;
        }
        let count = product.batch.iter().map(|[extent, ..]| extent).product::<usize>();
        let operands = [0, 1].map(|side| product.layout(side));
        // Threads that read single elements need registers for these.
        let is_slow = operands.iter().any(|layout| layout.copies == Copies::Single);
        let tiles = Tile::all(dtype).iter().copied().filter(|tile| !is_slow || tile.sums() <= MOST_SUMS);
        let (tile, time) = Tile::choose(tiles, [m, n], count, multiprocessors)?;
        let packed = product.packs(kernel::run(dtype, operands[1]));
        let kernel = Kernel { dtype, tile, operands, bias: product.bias, packed, batch: product.batch.len() };
        let [tall, wide] = tile.size();
        let blocks = (m.div_ceil(tall) * n.div_ceil(wide)) as u64 * count as u64;
        // Strides of what there is but one of may be any number.
        let bytes = |stride: usize| stride.wrapping_mul(dtype.size()) as u64;
        let mut numbers = vec![m as u64, n as u64, k as u64];
        for ([own, sums], layout) in [product.lhs, product.rhs].into_iter().zip(operands) {
            let (line, element) = if layout.sums { (own, sums) } else { (sums, own) };
            let element = if layout.copies == Copies::Single { element } else { 1 };
            let next = if layout.sums { element } else { line };
            numbers.extend([bytes(line), bytes(element), bytes(next).wrapping_mul(tile.depth as u64)]);
        }
        numbers.extend(product.out.map(bytes));
        numbers.extend(
            product
                .batch
                .iter()
                .flat_map(|&[extent, lhs, rhs, out]| [extent as u64, bytes(lhs), bytes(rhs), bytes(out)]),
        );
        Some(Self { kernel, blocks, numbers, time })
    }
}

/// A product whose kernel is loaded.
struct Ready {
    kernel: Loaded,
    work: Work,
}

impl Ready {
    fn new(gpu: &Gpu, work: Work) -> Result<Self> {
        let Kernel { tile, dtype, .. } = &work.kernel;
        let kernel = Loaded::new(gpu, work.kernel.ptx(), NAME, [tile.threads(), tile.shared(dtype.size())])?;
        Ok(Self { kernel, work })
    }

    /// Starts it with the addresses of lhs, rhs, the bias if there is one, and the result.
    ///
    /// # Safety
    /// The elements of the operands are there to be read, those of the result to be written.
    unsafe fn start(&self, gpu: &Gpu, operands: &[CUdeviceptr]) -> Result<(), DriverError> {
        let mut first = 0_u64;
        while first < self.work.blocks {
            let blocks = (self.work.blocks - first).min(BLOCKS);
            let numbers = operands.iter().chain([&first]).chain(&self.work.numbers).copied();
            // SAFETY: these are the kernel's parameters; the rest is the caller's.
            unsafe { self.kernel.start(gpu, blocks as u32, numbers)? };
            first += blocks;
        }
        Ok(())
    }
}

struct PreparedMma(Ready);

impl Prepared for PreparedMma {
    fn run(&self, invocation: &Invocation<'_>) -> Result {
        // SAFETY: the plan has checked that all elements lie within the operands and the result.
        let started = unsafe { self.0.start(invocation.gpu, invocation.operands) };
        started.map_err(|error| failed("matmul")(said(error)))
    }
}

fn failed(op: &'static str) -> impl Fn(String) -> CudaError {
    move |error| CudaError::Library { library: "mma", op, error }
}
