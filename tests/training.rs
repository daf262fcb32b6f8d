//! Whole training steps as one program: forward, loss, backward, clipping and optimizer, state updated in place.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use thunder_conformance::sample;
use thunder_interface::{INITIAL, PARAMETER, dtype_of, interpret_in_place};
use thunder_ir::pass::Pipeline;
use thunder_ir::{Context, Module};
use thunder_lowering::{Compiled, Options, compile, compile_jit};
use thunder_passes::autocast::autocast;
use thunder_passes::{Autocast, Remat, autodiff};
use thunder_runtime::program::Step;
use thunder_runtime::session;
use thunder_tensor::{DType, Random, SafeTensors, Tensor, Tolerance, compare, write_safetensors};
use thunder_tests::program::for_programs_in_place;
use thunder_trace::nn::Linear;
use thunder_trace::optim::{AdamW, Gradient, Gradients, Lion, LossScale, Optimizer, Sgd};
use thunder_trace::{Scope, Spec, Tensor as Proxy, Tracer};

/// A training step: the loss of a function, its gradients, and an optimizer.
fn traced<'x>(
    context: &'x Context,
    batch: &(Spec, Spec),
    loss: impl for<'t> FnOnce(Scope<'t>, (Proxy<'t>, Proxy<'t>)) -> Proxy<'t>,
    optimizer: &dyn Optimizer,
) -> Result<Module<'x>> {
    let tracer = Tracer::new(context);
    tracer.function("loss", batch.clone(), loss)?;
    let module = tracer.module().operation();
    autodiff::value_and_grad(module, "loss", &autodiff::trained(module, "loss")?)?;
    tracer.function("step", (batch.clone(), Spec::new(DType::F32, [0; 0])), |cx, (batch, rate)| {
        let (values, gradients) = cx.value_and_grad("loss", batch);
        let (gradients, norm) = gradients.clip_norm(1.0);
        optimizer.update(cx.at("optimizer"), &gradients, rate);
        (values, norm)
    })?;
    Ok(tracer.finish())
}

/// Two layers, and the square of what they are off by.
fn network<'t>(cx: Scope<'t>, (x, y): (Proxy<'t>, Proxy<'t>)) -> Proxy<'t> {
    let hidden = Linear::new(cx.at("hidden"), 5, 7).forward(x).tanh();
    (Linear::new(cx.at("output"), 7, 3).forward(hidden) - y).pow(2).mean(..)
}

fn batch() -> (Spec, Spec) {
    (Spec::new(DType::F32, [9, 5]), Spec::new(DType::F32, [9, 3]))
}

/// The program in the reference interpreter, with the memory of its parameters by name.
struct Interpreted<'x> {
    module: Module<'x>,
    arguments: Vec<(Option<String>, Tensor)>,
}

impl<'x> Interpreted<'x> {
    fn new(module: Module<'x>, weights: &BTreeMap<String, Tensor>) -> Result<Self> {
        let step = sample::function(&module, "step")?;
        let attributes = step.attribute("arg_attrs").and_then(|a| a.as_array()).unwrap_or_default();
        let mut arguments = Vec::new();
        for (value, attribute) in sample::body(step)?.arguments().zip(attributes) {
            let name = attribute.entry(PARAMETER).and_then(|a| a.as_string()).map(str::to_owned);
            let dims = value.ty().as_tensor().and_then(|t| t.static_dims()).context("sizes are known")?;
            let shape: Vec<usize> = dims.iter().map(|d| *d as usize).collect();
            let dtype = dtype_of(value.ty().element()).context("a dtype")?;
            let initial = attribute.entry(INITIAL).and_then(|a| a.as_float()).unwrap_or(0.0);
            let known = name.as_ref().and_then(|name| weights.get(name)).cloned();
            arguments.push((name, known.unwrap_or_else(|| Tensor::full(dtype, shape, initial))));
        }
        Ok(Self { module, arguments })
    }

    fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let mut given = inputs.iter();
        let mut memory: Vec<Tensor> = Vec::new();
        for (name, contents) in &self.arguments {
            memory.push(if name.is_some() { contents.clone() } else { given.next().context("an input")?.clone() });
        }
        let results = interpret_in_place(self.module.operation(), "step", &mut memory)?;
        for ((_, contents), new) in self.arguments.iter_mut().zip(memory) {
            *contents = new;
        }
        Ok(results)
    }

    fn state(&self) -> BTreeMap<String, Tensor> {
        self.arguments.iter().filter_map(|(name, t)| Some((name.clone()?, t.clone()))).collect()
    }
}

fn weights(compiled: &Compiled, seed: u64) -> BTreeMap<String, Tensor> {
    let mut random = Random::new(seed);
    let parameters = compiled.artifact.parameters().into_iter().filter(|p| !p.name.starts_with("optimizer."));
    parameters.map(|p| (p.name, random.normal(p.dtype, p.shape, 0.0, 0.5))).collect()
}

fn data(seed: u64) -> [Tensor; 3] {
    let mut random = Random::new(seed);
    let x = random.normal(DType::F32, [9, 5], 0.0, 1.0);
    [x, random.normal(DType::F32, [9, 3], 0.0, 1.0), Tensor::scalar(1e-2f32)]
}

fn step_options() -> Options {
    Options { entry: "step".to_owned(), ..Options::default() }
}

/// Machine code, in this process or from a file, leaves what the reference leaves that executes every write.
#[test]
fn steps_are_those_of_the_reference() -> Result<()> {
    let optimizers: [(&str, &dyn Optimizer); 3] = [
        ("adamw", &AdamW::default()),
        ("sgd", &Sgd { momentum: 0.9, nesterov: true, weight_decay: 1e-2 }),
        ("lion", &Lion { weight_decay: 1e-2, ..Lion::default() }),
    ];
    for (name, optimizer) in optimizers {
        let context = thunder_lowering::context();
        let module = traced(&context, &batch(), network, optimizer)?;
        let jit = compile_jit(&mut module.duplicate(), &step_options())?;
        let file = compile(&mut module.duplicate(), &step_options())?;
        let weights = weights(&jit, 7);
        let mut reference = Interpreted::new(module, &weights)?;
        let sessions = [
            jit.session(&weights, session::Options::with_threads(1))?,
            file.session(&weights, session::Options::with_threads(2))?,
        ];
        let mut losses = Vec::new();
        for step in 0..6 {
            let inputs = data(step % 2);
            let expected = reference.run(&inputs)?;
            let kept = reference.state();
            for session in &sessions {
                let actual = session.run(&inputs)?;
                let tolerance = Tolerance::new(2e-4, 2e-5);
                for (actual, expected) in actual.iter().zip(&expected) {
                    compare(actual, expected, tolerance).with_context(|| format!("{name}, step {step}"))?;
                }
                let state = session.state()?;
                ensure!(state.len() == kept.len(), "{name}: {:?}", state.keys());
                for (key, contents) in &state {
                    compare(contents, &kept[key], tolerance).with_context(|| format!("{name}, step {step}: {key}"))?;
                }
            }
            losses.push(expected[0].item::<f64>()?);
        }
        ensure!(losses[4] < losses[0] && losses[5] < losses[1], "{name} does not learn: {losses:?}");
    }
    Ok(())
}

/// In half precision with a scaled loss: a step whose gradients are not finite changes nothing but the scale.
#[test]
fn steps_with_gradients_that_overflow_are_skipped() -> Result<()> {
    let context = thunder_lowering::context();
    let tracer = Tracer::new(&context);
    let number = Spec::new(DType::F32, [0; 0]);
    tracer.function("loss", (batch(), number.clone()), |cx, (batch, scale)| {
        let loss = network(cx, batch);
        (loss * scale, loss)
    })?;
    let module = tracer.module().operation();
    autocast(module, &Autocast::of("loss", DType::F16))?;
    autodiff::value_and_grad(module, "loss", &autodiff::trained(module, "loss")?)?;
    let scaling = LossScale { initial: 1024.0, interval: 3, ..LossScale::default() };
    tracer.function("step", (batch(), number), |cx, (batch, rate)| {
        let at = cx.at("loss_scale");
        let (values, gradients) = cx.value_and_grad("loss", (batch, scaling.scale(at)));
        let finite = scaling.step(at, gradients, |gradients| {
            AdamW::default().update(cx.at("optimizer"), &gradients.clip_norm(1.0).0, rate);
        });
        (values, finite)
    })?;
    let mut module = tracer.finish();
    let compiled = compile_jit(&mut module, &step_options())?;
    let mut weights = weights(&compiled, 7);
    weights.retain(|name, _| !name.starts_with("loss_scale."));
    let session = compiled.session(&weights, session::Options::with_threads(2))?;
    let number = |name: &str| anyhow::Ok(session.state()?[name].item::<f64>()?);
    let mut losses = Vec::new();
    // The scale grows after three steps; the sixth overflows in half precision.
    for (step, expected) in [1024.0, 1024.0, 2048.0, 2048.0, 2048.0, 1024.0, 1024.0].into_iter().enumerate() {
        let mut inputs = data(1);
        let is_skipped = step == 5;
        if is_skipped {
            inputs[1] = Tensor::full(DType::F32, [9, 3], 1e6);
        }
        let before = session.state()?;
        let results = session.run(&inputs)?;
        let after = session.state()?;
        ensure!(results[2].item::<f64>()? == f64::from(!is_skipped), "step {step}: {results:?}");
        ensure!(number("loss_scale.scale")? == expected, "step {step}: the scale is {}", number("loss_scale.scale")?);
        let is_scale = |name: &str| name.starts_with("loss_scale.");
        let is_same = |name: &String| compare(&after[name], &before[name], Tolerance::EXACT).is_ok();
        let changed = after.keys().filter(|name| !is_scale(name) && !is_same(name)).count();
        let all = after.keys().filter(|name| !is_scale(name)).count();
        ensure!(changed == if is_skipped { 0 } else { all }, "step {step} changes {changed} of {all}");
        if !is_skipped {
            losses.push(results[1].item::<f64>()?);
        }
    }
    ensure!(losses.is_sorted_by(|a, b| a > b), "it does not learn: {losses:?}");
    Ok(())
}

/// A chain of layers that remember much, and the square of what they are off by.
fn chain<'t>(cx: Scope<'t>, (x, y): (Proxy<'t>, Proxy<'t>)) -> Proxy<'t> {
    let layer = |x: Proxy<'t>, i: i64| Linear::new(cx.at("layers").at(i), 64, 64).forward(x).tanh().exp().sin();
    ((0..6).fold(x, layer) - y).pow(2).mean(..)
}

/// A whole step takes less memory where its backward part computes values again, and leaves the same state.
#[test]
fn steps_that_keep_less_take_less_memory() -> Result<()> {
    let context = thunder_lowering::context();
    let rows = Spec::new(DType::F32, [256, 64]);
    let module = traced(&context, &(rows.clone(), rows), chain, &AdamW::default())?;
    let transforms = Pipeline::new().pass(&Remat::recomputing(0.1));
    let plain = compile_jit(&mut module.duplicate(), &step_options())?;
    let less = compile_jit(&mut module.duplicate(), &Options { transforms, ..step_options() })?;
    let weights = weights(&plain, 3);
    let mut random = Random::new(4);
    let mut normal = || random.normal(DType::F32, [256, 64], 0.0, 1.0);
    let inputs = [normal(), normal(), Tensor::scalar(1e-3f32)];
    let sessions = [&plain, &less].map(|c| c.session(&weights, session::Options::with_threads(2)));
    let [plain, less] = sessions;
    let (plain, less) = (plain?, less?);
    for _ in 0..3 {
        for (actual, expected) in less.run(&inputs)?.iter().zip(&plain.run(&inputs)?) {
            compare(actual, expected, Tolerance::new(1e-5, 1e-6))?;
        }
    }
    let state = plain.state()?;
    for (name, contents) in less.state()? {
        compare(&contents, &state[&name], Tolerance::new(1e-5, 1e-6)).with_context(|| name.clone())?;
    }
    let [plain, less] = [plain.memory(&inputs)?, less.memory(&inputs)?].map(|memory| memory.arena_bytes);
    println!("{plain} -> {less} bytes");
    ensure!(less * 3 < plain * 2, "takes {less} bytes instead of {plain}");
    Ok(())
}

/// Interrupted and resumed from its checkpoint, a training goes on bit by bit as one that was not.
#[test]
fn a_resumed_training_goes_on_as_it_would_have() -> Result<()> {
    let context = thunder_lowering::context();
    let mut module = traced(&context, &batch(), network, &AdamW::default())?;
    let compiled = compile_jit(&mut module, &step_options())?;
    let options = || session::Options::with_threads(2);
    let weights = weights(&compiled, 3);
    let losses = |session: &session::Session, steps: std::ops::Range<u64>| -> Result<Vec<f32>> {
        steps.map(|step| Ok(session.run(&data(step))?[0].item::<f64>()? as f32)).collect()
    };
    let whole = compiled.session(&weights, options())?;
    let expected = losses(&whole, 0..10)?;

    let folder = tempfile::tempdir()?;
    let path = folder.path().join("checkpoint.safetensors");
    let first = compiled.session(&weights, options())?;
    let mut actual = losses(&first, 0..4)?;
    let state = first.state()?;
    write_safetensors(&path, state.iter().map(|(name, tensor)| (name.as_str(), tensor)))?;
    drop(first);
    let checkpoint: BTreeMap<String, Tensor> = SafeTensors::open(&path)?.tensors().collect::<Result<_, _>>()?;
    let second = compiled.session(&checkpoint, options())?;
    actual.extend(losses(&second, 4..8)?);
    // A session that has gone another way takes a checkpoint as well.
    losses(&whole, 0..3)?;
    whole.set_state(&second.state()?)?;
    actual.extend(losses(&whole, 8..10)?);
    let bits = |losses: &[f32]| losses.iter().map(|loss| loss.to_bits()).collect::<Vec<_>>();
    ensure!(bits(&actual) == bits(&expected), "{actual:?} instead of {expected:?}");
    // Weights that were bound are not what is updated.
    ensure!(weights["output.bias"].to_vec::<f64>() != whole.state()?["output.bias"].to_vec::<f64>());
    let missing = whole.set_state(&BTreeMap::new()).expect_err("nothing is given").to_string();
    ensure!(missing.starts_with("missing weights: ") && missing.contains("optimizer.step"), "{missing}");
    Ok(())
}

/// Batch normalization with running statistics, which a step updates and takes no gradient by.
fn normalized<'t>(cx: Scope<'t>, (x, y): (Proxy<'t>, Proxy<'t>)) -> Proxy<'t> {
    let (variance, mean) = x.var_mean(0, 0.0);
    for (name, initial, now) in [("running_mean", 0.0, mean), ("running_var", 1.0, variance * (9.0 / 8.0))] {
        let running = cx.state(name, DType::F32, [5], initial);
        running.copy_(running.lerp(now, 0.1));
    }
    let scale = cx.parameter("scale", DType::F32, [5]);
    let normal = (x - mean) * (variance + 1e-5).rsqrt() * scale;
    (normal.sum(1) - y.sum(1)).pow(2).mean(..)
}

#[test]
fn running_statistics_are_updated_and_not_trained() -> Result<()> {
    let context = thunder_lowering::context();
    let module = traced(&context, &batch(), normalized, &Sgd::default())?;
    let compiled = compile_jit(&mut module.duplicate(), &step_options())?;
    let weights: BTreeMap<_, _> = [("scale".to_owned(), Tensor::full(DType::F32, [5], 1.0))].into();
    let session = compiled.session(&weights, session::Options::with_threads(1))?;
    let mut reference = Interpreted::new(module, &weights)?;
    let (mut mean, mut variance) = (vec![0.0; 5], vec![1.0; 5]);
    for step in 0..3 {
        let inputs = data(step);
        session.run(&inputs)?;
        reference.run(&inputs)?;
        let x = inputs[0].to_vec::<f64>();
        for column in 0..5 {
            let values: Vec<f64> = x.iter().skip(column).step_by(5).copied().collect();
            let m = values.iter().sum::<f64>() / 9.0;
            let v = values.iter().map(|x| (x - m) * (x - m)).sum::<f64>() / 8.0;
            mean[column] = 0.9 * mean[column] + 0.1 * m;
            variance[column] = 0.9 * variance[column] + 0.1 * v;
        }
    }
    let state = session.state()?;
    ensure!(state.keys().eq(["running_mean", "running_var", "scale"]), "{:?}", state.keys());
    for (name, expected) in [("running_mean", mean), ("running_var", variance)] {
        let expected = Tensor::from_values(DType::F32, [5], expected)?;
        compare(&state[name], &expected, Tolerance::new(1e-5, 1e-6)).context(name)?;
        compare(&reference.state()[name], &expected, Tolerance::new(1e-5, 1e-6)).context(name)?;
    }
    Ok(())
}

/// Inputs that a program updates are written where they are; to read only they cannot be given.
#[test]
fn updated_inputs_are_given_to_be_written() -> Result<()> {
    let context = thunder_lowering::context();
    let source = "func.func @main(%x: tensor<?xf32>, %y: tensor<?xf32>) {
      thunder.copy_into %y, %x : (tensor<?xf32>, tensor<?xf32>)
      thunder.copy_into %x, %y : (tensor<?xf32>, tensor<?xf32>)
      return
    }";
    let mut module = Module::parse(&context, "swap.mlir", source.as_bytes())?;
    let compiled = compile_jit(&mut module, &Options::default())?;
    let session = compiled.session(&BTreeMap::new(), session::Options::with_threads(1))?;
    let (x, y) = (Tensor::full(DType::F32, [3], 1.0), Tensor::full(DType::F32, [3], 2.0));
    let mut memory = [x.clone(), y];
    let error = session.run(&memory).expect_err("they are updated").to_string();
    ensure!(error == "the program updates input 'input0', which must be given to be written", "{error}");
    session.run_in_place(&mut memory)?;
    ensure!(memory[0].to_vec::<f64>() == [2.0; 3] && memory[1].to_vec::<f64>() == [1.0; 3], "{memory:?}");
    ensure!(x.to_vec::<f64>() == [1.0; 3], "a tensor that shared the memory has changed: {x:?}");
    Ok(())
}

/// A step over a cache of keys writes the key and nothing else of it.
#[test]
fn an_update_of_a_cache_costs_the_update() -> Result<()> {
    let context = thunder_lowering::context();
    let tracer = Tracer::new(&context);
    let inputs = (Spec::new(DType::F32, [2, 1, 3]), Spec::new(DType::I64, [0; 0]));
    tracer.function("main", inputs, |cx, (key, position)| {
        let cache = cx.state("cache", DType::F32, [2, 8, 3], 0.0);
        cache.dynamic_slice(1, position, 1).copy_(key);
        cache.read().sum(1)
    })?;
    let compiled = compile_jit(&mut tracer.finish(), &Options::default())?;
    let program = compiled.artifact.program();
    let copies = program.steps.iter().any(|step| matches!(step, Step::Copy { .. }));
    ensure!(!copies && program.buffers.is_empty(), "the cache is copied: {program:?}");
    let session = compiled.session(&BTreeMap::new(), session::Options::with_threads(2))?;
    let mut expected = vec![0.0; 48];
    let mut random = Random::new(5);
    for position in [0, 7, 3, 3] {
        let key = random.normal(DType::F32, [2, 1, 3], 0.0, 1.0);
        for (row, values) in key.to_vec::<f64>().chunks(3).enumerate() {
            expected[row * 24 + position * 3..][..3].copy_from_slice(values);
        }
        let sums = session.run(&[key, Tensor::scalar(position as i64)])?;
        ensure!(session.state()?["cache"].to_vec::<f64>() == expected);
        let total = |row: usize, i: usize| expected[row * 24..][..24].iter().skip(i).step_by(3).sum::<f64>();
        let totals = Tensor::from_fn(DType::F32, [2, 3], |at| total(at[0], at[1]));
        compare(&sums[0], &totals, Tolerance::new(1e-5, 1e-6))?;
    }
    Ok(())
}

/// What PyTorch's optimizers do to parameters in double precision, step by step.
#[test]
fn optimizers_are_those_of_pytorch() -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens/optimizers.safetensors");
    let goldens: BTreeMap<String, Tensor> = SafeTensors::open(path)?.tensors().collect::<Result<_, _>>()?;
    let rates = goldens["rates"].to_vec::<f64>();
    type Clip = for<'t> fn(Gradients<'t>) -> Gradients<'t>;
    let (none, norm, value): (Clip, Clip, Clip) = (|g| g, |g| g.clip_norm(1.5).0, |g| g.clip_value(0.75));
    let cases: [(&str, &dyn Optimizer, Clip); 8] = [
        ("sgd", &Sgd::default(), none),
        ("momentum", &Sgd { momentum: 0.9, nesterov: false, weight_decay: 0.01 }, none),
        ("nesterov", &Sgd { momentum: 0.8, nesterov: true, weight_decay: 0.0 }, none),
        ("adamw", &AdamW::default(), none),
        ("adamw_other", &AdamW { betas: (0.8, 0.95), eps: 1e-3, weight_decay: 0.1 }, none),
        ("lion", &Lion { betas: (0.9, 0.99), weight_decay: 0.1 }, none),
        ("clip_norm", &Sgd::default(), norm),
        ("clip_value", &AdamW::default(), value),
    ];
    let names = ["w", "b"];
    for (case, optimizer, clip) in cases {
        let context = thunder_lowering::context();
        let tracer = Tracer::new(&context);
        let dims = |name: &str| goldens[name].shape().iter().map(|size| *size as i64).collect::<Vec<_>>();
        let inputs = (names.map(|name| Spec::new(DType::F64, dims(name))), Spec::new(DType::F64, [0; 0]));
        tracer.function("step", inputs, |cx, (gradients, rate)| {
            let gradients = names.iter().zip(gradients).map(|(name, gradient)| Gradient {
                name: (*name).to_owned(),
                parameter: cx.parameter(name, DType::F64, dims(name)),
                gradient,
            });
            optimizer.update(cx.at("optimizer"), &clip(Gradients(gradients.collect())), rate);
        })?;
        let module = tracer.finish();
        let weights: BTreeMap<_, _> = names.map(|name| (name.to_owned(), goldens[name].clone())).into();
        let compiled = compile_jit(&mut module.duplicate(), &step_options())?;
        let session = compiled.session(&weights, session::Options::with_threads(1))?;
        let mut reference = Interpreted::new(module, &weights)?;
        for (step, rate) in rates.iter().enumerate() {
            let gradient = |name: &str| goldens[&format!("grad.{step}.{name}")].clone();
            let inputs = [gradient("w"), gradient("b"), Tensor::scalar(*rate)];
            session.run(&inputs)?;
            reference.run(&inputs)?;
            for state in [session.state()?, reference.state()] {
                for name in names {
                    compare(&state[name], &goldens[&format!("{case}.{step}.{name}")], Tolerance::new(1e-10, 1e-12))
                        .with_context(|| format!("{case}, step {step}: {name}"))?;
                }
            }
        }
    }
    Ok(())
}

/// What compiled programs leave in the memory of their arguments is what the reference leaves there.
#[test]
fn compiled_programs_leave_what_is_written() {
    for_programs_in_place(|program| {
        let context = thunder_lowering::context();
        let mut module = Module::parse(&context, "program.mlir", program.text.as_bytes())?;
        let mut expected = program.inputs.clone();
        interpret_in_place(module.operation(), "main", &mut expected)?;
        let compiled = compile_jit(&mut module, &Options::default())?;
        let session = compiled.session(&BTreeMap::new(), session::Options::with_threads(2))?;
        let mut memory = program.inputs.clone();
        session.run_in_place(&mut memory)?;
        for (index, (actual, expected)) in memory.iter().zip(&expected).enumerate() {
            // Values that only roundings decide may differ; what was only moved may not.
            let bound = if expected.dtype().is_float() { 1e-1 } else { 0.0 };
            let differing = compare(actual, expected, Tolerance { rtol: bound, atol: bound, equal_nan: true });
            differing.with_context(|| format!("argument {index}"))?;
        }
        Ok(())
    });
}
