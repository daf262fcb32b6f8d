//! A kernel: which it is, and its text.
//!
//! A block has some rows of one head, of queries or of keys, and goes over the rows of the other side, a few at a time. Its
//! threads copy both sides to shared memory, while what was copied before is multiplied by tensor cores: a warp has 16 or 32
//! rows, and a thread of it two or four, of each two elements among every 8.

use thunder_tensor::DType;

use super::frame::Frame;
use super::panel::{TALL, WIDE};
use super::{deltas, forward, gradient};
use crate::cuda::code::{Code, Kind};

/// The kernel's name.
pub(super) const NAME: &str = "attention";

/// What a kernel computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Job {
    /// The result, and the logarithms of its rows' sums if they are wanted.
    Forward { logsums: bool },
    /// For each query the product of its result and of that's gradient.
    Deltas,
    /// The gradient of queries.
    Queries,
    /// The gradients of keys and of values, or one of these.
    Keys([bool; 2]),
}

/// Whose rows something is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Queries,
    Keys,
}

/// The part that a block computes at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tile {
    /// Pieces of 16 rows that a warp has.
    pub(super) pieces: usize,
    /// Rows of the other side.
    pub(super) block: usize,
}

impl Tile {
    /// Rows of a block.
    pub(super) fn rows(&self) -> usize {
        TALL * super::WARPS * self.pieces
    }

    /// Pieces of 8 columns of scores.
    pub(super) fn wide(&self) -> usize {
        self.block / WIDE
    }

    /// The thread's rows: which piece, and the upper or the lower half.
    pub(super) fn own(&self) -> impl Iterator<Item = [usize; 2]> + use<> {
        (0..2 * self.pieces).map(|number| [number / 2, number % 2])
    }
}

/// What a kernel is made for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kernel {
    pub(super) dtype: DType,
    pub(super) job: Job,
    /// Elements of a query or key, and of a value.
    pub(super) widths: [usize; 2],
    pub(super) tile: Tile,
    pub(super) causal: bool,
    /// Of a mask, the bytes from one column of scores to the next.
    pub(super) mask: Option<u64>,
    pub(super) scale: f32,
    /// What all addresses and strides are multiples of that are read, at most 16; whether those that are written are of 4.
    pub(super) unit: usize,
    pub(super) packed: bool,
}

impl Kernel {
    /// The tensors that have strides, and the addresses of numbers, one for each row of queries.
    fn operands(&self) -> (Vec<&'static str>, Vec<&'static str>) {
        match self.job {
            Job::Forward { logsums } => {
                (vec!["q", "k", "v", "out"], if logsums { vec!["logsums"] } else { Vec::new() })
            }
            Job::Deltas => (vec!["out", "d_out"], vec!["deltas"]),
            Job::Queries => (vec!["q", "k", "v", "d_out", "d_q"], vec!["logsums", "deltas"]),
            Job::Keys([keys, values]) => {
                let mut tensors = vec!["q", "k", "v", "d_out"];
                tensors.extend(keys.then_some("d_k"));
                tensors.extend(values.then_some("d_v"));
                (tensors, vec!["logsums", "deltas"])
            }
        }
    }

    /// Its parameters, of 64 bits each. Strides are in bytes.
    pub(super) fn parameters(&self) -> Vec<String> {
        let (tensors, numbers) = self.operands();
        let strided = |name: &str| ["", "_batch", "_head", "_position"].map(|which| format!("{name}{which}"));
        let mut names: Vec<String> = tensors.into_iter().flat_map(strided).collect();
        names.extend(numbers.into_iter().map(str::to_owned));
        if self.mask.is_some() && self.job != Job::Deltas {
            names.extend(["mask", "mask_batch", "mask_head", "mask_row"].map(str::to_owned));
        }
        // Blocks of a head, or all rows; and how far beyond its own position a query sees.
        let count = if self.job == Job::Deltas { "rows" } else { "tiles" };
        names.extend([count, "heads", "group", "queries", "keys", "shift"].map(str::to_owned));
        names
    }

    /// Its text as PTX.
    pub(super) fn ptx(&self) -> String {
        let code = &mut Code::default();
        match self.job {
            Job::Forward { logsums } => forward::add(code, self, logsums),
            Job::Deltas => deltas::add(code, self),
            Job::Queries => gradient::add(code, self, Side::Queries, [true, false]),
            Job::Keys(wanted) => gradient::add(code, self, Side::Keys, wanted),
        }
        code.add("ret");
        let names = self.parameters();
        std::mem::take(code).entry(NAME, names.iter().map(String::as_str), (super::THREADS, true))
    }

    /// Bytes of shared memory of a block.
    pub(super) fn shared(&self) -> usize {
        match self.job {
            Job::Forward { .. } => forward::panels(self)[2].end(),
            Job::Deltas => 0,
            Job::Queries => gradient::panels(self, [true, true])[3].end(),
            Job::Keys([keys, _]) => gradient::panels(self, [true, keys])[3].end(),
        }
    }

    /// What scores are multiplied by, for exponentials of base 2.
    pub(super) fn factor(&self) -> f32 {
        self.scale * std::f32::consts::LOG2_E
    }

    /// Whether scores are multiplied before their maximum is taken, as a mask is added to them, or as it would be another.
    pub(super) fn multiplies(&self) -> bool {
        self.mask.is_some() || self.scale <= 0.0 || self.scale.is_nan()
    }

    /// What they are multiplied by afterwards.
    pub(super) fn rest(&self) -> f32 {
        if self.multiplies() { 1.0 } else { self.factor() }
    }

    /// The name of the type in instructions.
    pub(super) fn half(&self) -> &'static str {
        if self.dtype == DType::F16 { "f16" } else { "bf16" }
    }

    /// An element as f32.
    pub(super) fn widen(&self, code: &mut Code, element: &str) -> String {
        if self.dtype == DType::F16 {
            return code.make(Kind::Word, "cvt.f32.f16", element);
        }
        let zero = code.make(Kind::Short, "mov.b16", "0");
        code.make(Kind::Word, "mov.b32", format!("{{{zero}, {element}}}"))
    }

    /// Two numbers as elements of a word, the first below.
    pub(super) fn pack(&self, code: &mut Code, [low, high]: [&str; 2]) -> String {
        code.make(Kind::Word, &format!("cvt.rn.{}x2.f32", self.half()), format!("{high}, {low}"))
    }
}

/// How many rows of keys the rows of a block see, from the first key on.
pub(super) fn seen(code: &mut Code, kernel: &Kernel, frame: &Frame) -> String {
    use Kind::Word;
    let keys = code.word("keys");
    if !kernel.causal {
        return keys;
    }
    let shift = code.word("shift");
    let last = code.make(Word, "add.s32", format!("{}, {}", frame.first, kernel.tile.rows()));
    let seen = code.make(Word, "add.s32", format!("{last}, {shift}"));
    let seen = code.make(Word, "max.s32", format!("{seen}, 0"));
    code.make(Word, "min.s32", format!("{seen}, {keys}"))
}

/// A float as a number in instructions.
pub(super) fn float(number: f32) -> String {
    format!("0f{:08X}", number.to_bits())
}

/// The bits of minus infinity as a number with a sign.
pub(super) const NOTHING: i32 = f32::NEG_INFINITY.to_bits() as i32;
