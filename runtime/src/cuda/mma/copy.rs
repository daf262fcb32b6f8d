//! From an operand's memory to a stage in shared memory, with zeros for what lies beyond the operand.
//!
//! Nothing is read beyond the operand: a copy says how many of its bytes there are, and single elements are read where
//! they are. The terms of sums beyond the last are zero in both operands, so that they add zeros.

use thunder_tensor::DType;

use super::panel::{CHUNK, Copies, Layout, Panel};
use super::tile::Tile;
use crate::cuda::code::{Code, Kind};

/// The registers of what an operand is: its first element, its rows or columns from that of the block on, how many it has of
/// them, and the bytes from one line to the next, from one element of a line to the next, and from one stage to the next.
pub(super) struct Operand {
    pub(super) base: String,
    pub(super) start: String,
    pub(super) extent: String,
    pub(super) line: String,
    pub(super) element: String,
    pub(super) next: String,
}

/// What a thread copies of an operand.
pub(super) struct Loader {
    panel: Panel,
    layout: Layout,
    dtype: DType,
    /// Lines from one chunk of a thread to its next.
    step: usize,
    /// How many chunks it copies.
    rounds: usize,
    /// Where its first chunk is in a stage.
    to: String,
    /// The number of that chunk's line, and of the first of its elements in that.
    line: String,
    first: String,
    /// Address of the first element of the first chunk, in the stage that is copied next.
    pointer: String,
    /// Bytes from one of its lines to the next, from one element of a line to the next, from one stage to the next.
    stride: String,
    element: String,
    next: String,
    /// Rows or columns that there are: from its first line on, or from its first element on, then at most a chunk of them.
    left: String,
}

impl Loader {
    /// The loader of lhs (`side` 0) or rhs (1), whose panel is so many bytes behind the start of a stage.
    pub(super) fn new(
        code: &mut Code,
        (dtype, tile, side, layout): (DType, &Tile, usize, Layout),
        offset: usize,
        thread: &str,
        operand: Operand,
    ) -> Self {
        use Kind::{Long, Word};
        let panel = Panel::of(dtype, tile, side, layout.sums);
        let (chunks, elements) = (panel.chunks(), CHUNK / dtype.size());
        let step = tile.threads() / chunks;
        let line = code.make(Word, "shr.u32", format!("{thread}, {}", chunks.ilog2()));
        let chunk = code.make(Word, "and.b32", format!("{thread}, {}", chunks - 1));
        let first = code.make(Word, "mul.lo.u32", format!("{chunk}, {elements}"));
        let to = panel.place(code, (&line, &chunk), offset);
        // So that all chunks of a thread are changed alike.
        assert!(step.is_multiple_of(panel.period()), "a tile has threads enough");
        let Operand { base, start, extent, line: line_bytes, element, next } = operand;
        let (wide_line, wide_first) = (code.make(Long, "cvt.u64.u32", &line), code.make(Long, "cvt.u64.u32", &first));
        // Numbers of the first chunk's line and first element in the operand, but for the stage.
        let along = if layout.sums { &wide_line } else { &wide_first };
        let along = code.make(Long, "add.s64", format!("{along}, {start}"));
        let (of_line, of_first) = if layout.sums { (&along, &wide_first) } else { (&wide_line, &along) };
        let pointer = code.make(Long, "mad.lo.s64", format!("{of_line}, {line_bytes}, {base}"));
        code.add(format!("mad.lo.s64 {pointer}, {of_first}, {element}, {pointer}"));
        let left = code.make(Long, "sub.s64", format!("{extent}, {along}"));
        let left = code.clamp(&left, if layout.sums { panel.lines } else { elements });
        let stride = code.make(Long, "mul.lo.s64", format!("{line_bytes}, {step}"));
        let rounds = panel.lines / step;
        Self { panel, layout, dtype, step, rounds, to, line, first, pointer, stride, element, next, left }
    }

    /// Copies the next panel into a stage. So many terms of sums are left, at most those of a stage.
    pub(super) fn copy(&self, code: &mut Code, stage: &str, terms: &str) {
        use Kind::{Long, Word};
        let to = code.make(Word, "add.u32", format!("{stage}, {}", self.to));
        // Terms from the first element on, or from the first line on.
        let from = if self.layout.sums { &self.first } else { &self.line };
        let terms = code.make(Word, "sub.s32", format!("{terms}, {from}"));
        let (lines, elements) = if self.layout.sums { (&self.left, &terms) } else { (&terms, &self.left) };
        let mut pointer = self.pointer.clone();
        let bytes = matches!(self.layout.copies, Copies::Aligned(_)).then(|| self.bytes(code, elements));
        for round in 0..self.rounds {
            if round > 0 {
                pointer = code.make(Long, "add.s64", format!("{pointer}, {}", self.stride));
            }
            let is_there = code.make(Kind::Truth, "setp.gt.s32", format!("{lines}, {}", round * self.step));
            let to = (&*to, round * self.step * self.panel.width);
            match (&bytes, self.layout.copies) {
                (Some(bytes), Copies::Aligned(unit)) => {
                    let bytes = code.make(Word, "selp.b32", format!("{bytes}, 0, {is_there}"));
                    Self::aligned(code, unit, to, &pointer, &bytes);
                }
                _ => self.single(code, to, &pointer, (elements, &is_there)),
            }
        }
        code.add(format!("add.s64 {0}, {0}, {1}", self.pointer, self.next));
    }

    /// How many bytes of a chunk there are, for so many elements from its first on.
    fn bytes(&self, code: &mut Code, elements: &str) -> String {
        let size = self.dtype.size();
        let low = code.make(Kind::Word, "max.s32", format!("{elements}, 0"));
        let within = code.make(Kind::Word, "min.s32", format!("{low}, {}", CHUNK / size));
        code.make(Kind::Word, "mul.lo.u32", format!("{within}, {size}"))
    }

    /// Starts copying a chunk, of which so many bytes are there.
    fn aligned(code: &mut Code, unit: usize, (to, place): (&str, usize), from: &str, bytes: &str) {
        if unit == CHUNK {
            code.add(format!("cp.async.cg.shared.global.L2::128B [{to}+{place}], [{from}], 16, {bytes}"));
            return;
        }
        for offset in (0..CHUNK).step_by(unit) {
            let rest = code.make(Kind::Word, "sub.s32", format!("{bytes}, {offset}"));
            let rest = code.make(Kind::Word, "max.s32", format!("{rest}, 0"));
            let rest = code.make(Kind::Word, "min.s32", format!("{rest}, {unit}"));
            let to = format!("{to}+{}", place + offset);
            code.add(format!("cp.async.ca.shared.global [{to}], [{from}+{offset}], {unit}, {rest}"));
        }
    }

    /// Copies the elements of a chunk, of which so many are there, if its line is.
    fn single(&self, code: &mut Code, (to, place): (&str, usize), from: &str, (elements, is_there): (&str, &str)) {
        let (kind, bits) = match self.dtype.size() {
            2 => (Kind::Short, 16),
            4 => (Kind::Word, 32),
            _ => (Kind::Long, 64),
        };
        let count = CHUNK / self.dtype.size();
        let mut pointer = from.to_owned();
        let mut values = Vec::with_capacity(count);
        for number in 0..count {
            if number > 0 {
                pointer = code.make(Kind::Long, "add.s64", format!("{pointer}, {}", self.element));
            }
            let reads = code.make(Kind::Truth, "setp.gt.and.s32", format!("{elements}, {number}, {is_there}"));
            let value = code.make(kind, &format!("mov.b{bits}"), "0");
            code.add(format!("@{reads} ld.global.b{bits} {value}, [{pointer}]"));
            values.push(value);
        }
        if kind == Kind::Short {
            let pair = |pair: &[String]| code.make(Kind::Word, "mov.b32", format!("{{{}, {}}}", pair[0], pair[1]));
            values = values.chunks(2).map(pair).collect();
        }
        let (vector, bits) = if kind == Kind::Long { (2, 64) } else { (4, 32) };
        code.add(format!("st.shared.v{vector}.b{bits} [{to}+{place}], {{{}}}", values.join(", ")));
    }
}
