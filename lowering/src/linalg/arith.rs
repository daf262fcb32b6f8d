//! Scalar operations of `arith` and `math`, one method each.

use thunder_ir::{Attribute, Blueprint, Builder, ContextRef, Result, Scalar as Kind, Type, Value};

/// Predicates of `arith.cmpf`, with their numbers in MLIR.
#[derive(Clone, Copy)]
pub enum Floats {
    /// Ordered and equal.
    Oeq = 1,
    /// Ordered and greater.
    Ogt = 2,
    /// Ordered and greater or equal.
    Oge = 3,
    /// Ordered and less.
    Olt = 4,
    /// Ordered and less or equal.
    Ole = 5,
    /// Ordered and different.
    One = 6,
    /// Both are numbers.
    Ord = 7,
    /// Greater, or one is NaN.
    Ugt = 9,
    /// Less, or one is NaN.
    Ult = 11,
    /// Different, or one is NaN.
    Une = 13,
    /// One is NaN.
    Uno = 14,
}

/// Predicates of `arith.cmpi`, with their numbers in MLIR.
#[derive(Clone, Copy)]
pub enum Ints {
    /// Equal.
    Eq = 0,
    /// Different.
    Ne = 1,
    /// Less, signed.
    Slt = 2,
    /// Less or equal, signed.
    Sle = 3,
    /// Greater, signed.
    Sgt = 4,
    /// Greater or equal, signed.
    Sge = 5,
    /// Less, unsigned.
    Ult = 6,
    /// Less or equal, unsigned.
    Ule = 7,
    /// Greater, unsigned.
    Ugt = 8,
    /// Greater or equal, unsigned.
    Uge = 9,
}

/// What a combiner of a reduction may assume of its floats.
#[derive(Clone, Copy)]
pub enum Freedom {
    /// The order of additions.
    Reassociate,
    /// That, and that products need not be rounded before they are added.
    Contract,
    /// That -0 is as large as 0.
    EqualZeros,
}

/// Writes scalar operations at a builder's insertion point.
#[derive(Clone, Copy)]
pub struct Arith<'a, 'c> {
    builder: &'a Builder<'c>,
}

impl<'a, 'c> Arith<'a, 'c> {
    /// Writes where `builder` inserts.
    pub fn at(builder: &'a Builder<'c>) -> Self {
        Self { builder }
    }

    /// The builder.
    pub fn builder(self) -> &'a Builder<'c> {
        self.builder
    }

    /// The owning context.
    pub fn context(self) -> ContextRef<'c> {
        self.builder.context()
    }

    /// A scalar type.
    pub fn ty(self, kind: Kind) -> Type<'c> {
        Type::scalar(self.context(), kind)
    }

    fn insert(self, blueprint: &Blueprint<'c>) -> Result<Value<'c>> {
        Ok(self.builder.insert(blueprint)?.result(0))
    }

    /// An operation of any name with one result.
    pub fn op(self, name: &str, operands: &[Value<'c>], ty: Type<'c>) -> Result<Value<'c>> {
        self.insert(&Blueprint::new(name).operands(operands.iter().copied()).results([ty]))
    }

    /// An operation whose result has the type of its operand.
    pub fn one(self, name: &str, x: Value<'c>) -> Result<Value<'c>> {
        self.op(name, &[x], x.ty())
    }

    /// An operation whose result has the type of its two operands.
    pub fn two(self, name: &str, x: Value<'c>, y: Value<'c>) -> Result<Value<'c>> {
        self.op(name, &[x, y], x.ty())
    }

    /// A float operation of two operands in a combiner.
    pub fn free(self, name: &str, x: Value<'c>, y: Value<'c>, freedom: Freedom) -> Result<Value<'c>> {
        let flags = match freedom {
            Freedom::Reassociate => "#arith.fastmath<reassoc>",
            Freedom::Contract => "#arith.fastmath<reassoc,contract>",
            Freedom::EqualZeros => "#arith.fastmath<nsz>",
        };
        let flags = Attribute::parse(self.context(), flags).expect("arith's flags parse");
        self.insert(&Blueprint::new(name).operands([x, y]).results([x.ty()]).attribute("fastmath", flags))
    }

    /// A constant by its attribute.
    pub fn constant(self, value: Attribute<'c>) -> Result<Value<'c>> {
        let ty = value.ty().expect("a constant's attribute has a type");
        self.insert(&Blueprint::new("arith.constant").results([ty]).attribute("value", value))
    }

    /// A float of a type.
    pub fn float(self, ty: Type<'c>, value: f64) -> Result<Value<'c>> {
        self.constant(Attribute::float(ty, value))
    }

    /// An integer of a type, wrapped to its width.
    pub fn int(self, ty: Type<'c>, value: i64) -> Result<Value<'c>> {
        let wrapped = match ty.as_scalar() {
            Some(Kind::Int(width @ 1..=63)) => (value << (64 - width)) >> (64 - width),
            _ => value,
        };
        self.constant(Attribute::integer(ty, wrapped))
    }

    /// An `index`.
    pub fn index(self, value: i64) -> Result<Value<'c>> {
        self.int(Type::index(self.context()), value)
    }

    /// A comparison of floats.
    pub fn cmpf(self, how: Floats, x: Value<'c>, y: Value<'c>) -> Result<Value<'c>> {
        self.compare("arith.cmpf", how as i64, x, y)
    }

    /// A comparison of integers.
    pub fn cmpi(self, how: Ints, x: Value<'c>, y: Value<'c>) -> Result<Value<'c>> {
        self.compare("arith.cmpi", how as i64, x, y)
    }

    fn compare(self, name: &str, predicate: i64, x: Value<'c>, y: Value<'c>) -> Result<Value<'c>> {
        let predicate = Attribute::i64(self.context(), predicate);
        let bool = Type::int(self.context(), 1);
        self.insert(&Blueprint::new(name).operands([x, y]).results([bool]).attribute("predicate", predicate))
    }

    /// `yes` where `condition` holds, else `no`.
    pub fn select(self, condition: Value<'c>, yes: Value<'c>, no: Value<'c>) -> Result<Value<'c>> {
        self.op("arith.select", &[condition, yes, no], yes.ty())
    }

    /// `x` negated as a truth value.
    pub fn not(self, x: Value<'c>) -> Result<Value<'c>> {
        let yes = self.int(x.ty(), 1)?;
        self.two("arith.xori", x, yes)
    }

    /// `x` limited to `low..=high`, all signed integers or indices.
    pub fn clamp(self, x: Value<'c>, low: Value<'c>, high: Value<'c>) -> Result<Value<'c>> {
        let x = self.two("arith.maxsi", x, low)?;
        self.two("arith.minsi", x, high)
    }
}
