//! Every sample of every op, compiled and run, beside the reference interpreter.

use std::collections::BTreeMap;

use thunder_interface::{Sample, interpret};
use thunder_ir::{Context, Module};
use thunder_lowering::{Options, compile, context};
use thunder_runtime::session;
use thunder_tensor::{DType, Random, Tensor, Tolerance, compare};

fn inputs(sample: &Sample, module: &Module<'_>, seed: u64) -> Vec<Tensor> {
    let function = module.body().operations()[0];
    let block = function.region(0).entry().expect("a sample has a body");
    let mut random = Random::new(seed);
    block
        .arguments()
        .zip(&sample.shapes)
        .zip(&sample.domains)
        .map(|((argument, shape), (low, high))| {
            let dtype = thunder_interface::dtype_of(argument.ty().element()).expect("samples take tensors");
            if dtype.is_float() {
                random.uniform(dtype, shape.clone(), *low..*high)
            } else if dtype == DType::Bool {
                random.integers(dtype, shape.clone(), 0..2)
            } else {
                let low = if dtype == DType::U8 { low.max(0.0) } else { *low };
                random.integers(dtype, shape.clone(), low as i64..(*high as i64).max(low as i64 + 1))
            }
        })
        .collect()
}

fn check(context: &Context, sample: &Sample, dtype: DType) -> Result<(), String> {
    let text = sample.function.replace("$T", dtype.name());
    let module = Module::parse(context, "sample", text.as_bytes()).map_err(|e| e.to_string())?;
    let inputs = inputs(sample, &module, 7);
    let expected = interpret(module.operation(), "sample", &inputs).map_err(|e| format!("reference: {e}"))?;
    let mut module = module;
    let options = Options { entry: "sample".to_owned(), ..Options::default() };
    let compiled = compile(&mut module, &options).map_err(|e| format!("compile: {e}"))?;
    let session =
        compiled.session(&BTreeMap::new(), session::Options::with_threads(2)).map_err(|e| format!("session: {e}"))?;
    let actual = session.run(&inputs).map_err(|e| format!("run: {e}"))?;
    for (actual, expected) in actual.iter().zip(&expected) {
        let epsilon = if dtype.is_float() { dtype.epsilon() } else { 0.0 };
        let tolerance = Tolerance { rtol: sample.ulps * epsilon, atol: sample.ulps * epsilon, equal_nan: true };
        compare(actual, expected, tolerance).map_err(|e| format!("values: {e}"))?;
    }
    Ok(())
}

#[test]
fn samples_agree_with_the_reference() {
    let context = context();
    let only = std::env::var("OP").ok();
    let mut failures = Vec::new();
    let mut passed = 0;
    for (def, set) in thunder_dialect::all_samples() {
        if only.as_deref().is_some_and(|o| o != def.mnemonic()) {
            continue;
        }
        for (index, sample) in set.samples.iter().enumerate() {
            for dtype in sample.dtypes.0 {
                match check(&context, sample, *dtype) {
                    Ok(()) => passed += 1,
                    Err(e) => {
                        let first: String = e.chars().take(300).collect();
                        failures.push(format!("{} #{index} {dtype}: {first}", def.name));
                    }
                }
            }
        }
    }
    println!("{passed} passed, {} failed", failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
