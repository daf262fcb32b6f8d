//! Kernels that run on the blocks of a product are part of its step, and compute what the reference does.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use thunder_conformance::executor::{Executor, Reference};
use thunder_conformance::sample::context;
use thunder_interface::interpret_in_place;
use thunder_ir::Module;
use thunder_lowering::{Compiled, Options, compile, compile_jit};
use thunder_runtime::program::Step;
use thunder_runtime::session;
use thunder_tensor::{DType, Random, Tensor, Tolerance, compare};

/// Compares artifact and JIT with the reference, for several numbers of threads; how many steps have an epilogue.
fn check(text: &str, dtype: DType, runs: &[&[&[usize]]]) -> Result<Vec<bool>> {
    let context = context(&[]);
    let text = text.replace("$T", &dtype.to_string());
    let module = Module::parse(&context, "main.mlir", text.as_bytes())?;
    let copy = || Module::parse(&context, "main.mlir", text.as_bytes());
    let all = [compile(&mut copy()?, &Options::default())?, compile_jit(&mut copy()?, &Options::default())?];
    let tolerance = match dtype {
        DType::F64 => Tolerance::new(1e-12, 1e-12),
        DType::F32 => Tolerance::new(1e-5, 1e-5),
        DType::F16 => Tolerance::new(2e-2, 2e-2),
        _ => Tolerance::new(6e-2, 6e-2),
    };
    for shapes in runs {
        let mut random = Random::new(1);
        let inputs: Vec<Tensor> = shapes.iter().map(|shape| random.uniform(dtype, shape.to_vec(), -1.0..1.0)).collect();
        let expected = Reference.run(&module, "main", &inputs)?;
        for (compiled, threads) in all.iter().flat_map(|compiled| [1, 3].map(|threads| (compiled, threads))) {
            let session = compiled.session(&BTreeMap::new(), session::Options::with_threads(threads))?;
            // Twice: nothing of a run may be left for the next.
            for _ in 0..2 {
                let got = session.run(&inputs)?;
                ensure!(got.len() == expected.len(), "{} results instead of {}", got.len(), expected.len());
                for (got, expected) in got.iter().zip(&expected) {
                    let context = || format!("{shapes:?} of {dtype}, {threads} threads:\n{text}");
                    compare(got, expected, tolerance).map_err(|e| anyhow::anyhow!("{e}\n{}", context()))?;
                }
            }
        }
    }
    Ok(epilogues(&all[0]))
}

/// For each step whether it is a product with an epilogue.
fn epilogues(compiled: &Compiled) -> Vec<bool> {
    let has = |step: &Step| matches!(step, Step::Call(call) if call.op.epilogue().is_some());
    compiled.artifact.program().steps.iter().map(has).collect()
}

const LINEAR_GELU: &str = "
func.func @main(%x: tensor<?x?x$T>, %w: tensor<?x?x$T>, %b: tensor<?x$T>) -> tensor<?x?x$T> {
  %l = thunder.linear %x, %w bias(%b) : (tensor<?x?x$T>, tensor<?x?x$T>, tensor<?x$T>) -> tensor<?x?x$T>
  %y = thunder.gelu %l approximate = tanh : tensor<?x?x$T>
  return %y : tensor<?x?x$T>
}";

#[test]
fn elements_of_every_type_and_size() -> Result<()> {
    for dtype in [DType::F32, DType::F64, DType::F16, DType::BF16] {
        let runs: [&[&[usize]]; 5] = [
            &[&[5, 3], &[7, 3], &[7]],
            &[&[150, 40], &[300, 40], &[300]],
            &[&[0, 3], &[7, 3], &[7]],
            &[&[5, 3], &[0, 3], &[0]],
            &[&[5, 0], &[7, 0], &[7]],
        ];
        assert_eq!(check(LINEAR_GELU, dtype, &runs)?, [true]);
    }
    Ok(())
}

/// What all rows share makes rows of what would be elements.
#[test]
fn whole_rows_beside_a_row_that_all_share() -> Result<()> {
    let text = "
func.func @main(%x: tensor<?x?x$T>, %w: tensor<?x9x$T>, %s: tensor<9x$T>, %r: tensor<?x9x$T>) -> tensor<?x9x$T> {
  %p = thunder.matmul %x, %w : (tensor<?x?x$T>, tensor<?x9x$T>) -> tensor<?x9x$T>
  %d = thunder.dim %p axis = 0 : tensor<?x9x$T>
  %b = thunder.broadcast_in_dim %s, [%d] dims = [1] : (tensor<9x$T>, index) -> tensor<?x9x$T>
  %m = thunder.mul %p, %b : tensor<?x9x$T>
  %y = thunder.add %m, %r : tensor<?x9x$T>
  return %y : tensor<?x9x$T>
}";
    let runs: [&[&[usize]]; 3] = [
        &[&[6, 4], &[4, 9], &[9], &[6, 9]],
        &[&[700, 400], &[400, 9], &[9], &[700, 9]],
        &[&[0, 4], &[4, 9], &[9], &[0, 9]],
    ];
    assert_eq!(check(text, DType::F32, &runs)?, [true]);
    Ok(())
}

#[test]
fn batches_views_and_several_results() -> Result<()> {
    let text = "
func.func @main(%x: tensor<2x3x?x5x$T>, %w: tensor<2x3x5x8x$T>) -> (tensor<6x?x2x4x$T>, tensor<6x?x2x4x$T>) {
  %p = thunder.matmul %x, %w : (tensor<2x3x?x5x$T>, tensor<2x3x5x8x$T>) -> tensor<2x3x?x8x$T>
  %d = thunder.dim %x axis = 2 : tensor<2x3x?x5x$T>
  %v = thunder.reshape %p, [%d] : (tensor<2x3x?x8x$T>, index) -> tensor<6x?x2x4x$T>
  %y = thunder.tanh %v : tensor<6x?x2x4x$T>
  %z = thunder.mul %y, %v : tensor<6x?x2x4x$T>
  return %y, %z : tensor<6x?x2x4x$T>, tensor<6x?x2x4x$T>
}";
    let runs: [&[&[usize]]; 3] =
        [&[&[2, 3, 4, 5], &[2, 3, 5, 8]], &[&[2, 3, 90, 5], &[2, 3, 5, 8]], &[&[2, 3, 0, 5], &[2, 3, 5, 8]]];
    assert_eq!(check(text, DType::F32, &runs)?, [true]);
    Ok(())
}

/// The gate of a feed-forward layer: the second product's epilogue reads the first.
#[test]
fn of_two_products_one_has_the_epilogue() -> Result<()> {
    let text = "
func.func @main(%x: tensor<?x6x$T>, %w: tensor<130x6x$T>, %v: tensor<130x6x$T>) -> tensor<?x130x$T> {
  %p = thunder.linear %x, %w : (tensor<?x6x$T>, tensor<130x6x$T>) -> tensor<?x130x$T>
  %q = thunder.linear %x, %v : (tensor<?x6x$T>, tensor<130x6x$T>) -> tensor<?x130x$T>
  %s = thunder.silu %p : tensor<?x130x$T>
  %y = thunder.mul %s, %q : tensor<?x130x$T>
  return %y : tensor<?x130x$T>
}";
    let runs: [&[&[usize]]; 2] = [&[&[4, 6], &[130, 6], &[130, 6]], &[&[1000, 6], &[130, 6], &[130, 6]]];
    assert_eq!(check(text, DType::F32, &runs)?, [false, true]);
    Ok(())
}

/// A product that something else reads, or whose rows a kernel mixes, is a step of its own.
#[test]
fn what_needs_the_whole_product_waits_for_it() -> Result<()> {
    let program = |body: &str, result: &str| {
        format!(
            "func.func @main(%x: tensor<4x6x$T>, %w: tensor<6x8x$T>) -> {result} {{
  %p = thunder.matmul %x, %w : (tensor<4x6x$T>, tensor<6x8x$T>) -> tensor<4x8x$T>
  {body}
}}"
        )
    };
    let (all, row) = ("tensor<4x8x$T>", "tensor<4x3x$T>");
    let cases = [
        (format!("%y = thunder.exp %p : {all}\n  return %y, %p : {all}, {all}"), format!("({all}, {all})")),
        (format!("%y = thunder.softmax %p axis = 1 : {all}\n  return %y : {all}"), all.to_owned()),
        (
            format!(
                "%s = thunder.slice %p start = [0, 2] limit = [4, 5] stride = [1, 1] : {all} -> {row}
  %y = thunder.exp %s : {row}\n  return %y : {row}"
            ),
            row.to_owned(),
        ),
        (
            format!(
                "%s = thunder.sum %p axes = [1] : {all} -> tensor<4x$T>
  %y = thunder.exp %s : tensor<4x$T>\n  return %y : tensor<4x$T>"
            ),
            "tensor<4x$T>".to_owned(),
        ),
    ];
    for (body, result) in cases {
        let found = check(&program(&body, &result), DType::F32, &[&[&[4, 6], &[6, 8]]])?;
        ensure!(found.iter().all(|has| !has), "{body}");
    }
    Ok(())
}

/// What follows a product: from `%v`, a matrix `%r` like it, and `%s`, of which each row is the same.
const STEPS: [&str; 7] = [
    "thunder.gelu %v : ALL",
    "thunder.tanh %v : ALL",
    "thunder.add %v, %r : ALL",
    "thunder.mul %v, %v : ALL",
    "thunder.mul %v, %s : ALL",
    "thunder.maximum %v, %r : ALL",
    "thunder.sub %s, %v : ALL",
];

/// A product of an `m x k` matrix and a `k x n` matrix, either of which may lie column by column, and steps after it.
fn chain([m, n, k]: [usize; 3], [left, right, dynamic]: [bool; 3], steps: &[usize]) -> (String, [Vec<usize>; 4]) {
    let ty = |sizes: &[usize]| {
        let size = |size: &usize| if dynamic { "?x".to_owned() } else { format!("{size}x") };
        format!("tensor<{}$T>", sizes.iter().map(size).collect::<String>())
    };
    let operand = |name: &str, sizes: [usize; 2], is_transposed: bool| {
        let stored = if is_transposed { [sizes[1], sizes[0]] } else { sizes };
        let (from, to) = (ty(&stored), ty(&sizes));
        let transpose = format!("  %{name}t = thunder.transpose %{name} permutation = [1, 0] : {from} -> {to}\n");
        let (line, name) =
            if is_transposed { (transpose, format!("%{name}t")) } else { (String::new(), format!("%{name}")) };
        (stored, line, name)
    };
    let ((x, x_line, lhs), (w, w_line, rhs)) = (operand("x", [m, k], left), operand("w", [k, n], right));
    let (all, row) = (ty(&[m, n]), ty(&[n]));
    let mut body =
        format!("{x_line}{w_line}  %v = thunder.matmul {lhs}, {rhs} : ({}, {}) -> {all}\n", ty(&[m, k]), ty(&[k, n]));
    let (sizes, indices) = if dynamic { ("%d0, %d1", ", index, index") } else { ("", "") };
    for axis in 0..2 {
        body += &format!("  %d{axis} = thunder.dim %v axis = {axis} : {all}\n");
    }
    body += &format!("  %s = thunder.broadcast_in_dim %b, [{sizes}] dims = [1] : ({row}{indices}) -> {all}\n");
    let mut value = "%v".to_owned();
    for (number, step) in steps.iter().enumerate() {
        body += &format!("  %v{number} = {}\n", STEPS[*step].replace("%v", &value).replace("ALL", &all));
        value = format!("%v{number}");
    }
    let (x_ty, w_ty) = (ty(&x), ty(&w));
    let signature = format!("(%x: {x_ty}, %w: {w_ty}, %r: {all}, %b: {row}) -> {all}");
    let text = format!("func.func @main{signature} {{\n{body}  return {value} : {all}\n}}");
    (text, [x.to_vec(), w.to_vec(), vec![m, n], vec![n]])
}

#[test]
fn random_chains_are_epilogues() {
    let sizes = (0..40_usize, 0..150_usize, 0..70_usize);
    let strategy = (sizes, any::<[bool; 3]>(), prop::collection::vec(0..STEPS.len(), 1..5));
    let config = Config { cases: 40, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let result = runner.run(&strategy, |((m, n, k), layout, steps)| {
        let (text, shapes) = chain([m, n, k], layout, &steps);
        let shapes: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
        let found = check(&text, DType::F32, &[&shapes]);
        let found = found.map_err(|error| TestCaseError::fail(format!("{error:#}\n{text}")))?;
        prop_assert_eq!(found, [true], "{}", text);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

/// A product moves to where its kernel is only if nothing writes what it reads on the way.
#[test]
fn products_stay_before_what_is_written_over_their_operands() -> Result<()> {
    // The update comes between the product and its kernel, or is made by the kernel.
    for (last, kept) in [("thunder.exp %p", true), ("thunder.mul %p, %n", true), ("thunder.exp %n", false)] {
        let text = format!(
            "func.func @main(%w: tensor<70x70xf32>, %x: tensor<70x70xf32>) -> tensor<70x70xf32> {{
               %p = thunder.matmul %x, %w : (tensor<70x70xf32>, tensor<70x70xf32>) -> tensor<70x70xf32>
               %n = thunder.add %w, %x : tensor<70x70xf32>
               thunder.copy_into %n, %w : (tensor<70x70xf32>, tensor<70x70xf32>)
               %y = {last} : tensor<70x70xf32>
               %z = {} : tensor<70x70xf32>
               return %z : tensor<70x70xf32>
             }}",
            if kept { "thunder.neg %y" } else { "thunder.mul %p, %y" }
        );
        let context = context(&[]);
        let mut module = Module::parse(&context, "main.mlir", text.as_bytes())?;
        let mut random = Random::new(4);
        let given: Vec<Tensor> = (0..2).map(|_| random.uniform(DType::F32, [70, 70], -1.0..1.0)).collect();
        let (mut expected, mut memory) = (given.clone(), given);
        let results = interpret_in_place(module.operation(), "main", &mut expected)?;
        let compiled = compile_jit(&mut module, &Options::default())?;
        let session = compiled.session(&BTreeMap::new(), session::Options::with_threads(2))?;
        let got = session.run_in_place(&mut memory)?;
        for (got, expected) in got.iter().zip(&results).chain(memory.iter().zip(&expected)) {
            compare(got, expected, Tolerance::new(1e-5, 1e-5)).map_err(|e| anyhow::anyhow!("{e}\n{text}"))?;
        }
        ensure!(memory[0].to_vec::<f64>() != memory[1].to_vec::<f64>(), "nothing was written");
    }
    Ok(())
}
