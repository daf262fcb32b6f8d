//! The dialect that all tests of this crate use.

use std::sync::LazyLock;
use thunder_ir::prelude::*;

/// A number.
#[op("toy.constant", pure, constant_like, fold)]
pub struct Constant {
    value: Attr<Attribute<'_>>,
    out: Produces<Number>,
}

impl<'c> Fold<'c> for Constant<'c> {
    fn fold(&self, _: &[Option<Attribute<'c>>]) -> Option<FoldOutcome<'c>> {
        Some(FoldOutcome::Replaced(vec![Folded::Constant(self.value())]))
    }
}

/// Sum of two numbers.
#[op("toy.add", pure, commutative, same_type, fold, canonicalize)]
pub struct Add {
    lhs: Operand<Number>,
    rhs: Operand<Number>,
    out: Produces<Number>,
}

impl<'c> Fold<'c> for Add<'c> {
    fn fold(&self, constants: &[Option<Attribute<'c>>]) -> Option<FoldOutcome<'c>> {
        let (a, b) = (constants[0]?.as_integer()?, constants[1]?.as_integer()?);
        let sum = Attribute::integer(self.lhs().ty(), a.wrapping_add(b));
        Some(FoldOutcome::Replaced(vec![Folded::Constant(sum)]))
    }
}

impl Canonicalize for Add<'_> {
    fn canonicalize(patterns: &mut Patterns) {
        // x + 0 == x
        patterns.add(Pattern::on::<Add<'static>>("add-zero", |op, rw| {
            let add = Add::of(op).or_no_match("an add")?;
            let zero = add.rhs().as_constant().and_then(Attribute::as_integer);
            require!(zero == Some(0), "adds zero");
            rw.replace(op, &[add.lhs()])?;
            Ok(())
        }));
    }
}

/// How to round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AttrKind)]
pub enum Mode {
    /// Down.
    Down,
    /// To the nearest even number.
    NearestEven,
}

/// Everything that a field can be.
#[op("toy.everything", verify, effects)]
pub struct Everything {
    first: Operand<Number>,
    rest: Variadic<Number>,
    mask: OptionalOperand<Bool>,
    #[default(7)]
    size: Attr<i64>,
    mode: Attr<Mode>,
    axes: OptionalAttr<Vec<i64>>,
    outs: ProducesMany<Number>,
    body: Region,
}

impl Verify for Everything<'_> {
    fn verify(&self) -> Result {
        if self.size() < 0 {
            return Err(self.error(format!("size is {}, but must not be negative", self.size())));
        }
        Ok(())
    }
}

impl<'c> MemoryEffects<'c> for Everything<'c> {
    fn effects(&self) -> Vec<Effect<'c>> {
        vec![Effect { kind: EffectKind::Read, value: Some(self.first()) }]
    }
}

/// Always breaks.
#[op("toy.panics", verify)]
pub struct Panics {}

impl Verify for Panics<'_> {
    fn verify(&self) -> Result {
        panic!("out of cheese")
    }
}

/// Two values as one.
#[op("toy.pair", pure)]
pub struct Pair {
    first: Operand<Number>,
    second: Operand<Number>,
    out: Produces<Any>,
}

/// The first value of a pair.
#[op("toy.first", pure)]
pub struct First {
    pair: Operand<Any>,
    out: Produces<Number>,
}

/// Holds code whose meaning is somebody else's business.
#[op("toy.scope", no_terminator)]
pub struct Scope {
    body: Region,
}

/// Uses a value of any type.
#[op("toy.use")]
pub struct Use {
    value: Operand<Any>,
}

static TOY: LazyLock<Dialect> = LazyLock::new(|| {
    Dialect::new("toy", "A dialect for tests.")
        .op::<Constant>()
        .op::<Add>()
        .op::<Everything>()
        .op::<Panics>()
        .op::<Pair>()
        .op::<First>()
        .op::<Scope>()
        .op::<Use>()
        .constants(|_, _| Some(Constant::definition()))
});

/// A context that knows it.
pub fn context() -> Context {
    Context::new(&Registry::upstream().with(&TOY))
}

/// Parses a module.
pub fn parse<'x>(context: &'x Context, source: &str) -> Module<'x> {
    Module::parse(context, "test.mlir", source.as_bytes()).expect("the test's module is valid")
}

/// Runs `body` and returns what MLIR reported, one line each.
pub fn reported<T>(context: &Context, body: impl FnOnce() -> T) -> (T, String) {
    let (value, diagnostics) = thunder_ir::diagnostic::capture(context.as_ref(), body);
    let lines: Vec<_> = diagnostics.iter().map(ToString::to_string).collect();
    (value, lines.join("\n"))
}
