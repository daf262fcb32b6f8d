//! StableHLO that is damaged, hostile, or not supported, as text and as bytecode: a clear error, never a panic; and what is
//! written otherwise than JAX does.

use thunder_import::{ImportError, Model};

/// Text of a module with one function, which returns `%r`.
fn module(signature: &str, body: &str, result: &str) -> String {
    format!(
        "module {{\n  func.func public @main({signature}) -> {result} {{\n{body}\n    return %r : {result}\n  }}\n}}\n"
    )
}

fn import(bytes: &[u8]) -> Result<String, ImportError> {
    let context = thunder_trace::context();
    Ok(Model::stablehlo("m.mlir", bytes)?.module(&context)?.to_string())
}

#[track_caller]
fn written(text: &str) -> String {
    import(text.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

/// The error without the path.
#[track_caller]
fn refused(bytes: &[u8]) -> String {
    let error = import(bytes).expect_err("it is refused").to_string();
    error.strip_prefix("m.mlir:").expect("errors name the file").trim_start().to_owned()
}

fn bytecode() -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/goldens/stablehlo/mlp.mlirbc");
    std::fs::read(path).expect("it is part of the repository")
}

#[test]
fn both_forms_of_text_are_one_program() {
    let pretty = module(
        "%x: tensor<2x3xf32>, %y: tensor<3xf32>",
        "%0 = stablehlo.broadcast_in_dim %y, dims = [1] : (tensor<3xf32>) -> tensor<2x3xf32>
         %r = stablehlo.add %x, %0 : tensor<2x3xf32>",
        "tensor<2x3xf32>",
    );
    let generic = r#"
      // Comments are passed.
      "builtin.module"() <{sym_name = "jit_f"}> ({
        "func.func"() <{function_type = (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>, sym_name = "main"}> ({
        ^bb0(%arg0: tensor<2x3xf32>, %arg1: tensor<3xf32>):
          %0 = "stablehlo.broadcast_in_dim"(%arg1) <{broadcast_dimensions = array<i64: 1>}> : (tensor<3xf32>) -> tensor<2x3xf32>
          %1 = "stablehlo.add"(%arg0, %0) : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
          "func.return"(%1) : (tensor<2x3xf32>) -> ()
        }) : () -> ()
      }) : () -> ()"#;
    assert_eq!(written(&pretty), written(generic));
}

#[test]
fn constants_are_read_however_they_are_written() {
    for (value, ty, shown) in [
        ("dense<[1.5, 0x7F800000]>", "tensor<2xf32>", "[1.500000e+00, 0x7F800000]"),
        ("dense<\"0x0000803F00000040\">", "tensor<2xf32>", "[1.000000e+00, 2.000000e+00]"),
        ("dense<[[true, false], [false, true]]>", "tensor<2x2xi1>", "[[true, false], [false, true]]"),
        ("dense<[4294967295, 1]>", "tensor<2xui32>", "[-1, 1]"),
        ("dense<[-1, 254]>", "tensor<2xui8>", "[255, 254]"),
    ] {
        let text = written(&module("", &format!("%r = stablehlo.constant {value} : {ty}"), ty));
        assert!(text.contains(&format!("dense<{shown}>")), "{value}: {text}");
    }
}

#[test]
fn what_is_no_stablehlo_is_refused_where_it_is_none() {
    for (text, message) in [
        ("", "1:1: there is no module"),
        ("module {", "1:9: a region does not end"),
        ("module {}", "there is no function '@main'"),
        ("func.func @f() { return }", "1:26: expected a module, not 'func.func'"),
        ("module {\n  func.func @f(%x: tensor<2xf32) {\n  }\n}", "2:32: expected '>', not ') {'"),
        ("module { stablehlo.add %x : f32 }", "1:25: '%x' is not defined"),
    ] {
        let found = refused(text.as_bytes());
        assert!(found.ends_with(message), "{text}: {found}");
    }
    assert_eq!(refused(b"module \xff"), "byte 7: it is no text");
}

#[test]
fn programs_that_contradict_themselves_are_refused_at_their_line() {
    let x = "%x: tensor<2x3xf32>";
    for (body, message) in [
        ("%r = stablehlo.add %x, %z : tensor<2x3xf32>", "3:25: '%z' is not defined"),
        (
            "%r = stablehlo.abs %x : tensor<3x3xf32>",
            "it is f32[2, 3] by its operands, but 'tensor<3x3xf32>' in the file",
        ),
        (
            "%r = stablehlo.abs %x : tensor<2x3xi32>",
            "it is f32[2, 3] by its operands, but has elements of i32 in the file",
        ),
        (
            "%r = stablehlo.transpose %x, dims = [0, 0] : (tensor<2x3xf32>) -> tensor<2x3xf32>",
            "'permutation' is [0, 0]",
        ),
        ("%r = stablehlo.slice %x [0:2, 1:9] : (tensor<2x3xf32>) -> tensor<2x3xf32>", "is no part of f32[2, 3]"),
        ("%r = stablehlo.reshape %x : (tensor<2x3xf32>) -> tensor<7xf32>", "cannot have the shape [7]"),
        (
            "%r = stablehlo.constant dense<[1.0, 2.0]> : tensor<3xf32>",
            "2 elements for a constant of type 'tensor<3xf32>'",
        ),
        ("%r = stablehlo.constant dense<[[1.0], [2.0, 3.0]]> : tensor<2x1xf32>", "a list of 2 beside one of 1"),
        ("%r = stablehlo.constant dense<\"0x00\"> : tensor<2xf32>", "1 bytes for a constant"),
        (
            "%r = stablehlo.abs %x, %x : tensor<2x3xf32>\n%r = stablehlo.abs %x : tensor<2x3xf32>",
            "'%r' is defined twice",
        ),
        ("%r = call @f(%x) : (tensor<2x3xf32>) -> tensor<2x3xf32>", "there is no function '@f'"),
    ] {
        let found = refused(module(x, body, "tensor<2x3xf32>").as_bytes());
        assert!(found.contains(message), "{body}: {found}");
    }
}

#[test]
fn hostile_sizes_end_in_errors() {
    let huge = "9223372036854775807";
    for body in [
        format!("%r = stablehlo.constant dense<1.0> : tensor<{huge}x{huge}xf32>"),
        "%r = stablehlo.iota dim = 0 : tensor<99999999999999999999xf32>".to_owned(),
        format!(
            "%r = stablehlo.pad %x, %x, low = [{huge}], high = [{huge}], interior = [0] : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>"
        ),
        format!("%r:{huge} = stablehlo.abs %x : tensor<2xf32>"),
        "%r = stablehlo.broadcast_in_dim %x, dims = [-1] : (tensor<2xf32>) -> tensor<2xf32>".to_owned(),
        "%r = stablehlo.iota dim = 7 : tensor<2xf32>".to_owned(),
    ] {
        assert!(import(module("%x: tensor<2xf32>", &body, "tensor<2xf32>").as_bytes()).is_err(), "{body}");
    }
    let deep = format!("module attributes {{a = {}", "[".repeat(100_000));
    assert!(refused(deep.as_bytes()).contains("nest deeper than"));
    let deep = format!("module {{ func.func @main(%x: {}", "tuple<".repeat(100_000));
    assert!(import(deep.as_bytes()).is_err());
}

#[test]
fn calls_without_end_are_refused() {
    let around = "module {
      func.func @main(%x: tensor<f32>) -> tensor<f32> {
        %r = call @main(%x) : (tensor<f32>) -> tensor<f32>
        return %r : tensor<f32>
      }
    }";
    assert!(refused(around.as_bytes()).contains("calls nest deeper than 64, or never end"));
    let mut doubling = "module { func.func @f0(%x: tensor<f32>) -> tensor<f32> { return %x : tensor<f32> }".to_owned();
    for i in 0..40 {
        let name = if i == 39 { "main".to_owned() } else { format!("f{}", i + 1) };
        doubling += &format!(
            " func.func @{name}(%x: tensor<f32>) -> tensor<f32> {{
              %0 = call @f{i}(%x) : (tensor<f32>) -> tensor<f32>
              %1 = call @f{i}(%0) : (tensor<f32>) -> tensor<f32>
              return %1 : tensor<f32> }}"
        );
    }
    assert!(refused(format!("{doubling}}}").as_bytes()).contains("there are more than 200000 ops"));
}

#[test]
fn what_is_not_supported_is_reported_at_once() {
    let body = "
      %0 = stablehlo.cholesky %x, lower = true : tensor<2x2xf32> loc(\"jit(f)/cholesky\"(\"model.py\":12:3 to :9))
      %1 = stablehlo.cholesky %0, lower = true : tensor<2x2xf32> loc(unknown)
      %2 = stablehlo.cholesky %x, lower = true : tensor<2x2xf32>
      %3 = stablehlo.rng_bit_generator %x, algorithm = DEFAULT : (tensor<2x2xf32>) -> (tensor<2x2xf32>, tensor<2x2xf32>)
      %4 = stablehlo.custom_call @lapack_sgetrf(%x) {api_version = 4 : i32} : (tensor<2x2xf32>) -> tensor<2x2xf32>
      %r = stablehlo.add %1, %4 : tensor<2x2xf32>";
    let found = refused(module("%x: tensor<2x2xf32>", body, "tensor<2x2xf32>").as_bytes());
    assert_eq!(
        found,
        "3 things are not supported:
  stablehlo.cholesky (3 times, first at model.py:12)
  stablehlo.custom_call with the target 'lapack_sgetrf' (1 times, first at m.mlir:8)
  stablehlo.rng_bit_generator (1 times, first at m.mlir:7)"
    );
    let keys = module(
        "%x: tensor<2xcomplex<bf16>>",
        "%r = stablehlo.abs %x : (tensor<2xcomplex<bf16>>) -> tensor<2xf32>",
        "tensor<2xf32>",
    );
    assert!(refused(keys.as_bytes()).contains("input 'arg0' has elements of complex<bf16>"));
}

#[test]
fn loops_whose_rounds_are_not_known_are_loops_of_the_program() {
    let body = "
      %r = stablehlo.while(%i = %x) : tensor<f32>
      cond {
        %c = stablehlo.compare LT, %i, %x, FLOAT : (tensor<f32>, tensor<f32>) -> tensor<i1>
        stablehlo.return %c : tensor<i1>
      } do {
        %n = stablehlo.add %i, %i : tensor<f32>
        stablehlo.return %n : tensor<f32>
      }";
    assert!(written(&module("%x: tensor<f32>", body, "tensor<f32>")).contains("scf.while"));
    let body = "
      %r = stablehlo.while(%i = %x) : tensor<?xf32>
      cond {
        %z = stablehlo.constant dense<0.0> : tensor<f32>
        %s = stablehlo.reduce(%i init: %z) applies stablehlo.add across dimensions = [0] : (tensor<?xf32>, tensor<f32>) -> tensor<f32>
        %c = stablehlo.compare LT, %s, %z, FLOAT : (tensor<f32>, tensor<f32>) -> tensor<i1>
        stablehlo.return %c : tensor<i1>
      } do {
        %n = stablehlo.concatenate %i, %i, dim = 0 : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
        stablehlo.return %n : tensor<?xf32>
      }";
    let found = refused(module("%x: tensor<?xf32>", body, "tensor<?xf32>").as_bytes());
    assert!(found.contains("stablehlo.while with a value whose sizes change from round to round"), "{found}");
}

#[test]
fn every_cut_of_bytecode_is_an_error() {
    let bytes = bytecode();
    assert!(import(&bytes).is_ok());
    for length in (4..bytes.len()).step_by(61) {
        assert!(import(&bytes[..length]).is_err(), "{length} of {} bytes", bytes.len());
    }
}

#[test]
fn changed_bytes_never_panic() {
    let text = module(
        "%x: tensor<2x3xf32>",
        "%0 = stablehlo.constant dense<[[1.0, 2.0, 3.0]]> : tensor<1x3xf32>
         %1 = stablehlo.dot_general %x, %0, contracting_dims = [1] x [1] : (tensor<2x3xf32>, tensor<1x3xf32>) -> tensor<2x1xf32>
         %r = stablehlo.pad %1, %1, low = [1, 2], high = [0, -1], interior = [0, 1] : (tensor<2x1xf32>, tensor<2x1xf32>) -> tensor<3x2xf32>",
        "tensor<3x2xf32>",
    );
    let mut state = 1u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for bytes in [bytecode(), text.into_bytes()] {
        for _ in 0..100 {
            let mut changed = bytes.clone();
            for _ in 0..3 {
                let at = 4 + next(changed.len() - 4);
                changed[at] = next(256) as u8;
            }
            _ = import(&changed);
        }
    }
}

#[test]
fn other_versions_of_bytecode_are_named() {
    let mut bytes = bytecode();
    bytes[4] = 0x33;
    assert_eq!(refused(&bytes), "byte 5: version 25 of MLIR's bytecode is not known, only 1 to 6");
}
