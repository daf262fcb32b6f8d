//! Puts new checks into a test file, and takes the old ones out.

use super::expectation::{self, Block};

/// Replaces every check of `prefix`: each block goes above the source's symbol of its name, the rest to the end.
pub(super) fn replace_all(text: &str, prefix: &str, blocks: &[Block]) -> String {
    let leader = leader(text);
    let kept = without_checks(text, prefix);
    let mut lines: Vec<String> = Vec::new();
    let mut rest = kept.as_slice();
    let mut waiting: Vec<&Block> = Vec::new();
    for block in blocks {
        waiting.push(block);
        let Some(symbol) = &block.symbol else { continue };
        // Only forward: checks must stand in the order of the output.
        let Some(at) = rest.iter().position(|line| defines(line, symbol)) else { continue };
        lines.extend(rest[..at].iter().map(|line| (*line).to_owned()));
        let indent = &rest[at][..rest[at].len() - rest[at].trim_start().len()];
        for block in waiting.drain(..) {
            lines.extend(rendered(block, prefix, indent, leader));
        }
        lines.push(rest[at].to_owned());
        rest = &rest[at + 1..];
    }
    lines.extend(rest.iter().map(|line| (*line).to_owned()));
    while lines.last().is_some_and(|line| line.trim().is_empty()) {
        lines.pop();
    }
    for block in waiting {
        lines.push(String::new());
        lines.extend(rendered(block, prefix, "", leader));
    }
    lines.join("\n") + "\n"
}

/// Replaces only the blocks in which one of `failing` lines (from 1) stands; none if they cannot be told apart.
pub(super) fn replace_failing(text: &str, prefix: &str, blocks: &[Block], failing: &[usize]) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    let leader = leader(text);
    let checks: Vec<usize> = (0..lines.len()).filter(|at| check_suffix(lines[*at], prefix).is_some()).collect();
    let labels: Vec<usize> =
        checks.iter().copied().filter(|at| check_suffix(lines[*at], prefix) == Some("-LABEL")).collect();
    let mut stale: Vec<(usize, usize, &Block)> = Vec::new();
    for line in failing {
        let label = labels.partition_point(|at| *at < *line).checked_sub(1)?;
        let start = labels[label];
        let end = labels.get(label + 1).copied().unwrap_or(lines.len());
        let mut candidates = blocks
            .iter()
            .filter(|block| block.symbol.as_deref().is_some_and(|symbol| mentions_symbol(lines[start], symbol)));
        let block = candidates.next()?;
        let is_unique = candidates.next().is_none()
            && labels.iter().filter(|at| mentions_symbol(lines[**at], block.symbol.as_deref().unwrap_or(""))).count()
                == 1;
        // The definition of an alias may stand in a block that stays.
        let uses_alias = block.checks.iter().any(|check| check.text.contains("[[$"));
        if !is_unique || uses_alias {
            return None;
        }
        if !stale.iter().any(|(known, ..)| *known == start) {
            stale.push((start, end, block));
        }
    }
    if stale.is_empty() {
        return None;
    }
    let mut edited: Vec<String> = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if let Some((.., block)) = stale.iter().find(|(start, ..)| *start == at) {
            let indent = &line[..line.len() - line.trim_start().len()];
            edited.extend(rendered(block, prefix, indent, leader));
        }
        let is_stale = stale.iter().any(|(start, end, _)| (*start..*end).contains(&at));
        if !(is_stale && checks.contains(&at)) {
            edited.push((*line).to_owned());
        }
    }
    Some(edited.join("\n") + "\n")
}

fn rendered(block: &Block, prefix: &str, indent: &str, leader: &str) -> Vec<String> {
    let width = prefix.len() + "-LABEL: ".len();
    let render = |check: &expectation::Check| {
        let directive = format!("{prefix}{}:", check.suffix);
        format!("{indent}{leader} {directive:<width$}{}", check.text).trim_end().to_owned()
    };
    block.checks.iter().map(render).collect()
}

/// The comment leader of the file's RUN line: `//` or `#`.
fn leader(text: &str) -> &str {
    let line = text.lines().find(|line| line.contains("RUN:")).unwrap_or("// RUN:");
    let leader = line.split("RUN:").next().unwrap_or("//").trim();
    if leader.is_empty() { "//" } else { leader }
}

/// The lines that are not checks of `prefix`; where checks stood between two blank lines, one of these goes too.
fn without_checks<'a>(text: &'a str, prefix: &str) -> Vec<&'a str> {
    let mut kept: Vec<&str> = Vec::new();
    let mut removed = false;
    for line in text.lines() {
        if check_suffix(line, prefix).is_some() {
            removed = true;
            continue;
        }
        let doubles = removed && line.trim().is_empty() && kept.last().is_none_or(|last| last.trim().is_empty());
        if !doubles {
            kept.push(line);
        }
        removed = false;
    }
    kept
}

/// The suffix (`-NEXT`, or empty) of a line that is only a check of `prefix`.
fn check_suffix<'a>(line: &'a str, prefix: &str) -> Option<&'a str> {
    let comment = line.trim_start();
    let text = comment.trim_start_matches(['/', '#', ';']);
    if text.len() == comment.len() {
        return None;
    }
    let rest = text.trim_start().strip_prefix(prefix)?;
    let (suffix, _) = rest.split_once(':')?;
    let suffix = suffix.split('{').next().unwrap_or(suffix);
    let kind = suffix.trim_start_matches('-');
    let is_known = ["", "LABEL", "SAME", "NEXT", "DAG", "NOT", "EMPTY"].contains(&kind) || kind.starts_with("COUNT-");
    (is_known && (suffix.is_empty() || suffix.starts_with('-'))).then_some(suffix)
}

fn defines(line: &str, symbol: &str) -> bool {
    expectation::symbol(line.trim_start()).is_some_and(|(found, _)| found == symbol)
}

fn mentions_symbol(line: &str, symbol: &str) -> bool {
    let mut found = line.match_indices(symbol);
    found.any(|(at, _)| {
        let after = line[at + symbol.len()..].chars().next();
        line[..at].ends_with(['@', '"']) && !after.is_some_and(|c| c.is_ascii_alphanumeric() || "_$.-".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::super::expectation::blocks;
    use super::{replace_all, replace_failing};

    const OUTPUT: &str = "\
module {
  func.func @f() {
    return
  }
  func.func @made_up() {
    return
  }
  func.func @g() {
    a.b
    return
  }
}
";

    #[test]
    fn all_checks_are_replaced_in_the_order_of_the_output() {
        let text = "// RUN: x\n\n// CHECK-LABEL: @old\n\nfunc.func @f() {\n  // CHECK: old\n  return\n}\n\nfunc.func @g() {\n}\n";
        assert_eq!(
            replace_all(text, "CHECK", &blocks(OUTPUT, &[])),
            "\
// RUN: x

// CHECK-LABEL: func.func @f()
// CHECK-NEXT:  return
func.func @f() {
  return
}

// CHECK-LABEL: func.func @made_up()
// CHECK-NEXT:  return
// CHECK-LABEL: func.func @g()
// CHECK-NEXT:  a.b
// CHECK-NEXT:  return
func.func @g() {
}
"
        );
    }

    #[test]
    fn only_the_failing_block_is_replaced() {
        let text = "\
// RUN: x
// CHECK-LABEL: @f
// CHECK: return
// CHECK-LABEL: @g
func.func @g() {
  // CHECK: old
}
// CHECK-LABEL: @made_up
";
        let edited = replace_failing(text, "CHECK", &blocks(OUTPUT, &[]), &[6]).unwrap();
        assert_eq!(
            edited,
            "\
// RUN: x
// CHECK-LABEL: @f
// CHECK: return
// CHECK-LABEL: func.func @g()
// CHECK-NEXT:  a.b
// CHECK-NEXT:  return
func.func @g() {
}
// CHECK-LABEL: @made_up
"
        );
        assert_eq!(replace_failing("// CHECK: no label\n", "CHECK", &blocks(OUTPUT, &[]), &[1]), None);
    }
}
