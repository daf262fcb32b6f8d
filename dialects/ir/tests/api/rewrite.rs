//! Patterns in the greedy driver: several roots, benefits, kept attributes, and mistakes.

use crate::toy::*;
use std::sync::{Arc, Mutex};
use thunder_ir::Blueprint;
use thunder_ir::prelude::*;
use thunder_ir::rewrite::{GreedyConfig, apply_greedily};

const TWO_ADDS: &str = "func.func @f(%x: i32) -> i32 {
    %0 = toy.add %x, %x {toy.note = \"a\", plain} : i32
    %1 = toy.add %0, %x : i32
    return %1 : i32
}";

/// Applies patterns once, without folding, to a module.
fn greedily(source: &str, patterns: Patterns) -> (Result<String>, String) {
    let context = context();
    let module = parse(&context, source);
    let config = GreedyConfig { fold: false, ..GreedyConfig::default() };
    reported(&context, || apply_greedily(module.operation(), patterns, config).map(|(op, _)| op.to_string()))
}

/// A pattern that makes an arith.addi and finishes with `replace`.
fn lower(
    replace: impl for<'c> Fn(&Rewriter<'c>, Operation<'c>, Operation<'c>) -> Result + Send + Sync + 'static,
) -> Patterns {
    Patterns::new().with(Pattern::on::<Add<'static>>("lower", move |op, rw| {
        let ty = op.result(0).ty();
        let blueprint = Blueprint::new("arith.addi").operands(op.operands()).results([ty]);
        replace(rw, op, rw.insert(&blueprint)?)?;
        Ok(())
    }))
}

#[test]
fn one_pattern_has_several_roots_and_the_highest_benefit_goes_first() {
    let order: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = |name: &'static str, benefit: u16| {
        let order = Arc::clone(&order);
        Pattern::roots(name, &["toy.add", "toy.constant"], move |op, _| {
            order.lock().expect("no panic").push(format!("{name} {}", op.name()));
            Err(thunder_ir::rewrite::Mismatch::NoMatch("only looks"))
        })
        .benefit(benefit)
    };
    let patterns = Patterns::new().with(log("low", 1)).with(log("high", 7));
    let source = "func.func @f(%x: i32) { %0 = toy.constant value = 1 : i32 : i32  %1 = toy.add %0, %x : i32  toy.use %1 : i32  return }";
    greedily(source, patterns).0.expect("nothing fails");
    let order = order.lock().expect("no panic").clone();
    assert_eq!(order, ["high toy.constant", "low toy.constant", "high toy.add", "low toy.add"]);
}

#[test]
fn discardable_attributes_are_kept() {
    let (text, _) = greedily(TWO_ADDS, lower(|rw, op, by| rw.replace(op, &[by.result(0)])));
    let text = text.expect("rewrites");
    assert!(text.contains("arith.addi %arg0, %arg0 {plain, toy.note = \"a\"} : i32"), "{text}");
    assert!(text.contains("arith.addi %0, %arg0 : i32"), "{text}");

    let (text, _) = greedily(TWO_ADDS, lower(|rw, op, by| rw.replace_op(op, by)));
    assert!(text.expect("rewrites").contains("{plain, toy.note = \"a\"}"));

    let (text, _) = greedily(TWO_ADDS, lower(|rw, op, by| rw.replace_discarding(op, &[by.result(0)])));
    assert!(!text.expect("rewrites").contains("note"));
}

#[test]
fn what_an_heir_has_or_declares_is_its_own() {
    let (text, _) = greedily(
        TWO_ADDS,
        lower(|rw, op, by| {
            by.set_attribute("toy.note", Attribute::string(by.context(), "its own"));
            // Of arith.addi, this is an inherent attribute.
            op.set_attribute("overflowFlags", Attribute::unit(op.context()));
            rw.replace(op, &[by.result(0)])
        }),
    );
    let text = text.expect("rewrites");
    assert!(text.contains("{plain, toy.note = \"its own\"}") && !text.contains("overflowFlags"), "{text}");
}

#[test]
fn values_that_were_there_before_inherit_nothing() {
    let first = Pattern::on::<Add<'static>>("first", |op, rw| {
        let add = Add::of(op).or_no_match("an add")?;
        let inner = add.lhs().defining_op().or_no_match("an add of an add")?;
        // A second user, so that the first add is not fresh.
        op.set_attribute("toy.note", Attribute::string(op.context(), "lost"));
        rw.replace(op, &[inner.result(0)])?;
        Ok(())
    });
    let (text, _) = greedily(TWO_ADDS, Patterns::new().with(first));
    let text = text.expect("rewrites");
    assert!(text.contains("toy.note = \"a\"") && !text.contains("lost"), "{text}");
}

#[test]
fn mistakes_are_diagnostics_at_the_operation() {
    let (outcome, said) = greedily(
        TWO_ADDS,
        Patterns::new().with(Pattern::roots("bad", &["toy.add"], |op, _| Err(op.error("is too much").into()))),
    );
    assert!(outcome.is_err_and(|error| error.to_string().contains("a rewrite pattern failed")));
    assert!(said.contains("test.mlir:2:10: error: 'toy.add' op is too much"), "{said}");
    let (outcome, said) = greedily(TWO_ADDS, Patterns::new().with(Pattern::any("bad", |_, _| panic!("out of cheese"))));
    assert!(outcome.is_err());
    assert!(said.contains("error: 'toy.add' op pattern 'bad': rust panic: out of cheese"), "{said}");
}

/// A pattern over adds that goes wrong, and what is said of it.
fn wrong(rewrite: impl for<'c> Fn(Operation<'c>, &Rewriter<'c>) -> Result + Send + Sync + 'static) -> String {
    let pattern = Pattern::on::<Add<'static>>("wrong", move |op, rw| Ok(rewrite(op, rw)?));
    let (outcome, said) = greedily(TWO_ADDS, Patterns::new().with(pattern));
    assert!(outcome.is_err(), "the pattern goes wrong");
    said
}

#[test]
fn nothing_that_the_driver_needs_can_be_erased() {
    let said = wrong(|op, rw| rw.erase(op.parent().and_then(|f| f.parent()).expect("a module")));
    assert!(said.contains("holds what the pass or pattern driver runs on"), "{said}");
    let said = wrong(|op, _| apply_greedily(op, Patterns::new(), GreedyConfig::default()).map(|_| ()));
    assert!(said.contains("is under a pattern driver already"), "{said}");
    let said = wrong(|op, rw| {
        rw.move_before(op.parent().expect("a function"), op);
        Ok(())
    });
    assert!(said.contains("an operation cannot move into itself"), "{said}");
}

#[test]
fn the_driver_hears_of_other_rewriters_and_of_refused_operations() {
    // What a second rewriter erases, and what a builder takes back, was on the driver's list of operations to visit.
    let (text, _) = greedily(
        TWO_ADDS,
        Patterns::new().with(Pattern::on::<Add<'static>>("other", |op, rw| {
            let add = Add::of(op).or_no_match("an add")?;
            let float = rw.constant(Attribute::float(Type::f32(op.context()), 1.0), Type::f32(op.context()))?;
            assert!(rw.add(add.lhs(), float).is_err(), "the types differ");
            let other = Rewriter::at(op);
            let sum = other.insert(&Blueprint::new("arith.addi").operands(op.operands()).results([add.lhs().ty()]))?;
            let dead = other.insert(&Blueprint::new("arith.addi").operands(op.operands()).results([add.lhs().ty()]))?;
            other.erase(dead)?;
            other.replace(op, &[sum.result(0)])?;
            Ok(())
        })),
    );
    let text = text.expect("rewrites");
    assert_eq!((text.matches("arith.addi").count(), text.matches("toy.add").count()), (2, 0), "{text}");
}

static OTHER: std::sync::LazyLock<Dialect> =
    std::sync::LazyLock::new(|| Dialect::new("toy2", "Hooks that overstep.").op::<Overstep>());

/// Tries to erase itself in its own verifier.
#[op("toy2.overstep", verify)]
pub struct Overstep {}

impl Verify for Overstep<'_> {
    fn verify(&self) -> Result {
        Rewriter::at(self.operation()).erase(self.operation())
    }
}

#[test]
fn hooks_change_nothing() {
    let context = Context::new(&Registry::upstream().with(&OTHER));
    let error = Module::parse(&context, "test.mlir", b"toy2.overstep").err().expect("the verifier panics");
    assert!(error.to_string().contains("a hook of an operation inserts and erases nothing"), "{error}");
}
