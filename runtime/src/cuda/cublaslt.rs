//! Matrix products by cuBLASLt.
//!
//! A product of the program is row-major; cuBLASLt's are column-major, so it is given `out^T = rhs^T lhs^T`. An operand
//! either way round is told by its strides; one whose elements are adjacent in neither dimension, as one where both
//! repeat, cannot be told, and the executor leaves such a product to the next when the sizes are known. Batch dimensions
//! that lie behind each other alike in all operands are one batch; the others are looped over.

mod algorithm;
mod epilogue;
mod types;

use std::ffi::c_void;
use std::fmt;
use std::sync::{Arc, Mutex};

use cudarc::cublaslt::result::{self, CublasError};
use cudarc::cublaslt::sys::{
    self, cublasLtHandle_t, cublasLtMatmulDesc_t, cublasLtMatmulDescAttributes_t, cublasLtMatrixLayout_t,
    cublasLtMatrixLayoutAttribute_t, cudaDataType_t,
};
use cudarc::driver::sys::{CUdeviceptr, cuMemsetD2D8Async};
use thunder_tensor::DType;

use super::Gpu;
use super::error::{CudaError, Result};
use super::executor::{Executor, Invocation, PerGpu, Prepared, Site};
use crate::program::{DimId, Dims, Fused, LibraryOp, Matmul, MatrixStrides};
use algorithm::Algorithm;
use epilogue::{Applied, Places};

/// `CUBLAS_OP_N` and `CUBLAS_OP_T`, which the bindings lack.
const AS_IT_IS: i32 = 0;
const TRANSPOSED: i32 = 1;

/// What the addresses of the arguments of a call with a function of its elements are multiples of.
const SURE: usize = 16;

/// Claims matrix products, also those of floats of 8 bits with scales, and those with a function of their elements that the
/// library knows: that is computed from sums before these are rounded.
#[derive(Debug, Default)]
pub struct CublasLt {
    /// Whether f32 may be rounded to 10 bits of mantissa for the tensor cores.
    tf32: bool,
    library: PerGpu<Library>,
}

impl CublasLt {
    /// With f32 rounded to 10 bits of mantissa for the tensor cores.
    pub fn with_tf32() -> Self {
        Self { tf32: true, ..Self::default() }
    }
}

/// The library on one GPU.
#[derive(Debug)]
struct Library {
    handle: Handle,
    /// Products that were prepared before, and what was found for them.
    algorithms: Mutex<Vec<(Shape, Algorithm)>>,
}

impl Executor for CublasLt {
    fn name(&self) -> &'static str {
        "cublaslt"
    }

    fn is_installed(&self) -> bool {
        // SAFETY: looks for the library, and runs nothing but its initializers.
        unsafe { sys::is_culib_present() }
    }

    fn claims(&self, op: &LibraryOp, _dims: &Dims) -> bool {
        match op {
            LibraryOp::Matmul(op) => op.epilogue.is_none(),
            LibraryOp::ScaledMatmul(op) => [op.product.dtype, op.rhs].into_iter().all(|side| types::of(side).is_some()),
            LibraryOp::Fused(op) => Applied::of(op).is_some(),
            _ => false,
        }
    }

    /// Where the library has an algorithm: it does with sums what would else be a kernel.
    fn fuses(&self, op: &Fused, dims: &Dims, gpu: &Gpu) -> bool {
        let op = LibraryOp::Fused(Box::new(op.clone()));
        if !self.claims(&op, dims) {
            return false;
        }
        let ids = (0..dims.exprs().len() as u32).map(DimId);
        let values: Vec<i64> = ids.map(|dim| dims.as_constant(dim).unwrap_or(-1)).collect();
        let is_known = op.dims().into_iter().all(|dim| values[dim.0 as usize] >= 0);
        let Places { out, beside, .. } = Places::of(&op);
        let alignments = vec![SURE; 1 + out.max(beside.unwrap_or(0))];
        let site = Site { op: &op, values: &values, alignments: &alignments, gpu };
        is_known && self.has_algorithm(&site).unwrap_or(false)
    }

    fn prepare(&self, site: &Site<'_>) -> Result<Box<dyn Prepared>> {
        let library = self.library.of(site.gpu, Library::new)?;
        let (op, batch) = (product(site.op), batch(site));
        let [m, n, k] = [op.m, op.n, op.k].map(|dim| site.size(dim));
        if m == 0 || n == 0 || batch.iter().any(|[extent, ..]| *extent == 0) {
            return Ok(Box::new(Nothing));
        }
        let (inner, outer) = split(batch);
        if k == 0 && matches!(site.op, LibraryOp::Matmul(_)) {
            return Ok(Box::new(Zeros::new(op, site, inner, &outer)?));
        }
        let shape = Shape::of(site, inner, self.tf32)?;
        let product = Product::new(&shape)?;
        let algorithm = library.algorithm(&shape, &product, site.gpu)?;
        let (offsets, places) = (offsets(&outer, op.dtype.size()), Places::of(site.op));
        Ok(Box::new(PreparedMatmul { library, product, algorithm, offsets, shape, places }))
    }
}

impl CublasLt {
    /// Whether the library can carry out a call of constant sizes, none of which is zero.
    fn has_algorithm(&self, site: &Site<'_>) -> Result<bool> {
        let (op, batch) = (product(site.op), batch(site));
        let mut extents = [op.m, op.n, op.k].into_iter().chain(op.batch.iter().map(|dim| dim.extent));
        if extents.any(|dim| site.size(dim) == 0) {
            return Ok(false);
        }
        site.gpu.queue.enter()?;
        let library = self.library.of(site.gpu, Library::new)?;
        let shape = Shape::of(site, split(batch).0, self.tf32)?;
        Ok(!algorithm::candidates(&library.handle, &Product::new(&shape)?, &shape, 1)?.is_empty())
    }
}

/// The product of an operation that the executor claims.
fn product(op: &LibraryOp) -> &Matmul {
    match op {
        LibraryOp::Matmul(op) => op,
        LibraryOp::ScaledMatmul(op) => &op.product,
        LibraryOp::Fused(op) => &op.product,
        _ => unreachable!("an executor prepares what it claims"),
    }
}

/// The batch dimensions of more or less than one product: extents, and strides of lhs, rhs and out.
fn batch(site: &Site<'_>) -> Vec<[usize; 4]> {
    let size = |dim| site.size(dim);
    let all = product(site.op).batch.iter().map(|b| [size(b.extent), size(b.lhs), size(b.rhs), size(b.out)]);
    all.filter(|[extent, ..]| *extent != 1).collect()
}

impl Library {
    fn new() -> Result<Self> {
        let handle = Handle(result::create_handle().map_err(status)?);
        Ok(Self { handle, algorithms: Mutex::default() })
    }

    /// The algorithm for a product, chosen once.
    fn algorithm(&self, shape: &Shape, product: &Product, gpu: &Gpu) -> Result<Algorithm> {
        let mut known = self.algorithms.lock().expect("nothing panics while it holds this lock");
        if let Some((_, algorithm)) = known.iter().find(|(other, _)| other == shape) {
            return Ok(*algorithm);
        }
        let algorithm = algorithm::choose(&self.handle, product, shape, gpu)?;
        known.push((shape.clone(), algorithm));
        Ok(algorithm)
    }
}

/// Nothing to compute.
struct Nothing;

impl Prepared for Nothing {
    fn run(&self, _invocation: &Invocation<'_>) -> Result {
        Ok(())
    }
}

/// Products over nothing.
struct Zeros {
    /// Bytes from one row to the next, and of a row.
    line: usize,
    width: usize,
    rows: usize,
    /// Of each matrix, in bytes.
    offsets: Vec<CUdeviceptr>,
}

impl Zeros {
    fn new(op: &Matmul, site: &Site<'_>, inner: [usize; 4], outer: &[[usize; 4]]) -> Result<Self> {
        if op.bias || site.size(op.out.column) != 1 {
            return Err(unsupported("a product over nothing with a bias, or into rows that are not adjacent"));
        }
        let element = op.dtype.size();
        let all = [outer, &[inner]].concat();
        let offsets = offsets(&all, element).into_iter().map(|[_, _, out]| out).collect();
        let (line, width) = (site.size(op.out.row) * element, site.size(op.n) * element);
        Ok(Self { line: line.max(width), width, rows: site.size(op.m), offsets })
    }
}

impl Prepared for Zeros {
    fn run(&self, invocation: &Invocation<'_>) -> Result {
        for offset in &self.offsets {
            let (start, stream) = (invocation.operands[2] + offset, invocation.gpu.stream());
            // SAFETY: the plan has checked that every element lies within the result.
            unsafe { cuMemsetD2D8Async(start, self.line, 0, self.width, self.rows, stream).result()? };
        }
        Ok(())
    }
}

struct Handle(cublasLtHandle_t);

// SAFETY: the library's handles may be used from any thread.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: nobody has it any more.
        let _ = unsafe { result::destroy_handle(self.0) };
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handle")
    }
}

/// What an algorithm was found for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shape {
    /// Of lhs, rhs and out.
    dtypes: [DType; 3],
    /// Whether numbers say what elements of lhs and rhs are multiplied with.
    scaled: bool,
    tf32: bool,
    /// m, n and k of the program's product.
    size: [usize; 3],
    /// lhs, rhs and out.
    operands: [Operand; 3],
    batch: usize,
    bias: bool,
    /// What is computed from sums, and the bias.
    applied: Option<Applied>,
    /// Of lhs, rhs and out.
    alignments: [usize; 3],
}

/// How a matrix lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Operand {
    /// Whether its columns are adjacent, not its rows.
    column_major: bool,
    /// Elements from one row, or column, to the next.
    line: usize,
    /// Elements from one matrix of the batch to the next.
    stride: usize,
}

impl Shape {
    fn of(site: &Site<'_>, batch: [usize; 4], tf32: bool) -> Result<Self> {
        let op = product(site.op);
        let (scaled, applied) = match site.op {
            LibraryOp::ScaledMatmul(op) => (Some(op), None),
            LibraryOp::Fused(op) => (None, Applied::of(op)),
            _ => (None, None),
        };
        let size = |dim| site.size(dim);
        let (m, n, k) = (size(op.m), size(op.n), size(op.k));
        let [count, lhs_stride, rhs_stride, out_stride] = batch;
        let operand = |s: MatrixStrides, (rows, columns), stride| {
            operand(size(s.row), size(s.column), rows, columns, stride)
                .ok_or_else(|| unsupported("an operand whose elements are adjacent neither in rows nor in columns"))
        };
        let operands = [
            operand(op.lhs, (m, k), lhs_stride)?,
            operand(op.rhs, (k, n), rhs_stride)?,
            operand(op.out, (m, n), out_stride)?,
        ];
        if operands[2].column_major {
            return Err(unsupported("a result whose elements are not adjacent in rows"));
        }
        let places = Places::of(site.op);
        let alignments = [0, 1, places.out].map(|operand: usize| site.alignments[operand]);
        let dtypes = scaled.map_or([op.dtype; 3], |scaled| [op.dtype, scaled.rhs, scaled.out]);
        let (scaled, bias) = (scaled.is_some(), op.bias);
        let shape = Self { dtypes, scaled, tf32, size: [m, n, k], operands, batch: count, bias, applied, alignments };
        if scaled {
            types::check_scaled(&shape, site.gpu.architecture)?;
        }
        if let Some(beside) = places.beside {
            shape.check_beside(site.alignments[beside])?;
        }
        Ok(shape)
    }

    /// How many bytes lhs, rhs and out span.
    fn bytes(&self) -> [usize; 3] {
        let ([m, n, k], [lhs, rhs, out]) = (self.size, self.operands);
        let bytes = |number: usize, operand: Operand, (rows, columns)| {
            let (lines, width) = if operand.column_major { (columns, rows) } else { (rows, columns) };
            ((self.batch - 1) * operand.stride + (lines - 1) * operand.line + width) * self.dtypes[number].size()
        };
        [bytes(0, lhs, (m, k)), bytes(1, rhs, (k, n)), bytes(2, out, (m, n))]
    }

    /// How many bytes a bias spans.
    fn bias_bytes(&self) -> usize {
        if self.bias { self.size[1] * self.dtypes[2].size() } else { 0 }
    }
}

/// How a matrix with these strides lies, if the library can be told.
fn operand(row: usize, column: usize, rows: usize, columns: usize, stride: usize) -> Option<Operand> {
    // The stride of a dimension of one element does not matter.
    let row_major = (column == 1 || columns <= 1) && (row >= columns || rows <= 1);
    let column_major = (row == 1 || rows <= 1) && (column >= rows || columns <= 1);
    if row_major {
        let line = if rows <= 1 { row.max(columns) } else { row };
        return Some(Operand { column_major: false, line: line.max(1), stride });
    }
    let line = if columns <= 1 { column.max(rows) } else { column };
    column_major.then_some(Operand { column_major: true, line: line.max(1), stride })
}

/// The batch that the library loops over, as count and strides, and the dimensions around it.
fn split(mut batch: Vec<[usize; 4]>) -> ([usize; 4], Vec<[usize; 4]>) {
    let Some(mut inner) = batch.pop() else { return ([1, 0, 0, 0], batch) };
    while let Some(next) = batch.last() {
        let follows = (1..4).all(|i| next[i] == inner[0] * inner[i]);
        if !follows {
            break;
        }
        inner[0] *= next[0];
        batch.pop();
    }
    (inner, batch)
}

/// Bytes from the first product's lhs, rhs and out to each one's that is started by itself.
fn offsets(outer: &[[usize; 4]], element: usize) -> Vec<[CUdeviceptr; 3]> {
    let mut offsets = vec![[0; 3]];
    for [extent, lhs, rhs, out] in outer {
        let steps = [lhs, rhs, out].map(|stride| (stride * element) as CUdeviceptr);
        let moved =
            |offset: &[CUdeviceptr; 3], i: usize| std::array::from_fn(|o| offset[o] + i as CUdeviceptr * steps[o]);
        offsets = offsets.iter().flat_map(|offset| (0..*extent).map(move |i| moved(offset, i))).collect();
    }
    offsets
}

/// The library's descriptions of a product: its A is our rhs, its B our lhs.
struct Product {
    desc: Description,
    a: Layout,
    b: Layout,
    d: Layout,
}

struct Description(cublasLtMatmulDesc_t);

struct Layout(cublasLtMatrixLayout_t);

// SAFETY: the descriptions are read only once they are made, but for the bias's address, which is set under the GPU's turn.
unsafe impl Send for Product {}
// SAFETY: as above.
unsafe impl Sync for Product {}

impl Drop for Description {
    fn drop(&mut self) {
        // SAFETY: nobody has it any more.
        let _ = unsafe { result::destroy_matmul_desc(self.0) };
    }
}

impl Drop for Layout {
    fn drop(&mut self) {
        // SAFETY: nobody has it any more.
        let _ = unsafe { result::destroy_matrix_layout(self.0) };
    }
}

impl Product {
    fn new(shape: &Shape) -> Result<Self> {
        use cublasLtMatmulDescAttributes_t::*;
        let (compute, scale) = types::sums(shape)?;
        let desc = Description(result::create_matmul_desc(compute, scale).map_err(status)?);
        // A row-major matrix is a column-major one transposed.
        let [lhs, rhs, _] = shape.operands;
        let transposed = |operand: Operand| match operand.column_major {
            true => TRANSPOSED,
            false => AS_IT_IS,
        };
        desc.set(CUBLASLT_MATMUL_DESC_TRANSA, &transposed(rhs))?;
        desc.set(CUBLASLT_MATMUL_DESC_TRANSB, &transposed(lhs))?;
        let [m, n, k] = shape.size;
        desc.set(CUBLASLT_MATMUL_DESC_EPILOGUE, &shape.epilogue())?;
        if shape.has_beside() {
            let out = shape.operands[2];
            desc.set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, &(out.line as i64))?;
            desc.set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_BATCH_STRIDE, &(out.stride as i64))?;
        }
        let layout = |number: usize, (rows, columns): (usize, usize)| {
            let (operand, dtype) = (shape.operands[number], shape.dtypes[number]);
            let element = types::of(dtype).ok_or_else(|| unsupported(format!("elements of {dtype}")))?;
            let (rows, columns) = if operand.column_major { (rows, columns) } else { (columns, rows) };
            Layout::new(element, rows, columns, operand, shape.batch)
        };
        Ok(Self { desc, a: layout(1, (k, n))?, b: layout(0, (m, k))?, d: layout(2, (m, n))? })
    }

    /// Says where the matrix beside the result is.
    fn set_beside(&self, address: CUdeviceptr) -> Result {
        self.desc.set(cublasLtMatmulDescAttributes_t::CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, &address)
    }

    /// Says where the bias is, and what elements of lhs and rhs are multiplied with.
    fn set(&self, bias: Option<CUdeviceptr>, scales: Option<[CUdeviceptr; 2]>) -> Result {
        use cublasLtMatmulDescAttributes_t::*;
        if let Some([lhs, rhs]) = scales {
            self.desc.set(CUBLASLT_MATMUL_DESC_A_SCALE_POINTER, &rhs)?;
            self.desc.set(CUBLASLT_MATMUL_DESC_B_SCALE_POINTER, &lhs)?;
        }
        bias.map_or(Ok(()), |bias| self.desc.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias))
    }

    /// Starts the product. `addresses` are of as much memory as its shape and the algorithm need.
    fn start(&self, handle: &Handle, algorithm: &Algorithm, shape: &Shape, addresses: Addresses, gpu: &Gpu) -> Result {
        let Self { desc, a, b, d } = self;
        // One and zero, as numbers of the type of the sums.
        let (single, double) = ([1.0_f32, 0.0], [1.0_f64, 0.0]);
        let [one, zero]: [*const c_void; 2] = match shape.dtypes[2] {
            DType::F64 => [(&raw const double[0]).cast(), (&raw const double[1]).cast()],
            _ => [(&raw const single[0]).cast(), (&raw const single[1]).cast()],
        };
        let at = |address: CUdeviceptr| std::ptr::without_provenance_mut::<c_void>(address as usize);
        let Addresses { lhs, rhs, out, workspace } = addresses;
        // SAFETY: every element lies within its operand, and out overlaps none; the algorithm was found for these
        // descriptions, and gets the scratch memory that it asks for.
        unsafe {
            result::matmul(
                handle.0,
                desc.0,
                one,
                zero,
                at(rhs),
                a.0,
                at(lhs),
                b.0,
                at(out),
                d.0,
                at(out),
                d.0,
                &algorithm.algorithm,
                at(workspace),
                algorithm.workspace,
                gpu.stream().cast(),
            )
        }
        .map_err(status)
    }
}

/// Where the operands of a product are, and its scratch memory.
#[derive(Clone, Copy)]
struct Addresses {
    lhs: CUdeviceptr,
    rhs: CUdeviceptr,
    out: CUdeviceptr,
    workspace: CUdeviceptr,
}

impl Description {
    fn set<T>(&self, attribute: cublasLtMatmulDescAttributes_t, value: &T) -> Result {
        // SAFETY: the value has the type of the attribute.
        unsafe { result::set_matmul_desc_attribute(self.0, attribute, (&raw const *value).cast(), size_of::<T>()) }
            .map_err(status)
    }
}

impl Layout {
    fn new(element: cudaDataType_t, rows: usize, columns: usize, operand: Operand, batch: usize) -> Result<Self> {
        use cublasLtMatrixLayoutAttribute_t::*;
        let (rows, columns) = (rows as u64, columns as u64);
        let line = operand.line as i64;
        let layout = Self(result::create_matrix_layout(element, rows, columns, line).map_err(status)?);
        let set = |attribute, value: *const c_void, bytes| {
            // SAFETY: the value has as many bytes as the attribute.
            unsafe { result::set_matrix_layout_attribute(layout.0, attribute, value, bytes) }.map_err(status)
        };
        if batch > 1 {
            let (count, stride) = (batch as i32, operand.stride as i64);
            set(CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, (&raw const count).cast(), 4)?;
            set(CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, (&raw const stride).cast(), 8)?;
        }
        Ok(layout)
    }
}

struct PreparedMatmul {
    library: Arc<Library>,
    product: Product,
    algorithm: Algorithm,
    /// Of each product that is started by itself.
    offsets: Vec<[CUdeviceptr; 3]>,
    shape: Shape,
    places: Places,
}

// SAFETY: the algorithm is plain data; for the rest see `Product` and `Handle`.
unsafe impl Send for PreparedMatmul {}
// SAFETY: as above.
unsafe impl Sync for PreparedMatmul {}

impl Prepared for PreparedMatmul {
    fn workspace(&self) -> usize {
        self.algorithm.workspace
    }

    fn run(&self, invocation: &Invocation<'_>) -> Result {
        let operands = invocation.operands;
        let Places { bias, out: to, beside } = self.places;
        let scales = self.shape.scaled.then(|| [operands[2], operands[3]]);
        self.product.set(self.shape.bias.then(|| operands[bias]), scales)?;
        for [lhs, rhs, out] in &self.offsets {
            if let Some(beside) = beside {
                self.product.set_beside(operands[beside] + out)?;
            }
            // The plan has checked that every element lies within its operand, and that out overlaps none.
            let (lhs, rhs, out) = (operands[0] + lhs, operands[1] + rhs, operands[to] + out);
            let addresses = Addresses { lhs, rhs, out, workspace: invocation.workspace };
            self.product.start(&self.library.handle, &self.algorithm, &self.shape, addresses, invocation.gpu)?;
        }
        Ok(())
    }
}

fn status(error: CublasError) -> CudaError {
    failed(format!("{:?}", error.0))
}

/// What is left to another executor.
fn unsupported(what: impl Into<String>) -> CudaError {
    CudaError::Unsupported { library: "cublaslt", op: "matmul", what: what.into() }
}

fn failed(error: impl Into<String>) -> CudaError {
    CudaError::Library { library: "cublaslt", op: "matmul", error: error.into() }
}
