//! Symbolic sizes as entries of the runtime's table.

use std::collections::HashMap;

use thunder_interface::{Dim, DimExpr};
use thunder_ir::{Error, Result};
use thunder_runtime::program::{self, DimId, Dims};

/// The table, and where each expression is in it.
#[derive(Default)]
pub struct Sizes {
    table: Dims,
    known: HashMap<Dim, DimId>,
}

impl Sizes {
    /// The entry of a size. An unknown size is an error: no rule said what it is.
    pub fn id(&mut self, dim: &Dim) -> Result<DimId> {
        if let Some(id) = self.known.get(dim) {
            return Ok(*id);
        }
        let id = match dim {
            Dim::Known(size) => self.table.constant(*size),
            Dim::Unknown => {
                return Err(Error::new("a size is not known from the inputs: its op has no shape rule"));
            }
            Dim::Expr(expr) => match &**expr {
                DimExpr::Symbol(number) => self.table.symbol(*number),
                DimExpr::Add(a, b) => self.pair(a, b, program::DimExpr::Add)?,
                DimExpr::Sub(a, b) => self.pair(a, b, program::DimExpr::Sub)?,
                DimExpr::Mul(a, b) => self.pair(a, b, program::DimExpr::Mul)?,
                DimExpr::FloorDiv(a, b) => self.pair(a, b, program::DimExpr::FloorDiv)?,
                DimExpr::Max(a, b) => self.pair(a, b, program::DimExpr::Max)?,
            },
        };
        self.known.insert(dim.clone(), id);
        Ok(id)
    }

    fn pair(&mut self, a: &Dim, b: &Dim, make: fn(DimId, DimId) -> program::DimExpr) -> Result<DimId> {
        let (a, b) = (self.id(a)?, self.id(b)?);
        Ok(self.table.intern(make(a, b)))
    }

    /// The entry of `number / divisor` rounded up.
    pub fn ceil_div(&mut self, number: i64, divisor: DimId) -> DimId {
        let number = self.table.constant(number);
        self.table.intern(program::DimExpr::CeilDiv(number, divisor))
    }

    /// A dim, or a number if that is larger.
    pub fn at_least(&mut self, number: i64, dim: DimId) -> DimId {
        let number = self.table.constant(number);
        self.table.intern(program::DimExpr::Max(number, dim))
    }

    /// The finished table.
    pub fn into_table(self) -> Dims {
        self.table
    }
}

/// The entry of a size over symbols that are entries themselves.
pub fn id_over(table: &mut Dims, dim: &Dim, symbols: &[DimId]) -> Result<DimId> {
    let Dim::Expr(expr) = dim else {
        let size =
            dim.known().ok_or_else(|| Error::new("internal: a kernel has blocks that its symbols do not tell"))?;
        return Ok(table.constant(size));
    };
    let mut pair = |a: &Dim, b: &Dim, make: fn(DimId, DimId) -> program::DimExpr| {
        let (a, b) = (id_over(table, a, symbols)?, id_over(table, b, symbols)?);
        Ok(table.intern(make(a, b)))
    };
    match &**expr {
        DimExpr::Symbol(number) => {
            let symbol = symbols.get(*number as usize).copied();
            symbol.ok_or_else(|| Error::new("internal: a kernel has blocks over a symbol that it lacks"))
        }
        DimExpr::Add(a, b) => pair(a, b, program::DimExpr::Add),
        DimExpr::Sub(a, b) => pair(a, b, program::DimExpr::Sub),
        DimExpr::Mul(a, b) => pair(a, b, program::DimExpr::Mul),
        DimExpr::FloorDiv(a, b) => pair(a, b, program::DimExpr::FloorDiv),
        DimExpr::Max(a, b) => pair(a, b, program::DimExpr::Max),
    }
}
