//! Models of JAX, imported from StableHLO: that they compute what JAX does, from text and bytecode, by reference and as machine
//! code.
//!
//! `tests/goldens/stablehlo.py` writes the modules and, in float64, what comes out of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use libtest_mimic::{Arguments, Trial};
use thunder_import::Model;
use thunder_interface::interpret;
use thunder_ir::Module;
use thunder_runtime::session::Options;
use thunder_tensor::{SafeTensors, Tensor};
use thunder_tests::golden::{NamedOutputs, close, output_names};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/goldens/stablehlo");

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut modules: Vec<PathBuf> = std::fs::read_dir(FOLDER)
        .expect("the folder is part of the repository")
        .map(|entry| entry.expect("it can be listed").path())
        .filter(|path| path.extension().is_some_and(|e| e == "mlir"))
        .collect();
    modules.sort();
    assert!(!modules.is_empty(), "there are no modules to import");
    let runs: [(&str, Run); 2] = [("reference", reference), ("jit", jit)];
    let mut trials = Vec::new();
    for path in modules {
        let title = path.file_stem().unwrap_or_default().display().to_string();
        for (name, run) in runs {
            let path = path.clone();
            trials.push(Trial::test(format!("{title}::{name}"), move || {
                check(&path, run).map_err(|error| format!("{error:#}").into())
            }));
        }
        trials.push(Trial::test(format!("{title}::bytecode"), move || {
            same(&path).map_err(|error| format!("{error:#}").into())
        }));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

type Run = fn(&Module<'_>, &[Tensor]) -> Result<NamedOutputs>;

fn check(path: &Path, run: Run) -> Result<()> {
    let golden = SafeTensors::open(path.with_extension("safetensors"))?;
    let context = thunder_lowering::context();
    let module = Model::open(path)?.module(&context)?;
    for prefix in ["", "again."] {
        let inputs: Vec<Tensor> = (0..)
            .map(|number| format!("{prefix}input.{number}"))
            .take_while(|name| golden.contains(name))
            .map(|name| golden.tensor(&name))
            .collect::<Result<_, _>>()?;
        if inputs.is_empty() {
            continue;
        }
        let outputs = run(&module, &inputs)?;
        for (name, actual) in &outputs {
            let expected = golden.tensor(&format!("{prefix}output.{name}"))?;
            let error: f64 = golden.tensor(&format!("{prefix}error.{name}"))?.item()?;
            close(actual, &expected, error).with_context(|| format!("{prefix}output '{name}'"))?;
        }
        let count = golden.names().iter().filter(|name| name.starts_with(&format!("{prefix}output."))).count();
        ensure!(count == outputs.len(), "there are {} outputs, not {count}", outputs.len());
    }
    Ok(())
}

/// That bytecode is read as text is.
fn same(path: &Path) -> Result<()> {
    let context = thunder_lowering::context();
    let text = Model::open(path)?.module(&context)?;
    let bytecode = Model::open(path.with_extension("mlirbc"))?.module(&context)?;
    ensure!(text.operation().to_text(false, false) == bytecode.operation().to_text(false, false), "bytecode differs");
    Ok(())
}

fn reference(module: &Module<'_>, inputs: &[Tensor]) -> Result<NamedOutputs> {
    let results = interpret(module.operation(), "main", inputs)?;
    Ok(output_names(module)?.into_iter().zip(results).collect())
}

fn jit(module: &Module<'_>, inputs: &[Tensor]) -> Result<NamedOutputs> {
    let compiled = thunder_lowering::compile_jit(&mut module.duplicate(), &Default::default())?;
    let session = compiled.session(&BTreeMap::new(), Options::with_threads(2))?;
    let results = session.run(inputs)?;
    Ok(session.program().outputs.iter().map(|port| port.name.clone()).zip(results).collect())
}
