//! Kernels that compute from elements of products are there as parts of these, as code that NVIDIA's assembler takes and that
//! the products of Hopper can have.

use anyhow::{Result, ensure};
use thunder_conformance::sample::context;
use thunder_ir::Module;
use thunder_lowering::cuda::Arch;
use thunder_lowering::{Options, Target, compile};
use thunder_runtime::cuda::mma::Hopper;
use thunder_runtime::program::{Fragment, Piece};
use thunder_tests::assembler;

/// What is computed from `%a`, a product, `%b`, another of the same lhs, and `%y`, in memory; the type of the result; and
/// which of the kernel's pointers are products.
const COMPUTED: [(&str, &str, &[u32]); 14] = [
    ("%r = thunder.exp %a : $T", "$T", &[0]),
    ("%r = thunder.relu %a : $T", "$T", &[0]),
    ("%r = thunder.sigmoid %a : $T", "$T", &[0]),
    ("%r = thunder.silu %a : $T", "$T", &[0]),
    ("%r = thunder.gelu %a approximate = tanh : $T", "$T", &[0]),
    ("%r = thunder.gelu %a approximate = none : $T", "$T", &[0]),
    ("%r = thunder.tanh %a : $T", "$T", &[0]),
    ("%r = thunder.log %a : $T", "$T", &[0]),
    ("%r = thunder.convert %a : $T -> tensor<64x32xf32>", "tensor<64x32xf32>", &[0]),
    ("%r = thunder.convert %a : $T -> tensor<64x32xi32>", "tensor<64x32xi32>", &[0]),
    ("%r = thunder.add %y, %a : $T", "$T", &[1]),
    ("%r = thunder.div %a, %y : $T", "$T", &[0]),
    ("%r = thunder.maximum %a, %b : $T", "$T", &[0, 1]),
    ("%g = thunder.silu %a : $T\n  %r = thunder.mul %g, %b : $T", "$T", &[0, 1]),
];

/// The fragments of what is computed.
fn fragments(computed: &str, result: &str, dtype: &str) -> Result<Vec<Fragment>> {
    let text = format!(
        "func.func @main(%x: tensor<64x48xE>, %v: tensor<32x48xE>, %w: tensor<32x48xE>, %y: $T) -> {result} {{
  %a = thunder.linear %x, %v : (tensor<64x48xE>, tensor<32x48xE>) -> $T
  %b = thunder.linear %x, %w : (tensor<64x48xE>, tensor<32x48xE>) -> $T
  {computed}
  return %r : {result}
}}"
    );
    let text = text.replace("$T", "tensor<64x32xE>").replace("xE>", &format!("x{dtype}>"));
    let context = context(&[]);
    let mut module = Module::parse(&context, "main.mlir", text.as_bytes())?;
    let options = Options { target: Target::Cuda(Arch::Sm90a), ..Options::default() };
    Ok(compile(&mut module, &options)?.artifact.program().fragments.clone())
}

#[test]
fn what_is_computed_from_products_has_code_that_these_take() -> Result<()> {
    for dtype in ["bf16", "f16"] {
        for (computed, result, products) in COMPUTED {
            let all = fragments(computed, result, dtype)?;
            let [Fragment { products: pieces, code, .. }] = &all[..] else {
                anyhow::bail!("{} fragments of {dtype} for\n{computed}", all.len())
            };
            let expected: Vec<_> = products.iter().map(|&pointer| Piece { pointer, start: 0 }).collect();
            ensure!(*pieces == expected, "{pieces:?} are products in\n{computed}");
            let why = Hopper::refuses(code);
            ensure!(why.is_none(), "it is refused for {why:?}:\n{code}");
            let said =
                assembler::assemble(&format!(".version 8.0\n.target sm_90a\n.address_size 64\n{code}"), Arch::Sm90a)?;
            ensure!(!said.contains("warning"), "{said}\n{code}");
        }
    }
    Ok(())
}

#[test]
fn code_that_needs_more_than_registers_is_refused() -> Result<()> {
    // Sines read a table.
    let all = fragments("%r = thunder.sin %a : $T", "$T", "bf16")?;
    ensure!(all.len() == 1 && Hopper::refuses(&all[0].code).is_some_and(|why| why.contains("is not known")));
    Ok(())
}

#[test]
fn what_is_no_product_in_half_precision_has_none() -> Result<()> {
    ensure!(fragments("%r = thunder.exp %a : $T", "$T", "f32")?.is_empty());
    ensure!(fragments("%r = thunder.exp %y : $T", "$T", "bf16")?.is_empty());
    Ok(())
}
