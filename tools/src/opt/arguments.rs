//! Which arguments are ours, and what is left for upstream's driver.

/// How a list is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Table,
    Json,
}

/// What is asked for instead of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    Help,
    Ops(Format),
    /// As JSON; upstream's `--list-passes` prints the table.
    Passes,
}

/// The command line, parted.
#[derive(Debug)]
pub(super) struct Arguments {
    pub(super) tool: String,
    pub(super) request: Option<Request>,
    pub(super) statistics: Option<Format>,
    /// What upstream's driver gets, the tool's name first.
    pub(super) upstream: Vec<String>,
}

impl Arguments {
    pub(super) fn parse(args: Vec<String>) -> Result<Self, String> {
        let path = args.first().cloned().unwrap_or_default();
        let tool = std::path::Path::new(&path).file_name().map(|name| name.to_string_lossy().into_owned());
        let tool = tool.unwrap_or_else(|| "thunder-opt".to_owned());
        let mut parsed = Self { upstream: vec![tool.clone()], tool, request: None, statistics: None };
        let mut rest = args.into_iter().skip(1);
        for arg in rest.by_ref() {
            if arg == "--" {
                parsed.upstream.push(arg);
                break;
            }
            match split(&arg) {
                Some(("h" | "help", None)) => parsed.request = Some(Request::Help),
                Some(("help-all", None)) => parsed.upstream.push("--help".to_owned()),
                Some(("list-ops", value)) => parsed.request = Some(Request::Ops(format("--list-ops", value)?)),
                Some(("list-passes", Some(value))) => {
                    format("--list-passes", Some(value))?;
                    parsed.request = Some(Request::Passes);
                }
                Some(("thunder-statistics", value)) => {
                    parsed.statistics = Some(format("--thunder-statistics", value)?);
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

fn format(flag: &str, value: Option<&str>) -> Result<Format, String> {
    match value {
        None => Ok(Format::Table),
        Some("json") => Ok(Format::Json),
        Some(other) => Err(format!("'{flag}' prints a table, or with '=json' the same as JSON; found '={other}'")),
    }
}
