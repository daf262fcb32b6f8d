//! Sizes as models name them: numbers, symbols, and expressions over symbols.

use std::fmt;
use std::ops;
use std::rc::Rc;

use thunder_interface::{Dim as Size, DimExpr};

/// The size of a dimension while a model is traced.
///
/// A symbol stands for a size that is not known before the program runs; the same name is the same
/// size, which the program checks.
///
/// ```
/// use thunder_trace::Dim;
/// let batch = Dim::new("batch");
/// assert_eq!((&batch * 4 + 1).to_string(), "batch * 4 + 1");
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Dim(Expr);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Expr {
    Known(i64),
    Symbol(Rc<str>),
    Binary(Operator, Rc<(Dim, Dim)>),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Operator {
    Add,
    Sub,
    Mul,
    Div,
    Max,
}

impl Dim {
    /// The symbol of this name.
    pub fn new(name: &str) -> Self {
        Self(Expr::Symbol(name.into()))
    }

    /// The number, if it is one.
    pub fn known(&self) -> Option<i64> {
        match self.0 {
            Expr::Known(size) => Some(size),
            _ => None,
        }
    }

    /// The name, if it is a symbol.
    pub fn symbol(&self) -> Option<&str> {
        match &self.0 {
            Expr::Symbol(name) => Some(name),
            _ => None,
        }
    }

    /// The larger of two sizes.
    pub fn max(&self, other: &Dim) -> Self {
        self.combine(Operator::Max, other)
    }

    /// The least and the greatest value of this size, as far as they follow from every symbol being from 1 on.
    pub fn bounds(&self) -> (Option<i64>, Option<i64>) {
        let (operator, operands) = match &self.0 {
            Expr::Known(size) => return (Some(*size), Some(*size)),
            Expr::Symbol(_) => return (Some(1), None),
            Expr::Binary(operator, operands) => (*operator, operands),
        };
        let ((a_least, a_most), (b_least, b_most)) = (operands.0.bounds(), operands.1.bounds());
        let both = |a: Option<i64>, b: Option<i64>, of: fn(i64, i64) -> Option<i64>| of(a?, b?);
        let are_sizes = a_least >= Some(0) && b_least >= Some(0);
        match operator {
            Operator::Add => (both(a_least, b_least, i64::checked_add), both(a_most, b_most, i64::checked_add)),
            Operator::Sub => (both(a_least, b_most, i64::checked_sub), both(a_most, b_least, i64::checked_sub)),
            Operator::Mul if are_sizes => {
                (both(a_least, b_least, i64::checked_mul), both(a_most, b_most, i64::checked_mul))
            }
            Operator::Div if are_sizes && b_least >= Some(1) => {
                (both(a_least, b_most, i64::checked_div).or(Some(0)), both(a_most, b_least, i64::checked_div))
            }
            Operator::Max => (a_least.max(b_least), both(a_most, b_most, |a, b| Some(a.max(b)))),
            Operator::Mul | Operator::Div => (None, None),
        }
    }

    fn combine(&self, operator: Operator, other: &Dim) -> Self {
        if let (Some(a), Some(b)) = (self.known(), other.known())
            && let Some(size) = operator.of(a, b)
        {
            return size.into();
        }
        Self(Expr::Binary(operator, Rc::new((self.clone(), other.clone()))))
    }

    /// The size over numbered symbols; the name of a symbol that has no number is the error.
    pub(crate) fn resolve(&self, number: &impl Fn(&str) -> Option<u32>) -> Result<Size, String> {
        Ok(match &self.0 {
            Expr::Known(size) => Size::Known(*size),
            Expr::Symbol(name) => Size::symbol(number(name).ok_or_else(|| name.to_string())?),
            Expr::Binary(operator, operands) => {
                let (a, b) = (operands.0.resolve(number)?, operands.1.resolve(number)?);
                match operator {
                    Operator::Add => a.add(&b),
                    Operator::Sub => a.sub(&b),
                    Operator::Mul => a.mul(&b),
                    Operator::Div => a.floor_div(&b),
                    Operator::Max => a.max(&b),
                }
            }
        })
    }

    /// A size over numbered symbols by their names.
    pub(crate) fn named(size: &Size, name: &impl Fn(u32) -> Rc<str>) -> Self {
        let binary = |operator, a, b| Self::named(a, name).combine(operator, &Self::named(b, name));
        match size {
            Size::Known(size) => (*size).into(),
            Size::Unknown => Self::new("?"),
            Size::Expr(expr) => match &**expr {
                DimExpr::Symbol(number) => Self(Expr::Symbol(name(*number))),
                DimExpr::Add(a, b) => binary(Operator::Add, a, b),
                DimExpr::Sub(a, b) => binary(Operator::Sub, a, b),
                DimExpr::Mul(a, b) => binary(Operator::Mul, a, b),
                DimExpr::FloorDiv(a, b) => binary(Operator::Div, a, b),
                DimExpr::Max(a, b) => binary(Operator::Max, a, b),
            },
        }
    }
}

impl Operator {
    fn of(self, a: i64, b: i64) -> Option<i64> {
        match self {
            Self::Add => a.checked_add(b),
            Self::Sub => a.checked_sub(b),
            Self::Mul => a.checked_mul(b),
            Self::Div => (b != 0).then(|| a.div_euclid(b)),
            Self::Max => Some(a.max(b)),
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Max => "max",
        }
    }

    fn binds_tighter(self) -> bool {
        matches!(self, Self::Mul | Self::Div)
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (operator, operands) = match &self.0 {
            Expr::Known(size) => return write!(f, "{size}"),
            Expr::Symbol(name) => return f.write_str(name),
            Expr::Binary(operator, operands) => (*operator, operands),
        };
        if operator == Operator::Max {
            return write!(f, "max({}, {})", operands.0, operands.1);
        }
        // A sum inside a product needs parentheses, and so does anything but an atom on the right.
        let part = |f: &mut fmt::Formatter<'_>, dim: &Dim, is_right: bool| match &dim.0 {
            Expr::Binary(inner, _)
                if *inner != Operator::Max && (is_right || operator.binds_tighter() && !inner.binds_tighter()) =>
            {
                write!(f, "({dim})")
            }
            _ => write!(f, "{dim}"),
        };
        part(f, &operands.0, false)?;
        write!(f, " {} ", operator.text())?;
        part(f, &operands.1, true)
    }
}

impl fmt::Debug for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! operators {
    ($($trait:ident $method:ident $operator:ident;)*) => {$(
        impl<D: Into<Dim>> ops::$trait<D> for Dim {
            type Output = Dim;
            fn $method(self, other: D) -> Dim {
                self.combine(Operator::$operator, &other.into())
            }
        }

        impl<D: Into<Dim>> ops::$trait<D> for &Dim {
            type Output = Dim;
            fn $method(self, other: D) -> Dim {
                self.combine(Operator::$operator, &other.into())
            }
        }
    )*};
}

operators! {
    Add add Add;
    Sub sub Sub;
    Mul mul Mul;
    Div div Div;
}

impl From<i64> for Dim {
    fn from(size: i64) -> Self {
        Self(Expr::Known(size))
    }
}

impl From<i32> for Dim {
    fn from(size: i32) -> Self {
        i64::from(size).into()
    }
}

impl From<usize> for Dim {
    fn from(size: usize) -> Self {
        // No tensor is that large: saying so is left to the op.
        i64::try_from(size).unwrap_or(i64::MAX).into()
    }
}

impl From<&Dim> for Dim {
    fn from(dim: &Dim) -> Self {
        dim.clone()
    }
}

/// A list of sizes: an array or slice of one kind, or a tuple of several, such as `(&batch, 12, -1)`.
pub trait Dims {
    /// The sizes in order.
    fn dims(self) -> Vec<Dim>;
}

impl<D: Into<Dim>, const N: usize> Dims for [D; N] {
    fn dims(self) -> Vec<Dim> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<D: Into<Dim>> Dims for Vec<D> {
    fn dims(self) -> Vec<Dim> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<D: Clone + Into<Dim>> Dims for &[D] {
    fn dims(self) -> Vec<Dim> {
        self.iter().cloned().map(Into::into).collect()
    }
}

impl Dims for () {
    fn dims(self) -> Vec<Dim> {
        Vec::new()
    }
}

macro_rules! tuples {
    ($(($($part:ident)*))*) => {$(
        impl<$($part: Into<Dim>),*> Dims for ($($part,)*) {
            fn dims(self) -> Vec<Dim> {
                #[allow(non_snake_case, reason = "a variable per type")]
                let ($($part,)*) = self;
                vec![$($part.into()),*]
            }
        }
    )*};
}

tuples! { (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) }
