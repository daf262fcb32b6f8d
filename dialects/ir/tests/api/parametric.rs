//! Types and attributes of a dialect: their assembly, their verifiers, and their use by ops.

use std::sync::LazyLock;
use thunder_ir::prelude::*;

/// What a box is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AttrKind)]
pub enum Material {
    /// Paper.
    Paper,
    /// Steel.
    StainlessSteel,
}

/// The numbers from `low` up to `high`.
#[attr("toy.range", verify)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    low: i64,
    high: i64,
}

impl Verify for Range {
    fn verify(&self) -> Result {
        if self.low > self.high {
            return Err(Error::new(format!("the range from {} to {} is empty", self.low, self.high)));
        }
        Ok(())
    }
}

/// A box around values of one type.
#[ty("toy.box", verify)]
#[derive(Clone, Debug, PartialEq)]
pub struct Boxed<'c> {
    element: Type<'c>,
    #[default(1)]
    size: u32,
    #[default(Material::Paper)]
    material: Material,
    #[default("")]
    label: String,
    #[default(Vec::new())]
    weights: Vec<f32>,
    #[default(Range { low: 0, high: 0 })]
    range: Range,
}

impl Verify for Boxed<'_> {
    fn verify(&self) -> Result {
        if self.size == 0 {
            return Err(Error::new("a box holds at least one value"));
        }
        Ok(())
    }
}

impl<'c> Boxed<'c> {
    fn of_one(element: Type<'c>) -> Self {
        let range = Range { low: 0, high: 0 };
        Self { element, size: 1, material: Material::Paper, label: String::new(), weights: Vec::new(), range }
    }
}

/// A type that is never looked into.
#[ty("toy.opaque")]
pub struct Opaque;

/// Two types, and what stands between them.
#[ty("toy.pair")]
pub struct Pair<'c> {
    first: Type<'c>,
    second: Boxed<'c>,
    note: Attribute<'c>,
}

/// A rank, in a syntax of its own.
#[attr("toy.rank", assembly)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rank {
    rank: isize,
}

impl<'c> ParameterAssembly<'c> for Rank {
    fn parse(p: &Parser<'c>) -> Parsed<Self> {
        let mut rank = 0;
        while p.try_token("?") {
            rank += 1;
        }
        Ok(Self { rank })
    }
    fn print(&self, p: &Printer<'_>) {
        p.text(&"?".repeat(self.rank as usize));
    }
}

/// Puts a value into a box.
#[op("toy.wrap")]
pub struct Wrap {
    value: Operand<Any>,
    range: Attr<Range>,
    rank: OptionalAttr<Rank>,
    inner: OptionalAttr<Boxed<'_>>,
    out: Produces<Boxed<'_>>,
}

static TOY: LazyLock<Dialect> = LazyLock::new(|| {
    Dialect::new("toy", "A dialect for tests.")
        .op::<Wrap>()
        .ty::<Boxed<'static>>()
        .ty::<Opaque>()
        .ty::<Pair<'static>>()
        .attribute::<Range>()
        .attribute::<Rank>()
});

fn context() -> Context {
    Context::new(&Registry::upstream().with(&TOY))
}

/// What MLIR says of a type's text.
fn refusal(cx: ContextRef<'_>, text: &str) -> String {
    let (ty, diagnostics) = thunder_ir::diagnostic::capture(cx, || Type::parse(cx, text).map(|ty| ty.to_string()));
    assert_eq!(ty, None, "{text}");
    Error::from_diagnostics(diagnostics, "nothing").to_string()
}

#[test]
fn types_print_as_they_parse() {
    let context = context();
    for text in [
        "!toy.box<f32>",
        "!toy.box<f32, size = 4>",
        "!toy.box<tensor<?x4xi8>, size = 4294967295, material = stainless_steel, label = \"a \\22b\\22\">",
        "!toy.box<!toy.box<index>, weights = [0.5, -1.0e-10, 0x7FC00000], range = <low = -1, high = 1>>",
        "!toy.pair<i1, !toy.box<f32>, note = #toy.rank<??>>",
        "!toy.opaque",
    ] {
        let ty = Type::parse(context.as_ref(), text).expect(text);
        assert_eq!(ty.to_string(), text);
    }
}

#[test]
fn parameters_stand_in_any_order_and_defaults_are_left_out() {
    let context = context();
    let cx = context.as_ref();
    let ty = Type::parse(cx, "!toy.box<material = paper, size = 4, f32, label = \"\">").expect("valid");
    assert_eq!(ty.to_string(), "!toy.box<f32, size = 4>");
    assert_eq!(Boxed::of(ty), Some(Boxed { size: 4, ..Boxed::of_one(Type::f32(cx)) }));
}

#[test]
fn structs_convert_both_ways() {
    let context = context();
    let cx = context.as_ref();
    let boxed = Boxed {
        size: 3,
        material: Material::StainlessSteel,
        label: "x".to_owned(),
        weights: vec![0.25, f32::INFINITY],
        range: Range { low: 2, high: 5 },
        ..Boxed::of_one(Type::index(cx))
    };
    let ty = boxed.clone().into_type(cx).expect("valid");
    assert_eq!(Boxed::of(ty), Some(boxed.clone()));
    assert_eq!(ty, boxed.into_type(cx).expect("valid"), "types are unique");
    assert_eq!(Boxed::of(Type::f32(cx)), None);
    assert!(Opaque::of(ty).is_none());
    let range = Range { low: 0, high: 1 };
    let attribute = range.into_attribute(cx).expect("valid");
    assert_eq!(Range::of(attribute), Some(range));
    assert_eq!(Range::of(Attribute::unit(cx)), None);
    let pair = Pair { first: ty, second: Boxed::of_one(ty), note: attribute };
    let pair = Pair::of(pair.into_type(cx).expect("valid")).expect("a pair");
    assert_eq!((pair.first, pair.second.element, pair.note), (ty, ty, attribute));
}

#[test]
fn wrong_parameters_are_errors() {
    let context = context();
    let cx = context.as_ref();
    for (text, message) in [
        ("!toy.box", "'toy.box' requires parameter 'element'"),
        ("!toy.box<size = 2>", "'toy.box' requires parameter 'element'"),
        ("!toy.box<f32, f64>", "expected 'size' or 'material' or 'label' or 'weights' or 'range'"),
        ("!toy.box<f32, size = 1, size = 2>", "expected 'material' or 'label' or 'weights' or 'range'"),
        ("!toy.box<f32, size = -1>", "negative"),
        ("!toy.box<f32, size = 4294967296>", "integer constant out of range"),
        ("!toy.box<f32, size = \"1\">", "parameter 'size' must be an unsigned 32-bit integer, but is \"1\""),
        ("!toy.box<f32, size = 0>", "a box holds at least one value"),
        ("!toy.box<f32, material = wood>", "expected one of paper, stainless_steel, but got 'wood'"),
        ("!toy.box<f32, weights = [1.0, f32]>", "an element must be a 32-bit float, but is f32"),
        ("!toy.box<f32, range = <low = 1, high = 0>>", "the range from 1 to 0 is empty"),
        ("!toy.box<f32, range = <low = 1>>", "requires parameter 'high'"),
        ("!toy.box<f32, range = 1>", "expected '<'"),
        ("!toy.box<f32", "unbalanced"),
        ("!toy.pair<f32, f32, note = 1>", "parameter 'second' must be '!toy.box', but is f32"),
        ("!toy.opaque<f32>", "expected no more parameters"),
        ("!toy.crate<f32>", "dialect 'toy' has no type 'crate'"),
    ] {
        let said = refusal(cx, text);
        assert!(said.contains(message), "{text}\n{said}");
    }
    let error = Range { low: 1, high: 0 }.into_attribute(cx).expect_err("empty");
    assert_eq!(error.to_string(), "the range from 1 to 0 is empty");
    let unknown = Context::new(&Registry::empty());
    let error = Opaque.into_type(unknown.as_ref()).expect_err("no such dialect");
    assert_eq!(error.to_string(), "'toy.opaque' is of a dialect that the context does not have");
}

#[test]
fn ops_use_them_as_constraints_and_attributes() {
    let context = context();
    let source = "module {
  func.func @f(%arg0: i32) {
    %0 = toy.wrap %arg0 range = <low = 0, high = 4> : i32 -> !toy.box<i32>
    %1 = toy.wrap %arg0 range = <low = 0, high = 4> rank = <?> inner = !toy.box<f32> : i32 -> !toy.box<i32, size = 2>
    return
  }
}
";
    let module = Module::parse(&context, "test", source.as_bytes()).expect("valid");
    assert_eq!(module.to_string(), source);
    for form in [module.operation().to_text(true, false).into_bytes(), module.operation().to_bytecode()] {
        assert_eq!(Module::parse(&context, "test", &form).expect("valid").to_string(), source);
    }
    let function = module.body().operations()[0];
    let body = function.region(0).entry().expect("a body");
    let wrap = Wrap::of(body.operations()[1]).expect("a wrap");
    assert_eq!(wrap.range(), Range { low: 0, high: 4 });
    assert_eq!(wrap.rank(), Some(Rank { rank: 1 }));
    assert_eq!(wrap.inner().map(|boxed| boxed.element), Some(Type::f32(context.as_ref())));
}

#[test]
fn ops_refuse_other_types_and_attributes() {
    let context = context();
    for (line, message) in [
        ("toy.wrap %x range = 3 : i32 -> !toy.box<i32>", "expected '<'"),
        ("toy.wrap %x range = <low = 0, high = 0> : i32 -> i32", "must be '!toy.box', but is 'i32'"),
        ("\"toy.wrap\"(%x) {range = unit} : (i32) -> !toy.box<i32>", "must be '#toy.range', but is unit"),
    ] {
        let source = format!("func.func @f(%x: i32) {{\n%0 = {line}\nreturn\n}}");
        let error = Module::parse(&context, "test.mlir", source.as_bytes()).err().expect(line).to_string();
        assert!(error.contains(message) && error.contains("test.mlir:2"), "{line}\n{error}");
    }
}

#[test]
fn builders_check_parameters() {
    let context = context();
    let cx = context.as_ref();
    let module = Module::new(&context, Location::unknown(cx));
    let b = Rewriter::at_end_of(module.body(), Location::unknown(cx));
    let source = "func.func @f(%x: i32) {\n return\n}";
    let function = Module::parse(&context, "test", source.as_bytes()).expect("valid");
    let x = function.body().operations()[0].region(0).entry().expect("a body").argument(0);
    let ty = Boxed::of_one(x.ty()).into_type(cx).expect("valid");
    let error = b.wrap(x, Range { low: 9, high: 0 }, None, None, ty).expect_err("empty");
    assert_eq!(error.to_string(), "the range from 9 to 0 is empty");
}
