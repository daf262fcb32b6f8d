//! Tensors as text, in NumPy's manner.

use std::fmt;

use crate::{Element as _, Tensor, dispatch};

/// Elements of the largest tensor that is printed whole.
const WHOLE: usize = 1000;
/// Elements shown at either end of each axis of a larger one.
const EDGE: usize = 3;

/// The type as MLIR writes it, then the elements in nested brackets, aligned; large tensors are elided.
///
/// A precision in the format (`{:.4}`) bounds the digits after the point; without one a float prints the shortest digits
/// that give it back.
impl fmt::Display for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tensor<")?;
        for extent in self.shape() {
            write!(f, "{extent}x")?;
        }
        write!(f, "{}>", self.dtype())?;
        if self.is_empty() {
            return f.write_str(" []");
        }
        let edge = if self.len() > WHOLE { EDGE } else { usize::MAX / 2 };
        let mut printer = Printer { tensor: self, edge, precision: f.precision(), width: 0 };
        printer.width = printer.widest(0, 0);
        // Rows start on the next line when there are several, so that columns stand below each other.
        f.write_str(if self.rank() > 1 { "\n" } else { " " })?;
        printer.write(f, 0, 0)
    }
}

struct Printer<'a> {
    tensor: &'a Tensor,
    edge: usize,
    precision: Option<usize>,
    width: usize,
}

impl Printer<'_> {
    /// The positions along an axis that are shown; `None` stands for those left out.
    fn shown(&self, axis: usize) -> Vec<Option<usize>> {
        let extent = self.tensor.shape()[axis];
        if extent <= self.edge.saturating_mul(2).saturating_add(1) {
            return (0..extent).map(Some).collect();
        }
        let ends = (0..self.edge).map(Some);
        ends.chain([None]).chain((extent - self.edge..extent).map(Some)).collect()
    }

    fn inner(&self, axis: usize) -> usize {
        self.tensor.shape()[axis + 1..].iter().product()
    }

    fn widest(&self, axis: usize, start: usize) -> usize {
        if axis == self.tensor.rank() {
            return self.element(start).len();
        }
        let inner = self.inner(axis);
        let shown = self.shown(axis).into_iter().flatten();
        shown.map(|i| self.widest(axis + 1, start + i * inner)).max().unwrap_or(0)
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, axis: usize, start: usize) -> fmt::Result {
        if axis == self.tensor.rank() {
            return write!(f, "{:>width$}", self.element(start), width = if axis == 0 { 0 } else { self.width });
        }
        let rank = self.tensor.rank();
        let inner = self.inner(axis);
        f.write_str("[")?;
        for (place, position) in self.shown(axis).into_iter().enumerate() {
            if place > 0 {
                f.write_str(",")?;
                if axis + 1 == rank {
                    f.write_str(" ")?;
                } else {
                    write!(f, "{}{}", "\n".repeat(rank - 1 - axis), " ".repeat(axis + 1))?;
                }
            }
            match position {
                Some(i) => self.write(f, axis + 1, start + i * inner)?,
                None => f.write_str("...")?,
            }
        }
        f.write_str("]")
    }

    fn element(&self, index: usize) -> String {
        let tensor = self.tensor;
        match (tensor.dtype(), self.precision) {
            (dtype, Some(precision)) if dtype.is_float() || dtype.is_float8() => {
                format!("{:.precision$}", tensor.value::<f64>(index))
            }
            (dtype, precision) if dtype.is_complex() => {
                let pairs = tensor.as_pairs();
                dispatch!(dtype.part(), T => {
                    let parts = pairs.elements_within::<T>(2 * index, 2);
                    match precision {
                        Some(precision) => {
                            format!("{:.precision$}{:+.precision$}i", parts[0].as_f64(), parts[1].as_f64())
                        }
                        None => format!("{:?}{:+?}i", parts[0], parts[1]),
                    }
                })
            }
            (dtype, _) => dispatch!(dtype, T => format!("{:?}", tensor.elements_within::<T>(index, 1)[0])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;

    #[test]
    fn small_tensors_print_whole() {
        assert_eq!(Tensor::scalar(1.5f32).to_string(), "tensor<f32> 1.5");
        assert_eq!(Tensor::zeros(DType::I8, [2, 0]).to_string(), "tensor<2x0xi8> []");
        let flags = Tensor::from_vec([2], vec![true, false]).unwrap();
        assert_eq!(flags.to_string(), "tensor<2xi1> [ true, false]");
        let x = Tensor::from_vec([2, 2], vec![0.1f32, -12.0, f32::NAN, 1e30]).unwrap();
        assert_eq!(x.to_string(), "tensor<2x2xf32>\n[[  0.1, -12.0],\n [  NaN,  1e30]]");
        assert_eq!(format!("{:.2}", Tensor::scalar(1.0f64 / 3.0)), "tensor<f64> 0.33");
        let cube = Tensor::iota(DType::I32, [2, 2, 1], 1).unwrap();
        assert_eq!(cube.to_string(), "tensor<2x2x1xi32>\n[[[0],\n  [1]],\n\n [[0],\n  [1]]]");
    }

    #[test]
    fn large_tensors_are_elided() {
        let x = Tensor::iota(DType::I64, [2000], 0).unwrap();
        assert_eq!(x.to_string(), "tensor<2000xi64> [   0,    1,    2, ..., 1997, 1998, 1999]");
        let y = Tensor::iota(DType::U8, [100, 50], 1).unwrap();
        let text = y.to_string();
        assert_eq!(text.lines().count(), 1 + 7);
        assert!(text.contains("\n [ 0,  1,  2, ..., 47, 48, 49],\n ...,\n"), "{text}");
    }
}
