//! Kernels that models spend their time in keep what they compute in registers, on each architecture: NVIDIA's assembler
//! spills nothing to memory, forward and with gradients.

use std::fmt::Write as _;

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

/// A kernel of matrices `$T`, with their columns in `$N`: its inputs, what it computes and its results, of these types.
struct Kernel {
    inputs: &'static str,
    body: &'static str,
    results: [&'static str; 2],
}

fn holds(kernel: &Kernel) -> Result<()> {
    for columns in COLUMNS {
        for arch in Arch::ALL {
            for entry in ["main", "main_vjp"] {
                let said = assembled(&kernel.text(columns), entry, arch)?;
                let mut spills = said.lines().filter(|line| line.contains("spill"));
                ensure!(spills.clone().count() > 0, "the assembler tells of no spills:\n{said}");
                let none = |line: &str| line.contains(" 0 bytes spill stores, 0 bytes spill loads");
                ensure!(spills.all(none), "{entry} of {columns} columns spills on {arch}:\n{said}\n{}", kernel.body);
            }
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

impl Kernel {
    fn text(&self, columns: usize) -> String {
        let mut text = String::new();
        let (types, values) = (self.results[0], self.results[1]);
        let _ = write!(
            text,
            "func.func @main({}) -> ({types}) {{\n{}\nreturn {values} : {types}\n}}",
            self.inputs, self.body
        );
        let of = |element: &str| format!("tensor<{ROWS}x{columns}x{element}>");
        let row = format!("tensor<{columns}xbf16>");
        let names = [("$T", of("bf16")), ("$L", of("i64")), ("$W", of("i32")), ("$B", of("i1")), ("$R", row)];
        let named = names.iter().fold(text, |text, (name, ty)| text.replace(name, ty));
        named
            .replace("$M", &format!("tensor<{ROWS}xi64>"))
            .replace("$S", &format!("tensor<{ROWS}xbf16>"))
            .replace("$N", &columns.to_string())
    }
}

#[test]
fn bias_and_gelu_spill_nothing() -> Result<()> {
    holds(&Kernel {
        inputs: "%x: $T, %b: $R",
        body: "%r = thunder.broadcast_in_dim %b, [] dims = [1] : $R -> $T
  %s = thunder.add %x, %r : $T
  %y = thunder.gelu %s approximate = tanh : $T",
        results: ["$T", "%y"],
    })
}

#[test]
fn norms_spill_nothing() -> Result<()> {
    holds(&Kernel {
        inputs: "%x: $T, %w: $R",
        body: "%y = thunder.rms_norm %x weight(%w) eps = 1.0e-5 : ($T, $R) -> $T",
        results: ["$T", "%y"],
    })?;
    holds(&Kernel {
        inputs: "%x: $T, %w: $R, %b: $R",
        body: "%y = thunder.layer_norm %x weight(%w) bias(%b) eps = 1.0e-5 : ($T, $R, $R) -> $T",
        results: ["$T", "%y"],
    })
}

#[test]
fn norms_of_sums_spill_nothing() -> Result<()> {
    holds(&Kernel {
        inputs: "%x: $T, %z: $T, %w: $R",
        body: "%s = thunder.add %x, %z : $T
  %y = thunder.rms_norm %s weight(%w) eps = 1.0e-5 : ($T, $R) -> $T",
        results: ["$T, $T", "%s, %y"],
    })
}

#[test]
fn norms_of_sums_with_dropout_spill_nothing() -> Result<()> {
    holds(&Kernel {
        inputs: "%x: $T, %z: $T, %w: $R, %seed: tensor<i64>",
        body: "%i = thunder.iota axis = 0 : $L
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
        results: ["$T, $T", "%s, %y"],
    })
}

#[test]
fn softmax_spills_nothing() -> Result<()> {
    holds(&Kernel { inputs: "%x: $T", body: "%y = thunder.softmax %x axis = 1 : $T", results: ["$T", "%y"] })
}

#[test]
fn cross_entropy_spills_nothing() -> Result<()> {
    holds(&Kernel {
        inputs: "%x: $T, %t: $M",
        body: "%y = thunder.cross_entropy %x, %t : ($T, $M) -> $S",
        results: ["$S", "%y"],
    })
}

#[test]
fn gates_spill_nothing() -> Result<()> {
    holds(&Kernel {
        inputs: "%x: $T, %z: $T",
        body: "%s = thunder.silu %x : $T
  %y = thunder.mul %s, %z : $T",
        results: ["$T", "%y"],
    })
}
