//! Elementary functions: those of `math.mlir` where they exist, libm's otherwise; of GPUs those of `cuda/math.mlir` first,
//! and those of f64 below `cuda/wide` instead of libm's.

use std::collections::{BTreeSet, HashMap, HashSet};
use thunder_ir::{Attribute, Blueprint, Module, Operation, Result, Rewriter, Scalar, Type, Value};

/// The functions of f32 that `math.mlir` has, by the name of their op in `math`, and their errors.
///
/// An error is in units in the last place, the largest over every f32 (of `powf`: over a sample of pairs),
/// measured against f64 by the benchmark `accuracy`, on a processor.
pub const FUNCTIONS: &[(&str, f64)] = &[
    ("exp", 1.02),
    ("exp2", 0.87),
    ("expm1", 1.45),
    ("tanh", 2.42),
    ("erf", 1.04),
    ("log", 0.94),
    ("log2", 1.01),
    ("log10", 0.91),
    ("log1p", 1.27),
    ("rsqrt", 1.5),
    ("sin", 1.5),
    ("cos", 1.5),
    ("powf", 0.51),
];

/// The functions of f64 below `cuda/wide`, which machines without libm have, by the name of their op in `math`, and their
/// errors.
///
/// An error is in units in the last place, the largest of samples over all exponents and around borders, measured against
/// numbers of 113 bits. There, functions of f32 that [`FUNCTIONS`] lacks are computed in f64 and rounded: GPUs of data centers
/// compute f64 at half the rate of f32.
pub const WIDE: &[(&str, f64)] = &[
    ("exp", 0.8),
    ("exp2", 0.9),
    ("expm1", 1.6),
    ("tanh", 1.6),
    ("sinh", 0.9),
    ("cosh", 1.2),
    ("erf", 1.1),
    ("erfc", 3.7),
    ("log", 0.51),
    ("log2", 0.51),
    ("log10", 0.51),
    ("log1p", 0.7),
    ("asinh", 1.6),
    ("acosh", 2.7),
    ("atanh", 2.0),
    ("powf", 0.9),
    ("sin", 0.8),
    ("cos", 0.8),
    ("tan", 2.2),
    ("asin", 0.9),
    ("acos", 1.0),
    ("atan", 0.85),
    ("atan2", 0.85),
];

/// Ops that are not functions of libm: single instructions, or LLVM expands them.
const INSTRUCTIONS: &[&str] = &[
    "absf",
    "absi",
    "ceil",
    "clampf",
    "copysign",
    "ctlz",
    "cttz",
    "ctpop",
    "floor",
    "fma",
    "isfinite",
    "isinf",
    "isnan",
    "isnormal",
    "rint",
    "round",
    "roundeven",
    "sqrt",
    "trunc",
];

/// What a machine has for elementary functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elementary {
    /// The functions, as modules; of equal names the first counts.
    sources: &'static [&'static str],
    /// Those of f64, as a module; without it, libm has what the sources lack.
    wide: Option<&'static str>,
    /// Whether it rounds f32 to bf16 by an instruction.
    narrows: bool,
    /// Whether quotients that are rounded to 16 bits are faster by a function.
    divides: bool,
    /// Functions that have a form of f32 for what is rounded to 16 bits afterwards. Where that is so, products and sums of f32
    /// are also made at once, rounded together.
    rounded: &'static [&'static str],
}

/// What is below `cuda/wide`, as one module: its functions call each other.
const WIDE_SOURCE: &str = concat!(
    include_str!("../cuda/wide/exponential.mlir"),
    include_str!("../cuda/wide/logarithm.mlir"),
    include_str!("../cuda/wide/circular.mlir"),
);

/// A processor.
pub const CPU: Elementary =
    Elementary { sources: &[include_str!("math.mlir")], wide: None, narrows: false, divides: false, rounded: &[] };

/// A processor without libm: how the functions of f64 are tried where there is no GPU.
pub const BARE: Elementary = Elementary { wide: Some(WIDE_SOURCE), ..CPU };

/// A GPU of NVIDIA's.
pub const CUDA: Elementary = Elementary {
    sources: &[include_str!("../cuda/math.mlir"), include_str!("math.mlir")],
    wide: Some(WIDE_SOURCE),
    narrows: true,
    divides: true,
    rounded: &["exp", "tanh"],
};

/// Replaces the ops of `math` and the conversions of narrow floats by calls, and adds what is called.
pub fn expand(module: &mut Module<'_>, machine: Elementary) -> Result {
    widen_integers(module)?;
    if machine.wide.is_some() {
        widen_functions(module)?;
    }
    let (mut ops, mut sums) = (Vec::new(), Vec::new());
    for function in module.body().operations() {
        let has_rounded = !machine.rounded.is_empty();
        let rounded = if has_rounded { rounded(function) } else { HashSet::new() };
        let stores_rounded = has_rounded && stores_rounded(function);
        function.walk(|op| {
            let is_elementary = op.name().starts_with("math.");
            let is_conversion = ["arith.truncf", "arith.extf"].contains(&op.name());
            let is_sum = ["arith.addf", "arith.subf"].contains(&op.name());
            let is_quotient = machine.divides && op.name() == "arith.divf";
            let is_rounding = stores_rounded || rounded.contains(&op);
            if is_sum && rounded.contains(&op) {
                sums.push(op);
            }
            if is_elementary || is_conversion || is_quotient && is_rounding {
                ops.extend(callee_of(op, machine, is_rounding).map(|callee| (op, callee)));
            }
        });
    }
    sums.into_iter().try_for_each(contract)?;
    let mut wanted = BTreeSet::new();
    if !machine.narrows && holds_bf16(module) {
        wanted.insert("__truncsfbf2".to_owned());
    }
    let mut foreign: HashMap<String, Type<'_>> = HashMap::new();
    for (op, callee) in ops {
        let rewriter = Rewriter::at(op);
        let call = rewriter.insert(
            &Blueprint::new("func.call")
                .operands(op.operands())
                .results(op.results().map(|v| v.ty()))
                .attribute("callee", Attribute::symbol(op.context(), &callee)),
        )?;
        if callee.starts_with("thunder.") {
            wanted.insert(callee);
        } else if machine.wide.is_some() {
            let dtype = op.operand(0).ty();
            return Err(op.error(format!("has no form on a GPU: '{}' of {dtype} is a function of libm", op.name())));
        } else {
            let inputs: Vec<_> = op.operands().map(|v| v.ty()).collect();
            let results: Vec<_> = op.results().map(|v| v.ty()).collect();
            foreign.insert(callee, Type::function(op.context(), &inputs, &results));
        }
        rewriter.replace(op, &call.results().collect::<Vec<_>>())?;
    }
    declare(module, foreign)?;
    add(module, machine, wanted)
}

/// What is rounded to 16 bits if what it computes from is.
const PASSING: [&str; 8] = [
    "arith.addf",
    "arith.subf",
    "arith.mulf",
    "arith.divf",
    "arith.negf",
    "arith.maximumf",
    "arith.minimumf",
    "arith.select",
];

/// The ops of a kernel that make an f32 of which all that comes is rounded to 16 bits. What is compared, or counted with, is
/// not: it has to be the same wherever it is computed again.
fn rounded(function: Operation<'_>) -> HashSet<Operation<'_>> {
    let mut made = Vec::new();
    function.walk(|op| made.extend(op.results().next().filter(|value| has_f32(*value)).map(|_| op)));
    let mut rounded = HashSet::new();
    // What is computed from an op comes after it.
    for op in made.into_iter().rev() {
        let becomes = |user: &Operation<'_>| {
            user.name() == "arith.truncf" || PASSING.contains(&user.name()) && rounded.contains(user)
        };
        if op.result(0).uses().iter().all(|(user, _)| becomes(user)) {
            rounded.insert(op);
        }
    }
    rounded
}

/// Lets a sum be made at once with products that are added, unless these are rounded by themselves.
fn contract(sum: Operation<'_>) -> Result {
    let is_part = |op: &Operation<'_>| {
        op.name() == "arith.mulf" && op.result(0).uses().iter().all(|(user, _)| user.name() != "arith.truncf")
    };
    let products: Vec<_> = sum.operands().filter_map(Value::defining_op).filter(is_part).collect();
    let flag = Attribute::parse(sum.context(), "#arith.fastmath<contract>").ok_or("internal: a flag parses")?;
    for product in &products {
        product.set_attribute("fastmath", flag);
        sum.set_attribute("fastmath", flag);
    }
    Ok(())
}

fn has_f32(value: Value<'_>) -> bool {
    value.ty().as_scalar() == Some(Scalar::F32)
}

fn holds_bf16(module: &Module<'_>) -> bool {
    let mut found = false;
    module.operation().walk(|op| {
        found = found || op.results().any(|v| v.ty().element().as_scalar() == Some(Scalar::BF16));
    });
    found
}

/// Whether a quotient is `1 / (1 + e^x)`.
fn is_sigmoid(quotient: Operation<'_>) -> bool {
    let is_one = |op: &Operation<'_>| op.attribute("value").and_then(|value| value.as_float()) == Some(1.0);
    let [Some(one), Some(sum)] = [0, 1].map(|number| quotient.operand(number).defining_op()) else { return false };
    let terms = || sum.operands().filter_map(Value::defining_op);
    is_one(&one)
        && sum.name() == "arith.addf"
        && terms().any(|op| is_one(&op))
        && terms().any(|op| op.name() == "math.exp")
}

/// Makes conversions of integers to bf16 go through f64, which holds those of 32 bits exactly: the rounding that is
/// left is one of ours.
fn widen_integers(module: &Module<'_>) -> Result {
    let mut ops = Vec::new();
    module.operation().walk(|op| {
        let is_conversion = ["arith.sitofp", "arith.uitofp"].contains(&op.name());
        if is_conversion && op.result(0).ty().as_scalar() == Some(Scalar::BF16) {
            ops.push(op);
        }
    });
    for op in ops {
        let rewriter = Rewriter::at(op);
        let wide = Blueprint::new(op.name()).operands(op.operands()).results([Type::f64(op.context())]);
        let wide = rewriter.insert(&wide)?.result(0);
        let narrow = Blueprint::new("arith.truncf").operands([wide]).results([op.result(0).ty()]);
        let narrow = rewriter.insert(&narrow)?.result(0);
        rewriter.replace(op, &[narrow])?;
    }
    Ok(())
}

/// Makes functions of f32 that are ours in f64 only go through f64.
fn widen_functions(module: &Module<'_>) -> Result {
    let mut ops = Vec::new();
    module.operation().walk(|op| {
        let name = op.name().strip_prefix("math.").unwrap_or_default();
        if has(WIDE, name) && !has(FUNCTIONS, name) && op.result(0).ty().as_scalar() == Some(Scalar::F32) {
            ops.push(op);
        }
    });
    for op in ops {
        let (rewriter, f64) = (Rewriter::at(op), Type::f64(op.context()));
        let widened = |value| rewriter.insert(&Blueprint::new("arith.extf").operands([value]).results([f64]));
        let operands = op.operands().map(|value| Ok(widened(value)?.result(0))).collect::<Result<Vec<_>>>()?;
        let wide = rewriter.insert(&Blueprint::new(op.name()).operands(operands).results([f64]))?.result(0);
        let narrow = Blueprint::new("arith.truncf").operands([wide]).results([op.result(0).ty()]);
        let narrow = rewriter.insert(&narrow)?.result(0);
        rewriter.replace(op, &[narrow])?;
    }
    Ok(())
}

/// Whether a table has a function of that name.
fn has(functions: &[(&str, f64)], name: &str) -> bool {
    functions.iter().any(|(ours, _)| *ours == name)
}

/// Whether all that a kernel of a GPU stores in global memory are integers and floats of 16 bits.
fn stores_rounded(function: Operation<'_>) -> bool {
    let mut rounds = true;
    function.walk(|op| {
        if op.name() == "llvm.store" && op.operand(1).ty().to_string() == "!llvm.ptr<1>" {
            let is_wide = ["f32", "f64"].iter().any(|wide| op.operand(0).ty().to_string().contains(wide));
            rounds &= !is_wide;
        }
    });
    rounds
}

/// The function that does what `op` does, if it is not done by instructions.
fn callee_of(op: Operation<'_>, machine: Elementary, is_rounding: bool) -> Option<String> {
    let from = op.operand(0).ty().as_scalar()?;
    if op.name() == "arith.truncf" {
        return match (from, op.result(0).ty().as_scalar()?) {
            (Scalar::F32, Scalar::BF16) if machine.narrows => None,
            (Scalar::F32, Scalar::BF16) => Some("thunder.truncf.f32.bf16".to_owned()),
            (Scalar::F64, Scalar::BF16) => Some("thunder.truncf.f64.bf16".to_owned()),
            (Scalar::F64, Scalar::F16) => Some("thunder.truncf.f64.f16".to_owned()),
            _ => None,
        };
    }
    if op.name() == "arith.extf" {
        let is_plain = from == Scalar::BF16 && op.result(0).ty().as_scalar() == Some(Scalar::F32);
        return (is_plain && !machine.narrows).then(|| "thunder.extf.bf16.f32".to_owned());
    }
    if op.name() == "arith.divf" {
        let name = if is_sigmoid(op) { "thunder.divf.f32.sigmoid" } else { "thunder.divf.f32" };
        return (from == Scalar::F32).then(|| name.to_owned());
    }
    let name = op.name().strip_prefix("math.")?;
    match from {
        Scalar::F32 if is_rounding && machine.rounded.contains(&name) => Some(format!("thunder.{name}.f32.rounded")),
        Scalar::F32 if has(FUNCTIONS, name) => Some(format!("thunder.{name}.f32")),
        Scalar::F64 if machine.wide.is_some() && has(WIDE, name) => Some(format!("thunder.{name}.f64")),
        Scalar::F32 | Scalar::F64 if name == "rsqrt" || INSTRUCTIONS.contains(&name) => None,
        Scalar::F32 | Scalar::F64 => {
            let name = if name == "powf" { "pow" } else { name };
            Some(format!("{name}{}", if from == Scalar::F32 { "f" } else { "" }))
        }
        _ => None,
    }
}

fn declare(module: &Module<'_>, foreign: HashMap<String, Type<'_>>) -> Result {
    let mut foreign: Vec<_> = foreign.into_iter().collect();
    foreign.sort_by(|a, b| a.0.cmp(&b.0));
    let location = module.operation().location();
    let cx = location.context();
    for (name, ty) in foreign {
        Rewriter::at_end_of(module.body(), location).insert(
            &Blueprint::new("func.func")
                .attribute("sym_name", Attribute::string(cx, &name))
                .attribute("function_type", Attribute::of_type(ty))
                .attribute("sym_visibility", Attribute::string(cx, "private"))
                .regions(1),
        )?;
    }
    Ok(())
}

/// Copies `wanted` and what these call from the library.
fn add(module: &Module<'_>, machine: Elementary, mut wanted: BTreeSet<String>) -> Result {
    if wanted.is_empty() {
        return Ok(());
    }
    let parse = |source: &&str| Module::parse(module.context(), "math.mlir", source.as_bytes());
    let has_wide = wanted.iter().any(|name| name.ends_with(".f64"));
    let wide = machine.wide.as_ref().filter(|_| has_wide);
    let libraries = machine.sources.iter().chain(wide).map(parse).collect::<Result<Vec<_>>>()?;
    let mut symbols: Vec<(&str, Operation<'_>)> = Vec::new();
    for op in libraries.iter().flat_map(|library| library.body().operations()) {
        if let Some(name) = op.attribute("sym_name").and_then(|a| a.as_string())
            && !symbols.iter().any(|(known, _)| *known == name)
        {
            symbols.push((name, op));
        }
    }
    let mut open: Vec<String> = wanted.iter().cloned().collect();
    while let Some(name) = open.pop() {
        let Some((_, op)) = symbols.iter().find(|(symbol, _)| *symbol == name) else { continue };
        op.walk(|below| {
            for attribute in ["callee", "name"] {
                if let Some(symbol) = below.attribute(attribute).and_then(|a| a.as_symbol())
                    && wanted.insert(symbol.to_owned())
                {
                    open.push(symbol.to_owned());
                }
            }
        });
    }
    let rewriter = Rewriter::at_end_of(module.body(), module.operation().location());
    for (name, op) in symbols {
        if wanted.contains(name) {
            rewriter.clone_op(op);
        }
    }
    Ok(())
}
