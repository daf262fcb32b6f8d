//! Gives lowered kernels the entry that the runtime calls: `(pointers, sizes)`.
//!
//! Needs: kernels on tensors, with their sizes as an attribute. Guarantees: each kernel is a public
//! function of two pointers; its body reads and writes memory through arguments that do not alias.

use thunder_interface::{Dim, DimExpr};
use thunder_ir::prelude::*;
use thunder_ir::Blueprint;
use thunder_passes::shapes::attribute_to_dim;
use thunder_passes::{KERNEL, SIZES, SYMBOL_COUNT};

/// Replaces a kernel's tensors by the pointers and sizes of the runtime's calling convention.
#[pass("thunder-kernel-entry", on = "builtin.module", dialects("func", "llvm", "arith", "bufferization", "memref"))]
pub struct KernelEntry;

impl Pass for KernelEntry {
    fn run(&self, module: Operation<'_>, _: &PassContext<'_>) -> Result {
        let body = module.regions().next().and_then(|r| r.entry()).ok_or_else(|| module.error("has no body"))?;
        for function in body.operations() {
            if function.attribute(KERNEL).is_some() {
                give_entry(function)?;
            }
        }
        Ok(())
    }
}

fn give_entry(function: Operation<'_>) -> Result {
    let body = function.region(0).entry().ok_or_else(|| function.error("has no body"))?;
    let terminator = body.terminator().ok_or_else(|| function.error("does not return"))?;
    let sizes: Vec<Vec<Dim>> = function
        .attribute(SIZES)
        .and_then(|a| a.as_array())
        .and_then(|all| all.iter().map(|dims| dims.as_array()?.into_iter().map(attribute_to_dim).collect()).collect())
        .ok_or_else(|| function.error(format!("is a kernel without '{SIZES}'")))?;
    let inputs: Vec<_> = body.arguments().collect();
    let results: Vec<_> = terminator.operands().collect();
    if sizes.len() != inputs.len() + results.len() {
        return Err(function.error(format!("has '{SIZES}' for {} values, not for {}", sizes.len(), inputs.len() + results.len())));
    }
    let symbols = function.attribute(SYMBOL_COUNT).and_then(|a| a.as_integer()).unwrap_or(0) as usize;
    let name = function.attribute("sym_name").and_then(|a| a.as_string()).unwrap_or_default();
    let is_tensor = |v: &Value<'_>| v.ty().as_tensor().is_some();
    let pointers = inputs.iter().chain(&results).filter(|v| is_tensor(v)).count();

    let inner = inner_function(function, &format!("{name}_body"), pointers, symbols)?;
    let start = inner.region(0).entry().ok_or_else(|| inner.error("has no body"))?;
    let arguments: Vec<_> = start.arguments().collect();
    let code = Code { rw: Rewriter::at_end_of(start, function.location()), symbols: arguments[pointers..].to_vec() };
    let mut memory = Vec::new();
    let mut next = arguments.iter();
    for (value, dims) in inputs.iter().chain(&results).zip(&sizes) {
        memory.push(if is_tensor(value) {
            let pointer = next.next().ok_or_else(|| function.error("internal: too few pointers"))?;
            code.memref(*pointer, *value, dims)?
        } else {
            code.size(&dims[0])?
        });
    }
    for (value, memory) in inputs.iter().zip(&memory) {
        let inside = if is_tensor(value) { code.to_tensor(*memory, value.ty())? } else { *memory };
        code.rw.replace_uses(*value, inside);
    }
    let end = code.one("func.return", &[], &[], &[])?;
    for op in body.operations() {
        if op != terminator {
            code.rw.move_before(op, end);
        }
    }
    code.rw.before(end);
    for (result, memory) in results.iter().zip(&memory[inputs.len()..]) {
        let unit = Attribute::unit(function.context());
        code.one(
            "bufferization.materialize_in_destination",
            &[*result, *memory],
            &[],
            &[("restrict", unit), ("writable", unit)],
        )?;
    }
    outer_function(function, name, inner, pointers, symbols)?;
    Rewriter::at(function).erase(function)
}

/// The private function over pointers that do not alias and sizes.
fn inner_function<'c>(function: Operation<'c>, name: &str, pointers: usize, symbols: usize) -> Result<Operation<'c>> {
    let cx = function.context();
    let pointer = pointer_type(function)?;
    let noalias = Attribute::dictionary(cx, &[("llvm.noalias", Attribute::unit(cx))]);
    let plain = Attribute::dictionary(cx, &[]);
    let types: Vec<_> = std::iter::repeat_n(pointer, pointers).chain(std::iter::repeat_n(Type::index(cx), symbols)).collect();
    let attributes: Vec<_> = std::iter::repeat_n(noalias, pointers).chain(std::iter::repeat_n(plain, symbols)).collect();
    let rw = Rewriter::at(function);
    let inner = rw.insert(
        &Blueprint::new("func.func")
            .attribute("sym_name", Attribute::string(cx, name))
            .attribute("sym_visibility", Attribute::string(cx, "private"))
            .attribute("function_type", Attribute::of_type(Type::function(cx, &types, &[])))
            .attribute("arg_attrs", Attribute::array(cx, &attributes))
            .attribute(KERNEL, Attribute::unit(cx))
            .regions(1),
    )?;
    let arguments: Vec<_> = types.iter().map(|ty| (*ty, function.location())).collect();
    inner.region(0).append_block(&arguments);
    Ok(inner)
}

/// The public function that unpacks its two arrays and calls the private one.
fn outer_function<'c>(
    function: Operation<'c>,
    name: &str,
    inner: Operation<'c>,
    pointers: usize,
    symbols: usize,
) -> Result {
    let cx = function.context();
    let pointer = pointer_type(function)?;
    let rw = Rewriter::at(function);
    rw.set_location(function.location());
    let outer = rw.insert(
        &Blueprint::new("func.func")
            .attribute("sym_name", Attribute::string(cx, name))
            .attribute("function_type", Attribute::of_type(Type::function(cx, &[pointer, pointer], &[])))
            .regions(1),
    )?;
    let body = outer.region(0).append_block(&[(pointer, function.location()), (pointer, function.location())]);
    let code = Code { rw: Rewriter::at_end_of(body, function.location()), symbols: Vec::new() };
    let i64 = Type::int(cx, 64);
    let mut values = Vec::new();
    for index in 0..pointers {
        values.push(code.load(body.argument(0), index, pointer)?);
    }
    for index in 0..symbols {
        let size = code.load(body.argument(1), index, i64)?;
        values.push(code.value("arith.index_cast", &[size], Type::index(cx), &[])?);
    }
    let callee = inner.attribute("sym_name").and_then(|a| a.as_string()).unwrap_or_default();
    code.one("func.call", &values, &[], &[("callee", Attribute::symbol(cx, callee))])?;
    code.one("func.return", &[], &[], &[])?;
    Ok(())
}

fn pointer_type(op: Operation<'_>) -> Result<Type<'_>> {
    Type::parse(op.context(), "!llvm.ptr").ok_or_else(|| op.error("internal: the llvm dialect is not loaded"))
}

/// Ops at the end of a function, and the sizes it may use.
struct Code<'c> {
    rw: Rewriter<'c>,
    symbols: Vec<Value<'c>>,
}

impl<'c> Code<'c> {
    fn one(
        &self,
        name: &str,
        operands: &[Value<'c>],
        results: &[Type<'c>],
        attributes: &[(&str, Attribute<'c>)],
    ) -> Result<Operation<'c>> {
        let mut blueprint = Blueprint::new(name).operands(operands.iter().copied()).results(results.iter().copied());
        for (name, value) in attributes {
            blueprint = blueprint.attribute(name, *value);
        }
        self.rw.insert(&blueprint)
    }

    fn value(
        &self,
        name: &str,
        operands: &[Value<'c>],
        ty: Type<'c>,
        attributes: &[(&str, Attribute<'c>)],
    ) -> Result<Value<'c>> {
        Ok(self.one(name, operands, &[ty], attributes)?.result(0))
    }

    /// Element `index` of an array of 8-byte elements.
    fn load(&self, array: Value<'c>, index: usize, ty: Type<'c>) -> Result<Value<'c>> {
        let cx = self.rw.context();
        let parse = |text: &str| Attribute::parse(cx, text).expect("the text of an attribute is MLIR's");
        let address = self.value(
            "llvm.getelementptr",
            &[array],
            array.ty(),
            &[
                ("rawConstantIndices", parse(&format!("array<i32: {index}>"))),
                ("elem_type", Attribute::of_type(Type::int(cx, 64))),
                ("noWrapFlags", parse("0 : i32")),
            ],
        )?;
        self.value("llvm.load", &[address], ty, &[])
    }

    fn size(&self, dim: &Dim) -> Result<Value<'c>> {
        let cx = self.rw.context();
        let index = Type::index(cx);
        let pair = |name: &str, a: &Dim, b: &Dim| {
            let (a, b) = (self.size(a)?, self.size(b)?);
            self.value(name, &[a, b], index, &[])
        };
        match dim {
            Dim::Known(size) => self.value("arith.constant", &[], index, &[("value", Attribute::integer(index, *size))]),
            Dim::Unknown => Err(Error::new("a kernel has a size that no rule tells")),
            Dim::Expr(expr) => match &**expr {
                DimExpr::Symbol(number) => self
                    .symbols
                    .get(*number as usize)
                    .copied()
                    .ok_or_else(|| Error::new(format!("internal: a kernel has no symbol {number}"))),
                DimExpr::Add(a, b) => pair("arith.addi", a, b),
                DimExpr::Sub(a, b) => pair("arith.subi", a, b),
                DimExpr::Mul(a, b) => pair("arith.muli", a, b),
                DimExpr::FloorDiv(a, b) => pair("arith.floordivsi", a, b),
                DimExpr::Max(a, b) => pair("arith.maxsi", a, b),
            },
        }
    }

    /// The dense memory at `pointer`, of the type of a tensor.
    fn memref(&self, pointer: Value<'c>, tensor: Value<'c>, dims: &[Dim]) -> Result<Value<'c>> {
        let cx = self.rw.context();
        let i64 = Type::int(cx, 64);
        let rank = dims.len();
        let arrays = if rank == 0 { String::new() } else { format!(", array<{rank} x i64>, array<{rank} x i64>") };
        let descriptor = Type::parse(cx, &format!("!llvm.struct<(ptr, ptr, i64{arrays})>"))
            .ok_or_else(|| Error::new("internal: the llvm dialect is not loaded"))?;
        let mut sizes = Vec::new();
        for dim in dims {
            let size = self.size(dim)?;
            sizes.push(self.value("builtin.unrealized_conversion_cast", &[size], i64, &[])?);
        }
        let constant =
            |value: i64| self.value("llvm.mlir.constant", &[], i64, &[("value", Attribute::integer(i64, value))]);
        let mut current = self.value("llvm.mlir.poison", &[], descriptor, &[])?;
        let insert = |into: Value<'c>, value: Value<'c>, position: &[i64]| {
            self.value("llvm.insertvalue", &[into, value], descriptor, &[("position", Attribute::i64_array(cx, position))])
        };
        current = insert(current, pointer, &[0])?;
        current = insert(current, pointer, &[1])?;
        current = insert(current, constant(0)?, &[2])?;
        let mut stride = constant(1)?;
        for axis in (0..rank).rev() {
            current = insert(current, sizes[axis], &[3, axis as i64])?;
            current = insert(current, stride, &[4, axis as i64])?;
            if axis > 0 {
                stride = self.value("llvm.mul", &[stride, sizes[axis]], i64, &[])?;
            }
        }
        let ty = tensor.ty().as_tensor().ok_or_else(|| Error::new("internal: not a tensor"))?;
        self.value("builtin.unrealized_conversion_cast", &[current], Type::memref(ty.element(), &ty.dims()), &[])
    }

    fn to_tensor(&self, memory: Value<'c>, ty: Type<'c>) -> Result<Value<'c>> {
        let unit = Attribute::unit(self.rw.context());
        self.value("bufferization.to_tensor", &[memory], ty, &[("restrict", unit)])
    }
}
