//! Loops whose number of rounds values decide: compiled, they compute what the reference does.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use thunder_conformance::sample;
use thunder_interface::interpret;
use thunder_ir::Module;
use thunder_ir::pass::Pipeline;
use thunder_lowering::{Options, Target, compile, compile_jit};
use thunder_passes::OutlineLoops;
use thunder_runtime::artifact::{Artifact, Bytes};
use thunder_runtime::session::{self, Session};
use thunder_tensor::{DType, Random, Tensor, Tolerance, compare};

/// A power iteration in a matrix of weights, which are scaled once, with a bias of a size that only a run knows.
const POWERS: &str = r#"
func.func @main(%x: tensor<?x16xf32> {thunder.dims = ["rows", ""]}, %n: tensor<i64>,
    %w: tensor<16x16xf32> {thunder.parameter = "w"}, %s: tensor<16x16xf32> {thunder.parameter = "s"})
    -> (tensor<?x16xf32>, tensor<i64>) {
  %zero = thunder.constant value = dense<0> : tensor<i64>
  %one = thunder.constant value = dense<1> : tensor<i64>
  %ws = thunder.mul %w, %s : tensor<16x16xf32>
  %rows = thunder.dim %x axis = 0 : tensor<?x16xf32> -> index
  %r:2 = scf.while (%i = %zero, %h = %x) : (tensor<i64>, tensor<?x16xf32>) -> (tensor<i64>, tensor<?x16xf32>) {
    %c = thunder.lt %i, %n : (tensor<i64>, tensor<i64>) -> tensor<i1>
    %b = tensor.extract %c[] : tensor<i1>
    scf.condition(%b) %i, %h : tensor<i64>, tensor<?x16xf32>
  } do {
  ^bb0(%i: tensor<i64>, %h: tensor<?x16xf32>):
    %next = thunder.add %i, %one : tensor<i64>
    %p = thunder.matmul %h, %ws : (tensor<?x16xf32>, tensor<16x16xf32>) -> tensor<?x16xf32>
    %bias = thunder.full %rows value = 0.25 : f32 : index -> tensor<?x16xf32>
    %q = thunder.add %p, %bias : tensor<?x16xf32>
    %t = thunder.tanh %q : tensor<?x16xf32>
    %y = thunder.add %t, %x : tensor<?x16xf32>
    scf.yield %next, %y : tensor<i64>, tensor<?x16xf32>
  }
  return %r#1, %r#0 : tensor<?x16xf32>, tensor<i64>
}
"#;

/// Numbers of Collatz: for each from `n` down to 1, how many steps it takes to 1, in a loop in a loop; the most of
/// them. The inner condition makes what a round begins with.
const COLLATZ: &str = r#"
func.func @main(%n: tensor<i64>) -> (tensor<i64>, tensor<i64>) {
  %zero = thunder.constant value = dense<0> : tensor<i64>
  %one = thunder.constant value = dense<1> : tensor<i64>
  %two = thunder.constant value = dense<2> : tensor<i64>
  %three = thunder.constant value = dense<3> : tensor<i64>
  %r:3 = scf.while (%i = %n, %most = %zero, %of = %zero)
      : (tensor<i64>, tensor<i64>, tensor<i64>) -> (tensor<i64>, tensor<i64>, tensor<i64>) {
    %c = thunder.lt %zero, %i : (tensor<i64>, tensor<i64>) -> tensor<i1>
    %b = tensor.extract %c[] : tensor<i1>
    scf.condition(%b) %i, %most, %of : tensor<i64>, tensor<i64>, tensor<i64>
  } do {
  ^bb0(%i: tensor<i64>, %most: tensor<i64>, %of: tensor<i64>):
    %steps:2 = scf.while (%a = %i, %k = %zero) : (tensor<i64>, tensor<i64>) -> (tensor<i64>, tensor<i64>) {
      %more = thunder.add %k, %one : tensor<i64>
      %c = thunder.lt %one, %a : (tensor<i64>, tensor<i64>) -> tensor<i1>
      %b = tensor.extract %c[] : tensor<i1>
      scf.condition(%b) %a, %more : tensor<i64>, tensor<i64>
    } do {
    ^bb0(%a: tensor<i64>, %k: tensor<i64>):
      %half = thunder.div %a, %two : tensor<i64>
      %twice = thunder.mul %half, %two : tensor<i64>
      %even = thunder.eq %twice, %a : (tensor<i64>, tensor<i64>) -> tensor<i1>
      %triple = thunder.mul %a, %three : tensor<i64>
      %odd = thunder.add %triple, %one : tensor<i64>
      %next = thunder.where %even, %half, %odd : (tensor<i1>, tensor<i64>, tensor<i64>) -> tensor<i64>
      scf.yield %next, %k : tensor<i64>, tensor<i64>
    }
    %is_more = thunder.lt %most, %steps#1 : (tensor<i64>, tensor<i64>) -> tensor<i1>
    %m = thunder.where %is_more, %steps#1, %most : (tensor<i1>, tensor<i64>, tensor<i64>) -> tensor<i64>
    %o = thunder.where %is_more, %i, %of : (tensor<i1>, tensor<i64>, tensor<i64>) -> tensor<i64>
    %less = thunder.sub %i, %one : tensor<i64>
    scf.yield %less, %m, %o : tensor<i64>, tensor<i64>, tensor<i64>
  }
  return %r#1, %r#2 : tensor<i64>, tensor<i64>
}
"#;

/// A loop that depends on weights alone, and one whose values are a transposed view and a part of another.
const VIEWS: &str = r#"
func.func @main(%x: tensor<4x4xf32>, %w: tensor<4x4xf32> {thunder.parameter = "w"}) -> (tensor<4x4xf32>, tensor<4x2xf32>) {
  %bound = thunder.constant value = dense<100.0> : tensor<f32>
  %big = scf.while (%a = %w) : (tensor<4x4xf32>) -> tensor<4x4xf32> {
    %m = thunder.sum %a axes = [0, 1] : tensor<4x4xf32> -> tensor<f32>
    %c = thunder.lt %m, %bound : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %b = tensor.extract %c[] : tensor<i1>
    scf.condition(%b) %a : tensor<4x4xf32>
  } do {
  ^bb0(%a: tensor<4x4xf32>):
    %s = thunder.mul %a, %a : tensor<4x4xf32>
    %t = thunder.add %s, %a : tensor<4x4xf32>
    scf.yield %t : tensor<4x4xf32>
  }
  %xt = thunder.transpose %x permutation = [1, 0] : tensor<4x4xf32> -> tensor<4x4xf32>
  %part = thunder.slice %big start = [0, 1] limit = [4, 3] stride = [1, 1] : tensor<4x4xf32> -> tensor<4x2xf32>
  %r:2 = scf.while (%a = %xt, %p = %part) : (tensor<4x4xf32>, tensor<4x2xf32>) -> (tensor<4x4xf32>, tensor<4x2xf32>) {
    %m = thunder.sum %p axes = [0, 1] : tensor<4x2xf32> -> tensor<f32>
    %c = thunder.lt %bound, %m : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %b = tensor.extract %c[] : tensor<i1>
    scf.condition(%b) %a, %p : tensor<4x4xf32>, tensor<4x2xf32>
  } do {
  ^bb0(%a: tensor<4x4xf32>, %p: tensor<4x2xf32>):
    %half = thunder.constant value = dense<0.5> : tensor<4x2xf32>
    %at = thunder.transpose %a permutation = [1, 0] : tensor<4x4xf32> -> tensor<4x4xf32>
    %q = thunder.mul %p, %half : tensor<4x2xf32>
    scf.yield %at, %q : tensor<4x4xf32>, tensor<4x2xf32>
  }
  return %r#0, %r#1 : tensor<4x4xf32>, tensor<4x2xf32>
}
"#;

/// Points of the plane that stay near zero under `z^2 + c` for so many rounds, or until all are far away: complex
/// values in a loop, one that changes and one that stays, and one that the loop sees from around it.
const ORBITS: &str = r#"
func.func @main(%c: tensor<?xcomplex<f32>>, %n: tensor<i64>) -> (tensor<?xcomplex<f32>>, tensor<complex<f32>>) {
  %zero = thunder.constant value = dense<0> : tensor<i64>
  %one = thunder.constant value = dense<1> : tensor<i64>
  %turn = thunder.constant value = dense<(0.0, 1.0)> : tensor<complex<f32>>
  %start = thunder.mul %c, %c : tensor<?xcomplex<f32>>
  %r:4 = scf.while (%i = %zero, %z = %start, %k = %c, %t = %turn)
      : (tensor<i64>, tensor<?xcomplex<f32>>, tensor<?xcomplex<f32>>, tensor<complex<f32>>)
      -> (tensor<i64>, tensor<?xcomplex<f32>>, tensor<?xcomplex<f32>>, tensor<complex<f32>>) {
    %re = thunder.real %z : tensor<?xcomplex<f32>> -> tensor<?xf32>
    %im = thunder.imag %z : tensor<?xcomplex<f32>> -> tensor<?xf32>
    %re2 = thunder.mul %re, %re : tensor<?xf32>
    %im2 = thunder.mul %im, %im : tensor<?xf32>
    %size = thunder.add %re2, %im2 : tensor<?xf32>
    %sum = thunder.sum %size axes = [0] : tensor<?xf32> -> tensor<f32>
    %far = thunder.constant value = dense<100.0> : tensor<f32>
    %is_near = thunder.lt %sum, %far : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %is_left = thunder.lt %i, %n : (tensor<i64>, tensor<i64>) -> tensor<i1>
    %goes_on = thunder.and %is_near, %is_left : tensor<i1>
    %b = tensor.extract %goes_on[] : tensor<i1>
    scf.condition(%b) %i, %z, %k, %t : tensor<i64>, tensor<?xcomplex<f32>>, tensor<?xcomplex<f32>>, tensor<complex<f32>>
  } do {
  ^bb0(%i: tensor<i64>, %z: tensor<?xcomplex<f32>>, %k: tensor<?xcomplex<f32>>, %t: tensor<complex<f32>>):
    %next = thunder.add %i, %one : tensor<i64>
    %square = thunder.mul %z, %z : tensor<?xcomplex<f32>>
    %moved = thunder.add %square, %k : tensor<?xcomplex<f32>>
    %turned = thunder.mul %t, %turn : tensor<complex<f32>>
    scf.yield %next, %moved, %k, %turned : tensor<i64>, tensor<?xcomplex<f32>>, tensor<?xcomplex<f32>>, tensor<complex<f32>>
  }
  return %r#1, %r#3 : tensor<?xcomplex<f32>>, tensor<complex<f32>>
}
"#;

/// Compares what compiled code makes of inputs and weights, which come last, in this process and through a file, with the
/// reference, before and after the regions are functions.
fn check(text: &str, inputs: &[Vec<Tensor>], weights: &[(&str, Tensor)]) -> Result<()> {
    let context = sample::context(&[]);
    let parse = || Module::parse(&context, "main.mlir", text.as_bytes());
    let module = parse()?;
    let mut outlined = parse()?;
    Pipeline::new().pass(&OutlineLoops::default()).run(&mut outlined)?;
    ensure!(!outlined.to_string().contains("scf.while"), "a loop is left:\n{outlined}");
    let by_name: BTreeMap<String, Tensor> =
        weights.iter().map(|(name, tensor)| ((*name).to_owned(), tensor.clone())).collect();
    let jit = compile_jit(&mut parse()?, &Options::default())?;
    let jit = jit.session(&by_name, session::Options::with_threads(1))?;
    let file = compile(&mut parse()?, &Options::default())?.artifact.to_bytes();
    let file = Artifact::from_bytes(Bytes::new(file), "file")?;
    let file = Session::prepare_with(&file, &by_name, None, session::Options::with_threads(2))?;
    for given in inputs {
        let all: Vec<Tensor> = given.iter().cloned().chain(weights.iter().map(|(_, tensor)| tensor.clone())).collect();
        let expected = interpret(module.operation(), "main", &all)?;
        let of_functions = interpret(outlined.operation(), "main", &all)?;
        for (a, b) in expected.iter().zip(&of_functions) {
            compare(a, b, Tolerance::EXACT).context("the outlined program")?;
        }
        for (name, session) in [("jit", &jit), ("file", &file)] {
            for (result, expected) in session.run(given)?.iter().zip(&expected) {
                compare(result, expected, Tolerance::new(1e-4, 1e-5))
                    .with_context(|| format!("{name} of {given:?}"))?;
            }
        }
    }
    Ok(())
}

#[test]
fn rounds_of_a_layer_at_any_size() -> Result<()> {
    let mut random = Random::new(5);
    let weights = ["w", "s"].map(|name| (name, random.normal(DType::F32, [16, 16], 0.0, 0.3)));
    let mut input =
        |rows: usize, rounds: i64| vec![random.normal(DType::F32, [rows, 16], 0.0, 1.0), Tensor::scalar(rounds)];
    check(POWERS, &[input(3, 4), input(7, 1), input(7, 0), input(0, 2), input(300, 5)], &weights)
}

#[test]
fn a_loop_in_a_loop_whose_condition_computes() -> Result<()> {
    let inputs = [0_i64, 1, 2, 9, 30].map(|n| vec![Tensor::scalar(n)]);
    check(COLLATZ, &inputs, &[])
}

#[test]
fn values_that_are_views_and_weights() -> Result<()> {
    let mut random = Random::new(8);
    let weights = [("w", Tensor::full(DType::F32, [4, 4], 1.5))];
    let inputs = [0, 1].map(|_| vec![random.normal(DType::F32, [4, 4], 0.0, 1.0)]);
    check(VIEWS, &inputs, &weights)
}

#[test]
fn complex_values_are_carried() -> Result<()> {
    let mut random = Random::new(11);
    let mut input = |count: usize, rounds: i64| -> Result<Vec<Tensor>> {
        let [re, im] = [0, 1].map(|_| random.uniform(DType::F32, [count], -0.4..0.4));
        Ok(vec![Tensor::of_parts(&re, &im)?, Tensor::scalar(rounds)])
    };
    check(ORBITS, &[input(5, 3)?, input(131, 6)?, input(3, 0)?, input(0, 2)?], &[])?;
    let far = Tensor::full(DType::C64, [2], 3.0);
    check(ORBITS, &[vec![far, Tensor::scalar(50_i64)]], &[])
}

/// A value that a round would make of another size is refused by the reference and by a session.
#[test]
fn a_loop_keeps_sizes() -> Result<()> {
    let text = r#"
func.func @main(%x: tensor<?xf32>, %y: tensor<?xf32>) -> tensor<?xf32> {
  %r = scf.while (%a = %x) : (tensor<?xf32>) -> tensor<?xf32> {
    %s = thunder.sum %a axes = [0] : tensor<?xf32> -> tensor<f32>
    %bound = thunder.constant value = dense<10.0> : tensor<f32>
    %c = thunder.lt %s, %bound : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %b = tensor.extract %c[] : tensor<i1>
    scf.condition(%b) %a : tensor<?xf32>
  } do {
  ^bb0(%a: tensor<?xf32>):
    %z = thunder.add %y, %y : tensor<?xf32>
    scf.yield %z : tensor<?xf32>
  }
  return %r : tensor<?xf32>
}
"#;
    let tensor = |values: &[f32]| Tensor::from_vec([values.len()], values.to_vec());
    check(text, &[vec![tensor(&[1.0, 2.0])?, tensor(&[3.0, 4.0])?]], &[])?;
    let context = sample::context(&[]);
    let mut module = Module::parse(&context, "main.mlir", text.as_bytes())?;
    let session = compile_jit(&mut module, &Options::default())?.session(&BTreeMap::new(), session::Options::new())?;
    let error = session.run(&[tensor(&[1.0])?, tensor(&[3.0, 4.0])?]).map(drop).unwrap_err().to_string();
    ensure!(error.contains("a loop keeps the sizes of its values"), "{error}");
    Ok(())
}

/// A loop is compiled for a GPU as it is for a processor.
#[test]
fn loops_have_code_for_gpus() -> Result<()> {
    for text in [POWERS, COLLATZ, VIEWS, ORBITS] {
        let context = sample::context(&[]);
        let mut module = Module::parse(&context, "main.mlir", text.as_bytes())?;
        let target: Target = "cuda".parse().map_err(anyhow::Error::msg)?;
        let artifact = compile(&mut module, &Options { target, ..Options::default() })?.artifact;
        ensure!(artifact.functions().len() >= 2, "{} functions", artifact.functions().len());
        Artifact::from_bytes(Bytes::new(artifact.to_bytes()), "file")?;
    }
    Ok(())
}
