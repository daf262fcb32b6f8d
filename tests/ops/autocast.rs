//! Every op whose precision autocast may lower, lowered: a valid program whose results are near those of the stated one.

use anyhow::{Context as _, Result, ensure};
use libtest_mimic::Trial;
use thunder_conformance::executor::{Executor, Reference};
use thunder_conformance::{sample, trial};
use thunder_interface::{Precision, PrecisionClass, Sample};
use thunder_ir::op::OpDef;
use thunder_ir::pass::Pipeline;
use thunder_ir::{Module, Operation};
use thunder_passes::Autocast;
use thunder_tensor::{DType, Tensor, Tolerance, compare};

/// Results are rounded once or twice; a rounding is off by one in 256 at most.
const TOLERANCE: Tolerance = Tolerance::new(1.0 / 32.0, 1.0 / 32.0);

pub fn trials() -> Vec<Trial> {
    let samples = thunder_dialect::all_samples().into_iter();
    let trials = samples.map(|(def, set)| {
        trial(format!("{}::autocast", def.mnemonic()), move || {
            let samples = set.samples.iter().filter(|s| s.dtypes.0.contains(&DType::F32) && !s.specials);
            samples
                .into_iter()
                .try_for_each(|s| check(def, s).with_context(|| format!("in\n{}", sample::text(s, DType::F32))))
        })
    });
    trials.collect()
}

fn check(def: &'static OpDef, of: &Sample) -> Result<()> {
    let context = sample::context(&[]);
    let mut module = Module::parse(&context, "sample.mlir", sample::text(of, DType::F32).as_bytes())?;
    let body = sample::body(sample::function(&module, "sample")?)?;
    // Memory has the precision that it has.
    let ops = || body.operations().into_iter().filter(|op| op.name() == def.name && op.is_pure());
    let reads_single = |op: Operation<'_>| {
        op.operands()
            .any(|v| v.ty().as_tensor().is_some_and(|t| thunder_interface::dtype_of(t.element()) == Some(DType::F32)))
    };
    let classes = ops().filter(|op| reads_single(*op)).map(|op| <dyn Precision>::of(op).map(|rule| rule.precision()));
    let Some(class) = classes.last() else { return Ok(()) };
    let class = class.with_context(|| format!("'{}' has no class", def.name))?;
    // Inputs that both have: else what jumps would be compared on both sides of a jump.
    let rounded = |t: Tensor| if t.dtype() == DType::F32 { t.cast(DType::BF16).cast(DType::F32) } else { t };
    let inputs: Vec<Tensor> = sample::inputs(of, body, 7)?.into_iter().map(rounded).collect();
    let expected = Reference.run(&module, "sample", &inputs)?;
    let autocast = match class {
        PrecisionClass::Widen => Autocast::to(DType::BF16),
        PrecisionClass::Lower | PrecisionClass::Keep => Autocast::to(DType::BF16).lowering(&[def.name]),
    };
    Pipeline::new().pass(&autocast).run(&mut module)?;
    let text = module.to_string();
    ensure!(text.contains("bf16") == (class != PrecisionClass::Widen), "'{}' is {class:?}:\n{text}", def.name);
    let actual = Reference.run(&module, "sample", &inputs).with_context(|| text.clone())?;
    for (actual, expected) in actual.iter().zip(&expected) {
        compare(actual, expected, TOLERANCE).map_err(|e| anyhow::anyhow!("{e}\nafter:\n{text}"))?;
    }
    Ok(())
}
