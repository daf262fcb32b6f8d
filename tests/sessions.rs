//! Sessions of different programs, side by side in one process.

use std::collections::BTreeMap;

use anyhow::Result;
use thunder_conformance::sample::context;
use thunder_ir::Module;
use thunder_lowering::{Options, compile};
use thunder_runtime::session::{self, Session};
use thunder_tensor::{DType, Tensor};

fn session(op: &str) -> Result<Session> {
    let context = context(&[]);
    let ty = "tensor<4xf32>";
    let source = format!("func.func @main(%x: {ty}) -> {ty} {{\n  %y = thunder.{op} %x : {ty}\n  return %y : {ty}\n}}");
    let mut module = Module::parse(&context, "main.mlir", source.as_bytes())?;
    let compiled = compile(&mut module, &Options::default())?;
    Ok(compiled.session(&BTreeMap::new(), session::Options::with_threads(1))?)
}

/// Every session runs its own code, also where all of them are alive and others came and went between.
#[test]
fn sessions_keep_their_code() -> Result<()> {
    let x = Tensor::full(DType::F32, [4], -2.0);
    let negating = session("neg")?;
    drop(session("floor")?);
    let (halves, signs) = (session("reciprocal")?, session("sign")?);
    for (session, expected) in [(&negating, 2.0), (&halves, -0.5), (&signs, -1.0)] {
        assert_eq!(session.run(std::slice::from_ref(&x))?[0].to_vec::<f64>(), [expected; 4]);
    }
    Ok(())
}
