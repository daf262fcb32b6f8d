//! Gradients beyond those of single ops: beside PyTorch's, of random programs, split, and compiled.

#[path = "gradients/autocast.rs"]
mod autocast;
#[path = "gradients/remat.rs"]
mod remat;

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use thunder_conformance::executor::{Artifact, Executor, Reference};
use thunder_conformance::gradient::derivatives;
use thunder_conformance::sample::context;
use thunder_interface::interpret;
use thunder_ir::{Module, Operation};
use thunder_passes::autodiff::{Mode, differentiate, vjp};
use thunder_passes::split_joint::split;
use thunder_tensor::{DType, Random, SafeTensors, Tensor, Tolerance, compare};
use thunder_tests::program::{Program, for_programs};

/// The functions of gradients.mlir with what PyTorch says of their gradients.
struct Goldens {
    text: String,
    tensors: SafeTensors,
}

impl Goldens {
    fn open() -> Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens");
        let text = std::fs::read_to_string(folder.join("gradients.mlir"))?;
        Ok(Self { text, tensors: SafeTensors::open(folder.join("gradients.safetensors"))? })
    }

    /// The tensors `NAME.0`, `NAME.1`, ... or those of another kind.
    fn list(&self, name: &str, kind: &str) -> Result<Vec<Tensor>> {
        let names = (0..).map(|index| format!("{name}{kind}.{index}")).take_while(|name| self.tensors.contains(name));
        Ok(names.map(|name| self.tensors.tensor(&name)).collect::<Result<_, _>>()?)
    }

    /// The expected gradients, by the number of their argument.
    fn gradients(&self, name: &str, arguments: usize) -> Result<Vec<Tensor>> {
        let names = (0..arguments).map(|index| format!("{name}.grad.{index}"));
        let there = names.filter(|name| self.tensors.contains(name));
        Ok(there.map(|name| self.tensors.tensor(&name)).collect::<Result<_, _>>()?)
    }
}

fn names(module: &Module<'_>) -> Vec<String> {
    let name = |op: Operation<'_>| op.attribute("sym_name").and_then(|a| a.as_string()).map(str::to_owned);
    module.body().operations().into_iter().filter_map(name).collect()
}

#[test]
fn gradients_are_those_of_pytorch() -> Result<()> {
    let goldens = Goldens::open()?;
    let context = context(&[]);
    let module = Module::parse(&context, "gradients.mlir", goldens.text.as_bytes())?;
    let names = names(&module);
    assert!(names.len() >= 40, "only {} cases", names.len());
    let mut failures = Vec::new();
    for name in names {
        let (inputs, cotangents) = (goldens.list(&name, "")?, goldens.list(&name, ".cotangent")?);
        let expected = goldens.gradients(&name, inputs.len())?;
        ensure!(!expected.is_empty(), "no gradients of '{name}'");
        vjp(module.operation(), &name, &[])?;
        let joint = Reference.run(&module, &Mode::Vjp.function(&name), &[&inputs[..], &cotangents].concat())?;
        for (index, (actual, expected)) in joint[cotangents.len()..].iter().zip(&expected).enumerate() {
            if let Err(mismatch) = compare(actual, expected, Tolerance::new(1e-10, 1e-12)) {
                failures.push(format!("gradient {index} of '{name}': {mismatch}"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}

/// The two parts of a joint function compute what it did.
#[test]
fn split_functions_compute_what_joint_ones_do() -> Result<()> {
    let goldens = Goldens::open()?;
    let context = context(&[]);
    let module = Module::parse(&context, "gradients.mlir", goldens.text.as_bytes())?;
    for name in names(&module) {
        let (inputs, cotangents) = (goldens.list(&name, "")?, goldens.list(&name, ".cotangent")?);
        vjp(module.operation(), &name, &[])?;
        let joint = Reference.run(&module, &Mode::Vjp.function(&name), &[&inputs[..], &cotangents].concat())?;
        let parts = split(module.operation(), &Mode::Vjp.function(&name))?;
        module.verify().with_context(|| name.clone())?;
        let forward = Reference.run(&module, &format!("{name}_forward"), &inputs)?;
        let list = parts.backward.attribute(thunder_passes::split_joint::SAVED).and_then(|a| a.as_array());
        let saved = list.context("no list of saved values")?.into_iter().map(|place| {
            let index = |kind: &str| place.entry(kind).and_then(|a| a.as_integer()).map(|index| index as usize);
            Ok(match (index("argument"), index("result")) {
                (Some(index), None) => inputs[index].clone(),
                (None, Some(index)) => forward[index].clone(),
                _ => anyhow::bail!("'{place}' is no place"),
            })
        });
        let saved = saved.collect::<Result<Vec<_>>>()?;
        let backward = Reference.run(&module, &format!("{name}_backward"), &[&saved[..], &cotangents].concat())?;
        let parts = forward[..cotangents.len()].iter().chain(&backward);
        for (part, whole) in parts.zip(&joint) {
            compare(part, whole, Tolerance::EXACT).map_err(|e| anyhow::anyhow!("'{name}': {e}"))?;
        }
    }
    Ok(())
}

/// Machine code computes the gradients that the reference does, in single precision.
#[test]
fn compiled_gradients_are_those_of_the_reference() -> Result<()> {
    let goldens = Goldens::open()?;
    let context = context(&[]);
    let text = goldens.text.replace("f64", "f32");
    let module = Module::parse(&context, "gradients.mlir", text.as_bytes())?;
    let single = |t: Tensor| if t.dtype() == DType::F64 { t.cast(DType::F32) } else { t };
    for name in names(&module) {
        let inputs = [goldens.list(&name, "")?, goldens.list(&name, ".cotangent")?].concat();
        let inputs: Vec<Tensor> = inputs.into_iter().map(single).collect();
        vjp(module.operation(), &name, &[])?;
        let function = Mode::Vjp.function(&name);
        let expected = Reference.run(&module, &function, &inputs)?;
        let actual = Artifact.run(&module, &function, &inputs).with_context(|| name.clone())?;
        for (actual, expected) in actual.iter().zip(&expected) {
            compare(actual, expected, Tolerance::new(2e-5, 2e-5)).map_err(|e| anyhow::anyhow!("'{name}': {e}"))?;
        }
    }
    Ok(())
}

/// A random program with all its floats in `f64`, on inputs that are numbers.
fn in_double(program: &Program) -> Program {
    let text = ["bf16", "f16", "f32"].iter().fold(program.text.clone(), |text, dtype| text.replace(dtype, "f64"));
    let mut random = Random::new(7);
    let inputs = program.inputs.iter().map(|t| match t.dtype().is_float() {
        true => random.uniform(DType::F64, t.shape(), -2.0..2.0),
        false => t.clone(),
    });
    Program { text, inputs: inputs.collect() }
}

/// Where differences say what the derivatives of a program are, both modes say the same.
#[test]
fn derivatives_of_random_programs_are_those_of_differences() {
    let compared = std::cell::Cell::new(0);
    for_programs(|program| {
        let program = in_double(program);
        let context = context(&[]);
        let module = Module::parse(&context, "program.mlir", program.text.as_bytes())?;
        let floats: Vec<usize> =
            (0..program.inputs.len()).filter(|i| program.inputs[*i].dtype() == DType::F64).collect();
        let results = interpret(module.operation(), "main", &program.inputs)?;
        if floats.is_empty() || !results.iter().any(|t| t.dtype() == DType::F64) {
            return Ok(());
        }
        for mode in [Mode::Vjp, Mode::Jvp] {
            differentiate(module.operation(), "main", mode, &[])?;
        }
        module.verify()?;
        let Ok(found) = derivatives(&module, "main", &program.inputs, 11) else { return Ok(()) };
        let bound = 1e-6 * found.expected.value.abs().max(1.0);
        // Programs of large numbers, jumps and no numbers at all have no differences to compare with.
        if !(found.expected.error <= 1e-2 * bound && found.reverse.is_finite() && found.forward.is_finite()) {
            return Ok(());
        }
        compared.set(compared.get() + 1);
        for (what, value) in [("vjp", found.reverse), ("jvp", found.forward)] {
            let is_close = (value - found.expected.value).abs() <= bound;
            ensure!(is_close, "{what} gives {value}, but differences give {:?}\nin\n{module}", found.expected);
        }
        Ok(())
    });
    assert!(compared.get() >= 60, "only {} programs could be compared", compared.get());
}
