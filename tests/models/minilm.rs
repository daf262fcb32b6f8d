//! all-MiniLM-L6-v2 with its published weights, beside PyTorch in float64.
//!
//! `cargo xtask setup` fetches the weights, and `cargo xtask test` does so first; without them the
//! tests of this file are ignored, but for those of its errors.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use libtest_mimic::Trial;
use serde_json::Value;
use thunder_models::minilm::{Batch, MiniLm};
use thunder_runtime::session::Options;

use crate::trial;

pub fn trials() -> Vec<Trial> {
    let is_missing = !folder().join("model.safetensors").exists();
    vec![
        trial("minilm::agrees_with_pytorch_in_every_batch", agrees_with_pytorch).with_ignored_flag(is_missing),
        trial("minilm::missing_files_are_one_line", missing_files_are_one_line),
        trial("minilm::a_corrupt_tokenizer_is_one_line", a_corrupt_tokenizer_is_one_line).with_ignored_flag(is_missing),
        trial("minilm::other_weights_are_one_line", other_weights_are_one_line).with_ignored_flag(is_missing),
    ]
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/minilm")
}

struct Golden {
    text: String,
    ids: Vec<i64>,
    embedding: Vec<f64>,
}

fn golden() -> Result<Vec<Golden>> {
    let data: Value = serde_json::from_str(include_str!("../data/minilm_embeddings.json"))?;
    let sentences = data["sentences"].as_array().context("the data has sentences")?;
    let golden = |sentence: &Value| {
        let numbers = |name: &str| sentence[name].as_array().with_context(|| format!("a sentence has {name}"));
        Ok(Golden {
            text: sentence["text"].as_str().context("a sentence has a text")?.to_owned(),
            ids: numbers("input_ids")?.iter().filter_map(Value::as_i64).collect(),
            embedding: numbers("embedding")?.iter().filter_map(Value::as_f64).collect(),
        })
    };
    sentences.iter().map(golden).collect()
}

/// One compilation, and batches of every size and order: what is beside a sentence changes nothing.
fn agrees_with_pytorch() -> Result<()> {
    let golden = golden()?;
    let model = MiniLm::load(&folder(), Options::with_threads(2))?;
    for sentence in &golden {
        let ids = model.tokenize(&[&sentence.text])?.ids.to_vec::<i64>();
        ensure!(ids == sentence.ids, "'{}' became the tokens {ids:?}", sentence.text);
    }
    ensure!(model.embed(&[])?.is_empty(), "no texts have vectors");
    let error = model.run(Batch::full(1, 513)).err().context("513 positions were found in a table of 512")?;
    ensure!(error.to_string() == "a sequence has 513 tokens, but the model has positions for 512", "{error}");
    for batch in (1..=golden.len()).chain([33]) {
        for start in 0..golden.len() {
            let sentences: Vec<&Golden> = golden.iter().cycle().skip(start).take(batch).collect();
            let texts: Vec<&str> = sentences.iter().map(|sentence| sentence.text.as_str()).collect();
            for (sentence, actual) in sentences.iter().zip(model.embed(&texts)?) {
                check(&actual, &sentence.embedding)
                    .with_context(|| format!("'{}' in a batch of {batch}", sentence.text))?;
            }
        }
    }
    Ok(())
}

fn check(actual: &[f32], expected: &[f64]) -> Result<()> {
    ensure!(actual.len() == expected.len(), "{} numbers instead of {}", actual.len(), expected.len());
    let pairs = || actual.iter().map(|x| f64::from(*x)).zip(expected.iter().copied());
    let dot = |pairs: &mut dyn Iterator<Item = (f64, f64)>| pairs.map(|(x, y)| x * y).sum::<f64>();
    let lengths = dot(&mut pairs().map(|(x, _)| (x, x))).sqrt() * dot(&mut pairs().map(|(_, y)| (y, y))).sqrt();
    let cosine = dot(&mut pairs()) / lengths;
    ensure!(cosine >= 0.99999, "the cosine is {cosine}");
    let error = pairs().map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
    ensure!(error <= 2e-5, "the largest error is {error}");
    Ok(())
}

fn failure(folder: &Path) -> Result<String> {
    let error = MiniLm::load(folder, Options::with_threads(1)).err().context("a broken folder was loaded")?;
    let text = error.to_string();
    ensure!(!text.contains('\n'), "more than one line: {text}");
    Ok(text)
}

fn missing_files_are_one_line() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let said = failure(folder.path())?;
    ensure!(said.contains("model.safetensors") && said.contains("No such file"), "{said}");
    std::fs::write(folder.path().join("model.safetensors"), b"not tensors at all")?;
    let said = failure(folder.path())?;
    ensure!(said.contains("not a valid safetensors file"), "{said}");
    Ok(())
}

fn a_corrupt_tokenizer_is_one_line() -> Result<()> {
    let broken = tempfile::tempdir()?;
    std::os::unix::fs::symlink(folder().join("model.safetensors"), broken.path().join("model.safetensors"))?;
    std::fs::write(broken.path().join("tokenizer.json"), "{\"version\": ")?;
    let said = failure(broken.path())?;
    ensure!(said.contains("tokenizer.json: not a valid tokenizer"), "{said}");
    Ok(())
}

fn other_weights_are_one_line() -> Result<()> {
    use thunder_tensor::{DType, Tensor, write_safetensors};
    let other = tempfile::tempdir()?;
    std::os::unix::fs::symlink(folder().join("tokenizer.json"), other.path().join("tokenizer.json"))?;
    let weight = Tensor::zeros(DType::F32, [384]);
    write_safetensors(other.path().join("model.safetensors"), [("embeddings.LayerNorm.weight", &weight)])?;
    let said = failure(other.path())?;
    ensure!(
        said.starts_with("missing weights: embeddings.word_embeddings.weight, "),
        "{}",
        &said[..80.min(said.len())]
    );
    Ok(())
}
