//! The C function of a kernel, and the memory behind its tensors.

use std::collections::HashMap;
use thunder_interface::{Dim, DimExpr};
use thunder_ir::{Attribute, Block, Blueprint, Builder, ContextRef, Operation, Result, Rewriter, Type, Value};
use thunder_passes::PANELS;

use super::rows;
use crate::signature::Signature;

/// A dense tensor in memory: the operand or result of a kernel.
pub struct Buffer<'c> {
    pointer: Value<'c>,
    element: Type<'c>,
    /// What is known of the sizes at compile time.
    pub known: Vec<Option<i64>>,
    /// All sizes, as values of type `index`.
    pub sizes: Vec<Value<'c>>,
}

/// Replaces the kernel `function` by a C function of its name; whether it computes any range of its rows alone.
pub fn make(function: Operation<'_>) -> Result<bool> {
    if function.attribute(PANELS).is_some() {
        return Err(function.error("makes something of panels of rows, as kernels of GPUs alone do"));
    }
    let signature = Signature::of(function)?;
    let body = signature.body(function)?;
    let splits = fill(function, &signature, body)?;
    signature.entry(function, splits)?;
    Rewriter::at(function).erase(function)?;
    Ok(splits)
}

/// Which rows a call of a kernel computes.
#[derive(Clone, Copy)]
pub struct Range<'c> {
    /// The first, counted through all leading dimensions that are rows.
    pub start: Value<'c>,
    /// How many.
    pub length: Value<'c>,
}

/// The numbers that a kernel takes after its symbols.
const RANGE: usize = 2;

impl<'c> Signature<'c> {
    fn body_name(&self) -> String {
        format!("{}.body", self.name)
    }

    /// An empty private function that takes every pointer, symbol and the range of rows. Pointers are
    /// arguments of their own so that they can be said not to alias.
    fn body(&self, function: Operation<'c>) -> Result<Block<'c>> {
        let cx = function.context();
        let pointer = pointer_type(cx)?;
        let mut inputs = vec![pointer; self.tensors()];
        inputs.resize(self.tensors() + self.symbols + RANGE, Type::index(cx));
        let alone = Attribute::dictionary(cx, &[("llvm.noalias", Attribute::unit(cx))]);
        let mut attributes = vec![alone; self.tensors()];
        attributes.resize(inputs.len(), Attribute::dictionary(cx, &[]));
        let body = Rewriter::at(function).insert(
            &Blueprint::new("func.func")
                .attribute("sym_name", Attribute::string(cx, &self.body_name()))
                .attribute("sym_visibility", Attribute::string(cx, "private"))
                .attribute("function_type", Attribute::of_type(Type::function(cx, &inputs, &[])))
                .attribute("arg_attrs", Attribute::array(cx, &attributes))
                .regions(1),
        )?;
        let arguments: Vec<_> = inputs.iter().map(|ty| (*ty, function.location())).collect();
        Ok(body.region(0).append_block(&arguments))
    }

    /// The public function: loads pointers and numbers, and calls the body. One that does not split
    /// does everything for the range that starts at 0.
    fn entry(&self, function: Operation<'c>, splits: bool) -> Result {
        let cx = function.context();
        let (pointer, long) = (pointer_type(cx)?, Type::int(cx, 64));
        let rewriter = Rewriter::at(function);
        let entry = rewriter.insert(
            &Blueprint::new("func.func")
                .attribute("sym_name", Attribute::string(cx, &self.name))
                .attribute("function_type", Attribute::of_type(Type::function(cx, &[pointer, pointer], &[])))
                .regions(1),
        )?;
        let block = entry.region(0).append_block(&[(pointer, function.location()), (pointer, function.location())]);
        rewriter.at_end(block);
        let mut arguments = Vec::new();
        for number in 0..self.tensors() {
            let at = element_address(&rewriter, block.argument(0), pointer, number)?;
            arguments.push(load(&rewriter, at, pointer)?);
        }
        for number in 0..self.symbols + RANGE {
            let at = element_address(&rewriter, block.argument(1), long, number)?;
            let value = load(&rewriter, at, long)?;
            arguments.push(cast(&rewriter, value, Type::index(cx))?);
        }
        let done = rewriter.insert(&Blueprint::new("func.return"))?;
        rewriter.before(done);
        if !splits {
            let start = arguments[arguments.len() - RANGE];
            let zero = index(&rewriter, 0)?;
            let is_first = equal(&rewriter, start, zero)?;
            let first = rewriter.insert(&Blueprint::new("scf.if").operands([is_first]).regions(2))?;
            rewriter.at_end(first.region(0).append_block(&[]));
            let end = rewriter.insert(&Blueprint::new("scf.yield"))?;
            rewriter.before(end);
        }
        let callee = Attribute::symbol(cx, &self.body_name());
        rewriter.insert(&Blueprint::new("func.call").operands(arguments).attribute("callee", callee))?;
        Ok(())
    }
}

/// Moves the ops of `function` into the empty `body`, between its pointers; whether it works on ranges.
fn fill<'c>(function: Operation<'c>, signature: &Signature<'c>, body: Block<'c>) -> Result<bool> {
    let old = function.region(0).entry().ok_or_else(|| function.error("has no body"))?;
    let rewriter = Rewriter::at_end_of(body, function.location());
    let done = rewriter.insert(&Blueprint::new("func.return"))?;
    rewriter.before(done);
    let mut symbols: Vec<_> = body.arguments().skip(signature.tensors()).collect();
    let range = symbols.split_off(signature.symbols);
    let range = Range { start: range[0], length: range[1] };
    let mut sizes = SizeValues { builder: &rewriter, symbols, known: HashMap::new() };
    let mut pointers = body.arguments();
    let mut taken = Vec::new();
    let mut inputs = Vec::new();
    let mut values = Vec::new();
    let mut results = Vec::new();
    for (number, (ty, dims)) in signature.types.iter().zip(&signature.dims).enumerate() {
        let dims = dims.iter().map(|dim| sizes.value(dim)).collect::<Result<Vec<_>>>()?;
        let Some(tensor) = ty.as_tensor() else {
            values.push(dims[0]);
            taken.push(None);
            continue;
        };
        let shared = number.checked_sub(old.argument_count()).and_then(|result| signature.in_place[result]);
        let pointer = match shared.and_then(|input| taken[input]) {
            Some(pointer) => pointer,
            None => pointers.next().expect("the body has a pointer for each tensor that shares none"),
        };
        taken.push(Some(pointer));
        let buffer = Buffer { pointer, element: tensor.element(), known: tensor.dims(), sizes: dims };
        if number >= old.argument_count() {
            results.push(buffer);
            continue;
        }
        let tensor = buffer.read(&rewriter, &Part::Whole)?;
        values.push(tensor);
        inputs.push((tensor, buffer));
    }
    // Where the results go exists before they are computed, so that they are computed there.
    let whole = results.iter().map(|buffer| buffer.view(&rewriter, &Part::Whole)).collect::<Result<Vec<_>>>()?;
    rewriter.inline_block(old, done, &values);
    let returned = previous(body, done).ok_or_else(|| function.error("does not return"))?;
    let outputs: Vec<_> = returned.operands().zip(results).collect();
    rewriter.before(done);
    Rewriter::at(returned).erase(returned)?;
    if rows::split(function, body, &inputs, &outputs, range, &rewriter)? {
        return Ok(true);
    }
    for ((value, _), view) in outputs.iter().zip(whole) {
        store(&rewriter, *value, view)?;
    }
    Ok(false)
}

fn previous<'c>(block: Block<'c>, op: Operation<'c>) -> Option<Operation<'c>> {
    let ops = block.operations();
    let at = ops.iter().position(|o| *o == op)?;
    ops[..at].last().copied()
}

/// Part of a tensor in memory.
pub enum Part<'c> {
    /// All of it.
    Whole,
    /// What belongs to one of the rows that its first `rank` dimensions count.
    Row {
        /// How many dimensions.
        rank: usize,
        /// Which row.
        number: Value<'c>,
    },
    /// Some of its elements, in one dimension.
    Elements(Range<'c>),
    /// Some of its columns: its last `rank` dimensions are one, and of that a range.
    Columns {
        /// How many dimensions.
        rank: usize,
        /// Which columns.
        range: Range<'c>,
    },
}

impl<'c> Buffer<'c> {
    /// The memory of a part.
    pub fn view(&self, b: &Builder<'c>, part: &Part<'c>) -> Result<Value<'c>> {
        let (known, sizes) = self.extents(part);
        let mut pointer = self.pointer;
        let offset = match part {
            Part::Whole => None,
            Part::Row { number, .. } => Some(*number),
            Part::Elements(range) | Part::Columns { range, .. } => Some(range.start),
        };
        if let Some(mut offset) = offset {
            if let Part::Row { .. } = part {
                for size in &sizes {
                    offset = multiply(b, offset, *size)?;
                }
            }
            pointer = advance(b, pointer, offset, self.element)?;
        }
        let Part::Columns { rank, .. } = part else {
            let descriptor = describe(b, pointer, &sizes, None)?;
            return cast(b, descriptor, Type::memref(self.element, &known));
        };
        let mut pitch = index(b, 1)?;
        for size in &self.sizes[self.sizes.len() - rank..] {
            pitch = multiply(b, pitch, *size)?;
        }
        let descriptor = describe(b, pointer, &sizes, Some(pitch))?;
        let sizes: Vec<_> = known.iter().map(|size| size.map_or("?".to_owned(), |size| size.to_string())).collect();
        let strides = [vec!["?"; sizes.len() - 1], vec!["1"]].concat().join(", ");
        let text = format!("memref<{}x{}, strided<[{strides}]>>", sizes.join("x"), self.element);
        cast(b, descriptor, parse_type(b.context(), &text)?)
    }

    /// The contents of such a view as a tensor.
    pub fn read(&self, b: &Builder<'c>, part: &Part<'c>) -> Result<Value<'c>> {
        let view = self.view(b, part)?;
        let ty = Type::tensor(self.element, &self.extents(part).0);
        let unit = Attribute::unit(b.context());
        let op = Blueprint::new("bufferization.to_tensor").operands([view]).results([ty]).attribute("restrict", unit);
        Ok(b.insert(&op)?.result(0))
    }

    fn extents(&self, part: &Part<'c>) -> (Vec<Option<i64>>, Vec<Value<'c>>) {
        match part {
            Part::Whole => (self.known.clone(), self.sizes.clone()),
            Part::Row { rank, .. } => (self.known[*rank..].to_vec(), self.sizes[*rank..].to_vec()),
            Part::Elements(range) => (vec![None], vec![range.length]),
            Part::Columns { rank, range } => {
                let leading = self.sizes.len() - rank;
                let known = [&self.known[..leading], &[None]].concat();
                (known, [&self.sizes[..leading], &[range.length]].concat())
            }
        }
    }
}

fn advance<'c>(b: &Builder<'c>, pointer: Value<'c>, elements: Value<'c>, ty: Type<'c>) -> Result<Value<'c>> {
    let elements = cast(b, elements, Type::int(b.context(), 64))?;
    let op = Blueprint::new("llvm.getelementptr")
        .operands([pointer, elements])
        .results([pointer.ty()])
        .attribute("elem_type", Attribute::of_type(ty))
        .attribute("rawConstantIndices", parse(b.context(), "array<i32: -2147483648>")?);
    Ok(b.insert(&op)?.result(0))
}

/// What the LLVM dialect has for a memref, dense but for how far its rows are apart, if that is told.
fn describe<'c>(
    b: &Builder<'c>,
    pointer: Value<'c>,
    sizes: &[Value<'c>],
    pitch: Option<Value<'c>>,
) -> Result<Value<'c>> {
    let (cx, rank) = (b.context(), sizes.len());
    let long = Type::int(cx, 64);
    let arrays = if rank == 0 { String::new() } else { format!(", array<{rank} x i64>, array<{rank} x i64>") };
    let descriptor = parse_type(cx, &format!("!llvm.struct<(ptr, ptr, i64{arrays})>"))?;
    let insert = |into: Value<'c>, value: Value<'c>, at: String| -> Result<Value<'c>> {
        let op = Blueprint::new("llvm.insertvalue")
            .operands([into, value])
            .results([descriptor])
            .attribute("position", parse(cx, &format!("array<i64: {at}>"))?);
        Ok(b.insert(&op)?.result(0))
    };
    let mut value = b.insert(&Blueprint::new("llvm.mlir.poison").results([descriptor]))?.result(0);
    value = insert(value, pointer, "0".into())?;
    value = insert(value, pointer, "1".into())?;
    let zero = constant(b, Attribute::integer(long, 0), long)?;
    value = insert(value, zero, "2".into())?;
    let mut stride = index(b, 1)?;
    for (axis, size) in sizes.iter().enumerate().rev() {
        value = insert(value, cast(b, *size, long)?, format!("3, {axis}"))?;
        value = insert(value, cast(b, stride, long)?, format!("4, {axis}"))?;
        stride = match pitch.filter(|_| axis + 1 == rank) {
            Some(pitch) => pitch,
            None => multiply(b, stride, *size)?,
        };
    }
    Ok(value)
}

/// Writes `tensor` to the memory `view`.
pub fn store<'c>(b: &Builder<'c>, tensor: Value<'c>, view: Value<'c>) -> Result {
    let unit = Attribute::unit(b.context());
    b.insert(
        &Blueprint::new("bufferization.materialize_in_destination")
            .operands([tensor, view])
            .attribute("restrict", unit)
            .attribute("writable", unit),
    )?;
    Ok(())
}

/// Sizes over the symbols, each made once.
struct SizeValues<'a, 'c> {
    builder: &'a Builder<'c>,
    symbols: Vec<Value<'c>>,
    known: HashMap<Dim, Value<'c>>,
}

impl<'c> SizeValues<'_, 'c> {
    fn value(&mut self, dim: &Dim) -> Result<Value<'c>> {
        if let Some(value) = self.known.get(dim) {
            return Ok(*value);
        }
        let value = match dim {
            Dim::Known(size) => index(self.builder, *size)?,
            Dim::Unknown => return Err("internal: a kernel has a size that its symbols do not tell".into()),
            Dim::Expr(expr) => match &**expr {
                DimExpr::Symbol(number) => {
                    let symbol = self.symbols.get(*number as usize);
                    *symbol.ok_or("internal: a kernel has a size over a symbol that it lacks")?
                }
                DimExpr::Add(a, b) => self.pair("arith.addi", a, b)?,
                DimExpr::Sub(a, b) => self.pair("arith.subi", a, b)?,
                DimExpr::Mul(a, b) => self.pair("arith.muli", a, b)?,
                DimExpr::FloorDiv(a, b) => self.pair("arith.floordivsi", a, b)?,
                DimExpr::Max(a, b) => self.pair("arith.maxsi", a, b)?,
            },
        };
        self.known.insert(dim.clone(), value);
        Ok(value)
    }

    fn pair(&mut self, name: &str, a: &Dim, b: &Dim) -> Result<Value<'c>> {
        let (a, b) = (self.value(a)?, self.value(b)?);
        binary(self.builder, name, a, b)
    }
}

/// Whether two numbers are the same.
pub fn equal<'c>(b: &Builder<'c>, x: Value<'c>, y: Value<'c>) -> Result<Value<'c>> {
    let op = Blueprint::new("arith.cmpi").operands([x, y]).results([Type::int(b.context(), 1)]);
    Ok(b.insert(&op.attribute("predicate", Attribute::i64(b.context(), 0)))?.result(0))
}

/// An operation on two values of one type.
pub fn binary<'c>(b: &Builder<'c>, name: &str, x: Value<'c>, y: Value<'c>) -> Result<Value<'c>> {
    Ok(b.insert(&Blueprint::new(name).operands([x, y]).results([x.ty()]))?.result(0))
}

/// `x * y` of type `index`.
pub fn multiply<'c>(b: &Builder<'c>, x: Value<'c>, y: Value<'c>) -> Result<Value<'c>> {
    binary(b, "arith.muli", x, y)
}

/// `x + y` of type `index`.
pub fn add<'c>(b: &Builder<'c>, x: Value<'c>, y: Value<'c>) -> Result<Value<'c>> {
    binary(b, "arith.addi", x, y)
}

/// A constant of type `index`.
pub fn index<'c>(b: &Builder<'c>, value: i64) -> Result<Value<'c>> {
    let ty = Type::index(b.context());
    constant(b, Attribute::integer(ty, value), ty)
}

/// A constant.
pub fn constant<'c>(b: &Builder<'c>, value: Attribute<'c>, ty: Type<'c>) -> Result<Value<'c>> {
    Ok(b.insert(&Blueprint::new("arith.constant").results([ty]).attribute("value", value))?.result(0))
}

fn cast<'c>(b: &Builder<'c>, value: Value<'c>, ty: Type<'c>) -> Result<Value<'c>> {
    let op = Blueprint::new("builtin.unrealized_conversion_cast").operands([value]).results([ty]);
    Ok(b.insert(&op)?.result(0))
}

fn load<'c>(b: &Builder<'c>, at: Value<'c>, ty: Type<'c>) -> Result<Value<'c>> {
    Ok(b.insert(&Blueprint::new("llvm.load").operands([at]).results([ty]))?.result(0))
}

fn element_address<'c>(b: &Builder<'c>, base: Value<'c>, element: Type<'c>, number: usize) -> Result<Value<'c>> {
    let op = Blueprint::new("llvm.getelementptr")
        .operands([base])
        .results([base.ty()])
        .attribute("elem_type", Attribute::of_type(element))
        .attribute("rawConstantIndices", parse(b.context(), &format!("array<i32: {number}>"))?);
    Ok(b.insert(&op)?.result(0))
}

fn pointer_type(cx: ContextRef<'_>) -> Result<Type<'_>> {
    parse_type(cx, "!llvm.ptr")
}

fn parse_type<'c>(cx: ContextRef<'c>, text: &str) -> Result<Type<'c>> {
    Type::parse(cx, text).ok_or_else(|| format!("internal: '{text}' is no type").as_str().into())
}

/// An attribute from its text.
pub fn parse<'c>(cx: ContextRef<'c>, text: &str) -> Result<Attribute<'c>> {
    Attribute::parse(cx, text).ok_or_else(|| format!("internal: '{text}' is no attribute").as_str().into())
}
