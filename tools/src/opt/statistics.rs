//! What our passes counted, for people and for programs.

use std::fmt::Write as _;

use serde_json::json;
use thunder_ir::pass::Statistics;

use super::arguments::Format;

/// One line or object per counter, sorted by pass and name.
pub(super) fn render(statistics: &Statistics, format: Format) -> String {
    let entries = statistics.entries();
    match format {
        Format::Json => {
            let counters: Vec<_> =
                entries.iter().map(|(pass, name, count)| json!({"pass": pass, "name": name, "count": count})).collect();
            format!("{:#}\n", json!(counters))
        }
        Format::Table if entries.is_empty() => "no pass counted anything\n".to_owned(),
        Format::Table => {
            let width = entries.iter().map(|(pass, ..)| pass.len()).max().unwrap_or_default();
            entries.iter().fold(String::new(), |mut table, (pass, name, count)| {
                writeln!(table, "{count:>10}  {pass:width$}  {name}").expect("a string takes any text");
                table
            })
        }
    }
}
