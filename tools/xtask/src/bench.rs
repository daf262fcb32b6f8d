//! The benchmarks, on a set-up machine.

use std::path::Path;

use anyhow::Context as _;

use crate::{process, setup};

/// Sets up, then runs `cargo bench`; `arguments` choose among the benchmarks. `peers` as the first sets up what ours is
/// compared with, and passes the others on to that benchmark; `gpu FOLDER` prepares what a machine with a GPU measures.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    setup::for_builds()?;
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.split_first() {
        Some((&"peers", arguments)) => peers(arguments),
        Some((&"gpu", arguments)) => gpu(arguments),
        _ => process::run(&process::cargo(), &[&["bench", "--workspace", "--benches"], arguments.as_slice()].concat()),
    }
}

fn peers(arguments: &[&str]) -> anyhow::Result<()> {
    let python = setup::for_peers()?;
    // Cargo runs benchmarks in their package's folder.
    let absolute = |path: &Path| std::path::absolute(path).map(|path| path.to_string_lossy().into_owned());
    let (python, model) = (absolute(&python)?, absolute(Path::new(setup::MODEL))?);
    let bench = ["bench", "--package", "thunder-tools", "--bench", "peers", "--"];
    let ours = ["--python", &python, "--minilm", &model];
    process::run(&process::cargo(), &[bench.as_slice(), &ours, arguments].concat())
        .context("the comparison did not finish")
}

/// Puts into a folder what the comparison on a GPU needs: artifacts, the runtime and the script.
fn gpu(arguments: &[&str]) -> anyhow::Result<()> {
    let (folder, arguments) =
        arguments.split_first().context("say where to: cargo xtask bench gpu FOLDER [--only CASES]")?;
    let build = ["build", "--release", "--package", "thunder-tools", "--bin"];
    process::run(&process::cargo(), &[build.as_slice(), &["thunder-compile"]].concat())?;
    process::run(&process::cargo(), &[build.as_slice(), &["thunder-run", "--no-default-features"]].concat())?;
    let cases = format!("{folder}/cases");
    let compiler = process::released("thunder-compile").to_string_lossy().into_owned();
    let prepare = ["tools/peers/gpu.py", "prepare", &cases, "--thunder-compile", &compiler];
    process::run("python3", &[prepare.as_slice(), arguments].concat())?;
    for file in [process::released("thunder-run"), "tools/peers/gpu.py".into(), "tools/peers/gpu_cases.py".into()] {
        let (name, shown) = (file.file_name().context("a file has a name")?, file.display());
        std::fs::copy(&file, Path::new(folder).join(name))
            .with_context(|| format!("copying '{shown}' to '{folder}'"))?;
    }
    println!("Where the GPU is, in '{folder}': python3 gpu.py measure cases --thunder-run ./thunder-run");
    Ok(())
}
