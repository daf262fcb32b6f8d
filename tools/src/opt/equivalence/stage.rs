//! The passes of a command line, one at a time.

use thunder_ir::pass::{Numerics, PassDef, Pipeline};
use thunder_ir::tools;

use super::super::arguments::split;

/// Options by which passes of ours and upstream's stop after so many rewrites.
const FUEL: [&str; 2] = ["fuel", "max-num-rewrites"];

/// One pass, or one registered pipeline, with the ops that it is nested in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Stage {
    /// As in a pipeline's text, such as `canonicalize{top-down=false}`.
    pub(super) text: String,
    /// The pass alone.
    pub(super) name: String,
    /// `key=value` and flags, separated by spaces.
    options: String,
    /// Outermost first.
    anchors: Vec<String>,
}

impl Stage {
    fn new(name: &str, options: &str, anchors: &[String]) -> Self {
        let text = if options.is_empty() { name.to_owned() } else { format!("{name}{{{options}}}") };
        Self { text, name: name.to_owned(), options: options.to_owned(), anchors: anchors.to_vec() }
    }

    /// The passes that arguments ask for, in order.
    pub(in super::super) fn all(arguments: &[String]) -> Vec<Self> {
        let mut stages = Vec::new();
        let mut rest = arguments.iter().skip(1).take_while(|arg| *arg != "--");
        while let Some(arg) = rest.next() {
            match split(arg) {
                Some(("pass-pipeline", value)) => {
                    let text = value.or_else(|| rest.next().map(String::as_str)).unwrap_or_default();
                    in_pipeline(text, &mut Vec::new(), &mut stages);
                }
                Some((name, options)) if tools::pass_options(name).is_some() => {
                    stages.push(Self::new(name, options.unwrap_or_default(), &[]));
                }
                _ => {}
            }
        }
        stages
    }

    /// What runs it on a module.
    pub(super) fn pipeline(&self) -> Pipeline {
        Pipeline::new().then(&self.nested())
    }

    /// As an argument of `--pass-pipeline`.
    pub(super) fn whole(&self) -> String {
        format!("builtin.module({})", self.nested())
    }

    fn nested(&self) -> String {
        self.anchors.iter().rev().fold(self.text.clone(), |inner, anchor| format!("{anchor}({inner})"))
    }

    /// The same with at most so many rewrites; `None` where the pass has no option for it.
    pub(super) fn with_fuel(&self, fuel: u64) -> Option<Self> {
        let options = tools::pass_options(&self.name)?;
        let name = FUEL.into_iter().find(|name| options.iter().any(|option| option.name == *name))?;
        let others = parts(&self.options, ' ').into_iter().filter(|part| key(part) != name);
        let all: Vec<_> = others.map(str::to_owned).chain([format!("{name}={fuel}")]).collect();
        Some(Self::new(&self.name, &all.join(" "), &self.anchors))
    }

    /// What the pass says that it does to values; upstream's are exact.
    pub(super) fn numerics(&self, ours: &[&'static PassDef]) -> Numerics {
        let Some(def) = ours.iter().find(|def| def.argument == self.name) else { return Numerics::Exact };
        let given = parts(&self.options, ' ');
        let texts: Vec<Vec<&str>> = def
            .options
            .iter()
            .map(|option| {
                let value = given.iter().find(|part| key(part) == option.name);
                let value = value.map_or(option.initial.as_str(), |part| part.split_once('=').map_or("true", |o| o.1));
                if value.is_empty() { Vec::new() } else { parts(value, ',') }
            })
            .collect();
        (def.create)(&texts).map_or(Numerics::Exact, |pass| pass.numerics())
    }
}

/// The file that is read: the last argument that is none of a flag.
pub(super) fn input(arguments: &[String]) -> Option<&str> {
    let positional = arguments.windows(2).filter(|pair| !pair[1].starts_with('-') && pair[0] != "-o");
    positional.map(|pair| pair[1].as_str()).rfind(|path| std::path::Path::new(path).is_file())
}

/// The passes of a pipeline's text, `builtin.module(...)` included.
fn in_pipeline(text: &str, anchors: &mut Vec<String>, stages: &mut Vec<Stage>) {
    for element in parts(text, ',') {
        let open = element.find(['(', '{']);
        match open.map(|at| (element[..at].trim(), &element[at..])) {
            Some((anchor, inside)) if inside.starts_with('(') => {
                let inside = inside.strip_prefix('(').and_then(|inside| inside.strip_suffix(')')).unwrap_or_default();
                let is_outermost = anchors.is_empty() && ["builtin.module", "any"].contains(&anchor);
                if !is_outermost {
                    anchors.push(anchor.to_owned());
                }
                in_pipeline(inside, anchors, stages);
                if !is_outermost {
                    anchors.pop();
                }
            }
            Some((name, options)) => {
                let options = options.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or_default();
                stages.push(Stage::new(name, options.trim(), anchors));
            }
            None if element.trim().is_empty() => {}
            None => stages.push(Stage::new(element.trim(), "", anchors)),
        }
    }
}

/// The parts of a text between separators that stand in no bracket and no quotes.
fn parts(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start, mut depth, mut is_quoted) = (Vec::new(), 0, 0usize, false);
    for (at, c) in text.char_indices() {
        match c {
            '"' | '\'' => is_quoted = !is_quoted,
            '(' | '{' | '[' => depth += 1,
            ')' | '}' | ']' => depth = depth.saturating_sub(1),
            _ if c == separator && depth == 0 && !is_quoted => {
                parts.push(&text[start..at]);
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.retain(|part| !part.is_empty());
    parts
}

fn key(option: &str) -> &str {
    option.split_once('=').map_or(option, |(key, _)| key)
}

#[cfg(test)]
mod tests {
    use super::{Stage, in_pipeline};

    #[test]
    fn pipelines_come_apart_into_their_passes() {
        let mut stages = Vec::new();
        let text = "builtin.module(cse,func.func(canonicalize{top-down=false region-simplify=normal},cse), x{a=1,2})";
        in_pipeline(text, &mut Vec::new(), &mut stages);
        let whole: Vec<_> = stages.iter().map(Stage::whole).collect();
        let expected = [
            "builtin.module(cse)",
            "builtin.module(func.func(canonicalize{top-down=false region-simplify=normal}))",
            "builtin.module(func.func(cse))",
            "builtin.module(x{a=1,2})",
        ];
        assert_eq!(whole, expected);
    }
}
