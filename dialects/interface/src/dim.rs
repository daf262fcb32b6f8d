//! Sizes of dimensions: known, symbolic, or not known at all.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

thread_local! {
    static EQUALITIES: RefCell<Option<Vec<(Dim, Dim)>>> = const { RefCell::new(None) };
}

/// Runs shape rules, and returns the pairs of sizes whose equality they took for granted.
pub fn collect_equalities<T>(body: impl FnOnce() -> T) -> (T, Vec<(Dim, Dim)>) {
    let outer = EQUALITIES.replace(Some(Vec::new()));
    let value = body();
    let found = EQUALITIES.replace(outer).unwrap_or_default();
    (value, found)
}

/// The size of one dimension.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Dim {
    /// A number.
    Known(i64),
    /// Not known, and not named either.
    Unknown,
    /// An expression over symbols.
    Expr(Rc<DimExpr>),
}

/// An expression over symbols; never a constant, which is [`Dim::Known`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DimExpr {
    /// The symbol of this number.
    Symbol(u32),
    /// A sum.
    Add(Dim, Dim),
    /// A difference.
    Sub(Dim, Dim),
    /// A product.
    Mul(Dim, Dim),
    /// A quotient rounded down.
    FloorDiv(Dim, Dim),
    /// The larger of two.
    Max(Dim, Dim),
}

impl Dim {
    /// A size as MLIR has it.
    pub fn of(size: Option<i64>) -> Self {
        size.map_or(Self::Unknown, Self::Known)
    }

    /// A symbol.
    pub fn symbol(number: u32) -> Self {
        Self::Expr(Rc::new(DimExpr::Symbol(number)))
    }

    /// The number, if it is known.
    pub fn known(&self) -> Option<i64> {
        match self {
            Self::Known(size) => Some(*size),
            _ => None,
        }
    }

    /// The one size that both stand for: an error sentence where they are known to differ.
    ///
    /// That two expressions are equal is believed, and told to [`collect_equalities`].
    pub fn unify(&self, other: &Dim) -> Result<Dim, String> {
        if self != other && *self != Self::Unknown && *other != Self::Unknown {
            EQUALITIES.with_borrow_mut(|equalities| {
                if let Some(equalities) = equalities {
                    equalities.push((self.clone(), other.clone()));
                }
            });
        }
        match (self, other) {
            (Self::Known(a), Self::Known(b)) if a != b => Err(format!("{a} and {b}")),
            (Self::Known(_), _) => Ok(self.clone()),
            (_, Self::Known(_)) | (Self::Unknown, _) => Ok(other.clone()),
            _ => Ok(self.clone()),
        }
    }

    fn combine(&self, other: &Dim, known: fn(i64, i64) -> Option<i64>, expr: fn(Dim, Dim) -> DimExpr) -> Dim {
        match (self, other) {
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Known(a), Self::Known(b)) => known(*a, *b).map_or(Self::Unknown, Self::Known),
            _ => Self::Expr(Rc::new(expr(self.clone(), other.clone()))),
        }
    }

    /// The sum.
    pub fn add(&self, other: &Dim) -> Dim {
        match (self, other) {
            (Self::Known(0), x) | (x, Self::Known(0)) => x.clone(),
            _ => self.combine(other, i64::checked_add, DimExpr::Add),
        }
    }

    /// The difference.
    pub fn sub(&self, other: &Dim) -> Dim {
        match other {
            Self::Known(0) => self.clone(),
            _ => self.combine(other, i64::checked_sub, DimExpr::Sub),
        }
    }

    /// The product.
    pub fn mul(&self, other: &Dim) -> Dim {
        match (self, other) {
            (Self::Known(1), x) | (x, Self::Known(1)) => x.clone(),
            (Self::Known(0), _) | (_, Self::Known(0)) => Self::Known(0),
            _ => self.combine(other, i64::checked_mul, DimExpr::Mul),
        }
    }

    /// The quotient rounded down; unknown for a divisor of zero.
    pub fn floor_div(&self, other: &Dim) -> Dim {
        match other {
            Self::Known(1) => self.clone(),
            _ => self.combine(other, |a, b| (b != 0).then(|| a.div_euclid(b)), DimExpr::FloorDiv),
        }
    }

    /// The larger of both.
    pub fn max(&self, other: &Dim) -> Dim {
        self.combine(other, |a, b| Some(a.max(b)), DimExpr::Max)
    }

    /// The smaller of both.
    pub fn min(&self, other: &Dim) -> Dim {
        self.sub(&self.sub(other).max(&Dim::Known(0)))
    }

    /// The quotient rounded up, by a positive number.
    pub fn ceil_div(&self, divisor: i64) -> Dim {
        if let Self::Known(size) = self {
            return Self::Known(size.div_euclid(divisor) + i64::from(size.rem_euclid(divisor) != 0));
        }
        self.add(&Dim::Known(divisor - 1)).floor_div(&Dim::Known(divisor))
    }

    /// The product of sizes: the number of elements.
    pub fn product(dims: &[Dim]) -> Dim {
        dims.iter().fold(Dim::Known(1), |product, dim| product.mul(dim))
    }

    /// Whether a symbol occurs in it.
    pub fn mentions(&self, symbol: u32) -> bool {
        let Self::Expr(expr) = self else { return false };
        match &**expr {
            DimExpr::Symbol(number) => *number == symbol,
            DimExpr::Add(a, b)
            | DimExpr::Sub(a, b)
            | DimExpr::Mul(a, b)
            | DimExpr::FloorDiv(a, b)
            | DimExpr::Max(a, b) => a.mentions(symbol) || b.mentions(symbol),
        }
    }

    /// The same size with every symbol replaced.
    pub fn substitute(&self, symbols: &dyn Fn(u32) -> Dim) -> Dim {
        let Self::Expr(expr) = self else { return self.clone() };
        match &**expr {
            DimExpr::Symbol(number) => symbols(*number),
            DimExpr::Add(a, b) => a.substitute(symbols).add(&b.substitute(symbols)),
            DimExpr::Sub(a, b) => a.substitute(symbols).sub(&b.substitute(symbols)),
            DimExpr::Mul(a, b) => a.substitute(symbols).mul(&b.substitute(symbols)),
            DimExpr::FloorDiv(a, b) => a.substitute(symbols).floor_div(&b.substitute(symbols)),
            DimExpr::Max(a, b) => a.substitute(symbols).max(&b.substitute(symbols)),
        }
    }

    /// Its value, given those of the symbols; `None` where it is unknown.
    pub fn evaluate(&self, symbols: &dyn Fn(u32) -> Option<i64>) -> Option<i64> {
        let Self::Expr(expr) = self else { return self.known() };
        let pair = |a: &Dim, b: &Dim| Some((a.evaluate(symbols)?, b.evaluate(symbols)?));
        match &**expr {
            DimExpr::Symbol(number) => symbols(*number),
            DimExpr::Add(a, b) => pair(a, b).and_then(|(a, b)| a.checked_add(b)),
            DimExpr::Sub(a, b) => pair(a, b).and_then(|(a, b)| a.checked_sub(b)),
            DimExpr::Mul(a, b) => pair(a, b).and_then(|(a, b)| a.checked_mul(b)),
            DimExpr::FloorDiv(a, b) => pair(a, b).and_then(|(a, b)| (b != 0).then(|| a.div_euclid(b))),
            DimExpr::Max(a, b) => pair(a, b).map(|(a, b)| a.max(b)),
        }
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(size) => write!(f, "{size}"),
            Self::Unknown => f.write_str("?"),
            Self::Expr(expr) => match &**expr {
                DimExpr::Symbol(number) => write!(f, "s{number}"),
                DimExpr::Add(a, b) => write!(f, "({a} + {b})"),
                DimExpr::Sub(a, b) => write!(f, "({a} - {b})"),
                DimExpr::Mul(a, b) => write!(f, "({a} * {b})"),
                DimExpr::FloorDiv(a, b) => write!(f, "({a} / {b})"),
                DimExpr::Max(a, b) => write!(f, "max({a}, {b})"),
            },
        }
    }
}
