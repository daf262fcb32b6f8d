//! Kernels that models spend their time in keep what they compute in registers, on each architecture: NVIDIA's assembler
//! spills nothing to memory, forward and with gradients.

use anyhow::{Result, ensure};
use thunder_conformance::sample::context;
use thunder_ir::Module;
use thunder_lowering::cuda::Arch;
use thunder_lowering::{Options, Target, compile};
use thunder_passes::autodiff::{Mode, differentiate};
use thunder_tests::assembler;

/// Rows of matrices.
const ROWS: usize = 8192;
/// Their columns: few, as many as two blocks of a multiprocessor share it for, and as many as one fills it for.
const COLUMNS: [usize; 3] = [2048, 4096, 8192];

/// That a kernel of matrices `$T`, with their columns in `$N`, spills nothing: its inputs, what it computes, and the types and
/// names of its results.
fn holds(inputs: &str, body: &str, [types, results]: [&str; 2]) -> Result<()> {
    let text = format!("func.func @main({inputs}) -> ({types}) {{\n  {body}\n  return {results} : {types}\n}}");
    for columns in COLUMNS {
        let matrix = |element: &str| format!("tensor<{ROWS}x{columns}x{element}>");
        let names = [
            ("$T", matrix("bf16")),
            ("$L", matrix("i64")),
            ("$W", matrix("i32")),
            ("$B", matrix("i1")),
            ("$R", format!("tensor<{columns}xbf16>")),
            ("$M", format!("tensor<{ROWS}xi64>")),
            ("$S", format!("tensor<{ROWS}xbf16>")),
            ("$N", columns.to_string()),
        ];
        let text = names.iter().fold(text.clone(), |text, (name, meant)| text.replace(name, meant));
        for (arch, entry) in Arch::ALL.into_iter().flat_map(|arch| ["main", "main_vjp"].map(|entry| (arch, entry))) {
            let said = assembled(&text, entry, arch)?;
            let spills: Vec<_> = said.lines().filter(|line| line.contains("spill")).collect();
            ensure!(!spills.is_empty(), "the assembler tells of no spills:\n{said}");
            let none = |line: &&str| line.contains(" 0 bytes spill stores, 0 bytes spill loads");
            ensure!(spills.iter().all(none), "{entry} spills on {arch}:\n{said}\n{text}");
        }
    }
    Ok(())
}

/// What the assembler says of a function's kernels.
fn assembled(text: &str, entry: &str, arch: Arch) -> Result<String> {
    let context = context(&[]);
    let mut module = Module::parse(&context, "main.mlir", text.as_bytes())?;
    if entry != "main" {
        differentiate(module.operation(), "main", Mode::Vjp, &[])?;
    }
    let options = Options { entry: entry.to_owned(), target: Target::Cuda(arch), ..Options::default() };
    let compiled = compile(&mut module, &options)?;
    assembler::assemble(std::str::from_utf8(compiled.artifact.code())?, arch)
}

#[test]
fn bias_and_gelu_spill_nothing() -> Result<()> {
    holds(
        "%x: $T, %b: $R",
        "%r = thunder.broadcast_in_dim %b, [] dims = [1] : $R -> $T
  %s = thunder.add %x, %r : $T
  %y = thunder.gelu %s approximate = tanh : $T",
        ["$T", "%y"],
    )
}

#[test]
fn norms_spill_nothing() -> Result<()> {
    holds("%x: $T, %w: $R", "%y = thunder.rms_norm %x weight(%w) eps = 1.0e-5 : ($T, $R) -> $T", ["$T", "%y"])?;
    holds(
        "%x: $T, %w: $R, %b: $R",
        "%y = thunder.layer_norm %x weight(%w) bias(%b) eps = 1.0e-5 : ($T, $R, $R) -> $T",
        ["$T", "%y"],
    )
}

#[test]
fn norms_of_sums_spill_nothing() -> Result<()> {
    holds(
        "%x: $T, %z: $T, %w: $R",
        "%s = thunder.add %x, %z : $T
  %y = thunder.rms_norm %s weight(%w) eps = 1.0e-5 : ($T, $R) -> $T",
        ["$T, $T", "%s, %y"],
    )
}

#[test]
fn norms_of_sums_with_dropout_spill_nothing() -> Result<()> {
    holds(
        "%x: $T, %z: $T, %w: $R, %seed: tensor<i64>",
        "%i = thunder.iota axis = 0 : $L
  %j = thunder.iota axis = 1 : $L
  %c = thunder.full [] value = $N : i64 : $L
  %l = thunder.full [] value = -1717986919 : i32 : $W
  %h = thunder.full [] value = 1.109375 : bf16 : $T
  %o = thunder.full [] value = 0.0 : bf16 : $T
  %m = thunder.mul %i, %c : $L
  %n = thunder.add %m, %j : $L
  %k = thunder.broadcast_in_dim %seed, [] dims = [] : tensor<i64> -> $L
  %r = thunder.philox_word %n, %k : ($L, $L) -> $W
  %e = thunder.ge %r, %l : ($W, $W) -> $B
  %a = thunder.mul %x, %h : $T
  %d = thunder.where %e, %a, %o : ($B, $T, $T) -> $T
  %s = thunder.add %z, %d : $T
  %y = thunder.rms_norm %s weight(%w) eps = 1.0e-5 : ($T, $R) -> $T",
        ["$T, $T", "%s, %y"],
    )
}

#[test]
fn softmax_spills_nothing() -> Result<()> {
    holds("%x: $T", "%y = thunder.softmax %x axis = 1 : $T", ["$T", "%y"])
}

#[test]
fn cross_entropy_spills_nothing() -> Result<()> {
    holds("%x: $T, %t: $M", "%y = thunder.cross_entropy %x, %t : ($T, $M) -> $S", ["$S", "%y"])
}

#[test]
fn gates_spill_nothing() -> Result<()> {
    holds(
        "%x: $T, %z: $T",
        "%s = thunder.silu %x : $T
  %y = thunder.mul %s, %z : $T",
        ["$T", "%y"],
    )
}
