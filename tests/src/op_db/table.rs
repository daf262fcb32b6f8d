//! The table of what passes: a row for each operation, a column for each dtype, and the reasons of what does not.

use std::collections::{BTreeMap, BTreeSet};

use super::claims::{limit, unclaimed};
use super::run::{Outcomes, Verdict};
use super::samples::Operation;

/// The dtypes that are claimed, in the order of the columns.
pub const DTYPES: [&str; 12] = ["f64", "f32", "bf16", "f16", "i64", "i32", "i16", "i8", "u8", "bool", "c64", "c128"];

/// Passed and claimed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Count {
    passed: usize,
    claimed: usize,
}

impl Count {
    fn add(&mut self, verdict: &Verdict) {
        self.claimed += 1;
        self.passed += usize::from(*verdict == Verdict::Passed);
    }

    fn is_short(self) -> bool {
        self.passed < self.claimed
    }

    fn cell(self) -> String {
        match self.claimed {
            0 => String::new(),
            _ => format!("{}/{}", self.passed, self.claimed),
        }
    }

    fn parse(cell: &str) -> Self {
        let numbers = cell.trim().split_once('/');
        let numbers = numbers.and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
        let (passed, claimed) = numbers.unwrap_or_default();
        Self { passed, claimed }
    }

    fn sum(counts: impl IntoIterator<Item = Self>) -> Self {
        counts
            .into_iter()
            .fold(Self::default(), |a, b| Self { passed: a.passed + b.passed, claimed: a.claimed + b.claimed })
    }

    fn share(self) -> String {
        format!("{} of {}, {:.2} %", self.passed, self.claimed, 100.0 * self.passed as f64 / self.claimed.max(1) as f64)
    }
}

/// The row of an operation.
pub fn row(operation: &Operation, outcomes: &Outcomes) -> String {
    let mut cells: BTreeMap<&str, Count> = BTreeMap::new();
    let mut gradients = Count::default();
    let mut reasons: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    let unclaimed = unclaimed(&operation.name);
    for (number, sample) in operation.samples.iter().enumerate() {
        let column = DTYPES.iter().position(|dtype| *dtype == sample.dtype).unwrap_or(DTYPES.len());
        let mut note = |reason: String| {
            reasons.entry(reason).or_default().insert(column);
        };
        if let Some(reason) = unclaimed.or(sample.reason.as_deref()) {
            note(format!("not claimed: {reason}"));
            continue;
        }
        let Some(outcome) = outcomes.samples.get(&number) else { continue };
        cells.entry(&sample.dtype).or_default().add(&outcome.forward);
        reason(&outcome.forward).into_iter().for_each(&mut note);
        if let Some(gradient) = &outcome.gradient {
            gradients.add(gradient);
            // What misses its results has its reason already.
            if outcome.forward == Verdict::Passed {
                reason(gradient).into_iter().for_each(|reason| note(format!("gradient: {reason}")));
            }
        }
    }
    let mut refused = Count::default();
    if unclaimed.is_none() {
        outcomes.refused.iter().for_each(|verdict| refused.add(verdict));
    }
    let mut reasons: Vec<String> = reasons.into_iter().map(|(reason, columns)| listed(&reason, &columns)).collect();
    if refused.passed < refused.claimed {
        reasons.push(format!("takes what PyTorch refuses ({} times)", refused.claimed - refused.passed));
    }
    if cells.values().chain([&gradients, &refused]).any(|count| count.is_short()) {
        reasons.extend(limit(&operation.name).map(|limit| format!("because: {limit}")));
    }
    let cells = DTYPES.map(|dtype| cells.get(dtype).copied().unwrap_or_default().cell()).join(" | ");
    let (gradients, refused) = (gradients.cell(), refused.cell());
    format!("| `{}` | {cells} | {gradients} | {refused} | {} |", operation.name, reasons.join("; "))
}

/// Why a verdict is none that passes.
fn reason(verdict: &Verdict) -> Option<String> {
    match verdict {
        Verdict::Passed => None,
        Verdict::Unsupported(what) => Some(format!("not supported: {what}")),
        Verdict::Failed(what, _) => Some(what.clone()),
    }
}

/// A reason with the dtypes that have it.
fn listed(reason: &str, columns: &BTreeSet<usize>) -> String {
    let dtypes: Vec<&str> = columns.iter().filter_map(|column| DTYPES.get(*column).copied()).collect();
    // A table has its own meaning for bars and lines.
    let reason = reason.replace('|', "\\|").replace('\n', " ");
    format!("{reason} ({})", dtypes.join(", "))
}

/// The document around rows.
pub fn document(rows: &[String]) -> String {
    let cell = |row: &String, column: usize| Count::parse(row.split(" | ").nth(column).unwrap_or_default());
    let of = |column: usize| Count::sum(rows.iter().map(|row| cell(row, column)));
    let dtypes: Vec<Count> = (1..=DTYPES.len()).map(of).collect();
    let (gradients, refused) = (of(DTYPES.len() + 1), of(DTYPES.len() + 2));
    let claimed: Vec<&String> =
        rows.iter().filter(|row| (1..=DTYPES.len()).any(|c| cell(row, c).claimed > 0)).collect();
    let passes =
        |row: &&&String| (1..=DTYPES.len() + 1).map(|c| cell(row, c)).all(|count| count.passed == count.claimed);
    let complete = claimed.iter().filter(passes).count();
    let samples = Count::sum(dtypes.iter().copied());
    let names = DTYPES.join(" | ");
    let lines = "---|".repeat(DTYPES.len());
    let sums: Vec<String> = dtypes.iter().map(|count| count.cell()).collect();
    format!(
        "{HEAD}
- Of {} operations {} are claimed; of {complete} all samples and gradients pass.
- Samples that pass: {}.
- Gradients that pass: {}.
- Calls refused that PyTorch refuses: {}.

| operation | {names} | gradient | refused | what does not pass, or is not claimed |
|---|{lines}---|---|---|
| **all** | {} | {} | {} |  |
{}
",
        rows.len(),
        claimed.len(),
        samples.share(),
        gradients.share(),
        refused.share(),
        sums.join(" | "),
        gradients.cell(),
        refused.cell(),
        rows.join("\n")
    )
}

/// The rows of which not all passes, but that do not say why.
pub fn unexplained(rows: &[String]) -> Vec<&String> {
    let is_short = |row: &String| row.split(" | ").any(|cell| Count::parse(cell).is_short());
    rows.iter().filter(|row| is_short(row) && !row.contains("; because: ")).collect()
}

/// The rows of a document.
pub fn rows(document: &str) -> Vec<String> {
    document.lines().filter(|line| line.starts_with("| `")).map(str::to_owned).collect()
}

const HEAD: &str = "<!-- Written by `cargo xtask conformance`. -->

# Conformance

PyTorch's table of tests, `op_db`, has sample calls of its operations. `tests/goldens/op_db.py` exports them with
`torch.export`; each is imported and run by the reference interpreter, and so is its gradient; the first of each operation
in `f32`, or `i64` where there is none, becomes machine code as well (with `cargo xtask conformance --live`, all of them).
A result passes if it is equal to PyTorch's in float64 within the tolerance of `torch.testing.assert_close` for its dtype,
or no farther from it than twice what PyTorch's own result in that dtype is at most. Integers and truth values are equal. Of
random results, shapes and dtypes are compared; of positions of chosen elements, what is there, as equal ones may be in any
order.

A cell is how many samples pass, of how many; under `refused`, how many calls that PyTorch refuses are refused here, when
they are imported or by the reference. Of what does not pass, the last column says why.
";
