//! Writes the code of one kernel: integers, control flow, and what was computed already.
//!
//! An equal operation on indices, and an element that is asked for again, is the value that it was, wherever that still
//! can be used: each region has a scope of its own.

use std::collections::HashMap;

use thunder_interface::{Dim, DimExpr};
use thunder_ir::{Attribute, Blueprint, Builder, ContextRef, Operation, Result, Type, Value};

use super::Arch;
use super::arrivals::Image;
use super::fragment::Given;
use super::lanes::{Index, Lanes};
use super::memory::Memory;
use super::transpose::Staged;

/// What writes a kernel.
pub struct Emitter<'a, 'c> {
    /// Where code goes.
    pub b: &'a Builder<'c>,
    /// The kernel.
    pub function: Operation<'c>,
    /// What runs it.
    pub arch: Arch,
    /// How many pieces of memory it has.
    pub globals: usize,
    /// Whether it has shared memory that launches give.
    pub is_given: bool,
    /// The type of indices: 32 bits where all sizes are known to fit, else 64.
    pub index: Type<'c>,
    /// How many neighbouring elements are computed at once.
    pub lanes: usize,
    /// Whether pointers are multiples of [`super::memory::WIDEST`] bytes.
    pub is_aligned: bool,
    /// The memory of the kernel's inputs.
    pub inputs: HashMap<Value<'c>, Memory<'c>>,
    /// Those of which elements are in registers.
    pub given: HashMap<Value<'c>, Vec<Given<'c>>>,
    /// Whether other elements of these were asked for.
    pub is_lost: bool,
    /// Those of which a part is in shared memory, from where it is read.
    pub staged: HashMap<Value<'c>, Staged<'c>>,
    /// Those of which rows are in shared memory.
    pub images: HashMap<Value<'c>, Image<'c>>,
    /// Whether these are still on their way.
    pub arriving: bool,
    /// Whether what is read from there is read again where it is needed again, and is in no register meanwhile.
    pub rereads: bool,
    /// Elements that are a lane of what an access has read, which has so many.
    pub read: HashMap<Value<'c>, (Value<'c>, usize, usize)>,
    /// The kernel's inputs that are no tensors.
    pub numbers: HashMap<Value<'c>, Value<'c>>,
    /// The sizes that differ from call to call.
    pub symbols: Vec<Value<'c>>,
    /// What constants are.
    known: HashMap<Value<'c>, i64>,
    /// What indices are multiples of; 0 is a multiple of everything.
    factors: HashMap<Value<'c>, i64>,
    /// The least and the largest that indices can be, where that is known.
    ranges: HashMap<Value<'c>, [i64; 2]>,
    /// Indices that are another and a number.
    sums: HashMap<Value<'c>, (Value<'c>, i64)>,
    scopes: Vec<Scope<'c>>,
}

/// What a region has computed.
#[derive(Default)]
struct Scope<'c> {
    constants: HashMap<Attribute<'c>, Value<'c>>,
    integers: HashMap<(&'static str, Value<'c>, Value<'c>), Value<'c>>,
    scalars: HashMap<Value<'c>, Value<'c>>,
    dims: HashMap<Dim, Value<'c>>,
    elements: HashMap<(Value<'c>, Vec<Index<'c>>), Lanes<'c>>,
}

impl<'a, 'c> Emitter<'a, 'c> {
    /// Writes `function` where `b` inserts.
    pub fn new(b: &'a Builder<'c>, function: Operation<'c>, index: Type<'c>, arch: Arch) -> Self {
        Self {
            b,
            function,
            arch,
            globals: 0,
            is_given: false,
            index,
            lanes: 1,
            is_aligned: false,
            inputs: HashMap::new(),
            given: HashMap::new(),
            is_lost: false,
            staged: HashMap::new(),
            images: HashMap::new(),
            arriving: false,
            rereads: false,
            read: HashMap::new(),
            numbers: HashMap::new(),
            symbols: Vec::new(),
            known: HashMap::new(),
            factors: HashMap::new(),
            ranges: HashMap::new(),
            sums: HashMap::new(),
            scopes: vec![Scope::default()],
        }
    }

    /// The owning context.
    pub fn context(&self) -> ContextRef<'c> {
        self.b.context()
    }

    /// An operation with one result.
    pub fn op(&self, name: &str, operands: &[Value<'c>], ty: Type<'c>) -> Result<Value<'c>> {
        Ok(self.b.insert(&Blueprint::new(name).operands(operands.iter().copied()).results([ty]))?.result(0))
    }

    /// A constant.
    pub fn constant(&mut self, value: Attribute<'c>) -> Result<Value<'c>> {
        if let Some(known) = self.scopes.iter().find_map(|scope| scope.constants.get(&value)) {
            return Ok(*known);
        }
        let ty = value.ty().ok_or("internal: a constant's attribute has a type")?;
        let op = Blueprint::new("arith.constant").results([ty]).attribute("value", value);
        let made = self.b.insert(&op)?.result(0);
        self.scope().constants.insert(value, made);
        Ok(made)
    }

    /// An index that is a number.
    pub fn int(&mut self, number: i64) -> Result<Value<'c>> {
        let made = self.constant(Attribute::integer(self.index, number))?;
        self.known.insert(made, number);
        self.factors.insert(made, number.abs());
        self.ranges.insert(made, [number; 2]);
        Ok(made)
    }

    /// The number that an index is, if it is known.
    pub fn number(&self, value: Value<'c>) -> Option<i64> {
        self.known.get(&value).copied()
    }

    /// What an index is known to be a multiple of.
    pub fn factor(&self, value: Value<'c>) -> i64 {
        self.factors.get(&value).copied().unwrap_or(1)
    }

    /// The least and the largest that an index can be, if that is known.
    fn range(&self, value: Value<'c>) -> Option<[i64; 2]> {
        self.ranges.get(&value).copied()
    }

    /// Whether an index is at least zero and less than a number, if that is known.
    pub fn is_within(&self, value: Value<'c>, end: Value<'c>) -> Option<bool> {
        let ([least, most], end) = (self.range(value)?, self.number(end)?);
        match () {
            () if least >= 0 && most < end => Some(true),
            () if least >= end || most < 0 => Some(false),
            () => None,
        }
    }

    /// `x + y`.
    pub fn add(&mut self, x: Value<'c>, y: Value<'c>) -> Result<Value<'c>> {
        match (self.number(x), self.number(y)) {
            (Some(0), _) => Ok(y),
            (_, Some(0)) => Ok(x),
            (Some(a), Some(b)) => self.int(a + b),
            (Some(_), None) => self.add(y, x),
            (None, number) => {
                let made = self.integer("arith.addi", x, y, gcd(self.factor(x), self.factor(y)))?;
                if let Some([[a, b], [c, d]]) = self.range(x).zip(self.range(y)).map(<[_; 2]>::from) {
                    self.ranges.insert(made, [a + c, b + d]);
                }
                if let Some(number) = number {
                    self.sums.insert(made, (x, number));
                }
                Ok(made)
            }
        }
    }

    /// `x - y`.
    pub fn sub(&mut self, x: Value<'c>, y: Value<'c>) -> Result<Value<'c>> {
        match (self.number(x), self.number(y)) {
            (_, Some(0)) => Ok(x),
            (Some(a), Some(b)) => self.int(a - b),
            (None, Some(b))
                if let Some((whole, a)) = self.sums.get(&x).copied()
                    && a >= b =>
            {
                let rest = self.int(a - b)?;
                self.add(whole, rest)
            }
            _ => {
                let made = self.integer("arith.subi", x, y, gcd(self.factor(x), self.factor(y)))?;
                if let Some([[a, b], [c, d]]) = self.range(x).zip(self.range(y)).map(<[_; 2]>::from) {
                    self.ranges.insert(made, [a - d, b - c]);
                }
                Ok(made)
            }
        }
    }

    /// `x * y`.
    pub fn mul(&mut self, x: Value<'c>, y: Value<'c>) -> Result<Value<'c>> {
        match (self.number(x), self.number(y)) {
            (Some(0), _) | (_, Some(1)) => Ok(x),
            (Some(1), _) | (_, Some(0)) => Ok(y),
            (Some(a), Some(b)) => self.int(a * b),
            _ => self.integer("arith.muli", x, y, self.factor(x).saturating_mul(self.factor(y))),
        }
    }

    /// `x / y` of numbers that are not negative.
    pub fn div(&mut self, x: Value<'c>, y: Value<'c>) -> Result<Value<'c>> {
        match (self.number(x), self.number(y)) {
            (_, Some(1)) => Ok(x),
            (Some(a), Some(b)) if b > 0 && a >= 0 => self.int(a / b),
            _ => self.integer("arith.divui", x, y, 1),
        }
    }

    /// What `x / y` leaves, of numbers that are not negative.
    pub fn rem(&mut self, x: Value<'c>, y: Value<'c>) -> Result<Value<'c>> {
        match (self.number(x), self.number(y)) {
            (_, Some(1)) => self.int(0),
            (Some(a), Some(b)) if b > 0 && a >= 0 => self.int(a % b),
            (_, size) => {
                let made = self.integer("arith.remui", x, y, gcd(self.factor(x), self.factor(y)))?;
                if let Some(size) = size.filter(|size| *size > 0) {
                    self.ranges.insert(made, [0, size - 1]);
                }
                Ok(made)
            }
        }
    }

    /// Another operation on two indices.
    pub fn pair(&mut self, name: &'static str, x: Value<'c>, y: Value<'c>) -> Result<Value<'c>> {
        self.integer(name, x, y, 1)
    }

    fn integer(&mut self, name: &'static str, x: Value<'c>, y: Value<'c>, factor: i64) -> Result<Value<'c>> {
        if let Some(known) = self.scopes.iter().find_map(|scope| scope.integers.get(&(name, x, y))) {
            return Ok(*known);
        }
        let made = self.op(name, &[x, y], x.ty())?;
        self.factors.insert(made, factor);
        self.scope().integers.insert((name, x, y), made);
        Ok(made)
    }

    /// Compares two integers, by the number of a predicate of `arith.cmpi`.
    pub fn compare(&self, predicate: i64, x: Value<'c>, y: Value<'c>) -> Result<Value<'c>> {
        let bool = Type::int(self.context(), 1);
        let op = Blueprint::new("arith.cmpi").operands([x, y]).results([bool]);
        Ok(self.b.insert(&op.attribute("predicate", Attribute::i64(self.context(), predicate)))?.result(0))
    }

    /// Whether `x < y`, of numbers that are not negative.
    pub fn is_less(&mut self, x: Value<'c>, y: Value<'c>) -> Result<Value<'c>> {
        if let Some(known) = self.scopes.iter().find_map(|scope| scope.integers.get(&("less", x, y))) {
            return Ok(*known);
        }
        let made = self.compare(6, x, y)?;
        self.scope().integers.insert(("less", x, y), made);
        Ok(made)
    }

    /// One of two values.
    pub fn select(&self, condition: Value<'c>, yes: Value<'c>, no: Value<'c>) -> Result<Value<'c>> {
        self.op("arith.select", &[condition, yes, no], yes.ty())
    }

    /// Whether all of two conditions hold that are known at run time only.
    pub fn both(&self, a: Option<Value<'c>>, b: Option<Value<'c>>) -> Result<Option<Value<'c>>> {
        match (a, b) {
            (Some(a), Some(b)) => self.op("arith.andi", &[a, b], a.ty()).map(Some),
            (a, b) => Ok(a.or(b)),
        }
    }

    /// Whether indices are multiples of `number`, and `condition`.
    pub fn are_multiples(&mut self, indices: &[Value<'c>], number: i64, mut condition: Value<'c>) -> Result<Value<'c>> {
        for index in indices {
            if self.factor(*index) % number != 0 {
                let (divisor, zero) = (self.int(number)?, self.int(0)?);
                let rest = self.rem(*index, divisor)?;
                let divides = self.compare(0, rest, zero)?;
                condition = self.op("arith.andi", &[condition, divides], divides.ty())?;
            }
        }
        Ok(condition)
    }

    /// Writes code for where indices are multiples of `number`.
    pub fn assuming(&mut self, indices: &[Value<'c>], number: i64, body: impl FnOnce(&mut Self) -> Result) -> Result {
        let before = self.factors.clone();
        for index in indices {
            if self.factor(*index) % number != 0 {
                self.factors.insert(*index, number);
            }
        }
        let done = body(self);
        self.factors = before;
        done
    }

    /// `x` where a condition holds, else another index: a multiple of what both are.
    pub fn guarded(&mut self, condition: Value<'c>, x: Value<'c>, other: Value<'c>) -> Result<Value<'c>> {
        let key = ("guarded", condition, x);
        if let Some(known) = self.scopes.iter().find_map(|scope| scope.integers.get(&key)) {
            return Ok(*known);
        }
        let made = self.select(condition, x, other)?;
        self.factors.insert(made, gcd(self.factor(x), self.factor(other)));
        self.scope().integers.insert(key, made);
        Ok(made)
    }

    /// An integer as an index, or an index as an integer.
    pub fn cast(&mut self, value: Value<'c>, ty: Type<'c>) -> Result<Value<'c>> {
        let (from, to) = (width(value.ty()), width(ty));
        if from == to && value.ty() == ty {
            return Ok(value);
        }
        let name = match (from, to) {
            (None, _) | (_, None) => "arith.index_cast",
            (Some(from), Some(to)) if from < to => "arith.extsi",
            _ => "arith.trunci",
        };
        let made = self.op(name, &[value], ty)?;
        if let Some(number) = self.number(value) {
            self.known.insert(made, number);
        }
        self.factors.insert(made, self.factor(value));
        Ok(made)
    }

    /// The value of a size.
    pub fn dim(&mut self, dim: &Dim) -> Result<Value<'c>> {
        if let Dim::Known(size) = dim {
            return self.int(*size);
        }
        if let Some(known) = self.scopes.iter().find_map(|scope| scope.dims.get(dim)) {
            return Ok(*known);
        }
        let Dim::Expr(expr) = dim else {
            return Err("internal: a kernel has a size that its symbols do not tell".into());
        };
        let mut both = |a: &Dim, b: &Dim| Ok::<_, thunder_ir::Error>((self.dim(a)?, self.dim(b)?));
        let value = match &**expr {
            DimExpr::Symbol(number) => {
                let symbol = self.symbols.get(*number as usize);
                *symbol.ok_or("internal: a kernel has a size over a symbol that it lacks")?
            }
            DimExpr::Add(a, b) => both(a, b).and_then(|(a, b)| self.add(a, b))?,
            DimExpr::Sub(a, b) => both(a, b).and_then(|(a, b)| self.sub(a, b))?,
            DimExpr::Mul(a, b) => both(a, b).and_then(|(a, b)| self.mul(a, b))?,
            DimExpr::FloorDiv(a, b) => both(a, b).and_then(|(a, b)| self.pair("arith.floordivsi", a, b))?,
            DimExpr::Max(a, b) => both(a, b).and_then(|(a, b)| self.pair("arith.maxsi", a, b))?,
        };
        self.scope().dims.insert(dim.clone(), value);
        Ok(value)
    }

    /// The index in each dimension of element `number` of a dense tensor.
    pub fn delinearize(&mut self, mut number: Value<'c>, sizes: &[Value<'c>]) -> Result<Vec<Value<'c>>> {
        let mut indices = Vec::new();
        for (axis, size) in sizes.iter().enumerate().rev() {
            if axis == 0 {
                indices.push(number);
                break;
            }
            indices.push(self.rem(number, *size)?);
            number = self.div(number, *size)?;
        }
        indices.reverse();
        Ok(indices)
    }

    /// `for index from .. to, step` that carries values from one iteration to the next.
    pub fn repeat(
        &mut self,
        (from, to, step): (Value<'c>, Value<'c>, Value<'c>),
        carried: &[Value<'c>],
        body: impl FnOnce(&mut Self, Value<'c>, &[Value<'c>]) -> Result<Vec<Value<'c>>>,
    ) -> Result<Vec<Value<'c>>> {
        let b = self.b;
        let op = Blueprint::new("scf.for").operands([from, to, step]).operands(carried.iter().copied());
        let op = b.insert(&op.results(carried.iter().map(|v| v.ty())).regions(1))?;
        let mut arguments = vec![(from.ty(), b.location())];
        arguments.extend(carried.iter().map(|v| (v.ty(), b.location())));
        let block = op.region(0).append_block(&arguments);
        self.factors.insert(block.argument(0), gcd(self.factor(from), self.factor(step)));
        let carried: Vec<_> = block.arguments().skip(1).collect();
        self.scoped(|emitter| {
            b.at_end(block);
            let values = body(emitter, block.argument(0), &carried)?;
            b.insert(&Blueprint::new("scf.yield").operands(values))
        })?;
        Ok(op.results().collect())
    }

    /// As long as `number < end`: `body` makes the next number of one.
    pub fn turns(
        &mut self,
        (first, end): (Value<'c>, Value<'c>),
        body: impl FnOnce(&mut Self, Value<'c>) -> Result<Value<'c>>,
    ) -> Result {
        let b = self.b;
        let op = b.insert(&Blueprint::new("scf.while").operands([first]).results([first.ty()]).regions(2))?;
        let blocks = [0, 1].map(|region| op.region(region).append_block(&[(first.ty(), b.location())]));
        self.scoped(|emitter| {
            b.at_end(blocks[0]);
            let number = blocks[0].argument(0);
            let goes_on = emitter.is_less(number, end)?;
            b.insert(&Blueprint::new("scf.condition").operands([goes_on, number]))
        })?;
        self.scoped(|emitter| {
            b.at_end(blocks[1]);
            let next = body(emitter, blocks[1].argument(0))?;
            b.insert(&Blueprint::new("scf.yield").operands([next]))
        })
    }

    /// The same index, of which the assembler does not know that: what depends on it stays where it is.
    pub fn hidden(&mut self, index: Value<'c>) -> Result<Value<'c>> {
        let cx = self.context();
        let op = Blueprint::new("llvm.inline_asm")
            .operands([index])
            .results([index.ty()])
            .attribute("asm_string", Attribute::string(cx, ""))
            .attribute(
                "constraints",
                Attribute::string(cx, if width(index.ty()) == Some(64) { "=l,0" } else { "=r,0" }),
            )
            .attribute("has_side_effects", Attribute::unit(cx));
        let made = self.b.insert(&op)?.result(0);
        let (factor, range) = (self.factor(index), self.ranges.get(&index).copied());
        self.factors.insert(made, factor);
        self.ranges.extend(range.map(|range| (made, range)));
        Ok(made)
    }

    /// `if condition`, with as many values of either branch as `types`.
    pub fn choose(
        &mut self,
        condition: Value<'c>,
        types: &[Type<'c>],
        yes: impl FnOnce(&mut Self) -> Result<Vec<Value<'c>>>,
        no: impl FnOnce(&mut Self) -> Result<Vec<Value<'c>>>,
    ) -> Result<Vec<Value<'c>>> {
        let b = self.b;
        let op = Blueprint::new("scf.if").operands([condition]).results(types.iter().copied());
        let op = b.insert(&op.regions(2))?;
        let branches = [op.region(0).append_block(&[]), op.region(1).append_block(&[])];
        self.scoped(|emitter| {
            b.at_end(branches[0]);
            let values = yes(emitter)?;
            b.insert(&Blueprint::new("scf.yield").operands(values))
        })?;
        self.scoped(|emitter| {
            b.at_end(branches[1]);
            let values = no(emitter)?;
            b.insert(&Blueprint::new("scf.yield").operands(values))
        })?;
        Ok(op.results().collect())
    }

    /// Does something only where `condition` holds.
    pub fn when(&mut self, condition: Value<'c>, body: impl FnOnce(&mut Self) -> Result) -> Result {
        self.choose(condition, &[], |emitter| body(emitter).map(|()| Vec::new()), |_| Ok(Vec::new()))?;
        Ok(())
    }

    /// Writes a region: the insertion point and what is known afterwards are those before.
    fn scoped(&mut self, body: impl FnOnce(&mut Self) -> Result<Operation<'c>>) -> Result {
        let b = self.b;
        self.scopes.push(Scope::default());
        let done = b.nested(|_| body(self));
        self.scopes.pop();
        done.map(|_| ())
    }

    /// Writes code under assumptions about elements: what is noted is forgotten afterwards.
    pub fn supposing<T>(&mut self, body: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.scopes.push(Scope::default());
        let done = body(self);
        self.scopes.pop();
        done
    }

    /// What stands for a value of the kernel that is no tensor, if it was made.
    pub fn known_scalar(&self, value: Value<'c>) -> Option<Value<'c>> {
        self.scopes.iter().find_map(|scope| scope.scalars.get(&value)).copied()
    }

    /// Notes what stands for a value of the kernel that is no tensor.
    pub fn remember_scalar(&mut self, value: Value<'c>, made: Value<'c>) {
        self.scope().scalars.insert(value, made);
    }

    /// Elements of a tensor that were computed.
    pub fn known_elements(&self, tensor: Value<'c>, at: &[Index<'c>]) -> Option<Lanes<'c>> {
        let key = (tensor, at.to_vec());
        self.scopes.iter().find_map(|scope| scope.elements.get(&key)).cloned()
    }

    /// Notes elements of a tensor.
    pub fn remember_elements(&mut self, tensor: Value<'c>, at: &[Index<'c>], lanes: Lanes<'c>) {
        self.scope().elements.insert((tensor, at.to_vec()), lanes);
    }

    fn scope(&mut self) -> &mut Scope<'c> {
        self.scopes.last_mut().expect("the kernel's own scope stays")
    }
}

/// The bits of an integer; none of an `index`.
fn width(ty: Type<'_>) -> Option<u32> {
    match ty.as_scalar() {
        Some(thunder_ir::Scalar::Int(bits)) => Some(bits),
        _ => None,
    }
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
