//! Every sample of every op, lowered to linalg and run by MLIR's own runner, beside the reference.
//!
//! The pipeline below `thunder-to-linalg` is upstream's and as plain as can be: this is a test of
//! the lowering alone. Set `OPS` to names of ops, separated by commas, to run only these.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;
use std::sync::{Arc, LazyLock};
use thunder_interface::{Sample, dtype_of, interpret};
use thunder_ir::pass::{Pipeline, Statistics};
use thunder_ir::{Attribute, Context, Module, Operation, Registry, Type};
use thunder_lowering::ToLinalg;
use thunder_tensor::{DType, Random, Tensor, Tolerance, compare};

const PREFIX: &str = env!("MLIR_SYS_220_PREFIX");

static PASSES: LazyLock<()> = LazyLock::new(|| _ = thunder_lowering::register_all(&Arc::new(Statistics::default())));

fn context() -> Context {
    let context = Context::new(&Registry::upstream().with(thunder_dialect::dialect()));
    LazyLock::force(&PASSES);
    context
}

/// What upstream makes of linalg on tensors, ending with the LLVM dialect.
fn upstream(fuse: bool) -> Pipeline {
    let pipeline = Pipeline::new();
    let pipeline =
        if fuse { pipeline.then("linalg-fuse-elementwise-ops").then("canonicalize").then("cse") } else { pipeline };
    let bufferize = "bufferize-function-boundaries=true function-boundary-type-conversion=identity-layout-map";
    pipeline
        .then(&format!("one-shot-bufferize{{{bufferize}}}"))
        .on("func.func", Pipeline::new().then("convert-linalg-to-loops").then("lower-affine"))
        .then("expand-strided-metadata,lower-affine,convert-scf-to-cf")
        .then("arith-expand{include-bf16=true}")
        .then("convert-math-to-libm,convert-math-to-llvm")
        .then("finalize-memref-to-llvm,convert-func-to-llvm,convert-arith-to-llvm,convert-index-to-llvm")
        .then("convert-cf-to-llvm,reconcile-unrealized-casts")
}

fn function<'c>(module: &'c Module<'_>, name: &str) -> Operation<'c> {
    let is_it = |op: &Operation<'_>| op.attribute("sym_name").and_then(|a| a.as_string()) == Some(name);
    module.body().operations().into_iter().find(is_it).expect("the function is in the module")
}

fn signature(function: Operation<'_>) -> (Vec<Type<'_>>, Vec<Type<'_>>) {
    function.attribute("function_type").and_then(|a| a.as_type()).and_then(Type::as_function).expect("it is a function")
}

/// One program with its inputs and the outputs of the reference.
struct Case {
    title: String,
    sample: Sample,
    expected: Vec<Tensor>,
    /// The lowered function, and one without arguments that runs it and prints the bits.
    text: String,
}

fn prepare(context: &Context, sample: &Sample, dtype: DType, number: usize) -> Result<Case, String> {
    let source = sample.function.replace("$T", &dtype.to_string());
    let mut module = Module::parse(context, "sample", source.as_bytes()).map_err(|e| format!("does not parse: {e}"))?;
    let (types, _) = signature(function(&module, "sample"));
    let mut random = Random::new(number as u64);
    let mut inputs = Vec::new();
    for ((ty, shape), (low, high)) in types.iter().zip(&sample.shapes).zip(&sample.domains) {
        let dtype = dtype_of(ty.element()).ok_or("has an argument that is no tensor")?;
        inputs.push(if sample.specials {
            random.special(dtype, shape.clone(), (low + high) / 2.0, (high - low) / 4.0)
        } else {
            random.uniform(dtype, shape.clone(), *low..*high)
        });
    }
    let expected = interpret(module.operation(), "sample", &inputs).map_err(|e| format!("has no reference: {e}"))?;
    Pipeline::new().pass(&ToLinalg {}).run(&mut module).map_err(|e| format!("does not lower: {e}"))?;
    let lowered = function(&module, "sample");
    let name = format!("sample_{number}");
    lowered.set_attribute("sym_name", Attribute::string(context.as_ref(), &name));
    let mut text = format!("{lowered}\n");
    let (types, results) = signature(lowered);
    let _ = writeln!(text, "func.func @run_{number}() {{");
    for (index, (ty, input)) in types.iter().zip(&inputs).enumerate() {
        let dims: Vec<_> = input.shape().iter().map(|size| Some(*size as i64)).collect();
        let of = Type::tensor(ty.element(), &dims);
        let value = Attribute::dense(of, input.bytes()).ok_or("the input does not fit")?;
        let _ =
            writeln!(text, "  %d{index} = arith.constant {value}\n  %a{index} = tensor.cast %d{index} : {of} to {ty}");
    }
    let list = |items: &mut dyn Iterator<Item = String>| items.collect::<Vec<_>>().join(", ");
    let arguments = list(&mut (0..types.len()).map(|i| format!("%a{i}")));
    let inputs = list(&mut types.iter().map(ToString::to_string));
    let outputs = list(&mut results.iter().map(ToString::to_string));
    let _ = writeln!(text, "  %r:{} = func.call @{name}({arguments}) : ({inputs}) -> ({outputs})", results.len());
    for (index, ty) in results.iter().enumerate() {
        let _ = writeln!(text, "{}", print_bits(index, *ty));
    }
    text.push_str("  return\n}\n");
    drop(types);
    Ok(Case { title: format!("{dtype} {:?}", sample.shapes), sample: sample.clone(), expected, text })
}

/// Prints the bits of result `index`, each element as a signed integer.
fn print_bits(index: usize, ty: Type<'_>) -> String {
    let tensor = ty.as_tensor().expect("results are tensors");
    let (rank, element) = (tensor.rank(), tensor.element().to_string());
    let i64 = Type::int(ty.context(), 64);
    let bits = tensor.with_element(i64);
    let int = match element.as_str() {
        "f16" | "bf16" => "i16",
        "f32" => "i32",
        "f64" => "i64",
        other => other,
    };
    let cast = if int == element { String::new() } else { format!("%b = arith.bitcast %x : {element} to {int}\n") };
    let source = if int == element { "%x" } else { "%b" };
    let widen = match int {
        "i64" => format!("linalg.yield {source} : i64"),
        _ => format!("%w = arith.extsi {source} : {int} to i64\n linalg.yield %w : i64"),
    };
    let dims: Vec<_> = (0..rank).map(|i| format!("d{i}")).collect();
    let map = format!("affine_map<({0}) -> ({0})>", dims.join(", "));
    let loops = vec!["\"parallel\""; rank].join(", ");
    let mut sizes = String::new();
    let mut open = Vec::new();
    for (axis, size) in tensor.dims().into_iter().enumerate() {
        if size.is_none() {
            let _ = writeln!(
                sizes,
                "%i{index}_{axis} = arith.constant {axis} : index\n\
                 %n{index}_{axis} = tensor.dim %r#{index}, %i{index}_{axis} : {ty}"
            );
            open.push(format!("%n{index}_{axis}"));
        }
    }
    format!(
        "{sizes}%e{index} = tensor.empty({open}) : {bits}
         %p{index} = linalg.generic {{indexing_maps = [{map}, {map}], iterator_types = [{loops}]}}
           ins(%r#{index} : {ty}) outs(%e{index} : {bits}) {{
         ^bb0(%x: {element}, %o: i64):
           {cast}{widen}
         }} -> {bits}
         %u{index} = tensor.cast %p{index} : {bits} to tensor<*xi64>
         func.call @printMemrefI64(%u{index}) : (tensor<*xi64>) -> ()",
        open = open.join(", "),
    )
}

/// Runs the cases of these numbers; one list of bits per result, in order.
fn run(context: &Context, cases: &[(usize, &Case)], fuse: bool) -> Result<Vec<Vec<i64>>, String> {
    let mut text =
        String::from("func.func private @printMemrefI64(tensor<*xi64>) attributes {llvm.emit_c_interface}\n");
    let mut main = String::from("func.func @main() {\n");
    for (number, case) in cases {
        text.push_str(&case.text);
        let _ = writeln!(main, "  func.call @run_{number}() : () -> ()");
    }
    let text = format!("{text}{main}  return\n}}\n");
    let mut module = Module::parse(context, "lowered", text.as_bytes()).map_err(|e| format!("lowered wrong: {e}"))?;
    upstream(fuse).run(&mut module).map_err(|e| format!("upstream refuses: {e}"))?;
    let file = tempfile::NamedTempFile::with_suffix(".mlir").map_err(|e| e.to_string())?;
    std::fs::write(file.path(), module.to_string()).map_err(|e| e.to_string())?;
    let libraries =
        ["libmlir_runner_utils.so", "libmlir_c_runner_utils.so"].map(|l| format!("{PREFIX}/lib/{l}")).join(",");
    let output = Command::new(format!("{PREFIX}/bin/mlir-runner"))
        .args(["-e", "main", "-entry-point-result=void", &format!("-shared-libs={libraries}")])
        .arg(file.path())
        .output()
        .map_err(|e| e.to_string())?;
    if !output.status.success() {
        return Err(format!(
            "{}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or("")
        ));
    }
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let blocks = printed.split("Unranked Memref").skip(1);
    Ok(blocks
        .map(|block| {
            let data = block.split_once("data =").map_or("", |(_, data)| data);
            data.split(['[', ']', ',', ' ', '\n']).filter_map(|number| number.parse().ok()).collect()
        })
        .collect())
}

fn check(case: &Case, results: &[Vec<i64>]) -> Result<(), String> {
    for (bits, expected) in results.iter().zip(&case.expected) {
        let dtype = expected.dtype();
        let width = dtype.size();
        // A memref without elements prints as if it had some.
        let bits = if expected.is_empty() { &[][..] } else { bits };
        let bytes: Vec<u8> = bits.iter().flat_map(|bits| bits.to_le_bytes()[..width].to_vec()).collect();
        let actual = Tensor::from_bytes(dtype, expected.shape(), &bytes).map_err(|e| e.to_string())?;
        let bound = if dtype.is_float() { case.sample.ulps * dtype.epsilon() } else { 0.0 };
        compare(&actual, expected, Tolerance::new(bound, bound)).map_err(|e| e.to_string())?;
    }
    Ok(())
}

/// Runs all cases of one op, one by one where they do not run together.
fn run_all(context: &Context, cases: &[Case], fuse: bool) -> Vec<Result<(), String>> {
    let numbered: Vec<_> = cases.iter().enumerate().collect();
    if let Ok(results) = run(context, &numbered, fuse) {
        let mut rest = &results[..];
        return cases
            .iter()
            .map(|case| {
                let (own, others) = rest.split_at(case.expected.len().min(rest.len()));
                rest = others;
                check(case, own)
            })
            .collect();
    }
    numbered.iter().map(|case| run(context, &[*case], fuse).and_then(|results| check(case.1, &results))).collect()
}

#[test]
fn samples_agree_with_the_reference() {
    let only = std::env::var("OPS").ok();
    let fuse = std::env::var("FUSE").is_ok();
    let context = context();
    let mut table: BTreeMap<(&str, String), (usize, usize)> = BTreeMap::new();
    let mut failures = Vec::new();
    for (def, set) in thunder_dialect::all_samples() {
        if only.as_ref().is_some_and(|only| !only.split(',').any(|name| name == def.mnemonic())) {
            continue;
        }
        let (mut cases, mut dtypes) = (Vec::new(), Vec::new());
        eprintln!("{}", def.name);
        for sample in &set.samples {
            for dtype in sample.dtypes.0 {
                let entry = table.entry((def.name, dtype.to_string())).or_default();
                match prepare(&context, sample, *dtype, cases.len()) {
                    Ok(case) => {
                        cases.push(case);
                        dtypes.push(*dtype);
                    }
                    Err(error) => {
                        entry.1 += 1;
                        failures.push(format!("{} {dtype} {:?}: {error}", def.name, sample.shapes));
                    }
                }
            }
        }
        for ((case, dtype), outcome) in cases.iter().zip(dtypes).zip(run_all(&context, &cases, fuse)) {
            let entry = table.entry((def.name, dtype.to_string())).or_default();
            match outcome {
                Ok(()) => entry.0 += 1,
                Err(error) => {
                    entry.1 += 1;
                    failures.push(format!("{} {}: {error}", def.name, case.title));
                }
            }
        }
    }
    report(&table);
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// Prints a line per op: dtype, samples that agree, samples in all.
fn report(table: &BTreeMap<(&str, String), (usize, usize)>) {
    let mut lines: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for ((op, dtype), (passed, failed)) in table {
        lines.entry(op).or_default().push(format!("{dtype} {passed}/{}", passed + failed));
    }
    for (op, cells) in lines {
        println!("{op:28} {}", cells.join("  "));
    }
}
