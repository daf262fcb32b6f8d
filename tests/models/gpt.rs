//! The GPT in training, beside PyTorch, and generating; `tests/goldens/gpt.py` makes the losses.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use libtest_mimic::Trial;
use thunder_interface::interpret;
use thunder_models::gpt::generation::{Generator, Sampling};
use thunder_models::gpt::text::{SHAKESPEARE, Text};
use thunder_models::gpt::training::{Run, Trainer};
use thunder_models::gpt::{Gpt, GptConfig};
use thunder_runtime::session::Options;
use thunder_tensor::{DType, Tensor, Tolerance, compare};
use thunder_trace::{Spec, Tracer};

use crate::trial;

/// The small model of `gpt.py`.
const SMALL: GptConfig = GptConfig { vocabulary: 63, positions: 32, width: 32, layers: 2, heads: 2, tied: true };
const RUN: Run = Run { seed: 0, batch: 4, tokens: 32, steps: 200, precision: DType::F32 };

pub fn trials() -> Vec<Trial> {
    vec![
        trial("gpt::losses_are_those_of_pytorch", || losses_are_those_of_pytorch(RUN, 1e-3)),
        trial("gpt::losses_in_bf16_are_near", || {
            losses_are_those_of_pytorch(Run { precision: DType::BF16, ..RUN }, 2e-2)
        }),
        trial("gpt::training_goes_on_from_a_checkpoint_bit_by_bit", training_goes_on_from_a_checkpoint),
        trial("gpt::kept_keys_and_values_change_nothing", kept_keys_and_values_change_nothing),
        trial("gpt::generation_goes_on_beyond_the_positions", generation_goes_on_beyond_the_positions),
        trial("gpt::other_files_are_no_checkpoints", other_files_are_no_checkpoints),
    ]
}

fn trainer(text: &Text, run: Run) -> Result<Trainer<'_>> {
    Ok(Trainer::new(&SMALL, text, run, &Default::default(), Options::with_threads(2))?)
}

fn losses_are_those_of_pytorch(run: Run, tolerance: f32) -> Result<()> {
    let golden = include_str!("../goldens/gpt_small.csv");
    let text = Text::new(SHAKESPEARE);
    let mut trainer = trainer(&text, run)?;
    let mut count = 0;
    for line in golden.lines().skip(1) {
        let (step, expected) = line.split_once(',').context("a line has a step and a loss")?;
        let (step, expected): (u64, f32) = (step.parse()?, expected.parse()?);
        let report = trainer.step()?;
        ensure!(report.step == step, "step {} instead of {step}", report.step);
        let difference = (report.loss - expected).abs();
        ensure!(difference <= tolerance, "step {step}: the loss is {} instead of {expected}", report.loss);
        count += 1;
    }
    ensure!(count == 200, "{count} steps");
    Ok(())
}

fn training_goes_on_from_a_checkpoint() -> Result<()> {
    let text = Text::new(SHAKESPEARE);
    let mut whole = trainer(&text, RUN)?;
    for _ in 0..3 {
        whole.step()?;
    }
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("checkpoint.safetensors");
    whole.save(&path)?;
    let mut resumed = Trainer::resume(&SMALL, &text, &path, &Default::default(), Options::with_threads(2))?;
    ensure!(*resumed.run() == RUN, "another run: {:?}", resumed.run());
    for _ in 3..8 {
        let (expected, actual) = (whole.step()?, resumed.step()?);
        ensure!(actual == expected, "{actual:?} instead of {expected:?}");
    }
    let (expected, actual) = (whole.weights()?, resumed.weights()?);
    ensure!(expected.len() == actual.len(), "{} weights instead of {}", actual.len(), expected.len());
    for (name, weight) in &expected {
        compare(&actual[name], weight, Tolerance::EXACT).with_context(|| name.clone())?;
    }
    Ok(())
}

/// Matrices large enough for logits to differ.
fn weights(text: &Text) -> Result<BTreeMap<String, Tensor>> {
    let scaled = |(name, weight): (String, Tensor)| {
        let factor = if weight.rank() == 2 { 8.0 } else { 1.0 };
        let values = weight.to_vec::<f64>().into_iter().map(|x| factor * x).collect();
        Ok((name, Tensor::from_values(DType::F32, weight.shape(), values)?))
    };
    trainer(text, RUN)?.weights()?.into_iter().map(scaled).collect()
}

/// Logits token by token are those of all tokens at once, wherever the prompt ends.
fn kept_keys_and_values_change_nothing() -> Result<()> {
    let text = Text::new(SHAKESPEARE);
    let weights = weights(&text)?;
    let tokens = text.batch(5, 0, 1, SMALL.positions as usize).tokens;
    let context = thunder_lowering::context();
    let tracer = Tracer::new(&context);
    let ids = Spec::new(DType::I64, [1, SMALL.positions]);
    tracer.function("main", ids, |scope, tokens| Gpt::new(scope, &SMALL).forward(tokens))?;
    let module = tracer.finish();
    let main = module.body().operations()[0];
    let attributes = main.attribute("arg_attrs").and_then(|a| a.as_array()).context("arguments have names")?;
    let mut inputs = vec![tokens.clone()];
    for attribute in &attributes[1..] {
        let name = attribute.entry(thunder_interface::PARAMETER).and_then(|a| a.as_string()).context("a name")?;
        inputs.push(weights[name].clone());
    }
    let expected = interpret(module.operation(), "main", &inputs)?.swap_remove(0);
    let generator = Generator::new(&SMALL, &weights, &Default::default(), &Options::with_threads(2))?;
    let tokens = tokens.to_vec::<i64>();
    for prompt in [1, 7, tokens.len()] {
        let logits = generator.logits(&tokens, prompt)?;
        ensure!(logits.len() == tokens.len() - prompt + 1, "{} times logits", logits.len());
        for (place, logits) in (prompt - 1..).zip(logits) {
            let from = [0, place, 0];
            let to = [1, place + 1, SMALL.vocabulary as usize];
            let expected = expected.slice(&from, &to, &[1, 1, 1])?.reshape([logits.len()])?;
            let actual = Tensor::from_vec([logits.len()], logits)?;
            compare(&actual, &expected, Tolerance::new(1e-4, 1e-4)).with_context(|| format!("token {place}"))?;
        }
    }
    Ok(())
}

fn generation_goes_on_beyond_the_positions() -> Result<()> {
    let text = Text::new(SHAKESPEARE);
    let generator = Generator::new(&SMALL, &weights(&text)?, &Default::default(), &Options::with_threads(1))?;
    let prompt = text.encode("ROMEO:\n").map_err(|c| anyhow::anyhow!("no character {c:?}"))?;
    let written = |seed: u64| {
        let mut tokens = Vec::new();
        generator.generate(&prompt, Sampling { temperature: 1.0, top_k: 10, seed }, |token| {
            tokens.push(token);
            tokens.len() == 80
        })?;
        Ok::<_, anyhow::Error>(tokens)
    };
    let first = written(1)?;
    ensure!(first == written(1)?, "the same seed wrote another text");
    ensure!(first != written(2)?, "another seed wrote the same text");
    ensure!(first.iter().all(|token| text.decode(*token).is_some()), "tokens without a character: {first:?}");
    let nothing = generator.generate(&[], Sampling { temperature: 1.0, top_k: 1, seed: 0 }, |_| true);
    ensure!(nothing.is_err_and(|e| e.to_string() == "a prompt has at least one token"), "nothing was gone on with");
    Ok(())
}

fn other_files_are_no_checkpoints() -> Result<()> {
    let text = Text::new(SHAKESPEARE);
    let said = |path: &Path| {
        let resumed = Trainer::resume(&SMALL, &text, path, &Default::default(), Options::with_threads(1));
        Ok::<_, anyhow::Error>(resumed.err().context("it was a checkpoint")?.to_string())
    };
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("checkpoint.safetensors");
    let missing = said(&path)?;
    ensure!(missing.contains("No such file"), "{missing}");
    thunder_tensor::write_safetensors(&path, [("x", &Tensor::scalar(1.0f32))])?;
    let other = said(&path)?;
    ensure!(other == format!("{}: not a checkpoint of a training run", path.display()), "{other}");
    Ok(())
}
