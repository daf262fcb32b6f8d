//! The largest error of each compiled elementary function, in units in the last place, beside the one stated.
//!
//! `cargo bench -p thunder-tests --bench accuracy -- [FUNCTION]... [--step 1]`

use anyhow::{Result, ensure};
use clap::Parser;
use thunder_lowering::cpu::{CPU, FUNCTIONS};
use thunder_tensor::DType;
use thunder_tests::accuracy::{Function, context};

/// Tries elementary functions on all numbers.
#[derive(Parser)]
struct Arguments {
    /// The functions; all by default.
    functions: Vec<String>,
    /// Every how many f32 one is tried.
    #[arg(long, default_value_t = 1)]
    step: usize,
    /// Cargo passes it to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let context = context();
    println!("{:<8} {:>8} {:>8}  at", "", "ulp", "stated");
    let mut exceeded = Vec::new();
    for (name, stated) in FUNCTIONS {
        if !arguments.functions.is_empty() && !arguments.functions.iter().any(|f| f == name) {
            continue;
        }
        let worst = Function::compile(&context, name, DType::F32, CPU)?.worst(0..1 << 32, arguments.step)?;
        println!("{name:<8} {:>8.3} {stated:>8.2}  {:?}", worst.ulps, worst.at);
        if worst.ulps > *stated {
            exceeded.push(*name);
        }
    }
    ensure!(exceeded.is_empty(), "these err by more than they state: {}", exceeded.join(", "));
    Ok(())
}
