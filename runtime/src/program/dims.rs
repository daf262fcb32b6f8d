//! Symbolic sizes: a table of expressions, each over entries before it, evaluated in one pass.

use serde::{Deserialize, Serialize};

/// Position in a [`Dims`] table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DimId(pub u32);

/// One size, stride or offset. Operands are entries of smaller index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DimExpr {
    /// A number.
    Const(i64),
    /// The value of `Program::symbols[i]`.
    Symbol(u32),
    /// `a + b`.
    Add(DimId, DimId),
    /// `a - b`.
    Sub(DimId, DimId),
    /// `a * b`.
    Mul(DimId, DimId),
    /// `a / b` rounded towards negative infinity; `b` is positive.
    FloorDiv(DimId, DimId),
    /// `a / b` rounded towards positive infinity; `b` is positive.
    CeilDiv(DimId, DimId),
    /// The larger one.
    Max(DimId, DimId),
    /// The smaller one.
    Min(DimId, DimId),
}

/// A table of expressions without duplicates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Dims {
    exprs: Vec<DimExpr>,
}

/// Why a table cannot be evaluated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DimError {
    /// A value does not fit 64 bits. The input's sizes are absurd, or the compiler's formula is.
    #[error("dim {0} overflows 64 bits")]
    Overflow(u32),
    /// A divisor is zero or negative. The compiler's fault, or a constraint is missing.
    #[error("dim {0} divides by {1}")]
    Division(u32, i64),
}

impl Dims {
    /// The entry of `expr`, added if new; constant operands fold and `x + 0`, `x * 1`, `x * 0`
    /// simplify.
    ///
    /// # Panics
    /// When an operand is not in the table.
    pub fn intern(&mut self, expr: DimExpr) -> DimId {
        let expr = match self.simplify(expr) {
            Ok(expr) => expr,
            Err(id) => return id,
        };
        // Equal entries are mostly recent ones.
        if let Some(index) = self.exprs.iter().rposition(|&e| e == expr) {
            return DimId(index as u32);
        }
        self.exprs.push(expr);
        DimId(u32::try_from(self.exprs.len() - 1).expect("a program has fewer than 2^32 dims"))
    }

    /// The entry of a number.
    pub fn constant(&mut self, value: i64) -> DimId {
        self.intern(DimExpr::Const(value))
    }

    /// The entry of a symbol.
    pub fn symbol(&mut self, index: u32) -> DimId {
        self.intern(DimExpr::Symbol(index))
    }

    /// The entry of `a + b`.
    pub fn add(&mut self, a: DimId, b: DimId) -> DimId {
        self.intern(DimExpr::Add(a, b))
    }

    /// The entry of `a - b`.
    pub fn sub(&mut self, a: DimId, b: DimId) -> DimId {
        self.intern(DimExpr::Sub(a, b))
    }

    /// The entry of `a * b`.
    pub fn mul(&mut self, a: DimId, b: DimId) -> DimId {
        self.intern(DimExpr::Mul(a, b))
    }

    /// The entry of the product of all `factors`; 1 for none.
    pub fn product(&mut self, factors: &[DimId]) -> DimId {
        let one = self.constant(1);
        factors.iter().fold(one, |a, &b| self.mul(a, b))
    }

    /// The number, if the entry is a constant.
    pub fn as_constant(&self, id: DimId) -> Option<i64> {
        match self.exprs.get(id.0 as usize) {
            Some(DimExpr::Const(value)) => Some(*value),
            _ => None,
        }
    }

    /// The entries, in order.
    pub fn exprs(&self) -> &[DimExpr] {
        &self.exprs
    }

    /// The values of all entries for these values of the symbols.
    ///
    /// The table must be valid (see `Program::validate`): operands before users, symbols in range.
    pub fn evaluate(&self, symbols: &[i64]) -> Result<Vec<i64>, DimError> {
        let mut values = Vec::with_capacity(self.exprs.len());
        for (index, &expr) in self.exprs.iter().enumerate() {
            let value = evaluate_one(expr, index as u32, &values, symbols)?;
            values.push(value);
        }
        Ok(values)
    }

    fn simplify(&self, expr: DimExpr) -> Result<DimExpr, DimId> {
        use DimExpr::*;
        let (a, b) = match expr {
            Const(_) | Symbol(_) => return Ok(expr),
            Add(a, b) | Sub(a, b) | Mul(a, b) | FloorDiv(a, b) | CeilDiv(a, b) | Max(a, b) | Min(a, b) => (a, b),
        };
        let len = self.exprs.len();
        assert!((a.0 as usize) < len && (b.0 as usize) < len, "dim operands are in the table");
        let (ca, cb) = (self.as_constant(a), self.as_constant(b));
        if let (Some(x), Some(y)) = (ca, cb) {
            let folded = match expr {
                Add(..) => x.checked_add(y),
                Sub(..) => x.checked_sub(y),
                Mul(..) => x.checked_mul(y),
                FloorDiv(..) => floor_div(x, y),
                CeilDiv(..) => ceil_div(x, y),
                Max(..) => Some(x.max(y)),
                Min(..) => Some(x.min(y)),
                Const(_) | Symbol(_) => None,
            };
            return Ok(folded.map_or(expr, Const));
        }
        match expr {
            Add(..) if ca == Some(0) => Err(b),
            Mul(..) if ca == Some(1) => Err(b),
            Add(..) | Sub(..) if cb == Some(0) => Err(a),
            Mul(..) | FloorDiv(..) | CeilDiv(..) if cb == Some(1) => Err(a),
            Mul(..) if ca == Some(0) => Err(a),
            Mul(..) if cb == Some(0) => Err(b),
            Max(..) | Min(..) if a == b => Err(a),
            // Commutative operands in one order, so that equal sums are one entry.
            Add(..) if a > b => Ok(Add(b, a)),
            Mul(..) if a > b => Ok(Mul(b, a)),
            _ => Ok(expr),
        }
    }
}

fn evaluate_one(expr: DimExpr, index: u32, values: &[i64], symbols: &[i64]) -> Result<i64, DimError> {
    use DimExpr::*;
    let value = |id: DimId| values[id.0 as usize];
    let divided = |b: DimId, result: Option<i64>| match value(b) {
        divisor if divisor <= 0 => Err(DimError::Division(index, divisor)),
        _ => result.ok_or(DimError::Overflow(index)),
    };
    match expr {
        Const(value) => Ok(value),
        Symbol(symbol) => Ok(symbols[symbol as usize]),
        Add(a, b) => value(a).checked_add(value(b)).ok_or(DimError::Overflow(index)),
        Sub(a, b) => value(a).checked_sub(value(b)).ok_or(DimError::Overflow(index)),
        Mul(a, b) => value(a).checked_mul(value(b)).ok_or(DimError::Overflow(index)),
        FloorDiv(a, b) => divided(b, floor_div(value(a), value(b))),
        CeilDiv(a, b) => divided(b, ceil_div(value(a), value(b))),
        Max(a, b) => Ok(value(a).max(value(b))),
        Min(a, b) => Ok(value(a).min(value(b))),
    }
}

/// `a / b` rounded down; `None` unless `b` is positive.
fn floor_div(a: i64, b: i64) -> Option<i64> {
    (b > 0).then(|| a.div_euclid(b))
}

/// `a / b` rounded up; `None` unless `b` is positive.
fn ceil_div(a: i64, b: i64) -> Option<i64> {
    (b > 0).then(|| a.div_euclid(b) + i64::from(a.rem_euclid(b) != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_expressions_are_one_entry() {
        let mut dims = Dims::default();
        let (s, t) = (dims.symbol(0), dims.symbol(1));
        assert_eq!(dims.mul(s, t), dims.mul(t, s));
        let one = dims.constant(1);
        assert_eq!(dims.mul(s, one), s);
        let six = dims.constant(6);
        let four = dims.constant(4);
        let product = dims.mul(six, four);
        assert_eq!(dims.as_constant(product), Some(24));
        assert_eq!(dims.product(&[s, one, t]), dims.mul(s, t));
    }

    #[test]
    fn evaluates_in_order_and_reports_overflow_and_division() {
        let mut dims = Dims::default();
        let (s, t) = (dims.symbol(0), dims.symbol(1));
        let up = dims.intern(DimExpr::CeilDiv(s, t));
        let down = dims.intern(DimExpr::FloorDiv(s, t));
        let product = dims.mul(s, t);
        let values = dims.evaluate(&[7, 2]).unwrap();
        let of = |id: DimId| values[id.0 as usize];
        assert_eq!((of(up), of(down), of(product)), (4, 3, 14));
        assert_eq!(dims.evaluate(&[1, 0]), Err(DimError::Division(up.0, 0)));
        assert_eq!(dims.evaluate(&[i64::MAX, 2]), Err(DimError::Overflow(product.0)));
    }
}
