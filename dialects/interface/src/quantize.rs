//! How an op takes part in quantization.

/// Which operands of an op may be quantized.
pub trait Quantize {
    /// The numbers of the operands that may be low-bit integers with a scale; none by default.
    fn quantizable_operands(&self) -> Vec<usize> {
        Vec::new()
    }
}

crate::interface!(Quantize);
