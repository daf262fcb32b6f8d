//! The example's command line: training that is interrupted and goes on, and what it writes.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// The example, which cargo builds beside the tests of its package, unless `--test` picks one.
fn gpt(out: &Path, arguments: &[&str]) -> Result<Command> {
    let test = std::env::current_exe()?;
    let target = test.ancestors().nth(2).context("a test lies below the target folder")?;
    let mut command = Command::new(target.join("examples/gpt"));
    let small = ["--width", "16", "--layers", "1", "--heads", "2", "--batch", "2", "--context", "8", "--length", "30"];
    command.args(small).args(["--threads", "1", "--out"]).arg(out).args(arguments);
    Ok(command)
}

fn losses(folder: &Path) -> Result<String> {
    std::fs::read_to_string(folder.join("loss.csv")).context("no losses")
}

#[test]
fn interrupted_training_goes_on_to_the_same_losses() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let [whole, parts]: [PathBuf; 2] = ["whole", "parts"].map(|name| folder.path().join(name));
    let steps = ["--steps", "4000"];
    let output = gpt(&whole, &steps)?.output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let picture = std::fs::read_to_string(whole.join("loss.svg"))?;
    ensure!(picture.contains("<polyline"), "the picture has no line");
    let said = String::from_utf8(output.stdout)?;
    let written = said.split_once("ROMEO:\n").context("nothing was written")?.1;
    ensure!(written.chars().count() >= 30, "{written}");

    let mut child = gpt(&parts, &steps)?.stdout(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("a piped stream is there")?).lines();
    // The first line about steps: training is on its way.
    let is_on_its_way = |line: &std::io::Result<String>| line.as_ref().is_ok_and(|line| line.starts_with("step "));
    lines.find(is_on_its_way).context("training did not begin")??;
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT)?;
    let rest = lines.collect::<std::io::Result<Vec<_>>>()?;
    ensure!(child.wait()?.success() && rest.iter().any(|line| line.starts_with("interrupted after")), "{rest:?}");
    let before = losses(&parts)?;
    ensure!(before.lines().count() < 4001, "it was not interrupted");

    // Another number of steps does not count: the checkpoint knows the run.
    let output = gpt(&parts, &["--resume", "--steps", "1"])?.output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    ensure!(losses(&parts)? == losses(&whole)?, "the losses differ");
    Ok(())
}

#[test]
fn losses_that_differ_and_mistakes_are_one_line() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("other.csv");
    std::fs::write(&file, "step,loss\n0,9.5\n")?;
    let file = file.to_str().context("the temporary folder's name is UTF-8")?;
    for (arguments, expected) in [
        (&["--follow", file, "--steps", "2"][..], "error: step 0: the loss is 4.1"),
        (&["--resume"], "checkpoint.safetensors"),
        (&["--prompt", "5"], "error: the text has no character '5'"),
        (&["--width", "15"], "error: a width of 15 does not divide into 2 heads"),
    ] {
        let output = gpt(folder.path(), arguments)?.output()?;
        let stderr = String::from_utf8(output.stderr)?;
        ensure!(output.status.code() == Some(1) && stderr.contains(expected), "{arguments:?}: {stderr}");
        ensure!(stderr.lines().count() == 1, "{stderr}");
    }
    Ok(())
}
