//! What the compiler makes of small programs, phase by phase: a change of the IR is a change of these files.
//!
//! A program is `snapshots/NAME.mlir`; beside it stand the module after each phase whose IR people read, and the steps of
//! the runtime's program. `INSTA_UPDATE=always cargo nextest run -p thunder-tests --test snapshots` accepts changes,
//! `cargo insta review` asks about each.

use std::path::Path;

use anyhow::{Context as _, Result};
use thunder_conformance::sample;
use thunder_ir::Module;
use thunder_lowering::{Compiled, Options, Phase, compile, compile_to};
use thunder_models::bert::BertConfig;
use thunder_models::minilm::{CONFIG, trace};
use thunder_runtime::program::{Access, KernelId, Program, Step};

/// Phases with IR of a size that people read; what follows is LLVM's.
const SHOWN: [Phase; 3] = [Phase::Functional, Phase::Planned, Phase::Tensors];

fn source(name: &str) -> Result<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("snapshots/{name}.mlir"));
    std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
}

fn compiled(name: &str, source: &str) -> Result<Compiled> {
    let context = sample::context(&[]);
    let mut module = Module::parse(&context, name, source.as_bytes())?;
    Ok(compile(&mut module, &Options::default())?)
}

fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings
}

fn check(name: &str) -> Result<()> {
    let source = source(name)?;
    for phase in SHOWN {
        let context = sample::context(&[]);
        let mut module = Module::parse(&context, name, source.as_bytes())?;
        compile_to(&mut module, phase, &Options { verify: true, ..Options::default() })?;
        settings().bind(|| insta::assert_snapshot!(format!("{name}-{}", phase.name()), module.to_string()));
    }
    let artifact = compiled(name, &source)?.artifact;
    let program = artifact.program();
    let steps: Vec<_> = program.steps.iter().map(|step| line(program, step)).collect();
    settings().bind(|| insta::assert_snapshot!(format!("{name}-steps"), steps.join("\n")));
    // Same module, same options: same bytes.
    let again = compiled(name, &source)?.artifact;
    assert_eq!(artifact.to_bytes(), again.to_bytes(), "two compilations of {name} differ");
    Ok(())
}

/// MiniLM of two layers, traced from Rust: the second layer's steps are those of the first, on its own weights.
#[test]
fn minilm() -> Result<()> {
    let context = sample::context(&[]);
    let config = BertConfig { layers: 2, vocabulary: 64, ..CONFIG };
    let mut module = trace(&context, &config)?;
    let artifact = compile(&mut module, &Options::default())?.artifact;
    let program = artifact.program();
    let steps: Vec<_> = program.steps.iter().map(|step| line(program, step)).collect();
    settings().bind(|| insta::assert_snapshot!("minilm-steps", steps.join("\n")));
    Ok(())
}

/// `kernel_0: Input(0) -> Buffer(1)`, `matmul, kernel_0: ...` for a product with an epilogue.
fn line(program: &Program, step: &Step) -> String {
    let kernel = |id: KernelId| program.kernels[id.0 as usize].as_str();
    let (name, args) = match step {
        Step::Launch(launch) => (kernel(launch.kernel).to_owned(), launch.args.as_slice()),
        Step::Call(call) => {
            let kernel =
                call.op.epilogue().map_or_else(String::new, |epilogue| format!(", {}", kernel(epilogue.kernel)));
            (format!("{}{kernel}", call.op.name()), call.args.as_slice())
        }
        Step::While(rounds) => ("while".to_owned(), rounds.args.as_slice()),
        Step::Copy { .. } => return format!("{step:?}"),
    };
    let roots = |is_read: bool| {
        let places = args.iter().filter(|arg| (arg.access == Access::Read) == is_read);
        places.map(|arg| format!("{:?}", arg.place.root)).collect::<Vec<_>>().join(", ")
    };
    format!("{name}: {} -> {}", roots(true), roots(false))
}

#[test]
fn mlp() -> Result<()> {
    check("mlp")
}

#[test]
fn attention() -> Result<()> {
    check("attention")
}

#[test]
fn norm() -> Result<()> {
    check("norm")
}
