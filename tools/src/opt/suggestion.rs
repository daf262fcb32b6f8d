//! The name that somebody meant.

use thunder_ir::tools;

/// How many names are offered at most.
const OFFERED: usize = 3;

/// LLVM's words about arguments it does not accept, with our suggestions in place of its own.
pub(super) fn for_arguments(words: &str, tool: &str) -> String {
    let unknown: Vec<&str> = words.split("Unknown command line argument '").skip(1).map(until_quote).collect();
    if unknown.is_empty() {
        let lines: Vec<_> = words.lines().map(|line| line.strip_prefix(&format!("{tool}: ")).unwrap_or(line)).collect();
        return lines.join("\n").trim().to_owned();
    }
    let flags = tools::flags();
    let known = || flags.iter().map(|flag| flag.name.as_str());
    let lines: Vec<_> = unknown
        .iter()
        .map(|argument| {
            let (name, _) = super::arguments::split(argument).unwrap_or((argument, None));
            let suggestion = did_you_mean(name, known(), "--").unwrap_or_else(|| format!("see '{tool} --help'"));
            format!("unknown argument '{argument}'; {suggestion}")
        })
        .collect();
    lines.join("\nerror: ")
}

/// `did you mean 'a' or 'b'?`, the most similar first; nothing where none is similar.
pub(super) fn did_you_mean<'a>(name: &str, known: impl Iterator<Item = &'a str>, dashes: &str) -> Option<String> {
    let mut near: Vec<(f64, &str)> = known.filter_map(|other| Some((likeness(name, other)?, other))).collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    let best = near.first()?.0;
    let names: Vec<_> = near
        .iter()
        .take_while(|(likeness, _)| *likeness > best - 0.1)
        .take(OFFERED)
        .map(|(_, other)| format!("'{dashes}{other}'"))
        .collect();
    Some(format!("did you mean {}?", names.join(" or ")))
}

/// How much a known name looks like the one given, in `0.0..=1.0`; `None` where nobody would mix them up.
fn likeness(name: &str, known: &str) -> Option<f64> {
    let similar = strsim::normalized_damerau_levenshtein(name, known);
    // A part of the name stands for it: `bufferize` for `one-shot-bufferize`.
    let is_part = name.len() >= 4 && (known.starts_with(&format!("{name}-")) || known.ends_with(&format!("-{name}")));
    let likeness = if is_part { similar.max(0.8) } else { similar };
    (likeness >= 0.65).then_some(likeness)
}

fn until_quote(text: &str) -> &str {
    text.split('\'').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::did_you_mean;

    #[test]
    fn similar_names_are_offered_and_others_not() {
        let meant = |name| did_you_mean(name, ["canonicalize", "cse", "one-shot-bufferize", "sccp"].into_iter(), "--");
        assert_eq!(meant("canonicalise").as_deref(), Some("did you mean '--canonicalize'?"));
        assert_eq!(meant("bufferize").as_deref(), Some("did you mean '--one-shot-bufferize'?"));
        assert_eq!(meant("cs"), Some("did you mean '--cse'?".to_owned()));
        assert_eq!(meant("quux"), None);
    }
}
