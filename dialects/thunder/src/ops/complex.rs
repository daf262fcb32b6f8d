//! Complex numbers from real ones, and real ones from complex ones.

use crate::cotangent::only;
use crate::{fold_constants, fold_to, infer_elements, one_shape, producer};
use thunder_interface::{
    Cost, Differentiate, Dim, Dtypes, EvalError, Precision, PrecisionClass, Reference, SampleSet, Samples, ShapeInputs,
    ShapeRule, dtype_of, type_of,
};
use thunder_ir::prelude::*;
use thunder_tensor::{DType, Tensor as HostTensor};

/// Complex numbers from their real and their imaginary parts.
///
/// - (C1) both operands are tensors of `f32`, or both of `f64`
/// - (C2) both operands have one shape
///
/// ```mlir
/// %z = thunder.complex %x, %y : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xcomplex<f32>>
/// ```
#[op(
    "thunder.complex",
    pure,
    elementwise,
    infer,
    fold,
    interfaces(Reference, ShapeRule, Differentiate, Cost, Precision)
)]
pub struct Complex {
    /// The real part.
    #[c(1)]
    re: Operand<Tensor<Either<F32, F64>>>,
    /// The imaginary part.
    #[c(1)]
    im: Operand<Tensor<Either<F32, F64>>>,
    out: Produces<Tensor<ComplexNumber>>,
}

impl<'c> Infer<'c> for Complex<'c> {
    fn infer(&self) -> Result<Vec<Type<'c>>> {
        let [re, im] = [self.re(), self.im()].map(|part| part.ty().element());
        let dtype = dtype_of(re).filter(|_| re == im).and_then(|dtype| dtype.complex());
        let dtype = dtype.ok_or_else(|| self.error(format!("(C1) '{re}' and '{im}' are no parts of a number")))?;
        infer_elements(self, &[type_of(self.context(), dtype)])
    }
}

impl ShapeRule for Complex<'_> {
    fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
        Ok(vec![one_shape(self, inputs, "(C2)")?])
    }
}

impl Reference for Complex<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        Ok(vec![HostTensor::of_parts(&inputs[0], &inputs[1])?])
    }
}

impl<'c> Differentiate<'c> for Complex<'c> {
    fn vjp(&self, b: &Builder<'c>, cotangents: &[Option<Value<'c>>]) -> Result<Vec<Option<Value<'c>>>> {
        let dz = only(cotangents)?;
        Ok(vec![Some(b.real(dz)?), Some(b.imag(dz)?)])
    }
}

impl<'c> Fold<'c> for Complex<'c> {
    fn fold(&self, constants: &[Option<Attribute<'c>>]) -> Option<FoldOutcome<'c>> {
        // complex(real(z), imag(z)) == z
        let (re, im) = (producer::<Real<'c>>(self.re()), producer::<Imag<'c>>(self.im()));
        if let (Some(re), Some(im)) = (re, im)
            && re.operand() == im.operand()
        {
            return fold_to(self, re.operand());
        }
        fold_constants(self, constants)
    }
}

impl Cost for Complex<'_> {
    fn flops(&self, _: &[Vec<i64>], _: &[Vec<i64>]) -> f64 {
        0.0
    }
}

impl Precision for Complex<'_> {
    fn precision(&self) -> PrecisionClass {
        PrecisionClass::Widen
    }
}

impl Samples for Complex<'_> {
    fn samples(s: &mut SampleSet) {
        for (dims, shape) in super::binary::SHAPES {
            let (ty, out) = (format!("tensor<{dims}$T>"), format!("tensor<{dims}complex<$T>>"));
            let body = format!("%z = thunder.complex %x, %y : ({ty}, {ty}) -> {out}\n  return %z : {out}");
            s.add(PARTS, &format!("(%x: {ty}, %y: {ty}) -> {out}"), &body, &[shape, shape]);
        }
    }
}

/// What parts of complex numbers may be.
const PARTS: Dtypes = Dtypes(&[DType::F32, DType::F64]);

/// Defines a part of complex numbers. Each line: docs, struct, name, an example, the part's number, and the complex
/// number that has a given cotangent for that part only.
macro_rules! parts {
    ($($(#[$doc:meta])* $op:ident $name:literal $example:tt $field:ident $part:literal,
        |$b:ident, $dx:ident, $zero:ident| $cotangent:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// - (C1) the operand is a tensor of complex numbers
        ///
        /// ```mlir
        #[doc = $example]
        /// ```
        #[op($name, pure, elementwise, infer, fold,
            interfaces(Reference, ShapeRule, Differentiate, Cost, Precision))]
        pub struct $op {
            #[c(1)]
            operand: Operand<Tensor<ComplexNumber>>,
            out: Produces<Tensor<Either<F32, F64>>>,
        }

        impl<'c> Infer<'c> for $op<'c> {
            fn infer(&self) -> Result<Vec<Type<'c>>> {
                infer_elements(self, &[crate::complex::part_type(self.operand().ty().element())])
            }
        }

        impl ShapeRule for $op<'_> {
            fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
                Ok(inputs.operands.clone())
            }
        }

        impl Reference for $op<'_> {
            fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
                let parts = inputs[0].parts();
                Ok(vec![parts[$part].clone()])
            }
        }

        impl<'c> Differentiate<'c> for $op<'c> {
            fn vjp(&self, $b: &Builder<'c>, cotangents: &[Option<Value<'c>>]) -> Result<Vec<Option<Value<'c>>>> {
                let $dx = only(cotangents)?;
                let $zero = crate::zeros_like($b, $dx)?;
                Ok(vec![Some($cotangent?)])
            }
        }

        impl<'c> Fold<'c> for $op<'c> {
            fn fold(&self, constants: &[Option<Attribute<'c>>]) -> Option<FoldOutcome<'c>> {
                // The part of what is made of parts is there already.
                if let Some(whole) = producer::<Complex<'c>>(self.operand()) {
                    return fold_to(self, whole.$field());
                }
                fold_constants(self, constants)
            }
        }

        impl Cost for $op<'_> {
            fn flops(&self, _: &[Vec<i64>], _: &[Vec<i64>]) -> f64 {
                0.0
            }
        }

        impl Precision for $op<'_> {}

        impl Samples for $op<'_> {
            fn samples(s: &mut SampleSet) {
                for (dims, shape) in super::binary::SHAPES {
                    let (ty, z) = (format!("tensor<{dims}$T>"), format!("tensor<{dims}complex<$T>>"));
                    let body = format!("%r = {} %z : {z} -> {ty}\n  return %r : {ty}", $name);
                    s.add(PARTS, &format!("(%z: {z}) -> {ty}"), &body, &[shape]);
                }
            }
        }
    )*};
}

parts! {
    /// Real parts of complex numbers.
    Real "thunder.real" "%x = thunder.real %z : tensor<4xcomplex<f32>> -> tensor<4xf32>" re 0,
        |b, dx, zero| b.complex(dx, zero);

    /// Imaginary parts of complex numbers.
    Imag "thunder.imag" "%y = thunder.imag %z : tensor<4xcomplex<f32>> -> tensor<4xf32>" im 1,
        |b, dx, zero| b.complex(zero, dx);
}
