//! Which arguments are ours, and what is left for upstream's driver.

use std::path::PathBuf;

/// Where `--check-equivalence` writes unless it is told.
const REPRODUCER: &str = "equivalence-reproducer.mlir";

/// How numbers are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Table,
    Json,
}

/// How a list is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    Table,
    Json,
    Markdown,
}

/// What is asked for instead of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    Help,
    Ops(List),
    /// Not as a table, which upstream's `--list-passes` prints.
    Passes(List),
}

/// The command line, parted.
#[derive(Debug)]
pub(super) struct Arguments {
    pub(super) tool: String,
    pub(super) request: Option<Request>,
    pub(super) statistics: Option<Format>,
    /// Whether passes are checked, and where the program goes that shows one to be wrong.
    pub(super) equivalence: Option<PathBuf>,
    /// What upstream's driver gets, the tool's name first.
    pub(super) upstream: Vec<String>,
}

impl Arguments {
    pub(super) fn parse(args: Vec<String>) -> Result<Self, String> {
        let path = args.first().cloned().unwrap_or_default();
        let tool = std::path::Path::new(&path).file_name().map(|name| name.to_string_lossy().into_owned());
        let tool = tool.unwrap_or_else(|| "thunder-opt".to_owned());
        let mut parsed =
            Self { upstream: vec![tool.clone()], tool, request: None, statistics: None, equivalence: None };
        let mut rest = args.into_iter().skip(1);
        for arg in rest.by_ref() {
            if arg == "--" {
                parsed.upstream.push(arg);
                break;
            }
            match split(&arg) {
                Some(("h" | "help", None)) => parsed.request = Some(Request::Help),
                Some(("help-all", None)) => parsed.upstream.push("--help".to_owned()),
                Some(("list-ops", value)) => parsed.request = Some(Request::Ops(list_format("--list-ops", value)?)),
                Some(("list-passes", Some(value))) => {
                    parsed.request = Some(Request::Passes(list_format("--list-passes", Some(value))?));
                }
                Some(("thunder-statistics", value)) => parsed.statistics = Some(statistics_format(value)?),
                Some(("check-equivalence", path)) => {
                    parsed.equivalence = Some(PathBuf::from(path.unwrap_or(REPRODUCER)));
                }
                _ => parsed.upstream.push(arg),
            }
        }
        parsed.upstream.extend(rest);
        if parsed.request.is_some() {
            // What else stands there is not run: it must not be judged, and upstream must not act on it.
            parsed.upstream.truncate(1);
        }
        Ok(parsed)
    }
}

/// Name and value of `--name=value`; one dash does as well, as everywhere in LLVM.
pub(super) fn split(arg: &str) -> Option<(&str, Option<&str>)> {
    let flag = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-')).filter(|flag| !flag.is_empty())?;
    Some(flag.split_once('=').map_or((flag, None), |(name, value)| (name, Some(value))))
}

fn list_format(flag: &str, value: Option<&str>) -> Result<List, String> {
    match value {
        None => Ok(List::Table),
        Some("json") => Ok(List::Json),
        Some("markdown") => Ok(List::Markdown),
        Some(other) => {
            let forms = "a table, or with '=json' or '=markdown' the same in that form";
            Err(format!("'{flag}' prints {forms}; found '={other}'"))
        }
    }
}

fn statistics_format(value: Option<&str>) -> Result<Format, String> {
    match value {
        None => Ok(Format::Table),
        Some("json") => Ok(Format::Json),
        Some(other) => Err(format!("'--thunder-statistics' prints a table, or JSON with '=json'; found '={other}'")),
    }
}
