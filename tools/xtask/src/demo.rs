//! The main job: a sentence-embedding model, compiled and run on this machine.

use crate::{process, setup};

const SENTENCES: [&str; 4] = [
    "A compiler turns programs into machine code.",
    "Compilers translate source text into instructions for a processor.",
    "The cat sleeps on the warm windowsill.",
    "A kitten is napping in the sun by the window.",
];

/// Sets up, fetches the model, then embeds `arguments` or a few sentences of ours.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    setup::for_builds()?;
    setup::for_demo()?;
    let arguments: Vec<&str> = match arguments {
        [] => SENTENCES.to_vec(),
        given => given.iter().map(String::as_str).collect(),
    };
    let example = ["run", "--release", "--package", "thunder-tools", "--example", "minilm", "--"];
    process::run(&process::cargo(), &[example.as_slice(), &arguments].concat())
}
