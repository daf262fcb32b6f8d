//! Automatic mixed precision: computes in `bf16` or `f16` what gains by it and loses little.
//!
//! Guarantees: the signature of a function stays as it was, so that weights are kept, and gradients come back, in single
//! precision. What an op computes in follows from its class (`Precision`), from an attribute on it, or from the
//! options; only values stated as `f32` change. A value is converted at most once in each direction, before its first
//! such use: a weight once in a run. Of a value that was computed in the lower precision no conversion to `f32` and back
//! is left, as that is exact; one the other way round stays, as it is not.
//!
//! An op that keeps the precision of its operands computes in the lower one where all of them are; a constant does not
//! count, as a Python number does not in PyTorch. Where rounding the constant would change it, the op computes in `f32` and
//! its result is rounded.
//!
//! Works before `--thunder-autodiff`, which then differentiates what is computed, and after it.

use std::collections::{HashMap, HashSet};

use thunder_dialect::build::BuildConvert as _;
use thunder_interface::{Control, Precision, PrecisionClass, Strided, Uniform, dtype_of, type_of};
use thunder_ir::pass::Numerics;
use thunder_ir::{Attribute, prelude::*};
use thunder_tensor::{DType, Tensor};

use crate::kernels::KERNEL;
use crate::split_joint::operands;

/// The attribute of an op with the class that it has whatever its dialect says: `lower`, `keep` or `widen`.
pub const PRECISION: &str = "thunder.precision";

/// Computes in a lower precision where that gains much and loses little.
#[pass("thunder-autocast", on = "builtin.module", dialects("thunder"))]
pub struct Autocast {
    /// The lower precision: bf16 or f16.
    #[default("bf16")]
    dtype: String,
    /// The function to change; every one by default.
    function: String,
    /// Names of ops that compute in the lower precision, whatever they say.
    lower: Vec<String>,
    /// Names of ops that compute in the precision of their operands.
    keep: Vec<String>,
    /// Names of ops that compute in single precision.
    widen: Vec<String>,
}

impl Autocast {
    /// That to a dtype, with the classes that ops have.
    pub fn to(dtype: DType) -> Self {
        Self { dtype: dtype.name().to_owned(), ..Self::default() }
    }

    /// That with ops by name that compute in the lower precision, whatever they say.
    pub fn lowering(self, ops: &[&str]) -> Self {
        Self { lower: ops.iter().map(|op| (*op).to_owned()).collect(), ..self }
    }

    /// That of one function.
    pub fn of(function: &str, dtype: DType) -> Self {
        Self { function: function.to_owned(), ..Self::to(dtype) }
    }
}

impl Pass for Autocast {
    fn numerics(&self) -> Numerics {
        Numerics::Narrows
    }

    fn run(&self, module: Operation<'_>, cx: &PassContext<'_>) -> Result {
        let [ops, conversions] = autocast(module, self)?;
        cx.count("lowered ops", ops);
        cx.count("conversions", conversions);
        Ok(())
    }
}

/// Casts functions of a module; how many ops are in lower precision then, and how many conversions are new.
pub fn autocast(module: Operation<'_>, options: &Autocast) -> Result<[u64; 2]> {
    let lower = match options.dtype.as_str() {
        "bf16" => DType::BF16,
        "f16" => DType::F16,
        other => return Err(module.error(format!("option dtype: '{other}' is neither bf16 nor f16"))),
    };
    let body = module.regions().next().and_then(|r| r.entry()).ok_or_else(|| module.error("has no body"))?;
    let is_meant = |op: &Operation<'_>| {
        options.function.is_empty()
            || op.attribute("sym_name").and_then(|a| a.as_string()) == Some(options.function.as_str())
    };
    let functions: Vec<_> = body.operations().into_iter().filter(is_meant).collect();
    if functions.is_empty() && !options.function.is_empty() {
        return Err(module.error(format!("has no function '@{}'", options.function)));
    }
    let mut counts = [0; 2];
    for function in functions {
        let blocks: Vec<_> = function.regions().flat_map(|r| r.blocks()).collect();
        if function.name() != "func.func" || function.attribute(KERNEL).is_some() || blocks.is_empty() {
            continue;
        }
        let [block] = blocks[..] else {
            return Err(function.error(format!("has {} blocks, but only one can be cast", blocks.len())));
        };
        let mut caster = Caster { options, lower, values: HashMap::new(), counts };
        for op in block.operations() {
            caster.op(op)?;
        }
        counts = caster.counts;
    }
    Ok(counts)
}

/// The same value in both precisions, as far as they are there.
#[derive(Clone, Copy, Default)]
struct Pair<'c> {
    wide: Option<Value<'c>>,
    low: Option<Value<'c>>,
}

struct Caster<'a, 'c> {
    options: &'a Autocast,
    lower: DType,
    /// Of each value that the program states as `f32`, under every value that stands for it.
    values: HashMap<Value<'c>, Pair<'c>>,
    /// Ops in lower precision, and conversions.
    counts: [u64; 2],
}

impl<'c> Caster<'_, 'c> {
    fn op(&mut self, op: Operation<'c>) -> Result {
        let eligible: Vec<usize> = (0..op.operand_count()).filter(|i| self.is_single(op.operand(*i))).collect();
        match self.class(op)? {
            Some(PrecisionClass::Lower) if !eligible.is_empty() => self.lowered(op, &eligible),
            Some(PrecisionClass::Keep) if self.is_lowered_by(op, &eligible) => {
                let constants = eligible.iter().map(|i| op.operand(*i)).filter(|v| !self.is_low(*v)).map(uniform);
                let literals = literals(op).into_iter().map(|(_, value)| Some(value));
                let is_exact = constants.chain(literals).all(|value| self.fits(value));
                if is_exact { self.lowered(op, &eligible) } else { self.rounded(op) }
            }
            _ => self.widened(op),
        }
    }

    /// What an op computes in; `None` for what is left as it is stated.
    fn class(&self, op: Operation<'c>) -> Result<Option<PrecisionClass>> {
        // Functions that an op carries out take what they state.
        if op.region_count() > 0 || op.has_trait("terminator") || <dyn Control>::of(op).is_some() {
            return Ok(None);
        }
        if let Some(stated) = op.attribute(PRECISION) {
            return match stated.as_string() {
                Some("lower") => Ok(Some(PrecisionClass::Lower)),
                Some("keep") => Ok(Some(PrecisionClass::Keep)),
                Some("widen") => Ok(Some(PrecisionClass::Widen)),
                _ => Err(op.error(format!("'{PRECISION}' must be \"lower\", \"keep\" or \"widen\", not {stated}"))),
            };
        }
        let lists = [
            (&self.options.lower, PrecisionClass::Lower),
            (&self.options.keep, PrecisionClass::Keep),
            (&self.options.widen, PrecisionClass::Widen),
        ];
        let listed = lists.into_iter().find(|(names, _)| names.iter().any(|name| name == op.name()));
        Ok(listed.map(|(_, class)| class).or_else(|| <dyn Precision>::of(op).map(|rule| rule.precision())))
    }

    /// Whether the program states a value as a tensor of `f32`.
    fn is_single(&self, value: Value<'c>) -> bool {
        self.values.contains_key(&value) || dtype_of(element(value)) == Some(DType::F32)
    }

    fn is_low(&self, value: Value<'c>) -> bool {
        self.values.get(&value).is_some_and(|pair| pair.low == Some(value))
    }

    /// Whether an op that keeps the precision of its operands has one in the lower precision, and else constants only.
    fn is_lowered_by(&self, op: Operation<'c>, eligible: &[usize]) -> bool {
        let operands = || eligible.iter().map(|i| op.operand(*i));
        operands().any(|v| self.is_low(v)) && operands().all(|v| self.is_low(v) || uniform(v).is_some())
    }

    /// Whether a constant is a value of the lower precision.
    fn fits(&self, value: Option<Attribute<'c>>) -> bool {
        let number = value.and_then(Attribute::as_float);
        number.is_some_and(|number| {
            let rounded = Tensor::full(self.lower, [], number).to_vec::<f64>();
            rounded.first().is_some_and(|rounded| *rounded == number || number.is_nan())
        })
    }

    /// Lets an op compute in the lower precision.
    fn lowered(&mut self, op: Operation<'c>, eligible: &[usize]) -> Result {
        let element = type_of(op.context(), self.lower);
        for (name, value) in literals(op) {
            let number = value.as_float().ok_or_else(|| op.error("internal: has a literal that is no number"))?;
            op.set_attribute(name, Attribute::float(element, number));
        }
        for index in eligible {
            let low = self.low(op.operand(*index), op)?;
            op.set_operand(*index, low);
        }
        for result in op.results().filter(|v| dtype_of(self::element(*v)) == Some(DType::F32)) {
            let tensor = result.ty().as_tensor().ok_or_else(|| op.error("internal: has no tensor as its result"))?;
            result.set_type(tensor.with_element(element));
            self.values.insert(result, Pair { low: Some(result), wide: None });
        }
        self.counts[0] += 1;
        Ok(())
    }

    /// Lets an op compute in single precision, and rounds its results.
    fn rounded(&mut self, op: Operation<'c>) -> Result {
        self.widened(op)?;
        let b = Rewriter::at(op);
        b.after(op);
        for result in op.results().filter(|v| dtype_of(element(*v)) == Some(DType::F32)) {
            let uses = result.uses();
            let low = self.convert(&b, result, self.lower)?;
            uses.into_iter().for_each(|(user, index)| user.set_operand(index, low));
            // What is wanted wide is what was rounded: so it would be, had the op computed in the lower precision.
            self.values.insert(low, Pair { low: Some(low), wide: None });
        }
        Ok(())
    }

    /// Gives an op, and what is inside of it, its operands as they are stated.
    fn widened(&mut self, op: Operation<'c>) -> Result {
        let changed: HashSet<Value<'c>> = operands(op).into_iter().filter(|v| self.is_low(*v)).collect();
        if changed.is_empty() {
            return Ok(());
        }
        let mut readers = Vec::new();
        op.walk(|inner| readers.push(inner));
        for (reader, index) in readers.into_iter().flat_map(|r| (0..r.operand_count()).map(move |i| (r, i))) {
            let value = reader.operand(index);
            if changed.contains(&value) {
                let wide = self.wide(value, op)?;
                reader.set_operand(index, wide);
            }
        }
        Ok(())
    }

    /// A value in the lower precision, for `user` and all after it.
    fn low(&mut self, value: Value<'c>, user: Operation<'c>) -> Result<Value<'c>> {
        let mut pair = self.values.get(&value).copied().unwrap_or(Pair { wide: Some(value), low: None });
        if let Some(low) = pair.low {
            return Ok(low);
        }
        let low = self.convert(&Rewriter::at(user), value, self.lower)?;
        pair.low = Some(low);
        // Under the value's own name only: whoever reads the conversion wants it rounded.
        self.values.insert(value, pair);
        Ok(low)
    }

    /// A value in single precision, for `user` and all after it.
    fn wide(&mut self, value: Value<'c>, user: Operation<'c>) -> Result<Value<'c>> {
        let mut pair = self.values.get(&value).copied().unwrap_or_default();
        if let Some(wide) = pair.wide {
            return Ok(wide);
        }
        let wide = self.convert(&Rewriter::at(user), value, DType::F32)?;
        pair.wide = Some(wide);
        self.values.insert(value, pair);
        Ok(wide)
    }

    fn convert(&mut self, b: &Rewriter<'c>, value: Value<'c>, dtype: DType) -> Result<Value<'c>> {
        let tensor = value.ty().as_tensor().ok_or("internal: converts what is no tensor")?;
        self.counts[1] += 1;
        b.convert(value, tensor.with_element(type_of(b.context(), dtype)))
    }
}

fn element(value: Value<'_>) -> Type<'_> {
    value.ty().element()
}

/// The numbers of an op's own that have the type of its elements, such as padding.
fn literals(op: Operation<'_>) -> Vec<(&str, Attribute<'_>)> {
    let single = type_of(op.context(), DType::F32);
    let is_literal = |(name, value): &(&str, Attribute<'_>)| {
        value.as_float().is_some() && value.ty() == Some(single) && op.declares_attribute(name)
    };
    op.attributes().into_iter().filter(is_literal).collect()
}

/// The number that all elements of a value are, if that is part of the program.
fn uniform(value: Value<'_>) -> Option<Attribute<'_>> {
    let op = value.defining_op()?;
    if let Some(splat) = value.as_constant().and_then(|constant| constant.splat_value()) {
        return Some(splat);
    }
    if <dyn Uniform>::of(op).is_some() {
        return op.attributes().into_iter().map(|(_, value)| value).find(|a| a.ty() == Some(element(value)));
    }
    if <dyn Strided>::of(op).is_some() { uniform(op.operand(0)) } else { None }
}
