//! What the harness says about tests that fail, and what `BLESS=1` does to them.

use std::path::PathBuf;

use tempfile::TempDir;
use thunder_lit::{Config, Outcome, check};

/// A folder with one test in it, on which `thunder-opt` is `mlir-opt`.
struct Sample {
    config: Config,
    file: PathBuf,
    _folder: TempDir,
}

fn sample(text: &str) -> Sample {
    let folder = TempDir::new().expect("a temporary folder");
    let file = folder.path().join("sample.mlir");
    std::fs::write(&file, text).expect("the sample is written");
    let config = Config::new(folder.path());
    let mlir_opt = config.llvm_bin.join("mlir-opt");
    let config = Config { output: folder.path().join("out"), ..config.tool("thunder-opt", mlir_opt) };
    Sample { config, file, _folder: folder }
}

impl Sample {
    fn message(&self) -> String {
        match check(&self.config, &self.file) {
            Outcome::Failed(message) => message,
            other => panic!("expected a failure, not {other:?}"),
        }
    }

    fn bless(&mut self) -> Outcome {
        self.config.bless = true;
        let outcome = check(&self.config, &self.file);
        self.config.bless = false;
        outcome
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.file).expect("the sample is still there")
    }
}

#[track_caller]
fn assert_contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no `{part}` in:\n{text}");
    }
}

const ADDS_ZERO: &str = "
func.func @adds_zero(%x: tensor<2xi32>) -> tensor<2xi32> {
  %zero = arith.constant dense<0> : tensor<2xi32>
  %sum = arith.addi %x, %zero : tensor<2xi32>
  return %sum : tensor<2xi32>
}
";

#[test]
fn a_failed_check_shows_command_status_caret_and_hint() {
    let sample = sample(&format!("// RUN: thunder-opt %s | FileCheck %s\n// CHECK: arith.muli\n{ADDS_ZERO}"));
    let file = sample.file.display().to_string();
    assert_contains(
        &sample.message(),
        &[
            &format!("{file}:1: this RUN line failed with exit code 1"),
            &format!("bin/mlir-opt {file} | FileCheck {file}"),
            &format!(
                "{file}:2:11: error: CHECK: expected string not found in input\n// CHECK: arith.muli\n          ^"
            ),
            "BLESS=1 cargo nextest run sample.mlir",
        ],
    );
}

#[test]
fn a_pipe_fails_when_any_of_its_commands_does() {
    let sample = sample("// RUN: true\n// RUN: thunder-opt %s | cat\nnonsense\n");
    let message = sample.message();
    assert_contains(&message, &["sample.mlir:2: this RUN line failed", "custom op 'nonsense' is unknown"]);
    assert!(!message.contains("BLESS"), "there is nothing to bless:\n{message}");
}

#[test]
fn a_crash_names_its_signal() {
    let message = sample("// RUN: bash -c 'kill -SEGV $$'\n").message();
    assert_contains(&message, &["exit code 139 (signal 11)"]);
}

#[test]
fn output_without_checks_is_a_failure() {
    let sample = sample(&format!("// RUN: thunder-opt %s | FileCheck %s\n{ADDS_ZERO}"));
    assert_contains(&sample.message(), &["no check strings found", "BLESS=1"]);
}

#[test]
fn a_test_that_passes_against_its_xfail_fails() {
    assert_contains(&sample("// RUN: true\n// XFAIL: *\n").message(), &["passes, although `XFAIL: *`"]);
}

#[test]
fn missing_programs_say_what_to_do() {
    let mut sample = sample("// RUN: thunder-opt %s\n");
    sample.config.tools[0].1 = "/nowhere/thunder-opt".into();
    assert_eq!(sample.message(), "the tool `thunder-opt` is not at /nowhere/thunder-opt: build it first");
    sample.config.llvm_bin = "/nowhere".into();
    assert_contains(&sample.message(), &["no FileCheck in /nowhere: install Debian's llvm-22-tools"]);
}

#[test]
fn bad_directives_are_located() {
    assert_contains(&sample("func.func @f()\n").message(), &["sample.mlir: no `RUN:` line: add one"]);
    assert_contains(&sample("// RUN: true %T\n").message(), &["sample.mlir:1: lit has no `%T` any more"]);
    let sample = sample("// RUN: true\n// REQUIRES: a &&\n");
    assert_contains(&sample.message(), &["in the condition `a &&`: expected a feature at the end"]);
}

#[test]
fn what_the_machine_lacks_is_unsupported() {
    let sample = sample("// RUN: false\n// REQUIRES: warp-drive\n");
    assert_eq!(check(&sample.config, &sample.file), Outcome::Unsupported("requires warp-drive".into()));
}

#[test]
fn bless_writes_the_checks_of_a_new_file() {
    let mut sample = sample(&format!("// RUN: thunder-opt %s --canonicalize | FileCheck %s\n{ADDS_ZERO}"));
    assert_eq!(sample.bless(), Outcome::Blessed);
    assert_eq!(
        sample.text(),
        "\
// RUN: thunder-opt %s --canonicalize | FileCheck %s

// CHECK-LABEL: func.func @adds_zero(
// CHECK-SAME:  %[[ARG0:.+]]: tensor<2xi32>) -> tensor<2xi32>
// CHECK-NEXT:  return %[[ARG0]] : tensor<2xi32>
func.func @adds_zero(%x: tensor<2xi32>) -> tensor<2xi32> {
  %zero = arith.constant dense<0> : tensor<2xi32>
  %sum = arith.addi %x, %zero : tensor<2xi32>
  return %sum : tensor<2xi32>
}
"
    );
    assert_eq!(check(&sample.config, &sample.file), Outcome::Passed);
}

#[test]
fn bless_changes_only_the_functions_that_fail() {
    let mut sample = sample(
        "\
// RUN: thunder-opt %s | FileCheck %s

// CHECK-LABEL: @stays
// CHECK: return
func.func @stays() {
  return
}

// CHECK-LABEL: @changes
// CHECK: arith.muli
func.func @changes(%x: i32) -> i32 {
  %sum = arith.addi %x, %x : i32
  return %sum : i32
}
",
    );
    assert_eq!(sample.bless(), Outcome::Blessed);
    assert_contains(
        &sample.text(),
        &["\
// CHECK-LABEL: @stays
// CHECK: return
func.func @stays() {
  return
}

// CHECK-LABEL: func.func @changes(
// CHECK-SAME:  %[[ARG0:.+]]: i32) -> i32
// CHECK-NEXT:  %[[V0:.+]] = arith.addi %[[ARG0]], %[[ARG0]] : i32
// CHECK-NEXT:  return %[[V0]] : i32
func.func @changes"],
    );
}

#[test]
fn bless_copes_with_aliases_chunks_brackets_regions_and_several_prefixes() {
    let mut sample = sample(
        "\
// RUN: thunder-opt %s --split-input-file | FileCheck %s
// RUN: thunder-opt %s --split-input-file --mlir-print-op-generic | FileCheck %s --check-prefix=GENERIC

// CHECK: stale
func.func @first(%m: memref<4x4xf32, affine_map<(i, j) -> (j, i)>>) -> tensor<1x2xi32> {
  %c = arith.constant dense<[[1, 2]]> : tensor<1x2xi32>
  return %c : tensor<1x2xi32>
}

// -----

module attributes {a.b = \"%x [[ {{\"} {
  memref.global @data : memref<2xi32> = dense<1>
  func.func @second(%n: index, %b: i1) -> index {
    %zero = arith.constant 0 : index
    %one = arith.constant 1 : index
    %sum = scf.for %i = %zero to %n step %one iter_args(%acc = %zero) -> index {
      %next = arith.addi %acc, %i : index
      scf.yield %next : index
    }
    cf.cond_br %b, ^left(%sum : index), ^left(%n : index)
  ^left(%out: index):
    return %out : index
  }
}
",
    );
    assert_eq!(sample.bless(), Outcome::Blessed);
    assert_eq!(check(&sample.config, &sample.file), Outcome::Passed);
    assert_contains(
        &sample.text(),
        &[
            "// CHECK:       #[[$MAP:.+]] = affine_map<(d0, d1) -> (d1, d0)>\n// CHECK-LABEL: func.func @first(\n",
            r"dense<{{\[\[}}1, 2]]>",
            "// CHECK:       module attributes {",
            "  // CHECK-LABEL: func.func @second(\n",
            "  // CHECK-NEXT:  ^bb1(%[[V1:.+]]: index):\n",
            "// GENERIC:",
        ],
    );
    assert!(!sample.text().contains("stale"));
}

#[test]
fn bless_hides_this_machines_paths() {
    let mut sample = sample("// RUN: not thunder-opt %s 2>&1 | FileCheck %s\noops\n");
    assert_eq!(sample.bless(), Outcome::Blessed);
    let text = sample.text();
    assert_contains(&text, &["{{.*}}sample.mlir:2:1: error: custom op 'oops' is unknown"]);
}

#[test]
fn bless_never_touches_what_it_cannot_mend() {
    let cases = [
        (
            "// RUN: thunder-opt %s --verify-diagnostics\n// expected-error @+1 {{no}}\nfunc.func private @f()\n",
            "no RUN line compares",
        ),
        ("// RUN: thunder-opt %s | FileCheck %s\nnonsense\n", "line 1 fails before FileCheck"),
        ("// RUN: true | FileCheck %s\n", "prints nothing"),
        (
            "// RUN: echo a | FileCheck %s\n// RUN: echo b | FileCheck %s\n",
            "two RUN lines check different output with `CHECK`",
        ),
        ("// RUN: echo a | FileCheck %s\n// RUN: false\n// CHECK: b\n", "line 2 fails"),
        ("// RUN: echo $RANDOM | FileCheck %s\n", "the rewritten checks would fail as well"),
    ];
    for (text, reason) in cases {
        let mut sample = sample(text);
        match sample.bless() {
            Outcome::Failed(message) => assert_contains(&message, &["not blessed", reason]),
            other => panic!("{text} ended in {other:?}"),
        }
        assert_eq!(sample.text(), text);
    }
}

#[test]
fn bless_leaves_passing_files_alone() {
    let text = format!("// RUN: thunder-opt %s | FileCheck %s\n// CHECK: arith.addi\n{ADDS_ZERO}");
    let mut sample = sample(&text);
    assert_eq!(sample.bless(), Outcome::Passed);
    assert_eq!(sample.text(), text);
}
