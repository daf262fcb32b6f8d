//! How far compiled elementary functions are from the exact value, in units in the last place.

mod wide;

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use thunder_conformance::sample;
use thunder_interface::interpret;
use thunder_ir::codegen::Machine;
use thunder_ir::{Context, Module};
use thunder_lowering::cpu::{self, Elementary};
use thunder_lowering::{Compiled, Options, Phase, compile_jit, compile_to};
use thunder_runtime::session::{self, Session};
use thunder_tensor::{DType, Random, Tensor};

/// The argument at which a function errs most.
#[derive(Clone, Debug, Default)]
pub struct Worst {
    /// The error in units in the last place of the exact value; infinite where only one of both is NaN or infinite.
    pub ulps: f64,
    /// The arguments.
    pub at: Vec<f64>,
}

/// One elementary function as compiled code beside the reference in f64.
pub struct Function<'x> {
    name: String,
    arity: usize,
    session: Session,
    reference: Module<'x>,
}

impl<'x> Function<'x> {
    /// The function that `math` calls `name`, of a dtype, by one machine's functions.
    pub fn compile(context: &'x Context, name: &str, dtype: DType, machine: Elementary) -> Result<Self> {
        let op = if name == "powf" { "pow" } else { name };
        let arity = if ["powf", "atan2"].contains(&name) { 2 } else { 1 };
        let text = |dtype: DType| {
            let ty = format!("tensor<?x{dtype}>");
            let arguments: Vec<String> = (0..arity).map(|i| format!("%{i}: {ty}")).collect();
            let operands: Vec<String> = (0..arity).map(|i| format!("%{i}")).collect();
            let (arguments, operands) = (arguments.join(", "), operands.join(", "));
            format!(
                "func.func @main({arguments}) -> {ty} {{\n  %r = thunder.{op} {operands} : {ty}\n  return %r : {ty}\n}}"
            )
        };
        let session = run(context, &text(dtype), machine)?;
        let reference = Module::parse(context, "reference.mlir", text(DType::F64).as_bytes())?;
        Ok(Self { name: name.to_owned(), arity, session, reference })
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
        let at = wide.iter().map(|t| Ok(t.as_slice::<f64>()?[index])).collect::<Result<_>>()?;
        Ok(Worst { ulps, at })
    }
}

/// A session of a program whose kernels have these elementary functions.
fn run(context: &Context, text: &str, machine: Elementary) -> Result<Session> {
    let (parse, options) = (|| Module::parse(context, "function.mlir", text.as_bytes()), Options::default());
    let compiled = compile_jit(&mut parse()?, &options)?;
    let mut kernels = parse()?;
    compile_to(&mut kernels, Phase::Tensors, &options)?;
    cpu::lower(&mut kernels, machine)?;
    let objects = cpu::objects(&kernels, &Machine::native())?;
    let code = cpu::load(&objects, &compiled.artifact.program().kernels)?;
    let compiled = Compiled { code: Some(code), ..compiled };
    Ok(compiled.session(&BTreeMap::new(), session::Options::with_threads(1))?)
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
