//! Loads and stores of dense tensors in global memory, as wide as indices allow.

use thunder_ir::{Attribute, Blueprint, Result, Scalar, Type, Value};

use super::emitter::Emitter;
use super::lanes::{Index, Lanes, Point};

/// Bytes of the widest access.
pub const WIDEST: i64 = 16;
/// The address space of a block's shared memory.
pub const SHARED: i64 = 3;

/// The address space of global memory.
const GLOBAL: i64 = 1;
/// How LLVM's dialect counts an atomic addition, and the order of memory that one by itself needs.
const ATOMIC_ADD: i64 = 1;
const MONOTONIC: i64 = 2;

/// What memory of a kernel's own holds.
enum Contents<'c> {
    /// Whatever.
    Any,
    /// This, when code is loaded.
    First(Attribute<'c>),
    /// This.
    Always(Attribute<'c>),
}

/// A dense tensor in memory.
#[derive(Clone)]
pub struct Memory<'c> {
    /// Its first element.
    pub pointer: Value<'c>,
    /// The type of elements.
    pub element: Type<'c>,
    /// Its sizes.
    pub sizes: Vec<Value<'c>>,
}

/// The bytes of an element in memory.
pub fn bytes_of(element: Type<'_>) -> i64 {
    match element.as_scalar() {
        Some(Scalar::Int(bits)) => i64::from(bits.div_ceil(8)),
        Some(Scalar::F16 | Scalar::BF16) => 2,
        Some(Scalar::F32) => 4,
        _ => 8,
    }
}

impl<'c> Emitter<'_, 'c> {
    /// The elements of `memory` at a point.
    pub fn load(&mut self, memory: &Memory<'c>, point: &Point<'c>) -> Result<Lanes<'c>> {
        match self.offset(memory, point)? {
            Index::Same(offset) => Ok(Lanes::Same(self.load_from(memory, offset, 1)?[0])),
            Index::Step(offset) => Ok(Lanes::each(self.load_from(memory, offset, self.lanes)?)),
            Index::Each(offsets) => {
                let loads = offsets.into_iter().map(|offset| Ok(self.load_from(memory, offset, 1)?[0]));
                Ok(Lanes::Each(loads.collect::<Result<_>>()?))
            }
        }
    }

    /// Writes the elements of `memory` at a point.
    pub fn store(&mut self, memory: &Memory<'c>, point: &Point<'c>, values: &Lanes<'c>) -> Result {
        match self.offset(memory, point)? {
            Index::Same(offset) => self.store_to(memory, offset, &[values.lane(0)]),
            Index::Step(offset) => self.store_to(memory, offset, &values.all(self.lanes)),
            Index::Each(offsets) => {
                let mut each = offsets.into_iter().enumerate();
                each.try_for_each(|(lane, offset)| self.store_to(memory, offset, &[values.lane(lane)]))
            }
        }
    }

    /// The number of an element among all.
    fn offset(&mut self, memory: &Memory<'c>, point: &Point<'c>) -> Result<Index<'c>> {
        if let Some(flat) = &point.flat {
            return Ok(flat.clone());
        }
        self.linearize(&point.at, &memory.sizes)
    }

    /// The number of the element at indices of a dense tensor.
    pub fn linearize(&mut self, at: &[Index<'c>], sizes: &[Value<'c>]) -> Result<Index<'c>> {
        let mut offset = Index::Same(self.int(0)?);
        for (index, size) in at.iter().zip(sizes) {
            offset = offset.mul(self, &Index::Same(*size))?.add(self, index)?;
        }
        Ok(offset)
    }

    fn load_from(&mut self, memory: &Memory<'c>, offset: Value<'c>, count: usize) -> Result<Vec<Value<'c>>> {
        let loaded = self.load_access(memory, offset, count)?;
        self.elements_of(loaded, memory.element, count)
    }

    /// What an access to so many elements reads, as one value.
    pub fn load_access(&mut self, memory: &Memory<'c>, offset: Value<'c>, count: usize) -> Result<Value<'c>> {
        let address = self.address(memory, offset)?;
        let alignment = self.alignment(memory, offset, count);
        let ty = self.vector(memory.element, count)?;
        let load = Blueprint::new("llvm.load").operands([address]).results([ty]);
        Ok(self.b.insert(&load.attribute("alignment", alignment))?.result(0))
    }

    /// The elements of what an access has read, or of what is one value for another reason.
    pub fn elements_of(&mut self, loaded: Value<'c>, element: Type<'c>, count: usize) -> Result<Vec<Value<'c>>> {
        if count == 1 {
            return Ok(vec![loaded]);
        }
        let lane = |lane: usize| {
            let number = self.lane_number(lane)?;
            self.op("llvm.extractelement", &[loaded, number], element)
        };
        let elements = (0..count).map(lane).collect::<Result<Vec<_>>>()?;
        self.read.extend(elements.iter().copied().zip((0..count).map(|lane| (loaded, lane, count))));
        Ok(elements)
    }

    /// The elements of 16 bits that words have, the lower ones first.
    pub fn halves(&mut self, words: &[Value<'c>], element: Type<'c>) -> Result<Lanes<'c>> {
        let (words, count) = (self.joined(words)?, words.len() * 2);
        let ty = self.vector(element, count)?;
        let whole = self.op("llvm.bitcast", &[words], ty)?;
        Ok(Lanes::each(self.elements_of(whole, element, count)?))
    }

    /// An element of 16 bits that an access has read, as a float of 32: its bits are the upper ones. `None` for other elements.
    pub fn widened(&mut self, element: Value<'c>, ty: Type<'c>) -> Result<Option<Value<'c>>> {
        let is_upper = element.ty().as_scalar() == Some(Scalar::BF16) && ty.as_scalar() == Some(Scalar::F32);
        let read = self.read.get(&element).copied();
        let Some((loaded, lane, lanes)) = read.filter(|(_, _, lanes)| is_upper && lanes % 4 == 0) else {
            return Ok(None);
        };
        let i32 = Type::int(self.context(), 32);
        let words = self.vector(i32, lanes / 2)?;
        let words = self.op("llvm.bitcast", &[loaded], words)?;
        let number = self.lane_number(lane / 2)?;
        let word = self.op("llvm.extractelement", &[words, number], i32)?;
        let bits = match lane % 2 {
            0 => {
                let distance = self.constant(Attribute::integer(i32, 16))?;
                self.op("arith.shli", &[word, distance], i32)?
            }
            _ => {
                let upper = self.constant(Attribute::integer(i32, -1 << 16))?;
                self.op("arith.andi", &[word, upper], i32)?
            }
        };
        Ok(Some(self.op("arith.bitcast", &[bits], ty)?))
    }

    /// Elements as one value.
    pub fn joined(&mut self, values: &[Value<'c>]) -> Result<Value<'c>> {
        if let [only] = values {
            return Ok(*only);
        }
        let ty = self.vector(values[0].ty(), values.len())?;
        let mut joined = self.op("llvm.mlir.poison", &[], ty)?;
        for (lane, value) in values.iter().enumerate() {
            let number = self.lane_number(lane)?;
            joined = self.op("llvm.insertelement", &[joined, *value, number], ty)?;
        }
        Ok(joined)
    }

    fn store_to(&mut self, memory: &Memory<'c>, offset: Value<'c>, values: &[Value<'c>]) -> Result {
        let address = self.address(memory, offset)?;
        let alignment = self.alignment(memory, offset, values.len());
        let stored = self.joined(values)?;
        let store = Blueprint::new("llvm.store").operands([stored, address]);
        self.b.insert(&store.attribute("alignment", alignment))?;
        Ok(())
    }

    fn address(&mut self, memory: &Memory<'c>, offset: Value<'c>) -> Result<Value<'c>> {
        self.element_of(memory.pointer, offset, memory.element)
    }

    /// The address of element `number` behind a pointer.
    pub fn element_of(&mut self, pointer: Value<'c>, number: Value<'c>, ty: Type<'c>) -> Result<Value<'c>> {
        let open = Attribute::parse(self.context(), "array<i32: -2147483648>").ok_or("internal: indices parse")?;
        let op = Blueprint::new("llvm.getelementptr")
            .operands([pointer, number])
            .results([pointer.ty()])
            .attribute("elem_type", Attribute::of_type(ty))
            .attribute("rawConstantIndices", open);
        Ok(self.b.insert(&op)?.result(0))
    }

    /// Writes code for where memory is aligned and `ends` are multiples of `width`, and other code for where they are not.
    pub fn where_aligned(
        &mut self,
        (pointers, ends, width): (&[Value<'c>], &[Value<'c>], i64),
        wide: impl FnOnce(&mut Self) -> Result,
        narrow: impl FnOnce(&mut Self) -> Result,
    ) -> Result {
        let aligned = self.are_aligned(pointers)?;
        let condition = self.are_multiples(ends, width, aligned)?;
        self.choose(
            condition,
            &[],
            |emitter| {
                emitter.is_aligned = true;
                let done = emitter.assuming(ends, width, wide);
                emitter.is_aligned = false;
                done.map(|()| Vec::new())
            },
            |emitter| narrow(emitter).map(|()| Vec::new()),
        )?;
        Ok(())
    }

    /// Whether every pointer is a multiple of the widest access.
    fn are_aligned(&mut self, pointers: &[Value<'c>]) -> Result<Value<'c>> {
        let i64 = Type::int(self.context(), 64);
        let zero = self.constant(Attribute::integer(i64, 0))?;
        let mut any = zero;
        for pointer in pointers {
            let address = self.op("llvm.ptrtoint", &[*pointer], i64)?;
            any = self.op("arith.ori", &[any, address], i64)?;
        }
        let mask = self.constant(Attribute::integer(i64, WIDEST - 1))?;
        let rest = self.op("arith.andi", &[any, mask], i64)?;
        self.compare(0, rest, zero)
    }

    /// What the address of an access is a multiple of.
    fn alignment(&self, memory: &Memory<'c>, offset: Value<'c>, count: usize) -> Attribute<'c> {
        let size = bytes_of(memory.element);
        let mut alignment = size;
        let whole = (size * count as i64).min(WIDEST);
        while self.is_aligned && alignment < whole && self.factor(offset) * size % (alignment * 2) == 0 {
            alignment *= 2;
        }
        Attribute::i64(self.context(), alignment)
    }

    /// The address of memory that belongs to the kernel: in an address space, with these contents if any.
    pub fn global(
        &mut self,
        what: &str,
        ty: Type<'c>,
        space: i64,
        contents: Option<Attribute<'c>>,
    ) -> Result<Value<'c>> {
        let name = format!("{}_{what}{}", self.name(), self.globals);
        self.globals += 1;
        let contents = contents.map_or(Contents::Any, Contents::Always);
        self.declare(&name, ty, space, ("internal", contents))?;
        self.address_of(&name, space)
    }

    /// The address of numbers in global memory that are 0 when code is loaded, and that each launch leaves so.
    pub fn counters(&mut self, count: i64) -> Result<Value<'c>> {
        let (cx, name) = (self.context(), format!("{}_counters{}", self.name(), self.globals));
        self.globals += 1;
        let text = format!("!llvm.array<{count} x i32>");
        let ty = Type::parse(cx, &text).ok_or_else(|| format!("internal: '{text}' is no type"))?;
        let zeros = Attribute::parse(cx, &format!("dense<0> : tensor<{count}xi32>")).ok_or("internal: zeros parse")?;
        self.declare(&name, ty, GLOBAL, ("internal", Contents::First(zeros)))?;
        self.address_of(&name, GLOBAL)
    }

    /// Sets numbers in global memory to 0.
    pub fn reset(&mut self, counters: Value<'c>, count: i64) -> Result {
        let ty = Type::int(self.context(), 32);
        for number in 0..count {
            let (number, zero) = (self.int(number)?, self.constant(Attribute::integer(ty, 0))?);
            let address = self.element_of(counters, number, ty)?;
            self.b.insert(&Blueprint::new("llvm.store").operands([zero, address]))?;
        }
        Ok(())
    }

    /// Adds to a number in global memory; what it was before.
    pub fn add_atomically(&self, address: Value<'c>, number: Value<'c>) -> Result<Value<'c>> {
        let (cx, ty) = (self.context(), number.ty());
        let op = Blueprint::new("llvm.atomicrmw")
            .operands([address, number])
            .results([ty])
            .attribute("bin_op", Attribute::i64(cx, ATOMIC_ADD))
            .attribute("ordering", Attribute::i64(cx, MONOTONIC));
        Ok(self.b.insert(&op)?.result(0))
    }

    /// The address of the shared memory that a launch gives a block: as many bytes as its grid says.
    pub fn given_shared(&mut self) -> Result<Value<'c>> {
        let name = format!("{}_given", self.name());
        if !std::mem::replace(&mut self.is_given, true) {
            let bytes = Type::parse(self.context(), "!llvm.array<0 x i8>").ok_or("internal: an array type parses")?;
            self.declare(&name, bytes, SHARED, ("external", Contents::Any))?;
        }
        self.address_of(&name, SHARED)
    }

    fn name(&self) -> &'c str {
        self.function.attribute("sym_name").and_then(|a| a.as_string()).unwrap_or_default()
    }

    fn declare(&mut self, name: &str, ty: Type<'c>, space: i64, (linkage, contents): (&str, Contents<'c>)) -> Result {
        let cx = self.context();
        let linkage = Attribute::parse(cx, &format!("#llvm.linkage<{linkage}>")).ok_or("internal: a linkage parses")?;
        let module = self.function.block().ok_or("internal: a kernel is in a module")?;
        let mut global = Blueprint::new("llvm.mlir.global")
            .attribute("sym_name", Attribute::string(cx, name))
            .attribute("global_type", Attribute::of_type(ty))
            .attribute("addr_space", Attribute::integer(Type::int(cx, 32), space))
            .attribute("alignment", Attribute::i64(cx, WIDEST))
            .attribute("linkage", linkage)
            .regions(1);
        match contents {
            Contents::Any => {}
            Contents::First(value) => global = global.attribute("value", value),
            Contents::Always(value) => {
                global = global.attribute("constant", Attribute::unit(cx)).attribute("value", value);
            }
        }
        self.b.nested(|b| b.at_start(module).insert(&global))?;
        Ok(())
    }

    fn address_of(&self, name: &str, space: i64) -> Result<Value<'c>> {
        let cx = self.context();
        let pointer = Type::parse(cx, &format!("!llvm.ptr<{space}>")).ok_or("internal: a pointer type parses")?;
        let address = Blueprint::new("llvm.mlir.addressof").results([pointer]);
        Ok(self.b.insert(&address.attribute("global_name", Attribute::symbol(cx, name)))?.result(0))
    }

    fn vector(&self, element: Type<'c>, count: usize) -> Result<Type<'c>> {
        if count == 1 {
            return Ok(element);
        }
        let text = format!("vector<{count}x{element}>");
        Type::parse(self.context(), &text).ok_or_else(|| format!("internal: '{text}' is no type").as_str().into())
    }

    fn lane_number(&self, lane: usize) -> Result<Value<'c>> {
        let ty = Type::int(self.context(), 32);
        let op = Blueprint::new("llvm.mlir.constant").results([ty]);
        Ok(self.b.insert(&op.attribute("value", Attribute::integer(ty, lane as i64)))?.result(0))
    }
}
