//! What the reference interpreter runs beside the ops themselves, and where it says that it cannot.

use thunder_conformance::executor::{Executor, Reference};
use thunder_conformance::sample::context;
use thunder_ir::Module;
use thunder_tensor::Tensor;

/// The only result of `@main` on these inputs, or the error in words.
fn run(text: &str, inputs: &[Tensor]) -> Result<Vec<f64>, String> {
    let context = context(&[]);
    let module = Module::parse(&context, "test.mlir", text.as_bytes()).map_err(|e| format!("invalid: {e}"))?;
    let before = module.to_string();
    let outcome = Reference.run(&module, "main", inputs);
    assert_eq!(module.to_string(), before, "running a program changes it");
    outcome.map(|results| results[0].to_vec()).map_err(|error| format!("{error:#}"))
}

fn floats(values: &[f32]) -> Tensor {
    Tensor::from_vec(vec![values.len()], values.to_vec()).expect("as many values as elements")
}

#[track_caller]
fn refused(text: &str, inputs: &[Tensor], message: &str) {
    let error = run(text, inputs).expect_err("the program does not run");
    assert!(error.contains(message), "another error: {error}");
}

#[test]
fn functions_call_functions_and_compute_sizes() {
    let text = "
        func.func private @twice(%x: tensor<?xf32>) -> tensor<?xf32> {
          %y = thunder.add %x, %x : tensor<?xf32>
          return %y : tensor<?xf32>
        }
        func.func @main(%x: tensor<?xf32>) -> tensor<?xf32> {
          %zero = arith.constant 0 : index
          %three = arith.constant 3 : index
          %n = tensor.dim %x, %zero : tensor<?xf32>
          %m = arith.muli %n, %three : index
          %k = arith.floordivsi %m, %n : index
          %ones = thunder.full %k value = 1.0 : f32 : index -> tensor<?xf32>
          %y = call @twice(%ones) : (tensor<?xf32>) -> tensor<?xf32>
          return %y : tensor<?xf32>
        }";
    assert_eq!(run(text, &[floats(&[7.0, 8.0])]).unwrap(), [2.0, 2.0, 2.0]);
}

#[test]
fn division_of_indices_rounds_down() {
    for (a, b, quotient) in [(7, 2, 3), (-7, 2, -4), (7, -2, -4), (-7, -2, 3), (6, -2, -3)] {
        let text = format!(
            "func.func @main() -> tensor<?xf32> {{
               %a = arith.constant {a} : index
               %b = arith.constant {b} : index
               %q = arith.floordivsi %a, %b : index
               %offset = arith.constant {} : index
               %n = arith.subi %q, %offset : index
               %y = thunder.full %n value = 1.0 : f32 : index -> tensor<?xf32>
               return %y : tensor<?xf32>
             }}",
            quotient - 2
        );
        assert_eq!(run(&text, &[]).unwrap(), [1.0, 1.0], "{a} / {b}");
    }
}

#[test]
fn what_it_does_not_know_is_an_error_at_the_op() {
    let unknown = "func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
        %y = tosa.exp %x : (tensor<2xf32>) -> tensor<2xf32>
        return %y : tensor<2xf32>
      }";
    refused(unknown, &[floats(&[1.0, 2.0])], "test.mlir:2:14: 'tosa.exp' op cannot be interpreted");
    let region = "func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
        %y = scf.execute_region -> tensor<2xf32> {
          scf.yield %x : tensor<2xf32>
        }
        return %y : tensor<2xf32>
      }";
    refused(region, &[floats(&[1.0, 2.0])], "test.mlir:2:14: 'scf.execute_region' op cannot be interpreted");
    let narrow = "func.func @main() -> tensor<?xf32> {
        %a = arith.constant 100 : i8
        %b = arith.addi %a, %a : i8
        %n = arith.index_cast %b : i8 to index
        %y = thunder.full %n value = 1.0 : f32 : index -> tensor<?xf32>
        return %y : tensor<?xf32>
      }";
    refused(narrow, &[], "test.mlir:3:14: 'arith.addi' op cannot be interpreted");
}

#[test]
fn branches_and_loops_see_the_values_around() {
    let text = "func.func @main(%x: tensor<2xf32>, %bound: tensor<f32>) -> tensor<2xf32> {
        %y = scf.while (%a = %x) : (tensor<2xf32>) -> tensor<2xf32> {
          %s = thunder.sum %a axes = [0] : tensor<2xf32> -> tensor<f32>
          %c = thunder.lt %s, %bound : (tensor<f32>, tensor<f32>) -> tensor<i1>
          %b = tensor.extract %c[] : tensor<i1>
          scf.condition(%b) %a : tensor<2xf32>
        } do {
        ^bb0(%a: tensor<2xf32>):
          %zero = thunder.full value = 0.0 : f32 : tensor<f32>
          %c = thunder.lt %zero, %bound : (tensor<f32>, tensor<f32>) -> tensor<i1>
          %b = tensor.extract %c[] : tensor<i1>
          %n = scf.if %b -> tensor<2xf32> {
            %t = thunder.add %a, %x : tensor<2xf32>
            scf.yield %t : tensor<2xf32>
          } else {
            scf.yield %x : tensor<2xf32>
          }
          scf.yield %n : tensor<2xf32>
        }
        return %y : tensor<2xf32>
      }";
    for (bound, factor) in [(0.0, 1.0), (3.5, 2.0), (10.0, 4.0)] {
        let made = run(text, &[floats(&[1.0, 2.0]), Tensor::scalar(bound as f32)]).unwrap();
        assert_eq!(made, [factor, 2.0 * factor], "below {bound}");
    }
}

#[test]
fn loops_that_break_a_rule_say_so() {
    let module = |body: &str| {
        format!(
            "func.func private @c(%x: tensor<?xf32>) -> tensor<i1> {{
               %s = thunder.sum %x axes = [0] : tensor<?xf32> -> tensor<f32>
               %bound = thunder.full value = 9.0 : f32 : tensor<f32>
               %c = thunder.lt %s, %bound : (tensor<f32>, tensor<f32>) -> tensor<i1>
               return %c : tensor<i1>
             }}
             func.func private @b(%x: tensor<?xf32>) -> tensor<?xf32> {{
               %y = thunder.concat %x, %x axis = 0 : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
               return %y : tensor<?xf32>
             }}
             func.func @main(%x: tensor<?xf32>) -> tensor<?xf32> {{
               %y = exec.while %x condition = @c body = @{body} : tensor<?xf32> -> tensor<?xf32>
               return %y : tensor<?xf32>
             }}"
        )
    };
    refused(&module("b"), &[floats(&[1.0])], "'exec.while' op changes a value of sizes [1] into one of [2]");
    refused(&module("nothing"), &[floats(&[1.0])], "'exec.while' op names '@nothing', which does not exist");
}

#[test]
fn functions_that_cannot_run_say_why() {
    let recursive = "func.func @main(%x: tensor<1xf32>) -> tensor<1xf32> {
        %y = call @main(%x) : (tensor<1xf32>) -> tensor<1xf32>
        return %y : tensor<1xf32>
      }";
    refused(recursive, &[floats(&[1.0])], "calls itself more than 256 deep");
    let blocks = "func.func @main(%x: tensor<1xf32>) -> tensor<1xf32> {
        cf.br ^bb1
      ^bb1:
        return %x : tensor<1xf32>
      }";
    refused(blocks, &[floats(&[1.0])], "must have exactly one block to be interpreted");
    let declared = "func.func private @elsewhere(tensor<1xf32>) -> tensor<1xf32>
      func.func @main(%x: tensor<1xf32>) -> tensor<1xf32> {
        %y = call @elsewhere(%x) : (tensor<1xf32>) -> tensor<1xf32>
        return %y : tensor<1xf32>
      }";
    refused(declared, &[floats(&[1.0])], "must have exactly one block to be interpreted");
    let named = "func.func @other() { return }";
    refused(named, &[], "has no function '@main'");
}

#[test]
fn inputs_must_fit() {
    let text = "func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> { return %x : tensor<2xf32> }";
    refused(text, &[], "takes 1 inputs, but 0 were given");
    refused(text, &[floats(&[1.0])], "input #0");
    refused(text, &[Tensor::from_vec([2], vec![1i64, 2]).unwrap()], "input #0");
}

#[test]
fn sizes_that_overflow_or_have_no_value_are_errors() {
    let text = |op: &str| {
        format!(
            "func.func @main() -> tensor<?xf32> {{
               %a = arith.constant 9223372036854775807 : index
               %b = arith.constant 0 : index
               %n = {op} %a, %b : index
               %m = arith.addi %n, %a : index
               %y = thunder.full %m value = 1.0 : f32 : index -> tensor<?xf32>
               return %y : tensor<?xf32>
             }}"
        )
    };
    refused(&text("arith.divsi"), &[], "'arith.divsi' op overflows or divides by zero");
    refused(&text("arith.addi"), &[], "'arith.addi' op overflows or divides by zero");
    refused(&text("arith.muli"), &[], "fits in no memory");
}
