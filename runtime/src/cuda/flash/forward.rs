//! The result: for rows of queries, over all keys that they see, a few at a time. Of each row the maximum of its scores, the
//! sum of their exponentials and the values' sum with these as weights are kept; when the maximum grows, both sums shrink.

use super::frame::Frame;
use super::kernel::{Kernel, NOTHING, Side, float, seen};
use super::panel::{Panel, Source, WIDE, arrive};
use super::scores::{Scores, Sums, Written, combine, power};
use crate::cuda::code::{Code, Kind};

/// Queries, keys and values in shared memory.
pub(super) fn panels(kernel: &Kernel) -> [Panel; 3] {
    let [width, value_width] = kernel.widths;
    let q = Panel { rows: kernel.tile.rows(), width, start: 0 };
    let k = Panel { rows: kernel.tile.block, width, start: q.end() };
    let v = Panel { rows: kernel.tile.block, width: value_width, start: k.end() };
    [q, k, v]
}

pub(super) fn add(code: &mut Code, kernel: &Kernel, logsums: bool) {
    use Kind::{Truth, Word};
    let frame = &Frame::new(code, kernel, Side::Queries);
    let panels = panels(kernel);
    let [queries, keys] = ["queries", "keys"].map(|name| code.word(name));
    let source = |code: &mut Code, number: usize| {
        let name = ["q", "k", "v"][number];
        let (of, rows) = if number == 0 { (Side::Queries, &queries) } else { (Side::Keys, &keys) };
        let base = frame.base(code, name, of);
        let stride = code.long(&format!("{name}_position"));
        Source::new(code, frame, (panels[number], kernel.unit), &base, (rows, &stride))
    };
    let [q, k, v] = [0, 1, 2].map(|number| source(code, number));
    let of_queries = panels[0].along(code, frame, Some(&frame.warp));
    let of_keys = panels[1].across(code, frame);
    let of_values = panels[2].along(code, frame, None);
    let scores = Scores::new(code, kernel, frame, Side::Queries);
    let tile = &kernel.tile;
    let sums = Sums::new(code, tile.pieces, tile.wide());
    let result = Sums::new(code, tile.pieces, panels[2].padded() / WIDE);
    result.clear(code);
    let rows: Vec<Row> = tile.own().map(|own| Row::new(code, own)).collect();
    let seen = seen(code, kernel, frame);
    let first = code.make(Word, "mov.u32", "0");
    q.copy(code, &frame.first);
    let is_none = code.make(Truth, "setp.eq.s32", format!("{seen}, 0"));
    code.add(format!("@{is_none} bra done"));
    k.copy(code, &first);

    code.label("next");
    arrive(code);
    v.copy(code, &first);
    sums.clear(code);
    sums.multiply(code, kernel, &of_queries, &of_keys, panels[0].padded());
    scores.finish(code, &sums, &first, "scores");
    arrive(code);
    code.add(format!("add.u32 {first}, {first}, {}", tile.block));
    let is_last = code.make(Truth, "setp.ge.s32", format!("{first}, {seen}"));
    code.add(format!("@{is_last} bra multiply"));
    k.copy(code, &first);
    code.label("multiply");
    rows.iter().for_each(|row| row.grow(code, kernel, &sums, &result));
    let weights = sums.packed(code, kernel);
    result.accumulate(code, kernel, &weights, &of_values);
    code.add(format!("@!{is_last} bra next"));

    code.label("done");
    code.add("cp.async.wait_all");
    let factors: Vec<String> = rows.iter().map(|row| row.inverse(code)).collect();
    let written = Written { name: "out", of: Side::Queries, width: kernel.widths[1], factors: &factors };
    written.write(code, kernel, frame, &result);
    if logsums {
        let base = frame.numbers(code, "logsums");
        let is_first = code.make(Truth, "setp.eq.s32", format!("{}, 0", frame.pair));
        for row in &rows {
            let number = frame.row(code, row.own);
            let is_there = code.make(Truth, "setp.lt.and.s32", format!("{number}, {queries}, {is_first}"));
            let number = code.make(Kind::Long, "cvt.u64.u32", number);
            let to = code.make(Kind::Long, "mad.lo.s64", format!("{number}, 4, {base}"));
            let logsum = row.logsum(code, kernel);
            code.add(format!("@{is_there} st.global.b32 [{to}], {logsum}"));
        }
    }
}

/// What is kept of a row.
struct Row {
    own: [usize; 2],
    /// The maximum of the scores, and the thread's part of the sum of exponentials.
    most: String,
    sum: String,
}

impl Row {
    fn new(code: &mut Code, own: [usize; 2]) -> Self {
        let most = code.make(Kind::Word, "mov.b32", NOTHING.to_string());
        Self { own, most, sum: code.make(Kind::Word, "mov.b32", "0") }
    }

    /// Takes further scores, which become weights.
    fn grow(&self, code: &mut Code, kernel: &Kernel, sums: &Sums, result: &Sums) {
        use Kind::Word;
        let factor = float(kernel.rest());
        let most = code.make(Word, "mov.b32", &self.most);
        sums.row(self.own).for_each(|(_, score)| code.add(format!("max.f32 {most}, {most}, {score}")));
        combine(code, "max.f32", &most);
        let less = self.less(code, &most, kernel);
        let shrunk = power(code, [&self.most, &factor, &less]);
        code.add(format!("mov.b32 {}, {most}", self.most));
        code.add(format!("mul.rn.f32 {0}, {0}, {shrunk}", self.sum));
        for (_, score) in sums.row(self.own) {
            let weight = power(code, [score, &factor, &less]);
            code.add(format!("mov.b32 {score}, {weight}"));
            code.add(format!("add.rn.f32 {0}, {0}, {weight}", self.sum));
        }
        result.row(self.own).for_each(|(_, sum)| code.add(format!("mul.rn.f32 {sum}, {sum}, {shrunk}")));
    }

    /// What exponents are less by: of a row that sees nothing, nothing.
    fn less(&self, code: &mut Code, most: &str, kernel: &Kernel) -> String {
        use Kind::{Truth, Word};
        let is_none = code.make(Truth, "setp.eq.s32", format!("{most}, {NOTHING}"));
        let most = code.make(Word, "selp.f32", format!("{}, {most}, {is_none}", float(0.0)));
        code.make(Word, "mul.rn.f32", format!("{most}, {}", float(-kernel.rest())))
    }

    /// What the weights' sums are to be multiplied with: 0 for a row that sees nothing.
    fn inverse(&self, code: &mut Code) -> String {
        use Kind::{Truth, Word};
        combine(code, "add.rn.f32", &self.sum);
        let is_none = code.make(Truth, "setp.eq.s32", format!("{}, 0", self.sum));
        let inverse = code.make(Word, "rcp.approx.ftz.f32", &self.sum);
        code.make(Word, "selp.f32", format!("{}, {inverse}, {is_none}", float(0.0)))
    }

    /// The logarithm of the sum of exponentials, when the parts of it are combined.
    fn logsum(&self, code: &mut Code, kernel: &Kernel) -> String {
        use Kind::Word;
        let log = code.make(Word, "lg2.approx.ftz.f32", &self.sum);
        let less = self.less(code, &self.most, kernel);
        let all = code.make(Word, "sub.rn.f32", format!("{log}, {less}"));
        code.make(Word, "mul.rn.f32", format!("{all}, {}", float(std::f32::consts::LN_2)))
    }
}
