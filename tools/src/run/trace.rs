//! Step times as a Chrome trace, which `chrome://tracing` and Perfetto show.

use std::fmt::Write as _;

use thunder_runtime::session::StepTime;

/// One complete event for each step, on the line of its kind; times are in microseconds.
pub fn chrome(process: &str, steps: &[StepTime]) -> String {
    let mut text = format!(
        "{{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n{{\"ph\":\"M\",\"name\":\"process_name\",\"pid\":1,\"args\":{{\"name\":{process:?}}}}}"
    );
    let kinds = ["kernel", "library", "copy", "loop"];
    for step in steps {
        let line = kinds.iter().position(|kind| *kind == step.kind).unwrap_or(kinds.len());
        let (start, duration) = (step.start.as_secs_f64() * 1e6, step.duration.as_secs_f64() * 1e6);
        // Writing to a string does not fail.
        let _ = write!(
            text,
            ",\n{{\"ph\":\"X\",\"name\":{:?},\"cat\":\"{}\",\"pid\":1,\"tid\":{line},\"ts\":{start:.3},\"dur\":{duration:.3}}}",
            step.name, step.kind
        );
    }
    text.push_str("\n]}\n");
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_step_is_an_event() {
        let micros = Duration::from_micros;
        let step =
            |name: &str, kind, start| StepTime { name: name.into(), kind, start: micros(start), duration: micros(5) };
        let text = chrome("main on \"gpu\"", &[step("kernel_0", "kernel", 0), step("matmul", "library", 5)]);
        let expected = "\
{\"displayTimeUnit\":\"ns\",\"traceEvents\":[
{\"ph\":\"M\",\"name\":\"process_name\",\"pid\":1,\"args\":{\"name\":\"main on \\\"gpu\\\"\"}},
{\"ph\":\"X\",\"name\":\"kernel_0\",\"cat\":\"kernel\",\"pid\":1,\"tid\":0,\"ts\":0.000,\"dur\":5.000},
{\"ph\":\"X\",\"name\":\"matmul\",\"cat\":\"library\",\"pid\":1,\"tid\":1,\"ts\":5.000,\"dur\":5.000}
]}
";
        assert_eq!(text, expected);
    }
}
