//! What is to be computed, with its sizes known: which kernels there are, and what each is given.

use thunder_tensor::DType;

use super::WARPS;
use super::kernel::{Job, Kernel, Tile};
use super::panel::{CHUNK, SIZE};
use crate::program::{Attention, AttentionBackward, AttentionStrides, DimId};

/// Scratch memory begins at multiples of this.
const ALIGN: usize = 256;

/// The most rows of a side, and heads of all batches: numbers of 32 bits with a sign count these, with room for a block.
const MOST: usize = 1 << 30;

/// Elements of a row of which a thread has room for two pieces of 16, and for gradients of keys and of values.
const NARROW: usize = 128;

/// An attention, or its gradient.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    dtype: DType,
    batch: usize,
    heads: usize,
    kv_heads: usize,
    queries: usize,
    keys: usize,
    /// Elements of a query or key, and of a value.
    widths: [usize; 2],
    scale: f32,
    causal: Option<i64>,
    /// Strides in elements of batch, head, query and key.
    mask: Option<[usize; 4]>,
    tensors: Vec<Tensor>,
    /// Where the logarithms of the rows' sums are, or go to.
    logsums: Option<Argument>,
    is_backward: bool,
}

/// A tensor: where it is, strides in elements of batch, head and position, and what its address is a multiple of.
#[derive(Clone, Debug)]
struct Tensor {
    name: &'static str,
    at: Argument,
    strides: [usize; 3],
    alignment: usize,
}

/// What a kernel is given for a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Argument {
    /// An operand of the call.
    Operand(usize),
    /// So many bytes behind the start of scratch memory.
    Scratch(usize),
    Number(u64),
}

/// A kernel, how many blocks it has, and what it is given.
#[derive(Clone, Debug)]
pub(super) struct Work {
    pub(super) kernel: Kernel,
    pub(super) blocks: u32,
    pub(super) arguments: Vec<Argument>,
}

impl Problem {
    /// The operands are q, k, v, the mask if there is one, the result, and the logarithms of its rows' sums if they are wanted.
    pub(super) fn forward(op: &Attention, size: &dyn Fn(DimId) -> usize, alignments: &[usize]) -> Self {
        let mut problem = Self::new(op, size, alignments);
        let out = 3 + usize::from(op.mask.is_some());
        problem.add("out", Argument::Operand(out), op.out, (size, alignments[out]));
        problem.logsums = op.logsums.then_some(Argument::Operand(out + 1));
        problem
    }

    /// The operands are q, k, v, the mask if there is one, the gradient of the result, that and the logarithms of its rows' sums
    /// if they were saved, and the gradients of q, k and v.
    pub(super) fn backward(op: &AttentionBackward, size: &dyn Fn(DimId) -> usize, alignments: &[usize]) -> Self {
        let mut problem = Self::new(&op.forward, size, alignments);
        problem.is_backward = true;
        let mut next = 3 + usize::from(op.forward.mask.is_some());
        let mut add = |problem: &mut Self, name, strides| {
            problem.add(name, Argument::Operand(next), strides, (size, alignments[next]));
            next += 1;
        };
        add(&mut problem, "d_out", op.forward.out);
        if let Some(out) = op.saved {
            add(&mut problem, "out", out);
            next += 1;
            problem.logsums = Some(Argument::Operand(next - 1));
        }
        for (name, strides) in [("d_q", op.d_q), ("d_k", op.d_k), ("d_v", op.d_v)] {
            problem.add(name, Argument::Operand(next), strides, (size, alignments[next]));
            next += 1;
        }
        problem
    }

    fn new(op: &Attention, size: &dyn Fn(DimId) -> usize, alignments: &[usize]) -> Self {
        let mut problem = Self {
            dtype: op.dtype,
            batch: size(op.batch),
            heads: size(op.heads),
            kv_heads: size(op.kv_heads),
            queries: size(op.queries),
            keys: size(op.keys),
            widths: [size(op.width), size(op.value_width)],
            scale: op.scale,
            causal: op.causal.map(|shift| size(shift) as i64),
            mask: op.mask.map(|mask| [mask.batch, mask.head, mask.query, mask.key].map(size)),
            tensors: Vec::new(),
            logsums: None,
            is_backward: false,
        };
        for (number, (name, strides)) in [("q", op.q), ("k", op.k), ("v", op.v)].into_iter().enumerate() {
            problem.add(name, Argument::Operand(number), strides, (size, alignments[number]));
        }
        problem
    }

    fn add(
        &mut self,
        name: &'static str,
        at: Argument,
        strides: AttentionStrides,
        (size, alignment): (&dyn Fn(DimId) -> usize, usize),
    ) {
        let strides = [strides.batch, strides.head, strides.position].map(size);
        self.tensors.push(Tensor { name, at, strides, alignment });
    }

    /// The kernels, where blocks may have so much shared memory, and bytes of scratch memory; or what has no form.
    pub(super) fn work(mut self, shared: usize) -> Result<(Vec<Work>, usize), String> {
        let rows = self.batch.checked_mul(self.heads).filter(|heads| *heads <= MOST);
        let rows = rows.filter(|_| self.queries.max(self.keys) <= MOST).and_then(|rows| rows.checked_mul(self.queries));
        let Some(rows) = rows else { return Err("so many heads, queries or keys".to_owned()) };
        let mut scratch = 0;
        let mut take = |bytes: usize| {
            let at = Argument::Scratch(scratch);
            scratch += bytes.next_multiple_of(ALIGN);
            at
        };
        let logsums = self.logsums.is_some();
        if !self.is_backward {
            return Ok((self.kernel(Job::Forward { logsums }, None, shared)?.into_iter().collect(), 0));
        }
        let mut jobs = Vec::new();
        if !logsums {
            let [_, width] = self.widths;
            let [position, head] = [width, self.queries * width];
            let strides = [self.heads * head, head, position];
            let at = take(rows * width * SIZE);
            self.tensors.push(Tensor { name: "out", at, strides, alignment: ALIGN });
            self.logsums = Some(take(rows * 4));
            jobs.push(Job::Forward { logsums: true });
        }
        let deltas = take(rows * 4);
        jobs.extend([Job::Deltas, Job::Queries]);
        match self.widths.into_iter().max() {
            Some(widest) if widest > NARROW => jobs.extend([Job::Keys([true, false]), Job::Keys([false, true])]),
            _ => jobs.push(Job::Keys([true, true])),
        }
        let work = jobs.into_iter().map(|job| self.kernel(job, Some(deltas), shared));
        Ok((work.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect(), scratch))
    }

    /// A kernel and what it is given; `None` where it has nothing to write.
    fn kernel(&self, job: Job, deltas: Option<Argument>, shared: usize) -> Result<Option<Work>, String> {
        let widest = self.widths.into_iter().max().unwrap_or(0);
        let is_masked = self.mask.is_some();
        // The registers of a thread have room for these.
        let [pieces, block] = match job {
            Job::Forward { .. } if widest <= NARROW / 2 => [2, 64],
            Job::Forward { .. } if widest <= NARROW && !is_masked => [2, 32],
            Job::Forward { .. } | Job::Queries if widest <= NARROW => [1, 64],
            _ => [1, 32],
        };
        let mut kernel = Kernel {
            dtype: self.dtype,
            job,
            widths: self.widths,
            tile: Tile { pieces, block },
            causal: self.causal.is_some(),
            mask: self.mask.map(|[.., query, key]| {
                let along = if matches!(job, Job::Keys(_)) { query } else { key };
                (along * SIZE) as u64
            }),
            scale: self.scale,
            unit: CHUNK,
            packed: true,
        };
        let names = kernel.parameters();
        for Tensor { name, strides, alignment, .. } in &self.tensors {
            if names.iter().any(|known| known == name) {
                let all = strides.iter().fold(*alignment, |all, stride| all | stride.wrapping_mul(SIZE));
                let unit = 1 << all.trailing_zeros().min(CHUNK.trailing_zeros());
                match *name {
                    "q" | "k" | "v" => kernel.unit = kernel.unit.min(unit),
                    "d_out" => kernel.unit = kernel.unit.min(unit),
                    _ => kernel.packed &= unit >= 2 * SIZE,
                }
            }
        }
        while kernel.shared() > shared && kernel.tile.block > 16 {
            kernel.tile.block /= 2;
        }
        if kernel.shared() > shared {
            return Err(format!("rows of {widest} elements, for which {shared} bytes of shared memory are too few"));
        }
        let rows = self.batch * self.heads * self.queries;
        let tiles = |extent: usize| extent.div_ceil(kernel.tile.rows());
        let (count, blocks) = match job {
            Job::Deltas => (rows, rows.div_ceil(WARPS)),
            Job::Keys(_) => (tiles(self.keys), tiles(self.keys) * self.batch * self.kv_heads),
            _ => (tiles(self.queries), tiles(self.queries) * self.batch * self.heads),
        };
        if blocks == 0 {
            return Ok(None);
        }
        let blocks = u32::try_from(blocks).ok().filter(|blocks| i32::try_from(*blocks).is_ok());
        let blocks = blocks.ok_or_else(|| "so many rows".to_owned())?;
        let arguments = names.iter().map(|name| self.argument(name, (count, deltas), job)).collect();
        Ok(Some(Work { kernel, blocks, arguments }))
    }

    /// What is given for the parameter of a name.
    fn argument(&self, name: &str, (count, deltas): (usize, Option<Argument>), job: Job) -> Argument {
        let number = |number: usize| Argument::Number(number as u64);
        let bytes = |stride: usize| number(stride.wrapping_mul(SIZE));
        let mask = self.mask.unwrap_or_default();
        let limit = MOST as i64;
        match name {
            "tiles" | "rows" => number(count),
            "heads" => number(self.heads),
            "group" => number(self.heads / self.kv_heads.max(1)),
            "queries" => number(self.queries),
            "keys" => number(self.keys),
            "shift" => Argument::Number(self.causal.unwrap_or(0).clamp(-limit, limit) as u64),
            "logsums" => self.logsums.unwrap_or(Argument::Number(0)),
            "deltas" => deltas.unwrap_or(Argument::Number(0)),
            "mask" => Argument::Operand(3),
            "mask_batch" => bytes(mask[0]),
            "mask_head" => bytes(mask[1]),
            "mask_row" => bytes(mask[if matches!(job, Job::Keys(_)) { 3 } else { 2 }]),
            name => {
                let tensor = self.tensors.iter().find(|tensor| {
                    name.starts_with(tensor.name) && {
                        let rest = &name[tensor.name.len()..];
                        ["", "_batch", "_head", "_position"].contains(&rest)
                    }
                });
                let Some(tensor) = tensor else { unreachable!("a kernel's tensors are those of its problem") };
                match &name[tensor.name.len()..] {
                    "" => tensor.at,
                    "_batch" => bytes(tensor.strides[0]),
                    "_head" => bytes(tensor.strides[1]),
                    _ => bytes(tensor.strides[2]),
                }
            }
        }
    }
}
