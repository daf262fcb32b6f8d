//! The jobs to look at: a sentence-embedding model is run, and a language model is trained, on this machine.

use crate::{process, setup};

const SENTENCES: [&str; 4] = [
    "A compiler turns programs into machine code.",
    "Compilers translate source text into instructions for a processor.",
    "The cat sleeps on the warm windowsill.",
    "A kitten is napping in the sun by the window.",
];

/// Sets up, fetches the model, then embeds `arguments` or a few sentences of ours; without arguments, also trains a GPT.
/// `gpt` as the first argument does only that, with the others.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    setup::for_builds()?;
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.split_first() {
        None => {
            minilm(&SENTENCES)?;
            gpt(&[])
        }
        Some((&"gpt", arguments)) => gpt(arguments),
        Some(_) => minilm(&arguments),
    }
}

fn minilm(sentences: &[&str]) -> anyhow::Result<()> {
    setup::for_demo()?;
    example("minilm", sentences)
}

fn gpt(arguments: &[&str]) -> anyhow::Result<()> {
    example("gpt", arguments)
}

fn example(name: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let run = ["run", "--release", "--package", "thunder-tools", "--example", name, "--"];
    process::run(&process::cargo(), &[run.as_slice(), arguments].concat())
}
