//! Operations of PyTorch by its own table of tests: that `tests/CONFORMANCE.md` says what is so.
//!
//! With `--report [FOLDER] [OP...]` it prints the table, with `--gpu FOLDER [OP...]` it writes the samples as programs of a
//! GPU, and with `--gpu-results FOLDER [OP...]` it says what came of these; `cargo xtask conformance` does so, and writes
//! the table.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use libtest_mimic::{Arguments, Trial};
use thunder_tests::op_db::gpu::{self, Kind};
use thunder_tests::op_db::run::{self, Code, Outcomes, Verdict};
use thunder_tests::op_db::samples::{Operation, files};
use thunder_tests::op_db::table;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/goldens/op_db");
const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/CONFORMANCE.md");
/// How long an operation may take.
const PATIENCE: Duration = Duration::from_secs(600);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--report", ref names @ ..] => report(names),
        ["--row", path, "--all-code"] => row(Path::new(path), Code::All),
        ["--row", path, "--some-code"] => row(Path::new(path), Code::Some),
        ["--gpu", folder, ref names @ ..] => write_for_gpu(Path::new(folder), names),
        ["--gpu-row", path, folder] => write_row_for_gpu(Path::new(path), Path::new(folder)),
        ["--gpu-results", folder, ref names @ ..] => check_gpu(Path::new(folder), names),
        ["--gpu-results-row", path, folder] => check_gpu_row(Path::new(path), Path::new(folder)),
        _ => return tests(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn tests() -> ExitCode {
    let files = files(Path::new(FOLDER)).expect("the folder is part of the repository");
    let mut trials = vec![Trial::test("the_table_is_whole", || whole().map_err(|error| format!("{error:#}").into()))];
    for path in files {
        let title = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        trials.push(Trial::test(title, move || fresh(&path).map_err(|error| format!("{error:#}").into())));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Checks that a row says what is so.
fn fresh(path: &Path) -> Result<()> {
    let operation = Operation::open(path)?;
    let document = std::fs::read_to_string(TABLE)?;
    let found = document.lines().find(|line| line.starts_with(&format!("| `{}` |", operation.name)));
    let outcomes = run::all(&operation, Code::Some);
    let row = table::row(&operation, &outcomes);
    ensure!(
        found == Some(row.as_str()),
        "tests/CONFORMANCE.md is stale: `cargo xtask conformance` rewrites it\n  found:    {}\n  expected: {row}\n{}",
        found.unwrap_or("nothing"),
        failures(&operation, &outcomes)
    );
    Ok(())
}

/// Checks that there is a row for each operation, that each says why not all of it passes, and that the sums are theirs.
fn whole() -> Result<()> {
    let document = std::fs::read_to_string(TABLE)?;
    let rows = table::rows(&document);
    let count = files(Path::new(FOLDER))?.len();
    ensure!(
        rows.len() == count,
        "there are {count} operations, but {} rows: run `cargo xtask conformance`",
        rows.len()
    );
    let unexplained = table::unexplained(&rows);
    ensure!(unexplained.is_empty(), "tests/src/op_db/claims.rs has no reason for these: {unexplained:#?}");
    ensure!(table::document(&rows) == document, "the sums are not those of the rows: run `cargo xtask conformance`");
    Ok(())
}

/// What fails, with the values.
fn failures(operation: &Operation, outcomes: &Outcomes) -> String {
    let mut lines = String::new();
    for (number, outcome) in &outcomes.samples {
        for (kind, verdict) in [("", Some(&outcome.forward)), ("gradient: ", outcome.gradient.as_ref())] {
            let text = match verdict {
                None | Some(Verdict::Passed) => continue,
                Some(Verdict::Unsupported(what)) => format!("not supported: {what}"),
                Some(Verdict::Failed(what, values)) => format!("{what}: {values}"),
            };
            let dtype = &operation.samples[*number].dtype;
            lines += &format!("  {}.{number} {dtype} {kind}{text}\n", operation.name);
        }
    }
    for (number, verdict) in outcomes.refused.iter().enumerate().filter(|(_, verdict)| **verdict != Verdict::Passed) {
        lines += &format!("  {}: call {number} that PyTorch refuses: {verdict:?}\n", operation.name);
    }
    lines
}

/// Prints the row of a file, and to the standard error what fails.
fn row(path: &Path, code: Code) -> Result<()> {
    // Panics are verdicts.
    std::panic::set_hook(Box::new(|_| {}));
    let operation = Operation::open(path)?;
    let outcomes = run::all(&operation, code);
    println!("{}", table::row(&operation, &outcomes));
    eprint!("{}", failures(&operation, &outcomes));
    Ok(())
}

/// Prints the table of a folder, of which all samples become machine code; that of the repository is written, unless only
/// some operations are asked for.
fn report(arguments: &[&str]) -> Result<()> {
    let (folder, names) = match arguments {
        [folder, names @ ..] if folder.contains('/') => (Path::new(*folder), names),
        names => (Path::new(FOLDER), names),
    };
    let code = if folder == Path::new(FOLDER) { "--some-code" } else { "--all-code" };
    let rows = each(&chosen(folder, names)?, &|path| {
        apart(&["--row".as_ref(), path.as_os_str(), code.as_ref()]).unwrap_or_else(|error| {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            eprintln!("{name}: {error:#}");
            format!("| `{name}` |{}the process ended: {error} |", " |".repeat(table::DTYPES.len() + 3))
        })
    });
    let document = table::document(&rows);
    print!("{document}");
    if names.is_empty() && folder == Path::new(FOLDER) {
        std::fs::write(TABLE, document).context("cannot write tests/CONFORMANCE.md")?;
    }
    Ok(())
}

/// Writes the samples as programs of a GPU.
fn write_for_gpu(folder: &Path, names: &[&str]) -> Result<()> {
    std::fs::create_dir_all(programs(folder))?;
    let written = each(&chosen(Path::new(FOLDER), names)?, &|path| {
        let arguments = ["--gpu-row".as_ref(), path.as_os_str(), folder.as_os_str()];
        apart(&arguments).with_context(|| path.display().to_string())
    });
    let broken: Vec<String> = written.into_iter().filter_map(|row| row.err()).map(|e| format!("{e:#}")).collect();
    ensure!(broken.is_empty(), "{}", broken.join("\n"));
    Ok(())
}

fn write_row_for_gpu(path: &Path, folder: &Path) -> Result<()> {
    let target = "cuda:sm_90a".parse().map_err(anyhow::Error::msg)?;
    gpu::write(&Operation::open(path)?, &target, &programs(folder))
}

/// Prints what did not come out right of the programs of a GPU, and how many did.
fn check_gpu(folder: &Path, names: &[&str]) -> Result<()> {
    let rows = each(&chosen(Path::new(FOLDER), names)?, &|path| {
        let arguments = ["--gpu-results-row".as_ref(), path.as_os_str(), folder.as_os_str()];
        apart(&arguments).with_context(|| path.display().to_string())
    });
    let mut sums = [[0; 3]; 2];
    for row in rows {
        let row = row?;
        let (counts, failures) = row.split_once('\n').unwrap_or((&row, ""));
        let counts: Vec<usize> = counts.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        ensure!(counts.len() == 6, "a row has six counts");
        sums.as_flattened_mut().iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        if !failures.is_empty() {
            println!("{failures}");
        }
    }
    for ([passed, alike, all], what) in sums.into_iter().zip(["samples", "gradients"]) {
        let others = all - passed - alike;
        println!(
            "Of {all} {what} {passed} agree on the GPU, {alike} differ as the reference does, and {others} otherwise."
        );
    }
    Ok(())
}

/// How many of an operation's results agree, how many differ as the reference does, of how many, and of its gradients; then
/// what does not agree.
fn check_gpu_row(path: &Path, folder: &Path) -> Result<()> {
    let operation = Operation::open(path)?;
    let verdicts = gpu::check(&operation, &programs(folder), &folder.join("results"))?;
    let counts = Kind::ALL.map(|kind| {
        let of = verdicts.iter().filter(|(_, other, _)| *other == kind);
        let is_alike =
            |verdict: &Verdict| matches!(verdict, Verdict::Failed(step, _) if step == run::REFERENCE_DIFFERS);
        let passed = of.clone().filter(|(.., verdict)| *verdict == Verdict::Passed).count();
        [passed, of.clone().filter(|(.., verdict)| is_alike(verdict)).count(), of.count()]
    });
    println!("{}", counts.as_flattened().iter().map(usize::to_string).collect::<Vec<_>>().join(" "));
    for (number, kind, verdict) in verdicts.iter().filter(|(.., verdict)| *verdict != Verdict::Passed) {
        let dtype = &operation.samples[*number].dtype;
        println!("{}.{number} {dtype} {kind:?}: {verdict:?}", operation.name);
    }
    Ok(())
}

fn programs(folder: &Path) -> PathBuf {
    folder.join("programs")
}

/// The files of a folder, of those operations if some are named.
fn chosen(folder: &Path, names: &[&str]) -> Result<Vec<PathBuf>> {
    let mut paths = files(folder)?;
    paths
        .retain(|path| names.is_empty() || names.iter().any(|name| path.file_stem().is_some_and(|stem| stem == *name)));
    ensure!(!paths.is_empty(), "no operations named {names:?} in {}", folder.display());
    Ok(paths)
}

/// Does something for each path on all threads; what it gives, in the order of the paths.
fn each<T: Send>(paths: &[PathBuf], one: &(dyn Fn(&Path) -> T + Sync)) -> Vec<T> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = one(path);
                    done.lock().expect("no thread panics with the results").insert(path, result);
                }
            });
        }
    });
    done.into_inner().expect("all threads have ended").into_values().collect()
}

/// What this program prints with other arguments, in a process of its own, whose end is not ours.
fn apart(arguments: &[&OsStr]) -> Result<String> {
    let this = std::env::current_exe()?;
    let mut child = Command::new(this).args(arguments).stdout(Stdio::piped()).spawn()?;
    let start = Instant::now();
    let status = loop {
        match child.try_wait()? {
            Some(status) => break status,
            None if start.elapsed() > PATIENCE => {
                child.kill()?;
                bail!("it takes longer than {} s", PATIENCE.as_secs());
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    ensure!(status.success(), "{status}");
    let output = child.wait_with_output()?;
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}
