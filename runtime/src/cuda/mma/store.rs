//! From a thread's sums to the result: the bias is added, each is rounded once, and what lies within the result is written.

use thunder_tensor::DType;

use super::multiply::Sums;
use crate::cuda::code::{Code, Kind};

/// What is written: of which type, the rows and columns of a tile, and whether the result's columns are adjacent, and so
/// aligned that a run of them is written at once.
pub(super) struct Form {
    pub(super) dtype: DType,
    pub(super) tile: [usize; 2],
    pub(super) packed: bool,
}

/// The registers of where the result is: its first element and that of the bias, the first row and column of the tile and how
/// many the result has, and the bytes from one row to the next and from one column to the next.
pub(super) struct Place {
    pub(super) out: String,
    pub(super) bias: Option<String>,
    pub(super) start: [String; 2],
    pub(super) extent: [String; 2],
    pub(super) stride: [String; 2],
}

/// Writes all sums.
pub(super) fn store(code: &mut Code, form: &Form, sums: &Sums, place: &Place) {
    use Kind::{Long, Truth};
    let size = form.dtype.size();
    // The thread's first row and column in the result, and how many there are from these on.
    let own = [0, 1].map(|side: usize| {
        let wide = code.make(Long, "cvt.u64.u32", &sums.first[side]);
        code.make(Long, "add.s64", format!("{wide}, {}", place.start[side]))
    });
    let left = [0, 1].map(|side: usize| {
        let left = code.make(Long, "sub.s64", format!("{}, {}", place.extent[side], own[side]));
        code.clamp(&left, form.tile[side])
    });
    let biases = place.bias.as_ref().map(|bias| {
        let start = code.make(Long, "mad.lo.s64", format!("{}, {size}, {bias}", own[1]));
        let read = |&column: &usize| {
            let is_there = code.make(Truth, "setp.gt.s32", format!("{}, {column}", left[1]));
            read_bias(code, form.dtype, &is_there, &format!("{start}+{}", column * size))
        };
        sums.columns.iter().map(read).collect::<Vec<_>>()
    });
    let start = code.make(Long, "mad.lo.s64", format!("{}, {}, {}", own[0], place.stride[0], place.out));
    code.add(format!("mad.lo.s64 {start}, {}, {}, {start}", own[1], place.stride[1]));
    let run = if form.packed { sums.run } else { 1 };
    for (i, row) in sums.rows.iter().enumerate() {
        let is_row = code.make(Truth, "setp.gt.s32", format!("{}, {row}", left[0]));
        let line = code.make(Long, "mad.lo.s64", format!("{}, {row}, {start}", place.stride[0]));
        for (j, column) in sums.columns.iter().enumerate().step_by(run) {
            let values: Vec<String> = (j..j + run)
                .map(|j| {
                    let sum = sums.at(i, j);
                    match &biases {
                        Some(biases) => biased(code, form.dtype, sum, &biases[j]),
                        None => sum.to_owned(),
                    }
                })
                .collect();
            if form.packed {
                let to = (&*line, column * size);
                packed(code, form.dtype, &values, to, (&left[1], *column, &is_row));
                continue;
            }
            let to = code.make(Long, "mad.lo.s64", format!("{}, {column}, {line}", place.stride[1]));
            let writes = code.make(Truth, "setp.gt.and.s32", format!("{}, {column}, {is_row}", left[1]));
            let value = rounded(code, form.dtype, &values[0], &values[0]);
            single(code, form.dtype, &value, 0, (&to, 0), &writes);
        }
    }
}

/// An element of the bias in the type of the sums, or zero.
pub(super) fn read_bias(code: &mut Code, dtype: DType, is_there: &str, from: &str) -> String {
    let (kind, bits) = match dtype.size() {
        2 => (Kind::Short, 16),
        4 => (Kind::Word, 32),
        _ => (Kind::Long, 64),
    };
    let stored = code.make(kind, &format!("mov.b{bits}"), "0");
    code.add(format!("@{is_there} ld.global.b{bits} {stored}, [{from}]"));
    match dtype {
        DType::F16 => code.make(Kind::Word, "cvt.f32.f16", &stored),
        // The upper half of the same number in f32.
        DType::BF16 => {
            let zero = code.make(Kind::Short, "mov.b16", "0");
            code.make(Kind::Word, "mov.b32", format!("{{{zero}, {stored}}}"))
        }
        _ => stored,
    }
}

pub(super) fn biased(code: &mut Code, dtype: DType, sum: &str, bias: &str) -> String {
    match dtype {
        DType::F64 => code.make(Kind::Long, "add.rn.f64", format!("{sum}, {bias}")),
        _ => code.make(Kind::Word, "add.rn.f32", format!("{sum}, {bias}")),
    }
}

/// The values in the result's type: two of 16 bits in a register, the first in the lower half; else the first alone.
pub(super) fn rounded(code: &mut Code, dtype: DType, first: &str, second: &str) -> String {
    match dtype {
        DType::F16 => code.make(Kind::Word, "cvt.rn.f16x2.f32", format!("{second}, {first}")),
        DType::BF16 => code.make(Kind::Word, "cvt.rn.bf16x2.f32", format!("{second}, {first}")),
        _ => first.to_owned(),
    }
}

/// Writes one value, if it is to be; of two in a register that of number `half`.
fn single(code: &mut Code, dtype: DType, value: &str, half: usize, (to, offset): (&str, usize), writes: &str) {
    if dtype.size() > 2 {
        return code.add(format!("@{writes} st.global.b{} [{to}+{offset}], {value}", 8 * dtype.size()));
    }
    let halves = code.many(Kind::Short, 2);
    code.add(format!("mov.b32 {{{}}}, {value}", halves.join(", ")));
    code.add(format!("@{writes} st.global.b16 [{to}+{offset}], {}", halves[half]));
}

/// Writes values that are next to each other at once, or by themselves those that are there if not all are.
fn packed(
    code: &mut Code,
    dtype: DType,
    values: &[String],
    (to, offset): (&str, usize),
    (left, column, is_row): (&str, usize, &str),
) {
    let size = dtype.size();
    let all = column + values.len();
    let writes = code.make(Kind::Truth, "setp.ge.and.s32", format!("{left}, {all}, {is_row}"));
    let pair = (size == 2).then(|| rounded(code, dtype, &values[0], &values[1]));
    match (&pair, values) {
        (Some(pair), _) => code.add(format!("@{writes} st.global.b32 [{to}+{offset}], {pair}")),
        (None, [value]) => code.add(format!("@{writes} st.global.b{} [{to}+{offset}], {value}", 8 * size)),
        (None, _) => {
            let (count, bits, values) = (values.len(), 8 * size, values.join(", "));
            code.add(format!("@{writes} st.global.v{count}.b{bits} [{to}+{offset}], {{{values}}}"));
        }
    }
    if values.len() == 1 {
        return;
    }
    let is_part = code.make(Kind::Truth, "setp.lt.and.s32", format!("{left}, {all}, {is_row}"));
    for (number, value) in values[..values.len() - 1].iter().enumerate() {
        let writes = code.make(Kind::Truth, "setp.gt.and.s32", format!("{left}, {}, {is_part}", column + number));
        let value = pair.as_ref().unwrap_or(value);
        single(code, dtype, value, number, (to, offset + number * size), &writes);
    }
}
