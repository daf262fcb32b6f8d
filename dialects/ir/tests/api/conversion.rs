//! Dialect conversion: targets, type converters of both kinds, materializations, MLIR's own patterns, and mistakes.

use crate::toy::*;
use thunder_ir::Blueprint;
use thunder_ir::conversion::*;
use thunder_ir::prelude::*;

/// Keeps every type but i32, which becomes i64.
fn wide() -> TypeConverter {
    TypeConverter::new().one(|ty| Ok(Some(ty))).one(|ty| {
        let cx = ty.context();
        Ok((ty == Type::int(cx, 32)).then(|| Type::int(cx, 64)))
    })
}

/// Splits every tuple of two into its elements; keeps the others.
fn split() -> TypeConverter {
    TypeConverter::new().one(|ty| Ok(Some(ty))).many(|ty| {
        let cx = ty.context();
        Ok((ty == pair_type(cx)).then(|| vec![Type::int(cx, 32), Type::f32(cx)]))
    })
}

fn pair_type(cx: ContextRef<'_>) -> Type<'_> {
    Type::parse(cx, "tuple<i32, f32>").expect("a type")
}

/// toy.add becomes arith.addi of the converted type.
fn add() -> ConversionPattern {
    ConversionPattern::on::<Add<'static>>("add", |op, operands, rw| {
        let ty = rw.convert_type(op.result(0).ty())?;
        let blueprint = Blueprint::new("arith.addi").operands(operands.ones()?).results([ty]);
        rw.replace_op(op, rw.insert(&blueprint)?)?;
        Ok(())
    })
}

fn target() -> ConversionTarget {
    ConversionTarget::new().illegal_dialect("toy").legal_dialect("arith")
}

#[test]
fn types_change_through_functions_and_calls() {
    let context = context();
    let module = parse(
        &context,
        "func.func private @g(i32) -> i32
        func.func @f(%x: i32, %c: i1) -> i32 {
            %0 = toy.add %x, %x {toy.note = \"kept\"} : i32
            %1 = call @g(%0) : (i32) -> i32
            cf.cond_br %c, ^a(%1 : i32), ^a(%x : i32)
        ^a(%y: i32):
            return %y : i32
        }",
    );
    let types = wide();
    let conversion =
        Conversion::new(target().functions(&types)).with(ConversionPatterns::of(types).functions().with(add()));
    let op = conversion.full(module.operation()).expect("converts");
    let text = op.to_string();
    assert!(op.verify());
    assert!(!text.contains("i32") && !text.contains("unrealized"), "{text}");
    assert!(text.contains("call @g(%0) : (i64) -> i64"), "{text}");
    assert!(text.contains("arith.addi %arg0, %arg0 {toy.note = \"kept\"} : i64"), "{text}");
}

#[test]
fn one_value_becomes_many() {
    let context = context();
    let module = parse(
        &context,
        "func.func private @g(tuple<i32, f32>) -> tuple<i32, f32>
        func.func @f(%a: i32, %b: f32) -> i32 {
            %p = toy.pair %a, %b : (i32, f32) -> tuple<i32, f32>
            %q = call @g(%p) : (tuple<i32, f32>) -> tuple<i32, f32>
            %r = toy.first %q : tuple<i32, f32> -> i32
            return %r : i32
        }",
    );
    let pair = ConversionPattern::on::<Pair<'static>>("pair", |op, operands, rw| {
        rw.replace_each(op, &[operands.ones()?])?;
        Ok(())
    });
    let first = ConversionPattern::on::<First<'static>>("first", |op, operands, rw| {
        assert_eq!(operands[0].len(), 2);
        rw.replace(op, &[operands[0][0]])?;
        Ok(())
    });
    let types = split();
    let patterns = ConversionPatterns::of(types.clone()).functions().with(pair).with(first);
    let op = Conversion::new(target().functions(&types)).with(patterns).full(module.operation()).expect("converts");
    assert!(op.verify());
    let text = op.to_string();
    assert!(text.contains("%0:2 = call @g(%arg0, %arg1) : (i32, f32) -> (i32, f32)"), "{text}");
    assert!(text.contains("return %0#0 : i32"), "{text}");
}

#[test]
fn values_flow_through_structured_control_flow() {
    let context = context();
    let module = parse(
        &context,
        "func.func @f(%c: i1, %x: i32) -> i32 {
            %0 = scf.if %c -> i32 {
                %1 = toy.add %x, %x : i32
                scf.yield %1 : i32
            } else {
                scf.yield %x : i32
            }
            return %0 : i32
        }",
    );
    let types = wide();
    let patterns = ConversionPatterns::of(types.clone()).functions().control_flow().with(add());
    let op = Conversion::new(target().functions(&types)).with(patterns).full(module.operation()).expect("converts");
    assert!(op.verify());
    assert!(op.to_string().contains("scf.if %arg0 -> (i64)"), "{op}");
}

/// Casts between i32 and i64 in both directions.
fn cast<'c>(b: &Builder<'c>, ty: Type<'c>, input: Value<'c>) -> Result<Value<'c>> {
    let narrow = ty == Type::int(b.context(), 32);
    let name = if narrow { "arith.trunci" } else { "arith.extsi" };
    Ok(b.insert(&Blueprint::new(name).operands([input]).results([ty]))?.result(0))
}

#[test]
fn materializations_bridge_what_stays() {
    let context = context();
    let module = parse(
        &context,
        "func.func @f(%x: i32) {
            %0 = toy.add %x, %x : i32
            toy.use %0 : i32
            return
        }",
    );
    let types =
        wide().source(|b, ty, inputs| Ok(Some(cast(b, ty, inputs[0])?))).target(|b, types, inputs, original| {
            assert_eq!(original, Some(Type::int(b.context(), 32)));
            Ok(Some(vec![cast(b, types[0], inputs[0])?]))
        });
    let target = ConversionTarget::new().illegal_op("toy.add").legal_dialect("arith");
    let conversion = Conversion::new(target).with(ConversionPatterns::of(types).with(add()));
    let op = conversion.partial(module.operation()).expect("converts");
    let text = op.to_string();
    assert!(text.contains("%0 = arith.extsi %arg0 : i32 to i64"), "{text}");
    assert!(text.contains("arith.trunci") && text.contains("toy.use %"), "{text}");
    assert!(!text.contains("unrealized"), "{text}");
}

#[test]
fn targets_decide_per_operation() {
    let context = context();
    let module = parse(
        &context,
        "func.func @f(%x: i32, %y: i64) {
            %0 = toy.add %x, %x : i32
            %1 = toy.add %y, %y : i64
            \"toy.scope\"() ({
                %2 = toy.add %y, %y : i64
                toy.use %2 : i64
            }) : () -> ()
            toy.use %0 : i32
            toy.use %1 : i64
            return
        }",
    );
    let narrow = |op: Operation<'_>| Ok(op.result(0).ty() == Type::int(op.context(), 32));
    let target = ConversionTarget::new()
        .illegal_dialect("toy")
        .legal_op("toy.use")
        .legal_with_contents("toy.scope")
        .dynamic_op("toy.add", narrow)
        .unknown(|op| Ok(op.name().starts_with("func.") || op.name().starts_with("arith.")));
    let op = Conversion::new(target)
        .with(ConversionPatterns::new().with(add()))
        .full(module.operation())
        .expect("all that is not legal is an add of i64");
    let text = op.to_string();
    assert_eq!((text.matches("toy.add").count(), text.matches("arith.addi").count()), (2, 1), "{text}");
}

#[test]
fn a_failed_conversion_changes_nothing() {
    let context = context();
    let module = parse(
        &context,
        "func.func @f(%x: i32) {
            %0 = toy.add %x, %x : i32
            toy.use %0 : i32
            return
        }",
    );
    let before = module.to_string();
    let conversion = Conversion::new(target()).with(ConversionPatterns::new().with(add()));
    let (outcome, said) = reported(&context, || conversion.partial(module.operation()).map(|_| ()));
    assert!(outcome.is_err());
    assert!(said.contains("test.mlir:3:13: error: failed to legalize operation 'toy.use'"), "{said}");
    assert_eq!(module.to_string(), before);
}

#[test]
fn an_analysis_tells_what_could_be_converted() {
    let context = context();
    let module = parse(
        &context,
        "func.func @f(%x: i32) {
            %0 = toy.add %x, %x : i32
            toy.use %0 : i32
            return
        }",
    );
    let before = module.to_string();
    let conversion = Conversion::new(target().legal_dialect("func")).with(ConversionPatterns::new().with(add()));
    let possible = conversion.analyze(module.operation()).expect("nothing breaks");
    let names: Vec<_> = possible.iter().map(|op| op.name()).collect();
    assert_eq!(names, ["func.func", "toy.add", "func.return"]);
    assert_eq!(module.to_string(), before);
}

#[test]
fn regions_of_own_operations_convert() {
    let context = context();
    let module = parse(
        &context,
        "\"toy.scope\"() ({
        ^bb0(%x: i32, %p: tuple<i32, f32>):
            %0 = toy.add %x, %x : i32
            %1 = toy.first %p : tuple<i32, f32> -> i32
            %2 = toy.add %0, %1 : i32
        }) : () -> ()",
    );
    let types = wide().many(|ty| {
        let cx = ty.context();
        Ok((ty == pair_type(cx)).then(|| vec![Type::int(cx, 64), Type::f32(cx)]))
    });
    let scope = ConversionPattern::on::<Scope<'static>>("scope", |op, _, rw| {
        let old = op.region(0).entry().or_no_match("a block")?;
        rw.modify(op, |op| rw.convert_region(op.region(0)))?;
        assert_eq!(op.region(0).entry().map(|block| block.argument_count()), Some(3));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| old.argument_count())).is_err());
        Ok(())
    });
    let first = ConversionPattern::on::<First<'static>>("first", |op, operands, rw| {
        rw.replace(op, &[operands[0][0]])?;
        Ok(())
    });
    let accepts = types.clone();
    let target = target().dynamic_op("toy.scope", move |op| accepts.accepts(op));
    let patterns = ConversionPatterns::of(types).with(scope).with(first).with(add());
    let op = Conversion::new(target).with(patterns).full(module.operation()).expect("converts");
    let text = op.to_text(true, false);
    assert!(text.contains("^bb0(%arg0: i64, %arg1: i64, %arg2: f32)"), "{text}");
    assert!(!text.contains("toy.add") && !text.contains("unrealized"), "{text}");
}

/// Converts a module with one bad callback; returns the error and what was reported.
fn failing(conversion: &Conversion) -> (String, String) {
    let context = context();
    let module = parse(
        &context,
        "func.func @f(%x: i32) -> i32 {
            %0 = toy.add %x, %x : i32
            %1 = toy.add %0, %x : i32
            return %1 : i32
        }",
    );
    let before = module.to_string();
    let (outcome, said) = reported(&context, || conversion.partial(module.operation()).map(|_| ()));
    assert_eq!(module.to_string(), before, "a failed conversion changes nothing");
    (outcome.expect_err("a callback failed").to_string(), said)
}

/// Runs one pattern over both adds.
fn failing_pattern(
    rewrite: impl for<'c> Fn(Operation<'c>, &Adapted<'c>, &ConversionRewriter<'c>) -> thunder_ir::rewrite::Rewritten
    + Send
    + Sync
    + 'static,
) -> String {
    let pattern = ConversionPattern::on::<Add<'static>>("bad", rewrite);
    let (error, said) = failing(&Conversion::new(target()).with(ConversionPatterns::of(wide()).with(pattern)));
    assert!(error.contains("a callback of a conversion failed"), "{error}");
    said
}

#[test]
fn mistakes_of_callbacks_are_diagnostics() {
    let said = failing_pattern(|op, _, _| Err(op.error("is too much").into()));
    assert!(said.contains("test.mlir:2:18: error: 'toy.add' op is too much"), "{said}");
    let said = failing_pattern(|_, _, _| Ok(()));
    assert!(said.contains("error: 'toy.add' op pattern 'bad' neither replaced nor modified it"), "{said}");
    let said = failing_pattern(|_, _, _| panic!("out of cheese"));
    assert!(said.contains("error: 'toy.add' op pattern 'bad': rust panic: out of cheese"), "{said}");

    let lost = TypeConverter::new().one(|_| panic!("which type?"));
    let (_, said) = failing(&Conversion::new(target()).with(ConversionPatterns::of(lost).with(add())));
    assert!(said.contains("conversion of the type 'i32': rust panic: which type?"), "{said}");

    let wrong = wide().target(|_, _, inputs, _| Ok(Some(inputs.to_vec())));
    let only = |ty: ConversionTarget| ty.illegal_op("toy.add").legal_dialect("arith");
    let conversion = Conversion::new(only(ConversionTarget::new())).with(ConversionPatterns::of(wrong).with(add()));
    let context = context();
    let module = parse(&context, "func.func @f(%x: i32) { %0 = toy.add %x, %x : i32 return }");
    let (outcome, said) = reported(&context, || conversion.partial(module.operation()).map(|_| ()));
    assert!(outcome.is_err());
    assert!(said.contains("target materialization: made values of [i32] where [i64] are needed"), "{said}");

    let doubtful = ConversionTarget::new().dynamic_op("toy.add", |op| Err(op.error("is neither nor")));
    let (_, said) = failing(&Conversion::new(doubtful));
    assert!(said.contains("error: 'toy.add' op is neither nor"), "{said}");
}

#[test]
fn dead_handles_panic_and_nothing_dies_twice() {
    // The handle of what was replaced is dead at once, though MLIR deletes it later.
    let said = failing_pattern(|op, operands, rw| {
        rw.replace(op, &[operands[0][0]])?;
        op.name();
        Ok(())
    });
    assert!(said.contains("use of an operation that was erased at dialects/ir/tests/api/conversion.rs:"), "{said}");

    // The second add still sees the first, which is replaced already, as its operand.
    let said = failing_pattern(|op, operands, rw| {
        if let Some(first) = op.operand(0).defining_op() {
            rw.erase(first)?;
        }
        rw.replace(op, &[operands[1][0]])?;
        Ok(())
    });
    assert!(said.contains("was replaced or erased by another pattern already"), "{said}");

    let said = failing_pattern(|op, _, rw| {
        let function = op.parent().and_then(|function| function.parent()).or_no_match("a module")?;
        rw.erase(function)?;
        Ok(())
    });
    assert!(said.contains("holds what the pass or pattern driver runs on"), "{said}");

    let said = failing_pattern(|op, _, _| {
        Rewriter::at(op).erase(op)?;
        Ok(())
    });
    assert!(said.contains("during a conversion, only its own rewriter changes IR"), "{said}");

    let said = failing_pattern(|op, _, _| {
        thunder_ir::rewrite::apply_greedily(op, Patterns::new(), Default::default())?;
        Ok(())
    });
    assert!(said.contains("is under a pattern driver already"), "{said}");
}

#[test]
fn what_a_pattern_erases_may_be_used_until_the_end() {
    let context = context();
    let module = parse(
        &context,
        "func.func @f(%x: i32) {
            %0 = toy.add %x, %x : i32
            toy.use %0 : i32
            return
        }",
    );
    let erase = ConversionPattern::roots("erase", &["toy.add", "toy.use"], |op, _, rw| Ok(rw.erase(op)?));
    let op = Conversion::new(target()).with(ConversionPatterns::new().with(erase)).partial(module.operation());
    let op = op.expect("both go");
    assert!(!op.to_string().contains("toy"), "{op}");
    assert!(op.verify());
}
