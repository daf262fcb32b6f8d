//! Every attribute kind: what prints is read back, defaults stay unwritten, and other kinds are located errors.

use std::sync::LazyLock;
use thunder_ir::prelude::*;

/// How to round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AttrKind)]
pub enum Mode {
    /// Down.
    Down,
    /// To the nearest even number.
    NearestEven,
}

/// A window.
#[derive(Clone, Debug, PartialEq, AttrKind)]
pub struct Window {
    size: i32,
    mode: Mode,
    names: Vec<String>,
}

/// Numbers of every width.
#[op("toy.numbers")]
pub struct Numbers {
    a: Attr<i8>,
    b: Attr<i16>,
    c: Attr<i32>,
    d: Attr<i64>,
    e: Attr<u8>,
    f: Attr<u16>,
    g: Attr<u32>,
    h: Attr<u64>,
    i: Attr<isize>,
    j: Attr<f32>,
    k: Attr<f64>,
    l: Attr<bool>,
    x: Operand<Any>,
}

/// Lists.
#[op("toy.lists")]
pub struct Lists {
    a: OptionalAttr<Vec<i8>>,
    b: OptionalAttr<Vec<i32>>,
    c: OptionalAttr<Vec<u16>>,
    d: OptionalAttr<Vec<f32>>,
    e: OptionalAttr<Vec<bool>>,
    f: OptionalAttr<Vec<String>>,
    g: OptionalAttr<Vec<Vec<i64>>>,
    h: OptionalAttr<Vec<Type<'_>>>,
    i: OptionalAttr<Vec<Mode>>,
    j: OptionalAttr<Vec<Window>>,
    x: Operand<Any>,
}

/// Everything else.
#[op("toy.others")]
pub struct Others {
    text: OptionalAttr<String>,
    ty: OptionalAttr<Type<'_>>,
    callee: OptionalAttr<SymbolRef>,
    path: OptionalAttr<SymbolPath>,
    value: OptionalAttr<Dense>,
    mode: OptionalAttr<Mode>,
    window: OptionalAttr<Window>,
    any: OptionalAttr<Attribute<'_>>,
    fast: OptionalAttr<Unit>,
    x: Operand<Any>,
}

/// Defaults.
#[op("toy.defaults")]
pub struct Defaults {
    #[default(-1)]
    a: Attr<i8>,
    #[default(2.5)]
    b: Attr<f32>,
    #[default("text")]
    c: Attr<String>,
    #[default(vec![1, 2])]
    d: Attr<Vec<u16>>,
    #[default(Mode::Down)]
    e: Attr<Mode>,
    #[default(true)]
    f: Attr<bool>,
    x: Operand<Any>,
}

static TOY: LazyLock<Dialect> = LazyLock::new(|| {
    Dialect::new("toy", "A dialect for tests.").op::<Numbers>().op::<Lists>().op::<Others>().op::<Defaults>()
});

fn context() -> Context {
    Context::new(&Registry::upstream().with(&TOY))
}

fn function(line: &str) -> String {
    format!("module {{\n  func.func @f(%arg0: i32) {{\n    {line} : i32\n    return\n  }}\n}}\n")
}

/// The op of a line, which prints as it stands, in text, generic text and bytecode.
fn round_trip<'m>(module: &'m Module<'_>, context: &Context, source: &str) -> Operation<'m> {
    assert_eq!(module.to_string(), source);
    for form in [module.operation().to_text(true, false).into_bytes(), module.operation().to_bytecode()] {
        assert_eq!(Module::parse(context, "again", &form).expect("its own form").to_string(), source);
    }
    module.body().operations()[0].region(0).entry().expect("a body").operations()[0]
}

#[test]
fn numbers_keep_their_values() {
    let context = context();
    for (line, floats) in [
        (
            "toy.numbers %arg0 a = -128 b = -32768 c = -2147483648 d = -9223372036854775808 e = 255 f = 65535 \
             g = 4294967295 h = 18446744073709551615 i = -1 j = 0.1 k = 0.1 l = true",
            (0.1, 0.1),
        ),
        (
            "toy.numbers %arg0 a = 0 b = 0 c = 0 d = 0 e = 0 f = 0 g = 0 h = 0 i = 0 j = 0xFF800000 \
             k = 1.0e-300 l = false",
            (f32::NEG_INFINITY, 1e-300),
        ),
    ] {
        let source = function(line);
        let module = Module::parse(&context, "test", source.as_bytes()).expect(line);
        let op = Numbers::of(round_trip(&module, &context, &source)).expect("numbers");
        assert_eq!((op.j(), op.k()), floats);
        let edge = if op.l() { 1 } else { 0 };
        assert_eq!((op.a(), op.b()), (i8::MIN * edge, i16::MIN * i16::from(edge)));
        assert_eq!((op.c(), op.d()), (i32::MIN * i32::from(edge), i64::MIN * i64::from(edge)));
        assert_eq!((op.e(), op.f()), (u8::MAX * edge as u8, u16::MAX * edge as u16));
        assert_eq!((op.g(), op.h()), (u32::MAX * edge as u32, u64::MAX * edge as u64));
        assert_eq!(op.i(), -isize::from(op.l()));
    }
}

#[test]
fn lists_keep_their_values() {
    let context = context();
    let source = function(
        "toy.lists %arg0 a = [-1, 127] b = [] c = [65535] d = [0.5, 0x7FC00000] e = [true, false] f = [\"a\", \"b\"] \
         g = [[1], [], [2, 3]] h = [f32, tensor<4xi8>] i = [down, nearest_even] \
         j = [{size = 1, mode = down, names = [\"x\"]}]",
    );
    let module = Module::parse(&context, "test", source.as_bytes()).expect("valid");
    let op = Lists::of(round_trip(&module, &context, &source)).expect("lists");
    assert_eq!(op.a(), Some(vec![-1, 127]));
    assert_eq!(op.b(), Some(Vec::new()));
    assert_eq!(op.c(), Some(vec![65535]));
    assert_eq!(op.d().map(|d| (d[0], d[1].is_nan())), Some((0.5, true)));
    assert_eq!(op.e(), Some(vec![true, false]));
    assert_eq!(op.g(), Some(vec![vec![1], vec![], vec![2, 3]]));
    assert_eq!(op.h().map(|h| h[0]), Some(Type::f32(context.as_ref())));
    assert_eq!(op.i(), Some(vec![Mode::Down, Mode::NearestEven]));
    let window = Window { size: 1, mode: Mode::Down, names: vec!["x".to_owned()] };
    assert_eq!(op.j(), Some(vec![window]));
    let packed = op.operation().attribute("a").map(|a| a.to_string());
    assert_eq!(packed.as_deref(), Some("array<i8: -1, 127>"), "numbers are packed");
}

#[test]
fn others_keep_their_values() {
    let context = context();
    for line in [
        "toy.others %arg0 text = \"a b\"",
        "toy.others %arg0 ty = (i32) -> f32",
        "toy.others %arg0 callee = @f path = @m::@f::@g",
        "toy.others %arg0 path = @f fast",
        "toy.others %arg0 value = dense<[1, 2]> : tensor<2xi8>",
        "toy.others %arg0 mode = nearest_even window = {size = -1, mode = down, names = []}",
        "toy.others %arg0 any = 3 : i8",
        "toy.others %arg0 any = [1, \"x\"] {note}",
        "toy.others %arg0 fast {any = \"a string takes a type\"}",
        "toy.others %arg0 {any = #arith.fastmath<fast>}",
    ] {
        let source = function(line);
        let module = Module::parse(&context, "test", source.as_bytes()).expect(line);
        let op = Others::of(round_trip(&module, &context, &source)).expect(line);
        assert_eq!(op.fast().is_some(), line.contains("fast") && !line.contains("<fast>"));
        if line.contains("path = @m") {
            assert_eq!(op.path(), Some(vec!["m".to_owned(), "f".to_owned(), "g".to_owned()]));
            assert_eq!(op.callee().as_deref(), Some("f"));
        }
    }
}

#[test]
fn entries_of_structs_stand_in_any_order() {
    let context = context();
    let line = "toy.others %arg0 window = {names = [], size = 2, mode = down}";
    let module = Module::parse(&context, "test", function(line).as_bytes()).expect("valid");
    let expected = function("toy.others %arg0 window = {size = 2, mode = down, names = []}");
    assert_eq!(module.to_string(), expected);
}

#[test]
fn defaults_are_seen_and_not_written() {
    let context = context();
    let source = function("toy.defaults %arg0");
    let module = Module::parse(&context, "test", source.as_bytes()).expect("valid");
    let op = Defaults::of(round_trip(&module, &context, &source)).expect("defaults");
    assert_eq!((op.a(), op.b(), op.c().as_str()), (-1, 2.5, "text"));
    assert_eq!((op.d(), op.e(), op.f()), (vec![1, 2], Mode::Down, true));
    let given = function("toy.defaults %arg0 a = -1 b = 2.5 c = \"text\" d = [1, 2] e = down f = true");
    let module = Module::parse(&context, "test", given.as_bytes()).expect("valid");
    assert_eq!(module.to_string(), source);
    let other = function("toy.defaults %arg0 a = 1 c = \"\" d = [] f = false");
    let module = Module::parse(&context, "test", other.as_bytes()).expect("valid");
    round_trip(&module, &context, &other);
}

#[test]
fn wrong_values_are_errors_where_they_stand() {
    let context = context();
    for (line, column, message) in [
        ("toy.defaults %x a = 256", 21, "integer constant out of range for attribute"),
        ("toy.defaults %x a = \"1\"", 21, "attribute 'a' must be an 8-bit integer, but is \"1\""),
        ("toy.defaults %x b = 1", 21, "unexpected decimal integer literal for a floating point value"),
        ("toy.defaults %x b = true", 21, "attribute 'b' must be a 32-bit float"),
        ("toy.defaults %x c = text", 21, "expected string"),
        ("toy.defaults %x d = [1, -1]", 26, "negative integer literal not valid for unsigned integer type"),
        ("toy.defaults %x d = 1", 20, "expected '['"),
        ("toy.defaults %x d = [1", 23, "expected ']'"),
        ("toy.defaults %x d = [\"1\"]", 22, "an element must be an unsigned 16-bit integer, but is \"1\""),
        ("toy.defaults %x e = up", 21, "expected one of down, nearest_even, but got 'up'"),
        ("toy.defaults %x f = 1", 21, "attribute 'f' must be a bool, but is 1"),
        ("toy.others %x ty = 1", 19, "expected non-function type"),
        ("toy.others %x callee = @a::@b", 24, "attribute 'callee' must be a symbol reference, but is @a::@b"),
        ("toy.others %x path = f32", 22, "must be a symbol reference, nested or not, but is f32"),
        ("toy.others %x value = [1]", 23, "attribute 'value' must be dense elements, but is [1]"),
        ("toy.others %x window = {size = 1}", 24, "'mode' is missing"),
        ("toy.others %x window = {size = 1, size = 2}", 35, "expected each of 'size', 'mode', 'names' once"),
        ("toy.others %x window = {size = 1, mode = up}", 42, "expected one of down, nearest_even"),
        ("toy.others %x window = {side = 1}", 25, "expected each of 'size', 'mode', 'names' once"),
        ("toy.others %x fast = true", 19, "expected ':'"),
        ("toy.numbers %x a = 1", 1, "requires attribute 'b'"),
        ("\"toy.others\"(%x) {fast = 1}", 1, "attribute 'fast' must be unit, but is 1"),
        (
            "\"toy.others\"(%x) {window = {size = 1 : i32}}",
            1,
            "attribute 'window' must be a dictionary of 'size', a 32",
        ),
        ("\"toy.defaults\"(%x) {a = 1 : i16}", 1, "attribute 'a' must be an 8-bit integer, but is 1 : i16"),
        ("\"toy.defaults\"(%x) {d = [1 : i16]}", 1, "must be an array, each element an unsigned 16-bit integer"),
    ] {
        let types = if line.starts_with('"') { "(i32) -> ()" } else { "i32" };
        let source = format!("func.func @f(%x: i32) {{\n{line} : {types}\nreturn\n}}");
        let error = Module::parse(&context, "test.mlir", source.as_bytes()).err().expect(line).to_string();
        assert!(error.contains(message), "{line}\n{error}");
        assert!(error.contains(&format!("test.mlir:2:{column}:")), "{line}\n{error}");
    }
}

#[test]
fn builders_take_rust_values() {
    let context = context();
    let cx = context.as_ref();
    let source = function("toy.defaults %arg0");
    let module = Module::parse(&context, "test", source.as_bytes()).expect("valid");
    let block = module.body().operations()[0].region(0).entry().expect("a body");
    let b = Rewriter::at(block.operations()[0]);
    let window = Window { size: 1, mode: Mode::Down, names: Vec::new() };
    let path = vec!["m".to_owned(), "f".to_owned()];
    let ty = Some(Type::f32(cx));
    let op = b
        .others(
            None,
            ty,
            None,
            Some(path),
            None,
            Some(Mode::Down),
            Some(window.clone()),
            None,
            Some(()),
            block.argument(0),
        )
        .expect("valid");
    assert_eq!((op.window(), op.ty(), op.fast()), (Some(window), ty, Some(())));
    let error = b
        .others(None, None, None, Some(Vec::new()), None, None, None, None, None, block.argument(0))
        .map(drop)
        .expect_err("a path without a name");
    assert_eq!(error.to_string(), "a symbol path has at least one name");
}
