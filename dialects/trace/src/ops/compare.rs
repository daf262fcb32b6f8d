//! Questions about elements, answered with truth values.

use std::panic::Location;

use thunder_dialect::build::*;

use crate::promote::float_type;
use crate::{Operand, Tensor};

/// Defines comparisons. Each line: docs and name.
macro_rules! compare {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        impl<'t> Tensor<'t> {$(
            $(#[$doc])*
            #[track_caller]
            pub fn $name(self, other: impl Into<Operand<'t>>) -> Self {
                let _at = self.site.at(Location::caller());
                let operands = [self.into(), other.into()];
                let [x, y] = self.site.unified(operands, self.site.common_dtype(&operands));
                self.site.op(&[x, y], |b| b.$name(x.value, y.value))
            }
        )*}
    };
}

compare! {
    /// Whether two values are equal; NaN equals nothing.
    eq;
    /// Whether two values differ; NaN differs from everything.
    ne;
    /// Whether a value is less than another.
    lt;
    /// Whether a value is less than another, or equal.
    le;
    /// Whether a value is greater than another.
    gt;
    /// Whether a value is greater than another, or equal.
    ge;
}

/// Defines classes of floats. Each line: docs and name.
macro_rules! classify {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        impl<'t> Tensor<'t> {$(
            $(#[$doc])*
            #[track_caller]
            pub fn $name(self) -> Self {
                let _at = self.site.at(Location::caller());
                let x = self.converted(float_type(self.dtype()));
                x.site.op(&[x], |b| b.$name(x.value))
            }
        )*}
    };
}

classify! {
    /// Whether a value is not a number.
    isnan;
    /// Whether a value is infinite.
    isinf;
    /// Whether a value is a number and finite.
    isfinite;
}
