//! A whole dialect: fixed-point numbers, from a type to `arith` on integers.
//!
//! `cargo run -p thunder-ir --example tutorial` prints a program after each step.

use std::sync::{Arc, LazyLock};
use thunder_ir::conversion::{Conversion, ConversionPattern, ConversionPatterns, ConversionTarget, TypeConverter};
use thunder_ir::{Blueprint, prelude::*};

/// A type: a number in 32 bits, of which `fraction` stand behind the point: `!fix.num<fraction = 4>`.
#[ty("fix.num", verify)]
pub struct Num {
    #[default(8)]
    fraction: u32,
}

impl Verify for Num {
    fn verify(&self) -> Result {
        if self.fraction < 31 { Ok(()) } else { Err(Error::new("no bit is left before the point")) }
    }
}

/// An op: a number that is known. The fields give assembly, verifier, accessors and a builder method.
#[op("fix.constant", pure)]
pub struct Constant {
    value: Attr<f64>,
    out: Produces<Num>,
}

/// Product of two numbers, rounded down.
#[op("fix.mul", pure, commutative, same_type, canonicalize)]
pub struct Mul {
    lhs: Operand<Num>,
    rhs: Operand<Num>,
    out: Produces<Num>,
}

/// An integer as a number.
#[op("fix.from_int", pure)]
pub struct FromInt {
    operand: Operand<Integer>,
    out: Produces<Num>,
}

impl Canonicalize for Mul<'_> {
    fn canonicalize(patterns: &mut Patterns) {
        // A rewrite: x * 1 == x
        patterns.add(Pattern::on::<Mul<'static>>("mul-by-one", |op, rw| {
            let mul = Mul::of(op).or_no_match("a product")?;
            let factor = mul.rhs().defining_op().and_then(Constant::of).or_no_match("times a constant")?;
            require!(factor.value() == 1.0, "times one");
            rw.replace(op, &[mul.lhs()])?;
            Ok(())
        }));
    }
}

/// A pass: limits constants to a range around zero. The fields are its options.
#[pass("fix-limit", on = "func.func")]
pub struct Limit {
    /// The largest magnitude.
    #[default(1.0)]
    largest: f64,
}

impl Pass for Limit {
    fn run(&self, function: Operation<'_>, cx: &PassContext<'_>) -> Result {
        function.walk(|op| {
            let Some(constant) = Constant::of(op).filter(|c| c.value().abs() > self.largest) else { return };
            let value = constant.value().clamp(-self.largest, self.largest);
            op.set_attribute("value", Attribute::float(Type::f64(op.context()), value));
            cx.count("limited", 1);
        });
        Ok(())
    }
}

/// A lowering: numbers become integers, and each op what it means on them.
#[pass("fix-to-arith", on = "builtin.module", dialects("arith"))]
pub struct ToArith;

impl Pass for ToArith {
    fn run(&self, module: Operation<'_>, _: &PassContext<'_>) -> Result {
        let types = TypeConverter::new()
            .one(|ty| Ok(Some(ty)))
            .one(|ty| Ok(<Num as TypeDef>::of(ty).map(|_| Type::int(ty.context(), 32))));
        let target = ConversionTarget::new().legal_dialect("arith").illegal_dialect("fix").functions(&types);
        let constant = ConversionPattern::on::<Constant<'static>>("constant", |op, _, rw| {
            let value = Constant::of(op).or_no_match("a constant")?.value() * f64::from(1 << fraction(op));
            Ok(rw.replace(op, &[integer(rw, value.round() as i64)?])?)
        });
        let mul = ConversionPattern::on::<Mul<'static>>("mul", |op, operands, rw| {
            let product = emit(rw, Blueprint::new("arith.muli").operands(operands.ones()?))?;
            Ok(rw.replace(op, &[shifted(rw, "arith.shrsi", product, op)?])?)
        });
        let from_int = ConversionPattern::on::<FromInt<'static>>("from-int", |op, operands, rw| {
            Ok(rw.replace(op, &[shifted(rw, "arith.shli", operands.ones()?[0], op)?])?)
        });
        let patterns = ConversionPatterns::of(types).functions().with(constant).with(mul).with(from_int);
        Conversion::new(target).with(patterns).partial(module).map(drop)
    }
}

fn fraction(op: Operation<'_>) -> u32 {
    <Num as TypeDef>::of(op.result(0).ty()).map_or(0, |num| num.fraction)
}

fn emit<'c>(b: &Builder<'c>, op: Blueprint<'c>) -> Result<Value<'c>> {
    Ok(b.insert(&op.results([Type::int(b.context(), 32)]))?.result(0))
}

fn integer<'c>(b: &Builder<'c>, value: i64) -> Result<Value<'c>> {
    let value = Attribute::integer(Type::int(b.context(), 32), value);
    emit(b, Blueprint::new("arith.constant").attribute("value", value))
}

fn shifted<'c>(b: &Builder<'c>, shift: &str, x: Value<'c>, op: Operation<'c>) -> Result<Value<'c>> {
    emit(b, Blueprint::new(shift).operands([x, integer(b, fraction(op).into())?]))
}

static FIX: LazyLock<Dialect> = LazyLock::new(|| {
    Dialect::new("fix", "Fixed-point numbers.").ty::<Num>().op::<Constant>().op::<Mul>().op::<FromInt>()
});

thunder_ir::passes! { fn register_all; Limit, ToArith }

const PROGRAM: &str = "func.func @f(%x: i32) -> !fix.num {
  %number = fix.from_int %x : i32 -> !fix.num
  %one = fix.constant value = 1.0 : !fix.num
  %same = fix.mul %number, %one : !fix.num
  %much = fix.constant value = 2000.0 : !fix.num
  %product = fix.mul %same, %much : !fix.num
  return %product : !fix.num
}";

/// The program after each step.
pub fn steps() -> Result<Vec<String>> {
    register_all(&Arc::default());
    let context = Context::new(&Registry::upstream().with(&FIX));
    let mut module = Module::parse(&context, "tutorial.mlir", PROGRAM.as_bytes())?;
    let limit = Pipeline::new().on("func.func", Pipeline::new().pass(&Limit { largest: 100.0 }));
    let lower = Pipeline::new().pass(&ToArith).then("canonicalize");
    let steps = [Pipeline::new(), Pipeline::new().then("canonicalize"), limit, lower];
    steps.iter().map(|step| step.run(&mut module).map(|_| format!("// {step}\n{module}"))).collect()
}

fn main() -> Result {
    steps()?.iter().for_each(|text| println!("{text}"));
    Ok(())
}
