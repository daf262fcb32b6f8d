//! A small dialect through MLIR's own parser, printer, verifier, folder, CSE and canonicalizer.

use crate::toy::*;
use thunder_ir::prelude::*;

#[test]
fn ops_round_trip() {
    let context = context();
    let source = "module {
  func.func @f(%arg0: i32, %arg1: i1) -> i32 {
    %0 = toy.constant value = 3 : i32 : i32
    %1 = toy.add %arg0, %0 : i32
    %2:2 = toy.everything %0, [%1, %1] mask(%arg1) mode = nearest_even axes = [0, -1] attributes {note = \"x\"} : (i32, i32, i32, i1) -> (i32, i64) {
    }
    return %2#0 : i32
  }
}
";
    let module = Module::parse(&context, "test", source.as_bytes()).expect("valid");
    assert_eq!(module.to_string(), source);
    let generic = module.operation().to_text(true, false);
    assert!(generic.contains("\"toy.add\"(%arg0, %0)"), "{generic}");
    let again = Module::parse(&context, "test", generic.as_bytes()).expect("generic form is valid");
    assert_eq!(again.to_string(), source);
    let bytecode = module.operation().to_bytecode();
    let again = Module::parse(&context, "test", &bytecode).expect("bytecode is valid");
    assert_eq!(again.to_string(), source);
}

#[test]
fn mlir_folds_and_removes() {
    let context = context();
    let source = "func.func @f(%x: i32) -> i32 {
        %a = toy.constant value = 3 : i32 : i32
        %b = toy.constant value = -3 : i32 : i32
        %dead = toy.add %x, %x : i32
        %z = toy.add %a, %b : i32
        %r = toy.add %z, %x : i32
        %s = toy.add %r, %x : i32
        %t = toy.add %x, %r : i32
        %u = toy.add %s, %t : i32
        return %u : i32
    }";
    let mut module = Module::parse(&context, "test", source.as_bytes()).expect("valid");
    Pipeline::new().then("canonicalize").then("cse").run(&mut module).expect("runs");
    let text = module.to_string();
    assert_eq!(text.matches("toy.add").count(), 2, "{text}");
    assert!(!text.contains("toy.constant"), "{text}");
}

#[test]
fn wrong_ops_are_located_errors() {
    let context = context();
    for (line, message) in [
        ("%0 = toy.add %x, %x : f32", "use of value '%x' expects different type"),
        ("%0 = \"toy.add\"(%x) : (i32) -> i32", "expects 2 operands, but has 1"),
        ("%0 = \"toy.add\"(%x, %x) : (i32, i32) -> f32", "same"),
        ("%0 = toy.everything %x, [] mode = sideways : i32 -> i32", "expected one of down, nearest_even"),
        ("%0 = toy.everything %x, [] size = -2 mode = down : i32 -> i32", "size is -2"),
        (
            "%0 = \"toy.everything\"(%x) ({}) {operand_segments = array<i64: 1, 0, 0>} : (i32) -> i32",
            "requires attribute 'mode'",
        ),
        (
            "%0 = \"toy.everything\"(%x) ({}) {mode = \"down\", operand_segments = array<i64: 1, -1, 1>} : (i32) -> i32",
            "do not describe",
        ),
        (
            "%0 = \"toy.everything\"(%x) {mode = \"down\", operand_segments = array<i64: 1, 0, 0>} : (i32) -> i32",
            "expects 1 regions, but has 0",
        ),
        ("toy.panics", "rust panic: out of cheese"),
        ("toy.nothing", "custom op 'toy.nothing' is unknown"),
    ] {
        let source = format!("func.func @f(%x: i32) {{\n{line}\nreturn\n}}");
        let error = Module::parse(&context, "test.mlir", source.as_bytes()).err().expect(line);
        let text = error.to_string();
        assert!(text.contains(message), "{line}\n{text}");
        assert!(text.contains("test.mlir:2"), "{line}\n{text}");
    }
}

#[test]
fn builders_infer_and_refuse() {
    let context = context();
    let cx = context.as_ref();
    let module = Module::new(&context, Location::unknown(cx));
    let b = Rewriter::at_end_of(module.body(), Location::unknown(cx));
    let i32 = Type::int(cx, 32);
    let three = b.constant(Attribute::integer(i32, 3), i32).expect("valid");
    let six = b.add(three, three).expect("valid");
    assert_eq!(six.ty(), i32);
    let float = b.constant(Attribute::float(Type::f32(cx), 1.0), Type::f32(cx)).expect("valid");
    let before = module.to_string();
    let error = b.add(three, float).expect_err("types differ").to_string();
    assert!(error.contains("toy.add"), "{error}");
    assert_eq!(module.to_string(), before, "a refused op leaves nothing behind");
}

#[test]
#[should_panic(expected = "was erased at")]
fn erased_ops_panic() {
    let context = context();
    let cx = context.as_ref();
    let module = Module::new(&context, Location::unknown(cx));
    let b = Rewriter::at_end_of(module.body(), Location::unknown(cx));
    let i32 = Type::int(cx, 32);
    let three = b.constant(Attribute::integer(i32, 3), i32).expect("valid");
    let op = three.defining_op().expect("an op");
    b.erase(op).expect("unused");
    three.ty();
}
