//! What depends on weights alone is computed once, when a session is prepared.

use std::cell::Cell;
use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use thunder_conformance::{numeric, sample};
use thunder_interface::{NAME, PARAMETER, UPDATES, interpret};
use thunder_ir::pass::Pipeline;
use thunder_ir::{Attribute, Module};
use thunder_lowering::{Compiled, Options, compile, compile_jit};
use thunder_passes::{Functionalize, SETUP, SplitSetup};
use thunder_runtime::artifact::{Artifact, Bytes};
use thunder_runtime::session::{self, Session};
use thunder_tensor::{DType, Random, Tensor, Tolerance, compare};
use thunder_tests::program::{CASES, Program, for_programs, for_programs_in_place};

/// A linear layer whose scaled weight is made once, and whose bias is as it is.
const LINEAR: &str = r#"
func.func @main(%x: tensor<?x64xf32>, %w: tensor<64x64xf32> {thunder.parameter = "w"},
    %b: tensor<64xf32> {thunder.parameter = "b"}, %s: tensor<64xf32> {thunder.parameter = "s"})
    -> (tensor<?x64xf32> {thunder.name = "y"}) {
  %e = thunder.exp %s : tensor<64xf32>
  %eb = thunder.broadcast_in_dim %e, [] dims = [1] : tensor<64xf32> -> tensor<64x64xf32>
  %we = thunder.mul %w, %eb : tensor<64x64xf32>
  %y = thunder.matmul %x, %we : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %n = thunder.dim %x axis = 0 : tensor<?x64xf32> -> index
  %bb = thunder.broadcast_in_dim %b, [%n] dims = [1] : (tensor<64xf32>, index) -> tensor<?x64xf32>
  %z = thunder.add %y, %bb : tensor<?x64xf32>
  return %z : tensor<?x64xf32>
}
"#;

fn weights() -> BTreeMap<String, Tensor> {
    let mut random = Random::new(3);
    let mut weight = |name: &str, shape: &[usize]| (name.to_owned(), random.normal(DType::F32, shape, 0.0, 0.5));
    [weight("w", &[64, 64]), weight("b", &[64]), weight("s", &[64])].into()
}

fn options() -> session::Options {
    session::Options::with_threads(1)
}

fn compiled(text: &str, compile: impl Fn(&mut Module<'_>) -> Result<Compiled>) -> Result<Compiled> {
    let context = sample::context(&[]);
    compile(&mut Module::parse(&context, "main.mlir", text.as_bytes())?)
}

/// In this process, and through a file.
fn sessions(text: &str, weights: &BTreeMap<String, Tensor>) -> Result<[Result<Session>; 2]> {
    let jit = compiled(text, |module| Ok(compile_jit(module, &Options::default())?))?;
    let file = compiled(text, |module| Ok(compile(module, &Options::default())?))?.artifact.to_bytes();
    let file = Artifact::from_bytes(Bytes::new(file), "file")?;
    let from_file = Session::prepare_with(&file, weights, None, options());
    Ok([jit.session(weights, options()).map_err(Into::into), from_file.map_err(Into::into)])
}

#[test]
fn weights_alone_are_computed_with_once() -> Result<()> {
    let context = sample::context(&[]);
    let (module, mut weights) = (Module::parse(&context, "main.mlir", LINEAR.as_bytes())?, weights());
    let sessions = sessions(LINEAR, &weights)?;
    for session in sessions.iter().flatten() {
        let names: Vec<_> = session.program().parameters.iter().map(|port| port.name.as_str()).collect();
        ensure!(names == ["b", "setup.0"], "a run takes {names:?}");
        ensure!(session.program().steps.len() == 1, "more than the product: {:?}", session.program().steps);
        for rows in [1, 5, 0] {
            let x = Random::new(1).normal(DType::F32, [rows, 64], 0.0, 1.0);
            let all = [x.clone(), weights["w"].clone(), weights["b"].clone(), weights["s"].clone()];
            let expected = interpret(module.operation(), "main", &all)?;
            compare(&session.run(&[x])?[0], &expected[0], Tolerance::new(1e-4, 1e-4))?;
        }
    }
    ensure!(sessions.iter().all(Result::is_ok), "{sessions:?}");
    // What a session has too is copied to be written; what it does not is not.
    for (name, is_kept) in [("w", false), ("s", false), ("b", true)] {
        let weight = weights.get_mut(name).context("a weight")?;
        let before = weight.bytes().as_ptr();
        ensure!((weight.bytes_mut().as_ptr() != before) == is_kept, "'{name}': kept is not {is_kept}");
    }
    Ok(())
}

/// Weights that are missing or do not fit are told as if there were one program, in the order of the function.
#[test]
fn weights_of_both_programs_are_checked_at_once() -> Result<()> {
    let said = |weights: &BTreeMap<String, Tensor>| -> Result<[String; 2]> {
        Ok(sessions(LINEAR, weights)?.map(|session| session.err().map_or_else(String::new, |e| e.to_string())))
    };
    assert_eq!(said(&BTreeMap::new())?, ["missing weights: w, b, s"; 2]);
    let mut some = weights();
    some.remove("s");
    some.insert("setup.0".to_owned(), Tensor::zeros(DType::F32, [64, 64]));
    assert_eq!(said(&some)?, ["missing weights: s"; 2]);
    for (name, shape) in [("s", "[64]"), ("b", "[64]")] {
        let mut other = weights();
        other.insert(name.to_owned(), Tensor::zeros(DType::F64, [64]));
        let expected = format!("weight '{name}' is f64{shape}, the program needs f32{shape}");
        assert_eq!(said(&other)?, [expected.as_str(); 2]);
    }
    Ok(())
}

/// A module that has been split before is compiled with its function of two parts.
#[test]
fn what_is_split_already_stays_so() -> Result<()> {
    let context = sample::context(&[]);
    let mut module = Module::parse(&context, "main.mlir", LINEAR.as_bytes())?;
    Pipeline::new().pass(&SplitSetup::default()).run(&mut module)?;
    let once = module.to_string();
    Pipeline::new().pass(&SplitSetup::default()).run(&mut module)?;
    ensure!(module.to_string() == once, "split twice:\n{module}");
    let names = |text: &str| -> Result<Vec<String>> {
        let compiled = compiled(text, |module| Ok(compile_jit(module, &Options::default())?))?;
        ensure!(compiled.artifact.setup().is_some(), "the part that is done once is lost");
        Ok(compiled.artifact.parameters().into_iter().map(|parameter| parameter.name).collect())
    };
    assert_eq!(names(&once)?, ["w", "b", "s"]);
    assert_eq!(names(LINEAR)?, ["w", "b", "s"]);
    Ok(())
}

/// The program with most of its arguments of known sizes as parameters, and the names of all arguments.
fn with_parameters(program: &Program) -> (String, Vec<Option<String>>) {
    let (head, body) = program.text.split_once(") -> ").unwrap_or_default();
    let (name, arguments) = head.split_once('(').unwrap_or_default();
    let mut names = Vec::new();
    let arguments: Vec<String> = arguments
        .split(", ")
        .enumerate()
        .map(|(number, argument)| {
            let is_input = argument.contains('?') || (number + program.text.len()).is_multiple_of(4);
            names.push((!is_input).then(|| format!("w{number}")));
            let suffix = names[number].iter().map(|name| format!(" {{{PARAMETER} = \"{name}\"}}"));
            argument.to_owned() + &suffix.collect::<String>()
        })
        .collect();
    (format!("{name}({}) -> {body}", arguments.join(", ")), names)
}

fn attributes<'c>(module: &'c Module<'_>, function: &str, list: &str) -> Result<Vec<Attribute<'c>>> {
    let function = sample::function(module, function)?;
    Ok(function.attribute(list).and_then(|a| a.as_array()).unwrap_or_default())
}

fn named<'c>(attributes: &[Attribute<'c>], key: &str, number: usize) -> Option<&'c str> {
    attributes.get(number).and_then(|a| a.entry(key)).and_then(|a| a.as_string())
}

/// Runs `@main` on inputs by order and parameters by name, after the function that makes some of these.
fn run(module: &Module<'_>, inputs: &[Tensor], weights: &BTreeMap<String, Tensor>) -> Result<Vec<Tensor>> {
    let mut weights = weights.clone();
    let arguments = |function: &str, weights: &BTreeMap<String, Tensor>| -> Result<Vec<Tensor>> {
        let (list, mut inputs) = (attributes(module, function, "arg_attrs")?, inputs.iter().cloned());
        let count = sample::function(module, function)?.region(0).entry().map_or(0, |b| b.argument_count());
        let argument = |number: usize| match named(&list, PARAMETER, number) {
            Some(name) => weights.get(name).cloned().with_context(|| format!("nobody makes '{name}'")),
            None => inputs.next().context("an input is missing"),
        };
        (0..count).map(argument).collect()
    };
    if let Some(setup) = sample::function(module, "main")?.attribute(SETUP).and_then(|a| a.as_symbol()) {
        let made = interpret(module.operation(), setup, &arguments(setup, &weights)?)?;
        let names = attributes(module, setup, "res_attrs")?;
        for (number, tensor) in made.into_iter().enumerate() {
            let name = named(&names, NAME, number).context("what is made has no name")?;
            ensure!(weights.insert(name.to_owned(), tensor).is_none(), "'{name}' is taken");
        }
    }
    Ok(interpret(module.operation(), "main", &arguments("main", &weights)?)?)
}

/// The results that update arguments, with these: their names, or numbers among the inputs.
fn updated(module: &Module<'_>) -> Result<Vec<(usize, String)>> {
    let arguments = attributes(module, "main", "arg_attrs")?;
    let of = |number: usize| match named(&arguments, PARAMETER, number) {
        Some(name) => name.to_owned(),
        None => (0..number).filter(|other| named(&arguments, PARAMETER, *other).is_none()).count().to_string(),
    };
    let results = attributes(module, "main", "res_attrs")?.into_iter().enumerate();
    let updates = results.filter_map(|(result, a)| Some((result, a.entry(UPDATES)?.as_integer()?)));
    Ok(updates.map(|(result, number)| (result, of(number as usize))).collect())
}

/// Both parts together compute what the whole did, to the bit, and update the same arguments.
fn parts_are_the_whole(program: &Program) -> Result<bool> {
    let context = sample::context(&[]);
    let (text, names) = with_parameters(program);
    let mut module = Module::parse(&context, "program.mlir", text.as_bytes())?;
    Pipeline::new().then("canonicalize").pass(&Functionalize::default()).then("cse").run(&mut module)?;
    let arguments = || names.iter().zip(&program.inputs);
    let inputs: Vec<Tensor> = arguments().filter(|(name, _)| name.is_none()).map(|(_, t)| t.clone()).collect();
    let weights = arguments().filter_map(|(name, tensor)| Some((name.clone()?, tensor.clone()))).collect();
    let (before, updates) = (run(&module, &inputs, &weights)?, updated(&module)?);
    Pipeline::new().pass(&SplitSetup::default()).run(&mut module)?;
    module.verify()?;
    let after = run(&module, &inputs, &weights).with_context(|| format!("after:\n{module}"))?;
    ensure!(updated(&module)? == updates, "updates others than {updates:?}:\n{module}");
    ensure!(after.len() == before.len(), "{} results:\n{module}", after.len());
    for (after, before) in after.iter().zip(&before) {
        numeric::same_bits(after, before).with_context(|| format!("after:\n{module}"))?;
    }
    Ok(sample::function(&module, "main")?.attribute(SETUP).is_some())
}

#[test]
fn functions_in_two_parts_compute_the_same() {
    let split = Cell::new(0);
    for_programs(|program| {
        split.set(split.get() + u32::from(parts_are_the_whole(program)?));
        Ok(())
    });
    assert!(split.get() >= CASES / 4, "only {} programs were split", split.get());
}

#[test]
fn functions_in_two_parts_update_the_same() {
    let split = Cell::new(0);
    for_programs_in_place(|program| {
        split.set(split.get() + u32::from(parts_are_the_whole(program)?));
        Ok(())
    });
    assert!(split.get() >= CASES / 20, "only {} programs were split", split.get());
}

/// Compiled code computes with parameters what it computes with inputs.
#[test]
fn compiled_parts_compute_the_same() {
    let (seen, split) = (Cell::new(0), Cell::new(0));
    for_programs(|program| {
        seen.set(seen.get() + 1);
        if seen.get() % 8 != 0 {
            return Ok(());
        }
        let (text, names) = with_parameters(program);
        let context = sample::context(&[]);
        let mut module = Module::parse(&context, "program.mlir", text.as_bytes())?;
        let expected = interpret(module.operation(), "main", &program.inputs)?;
        let compiled = compile_jit(&mut module, &Options::default())?;
        let arguments = || names.iter().zip(&program.inputs);
        let inputs: Vec<Tensor> = arguments().filter(|(name, _)| name.is_none()).map(|(_, t)| t.clone()).collect();
        let weights = arguments().filter_map(|(name, tensor)| Some((name.clone()?, tensor.clone()))).collect();
        let results = compiled.session(&weights, options())?.run(&inputs)?;
        split.set(split.get() + u32::from(compiled.artifact.setup().is_some()));
        for (result, expected) in results.iter().zip(&expected) {
            ensure!((result.dtype(), result.shape()) == (expected.dtype(), expected.shape()), "another type");
        }
        let whole =
            compile_jit(&mut Module::parse(&context, "whole.mlir", program.text.as_bytes())?, &Options::default())?;
        let whole = whole.session(&BTreeMap::new(), options())?.run(&program.inputs)?;
        for (result, whole) in results.iter().zip(&whole) {
            compare(result, whole, Tolerance::new(1e-2, 1e-2)).with_context(|| format!("of:\n{text}"))?;
        }
        Ok(())
    });
    assert!(split.get() >= 5, "only {} programs were split", split.get());
}
