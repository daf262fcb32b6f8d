//! Scalar expressions with operators, as `Scalar` bodies write them.

use std::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Neg, Not, Rem, Sub};
use std::rc::Rc;
use thunder_tensor::DType;

/// A scalar expression; cheap to clone, shared parts stay shared.
#[derive(Clone, Debug)]
pub struct Expr(Rc<Node>);

#[derive(Debug)]
struct Node {
    dtype: DType,
    kind: ExprKind,
}

/// What an expression does.
#[derive(Clone, Debug)]
pub enum ExprKind {
    /// The element of operand number so and so.
    Input(usize),
    /// A floating-point constant.
    Float(f64),
    /// An integer or truth-value constant.
    Int(i64),
    /// A function of one argument.
    Unary(UnaryFn, Expr),
    /// A function of two arguments of one dtype.
    Binary(BinaryFn, Expr, Expr),
    /// A comparison; false where a NaN takes part, but for `Ne`.
    Compare(Compare, Expr, Expr),
    /// The second where the first is true, else the third.
    Select(Expr, Expr, Expr),
    /// A conversion to the expression's dtype, as `Tensor::cast` does it.
    Convert(Expr),
    /// The bits of a value as one of the expression's dtype, which has as many.
    Bitcast(Expr),
}

/// A function of one argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the field's standard names")]
pub enum UnaryFn {
    Neg,
    Abs,
    Not,
    Sign,
    Ceil,
    Floor,
    /// To the nearest integer, halves to even.
    Round,
    Trunc,
    Sqrt,
    Rsqrt,
    Exp,
    Exp2,
    Expm1,
    Log,
    Log2,
    Log10,
    Log1p,
    Sin,
    Cos,
    Tan,
    Asin,
    Acos,
    Atan,
    Sinh,
    Cosh,
    Tanh,
    Asinh,
    Acosh,
    Atanh,
    Erf,
    Erfc,
}

/// A function of two arguments of one dtype.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the field's standard names")]
pub enum BinaryFn {
    Add,
    Sub,
    Mul,
    /// Integers truncate toward zero.
    Div,
    /// The remainder with the sign of the dividend, C's `fmod`.
    Rem,
    Pow,
    Atan2,
    /// NaN if either is.
    Max,
    /// NaN if either is.
    Min,
    And,
    Or,
    Xor,
    ShiftLeft,
    /// Arithmetic for signed integers.
    ShiftRight,
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the field's standard names")]
pub enum Compare {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

impl Expr {
    fn new(dtype: DType, kind: ExprKind) -> Self {
        Self(Rc::new(Node { dtype, kind }))
    }

    /// The element of operand `index`.
    pub fn input(index: usize, dtype: DType) -> Self {
        Self::new(dtype, ExprKind::Input(index))
    }

    /// The dtype of its value.
    pub fn dtype(&self) -> DType {
        self.0.dtype
    }

    /// What it does.
    pub fn kind(&self) -> &ExprKind {
        &self.0.kind
    }

    /// An identity of the shared node, for evaluating shared parts once.
    pub fn key(&self) -> usize {
        Rc::as_ptr(&self.0) as usize
    }

    /// A constant of the same dtype.
    pub fn constant(&self, value: f64) -> Self {
        Self::constant_of(self.dtype(), value)
    }

    /// A constant of a dtype.
    pub fn constant_of(dtype: DType, value: f64) -> Self {
        if dtype.has_fractions() {
            Self::new(dtype, ExprKind::Float(value))
        } else {
            Self::new(dtype, ExprKind::Int(value as i64))
        }
    }

    /// An integer constant of a dtype, exact for all 64-bit values.
    pub fn integer(dtype: DType, value: i64) -> Self {
        Self::new(dtype, ExprKind::Int(value))
    }

    /// A function of it.
    pub fn unary(&self, function: UnaryFn) -> Self {
        Self::new(self.dtype(), ExprKind::Unary(function, self.clone()))
    }

    /// A function of it and another of the same dtype.
    #[track_caller]
    pub fn binary(&self, function: BinaryFn, other: &Expr) -> Self {
        assert_eq!(self.dtype(), other.dtype(), "the arguments of {function:?} have one dtype");
        Self::new(self.dtype(), ExprKind::Binary(function, self.clone(), other.clone()))
    }

    /// A comparison with another of the same dtype.
    #[track_caller]
    pub fn compare(&self, how: Compare, other: &Expr) -> Self {
        assert_eq!(self.dtype(), other.dtype(), "the sides of {how:?} have one dtype");
        Self::new(DType::Bool, ExprKind::Compare(how, self.clone(), other.clone()))
    }

    /// `yes` where it is true, else `no`.
    #[track_caller]
    pub fn select(&self, yes: &Expr, no: &Expr) -> Self {
        assert_eq!(self.dtype(), DType::Bool, "a selection is by a truth value");
        assert_eq!(yes.dtype(), no.dtype(), "the branches of a selection have one dtype");
        Self::new(yes.dtype(), ExprKind::Select(self.clone(), yes.clone(), no.clone()))
    }

    /// Its value in another dtype.
    pub fn convert(&self, dtype: DType) -> Self {
        if dtype == self.dtype() {
            return self.clone();
        }
        Self::new(dtype, ExprKind::Convert(self.clone()))
    }

    /// Its bits as a value of another dtype of the same size.
    #[track_caller]
    pub fn bitcast(&self, dtype: DType) -> Self {
        assert_eq!(self.dtype().size(), dtype.size(), "bits are those of a dtype of the same size");
        if dtype == self.dtype() {
            return self.clone();
        }
        Self::new(dtype, ExprKind::Bitcast(self.clone()))
    }

    /// The larger of both, NaN if either is.
    #[track_caller]
    pub fn max(&self, other: &Expr) -> Self {
        self.binary(BinaryFn::Max, other)
    }

    /// The smaller of both, NaN if either is.
    #[track_caller]
    pub fn min(&self, other: &Expr) -> Self {
        self.binary(BinaryFn::Min, other)
    }
}

macro_rules! operators {
    ($($trait:ident $method:ident $function:ident),*) => {$(
        impl $trait for Expr {
            type Output = Expr;
            #[track_caller]
            fn $method(self, other: Expr) -> Expr {
                self.binary(BinaryFn::$function, &other)
            }
        }
        impl $trait for &Expr {
            type Output = Expr;
            #[track_caller]
            fn $method(self, other: &Expr) -> Expr {
                self.binary(BinaryFn::$function, other)
            }
        }
    )*};
}

operators!(Add add Add, Sub sub Sub, Mul mul Mul, Div div Div, Rem rem Rem, BitAnd bitand And,
    BitOr bitor Or, BitXor bitxor Xor);

impl Neg for &Expr {
    type Output = Expr;
    fn neg(self) -> Expr {
        self.unary(UnaryFn::Neg)
    }
}

impl Not for &Expr {
    type Output = Expr;
    fn not(self) -> Expr {
        self.unary(UnaryFn::Not)
    }
}
