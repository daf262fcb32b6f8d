//! What is read of a function's text, what is refused, and what is made of it.

use super::*;
use crate::cuda::code::{Code, Kind};
use fragment::Fragment;

/// A function of a number, four words and a pointer, with this body.
fn function(body: &str) -> String {
    let words: String = (1..5).map(|number| format!(".param .b32 f_param_{number}, ")).collect();
    format!(".visible .func f(.param .b64 f_param_0, {words}.param .b64 f_param_5)\n{{\n{body}\n}}\n")
}

const REGISTERS: &str = ".reg .pred %p<3>;\n.reg .b16 %rs<9>;\n.reg .b32 %r<9>;\n.reg .b64 %rd<9>;\n";

fn read(body: &str) -> Result<Fragment, String> {
    Fragment::read(&function(&(REGISTERS.to_owned() + body)))
}

/// The lines of two copies of it.
fn copies(fragment: &Fragment) -> Vec<String> {
    let mut code = Code::default();
    let words = code.many(Kind::Word, 4);
    for name in ["a", "b"] {
        let number = code.make(Kind::Long, "mov.b64", "8");
        let copy = fragment.begin(&mut code, number);
        code.add("-");
        fragment.end(&mut code, &copy, &words, "%p9", name);
    }
    let body = code.body();
    body.lines().map(|line| line.trim().to_owned()).filter(|line| !line.starts_with(".reg")).collect()
}

#[test]
fn functions_are_read_as_llvm_prints_them() {
    for (text, words, further, jumps, ahead) in [
        (include_str!("gated.ptx"), 8, 4, false, 0),
        (include_str!("residual.ptx"), 4, 4, false, 4),
        (include_str!("wide.ptx"), 4, 3, false, 8),
        (include_str!("limited.ptx"), 8, 5, true, 0),
    ] {
        let read = Fragment::read(text).unwrap();
        assert_eq!((read.words(), read.further(), read.jumps(), read.reads_ahead()), (words, further, jumps, ahead));
    }
}

#[test]
fn copies_have_registers_of_their_own_and_read_ahead_of_elements() {
    let fragment = read(
        "ld.param.b64 %rd1, [f_param_0]; // the number\n\
         ld.param.v2.b16 {%rs1, %rs2}, [f_param_2];\n\
         ld.param.b64 %rd2, [f_param_5];\n\
         shl.b64 %rd3, %rd1, 1;\n\
         add.s64 %rd4, %rd2, %rd3;\n\
         cvt.f32.bf16 %r1, %rs2;\n\
         ld.global.b32 %r2, [%rd4+16];\n\
         add.rn.f32 %r3, %r1, %r2;\n\
         st.global.b32 [%rd4], %r3;\n\
         ret;",
    )
    .unwrap();
    let copies = copies(&fragment);
    let first = [
        "mov.b64 %d0, 8;",
        "mov.b64 %d1, %d0;",
        "ld.param.u64 %d5, [further0];",
        "mov.b64 %d2, %d5;",
        "shl.b64 %d3, %d1, 1;",
        "add.s64 %d4, %d2, %d3;",
        "ld.global.b32 %r5, [%d4+16];",
        "-;",
        "mov.b32 {%h0, %h1}, %r1;",
        "cvt.f32.bf16 %r4, %h1;",
        "add.rn.f32 %r6, %r4, %r5;",
        "@%p9 st.global.b32 [%d4], %r6;",
        "mov.b64 %d6, 8;",
        "mov.b64 %d7, %d6;",
    ];
    assert_eq!(copies[1..=first.len()], first);
}

#[test]
fn code_that_reads_late_is_jumped_around() {
    let jumps = |body: &str| read(&format!("ld.param.b64 %rd1, [f_param_5]; {body} ret;")).unwrap().jumps();
    let store = "st.global.b32 [%rd1], %r1;";
    assert!(!jumps(&format!("ld.global.b32 %r1, [%rd1]; {store}")));
    assert!(jumps(&format!("ld.param.b32 %r1, [f_param_1]; {store} ld.global.b32 %r2, [%rd1];")));
    let moved = "ld.param.b32 %r2, [f_param_1]; cvt.u64.u32 %rd2, %r2; add.s64 %rd3, %rd1, %rd2;";
    assert!(jumps(&format!("{moved} ld.global.b32 %r1, [%rd3]; {store}")));
    assert!(jumps(&format!("mov.b32 %r1, 0; mov.b32 %r1, 1; {store}")));
}

#[test]
fn code_that_jumps_is_jumped_around() {
    let fragment = read(
        "ld.param.b32 %r1, [f_param_1];\n\
         setp.ne.b32 %p1, %r1, 0;\n\
         @!%p1 bra $L__BB0_2;\n\
         ld.param.b64 %rd1, [f_param_5];\n\
         st.global.b32 [%rd1], %r1;\n\
         ret;\n\
         $L__BB0_2: // %else\n\
         ret;\n",
    )
    .unwrap();
    assert!(fragment.jumps());
    let copies = copies(&fragment);
    let first = [
        "-;",
        "@!%p9 bra a_end;",
        "mov.b32 %r4, %r0;",
        "setp.ne.b32 %p0, %r4, 0;",
        "@!%p0 bra a_L__BB0_2;",
        "ld.param.u64 %d2, [further0];",
        "mov.b64 %d1, %d2;",
        "st.global.b32 [%d1], %r4;",
        "bra a_end;",
        "a_L__BB0_2:",
        "bra a_end;",
        "a_end:",
    ];
    assert_eq!(copies[2..2 + first.len()], first);
    assert!(copies.contains(&"b_L__BB0_2:".to_owned()) && copies.contains(&"b_end:".to_owned()));
}

#[test]
fn halves_of_parameters_are_read() {
    let fragment = read(
        "ld.param.b32 %r1, [f_param_0];\n\
         ld.param.b32 %r2, [f_param_5+4];\n\
         ld.param.b16 %rs1, [f_param_1+2];\n\
         ld.param.v2.b32 {%r3, %r4}, [f_param_5];\n\
         ret;",
    )
    .unwrap();
    let copies = copies(&fragment);
    let first = [
        "mov.b64 {%r4, %r8}, %d0;",
        "ld.param.u64 %d1, [further0];",
        "mov.b64 {%r9, %r5}, %d1;",
        "mov.b32 {%h1, %h0}, %r0;",
        "ld.param.u64 %d2, [further0];",
        "mov.b64 {%r6, %r7}, %d2;",
    ];
    assert_eq!(copies[3..3 + first.len()], first);
}

#[test]
fn what_is_not_known_is_refused() {
    let refused = |body: &str, part: &str| {
        let error = read(body).unwrap_err();
        assert!(error.contains(part), "{body}: {error}");
    };
    for body in [
        "ld.param.v4.b8 {%rs1, %rs2, %rs3, %rs4}, [f_param_1]; ret;",
        "ld.param.b32 %rd1, [f_param_1]; ret;",
        "ld.param.b64 %rd1, [f_param_0+4]; ret;",
        "ld.param.b16 %rs1, [f_param_0]; ret;",
        "ld.param.b32 %r1, [g_param_1]; ret;",
        "st.param.b32 [func_retval0], %r1; ret;",
        "call.uni f, (%r1); ret;",
        "bar.sync 0; ret;",
        "shfl.sync.idx.b32 %r1, %r2, 0, 31, -1; ret;",
        "ld.shared.b32 %r1, [%rd1]; ret;",
        "ld.b32 %r1, [%rd1]; ret;",
        "ld.global.b32 %r1, [table]; ret;",
        "atom.global.add.u32 %r1, [%rd1], 1; ret;",
        "mov.u32 %r1, %tid.x; ret;",
        "mov.u32 %r1, %r9; ret;",
        "mov.b32 %r1, %f1; ret;",
        "mov.b64 %rd1, f; ret;",
        "@%p1 ret;",
        "@%p1 mov.b32 %r1, 0; ret;",
        "add.cc.u32 %r1, %r2, %r3; ret;",
        "exit;",
        "trap; ret;",
        ".local .align 4 .b8 depot[8]; ret;",
        ".pragma \"nounroll\"; ret;",
        ".reg .b128 %rq<2>; ret;",
        "{ ret; }",
    ] {
        refused(body, "is not known");
    }
    refused("bra.uni $L__BB0_1; ret;", "there is no 'L__BB0_1'");
    refused("ret", "has no end");
    let whole = |text: &str, part: &str| {
        let error = Fragment::read(text).unwrap_err();
        assert!(error.contains(part), "{text}: {error}");
    };
    let good = function("ret;");
    assert!(Fragment::read(&good).is_ok());
    whole("", "no function");
    whole(".func f(.param .b64 a)", "no body");
    whole(".func f(.param .b64 a) { ret;", "no end");
    whole(&format!(".global .b32 table;\n{good}"), "stands before");
    whole(&format!("{good}// more\n.extern .global .b32 table;"), "stands behind");
    whole(&format!("{good}{good}"), "not known");
    whole(&good.replace(".func f(", ".func (.param .b32 r) f("), "no head");
    whole(&good.replace(".param .b32 f_param_1", ".param .align 4 .b8 f_param_1[4]"), "32 or 64 bits");
    whole(&good.replace(".param .b64 f_param_0", ".param .b32 f_param_0"), "are not a number");
    whole(&good.replace(".param .b32 f_param_2", ".param .b64 f_param_2"), "are not a number");
}
