//! Convolutions as products: what each position's window sees is written to scratch memory, a row for each channel and place
//! of the window, and positions along rows; then features are products of their weights and these rows.
//!
//! As scratch memory is large, some images are done at a time. Where windows are single elements, the input is such rows.

#[cfg(test)]
mod tests;

use cudarc::driver::result::DriverError;
use cudarc::driver::sys::CUdeviceptr;
use thunder_tensor::DType;

use super::{Nothing, Product, Ready, Work, failed};
use crate::cuda::Gpu;
use crate::cuda::code::{Code, Kind};
use crate::cuda::error::{CudaError, Result, said};
use crate::cuda::executor::{Invocation, Prepared, Site};
use crate::cuda::loaded::Loaded;
use crate::program::{Convolution, DimId};

/// The most spatial dimensions.
pub(super) const AXES: usize = 3;

/// The kernel's name, its threads, and the rows that a block writes.
const NAME: &str = "windows";
const THREADS: usize = 256;
const ROWS: usize = 8;

/// Scratch memory that is used where one image does not need more.
const SCRATCH: usize = 256 << 20;

/// The most elements of what an image's windows see, as numbers of 32 bits with a sign count.
const MOST: usize = 1 << 30;

/// A convolution whose sizes are known.
#[derive(Clone, Debug)]
struct Problem {
    dtype: DType,
    batch: usize,
    groups: usize,
    channels: usize,
    features: usize,
    axes: [Axis; AXES],
    bias: bool,
    /// Of the addresses of the input, the weights and the result.
    alignments: [usize; 3],
}

/// A spatial dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Axis {
    extent: usize,
    positions: usize,
    window: usize,
    stride: usize,
    dilation: usize,
    low: usize,
}

/// What is not there.
const ONE: Axis = Axis { extent: 1, positions: 1, window: 1, stride: 1, dilation: 1, low: 0 };

impl Problem {
    fn new(op: &Convolution, size: &dyn Fn(DimId) -> usize, alignments: &[usize]) -> Self {
        let mut axes = [ONE; AXES];
        let first = AXES - op.axes.len();
        for (axis, of) in axes[first..].iter_mut().zip(&op.axes) {
            *axis = Axis {
                extent: size(of.extent),
                positions: size(of.positions),
                window: size(of.window),
                stride: size(of.stride).max(1),
                dilation: size(of.dilation),
                low: size(of.low),
            };
        }
        Self {
            dtype: op.dtype,
            batch: size(op.batch),
            groups: size(op.groups),
            channels: size(op.channels),
            features: size(op.features),
            axes,
            bias: op.bias,
            alignments: [alignments[0], alignments[1], alignments[2 + usize::from(op.bias)]],
        }
    }

    fn positions(&self) -> usize {
        self.axes.iter().map(|axis| axis.positions).product()
    }

    /// Terms of a feature's sums.
    fn terms(&self) -> usize {
        self.channels * self.axes.iter().map(|axis| axis.window).product::<usize>()
    }

    /// Bytes of an image, of what its windows see, and of its features.
    fn bytes(&self) -> [usize; 3] {
        let elements = self.axes.iter().map(|axis| axis.extent).product::<usize>();
        [self.channels * elements, self.terms() * self.positions(), self.features * self.positions()]
            .map(|each| self.groups * each * self.dtype.size())
    }

    /// Whether windows see single elements, one after the other.
    fn is_plain(&self) -> bool {
        self.axes.iter().all(|axis| *axis == Axis { extent: axis.extent, positions: axis.extent, ..ONE })
    }

    /// Groups whose products are made together: a bias is that of one group.
    fn together(&self) -> usize {
        if self.bias { 1 } else { self.groups }
    }

    /// The product of so many images, of groups that are made together.
    fn product(&self, images: usize) -> Product {
        let (positions, terms, features) = (self.positions(), self.terms(), self.features);
        let [seen, weights, results] = [terms * positions, features * terms, features * positions];
        let all = |each: usize| self.groups * each;
        let dims = [[images, all(seen), 0, all(results)], [self.together(), seen, weights, results]];
        // Addresses are also those of other images and groups.
        let size = self.dtype.size();
        let alignment = |at: usize, each: usize| 1 << (at | (each * size)).trailing_zeros();
        let [input, weight, out] = self.alignments;
        Product {
            dtype: self.dtype,
            size: [positions, features, terms],
            lhs: [if positions > 1 { 1 } else { 0 }, if terms > 1 { positions } else { 0 }],
            rhs: [if features > 1 { terms } else { 0 }, if terms > 1 { 1 } else { 0 }],
            out: [if positions > 1 { 1 } else { 0 }, if features > 1 { positions } else { 0 }],
            batch: super::joined(dims.into_iter().filter(|dim| dim[0] != 1).collect()),
            bias: self.bias,
            alignments: [
                alignment(if self.is_plain() { input } else { 256 }, seen),
                alignment(weight, weights),
                alignment(out, results),
            ],
        }
    }

    /// What the kernel is given behind the addresses of images and rows.
    fn numbers(&self) -> Vec<u64> {
        let [image, seen, _] = self.bytes();
        let mut numbers = vec![self.rows(), self.positions(), self.pieces(), self.parts(), image, seen];
        for axis in self.axes {
            let Axis { extent, positions, window, stride, dilation, low } = axis;
            numbers.extend([extent, positions, window, stride, dilation, low]);
        }
        numbers.into_iter().map(|number| number as u64).collect()
    }

    /// Rows of what an image's windows see.
    fn rows(&self) -> usize {
        self.groups * self.terms()
    }

    /// Blocks along a row, and along rows.
    fn pieces(&self) -> usize {
        self.positions().div_ceil(THREADS)
    }

    fn parts(&self) -> usize {
        self.rows().div_ceil(ROWS)
    }
}

/// The kernel's parameters, of 64 bits each.
fn parameters() -> Vec<String> {
    let mut names: Vec<String> = ["image", "seen", "rows", "positions", "pieces", "parts", "image_bytes", "seen_bytes"]
        .map(str::to_owned)
        .into();
    for axis in 0..AXES {
        let of = ["extent", "positions", "window", "stride", "dilation", "low"];
        names.extend(of.map(|name| format!("{name}{axis}")));
    }
    names
}

/// The text of the kernel that writes what windows see, of elements of so many bytes.
fn ptx(size: usize) -> String {
    code(size).entry(NAME, parameters().iter().map(String::as_str), (THREADS, false))
}

fn code(size: usize) -> Code {
    use Kind::{Long, Truth, Word};
    let code = &mut Code::default();
    let thread = code.make(Word, "mov.u32", "%tid.x");
    let block = code.make(Word, "mov.u32", "%ctaid.x");
    let [pieces, parts, rows, positions] = ["pieces", "parts", "rows", "positions"].map(|name| code.word(name));
    let (outer, piece) = code.divide(Kind::Word, &block, &pieces);
    let (image, part) = code.divide(Kind::Word, &outer, &parts);
    let position = code.make(Word, "mad.lo.u32", format!("{piece}, {THREADS}, {thread}"));
    let is_position = code.make(Truth, "setp.lt.s32", format!("{position}, {positions}"));
    let image = code.make(Long, "cvt.u64.u32", image);
    let [from, to] = ["image", "seen"].map(|name| {
        let start = code.long(name);
        let bytes = code.long(&format!("{name}_bytes"));
        code.make(Long, "mad.lo.s64", format!("{image}, {bytes}, {start}"))
    });
    let axis = |code: &mut Code, axis: usize| {
        ["extent", "positions", "window", "stride", "dilation", "low"].map(|name| code.word(&format!("{name}{axis}")))
    };
    let axes = [0, 1, 2].map(|number| axis(code, number));
    // Where the position's window begins.
    let mut rest = position.clone();
    let mut starts = Vec::new();
    for [_, positions, _, stride, _, low] in axes.iter().rev() {
        let (outer, own) = code.divide(Kind::Word, &rest, positions);
        let own = code.make(Word, "mul.lo.u32", format!("{own}, {stride}"));
        starts.insert(0, code.make(Word, "sub.s32", format!("{own}, {low}")));
        rest = outer;
    }
    let row = code.make(Word, "mul.lo.u32", format!("{part}, {ROWS}"));
    let end = code.make(Word, "add.u32", format!("{row}, {ROWS}"));
    let end = code.make(Word, "min.s32", format!("{end}, {rows}"));
    let position = code.make(Long, "cvt.u64.u32", position);
    let (kind, bits) = match size {
        2 => (Kind::Short, 16),
        4 => (Kind::Word, 32),
        _ => (Kind::Long, 64),
    };

    code.label("next");
    let mut rest = row.clone();
    let mut places = Vec::new();
    for (start, [_, _, window, _, dilation, _]) in starts.iter().zip(&axes).rev() {
        let (outer, own) = code.divide(Kind::Word, &rest, window);
        places.insert(0, code.make(Word, "mad.lo.u32", format!("{own}, {dilation}, {start}")));
        rest = outer;
    }
    let mut is_there = is_position.clone();
    let mut element = code.make(Long, "cvt.u64.u32", rest);
    for (place, [extent, ..]) in places.iter().zip(&axes) {
        is_there = code.make(Truth, "setp.ge.and.s32", format!("{place}, 0, {is_there}"));
        is_there = code.make(Truth, "setp.lt.and.s32", format!("{place}, {extent}, {is_there}"));
        let [extent, place] = [extent, place].map(|number| code.make(Long, "cvt.u64.u32", number));
        element = code.make(Long, "mad.lo.s64", format!("{element}, {extent}, {place}"));
    }
    let from = code.make(Long, "mad.lo.s64", format!("{element}, {size}, {from}"));
    let seen = code.make(kind, &format!("mov.b{bits}"), "0");
    code.add(format!("@{is_there} ld.global.b{bits} {seen}, [{from}]"));
    let [wide_row, wide_positions] = [&row, &positions].map(|number| code.make(Long, "cvt.u64.u32", number));
    let number = code.make(Long, "mad.lo.s64", format!("{wide_row}, {wide_positions}, {position}"));
    let to = code.make(Long, "mad.lo.s64", format!("{number}, {size}, {to}"));
    code.add(format!("@{is_position} st.global.b{bits} [{to}], {seen}"));
    code.add(format!("add.u32 {row}, {row}, 1"));
    let is_more = code.make(Truth, "setp.lt.s32", format!("{row}, {end}"));
    code.add(format!("@{is_more} bra next"));
    code.add("ret");
    std::mem::take(code)
}

/// Prepares a convolution.
pub(super) fn prepare(op: &Convolution, site: &Site<'_>, multiprocessors: usize) -> Result<Box<dyn Prepared>> {
    let problem = Problem::new(op, &|dim| site.size(dim), site.alignments);
    let unsupported = |what: &str| CudaError::Unsupported { library: "mma", op: site.op.name(), what: what.to_owned() };
    let size = problem.dtype.size();
    if problem.bytes().iter().any(|bytes| bytes / size > MOST) {
        return Err(unsupported("of images whose windows see so many elements"));
    }
    if problem.batch == 0 || problem.bytes()[2] == 0 {
        return Ok(Box::new(Nothing));
    }
    let [_, seen, _] = problem.bytes();
    let images = if problem.is_plain() { problem.batch } else { (SCRATCH / seen.max(1)).clamp(1, problem.batch) };
    let ready = |images: usize| {
        let work = Work::new(&problem.product(images), multiprocessors);
        work.map(|work| Ready::new(site.gpu, work)).transpose()
    };
    let (all, rest) = (ready(images)?, ready(problem.batch % images)?);
    let windows = if problem.is_plain() || seen == 0 { None } else { Some(Windows::new(site.gpu, &problem)?) };
    Ok(Box::new(PreparedConvolution { problem, images, all, rest, windows }))
}

/// The kernel that writes what windows see.
struct Windows {
    kernel: Loaded,
    numbers: Vec<u64>,
    /// Blocks of an image.
    blocks: usize,
}

impl Windows {
    fn new(gpu: &Gpu, problem: &Problem) -> Result<Self> {
        let kernel = Loaded::new(gpu, ptx(problem.dtype.size()), NAME, [THREADS, 0])?;
        Ok(Self { kernel, numbers: problem.numbers(), blocks: problem.pieces() * problem.parts() })
    }

    /// Starts it for so many images.
    ///
    /// # Safety
    /// The images are there to be read, and there is room for what their windows see.
    unsafe fn start(&self, gpu: &Gpu, images: usize, addresses: [CUdeviceptr; 2]) -> Result<(), DriverError> {
        let numbers = addresses.iter().chain(&self.numbers).copied();
        // SAFETY: these are the kernel's parameters; the rest is the caller's.
        unsafe { self.kernel.start(gpu, (self.blocks * images) as u32, numbers) }
    }
}

struct PreparedConvolution {
    problem: Problem,
    /// Images that are done at a time.
    images: usize,
    /// The products of so many, and of those that are left in the end.
    all: Option<Ready>,
    rest: Option<Ready>,
    windows: Option<Windows>,
}

impl Prepared for PreparedConvolution {
    fn workspace(&self) -> usize {
        if self.windows.is_some() { self.images * self.problem.bytes()[1] } else { 0 }
    }

    fn run(&self, invocation: &Invocation<'_>) -> Result {
        let Invocation { operands, workspace, gpu } = *invocation;
        let problem = &self.problem;
        let size = problem.dtype.size();
        let [image, _, result] = problem.bytes();
        let out = operands[2 + usize::from(problem.bias)];
        let mut done = 0;
        while done < problem.batch {
            let images = self.images.min(problem.batch - done);
            let from = operands[0] + (done * image) as CUdeviceptr;
            let to = out + (done * result) as CUdeviceptr;
            let (seen, ready) = (
                if self.windows.is_some() { workspace } else { from },
                if images == self.images { &self.all } else { &self.rest },
            );
            // SAFETY: the plan has checked that the input, the weights and the result have all elements; scratch memory is as
            // large as was asked for.
            let started = unsafe {
                let windows = self.windows.as_ref();
                windows.map_or(Ok(()), |windows| windows.start(gpu, images, [from, workspace]))
            };
            started.map_err(|error| failed("convolution")(said(error)))?;
            for group in (0..problem.groups).step_by(problem.together().max(1)) {
                let moved = |base: CUdeviceptr, each: usize| base + (group * each * size) as CUdeviceptr;
                let mut addresses = vec![
                    moved(seen, problem.terms() * problem.positions()),
                    moved(operands[1], problem.features * problem.terms()),
                ];
                addresses.extend(problem.bias.then(|| moved(operands[2], problem.features)));
                addresses.push(moved(to, problem.features * problem.positions()));
                // SAFETY: as above.
                let started = unsafe { ready.as_ref().map_or(Ok(()), |ready| ready.start(gpu, &addresses)) };
                started.map_err(|error| failed("convolution")(said(error)))?;
            }
            done += images;
        }
        Ok(())
    }
}
