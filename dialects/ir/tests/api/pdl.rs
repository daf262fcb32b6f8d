//! PDL patterns with constraints and rewrites in Rust: alone, beside closures, in conversions, and with mistakes.

use crate::toy::*;
use thunder_ir::conversion::{Conversion, ConversionPatterns, ConversionTarget};
use thunder_ir::pdl::{PdlPatterns, PdlValue};
use thunder_ir::prelude::*;
use thunder_ir::rewrite::{GreedyConfig, apply_greedily};

const ADDS: &str = "func.func @f(%x: i32) -> i32 {
    %0 = toy.constant value = 4 : i32 : i32
    %1 = toy.add %x, %0 {toy.note} : i32
    return %1 : i32
}";

/// A pattern over an add of a constant, with this rewrite.
fn pattern(rewrite: &str) -> String {
    format!(
        "pdl.pattern @add : benefit(3) {{
            %x = pdl.operand
            %t = pdl.type
            %v = pdl.attribute : %t
            %constant = pdl.operation \"toy.constant\" {{\"value\" = %v}} -> (%t : !pdl.type)
            %c = pdl.result 0 of %constant
            pdl.apply_native_constraint \"even\"(%v : !pdl.attribute)
            %add = pdl.operation \"toy.add\"(%x, %c : !pdl.value, !pdl.value) -> (%t : !pdl.type)
            {rewrite}
        }}"
    )
}

/// Halves the constant and adds it twice: one operation that infers its type, one that is given it.
const HALVE: &str = "pdl.rewrite %add {
    %half = pdl.apply_native_rewrite \"halve\"(%v : !pdl.attribute) : !pdl.attribute
    %new = pdl.operation \"arith.constant\" {\"value\" = %half} -> (%t : !pdl.type)
    %h = pdl.result 0 of %new
    %one = pdl.operation \"arith.addi\"(%x, %h : !pdl.value, !pdl.value)
    %r = pdl.results of %one
    %both = pdl.range %r, %h : !pdl.range<value>, !pdl.value
    %two = pdl.operation \"arith.addi\"(%both : !pdl.range<value>)
    pdl.replace %add with %two
}";

fn even(args: &[PdlValue<'_>]) -> Result<bool> {
    Ok(args[0].attribute()?.as_integer().is_some_and(|value| value % 2 == 0))
}

fn halve<'c>(args: &[PdlValue<'c>], _: &Rewriter<'c>) -> Result<Vec<PdlValue<'c>>> {
    let value = args[0].attribute()?;
    let ty = value.ty().ok_or("it has a type")?;
    Ok(vec![PdlValue::Attribute(Attribute::integer(ty, value.as_integer().unwrap_or_default() / 2))])
}

fn read(context: &Context, rewrite: &str) -> PdlPatterns {
    let patterns = PdlPatterns::parse(context.as_ref(), pattern(rewrite)).expect("valid patterns");
    patterns.constraint("even", even).rewrite("halve", halve)
}

fn apply(context: &Context, source: &str, patterns: Patterns) -> (Result<String>, String) {
    let module = parse(context, source);
    let config = GreedyConfig { fold: false, ..GreedyConfig::default() };
    reported(context, || apply_greedily(module.operation(), patterns, config).map(|(op, _)| op.to_string()))
}

#[test]
fn patterns_match_ask_and_rewrite_in_rust() {
    let context = context();
    let (text, _) = apply(&context, ADDS, Patterns::new().pdl(read(&context, HALVE)));
    let text = text.expect("rewrites");
    assert!(text.contains("%c2_i32 = arith.constant 2 : i32"), "{text}");
    assert!(text.contains("= arith.addi %0, %c2_i32 {toy.note} : i32"), "{text}");
    assert!(!text.contains("toy.add"), "{text}");

    let odd = ADDS.replace("= 4", "= 3");
    let (text, _) = apply(&context, &odd, Patterns::new().pdl(read(&context, HALVE)));
    assert!(text.expect("nothing matches").contains("toy.add"));
}

#[test]
fn modules_and_closures_go_together() {
    let context = context();
    let module = parse(&context, &pattern("pdl.rewrite %add with \"halve\"(%x : !pdl.value)"));
    // The same names mean other functions here.
    let other = PdlPatterns::from_module(module.operation())
        .expect("valid patterns")
        .constraint("even", |args| Ok(!even(args)?))
        .rewrite("halve", |args, rw| {
            rw.replace(args[0].operation()?, &[args[1].value()?])?;
            Ok(vec![])
        });
    let shrink = Pattern::on::<Constant<'static>>("shrink", |op, rw| {
        let value = op.attribute("value").and_then(Attribute::as_integer).or_no_match("an integer")?;
        require!(value > 4, "is large");
        let smaller = Attribute::integer(op.result(0).ty(), value - 1);
        rw.modify(op, |op| op.set_attribute("value", smaller));
        Ok(())
    });
    let patterns = || Patterns::new().pdl(read(&context, HALVE)).with(shrink.clone()).pdl(other.clone());
    // 5 is odd: what is added to it goes. 4 stands for itself, and 6 is even from the start.
    let (text, _) = apply(&context, &ADDS.replace("= 4", "= 3"), patterns());
    assert!(text.expect("rewrites").contains("return %arg0"));
    let (text, _) = apply(&context, ADDS, patterns());
    assert!(text.expect("rewrites").contains("arith.addi"));
}

#[test]
fn conversions_take_them_too() {
    let context = context();
    let module = parse(&context, ADDS);
    let target = ConversionTarget::new().illegal_op("toy.add").legal_dialect("arith");
    let patterns = ConversionPatterns::new().rewrites(Patterns::new().pdl(read(&context, HALVE)));
    let op = Conversion::new(target).with(patterns).partial(module.operation()).expect("converts");
    assert!(op.verify());
    assert_eq!(op.to_string().matches("arith.addi").count(), 2, "{op}");
}

#[test]
fn bad_modules_are_errors() {
    let context = context();
    let refused = |source: &str| PdlPatterns::parse(context.as_ref(), source).err().expect("refused").to_string();
    assert!(refused("pdl.pattern : benefit(1) {").contains("pdl:1"));
    let said = refused("pdl.pattern : benefit(1) { %t = pdl.type }");
    assert!(said.contains("expected a bindable user"), "{said}");

    let unknown = |rewrite: &str| {
        let patterns = PdlPatterns::parse(context.as_ref(), pattern(rewrite)).expect("valid patterns");
        let (outcome, _) = apply(&context, ADDS, Patterns::new().pdl(patterns.constraint("even", even)));
        outcome.expect_err("nothing is defined").to_string()
    };
    assert!(unknown(HALVE).contains("no rewrite 'halve' is defined"));
    let patterns = PdlPatterns::parse(context.as_ref(), pattern(HALVE)).expect("valid patterns");
    let (outcome, _) = apply(&context, ADDS, Patterns::new().pdl(patterns.rewrite("halve", halve)));
    assert!(outcome.expect_err("nothing is defined").to_string().contains("no constraint 'even' is defined"));
}

/// Applies a pattern with this rewrite and this native, and returns what went wrong.
fn wrong(
    rewrite: &str,
    native: impl for<'c> Fn(&[PdlValue<'c>], &Rewriter<'c>) -> Result<Vec<PdlValue<'c>>> + Send + Sync + 'static,
) -> String {
    let context = context();
    let (outcome, said) = apply(&context, ADDS, Patterns::new().pdl(read(&context, rewrite).rewrite("native", native)));
    assert!(outcome.is_err(), "{said}");
    said
}

#[test]
fn mistakes_are_diagnostics() {
    const CALL: &str = "pdl.rewrite %add {
        %o = pdl.apply_native_rewrite \"native\"(%add : !pdl.operation) : !pdl.operation
        pdl.replace %add with %o
    }";
    let said = wrong(CALL, |_, _| panic!("out of cheese"));
    assert!(said.contains("'toy.add' op pattern 'pdl.rewrite': rust panic: out of cheese"), "{said}");
    let said = wrong(CALL, |args, _| Err(args[0].operation()?.error("is too much")));
    assert!(said.contains("test.mlir:3:10: error: 'toy.add' op is too much"), "{said}");
    let said = wrong(CALL, |_, _| Ok(vec![]));
    assert!(said.contains("the rewrite 'native' returns [], not [\"!pdl.operation\"]"), "{said}");
    let said = wrong(CALL, |args, _| Ok(vec![args[0].clone()]));
    assert!(said.contains("cannot be replaced by its own value"), "{said}");
    let said = wrong(CALL, |args, rw| {
        let op = args[0].operation()?;
        let none = rw.insert(&thunder_ir::Blueprint::new("toy.use").operands([op.operand(0)]))?;
        Ok(vec![PdlValue::Operation(none)])
    });
    assert!(said.contains("has 1 results and cannot be replaced by 0 values"), "{said}");

    let nothing = |rewrite: &str| wrong(rewrite, |_, _| Ok(vec![]));
    let said = nothing("pdl.rewrite %add { pdl.erase %add }");
    assert!(said.contains("is still used by 'func.return' and cannot be erased"), "{said}");
    let said = nothing("pdl.rewrite %add { pdl.replace %add with (%x, %x : !pdl.value, !pdl.value) }");
    assert!(said.contains("has 1 results and cannot be replaced by 2 values"), "{said}");
    let said = nothing("pdl.rewrite %add { %new = pdl.operation \"toy.unknown\"  pdl.replace %add with %new }");
    assert!(said.contains("no operation 'toy.unknown' is registered"), "{said}");

    let context = context();
    let patterns = read(&context, HALVE).constraint("even", |_| panic!("odd"));
    let (outcome, said) = apply(&context, ADDS, Patterns::new().pdl(patterns));
    assert!(outcome.is_err());
    assert!(said.contains("constraint 'even': rust panic: odd"), "{said}");
}
