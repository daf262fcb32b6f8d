//! Products of floats of 8 bits: both matrices become f32 in scratch memory, multiplied with their scales; then sums are
//! rounded to the type of the result, with the bias.

#[cfg(test)]
mod tests;

use cudarc::driver::result::DriverError;
use cudarc::driver::sys::CUdeviceptr;
use thunder_tensor::DType;

use super::{BLOCKS, Nothing, Product, Ready, Work, failed};
use crate::cuda::Gpu;
use crate::cuda::code::{Code, Kind};
use crate::cuda::error::{CudaError, Result, said};
use crate::cuda::executor::{Invocation, Prepared, Site};
use crate::cuda::loaded::Loaded;
use crate::program::{DimId, MatrixStrides, ScaledMatmul};

/// The name of both kernels, and their threads.
const NAME: &str = "elements";
const THREADS: usize = 256;

/// Scratch memory begins at multiples of this.
const ALIGN: usize = 256;

/// Whether elements of a type become f32 here.
pub(super) fn is_known(dtype: DType) -> bool {
    matches!(dtype, DType::F8E4M3FN | DType::F8E5M2)
}

/// What a kernel does with each element of a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Job {
    /// Writes it as f32, multiplied with a scale, as one of a dense matrix.
    Widen(DType),
    /// Writes that of a dense matrix of f32 in a type, with a bias if there is one.
    Round { to: DType, bias: bool },
}

impl Job {
    /// The parameters, of 64 bits each: addresses, then sizes, and strides of the matrix that is not dense, in elements.
    fn parameters(self) -> Vec<&'static str> {
        let further = match self {
            Self::Widen(_) => Some("scale"),
            Self::Round { bias, .. } => bias.then_some("bias"),
        };
        let numbers = ["rows", "columns", "row", "column"];
        ["from", "to"].into_iter().chain(further).chain(numbers).collect()
    }

    fn ptx(self) -> String {
        self.code().entry(NAME, self.parameters(), (THREADS, false))
    }

    fn code(self) -> Code {
        use Kind::{Long, Truth, Word};
        let code = &mut Code::default();
        let [thread, block] = ["%tid.x", "%ctaid.x"].map(|name| code.make(Word, "mov.u32", name));
        let [thread, block] = [thread, block].map(|number| code.make(Long, "cvt.u64.u32", number));
        let number = code.make(Long, "mad.lo.s64", format!("{block}, {THREADS}, {thread}"));
        let [rows, columns, row_stride, column_stride] =
            ["rows", "columns", "row", "column"].map(|name| code.long(name));
        let all = code.make(Long, "mul.lo.s64", format!("{rows}, {columns}"));
        let is_there = code.make(Truth, "setp.lt.s64", format!("{number}, {all}"));
        let row = code.make(Long, "div.u64", format!("{number}, {columns}"));
        let before = code.make(Long, "mul.lo.s64", format!("{row}, {columns}"));
        let column = code.make(Long, "sub.s64", format!("{number}, {before}"));
        let place = code.make(Long, "mul.lo.s64", format!("{row}, {row_stride}"));
        code.add(format!("mad.lo.s64 {place}, {column}, {column_stride}, {place}"));
        let [from, to] = ["from", "to"].map(|name| code.long(name));
        match self {
            Self::Widen(dtype) => {
                let from = code.make(Long, "add.s64", format!("{from}, {place}"));
                let bits = code.make(Word, "mov.b32", "0");
                code.add(format!("@{is_there} ld.global.u8 {bits}, [{from}]"));
                let wide = widen(code, dtype, &bits);
                let scale = code.long("scale");
                let scale = code.make(Word, "ld.global.b32", format!("[{scale}]"));
                let scaled = code.make(Word, "mul.rn.f32", format!("{wide}, {scale}"));
                let to = code.make(Long, "mad.lo.s64", format!("{number}, 4, {to}"));
                code.add(format!("@{is_there} st.global.b32 [{to}], {scaled}"));
            }
            Self::Round { to: dtype, bias } => {
                let from = code.make(Long, "mad.lo.s64", format!("{number}, 4, {from}"));
                let sum = code.make(Word, "mov.b32", "0");
                code.add(format!("@{is_there} ld.global.b32 {sum}, [{from}]"));
                let size = dtype.size();
                if bias {
                    let bias = code.long("bias");
                    let from = code.make(Long, "mad.lo.s64", format!("{column}, {size}, {bias}"));
                    let added = read(code, dtype, &from, &is_there);
                    code.add(format!("add.rn.f32 {sum}, {sum}, {added}"));
                }
                let to = code.make(Long, "mad.lo.s64", format!("{place}, {size}, {to}"));
                write(code, dtype, &sum, &to, &is_there);
            }
        }
        code.add("ret");
        std::mem::take(code)
    }
}

/// A float of 8 bits as f32.
fn widen(code: &mut Code, dtype: DType, bits: &str) -> String {
    use Kind::{Short, Truth, Word};
    if dtype == DType::F8E5M2 {
        // It is the upper byte of one in f16.
        let upper = code.make(Word, "shl.b32", format!("{bits}, 8"));
        let halves = code.many(Short, 2);
        code.add(format!("mov.b32 {{{}}}, {upper}", halves.join(", ")));
        return code.make(Word, "cvt.f32.f16", &halves[0]);
    }
    // Its bits at the place of those of f32 are the same number, but for the exponent's bias, which is 7 and not 127.
    let own = code.make(Word, "and.b32", format!("{bits}, 127"));
    let small = code.make(Word, "shl.b32", format!("{own}, 20"));
    let number = code.make(Word, "mul.rn.f32", format!("{small}, 0f7B800000"));
    let is_none = code.make(Truth, "setp.eq.s32", format!("{own}, 127"));
    let number = code.make(Word, "selp.b32", format!("2143289344, {number}, {is_none}"));
    let sign = code.make(Word, "and.b32", format!("{bits}, 128"));
    let sign = code.make(Word, "shl.b32", format!("{sign}, 24"));
    code.make(Word, "or.b32", format!("{number}, {sign}"))
}

/// Reads a number as f32, if it is there.
fn read(code: &mut Code, dtype: DType, from: &str, is_there: &str) -> String {
    use Kind::{Short, Word};
    if dtype == DType::F32 {
        let number = code.make(Word, "mov.b32", "0");
        code.add(format!("@{is_there} ld.global.b32 {number}, [{from}]"));
        return number;
    }
    let [zero, half] = [0, 1].map(|_| code.make(Short, "mov.b16", "0"));
    code.add(format!("@{is_there} ld.global.b16 {half}, [{from}]"));
    match dtype {
        DType::F16 => code.make(Word, "cvt.f32.f16", half),
        _ => code.make(Word, "mov.b32", format!("{{{zero}, {half}}}")),
    }
}

/// Writes an f32 in a type, if it is there.
fn write(code: &mut Code, dtype: DType, number: &str, to: &str, is_there: &str) {
    if dtype == DType::F32 {
        return code.add(format!("@{is_there} st.global.b32 [{to}], {number}"));
    }
    let half = if dtype == DType::F16 { "f16" } else { "bf16" };
    let zero = code.make(Kind::Word, "mov.b32", "0");
    let word = code.make(Kind::Word, &format!("cvt.rn.{half}x2.f32"), format!("{zero}, {number}"));
    let halves = code.many(Kind::Short, 2);
    code.add(format!("mov.b32 {{{}}}, {word}", halves.join(", ")));
    code.add(format!("@{is_there} st.global.b16 [{to}], {}", halves[0]));
}

/// A product whose sizes are known.
#[derive(Clone, Debug)]
struct Problem {
    /// m, n and k.
    size: [usize; 3],
    /// Types of lhs, rhs and out, and strides of their rows and columns.
    dtypes: [DType; 3],
    strides: [[usize; 2]; 3],
    bias: bool,
}

impl Problem {
    fn new(op: &ScaledMatmul, size: &dyn Fn(DimId) -> usize) -> Self {
        let ScaledMatmul { product, rhs, out } = op;
        let strides = |strides: MatrixStrides| [size(strides.row), size(strides.column)];
        let [row, column] = strides(product.rhs);
        Self {
            size: [product.m, product.n, product.k].map(size),
            dtypes: [product.dtype, *rhs, *out],
            // Rows of rhs are its columns here, as it is written so that sums are along rows.
            strides: [strides(product.lhs), [column, row], strides(product.out)],
            bias: product.bias,
        }
    }

    /// Bytes of lhs, rhs and the sums as f32, each up to where the next begins.
    fn bytes(&self) -> [usize; 3] {
        let [m, n, k] = self.size;
        [m * k, n * k, m * n].map(|elements| (elements * 4).next_multiple_of(ALIGN))
    }

    /// The product in f32.
    fn product(&self) -> Product {
        let [m, n, k] = self.size;
        let line = |rows: usize, width: usize| [if rows > 1 { width } else { 0 }, usize::from(width > 1)];
        Product {
            dtype: DType::F32,
            size: self.size,
            lhs: line(m, k),
            rhs: line(n, k),
            out: line(m, n),
            batch: Vec::new(),
            bias: false,
            alignments: [ALIGN; 3],
        }
    }

    /// What is done before and after the product: the job, rows, columns and strides.
    fn jobs(&self) -> [(Job, [usize; 4]); 3] {
        let ([m, n, k], [lhs, rhs, out]) = (self.size, self.dtypes);
        let numbers = |rows, columns, [row, column]: [usize; 2]| [rows, columns, row, column];
        [
            (Job::Widen(lhs), numbers(m, k, self.strides[0])),
            (Job::Widen(rhs), numbers(n, k, self.strides[1])),
            (Job::Round { to: out, bias: self.bias }, numbers(m, n, self.strides[2])),
        ]
    }
}

/// Prepares a product of floats of 8 bits.
pub(super) fn prepare(op: &ScaledMatmul, site: &Site<'_>, multiprocessors: usize) -> Result<Box<dyn Prepared>> {
    let problem = Problem::new(op, &|dim| site.size(dim));
    let unsupported = |what: &str| CudaError::Unsupported { library: "mma", op: site.op.name(), what: what.to_owned() };
    let most = BLOCKS as usize * THREADS;
    if problem.bytes().iter().any(|bytes| bytes / 4 > most) {
        return Err(unsupported("of matrices of so many elements"));
    }
    let Some(work) = Work::new(&problem.product(), multiprocessors) else { return Ok(Box::new(Nothing)) };
    let product = Ready::new(site.gpu, work)?;
    let [lhs, rhs, out] = problem.jobs();
    let elements = |(job, numbers)| Elements::new(site.gpu, job, numbers);
    let (before, after) = ([elements(lhs)?, elements(rhs)?], elements(out)?);
    Ok(Box::new(PreparedScaled { problem, product, before, after }))
}

/// A kernel of one thread for each element.
struct Elements {
    kernel: Loaded,
    numbers: [u64; 4],
}

impl Elements {
    fn new(gpu: &Gpu, job: Job, numbers: [usize; 4]) -> Result<Self> {
        let kernel = Loaded::new(gpu, job.ptx(), NAME, [THREADS, 0])?;
        Ok(Self { kernel, numbers: numbers.map(|number| number as u64) })
    }

    /// Starts it with addresses.
    ///
    /// # Safety
    /// What is at the addresses is as large as the job says.
    unsafe fn start(&self, gpu: &Gpu, addresses: &[CUdeviceptr]) -> Result<(), DriverError> {
        let [rows, columns, ..] = self.numbers;
        let blocks = (rows * columns).div_ceil(THREADS as u64) as u32;
        if blocks == 0 {
            return Ok(());
        }
        // SAFETY: these are the kernel's parameters; the rest is the caller's.
        unsafe { self.kernel.start(gpu, blocks, addresses.iter().chain(&self.numbers).copied()) }
    }
}

struct PreparedScaled {
    problem: Problem,
    product: Ready,
    before: [Elements; 2],
    after: Elements,
}

impl Prepared for PreparedScaled {
    fn workspace(&self) -> usize {
        self.problem.bytes().iter().sum()
    }

    fn run(&self, invocation: &Invocation<'_>) -> Result {
        let Invocation { operands, workspace, gpu } = *invocation;
        let [lhs_bytes, rhs_bytes, _] = self.problem.bytes().map(|bytes| bytes as CUdeviceptr);
        let (rhs, sums) = (workspace + lhs_bytes, workspace + lhs_bytes + rhs_bytes);
        let mut last = vec![sums, operands[operands.len() - 1]];
        last.extend(self.problem.bias.then(|| operands[4]));
        // SAFETY: the plan has checked that the matrices, scales, the bias and the result have all elements; scratch memory is
        // as large as was asked for.
        let started = unsafe {
            self.before[0]
                .start(gpu, &[operands[0], workspace, operands[2]])
                .and_then(|()| self.before[1].start(gpu, &[operands[1], rhs, operands[3]]))
                .and_then(|()| self.product.start(gpu, &[workspace, rhs, sums]))
                .and_then(|()| self.after.start(gpu, &last))
        };
        started.map_err(|error| failed("scaled_matmul")(said(error)))
    }
}
