//! Gradients: for rows of queries over keys, or of keys over queries, the weights are computed again from the logarithms of
//! the rows' sums, and from these the gradients of the scores.
//!
//! A block has rows of one side only, and adds in an order of its own: so scores are computed twice, once for each side, and
//! gradients are the same in each run.

use super::frame::Frame;
use super::kernel::{Kernel, NOTHING, Side, float, seen};
use super::panel::{Panel, Source, WIDE, arrive};
use super::scores::{Scores, Sums, Written, power};
use crate::cuda::code::{Code, Kind};

/// The rows of the block in shared memory, queries or keys, and what belongs to them, gradients of the result or values; then
/// the same of the other side. What is not `needed` of the block's rows has no memory.
pub(super) fn panels(kernel: &Kernel, needed: [bool; 2]) -> [Panel; 4] {
    let mut start = 0;
    [0, 1, 2, 3].map(|number: usize| {
        let rows = match number {
            0 | 1 if needed[number] => kernel.tile.rows(),
            0 | 1 => 0,
            _ => kernel.tile.block,
        };
        let panel = Panel { rows, width: kernel.widths[number % 2], start };
        start = panel.end();
        panel
    })
}

/// Of queries their gradient, of keys those of keys and of values that are `wanted`.
pub(super) fn add(code: &mut Code, kernel: &Kernel, rows: Side, wanted: [bool; 2]) {
    use Kind::{Truth, Word};
    let [first_wanted, _] = wanted;
    let tile = &kernel.tile;
    let frame = &Frame::new(code, kernel, rows);
    let panels = panels(kernel, [true, first_wanted]);
    let (names, other) = match rows {
        Side::Queries => (["q", "d_out", "k", "v"], Side::Keys),
        Side::Keys => (["k", "v", "q", "d_out"], Side::Queries),
    };
    let source = |code: &mut Code, number: usize| {
        let (name, of) = (names[number], if number < 2 { rows } else { other });
        let extent = code.word(if of == Side::Queries { "queries" } else { "keys" });
        let base = frame.base(code, name, of);
        let stride = code.long(&format!("{name}_position"));
        Source::new(code, frame, (panels[number], kernel.unit), &base, (&extent, &stride))
    };
    let [own, others] = [[0, 1], [2, 3]].map(|numbers| numbers.map(|number: usize| source(code, number)));
    let readers = [0, 1].map(|number: usize| panels[number].along(code, frame, Some(&frame.warp)));
    let across = [2, 3].map(|number: usize| panels[number].across(code, frame));
    let along = [2, 3].map(|number: usize| panels[number].along(code, frame, None));
    let scores = Scores::new(code, kernel, frame, rows);
    let [sums, gradients] = [0, 1].map(|_| Sums::new(code, tile.pieces, tile.wide()));
    // What the scores' gradients give, and what the weights give.
    let results = [0, 1].map(|number: usize| {
        wanted[number].then(|| {
            let result = Sums::new(code, tile.pieces, panels[number].padded() / WIDE);
            result.clear(code);
            result
        })
    });
    let numbers = Numbers::new(code, frame);
    let of_rows: Vec<_> = match rows {
        Side::Queries => tile.own().map(|own| numbers.of_row(code, frame, own)).collect(),
        Side::Keys => Vec::new(),
    };
    own[0].copy(code, &frame.first);
    if first_wanted {
        own[1].copy(code, &frame.first);
    }
    let (start, end) = match rows {
        Side::Queries => (code.make(Word, "mov.u32", "0"), seen(code, kernel, frame)),
        Side::Keys => (seeing(code, kernel, frame), code.word("queries")),
    };
    let first = code.fresh(Word);
    // Heads of queries that see the block's keys.
    let heads = match rows {
        Side::Queries => code.make(Word, "mov.u32", "1"),
        Side::Keys => code.word("group"),
    };

    code.label("head");
    code.add(format!("mov.b32 {first}, {start}"));
    let is_none = code.make(Truth, "setp.ge.s32", format!("{first}, {end}"));
    code.add(format!("@{is_none} bra end"));
    others[0].copy(code, &first);

    code.label("next");
    let of_columns = (rows == Side::Keys).then(|| numbers.of_columns(code, kernel, frame, &first));
    let of = |row: usize, column: usize| match &of_columns {
        Some(columns) => &columns[column],
        None => &of_rows[row],
    };
    arrive(code);
    others[1].copy(code, &first);
    sums.clear(code);
    sums.multiply(code, kernel, &readers[0], &across[0], panels[0].padded());
    scores.finish(code, &sums, &first, "scores");
    weigh(code, kernel, &sums, &of);
    arrive(code);
    if let Some(result) = &results[1] {
        let weights = sums.packed(code, kernel);
        result.accumulate(code, kernel, &weights, &along[1]);
    }
    if let Some(result) = &results[0] {
        gradients.clear(code);
        gradients.multiply(code, kernel, &readers[1], &across[1], panels[1].padded());
        of_scores(code, kernel, &gradients, &sums, &of);
        let gradients = gradients.packed(code, kernel);
        result.accumulate(code, kernel, &gradients, &along[0]);
    }
    code.add(format!("add.u32 {first}, {first}, {}", tile.block));
    // The rows have been read that are copied over.
    code.add("bar.sync 0");
    let is_last = code.make(Truth, "setp.ge.s32", format!("{first}, {end}"));
    code.add(format!("@{is_last} bra end"));
    others[0].copy(code, &first);
    code.add("bra next");

    code.label("end");
    if rows == Side::Keys {
        for (source, name) in others.iter().zip(["q", "d_out"]) {
            let head = code.long(&format!("{name}_head"));
            source.advance(code, &head);
        }
        numbers.advance(code);
        scores.advance(code);
    }
    code.add(format!("sub.u32 {heads}, {heads}, 1"));
    let is_more = code.make(Truth, "setp.ne.s32", format!("{heads}, 0"));
    code.add(format!("@{is_more} bra head"));
    code.add("cp.async.wait_all");
    let [scale, one] = [kernel.scale, 1.0].map(|factor| vec![float(factor)]);
    let (first, of) = if rows == Side::Queries { ("d_q", Side::Queries) } else { ("d_k", Side::Keys) };
    let written = [(first, &scale), ("d_v", &one)];
    for ((number, (name, factors)), result) in written.into_iter().enumerate().zip(&results) {
        if let Some(result) = result {
            Written { name, of, width: kernel.widths[number], factors }.write(code, kernel, frame, result);
        }
    }
}

/// Scores become weights; `of` says what the query of a row or column has.
fn weigh<'a>(code: &mut Code, kernel: &Kernel, scores: &Sums, of: &dyn Fn(usize, usize) -> &'a Number) {
    let factor = float(kernel.rest());
    for (row, own) in kernel.tile.own().enumerate() {
        for (number, (_, score)) in scores.row(own).enumerate() {
            let weight = power(code, [score, &factor, &of(row, number).less]);
            code.add(format!("mov.b32 {score}, {weight}"));
        }
    }
}

/// Gradients of weights become those of scores.
fn of_scores<'a>(
    code: &mut Code,
    kernel: &Kernel,
    gradients: &Sums,
    weights: &Sums,
    of: &dyn Fn(usize, usize) -> &'a Number,
) {
    for (row, own) in kernel.tile.own().enumerate() {
        for (number, ((_, gradient), (_, weight))) in gradients.row(own).zip(weights.row(own)).enumerate() {
            code.add(format!("sub.rn.f32 {gradient}, {gradient}, {}", of(row, number).delta));
            code.add(format!("mul.rn.f32 {gradient}, {gradient}, {weight}"));
        }
    }
}

/// The first block of queries that see one of the block's keys.
fn seeing(code: &mut Code, kernel: &Kernel, frame: &Frame) -> String {
    use Kind::Word;
    if !kernel.causal {
        return code.make(Word, "mov.u32", "0");
    }
    let shift = code.word("shift");
    let first = code.make(Word, "sub.s32", format!("{}, {shift}", frame.first));
    let first = code.make(Word, "max.s32", format!("{first}, 0"));
    let step = i32::try_from(kernel.tile.block).unwrap_or(i32::MAX);
    code.make(Word, "and.b32", format!("{first}, {}", -step))
}

/// Where the numbers of queries are.
struct Numbers {
    logsums: String,
    deltas: String,
    queries: String,
}

/// What a query has: what its exponents are more by, and what is subtracted from its weights' gradients.
struct Number {
    less: String,
    delta: String,
}

impl Numbers {
    fn new(code: &mut Code, frame: &Frame) -> Self {
        let [logsums, deltas] = ["logsums", "deltas"].map(|name| frame.numbers(code, name));
        Self { logsums, deltas, queries: code.word("queries") }
    }

    /// Goes on to the next head.
    fn advance(&self, code: &mut Code) {
        let queries = code.long("queries");
        let bytes = code.make(Kind::Long, "mul.lo.s64", format!("{queries}, 4"));
        [&self.logsums, &self.deltas].into_iter().for_each(|from| code.add(format!("add.s64 {from}, {from}, {bytes}")));
    }

    fn of_row(&self, code: &mut Code, frame: &Frame, own: [usize; 2]) -> Number {
        let row = frame.row(code, own);
        let is_there = code.make(Kind::Truth, "setp.lt.s32", format!("{row}, {}", self.queries));
        self.number(code, &row, 0, &is_there)
    }

    /// Of the columns of a thread, from that of a number on.
    fn of_columns(&self, code: &mut Code, kernel: &Kernel, frame: &Frame, first: &str) -> Vec<Number> {
        let column = code.make(Kind::Word, "add.u32", format!("{first}, {}", frame.pair));
        let left = code.make(Kind::Word, "sub.s32", format!("{}, {column}", self.queries));
        let columns = (0..kernel.tile.wide()).flat_map(|piece| [WIDE * piece, WIDE * piece + 1]);
        let of = |column_number: usize| {
            let is_there = code.make(Kind::Truth, "setp.gt.s32", format!("{left}, {column_number}"));
            self.number(code, &column, column_number, &is_there)
        };
        columns.map(of).collect()
    }

    /// A query that is not there, or that sees nothing, has weights of zero.
    fn number(&self, code: &mut Code, row: &str, further: usize, is_there: &str) -> Number {
        use Kind::{Long, Truth, Word};
        let row = code.make(Long, "cvt.u64.u32", row);
        let [logsum, delta] = [(&self.logsums, f32::NEG_INFINITY), (&self.deltas, 0.0)].map(|(base, none)| {
            let from = code.make(Long, "mad.lo.s64", format!("{row}, 4, {base}"));
            let number = code.make(Word, "mov.b32", float(none));
            code.add(format!("@{is_there} ld.global.b32 {number}, [{from}+{}]", 4 * further));
            number
        });
        let is_none = code.make(Truth, "setp.eq.s32", format!("{logsum}, {NOTHING}"));
        let less = code.make(Word, "mul.rn.f32", format!("{logsum}, {}", float(-std::f32::consts::LOG2_E)));
        let less = code.make(Word, "selp.f32", format!("{}, {less}, {is_none}", float(f32::NEG_INFINITY)));
        Number { less, delta }
    }
}
