//! The other side: a Python process for each peer, which measures itself.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::cases::Case;

/// Threads of a peer may go on spinning for a while after its turn.
const PAUSE: Duration = Duration::from_millis(250);

/// A running peer.
pub(crate) struct Peer {
    name: String,
    child: Child,
    cases: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts the script among `tools/peers` that `script` begins with; its other arguments come last.
    pub(crate) fn start(python: &Path, script: &[&str], name: &str, threads: usize) -> Result<Self> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(script[0]);
        let mut child = Command::new(python)
            .arg(file)
            .args([name, &threads.to_string()])
            .args(&script[1..])
            // Numpy's BLAS would take another processor's kernels.
            .env_remove("OPENBLAS_CORETYPE")
            .env_remove("OPENBLAS_L2_SIZE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot run {}", python.display()))?;
        let cases = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().context("a piped stream is there")?);
        Ok(Self { name: name.to_owned(), child, cases, answers })
    }

    /// The median time of a call; `None` where the peer cannot do the case.
    pub(crate) fn median_us(&mut self, case: &Case, seconds: f64) -> Result<Option<f64>> {
        let cases = self.cases.as_mut().context("the stream is open until the peer is dropped")?;
        writeln!(cases, "{} {} {seconds}", case.name, case.dims())?;
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            bail!("peer '{}' ended early: does this Python have tools/peers/requirements.txt?", self.name);
        }
        std::thread::sleep(PAUSE);
        let answer: Value = serde_json::from_str(&line).with_context(|| format!("peer '{}' said {line}", self.name))?;
        if let Some(error) = answer.get("error") {
            eprintln!("{case}: {} has no time: {error}", self.name);
        }
        Ok(answer.get("us").and_then(Value::as_f64))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.cases.take());
        // It ends with its input; how is of no interest any more.
        _ = self.child.wait();
    }
}
