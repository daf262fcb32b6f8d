//! Scalar expressions as elementwise ops, and with them the gradient of every elementwise op.

use crate::build::*;
use crate::compose::{Extent, converted, extents, full, wide};
use std::collections::HashMap;
use thunder_interface::{BinaryFn, Compare, Expr, ExprKind, Scalar, UnaryFn, adjoint, dtype_of, is_compound, type_of};
use thunder_ir::{Builder, Operation, Result, Type, Value};

/// The cotangents of the operands of an elementwise op, given that of its result, by its scalar body.
///
/// Of half precision only what is a single function is computed as such; all else is computed in
/// single precision and rounded once. What the body has in common with its derivative is the result
/// of the op.
pub fn scalar_vjp<'c>(
    b: &Builder<'c>,
    op: Operation<'c>,
    scalar: &dyn Scalar,
    cotangent: Value<'c>,
) -> Result<Vec<Option<Value<'c>>>> {
    let mut values: Vec<Value<'c>> = op.operands().collect();
    let mut inputs = Vec::new();
    for (index, value) in values.iter().enumerate() {
        let dtype = dtype_of(value.ty().element()).filter(|_| value.ty().as_tensor().is_some());
        let dtype = dtype.ok_or_else(|| op.error(format!("has no gradient: operand #{index} is '{}'", value.ty())))?;
        inputs.push(Expr::input(index, dtype));
    }
    let body = scalar.scalar(&inputs);
    let dy = Expr::input(values.len(), body.dtype());
    let cotangents = adjoint(&body, &dy, values.len());
    values.push(cotangent);
    let mut emitter = Emitter {
        b,
        values,
        is_wide: cotangents.iter().flatten().any(is_compound),
        known: HashMap::from([(body.key(), op.result(0))]),
        done: HashMap::new(),
        sizes: None,
    };
    let mut built = Vec::new();
    for (operand, cotangent) in op.operands().zip(&cotangents) {
        let value = match cotangent {
            Some(cotangent) => Some(converted(b, emitter.emit(cotangent)?, operand.ty().element())?),
            None => None,
        };
        built.push(value);
    }
    Ok(built)
}

/// Values of expressions over `values`, in the precision that they have.
pub fn emit<'c>(b: &Builder<'c>, values: Vec<Value<'c>>, expressions: &[Expr]) -> Result<Vec<Value<'c>>> {
    let (known, done) = (HashMap::new(), HashMap::new());
    let mut emitter = Emitter { b, values, is_wide: false, known, done, sizes: None };
    expressions.iter().map(|expr| emitter.emit(expr)).collect()
}

struct Emitter<'a, 'c> {
    b: &'a Builder<'c>,
    /// One per input of the expression.
    values: Vec<Value<'c>>,
    /// Whether half precision is computed in single precision.
    is_wide: bool,
    /// Values that are there already, by node.
    known: HashMap<usize, Value<'c>>,
    done: HashMap<usize, Value<'c>>,
    sizes: Option<Vec<Extent<'c>>>,
}

impl<'c> Emitter<'_, 'c> {
    fn emit(&mut self, expr: &Expr) -> Result<Value<'c>> {
        if let Some(value) = self.done.get(&expr.key()) {
            return Ok(*value);
        }
        let value = self.node(expr)?;
        self.done.insert(expr.key(), value);
        Ok(value)
    }

    fn node(&mut self, expr: &Expr) -> Result<Value<'c>> {
        let b = self.b;
        if let Some(value) = self.known.get(&expr.key()) {
            return self.loaded(*value);
        }
        match expr.kind() {
            ExprKind::Input(index) => self.loaded(self.values[*index]),
            ExprKind::Float(value) => {
                let (element, sizes) = (self.element(expr), self.sizes()?);
                full(b, element, *value, &sizes)
            }
            ExprKind::Int(value) => {
                let ty = Type::tensor(type_of(b.context(), expr.dtype()), &[]);
                let splat = thunder_ir::Attribute::integer(ty.element(), *value);
                let scalar = b.full(&[], splat, ty)?;
                crate::compose::broadcast(b, scalar, &[], &self.sizes()?)
            }
            ExprKind::Unary(function, x) => {
                let x = self.emit(x)?;
                unary(b, *function, x)
            }
            ExprKind::Binary(function, x, y) => {
                let (x, y) = (self.emit(x)?, self.emit(y)?);
                binary(b, *function, x, y)
            }
            ExprKind::Compare(how, x, y) => {
                let (x, y) = (self.emit(x)?, self.emit(y)?);
                match how {
                    Compare::Eq => b.eq(x, y),
                    Compare::Ne => b.ne(x, y),
                    Compare::Lt => b.lt(x, y),
                    Compare::Le => b.le(x, y),
                    Compare::Gt => b.gt(x, y),
                    Compare::Ge => b.ge(x, y),
                }
            }
            ExprKind::Select(condition, yes, no) => {
                let (condition, yes, no) = (self.emit(condition)?, self.emit(yes)?, self.emit(no)?);
                b.where_(condition, yes, no)
            }
            ExprKind::Convert(x) => {
                let x = self.emit(x)?;
                let rounded = converted(b, x, type_of(b.context(), expr.dtype()))?;
                self.loaded(rounded)
            }
            ExprKind::Bitcast(inner) => {
                let x = self.emit(inner)?;
                let stored = converted(b, x, type_of(b.context(), inner.dtype()))?;
                let dims = x.ty().as_tensor().map(|ty| ty.dims()).unwrap_or_default();
                let bits = b.bitcast(stored, Type::tensor(type_of(b.context(), expr.dtype()), &dims))?;
                self.loaded(bits)
            }
        }
    }

    /// A value in the precision to compute in.
    fn loaded(&self, value: Value<'c>) -> Result<Value<'c>> {
        if self.is_wide { converted(self.b, value, wide(value.ty().element())) } else { Ok(value) }
    }

    fn element(&self, expr: &Expr) -> Type<'c> {
        let element = type_of(self.b.context(), expr.dtype());
        if self.is_wide { wide(element) } else { element }
    }

    /// The sizes that all operands have.
    fn sizes(&mut self) -> Result<Vec<Extent<'c>>> {
        if self.sizes.is_none() {
            self.sizes = Some(extents(self.b, self.values[0])?);
        }
        Ok(self.sizes.clone().unwrap_or_default())
    }
}

/// One function a line: the scalar one, and the op that does it to all elements.
macro_rules! functions {
    ($name:ident $kind:ident [$($x:ident)*] $arguments:tt: $($function:ident $method:ident),* $(,)?) => {
        fn $name<'c>(b: &Builder<'c>, function: $kind, $($x: Value<'c>),*) -> Result<Value<'c>> {
            match function {
                $($kind::$function => b.$method $arguments,)*
            }
        }
    };
}

functions! { unary UnaryFn [x] (x):
    Neg neg, Abs abs, Not not, Sign sign, Ceil ceil, Floor floor, Round round, Trunc trunc, Sqrt sqrt, Rsqrt rsqrt,
    Exp exp, Exp2 exp2, Expm1 expm1, Log log, Log2 log2, Log10 log10, Log1p log1p, Sin sin, Cos cos, Tan tan,
    Asin asin, Acos acos, Atan atan, Sinh sinh, Cosh cosh, Tanh tanh, Asinh asinh, Acosh acosh, Atanh atanh,
    Erf erf, Erfc erfc,
}

functions! { binary BinaryFn [x y] (x, y):
    Add add, Sub sub, Mul mul, Div div, Rem rem, Pow pow, Atan2 atan2, Max maximum, Min minimum, And and, Or or,
    Xor xor, ShiftLeft shift_left, ShiftRight shift_right,
}
