//! Archives that are damaged, hostile, or of a model that is not supported: a clear error, never a panic.

use std::io::{Cursor, Write as _};

use thunder_import::{ImportError, Model};
use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, ZipWriter};

const MODEL: &str = "m/models/model.json";
const TABLE: &str = "m/data/weights/model_weights_config.json";
const WEIGHT: &str = "m/data/weights/weight_0";

/// `relu(x) + w`, where `w` is a weight.
const GRAPH: &str = r#"{
  "schema_version": {"major": 8, "minor": 1}, "torch_version": "2.15.0",
  "graph_module": {
    "graph": {
      "inputs": [], "outputs": [],
      "tensor_values": {
        "w": {"dtype": 7, "sizes": [{"as_int": 3}]},
        "x": {"dtype": 7, "sizes": [{"as_expr": {"expr_str": "s0"}}, {"as_int": 3}]},
        "relu": {"dtype": 7, "sizes": [{"as_expr": {"expr_str": "s0"}}, {"as_int": 3}]},
        "add": {"dtype": 7, "sizes": [{"as_expr": {"expr_str": "s0"}}, {"as_int": 3}]}
      },
      "nodes": [
        {"target": "torch.ops.aten.relu.default", "inputs": [{"name": "self", "arg": {"as_tensor": {"name": "x"}}}],
         "outputs": [{"as_tensor": {"name": "relu"}}],
         "metadata": {"stack_trace": "File \"model.py\", line 7, in forward\n    relu"}},
        {"target": "torch.ops.aten.add.Tensor",
         "inputs": [{"name": "self", "arg": {"as_tensor": {"name": "relu"}}}, {"name": "other", "arg": {"as_tensor": {"name": "w"}}}],
         "outputs": [{"as_tensor": {"name": "add"}}], "metadata": {}}
      ]
    },
    "signature": {
      "input_specs": [
        {"parameter": {"arg": {"name": "w"}, "parameter_name": "w"}},
        {"user_input": {"arg": {"as_tensor": {"name": "x"}}}}
      ],
      "output_specs": [{"user_output": {"arg": {"as_tensor": {"name": "add"}}}}]
    },
    "module_call_graph": []
  }
}"#;

const CONFIG: &str = r#"{"config": {"w": {"path_name": "weight_0", "is_param": true, "use_pickle": false,
  "tensor_meta": {"dtype": 7, "sizes": [{"as_int": 3}], "strides": [{"as_int": 1}], "storage_offset": {"as_int": 0}}}}}"#;

fn zipped(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, bytes) in entries {
        zip.start_file(*name, options).expect("the name is new");
        zip.write_all(bytes).expect("memory takes all");
    }
    zip.finish().expect("memory takes all").into_inner()
}

fn archive(graph: &str, config: &str, weight: &[u8]) -> Vec<u8> {
    zipped(&[(WEIGHT, weight), (TABLE, config.as_bytes()), (MODEL, graph.as_bytes())])
}

fn good() -> Vec<u8> {
    archive(GRAPH, CONFIG, &[0; 12])
}

fn import(bytes: &[u8]) -> Result<String, ImportError> {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("m.pt2");
    std::fs::write(&path, bytes).expect("there is room");
    let context = thunder_trace::context();
    let model = Model::open(&path)?;
    Ok(model.module(&context)?.to_string())
}

/// The error without the path, which is another one each time.
#[track_caller]
fn refused(bytes: &[u8]) -> String {
    let error = import(bytes).expect_err("it is refused").to_string();
    error.split_once("m.pt2: ").expect("errors name the archive").1.to_owned()
}

fn with_graph(from: &str, to: &str) -> Vec<u8> {
    assert!(GRAPH.contains(from), "{from}");
    archive(&GRAPH.replacen(from, to, 1), CONFIG, &[0; 12])
}

fn with_config(from: &str, to: &str) -> Vec<u8> {
    assert!(CONFIG.contains(from), "{from}");
    archive(GRAPH, &CONFIG.replacen(from, to, 1), &[0; 12])
}

#[test]
fn the_archive_that_the_others_are_made_from_is_good() {
    let text = import(&good()).unwrap();
    assert!(text.contains("thunder.relu") && text.contains(r#"thunder.dims = ["s0", ""]"#), "{text}");
}

#[test]
fn what_is_no_archive_is_refused() {
    assert_eq!(refused(b""), "not a valid torch.export archive: the file is empty");
    assert!(refused(b"module {}").starts_with("not a valid torch.export archive: "));
    let missing =
        "not a valid torch.export archive: it has none of 'models/model.json', 'serialized_exported_program.json'";
    assert_eq!(refused(&zipped(&[("a/b", b"c")])), missing);
    let nowhere = Model::open("/nowhere/m.pt2").err().expect("there is no such file");
    assert!(matches!(nowhere, ImportError::Io { .. }), "{nowhere}");
    assert!(Model::open("/").is_err(), "a folder is no archive");
}

#[test]
fn every_cut_is_an_error() {
    let bytes = good();
    for length in (0..bytes.len()).step_by(37).chain(bytes.len() - 30..bytes.len()) {
        assert!(import(&bytes[..length]).is_err(), "{length} of {} bytes", bytes.len());
    }
}

#[test]
fn changed_bytes_never_panic() {
    let bytes = good();
    let mut state = 1u64;
    for _ in 0..500 {
        let mut changed = bytes.clone();
        for _ in 0..3 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (state >> 33) as usize % changed.len();
            changed[at] = (state >> 24) as u8;
        }
        _ = import(&changed);
    }
}

#[test]
fn entries_stay_within_the_archive() {
    for name in ["../../etc/passwd", "/etc/passwd", "m/./x", "m\\x", "m//x"] {
        let message = refused(&zipped(&[(name, b"x"), (MODEL, GRAPH.as_bytes())]));
        let outside = format!("not a valid torch.export archive: the entry '{name}' is no path inside of the archive");
        assert_eq!(message, outside);
    }
    let message = refused(&with_config("weight_0", "../../../etc/passwd"));
    assert!(message.ends_with("tensor 'w': the archive has no 'data/weights/../../../etc/passwd'"), "{message}");
}

/// Where the first header with this signature begins.
fn header(bytes: &[u8], signature: &[u8; 4]) -> usize {
    bytes.windows(4).position(|window| window == signature).expect("archives have one")
}

#[test]
fn compressed_entries_are_refused_unread() {
    let mut bytes = good();
    let (local, central) = (header(&bytes, b"PK\x03\x04"), header(&bytes, b"PK\x01\x02"));
    // Deflated, four billion bytes of it.
    bytes[local + 8] = 8;
    bytes[central + 10] = 8;
    bytes[central + 24..central + 28].copy_from_slice(&0xfff0_0000u32.to_le_bytes());
    let message = refused(&bytes);
    assert!(message.contains("is compressed or encrypted, which torch never does"), "{message}");
}

#[test]
fn entries_that_lie_elsewhere_are_refused() {
    let central = header(&good(), b"PK\x01\x02");
    let with_size = |size: u32| {
        let mut bytes = good();
        for field in [20, 24] {
            bytes[central + field..central + field + 4].copy_from_slice(&size.to_le_bytes());
        }
        refused(&bytes)
    };
    let message = with_size(0x7fff_0000);
    assert!(message.contains("the entry 'm/data/weights/weight_0' is not within the file"), "{message}");
    let message = with_size(200);
    assert!(message.contains("overlap"), "{message}");
}

#[test]
fn json_of_another_shape_is_an_error_with_its_place() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let number = GRAPH.replacen("\"as_tensor\": {\"name\": \"x\"}", "\"as_tensor\": 3", 1);
    for (graph, part) in [
        ("", "'models/model.json': EOF"),
        ("[]", "'models/model.json': invalid"),
        ("{}", "missing field `schema_version`"),
        (r#"{"schema_version": {"major": 8}}"#, "missing field `graph_module`"),
        (&number, "'as_tensor': invalid type: integer"),
        (&deep, "'models/model.json'"),
    ] {
        let message = refused(&archive(graph, CONFIG, &[0; 12]));
        assert!(message.contains(part), "{message}");
    }
    let message = refused(&with_config("\"config\"", "\"confog\""));
    assert!(message.contains("'data/weights/model_weights_config.json': missing field `config`"), "{message}");
}

#[test]
fn unknown_versions_are_named() {
    let message = refused(&with_graph("\"major\": 8", "\"major\": 9"));
    assert_eq!(message, "version 9 of torch.export's schema is not known, only 8");
    // Fields that are new are no reason to refuse.
    let newer = with_graph("\"torch_version\"", "\"new_field\": {\"a\": [1]}, \"torch_version\"");
    assert!(import(&newer).is_ok());
}

#[test]
fn weights_that_are_not_what_they_say_are_refused() {
    let size = r#""sizes": [{"as_int": 3}]"#;
    let stride = r#"[{"as_int": 1}]"#;
    for (from, to, part) in [
        (size, r#""sizes": [{"as_int": 4}]"#, "it needs 16 bytes, but its storage has 12"),
        (size, r#""sizes": [{"as_int": -3}]"#, "its sizes are no numbers from 0"),
        (size, r#""sizes": [{"as_int": 9223372036854775807}]"#, "its sizes are out of range"),
        (size, r#""sizes": [{"as_int": 3}, {"as_int": 1}]"#, "it has 2 sizes and 1 strides"),
        (stride, r#"[{"as_int": 9223372036854775807}]"#, "its sizes are out of range"),
        (r#""storage_offset": {"as_int": 0}"#, r#""storage_offset": {"as_int": 1}"#, "it needs 16 bytes"),
        (r#""dtype": 7"#, r#""dtype": 9"#, "it has elements of complex32, which Thunder does not have"),
        (r#""dtype": 7"#, r#""dtype": 99"#, "it has elements of dtype number 99"),
        ("weight_0", "weight_7", "the archive has no 'data/weights/weight_7'"),
        (r#""use_pickle": false"#, r#""use_pickle": true"#, "'data/weights/weight_0': "),
        (r#""w":"#, r#""v":"#, "tensor 'w': the archive does not have it"),
    ] {
        let message = refused(&with_config(from, to));
        assert!(message.contains(part), "{to}: {message}");
    }
    // One element, repeated without end.
    let endless = CONFIG.replacen(size, r#""sizes": [{"as_int": 1099511627776}]"#, 1);
    let message = refused(&archive(GRAPH, &endless.replacen(stride, r#"[{"as_int": 0}]"#, 1), &[0; 12]));
    assert!(message.contains("its sizes [1099511627776] are more than its storage of 12 bytes"), "{message}");
    let message = refused(&with_graph(r#""w": {"dtype": 7"#, r#""w": {"dtype": 8"#));
    assert!(message.contains("the tensor 'w' is f32[3], but the graph takes f64[3]"), "{message}");
}

#[test]
fn graphs_that_contradict_themselves_are_refused_at_their_line() {
    let operand = r#""arg": {"as_tensor": {"name": "x"}}}],"#;
    let sum = r#""add": {"dtype": 7, "sizes": [{"as_expr": {"expr_str": "s0"}}, {"as_int": 3}]}"#;
    let input = r#""x": {"dtype": 7, "sizes": [{"as_expr": {"expr_str": "s0"}}"#;
    let output = r#""user_output": {"arg": {"as_tensor": {"name": "add"}}}"#;
    for (from, to, part) in [
        (operand, operand.replace('x', "y").as_str(), "at model.py:7: nothing makes the value 'y'"),
        (operand, &operand.replace('x', "add"), "it uses a value before that is made"),
        (operand, r#""arg": {"as_string": "x"}}],"#, "'self' is of another kind: String(\"x\")"),
        (&format!(r#"{{"name": "self", {operand}"#), "],", "at model.py:7: 'self' is missing"),
        (
            sum,
            r#""add": {"dtype": 7, "sizes": [{"as_int": 3}]}"#,
            "it is f32[s0, 3] by its operands, but f32[3] in the file",
        ),
        (sum, r#""add": {"dtype": 5, "sizes": [{"as_int": 3}, {"as_int": 3}]}"#, "but i64[3, 3] in the file"),
        (sum, r#""sum": {"dtype": 5, "sizes": []}"#, "nothing says what the value 'add' is"),
        (sum, &sum.replace("s0", "u7"), "the size 'u7': 'u7' is not the size of an input"),
        (input, r#""x": {"dtype": 7, "sizes": [{"as_int": -2}"#, "'x' cannot have the size -2"),
        (output, &output.replace("add", "sub"), "nothing makes the value 'sub'"),
        (
            output,
            r#""buffer_mutation": {"arg": {"name": "add"}, "buffer_name": "b"}"#,
            "it updates what it does not take",
        ),
    ] {
        let message = refused(&with_graph(from, to));
        assert!(message.contains(part), "{to}: {message}");
    }
}

#[test]
fn what_is_not_supported_is_reported_at_once() {
    let node = |target: &str, from: &str, to: &str| {
        format!(
            r#"{{"target": "{target}", "inputs": [{{"name": "self", "arg": {{"as_tensor": {{"name": "{from}"}}}}}}],
              "outputs": [{{"as_tensor": {{"name": "{to}"}}}}],
              "metadata": {{"stack_trace": "File \"model.py\", line 3, in f"}}}},"#
        )
    };
    let nodes = [
        node("torch.ops.aten.bessel.default", "x", "relu"),
        node("torch.ops.aten.relu.default", "relu", "relu"),
        node("torch.ops.aten.bessel.default", "x", "relu"),
        node("torch.ops.aten.alpha_dropout.default", "x", "relu").replace("self", "input"),
    ];
    let message = refused(&with_graph("\"nodes\": [", &format!("\"nodes\": [{}", nodes.concat())));
    assert_eq!(
        message,
        "2 things are not supported:\n  aten.bessel.default (2 times, first at model.py:3)\n  aten.alpha_dropout.default \
         with training: export the model in evaluation mode, after `model.eval()` (1 times, first at model.py:3)"
    );
}
