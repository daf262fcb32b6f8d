//! What the macros say of wrong uses, and at which token.
//!
//! The cases name nothing of `thunder-ir`: what is wrong is found before anything of it is asked for, and so the
//! crate that trybuild builds needs no MLIR.

#[test]
fn wrong_uses_are_errors_at_the_wrong_token() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
