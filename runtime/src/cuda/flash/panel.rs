//! Rows of a tensor in shared memory: how they lie there, how they are copied, and how warps read them for tensor cores.
//!
//! Lines are 16 bytes longer than a number of elements that is a multiple of 16. So they are an odd number of chunks of 16
//! bytes long, and chunks at the same place of 8 lines that follow each other are in banks of their own.

use super::frame::Frame;
use crate::cuda::code::{Code, Kind};

/// Bytes of a chunk, which is what a thread copies at once, and elements in it.
pub(super) const CHUNK: usize = 16;
const ELEMENTS: usize = CHUNK / SIZE;

/// Bytes of an element.
pub(super) const SIZE: usize = 2;

/// Threads that copy one line together, and lines that all threads copy at the same time.
const ACROSS: usize = 8;
const DOWN: usize = super::THREADS / ACROSS;

/// Terms that tensor cores add at once, rows of their lhs, and columns of their result.
pub(super) const TERMS: usize = 16;
pub(super) const TALL: usize = 16;
pub(super) const WIDE: usize = 8;

/// Rows in shared memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Panel {
    /// How many rows, and elements of a row.
    pub(super) rows: usize,
    pub(super) width: usize,
    /// Where it begins.
    pub(super) start: usize,
}

impl Panel {
    /// Elements of a line; those beyond a row are zero.
    pub(super) fn padded(&self) -> usize {
        self.width.next_multiple_of(TERMS)
    }

    /// Bytes from one line to the next.
    fn pitch(&self) -> usize {
        self.padded() * SIZE + CHUNK
    }

    /// Where it ends.
    pub(super) fn end(&self) -> usize {
        self.start + self.rows * self.pitch()
    }

    /// For warps that read rows from `first` on as lhs; or, transposed, rows as terms of an rhs whose columns are elements.
    pub(super) fn along(&self, code: &mut Code, frame: &Frame, first: Option<&str>) -> Reader {
        use Kind::Word;
        let line = code.make(Word, "and.b32", format!("{}, 15", frame.lane));
        let line = first.map_or(line.clone(), |first| code.make(Word, "add.u32", format!("{line}, {first}")));
        let chunk = code.make(Word, "shr.u32", format!("{}, 4", frame.lane));
        self.reader(code, frame, &line, &chunk)
    }

    /// For warps that read rows as columns of an rhs whose terms are elements.
    pub(super) fn across(&self, code: &mut Code, frame: &Frame) -> Reader {
        use Kind::Word;
        let low = code.make(Word, "and.b32", format!("{}, 7", frame.lane));
        let high = code.make(Word, "shr.u32", format!("{}, 4", frame.lane));
        let line = code.make(Word, "mad.lo.u32", format!("{high}, 8, {low}"));
        let chunk = code.make(Word, "shr.u32", format!("{}, 3", frame.lane));
        let chunk = code.make(Word, "and.b32", format!("{chunk}, 1"));
        self.reader(code, frame, &line, &chunk)
    }

    fn reader(&self, code: &mut Code, frame: &Frame, line: &str, chunk: &str) -> Reader {
        let start = code.make(Kind::Word, "add.u32", format!("{}, {}", frame.memory, self.start));
        let place = code.make(Kind::Word, "mad.lo.u32", format!("{line}, {}, {start}", self.pitch()));
        let place = code.make(Kind::Word, "mad.lo.u32", format!("{chunk}, {CHUNK}, {place}"));
        Reader { place, pitch: self.pitch() }
    }
}

/// Where a thread reads.
pub(super) struct Reader {
    place: String,
    pitch: usize,
}

impl Reader {
    /// Reads four matrices of 8 by 8, from a line and an element on: 16 lines and 16 elements.
    pub(super) fn read(&self, code: &mut Code, [line, element]: [usize; 2], transposed: bool) -> Vec<String> {
        let registers = code.many(Kind::Word, 4);
        let way = if transposed { ".trans" } else { "" };
        let (to, offset) = (registers.join(", "), line * self.pitch + element * SIZE);
        code.add(format!("ldmatrix.sync.aligned.m8n8.x4{way}.shared.b16 {{{to}}}, [{}+{offset}]", self.place));
        registers
    }
}

/// What copies rows of a tensor to a panel.
pub(super) struct Source {
    panel: Panel,
    /// What all addresses are multiples of, at most a chunk.
    unit: usize,
    /// The address of the thread's first chunk in the tensor's first row, and in the panel.
    from: String,
    to: String,
    /// Bytes from one row to the next, and of as many rows as are copied at the same time.
    stride: String,
    step: String,
    /// How many rows there are from the thread's first line on.
    left: String,
    /// Of each of the thread's chunks of a line, whether the line has it, if not all threads', and how many bytes, if not all.
    chunks: Vec<(Option<String>, Option<String>)>,
}

impl Source {
    /// Of a tensor that starts at the address `base` and has so many rows that are so many bytes apart.
    pub(super) fn new(
        code: &mut Code,
        frame: &Frame,
        (panel, unit): (Panel, usize),
        base: &str,
        (rows, stride): (&str, &str),
    ) -> Self {
        use Kind::{Long, Truth, Word};
        let line = code.make(Word, "shr.u32", format!("{}, {}", frame.thread, ACROSS.ilog2()));
        let first = code.make(Word, "and.b32", format!("{}, {}", frame.thread, ACROSS - 1));
        let to = code.make(Word, "mad.lo.u32", format!("{line}, {}, {}", panel.pitch(), frame.memory));
        let to = code.make(Word, "mad.lo.u32", format!("{first}, {CHUNK}, {to}"));
        let to = code.make(Word, "add.u32", format!("{to}, {}", panel.start));
        let [wide_line, wide_first] = [&line, &first].map(|number| code.make(Long, "cvt.u64.u32", number));
        let from = code.make(Long, "mad.lo.s64", format!("{wide_line}, {stride}, {base}"));
        code.add(format!("mad.lo.s64 {from}, {wide_first}, {CHUNK}, {from}"));
        let step = code.make(Long, "mul.lo.s64", format!("{stride}, {DOWN}"));
        let left = code.make(Word, "sub.s32", format!("{rows}, {line}"));
        let all = panel.padded() / ELEMENTS;
        let chunk = |chunk: usize| {
            let is_there =
                (chunk + ACROSS > all).then(|| code.make(Truth, "setp.lt.s32", format!("{first}, {}", all - chunk)));
            let bytes = ((chunk + ACROSS) * ELEMENTS > panel.width).then(|| {
                let before = code.make(Word, "mul.lo.u32", format!("{first}, {CHUNK}"));
                let most = code.make(Word, "mov.u32", (panel.width * SIZE - chunk * CHUNK).to_string());
                let bytes = code.make(Word, "sub.s32", format!("{most}, {before}"));
                let bytes = code.make(Word, "max.s32", format!("{bytes}, 0"));
                code.make(Word, "min.s32", format!("{bytes}, {CHUNK}"))
            });
            (is_there, bytes)
        };
        let chunks = (0..all).step_by(ACROSS).map(chunk).collect();
        Self { panel, unit, from, to, stride: stride.to_owned(), step, left, chunks }
    }

    /// Goes on to a tensor that is so many bytes further.
    pub(super) fn advance(&self, code: &mut Code, bytes: &str) {
        code.add(format!("add.s64 {0}, {0}, {bytes}", self.from));
    }

    /// Copies the panel from the row of a number on; what is beyond the last row becomes zero.
    pub(super) fn copy(&self, code: &mut Code, first: &str) {
        use Kind::{Long, Truth, Word};
        let left = code.make(Word, "sub.s32", format!("{}, {first}", self.left));
        let wide = code.make(Long, "cvt.u64.u32", first);
        let mut from = code.make(Long, "mad.lo.s64", format!("{wide}, {}, {}", self.stride, self.from));
        for line in (0..self.panel.rows).step_by(DOWN) {
            if line > 0 {
                from = code.make(Long, "add.s64", format!("{from}, {}", self.step));
            }
            let is_row = code.make(Truth, "setp.gt.s32", format!("{left}, {line}"));
            for (number, (is_there, bytes)) in self.chunks.iter().enumerate() {
                let bytes = bytes.clone().unwrap_or_else(|| code.make(Word, "mov.u32", CHUNK.to_string()));
                let bytes = code.make(Word, "selp.b32", format!("{bytes}, 0, {is_row}"));
                let guard = is_there.as_ref().map_or(String::new(), |is_there| format!("@{is_there} "));
                let along = number * ACROSS * CHUNK;
                let to = line * self.panel.pitch() + along;
                self.chunk(code, &guard, (&from, along), to, &bytes);
            }
        }
    }

    /// Copies a chunk, of which so many bytes are there.
    fn chunk(&self, code: &mut Code, guard: &str, (from, along): (&str, usize), to: usize, bytes: &str) {
        use Kind::{Short, Truth, Word};
        let place = &self.to;
        if self.unit >= CHUNK {
            return code.add(format!(
                "{guard}cp.async.cg.shared.global.L2::128B [{place}+{to}], [{from}+{along}], {CHUNK}, {bytes}"
            ));
        }
        let mut words = Vec::new();
        for offset in (0..CHUNK).step_by(self.unit) {
            if self.unit > SIZE {
                let rest = code.make(Word, "sub.s32", format!("{bytes}, {offset}"));
                let rest = code.make(Word, "max.s32", format!("{rest}, 0"));
                let rest = code.make(Word, "min.s32", format!("{rest}, {}", self.unit));
                let (to, along) = (to + offset, along + offset);
                code.add(format!(
                    "{guard}cp.async.ca.shared.global [{place}+{to}], [{from}+{along}], {}, {rest}",
                    self.unit
                ));
                continue;
            }
            let is_there = code.make(Truth, "setp.gt.s32", format!("{bytes}, {offset}"));
            let element = code.make(Short, "mov.b16", "0");
            code.add(format!("@{is_there} ld.global.b16 {element}, [{from}+{}]", along + offset));
            words.push(element);
        }
        if !words.is_empty() {
            let pair = |pair: &[String]| code.make(Word, "mov.b32", format!("{{{}, {}}}", pair[0], pair[1]));
            let words: Vec<String> = words.chunks(2).map(pair).collect();
            code.add(format!("{guard}st.shared.v4.b32 [{place}+{to}], {{{}}}", words.join(", ")));
        }
    }
}

/// Waits until all that was copied is there, for all threads, and until all have read what they need.
pub(super) fn arrive(code: &mut Code) {
    code.add("cp.async.wait_all");
    code.add("bar.sync 0");
}
