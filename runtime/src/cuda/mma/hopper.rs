//! Products in half precision by the instructions of GPUs of compute capability 9.0: groups of four warps multiply what the
//! unit for tensors has brought to shared memory.
//!
//! It takes products whose operands that unit can reach: elements that are adjacent in one dimension, and addresses and
//! strides that are multiples of 16 bytes. Where it is expected to be slower than [`super::Mma`], as where a product has
//! few tiles, or on another GPU, a call is left to the next executor. Sums are in f32, rounded once, and the same in each run.
//!
//! It also takes products with what a kernel computes from their elements, one or two of the same lhs: that kernel's code is
//! put to where elements are in registers, and only what is wanted of the products goes to memory.
//!
//! The floor that it is to hold is 90 % of cuBLASLt for large products on an H200, which the example `gpu_conformance
//! --times` measures: it got 798 TFLOP/s where cuBLASLt got 794, for bf16 and 4096 rows, columns and terms, 784 where that
//! got 766 for 11008 columns. What limits it: the tensor cores wait while the
//! sums of a tile are rounded, which is once in so many stages as the product has terms for, and while the elements of a
//! block's last tile are written; and the last tiles leave multiprocessors idle, as no sum is split among blocks. Where a
//! product has few terms, or much is computed in many registers, they wait until each tile is written.

mod consume;
mod copies;
mod fragment;
mod fused;
mod held;
mod kernel;
mod map;
mod panel;
mod pieces;
mod produce;
mod store;
#[cfg(test)]
mod tests;
mod tile;
mod walk;

use std::ffi::c_void;
use std::sync::{Arc, Mutex, PoisonError};

use cudarc::driver::sys::{CUdevice_attribute, CUdeviceptr, CUtensorMap};
use thunder_tensor::DType;

use super::Product;
use crate::artifact::Bytes;
use crate::cuda::Gpu;
use crate::cuda::architecture::Architecture;
use crate::cuda::error::{CudaError, Result, said};
use crate::cuda::executor::{Executor, Invocation, Prepared, Site};
use crate::cuda::module::{Function, Module};
use crate::plan::PlannedGrid;
use crate::program::{Dims, Fused, LibraryOp, Matmul};
use fused::FusedProduct;
use kernel::{Kernel, NAME, Writes};
use map::{EXTENT, Shape, UNIT, failed};
use tile::{TALL, Tile};

/// The architecture that has the instructions.
const ARCHITECTURE: Architecture = Architecture::of(9, 0);

/// Claims matrix products in f16 and bf16, and what is computed from their elements.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hopper {
    /// Whether it also takes products that others are expected to make faster.
    pub always: bool,
}

impl Hopper {
    /// Why the code of a [`crate::program::Fragment`] cannot be put into a product, if so.
    pub fn refuses(code: &str) -> Option<String> {
        fragment::Fragment::read(code).err()
    }
}

impl Executor for Hopper {
    fn name(&self) -> &'static str {
        "hopper"
    }

    fn claims(&self, op: &LibraryOp, _dims: &Dims) -> bool {
        let is_known = |op: &Matmul| op.epilogue.is_none() && matches!(op.dtype, DType::F16 | DType::BF16);
        match op {
            LibraryOp::Matmul(op) => is_known(op),
            LibraryOp::Fused(op) => is_known(&op.product),
            _ => false,
        }
    }

    fn fuses(&self, op: &Fused, dims: &Dims, gpu: &Gpu) -> bool {
        gpu.architecture == ARCHITECTURE
            && multiprocessors(gpu).is_ok_and(|count| fused::pays(op, dims, count, self.always))
    }

    fn prepare(&self, site: &Site<'_>) -> Result<Box<dyn Prepared>> {
        let gpu = site.gpu;
        let unsupported = |what: String| CudaError::Unsupported { library: "hopper", op: site.op.name(), what };
        if gpu.architecture != ARCHITECTURE {
            return Err(unsupported(format!("to work on {}", gpu.architecture)));
        }
        let multiprocessors = multiprocessors(gpu)?;
        let (work, pointers) = match site.op {
            LibraryOp::Matmul(op) => {
                let product = Product::new(op, &|dim| site.size(dim), site.alignments);
                let work = Work::new(&product, multiprocessors);
                (work.filter(|work| self.always || work.pays(&product, multiprocessors)), Vec::new())
            }
            LibraryOp::Fused(op) if site.alignments.iter().all(|alignment| alignment.is_multiple_of(UNIT)) => {
                let fused = FusedProduct::new(op, &|dim| site.size(dim)).map_err(unsupported)?;
                (fused.work(multiprocessors), op.pointers.clone())
            }
            LibraryOp::Fused(_) => return Err(unsupported("addresses that are no multiples of 16".to_owned())),
            _ => unreachable!("an executor prepares what it claims"),
        };
        let work = work.ok_or_else(|| unsupported("to multiply at these sizes and strides".to_owned()))?;
        let module = gpu.modules.load(&gpu.queue, &Bytes::new(work.kernel.ptx()), &Bytes::new(Vec::new()))?;
        let function = module.function(NAME, work.kernel.tile.shared() as u32)?;
        let function = function.ok_or_else(|| CudaError::Load(format!("there is no '{NAME}'")))?;
        let operands = site.op.arity();
        Ok(Box::new(PreparedHopper { _module: module, function, work, operands, pointers, maps: Mutex::default() }))
    }
}

fn multiprocessors(gpu: &Gpu) -> Result<usize> {
    let count = gpu.queue.attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?;
    Ok(usize::try_from(count).unwrap_or(1))
}

/// A kernel and what it is given.
#[derive(Clone, Debug)]
struct Work {
    kernel: Kernel,
    /// lhs and each rhs.
    shapes: Vec<Shape>,
    blocks: u32,
    /// The kernel's parameters behind all addresses; the last says whether it begins early.
    numbers: Vec<u64>,
    /// The time that it is expected to take, as tiles count.
    time: f64,
}

impl Work {
    /// `None` where there is nothing to compute, or where operands cannot be brought.
    fn new(product: &Product, multiprocessors: usize) -> Option<Self> {
        Self::of(product, None, multiprocessors)
    }

    /// With what is computed from the elements.
    fn of(product: &Product, fused: Option<&FusedProduct>, multiprocessors: usize) -> Option<Self> {
        let &Product { size: [m, n, k], .. } = product;
        let count = product.batch.iter().try_fold(1_usize, |count, dim| count.checked_mul(dim[0]))?;
        if [m, n, k, count].into_iter().any(|extent| !(1..=EXTENT).contains(&extent)) {
            return None;
        }
        let columns = n * fused.map_or(1, FusedProduct::count);
        let (tile, time) = Tile::choose([m, columns], count, multiprocessors)?;
        Self::with(product, fused, tile, time, multiprocessors)
    }

    /// With a tile.
    fn with(
        product: &Product,
        fused: Option<&FusedProduct>,
        tile: Tile,
        time: f64,
        multiprocessors: usize,
    ) -> Option<Self> {
        let &Product { dtype, size: [m, n, k], bias, .. } = product;
        let products = fused.map_or(1, FusedProduct::count);
        let part = tile.wide / tile.cluster.max(products);
        let groups = fused.and_then(|fused| fused.groups);
        let mut shapes = vec![Shape::of(product, 0, TALL)?, Shape::grouped(product, 1, part, groups)?];
        if let Some(second) = fused.and_then(FusedProduct::second) {
            shapes.push(Shape::grouped(&second, 1, part, groups).filter(|second| second.sums == shapes[1].sums)?);
        }
        let count = product.batch.iter().map(|dim| dim[0]).product::<usize>();
        // Two products share the columns of tiles.
        let columns = n * products;
        let clusters = tile.clusters([m, columns]).checked_mul(count).filter(|clusters| *clusters <= EXTENT)?;
        let writes = match () {
            () if product.packs(8) && n.is_multiple_of(8) => Writes::Chunks,
            () if product.packs(2) => Writes::Pairs,
            () => Writes::Single,
        };
        let sums = [0, 1].map(|side: usize| shapes[side].sums);
        if fused.is_some() && writes != Writes::Chunks {
            return None;
        }
        let fusion = fused.map(|fused| fused.fusion.clone());
        let batch = product.batch.len();
        let group = groups.map(|groups| groups.width);
        let mut kernel = Kernel { dtype, tile, sums, bias, writes, batch, group, fusion, overlaps: false };
        kernel.overlaps = kernel.can_overlap(k);
        let together = (multiprocessors / tile.cluster).max(1);
        let blocks = (clusters.min(together) * tile.cluster) as u32;
        let (tall, wide) = (m.div_ceil(TALL * tile.cluster), columns.div_ceil(tile.wide));
        // Strides of what there is but one of may be any number.
        let bytes = |stride: usize| stride.wrapping_mul(dtype.size()) as u64;
        let mut numbers = fused.map_or_else(Vec::new, |fused| fused.numbers.clone());
        numbers.extend([m, n, k, tall, wide, clusters].map(|number| number as u64));
        numbers.extend(product.out.map(bytes));
        for (number, dim) in product.batch.iter().enumerate() {
            let [lhs, rhs] = [0, 1].map(|side: usize| u64::from(shapes[side].moves(number)));
            numbers.extend([dim[0] as u64, lhs, rhs, bytes(dim[3])]);
        }
        numbers.push(0);
        Some(Self { kernel, shapes, blocks, numbers, time })
    }

    /// Whether no kernel without these instructions is expected to be faster.
    fn pays(&self, product: &Product, multiprocessors: usize) -> bool {
        let other = super::Work::new(product, multiprocessors);
        other.is_none_or(|other| self.time <= other.time)
    }
}

/// Addresses, and the maps of operands at these.
type Maps = (Vec<CUdeviceptr>, Vec<CUtensorMap>);

struct PreparedHopper {
    _module: Arc<Module>,
    function: Function,
    work: Work,
    /// How many operands are those of products, and which is each pointer of what is computed from their elements.
    operands: usize,
    pointers: Vec<Option<u32>>,
    /// Those of the last run.
    maps: Mutex<Option<Maps>>,
}

impl PreparedHopper {
    fn maps(&self, addresses: &[CUdeviceptr]) -> Result<Vec<CUtensorMap>> {
        let mut known = self.maps.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, maps)) = known.as_ref().filter(|(of, _)| *of == addresses) {
            return Ok(maps.clone());
        }
        let maps: Vec<CUtensorMap> =
            self.work.shapes.iter().zip(addresses).map(|(shape, &address)| shape.at(address)).collect::<Result<_>>()?;
        *known = Some((addresses.to_vec(), maps.clone()));
        Ok(maps)
    }
}

impl Prepared for PreparedHopper {
    fn admits(&self) -> bool {
        true
    }

    fn begin_early(&mut self) -> bool {
        self.work.numbers.last_mut().is_some_and(|early| {
            *early = 1;
            true
        })
    }

    fn run(&self, invocation: &Invocation<'_>) -> Result {
        let (brought, others) = invocation.operands.split_at(self.work.shapes.len());
        let maps = self.maps(brought)?;
        let maps = maps.iter().map(|map| std::ptr::from_ref(map).cast_mut().cast());
        let others = &others[..self.operands - brought.len()];
        // What is in registers only has no address.
        let pointer = |pointer: &Option<u32>| pointer.map_or(0, |operand| invocation.operands[operand as usize]);
        let pointers: Vec<CUdeviceptr> = self.pointers.iter().map(pointer).collect();
        let numbers = others.iter().chain(&pointers).chain(&self.work.numbers);
        let numbers = numbers.map(|number| std::ptr::from_ref(number).cast_mut().cast());
        let mut arguments: Vec<*mut c_void> = maps.chain(numbers).collect();
        let grid = PlannedGrid {
            blocks: [self.work.blocks, 1, 1],
            threads: Tile::threads() as u32,
            shared: self.work.kernel.tile.shared() as u32,
            overlaps: true,
        };
        // SAFETY: the kernel takes these maps and numbers of 64 bits, which the driver copies; it reads the elements that the
        // maps reach, which are those of the operands, and writes those of the results, which the plan has checked to lie
        // within them; what else it computes touches what the compiler's kernel would. The grid is a multiple of the cluster
        // that the kernel has.
        unsafe { self.function.start(&grid, invocation.gpu.stream(), &mut arguments) }
            .map_err(|error| failed(said(error)))
    }
}
