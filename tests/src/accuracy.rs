//! How far compiled elementary functions are from the exact value, in units in the last place.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use thunder_conformance::sample;
use thunder_interface::interpret;
use thunder_ir::{Context, Module};
use thunder_runtime::session::{self, Session};
use thunder_tensor::{DType, Random, Tensor};

/// The argument at which a function errs most.
#[derive(Clone, Debug, Default)]
pub struct Worst {
    /// The error in units in the last place of the exact value; infinite where only one of both is NaN or infinite.
    pub ulps: f64,
    /// The arguments.
    pub at: Vec<f32>,
}

/// One elementary function as compiled code beside the reference in f64.
pub struct Function<'x> {
    arity: usize,
    session: Session,
    reference: Module<'x>,
}

impl<'x> Function<'x> {
    /// The function that `math` calls `name`.
    pub fn compile(context: &'x Context, name: &str) -> Result<Self> {
        let (op, arity) = if name == "powf" { ("pow", 2) } else { (name, 1) };
        let text = |ty: &str| {
            let arguments: Vec<String> = (0..arity).map(|i| format!("%{i}: {ty}")).collect();
            let operands: Vec<String> = (0..arity).map(|i| format!("%{i}")).collect();
            let (arguments, operands) = (arguments.join(", "), operands.join(", "));
            format!(
                "func.func @main({arguments}) -> {ty} {{\n  %r = thunder.{op} {operands} : {ty}\n  return %r : {ty}\n}}"
            )
        };
        let mut module = Module::parse(context, "f32.mlir", text("tensor<?xf32>").as_bytes())?;
        let compiled = thunder_lowering::compile(&mut module, &thunder_lowering::Options::default())?;
        let session = compiled.session(&BTreeMap::new(), session::Options::with_threads(1))?;
        let reference = Module::parse(context, "f64.mlir", text("tensor<?xf64>").as_bytes())?;
        Ok(Self { arity, session, reference })
    }

    /// The worst of the arguments whose bits are `range` by `step`; a function of two gets pairs of random bits,
    /// half of them of moderate size.
    pub fn worst(&self, range: std::ops::Range<u64>, step: usize) -> Result<Worst> {
        const CHUNK: usize = 1 << 20;
        let mut worst = Worst::default();
        let mut bits = range.step_by(step).peekable();
        while bits.peek().is_some() {
            let chunk: Vec<u32> = bits.by_ref().take(CHUNK).map(|b| b as u32).collect();
            let inputs = self.arguments(&chunk)?;
            let found = self.compare(&inputs)?;
            if found.ulps > worst.ulps {
                worst = found;
            }
        }
        Ok(worst)
    }

    fn arguments(&self, bits: &[u32]) -> Result<Vec<Tensor>> {
        let first: Vec<f32> = bits.iter().map(|b| f32::from_bits(*b)).collect();
        if self.arity == 1 {
            return Ok(vec![Tensor::from_vec([first.len()], first)?]);
        }
        let mut random = Random::new(u64::from(bits[0]));
        let exponents = random.uniform(DType::F32, [first.len()], -40.0..40.0);
        let bases = random.uniform(DType::F32, [first.len()], 0.0..8.0);
        let moderate = bases.as_slice::<f32>()?;
        let bases =
            first.iter().zip(moderate).enumerate().map(|(i, (any, base))| if i % 2 == 0 { *any } else { *base });
        Ok(vec![Tensor::from_vec([first.len()], bases.collect())?, exponents])
    }

    fn compare(&self, inputs: &[Tensor]) -> Result<Worst> {
        let actual = self.session.run(inputs)?.into_iter().next().context("one result")?;
        let wide: Vec<Tensor> = inputs.iter().map(|t| t.cast(DType::F64)).collect();
        let exact = interpret(self.reference.operation(), "main", &wide)?.into_iter().next().context("one result")?;
        let (actual, exact) = (actual.as_slice::<f32>()?, exact.as_slice::<f64>()?);
        ensure!(actual.len() == exact.len(), "{} results instead of {}", actual.len(), exact.len());
        let errors = actual.iter().zip(exact).map(|(y, exact)| error_in_ulps(*y, *exact));
        let (index, ulps) = errors.enumerate().fold((0, 0.0), |worst, new| if new.1 > worst.1 { new } else { worst });
        let at = inputs.iter().map(|t| Ok(t.as_slice::<f32>()?[index])).collect::<Result<_>>()?;
        Ok(Worst { ulps, at })
    }
}

/// The distance of `y` from `exact` over the distance of the two f32 around `exact`.
fn error_in_ulps(y: f32, exact: f64) -> f64 {
    let nearest = exact as f32;
    if nearest.is_nan() || nearest.is_infinite() || !y.is_finite() {
        let same = y == nearest || (y.is_nan() && nearest.is_nan());
        // Just below the border to infinity, the last number and infinity are neighbours.
        let neighbours = y.is_infinite() != nearest.is_infinite()
            && y.signum() == nearest.signum()
            && (y.abs() == f32::MAX || nearest.abs() == f32::MAX);
        return if same {
            0.0
        } else if neighbours {
            1.0
        } else {
            f64::INFINITY
        };
    }
    let magnitude = exact.abs() as f32;
    let below = if f64::from(magnitude) > exact.abs() { magnitude.next_down() } else { magnitude };
    let unit = f64::from(below.next_up()) - f64::from(below);
    (f64::from(y) - exact).abs() / unit
}

/// A context as [`Function::compile`] wants it.
pub fn context() -> Context {
    sample::context(&[])
}
