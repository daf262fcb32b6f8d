//! Kernels that compute from elements of products are there as parts of these, as code that NVIDIA's assembler takes and that
//! the products of Hopper can have.

use anyhow::{Result, ensure};
use thunder_conformance::sample::context;
use thunder_ir::Module;
use thunder_ir::pass::Numerics;
use thunder_lowering::cuda::Arch;
use thunder_lowering::{Options, Target, compile};
use thunder_passes::autodiff::{Mode, differentiate};
use thunder_runtime::cuda::mma::Hopper;
use thunder_runtime::program::{Activation, Columns, Fragment, Piece};
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
    fragments_for(Arch::Sm90a, Numerics::Exact, computed, result, dtype)
}

/// Those on an architecture, which may change values so far.
fn fragments_for(arch: Arch, numerics: Numerics, computed: &str, result: &str, dtype: &str) -> Result<Vec<Fragment>> {
    let text = format!(
        "func.func @main(%x: tensor<64x48xE>, %v: tensor<32x48xE>, %w: tensor<32x48xE>, %y: $T) -> {result} {{
  %a = thunder.linear %x, %v : (tensor<64x48xE>, tensor<32x48xE>) -> $T
  %b = thunder.linear %x, %w : (tensor<64x48xE>, tensor<32x48xE>) -> $T
  {computed}
  return %r : {result}
}}"
    );
    let text =
        text.replace("$T", "tensor<64x32xE>").replace("$W", "tensor<64x32xf32>").replace("xE>", &format!("x{dtype}>"));
    let context = context(&[]);
    let mut module = Module::parse(&context, "main.mlir", text.as_bytes())?;
    let options = Options { target: Target::Cuda(arch), plan: Some(numerics), ..Options::default() };
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
            let expected: Vec<_> = products.iter().map(|&pointer| Piece { pointer, columns: Columns::All }).collect();
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

/// What is computed from `%a`, a product, and what libraries know it as, where they may make zero of what is no number.
const KNOWN: [(&str, Option<Activation>); 8] = [
    ("%r = thunder.relu %a : $T", Some(Activation::Relu)),
    ("%z = thunder.constant value = dense<0.0> : $T : $T\n  %r = thunder.maximum %a, %z : $T", Some(Activation::Relu)),
    ("%r = thunder.gelu %a approximate = tanh : $T", Some(Activation::Gelu)),
    (
        "%x32 = thunder.convert %a : $T -> $W
  %half = thunder.constant value = dense<0.5> : $W : $W
  %one = thunder.constant value = dense<1.0> : $W : $W
  %c = thunder.constant value = dense<0.044715> : $W : $W
  %s = thunder.constant value = dense<0.7978845608> : $W : $W
  %square = thunder.mul %x32, %x32 : $W
  %cube = thunder.mul %square, %x32 : $W
  %part = thunder.mul %c, %cube : $W
  %sum = thunder.add %x32, %part : $W
  %inner = thunder.mul %s, %sum : $W
  %tanh = thunder.tanh %inner : $W
  %more = thunder.add %one, %tanh : $W
  %half_of = thunder.mul %half, %x32 : $W
  %wide = thunder.mul %half_of, %more : $W
  %r = thunder.convert %wide : $W -> $T",
        Some(Activation::Gelu),
    ),
    ("%r = thunder.gelu %a approximate = none : $T", None),
    ("%r = thunder.silu %a : $T", None),
    ("%m = thunder.relu %a : $T\n  %r = thunder.mul %m, %y : $T", None),
    ("%c = thunder.constant value = dense<1.0e-7> : $T : $T\n  %r = thunder.maximum %a, %c : $T", None),
];

#[test]
fn functions_that_libraries_know_are_known_however_they_are_written() -> Result<()> {
    for arch in Arch::ALL {
        for (dtype, numerics) in [("bf16", Numerics::Exact), ("f16", Numerics::Approximates)] {
            for (computed, activation) in KNOWN {
                let activation = activation.filter(|known| *known != Activation::Relu || numerics != Numerics::Exact);
                let all = fragments_for(arch, numerics, computed, "$T", dtype)?;
                let has_code = arch == Arch::Sm90a;
                ensure!(all.len() == usize::from(has_code || activation.is_some()), "{} for\n{computed}", all.len());
                let Some(fragment) = all.first() else { continue };
                ensure!(fragment.activation == activation, "{:?} is\n{computed}", fragment.activation);
                ensure!(fragment.code.is_empty() != has_code, "code for {arch}:\n{}", fragment.code);
            }
        }
    }
    Ok(())
}

#[test]
fn the_gradient_of_a_gelu_is_known() -> Result<()> {
    let text = "func.func @main(%x: tensor<64x48xbf16>, %v: tensor<32x48xbf16>, %w: tensor<16x32xbf16>) -> tensor<64x16xbf16> {
  %a = thunder.linear %x, %v : (tensor<64x48xbf16>, tensor<32x48xbf16>) -> tensor<64x32xbf16>
  %g = thunder.gelu %a approximate = tanh : tensor<64x32xbf16>
  %r = thunder.linear %g, %w : (tensor<64x32xbf16>, tensor<16x32xbf16>) -> tensor<64x16xbf16>
  return %r : tensor<64x16xbf16>
}";
    let context = context(&[]);
    let mut module = Module::parse(&context, "main.mlir", text.as_bytes())?;
    differentiate(module.operation(), "main", Mode::Vjp, &[])?;
    let options = Options { entry: "main_vjp".to_owned(), target: Target::Cuda(Arch::Sm80), ..Options::default() };
    let all = compile(&mut module, &options)?.artifact.program().fragments.clone();
    let known: Vec<_> = all.iter().map(|fragment| (fragment.products.clone(), fragment.activation)).collect();
    let gradient = known.iter().find_map(|(products, activation)| match activation {
        Some(Activation::GeluGradient { pointer }) => Some((products[0].pointer, *pointer)),
        _ => None,
    });
    ensure!(known.iter().any(|(_, activation)| *activation == Some(Activation::Gelu)), "{known:?}");
    ensure!(gradient.is_some_and(|(product, other)| product + other == 1), "{known:?}");
    Ok(())
}

/// Rotary embedding of what is a product, in the order of dimensions that attention wants.
const ROTATED: &str = "func.func @main(%x: tensor<192x72xbf16>, %v: tensor<256x72xbf16>, %cos: tensor<192x64xbf16>, %sin: tensor<192x64xbf16>) -> $R {
  %a = thunder.linear %x, %v : (tensor<192x72xbf16>, tensor<256x72xbf16>) -> tensor<192x256xbf16>
  %s = thunder.reshape %a, [] : tensor<192x256xbf16> -> tensor<192x4x64xbf16>
  %t = thunder.transpose %s permutation = [1, 0, 2] : tensor<192x4x64xbf16> -> $R
  %l = thunder.slice %t start = [0, 0, 0] limit = [4, 192, 32] stride = [1, 1, 1] : $R -> $H
  %h = thunder.slice %t start = [0, 0, 32] limit = [4, 192, 64] stride = [1, 1, 1] : $R -> $H
  %n = thunder.neg %h : $H
  %turned = thunder.concat %n, %l axis = 2 : ($H, $H) -> $R
  %c = thunder.broadcast_in_dim %cos, [] dims = [1, 2] : tensor<192x64xbf16> -> $R
  %d = thunder.broadcast_in_dim %sin, [] dims = [1, 2] : tensor<192x64xbf16> -> $R
  %p = thunder.mul %t, %c : $R
  %q = thunder.mul %turned, %d : $R
  %r = thunder.add %p, %q : $R
  return %r : $R
}";

#[test]
fn what_is_computed_from_both_halves_of_each_head_is_a_part_of_the_product() -> Result<()> {
    let text = ROTATED.replace("$R", "tensor<4x192x64xbf16>").replace("$H", "tensor<4x192x32xbf16>");
    let context = context(&[]);
    let mut module = Module::parse(&context, "main.mlir", text.as_bytes())?;
    let options = Options { target: Target::Cuda(Arch::Sm90a), ..Options::default() };
    let all = compile(&mut module, &options)?.artifact.program().fragments.clone();
    let [Fragment { products, code, .. }] = &all[..] else { anyhow::bail!("{} fragments", all.len()) };
    let pointer = products[0].pointer;
    let halves = [0, 32].map(|start| Piece { pointer, columns: Columns::Half { of: 64, start } });
    ensure!(products[..] == halves, "{products:?}");
    let why = Hopper::refuses(code);
    ensure!(why.is_none(), "it is refused for {why:?}:\n{code}");
    let said = assembler::assemble(&format!(".version 8.0\n.target sm_90a\n.address_size 64\n{code}"), Arch::Sm90a)?;
    ensure!(!said.contains("warning"), "{said}\n{code}");
    // Both tables are read at columns of both halves, and both halves are written.
    let count = |what: &str| code.lines().filter(|line| line.contains(what)).count();
    ensure!((count("ld.global"), count("st.global")) == (4, 2), "{code}");
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
