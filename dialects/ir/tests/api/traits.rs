//! What the words of `#[op]` mean to MLIR: traits, effects, speculation, symbols, regions and successors.

use std::sync::LazyLock;
use thunder_ir::prelude::*;

/// An op of each trait that needs no more than the word.
macro_rules! unary {
    ($($op:ident $name:literal $($word:ident)*;)*) => {$(
        /// It has a trait.
        #[op($name $(, $word)*)]
        pub struct $op {
            x: Variadic<Any>,
            out: ProducesMany<Any>,
        }
    )*};
}

unary! {
    Plain "t.plain";
    Pure "t.pure" pure;
    Idempotent "t.idempotent" pure idempotent same_type;
    Involution "t.involution" pure involution same_type;
    SameOperands "t.same_operands" same_operand_types;
    SameShape "t.same_shape" same_shape;
    SameElement "t.same_element" same_element_type;
    Elementwise "t.elementwise" elementwise;
    End "t.end" terminator;
}

macro_rules! holders {
    ($($op:ident $name:literal $($word:ident)*;)*) => {$(
        /// It has a region.
        #[op($name $(, $word)*)]
        pub struct $op {
            body: Region,
        }
    )*};
}

holders! {
    Isolated "t.isolated" isolated_from_above no_terminator;
    Table "t.table" symbol_table isolated_from_above no_terminator single_block;
    Single "t.single" single_block no_terminator;
    Closed "t.closed" no_region_arguments no_terminator;
    Recursive "t.recursive" recursive_memory_effects no_terminator;
    Opaque "t.opaque" no_terminator;
    Graph "t.graph" graph_region no_terminator;
    Scope "t.scope" affine_scope automatic_allocation_scope no_terminator;
}

/// A symbol.
#[op("t.symbol", symbol)]
pub struct Symbol {
    sym_name: Attr<SymbolName>,
    sym_visibility: OptionalAttr<String>,
}

/// Reads what it is given.
#[op("t.read", effects)]
pub struct Read {
    x: Operand<Any>,
    out: Produces<Any>,
}

impl<'c> MemoryEffects<'c> for Read<'c> {
    fn effects(&self) -> Vec<Effect<'c>> {
        vec![Effect { kind: EffectKind::Read, value: Some(self.x()) }]
    }
}

/// Writes what it is given.
#[op("t.write", effects)]
pub struct Write {
    x: Operand<Any>,
    out: Produces<Any>,
}

impl<'c> MemoryEffects<'c> for Write<'c> {
    fn effects(&self) -> Vec<Effect<'c>> {
        vec![Effect { kind: EffectKind::Write, value: Some(self.x()) }]
    }
}

/// Goes one way, or one of many.
#[op("t.branch", terminator)]
pub struct Branch {
    first: Successor,
    others: Successors,
}

static T: LazyLock<Dialect> = LazyLock::new(|| {
    Dialect::new("t", "One op for each word.")
        .op::<Plain>()
        .op::<Pure>()
        .op::<Idempotent>()
        .op::<Involution>()
        .op::<SameOperands>()
        .op::<SameShape>()
        .op::<SameElement>()
        .op::<Elementwise>()
        .op::<End>()
        .op::<Isolated>()
        .op::<Table>()
        .op::<Single>()
        .op::<Closed>()
        .op::<Recursive>()
        .op::<Opaque>()
        .op::<Graph>()
        .op::<Scope>()
        .op::<Symbol>()
        .op::<Read>()
        .op::<Write>()
        .op::<Branch>()
});

fn context() -> Context {
    Context::new(&Registry::upstream().with(&T))
}

fn function(body: &str) -> String {
    format!("func.func @f(%x: i32, %y: i64, %c: index) {{\n{body}\nreturn\n}}")
}

#[test]
fn mlir_asks_for_every_trait_by_its_own_identity() {
    let context = context();
    let body = "t.plain []\nt.elementwise []\n%s = t.same_shape %x : i32 -> i32\nt.isolated {}\nt.scope {}\nt.table { t.plain [] }";
    let module = Module::parse(&context, "test", function(body).as_bytes()).expect("valid");
    let ops = module.body().operations()[0].region(0).entry().expect("a body").operations();
    let expected: [&[&str]; 6] = [
        &[],
        &["elementwise"],
        &["same_shape"],
        &["isolated_from_above", "no_terminator"],
        &["affine_scope", "automatic_allocation_scope", "no_terminator"],
        &["symbol_table", "isolated_from_above", "no_terminator", "single_block"],
    ];
    let all: Vec<&str> = expected.concat();
    for (op, expected) in ops.iter().zip(expected) {
        let has: Vec<&str> = all.iter().copied().filter(|word| op.has_trait(word)).collect();
        assert!(has.iter().all(|word| expected.contains(word)), "{op}: {has:?}");
        assert!(expected.iter().all(|word| has.contains(word)), "{op}: {has:?}");
    }
}

#[test]
fn traits_are_verified() {
    let context = context();
    for (body, message) in [
        ("t.end", "must be the last operation in the parent block"),
        ("\"t.idempotent\"(%x) : (i32) -> i64", "same type"),
        ("t.same_operands %x, %y : (i32, i64)", "requires all operands to have the same type"),
        ("%t = tensor.empty() : tensor<2xf32>\n%u = t.same_shape %t : tensor<2xf32> -> tensor<3xf32>", "same shape"),
        ("%t = t.same_element %x : i32 -> i64", "same element type"),
        ("t.isolated { t.plain %x : i32 }", "using value defined outside the region"),
        ("t.table { t.symbol sym_name = @a t.symbol sym_name = @a }", "redefinition of symbol named 'a'"),
        ("t.single {\nt.branch ^a\n^a:\nt.plain\n}", "to have 0 or 1 blocks"),
        ("t.closed {\n^a(%z: i32):\nt.plain\n}", "should have no arguments"),
        ("t.opaque { t.plain %z : i32\n%z = t.plain : i32 }", "does not dominate this use"),
        ("\"t.branch\"() : () -> ()", "expects at least 1 successors, but has 0"),
    ] {
        let error = Module::parse(&context, "test", function(body).as_bytes()).err().expect(body).to_string();
        assert!(error.contains(message), "{body}\n{error}");
    }
}

/// The function after a pipeline.
fn after(pipeline: Pipeline, body: &str) -> String {
    let context = context();
    let mut module =
        Module::parse(&context, "test", function(body).as_bytes()).unwrap_or_else(|e| panic!("{body}\n{e}"));
    pipeline.run(&mut module).expect("runs");
    module.to_string()
}

#[test]
fn mlir_folds_by_traits() {
    let canonicalize = || Pipeline::new().then("canonicalize");
    let twice = |op: &str| format!("%a = {op} %x : i32\n%b = {op} %a : i32\nt.plain %b : i32");
    let once = after(canonicalize(), &twice("t.idempotent"));
    assert_eq!(once.matches("t.idempotent").count(), 1, "{once}");
    let none = after(canonicalize(), &twice("t.involution"));
    assert!(none.contains("t.plain %arg0") && !none.contains("t.involution"), "{none}");
}

#[test]
fn effects_decide_what_is_dead_and_what_is_equal() {
    let dead = |op: &str| after(Pipeline::new().then("cse"), &format!("%a = {op} %x : i32 -> i32"));
    for (op, stays) in [("t.plain", true), ("t.pure", false), ("t.read", false), ("t.write", true)] {
        assert_eq!(dead(op).contains(op), stays, "{op}");
    }
    let two = |op: &str, between: &str| {
        let line = |name: &str| format!("%{name} = {op} %x : i32 -> i32");
        let body = format!("{}\n{between}\n{}\nt.plain %a, %b : (i32, i32)", line("a"), line("b"));
        after(Pipeline::new().then("cse"), &body).matches(&format!("= {op}")).count()
    };
    assert_eq!(two("t.pure", ""), 1);
    assert_eq!(two("t.plain", ""), 2);
    assert_eq!(two("t.read", ""), 1, "nothing is written between");
    assert_eq!(two("t.read", "%w = t.write %x : i32 -> i32"), 2);
    let inside = |op: &str| after(Pipeline::new().then("cse"), &format!("{op} {{ %a = t.pure %x : i32 -> i32 }}"));
    assert!(!inside("t.recursive").contains("t.recursive"), "its effects are those of its body");
    assert!(inside("t.opaque").contains("t.opaque"));
}

#[test]
fn what_is_pure_may_be_speculated() {
    let looped = |op: &str| {
        let body = format!("scf.for %i = %c to %c step %c {{\n%a = {op} %x : i32 -> i32\nt.plain %a : i32\n}}");
        let text = after(Pipeline::new().then("loop-invariant-code-motion"), &body);
        text.find(&format!("= {op}")).expect("it stays") < text.find("scf.for").expect("a loop")
    };
    assert!(looped("t.pure"), "it leaves the loop");
    assert!(!looped("t.read") && !looped("t.plain"), "they may not run where the loop does not");
}

#[test]
fn symbols_are_seen_by_symbol_passes() {
    let symbols = "t.table {\nt.symbol sym_name = @a sym_visibility = \"private\"\nt.symbol sym_name = @b\n}";
    let text = after(
        Pipeline::new().on("func.func", Pipeline::new().on("t.table", Pipeline::new().then("symbol-dce"))),
        symbols,
    );
    assert!(!text.contains("@a") && text.contains("@b"), "{text}");
}

#[test]
fn graph_regions_have_no_order() {
    let text = after(Pipeline::new(), "t.graph { t.plain %z : i32\n%z = t.plain : i32 }");
    assert!(text.contains("t.graph"), "{text}");
}

/// What stands at the end of an op is not taken for a part of what follows, nor the other way round.
#[test]
fn neighbours_stay_apart() {
    let context = context();
    let lines = "t.plain []\n    %0 = t.plain : i32\n    t.plain %0 : i32\n    t.opaque attributes {a} {\n    }\n    t.opaque {\n    }";
    let source = format!("module {{\n  func.func @f(%arg0: i32) {{\n    {lines}\n    return\n  }}\n}}\n");
    let module = Module::parse(&context, "test", source.as_bytes()).expect("valid");
    assert_eq!(module.to_string(), source);
}

#[test]
fn successors_are_blocks() {
    let context = context();
    let source = "module {
  func.func @f() {
    t.branch ^bb1, ^bb2, ^bb1
  ^bb1:  // 2 preds: ^bb0, ^bb0
    return
  ^bb2:  // pred: ^bb0
    t.branch ^bb1
  }
}
";
    let module = Module::parse(&context, "test", source.as_bytes()).expect("valid");
    let again = module.to_string();
    assert!(again.contains("t.branch ^bb1, ^bb2, ^bb1"), "{again}");
    assert_eq!(Module::parse(&context, "test", again.as_bytes()).expect("valid").to_string(), again);
    let blocks = module.body().operations()[0].region(0).blocks();
    let branch = Branch::of(blocks[0].operations()[0]).expect("a branch");
    assert_eq!((branch.first(), branch.others()), (blocks[1], vec![blocks[2], blocks[1]]));
}
