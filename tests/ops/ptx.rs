//! Samples of every op compile for GPUs, to PTX that NVIDIA's assembler accepts for each architecture.

use anyhow::{Result, ensure};
use libtest_mimic::Trial;
use thunder_interface::{Sample, SampleSet};
use thunder_ir::op::OpDef;
use thunder_ir::{Dialect, Module};
use thunder_lowering::cuda::Arch;
use thunder_lowering::{Options, Target, compile};
use thunder_tensor::DType;
use thunder_tests::assembler::assemble;

/// One test for each op and dtype.
pub fn trials(dialect: &'static Dialect, samples: Vec<(&'static OpDef, SampleSet)>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (def, set) in samples {
        let mut dtypes: Vec<DType> = set.samples.iter().flat_map(|sample| sample.dtypes.0).copied().collect();
        dtypes.sort();
        dtypes.dedup();
        for dtype in dtypes {
            let samples: Vec<Sample> =
                set.samples.iter().filter(|sample| sample.dtypes.0.contains(&dtype)).cloned().collect();
            let name = format!("{}::{dtype}::ptx", def.mnemonic());
            trials.push(thunder_conformance::trial(name, move || assemble_all(dialect, &samples, dtype)));
        }
    }
    trials
}

/// Compiles each sample for an architecture, one after the other, and assembles what is of one together.
fn assemble_all(dialect: &'static Dialect, samples: &[Sample], dtype: DType) -> Result<()> {
    let mut all = Arch::ALL.map(|arch| (arch, String::new()));
    for (number, sample) in samples.iter().enumerate() {
        let text = thunder_conformance::sample::text(sample, dtype);
        let (arch, whole) = &mut all[number % Arch::ALL.len()];
        match ptx_of(dialect, &text, *arch) {
            Ok(ptx) => whole.push_str(&one_of_many(&ptx, number, whole.is_empty())),
            // FIXME: a block sorts a row, whose length has to be known.
            Err(error) if format!("{error:#}").contains("has no form on a GPU for rows") => {}
            Err(error) => return Err(error.context(format!("{arch}, in\n{text}"))),
        }
    }
    for (arch, whole) in all.iter().filter(|(_, whole)| !whole.is_empty()) {
        assemble(whole, *arch)?;
    }
    Ok(())
}

/// The PTX of a sample, which may have no kernels.
fn ptx_of(dialect: &'static Dialect, text: &str, arch: Arch) -> Result<String> {
    let context = thunder_conformance::sample::context(&[dialect]);
    let mut module = Module::parse(&context, "sample.mlir", text.as_bytes())?;
    let options = Options { entry: "sample".to_owned(), target: Target::Cuda(arch), ..Options::default() };
    let compiled = compile(&mut module, &options)?;
    let ptx = String::from_utf8(compiled.artifact.code().to_vec())?;
    waits_first(&ptx)?;
    Ok(ptx)
}

/// Kernels that wait for what was started before them touch no memory until then.
fn waits_first(ptx: &str) -> Result<()> {
    for kernel in ptx.split(".visible .entry ").skip(1) {
        let Some(waits) = kernel.find("griddepcontrol.wait;") else { continue };
        let touches =
            ["ld.global", "st.global", "cp.async", "atom.", "red."].iter().filter_map(|name| kernel.find(name)).min();
        let is_first = touches.is_none_or(|touches| waits < touches);
        ensure!(is_first, "a kernel touches memory before it waits:\n{kernel}");
        // The assembler moves what reads constants to where it likes, also to before that: they are tables, which are such.
        let has_tables = ["_table", "thunder_$"].iter().any(|name| kernel.contains(name));
        let is_constant = has_tables || !kernel.contains("ld.global.nc");
        ensure!(is_constant, "a kernel takes for constant what it waits for:\n{kernel}");
    }
    Ok(())
}

/// PTX whose names no other has, with a header if it is the first.
fn one_of_many(ptx: &str, number: usize, is_first: bool) -> String {
    let is_header = |line: &&str| [".version", ".target", ".address_size"].iter().any(|start| line.starts_with(start));
    let lines = ptx.lines().filter(|line| is_first || !is_header(line));
    let named = |line: &str| {
        let line = line.replace("kernel_", &format!("sample{number}_kernel_"));
        line.replace("thunder_$", &format!("sample{number}_thunder_$")) + "\n"
    };
    lines.map(named).collect()
}
