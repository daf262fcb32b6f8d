//! The vocabulary of complex numbers: ops on them in terms of ops on their real and imaginary parts.

mod functions;

use crate::build::*;
use crate::compose::{Extent, converted, extents, full, reshape};
use crate::emit::emit;
use crate::ops::slice::END;
use thunder_interface::{Expr, Scalar, dtype_of, is_complex, type_of};
use thunder_ir::op::Op;
use thunder_ir::{Blueprint, Builder, Result, Type, Value};

/// The real and the imaginary part of complex numbers.
pub fn parts<'c>(b: &Builder<'c>, z: Value<'c>) -> Result<[Value<'c>; 2]> {
    Ok([b.real(z)?, b.imag(z)?])
}

/// The element type of the parts of complex numbers; others are their own.
pub fn part_type(element: Type<'_>) -> Type<'_> {
    dtype_of(element).map_or(element, |dtype| type_of(element.context(), dtype.part()))
}

/// An op that does the same to real parts as to imaginary ones, done to each.
pub fn apart<'b>(b: &Builder<'b>, op: &impl Op<'b>) -> Result<Vec<Value<'b>>> {
    let op = op.operation();
    let ty = op.result(0).ty();
    let ty = ty.as_tensor().map_or(ty, |tensor| tensor.with_element(part_type(tensor.element())));
    let mut halves = Vec::new();
    for part in [Builder::real, Builder::imag] {
        let mut operands = Vec::new();
        for operand in op.operands() {
            operands.push(if is_complex(operand.ty()) { part(b, operand)? } else { operand });
        }
        let half = Blueprint::new(op.name()).operands(operands).results([ty]);
        let half = op.attributes().into_iter().fold(half, |half, (name, value)| half.attribute(name, value));
        halves.push(b.insert(&half)?.result(0));
    }
    Ok(vec![b.complex(halves[0], halves[1])?])
}

/// Says of ops that they do the same to real parts as to imaginary ones.
macro_rules! parts_apart {
    ($($op:ident),*) => {$(
        impl thunder_interface::Parts for $op<'_> {
            fn by_parts<'b>(&'b self, b: &Builder<'b>) -> Result<Vec<Value<'b>>> {
                $crate::complex::apart(b, self)
            }
        }
    )*};
}
pub(crate) use parts_apart;

/// Says of elementwise ops that their scalar bodies have a meaning on complex numbers.
macro_rules! parts_elementwise {
    ($($op:ident),*) => {$(
        impl thunder_interface::Parts for $op<'_> {
            fn by_parts<'b>(&'b self, b: &Builder<'b>) -> Result<Vec<Value<'b>>> {
                $crate::complex::elementwise(b, self)
            }
        }
    )*};
}
pub(crate) use parts_elementwise;

/// An elementwise op by its scalar body.
pub fn elementwise<'b>(b: &Builder<'b>, op: &(impl Op<'b> + Scalar)) -> Result<Vec<Value<'b>>> {
    let operation = op.operation();
    let (mut inputs, mut values) = (Vec::new(), Vec::new());
    for (index, value) in operation.operands().enumerate() {
        let dtype = dtype_of(value.ty().element()).ok_or_else(|| op.error("has operands of no known dtype"))?;
        inputs.push(Expr::input(index, dtype));
        values.extend(if dtype.is_complex() { parts(b, value)? } else { [value; 2] });
    }
    let [re, im] = functions::parts(&op.scalar(&inputs)).map_err(|why| op.error(why))?;
    let wanted = if is_complex(operation.result(0).ty()) { vec![re, im] } else { vec![re] };
    match emit(b, values, &wanted)?[..] {
        [re, im] => Ok(vec![b.complex(re, im)?]),
        [real] => Ok(vec![real]),
        _ => Err(op.error("internal: a number has one or two parts")),
    }
}

/// The bilinear op `product` of complex operands: four products of their parts.
pub fn bilinear<'c>(
    b: &Builder<'c>,
    [x, y]: [Value<'c>; 2],
    product: impl Fn(Value<'c>, Value<'c>) -> Result<Value<'c>>,
) -> Result<Value<'c>> {
    let ([a, b_], [c, d]) = (parts(b, x)?, parts(b, y)?);
    // (a + ib) (c + id) == (ac - bd) + i (ad + bc)
    let re = b.sub(product(a, c)?, product(b_, d)?)?;
    let im = b.add(product(a, d)?, product(b_, c)?)?;
    b.complex(re, im)
}

/// What `moduli` makes of absolute values and `angles` of angles, as complex numbers again: of products the products
/// and the sums. It is computed in double precision.
pub fn polar<'c>(
    b: &Builder<'c>,
    z: Value<'c>,
    moduli: impl FnOnce(Value<'c>) -> Result<Value<'c>>,
    angles: impl FnOnce(Value<'c>) -> Result<Value<'c>>,
) -> Result<Value<'c>> {
    let wide = Type::f64(b.context());
    let part = part_type(z.ty().element());
    let [x, y] = parts(b, z)?;
    let (x, y) = (converted(b, x, wide)?, converted(b, y, wide)?);
    let square = b.add(b.mul(x, x)?, b.mul(y, y)?)?;
    // Zero has no direction; what stands for it has slopes of zero.
    let sizes = extents(b, square)?;
    let (zero, one) = (full(b, wide, 0.0, &sizes)?, full(b, wide, 1.0, &sizes)?);
    let is_zero = b.eq(square, zero)?;
    let modulus = moduli(b.where_(is_zero, zero, b.sqrt(b.where_(is_zero, one, square)?)?)?)?;
    let angle = angles(b.atan2(y, b.where_(is_zero, one, x)?)?)?;
    let (re, im) = (b.mul(modulus, b.cos(angle)?)?, b.mul(modulus, b.sin(angle)?)?);
    b.complex(converted(b, re, part)?, converted(b, im, part)?)
}

/// Complex numbers as pairs of real ones along a last dimension.
pub fn to_pairs<'c>(b: &Builder<'c>, z: Value<'c>) -> Result<Value<'c>> {
    let sizes = [extents(b, z)?, vec![Extent::Known(1)]].concat();
    let [re, im] = parts(b, z)?;
    b.concat(&[reshape(b, re, &sizes)?, reshape(b, im, &sizes)?], sizes.len() as i64 - 1)
}

/// Pairs of real numbers along the last dimension as complex ones.
pub fn of_pairs<'c>(b: &Builder<'c>, x: Value<'c>) -> Result<Value<'c>> {
    let mut sizes = extents(b, x)?;
    sizes.pop();
    let rank = sizes.len() + 1;
    let part = |index: i64| {
        let (mut start, mut limit) = (vec![0; rank], vec![END; rank]);
        (start[rank - 1], limit[rank - 1]) = (index, index + 1);
        reshape(b, b.slice(x, start, limit, vec![1; rank])?, &sizes)
    };
    b.complex(part(0)?, part(1)?)
}
