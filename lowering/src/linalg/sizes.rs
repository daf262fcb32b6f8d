//! Sizes as SSA values: equal expressions over the inputs' sizes are one value.

use std::collections::HashMap;
use thunder_interface::{Dim, DimExpr};
use thunder_ir::{Attribute, Blueprint, Error, Operation, Result, Rewriter, Type, Value};

use super::arith::Arith;

/// Where the value of a symbol is found.
#[derive(Clone, Copy)]
pub enum Source<'c> {
    /// A dimension of a tensor.
    Dimension(Value<'c>, usize),
    /// A value of type `index`.
    Value(Value<'c>),
}

struct Symbol<'c> {
    source: Source<'c>,
    /// Whether it is known when the function starts.
    early: bool,
}

/// Makes the values of sizes, each once: those known when the function starts at its start, others
/// where they are first needed.
pub struct Sizes<'c> {
    start: Rewriter<'c>,
    /// Stands where the start ends, until the function is finished.
    marker: Operation<'c>,
    symbols: Vec<Symbol<'c>>,
    known: HashMap<Dim, (Value<'c>, bool)>,
}

impl<'c> Sizes<'c> {
    /// Sizes of the function whose body `builder` is at the start of.
    pub fn new(builder: &Rewriter<'c>) -> Result<Self> {
        let cx = builder.context();
        let index = Type::index(cx);
        let end = Blueprint::new("arith.constant").results([index]).attribute("value", Attribute::integer(index, 0));
        let marker = builder.insert(&end)?;
        let start = Rewriter::at(marker);
        Ok(Self { start, marker, symbols: Vec::new(), known: HashMap::new() })
    }

    /// A new symbol. An `early` one is of an argument.
    pub fn symbol(&mut self, source: Source<'c>, early: bool) -> Dim {
        self.symbols.push(Symbol { source, early });
        Dim::symbol(self.symbols.len() as u32 - 1)
    }

    /// The value of `dim`.
    pub fn value(&mut self, dim: &Dim, here: &Rewriter<'c>) -> Result<Value<'c>> {
        self.entry(dim, here).map(|(value, _)| value)
    }

    fn entry(&mut self, dim: &Dim, here: &Rewriter<'c>) -> Result<(Value<'c>, bool)> {
        if let Some(entry) = self.known.get(dim) {
            return Ok(*entry);
        }
        let entry = match dim {
            Dim::Known(size) => (Arith::at(&self.start).index(*size)?, true),
            Dim::Unknown => return Err(Error::new("internal: a size is needed that nothing defines")),
            Dim::Expr(expr) => self.expression(expr, here)?,
        };
        self.known.insert(dim.clone(), entry);
        Ok(entry)
    }

    fn expression(&mut self, expr: &DimExpr, here: &Rewriter<'c>) -> Result<(Value<'c>, bool)> {
        let (name, a, b) = match expr {
            DimExpr::Symbol(number) => return self.symbol_value(*number, here),
            DimExpr::Add(a, b) => ("arith.addi", a, b),
            DimExpr::Sub(a, b) => ("arith.subi", a, b),
            DimExpr::Mul(a, b) => ("arith.muli", a, b),
            DimExpr::FloorDiv(a, b) => ("arith.floordivsi", a, b),
            DimExpr::Max(a, b) => ("arith.maxsi", a, b),
        };
        let ((a, first), (b, second)) = (self.entry(a, here)?, self.entry(b, here)?);
        let early = first && second;
        let place = if early { &self.start } else { here };
        Ok((Arith::at(place).two(name, a, b)?, early))
    }

    fn symbol_value(&mut self, number: u32, here: &Rewriter<'c>) -> Result<(Value<'c>, bool)> {
        let Some(Symbol { source, early }) = self.symbols.get(number as usize) else {
            return Err(Error::new("internal: a size has a symbol that nothing defines"));
        };
        let (source, early) = (*source, *early);
        match source {
            Source::Value(value) => Ok((value, early)),
            Source::Dimension(tensor, axis) => {
                let axis = self.value(&Dim::Known(axis as i64), here)?;
                let place = if early { &self.start } else { here };
                let index = Type::index(place.context());
                Ok((Arith::at(place).op("tensor.dim", &[tensor, axis], index)?, early))
            }
        }
    }

    /// Ends the function.
    pub fn finish(self) -> Result {
        self.start.erase(self.marker)
    }
}
