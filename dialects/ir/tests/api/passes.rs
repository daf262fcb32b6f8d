//! Passes as structs: options of every type, pipelines as values and text, dialects, statistics and failures.

use std::sync::{Arc, LazyLock};
use thunder_ir::pass::{Describe as _, Statistics};
use thunder_ir::prelude::*;

/// Writes its options down.
#[pass("api-options", on = "func.func")]
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// A bool.
    #[default(true)]
    flag: bool,
    /// An integer.
    #[default(-3)]
    offset: i64,
    /// A size.
    #[default(16)]
    tile_size: usize,
    /// A float.
    #[default(0.5)]
    ratio: f64,
    /// A text.
    #[default("none")]
    mode: String,
    /// A list.
    sizes: Vec<i64>,
}

impl Pass for Options {
    fn run(&self, op: Operation<'_>, cx: &PassContext<'_>) -> Result {
        op.set_attribute("options", Attribute::string(op.context(), &format!("{self:?}")));
        cx.count("runs", 1);
        Ok(())
    }
}

/// Makes an op of a dialect that nothing else has loaded.
#[pass("api-dependent", on = "builtin.module", dialects("math"))]
pub struct Dependent;

impl Pass for Dependent {
    fn run(&self, op: Operation<'_>, _: &PassContext<'_>) -> Result {
        if op.context().knows_op("math.exp") { Ok(()) } else { Err(op.error("'math' is not there")) }
    }
}

/// Fails at the second operation of a function.
#[pass("api-fails", on = "func.func")]
pub struct Fails;

impl Pass for Fails {
    fn run(&self, function: Operation<'_>, _: &PassContext<'_>) -> Result {
        let body = function.region(0).entry().ok_or_else(|| function.error("has no body"))?;
        body.operations()[0].emit(Severity::Warning, "this one may stay");
        Err(body.operations()[1].error("this one may not"))
    }
}

thunder_ir::passes! { fn register_all; Options, Dependent, Fails }

static STATISTICS: LazyLock<Arc<Statistics>> = LazyLock::new(|| {
    let statistics = Arc::default();
    register_all(&statistics);
    statistics
});

fn run(pipeline: &Pipeline) -> (Result<Vec<thunder_ir::Diagnostic>>, String) {
    LazyLock::force(&STATISTICS);
    let context = Context::new(&Registry::upstream());
    let source = "func.func @f(%x: i32) {\n%0 = arith.addi %x, %x : i32\n%1 = arith.muli %0, %x : i32\nreturn\n}";
    let mut module = Module::parse(&context, "test.mlir", source.as_bytes()).expect("valid");
    let outcome = pipeline.run(&mut module);
    (outcome, module.to_string())
}

fn on_functions(pass: Pipeline) -> Pipeline {
    Pipeline::new().on("func.func", pass)
}

#[test]
fn options_have_defaults_and_arrive_as_they_are_given() {
    let default = Options::default();
    assert_eq!((default.flag, default.offset, default.tile_size, default.ratio), (true, -3, 16, 0.5));
    let (_, text) = run(&on_functions(Pipeline::new().then("api-options")));
    assert!(text.contains("tile_size: 16, ratio: 0.5, mode: \\22none\\22, sizes: []"), "{text}");
    let given = Options {
        flag: false,
        offset: i64::MIN,
        tile_size: 7,
        ratio: 0.1,
        mode: "fast".to_owned(),
        sizes: vec![1, -2],
    };
    let (outcome, text) = run(&on_functions(Pipeline::new().pass(&given)));
    outcome.expect("runs");
    let expected = format!("{given:?}").replace('"', "\\22");
    assert!(text.contains(&expected), "{text}");
    let spelled = "api-options{flag=false offset=-9223372036854775808 tile-size=7 ratio=0.1 mode=fast sizes=1,-2}";
    assert_eq!(run(&on_functions(Pipeline::new().then(spelled))).1, text);
}

#[test]
fn wrong_options_are_errors() {
    for (options, message) in [
        ("tile-size=-1", "-1"),
        ("flag=perhaps", "perhaps"),
        ("size=1", "no such option size"),
        ("sizes=1,x", "option 'sizes': 'x': invalid digit"),
    ] {
        let (outcome, _) = run(&on_functions(Pipeline::new().then(&format!("api-options{{{options}}}"))));
        let error = outcome.expect_err(options).to_string();
        assert!(error.contains(message), "{options}\n{error}");
    }
}

#[test]
fn pipelines_print_and_parse() {
    LazyLock::force(&STATISTICS);
    let context = Context::new(&Registry::upstream());
    let inner = Pipeline::new().pass(&Options { sizes: vec![4, 8], ..Options::default() }).then("cse");
    let pipeline = Pipeline::new().then("canonicalize").on("func.func", inner);
    let text = "builtin.module(canonicalize,func.func(api-options{flag=true offset=-3 tile-size=16 ratio=0.5 \
                mode=none sizes=4,8},cse))";
    assert_eq!(pipeline.to_string(), text);
    let parsed = Pipeline::parse(context.as_ref(), text).expect("MLIR reads it");
    let again = Pipeline::parse(context.as_ref(), &parsed.to_string()).expect("MLIR reads its own");
    assert_eq!(again.to_string(), parsed.to_string());
    assert_eq!(run(&parsed).1, run(&pipeline).1);
    for (text, message) in [
        ("builtin.module(no-such-pass)", "no-such-pass"),
        ("builtin.module(cse", "expected pass pipeline"),
        ("builtin.module(func.func(api-dependent))", "func.func"),
    ] {
        let error = Pipeline::parse(context.as_ref(), text).expect_err(text).to_string();
        assert!(error.contains(message), "{text}\n{error}");
    }
}

#[test]
fn passes_describe_themselves() {
    let def = Options::definition();
    assert_eq!(
        (def.name, def.argument, def.anchor, def.doc),
        ("Options", "api-options", "func.func", "Writes its options down.")
    );
    let options: Vec<_> = def.options.iter().map(|o| (o.name, o.doc, o.initial.as_str())).collect();
    assert_eq!(options[2], ("tile-size", "A size.", "16"));
    assert_eq!(Dependent::definition().dependent, ["math"]);
}

#[test]
fn dialects_that_a_pass_needs_are_there() {
    run(&Pipeline::new().pass(&Dependent)).0.expect("the dialect is loaded");
}

#[test]
fn statistics_count() {
    let count =
        || STATISTICS.entries().iter().filter(|(pass, ..)| pass == "api-options").map(|(.., n)| *n).sum::<u64>();
    let before = count();
    run(&on_functions(Pipeline::new().then("api-options").then("api-options"))).0.expect("runs");
    assert!(count() >= before + 2, "{:?}", STATISTICS.entries());
}

#[test]
fn failures_are_diagnostics_with_place_severity_and_notes() {
    let (outcome, _) = run(&on_functions(Pipeline::new().pass(&Fails)));
    let Err(Error::Diagnostics(all)) = outcome else { panic!("{outcome:?}") };
    let [warning, error] = &all[..] else { panic!("{all:?}") };
    assert_eq!((warning.severity, warning.location.as_str()), (Severity::Warning, "test.mlir:2:6"));
    assert!(warning.message.contains("this one may stay"), "{warning}");
    assert_eq!((error.severity, error.location.as_str()), (Severity::Error, "test.mlir:3:6"));
    assert_eq!(error.message, "'arith.muli' op this one may not");
    assert_eq!(error.to_string(), "test.mlir:3:6: error: 'arith.muli' op this one may not");
}

#[test]
fn notes_have_places_of_their_own() {
    let context = Context::new(&Registry::upstream());
    let twice = "func.func private @f()\nfunc.func private @f()";
    let error = Module::parse(&context, "test.mlir", twice.as_bytes()).err().expect("two of a name");
    let Error::Diagnostics(all) = &error else { panic!("{error:?}") };
    assert_eq!(all[0].location, "test.mlir:2:1");
    let existing = all[0].notes.iter().find(|note| note.message == "see existing symbol definition here");
    assert_eq!(existing.map(|note| (note.severity, note.location.as_str())), Some((Severity::Note, "test.mlir:1:1")));
    assert!(error.to_string().contains("\ntest.mlir:1:1: note: see existing symbol definition here"), "{error}");
}
