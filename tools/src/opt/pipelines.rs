//! Pipelines on the command line are checked before any input is read, so that a wrong name is one clear error.

use thunder_ir::tools;

use super::arguments::split;
use super::suggestion::did_you_mean;

/// Checks `--pass-pipeline=TEXT` and `--PASS=OPTIONS` among arguments that LLVM accepts.
pub(super) fn check(arguments: &[String]) -> Result<(), String> {
    let mut rest = arguments.iter().skip(1).take_while(|arg| *arg != "--");
    while let Some(arg) = rest.next() {
        match split(arg) {
            Some(("pass-pipeline", value)) => {
                let Some(pipeline) = value.or_else(|| rest.next().map(String::as_str)) else { continue };
                tools::check_pipeline(pipeline).map_err(|words| explain(&words, &arguments[0]))?;
            }
            Some((pass, Some(options))) if tools::pass_options(pass).is_some() => {
                let pipeline = format!("any({pass}{{{options}}})");
                tools::check_pipeline(&pipeline).map_err(|words| explain(&words, &arguments[0]))?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// MLIR's words about a pipeline, with the name that was meant.
fn explain(words: &str, tool: &str) -> String {
    if let Some((before, _)) = words.split_once("' does not refer to a registered pass") {
        let name = before.rsplit('\'').next().unwrap_or_default();
        let flags = tools::flags();
        let passes = flags.iter().map(|flag| flag.name.as_str()).filter(|name| tools::pass_options(name).is_some());
        let suggestion = did_you_mean(name, passes, "").unwrap_or_else(|| format!("'{tool} --list-passes' prints all"));
        return format!("no pass or pipeline is called '{name}'; {suggestion}");
    }
    if let Some((_, option)) = words.split_once("no such option ")
        && let Some((_, rest)) = words.split_once("failed to add `")
    {
        let option = option.split_whitespace().next().unwrap_or_default();
        let pass = rest.split('`').next().unwrap_or_default();
        let options = tools::pass_options(pass).unwrap_or_default();
        let names = || options.iter().map(|option| option.name.as_str());
        let suggestion = did_you_mean(option, names(), "").unwrap_or_else(|| match options.as_slice() {
            [] => "it has none".to_owned(),
            _ => format!("it has {}", names().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ")),
        });
        return format!("pass '{pass}' has no option '{option}'; {suggestion}");
    }
    words.replace("MLIR Textual PassPipeline Parser", "pipeline").trim().to_owned()
}
