//! NVIDIA's assembler of GPU code, which tests run; neither building nor running needs it.

use super::wheel::Wheel;

/// The wheel that has it.
pub(crate) const WHEEL: Wheel = Wheel {
    what: "ptxas, NVIDIA's assembler for GPUs (47 MB)",
    requirement: "nvidia-cuda-nvcc==13.5.37 \
                  --hash=sha256:f5c4f7ead5d964fb4af42bbf1e6d3ec3c1e6e9d83b53749f691d387e7fcaa3a7\n",
    files: &["ptxas"],
    folder: ".cache/ptxas",
};
