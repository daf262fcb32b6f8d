//! Symbolic sizes of every tensor in a function: what each `?` is, in terms of the inputs.

use std::collections::HashMap;
use std::rc::Rc;

use thunder_interface::{DIM_NAMES, Dim, DimExpr, RANGES, ShapeInputs, ShapeRule, SizeRule, collect_equalities};
use thunder_ir::{Attribute, Block, ContextRef, Operation, Result, Value};

/// A symbol and the argument dimension that defines it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// The number of the function argument.
    pub argument: usize,
    /// Its dimension.
    pub axis: usize,
    /// The user's name for it.
    pub name: Option<String>,
}

/// The symbolic sizes of one function.
#[derive(Debug, Default)]
pub struct Shapes<'c> {
    dims: HashMap<Value<'c>, Vec<Dim>>,
    sizes: HashMap<Value<'c>, Dim>,
    /// What `Dim::symbol(i)` is.
    pub symbols: Vec<Symbol>,
    /// Sizes that must be equal for the function to mean anything, and where that was found.
    pub equalities: Vec<(Dim, Dim, String)>,
}

/// The functions that calls lead to.
#[derive(Debug, Default)]
struct Calls<'c> {
    /// Those whose analysis waits for that of what they call.
    open: Vec<Operation<'c>>,
    known: HashMap<Operation<'c>, Rc<Callee>>,
}

/// What a call needs to know of the function it calls.
#[derive(Debug)]
struct Callee {
    symbols: Vec<Symbol>,
    results: Vec<Vec<Dim>>,
}

impl<'c> Shapes<'c> {
    /// Analyses a function with one block.
    pub fn of(function: Operation<'c>) -> Result<Self> {
        Self::within(function, &mut Calls::default())
    }

    fn within(function: Operation<'c>, calls: &mut Calls<'c>) -> Result<Self> {
        let block = function
            .regions()
            .next()
            .and_then(|r| r.entry())
            .ok_or_else(|| function.error("has no body whose sizes could be analysed"))?;
        let mut shapes = Self::default();
        shapes.arguments(function, block);
        calls.open.push(function);
        for op in block.operations() {
            shapes.step(op, calls)?;
        }
        calls.open.pop();
        Ok(shapes)
    }

    /// The sizes of a tensor.
    pub fn dims(&self, value: Value<'c>) -> Vec<Dim> {
        self.dims.get(&value).cloned().unwrap_or_else(|| declared(value))
    }

    /// The size that a value of type `index` stands for.
    pub fn size(&self, value: Value<'c>) -> Dim {
        self.sizes.get(&value).cloned().unwrap_or(Dim::Unknown)
    }

    fn arguments(&mut self, function: Operation<'c>, block: Block<'c>) {
        let attributes = function.attribute("arg_attrs").and_then(|a| a.as_array()).unwrap_or_default();
        let mut named: HashMap<String, Dim> = HashMap::new();
        for (argument, value) in block.arguments().enumerate() {
            let names = attributes
                .get(argument)
                .and_then(|a| a.entry(DIM_NAMES))
                .and_then(|a| a.as_array())
                .unwrap_or_default();
            let mut dims = declared(value);
            let ranges = attributes.get(argument).and_then(|a| a.entry(RANGES)).and_then(|a| a.as_i64_array());
            let ranges = ranges.unwrap_or_default();
            let is_size = value.ty().as_tensor().is_none();
            if is_size {
                dims = vec![Dim::Unknown];
            }
            for (axis, dim) in dims.iter_mut().enumerate().filter(|(_, d)| **d == Dim::Unknown) {
                let name = names.get(axis).and_then(|a| a.as_string()).filter(|n| !n.is_empty()).map(str::to_owned);
                let known = name.as_ref().and_then(|n| named.get(n)).cloned();
                let fresh = Dim::symbol(self.symbols.len() as u32);
                self.symbols.push(Symbol { argument, axis, name: name.clone() });
                self.limit(&fresh, name.as_deref(), ranges.get(2 * axis..2 * axis + 2).unwrap_or_default());
                if let Some(known) = known {
                    self.equalities.push((known.clone(), fresh, format!("both are '{}'", name.unwrap_or_default())));
                    *dim = known;
                } else {
                    if let Some(name) = name {
                        named.insert(name, fresh.clone());
                    }
                    *dim = fresh;
                }
            }
            if is_size {
                self.sizes.insert(value, dims.remove(0));
            } else {
                self.dims.insert(value, dims);
            }
        }
    }

    /// Notes that a size must be within its range.
    fn limit(&mut self, size: &Dim, name: Option<&str>, range: &[i64]) {
        let [least, most] = *range else { return };
        let name = name.unwrap_or("a size");
        if least > 0 {
            let why = format!("'{name}' is at least {least}");
            self.equalities.push((size.clone(), size.max(&Dim::Known(least)), why));
        }
        if most >= 0 {
            let why = format!("'{name}' is at most {most}");
            self.equalities.push((size.max(&Dim::Known(most)), Dim::Known(most), why));
        }
    }

    fn step(&mut self, op: Operation<'c>, calls: &mut Calls<'c>) -> Result {
        let operands: Vec<Vec<Dim>> = op.operands().map(|v| self.dims(v)).collect();
        if let Some(rule) = <dyn SizeRule>::of(op) {
            let size = rule.size(&operands);
            self.sizes.insert(op.result(0), size);
            return Ok(());
        }
        if let Some(size) = self.index_arithmetic(op) {
            self.sizes.insert(op.result(0), size);
            return Ok(());
        }
        if op.name() == "func.call" {
            return self.call(op, calls);
        }
        let (shapes, equalities) = collect_equalities(|| self.rule(op, operands));
        let place = op.location().to_string();
        for (a, b) in equalities {
            if !self.equalities.iter().any(|(x, y, _)| (x, y) == (&a, &b) || (x, y) == (&b, &a)) {
                self.equalities.push((a, b, format!("'{}' at {place} needs it", op.name())));
            }
        }
        if let Some(shapes) = shapes? {
            for (value, dims) in op.results().zip(shapes) {
                let dims =
                    declared(value).into_iter().zip(dims).map(|(d, s)| if d == Dim::Unknown { s } else { d }).collect();
                self.dims.insert(value, dims);
            }
        }
        Ok(())
    }

    /// The sizes of a call's results follow from the body of what it calls.
    fn call(&mut self, op: Operation<'c>, calls: &mut Calls<'c>) -> Result {
        let callee = calls.callee(op)?;
        let bound: Vec<Dim> = callee.symbols.iter().map(|s| self.symbol_value(op, s)).collect();
        for (value, dims) in op.results().zip(&callee.results) {
            let dims = dims.iter().map(|d| d.substitute(&|s| bound[s as usize].clone())).collect();
            self.dims.insert(value, dims);
        }
        Ok(())
    }

    /// What a symbol of a called function is at the call `op`.
    pub fn symbol_value(&self, op: Operation<'c>, symbol: &Symbol) -> Dim {
        let operand = op.operand(symbol.argument);
        if operand.ty().as_tensor().is_some() { self.dims(operand)[symbol.axis].clone() } else { self.size(operand) }
    }

    fn rule(&self, op: Operation<'c>, operands: Vec<Vec<Dim>>) -> Result<Option<Vec<Vec<Dim>>>> {
        if let Some(rule) = <dyn ShapeRule>::of(op) {
            // The rule's values live as long as its handle: look them up by operand number.
            let values: Vec<Value<'c>> = op.operands().collect();
            let size =
                |v: Value<'_>| values.iter().find(|known| **known == v).map_or(Dim::Unknown, |known| self.size(*known));
            return rule.shapes(&ShapeInputs { operands, size: &size }).map(Some);
        }
        if !op.has_trait("same_type") || operands.is_empty() {
            return Ok(None);
        }
        let mut dims = operands[0].clone();
        for other in &operands[1..] {
            for (dim, other) in dims.iter_mut().zip(other) {
                *dim = dim.unify(other).map_err(|e| op.error(format!("sizes differ: {e}")))?;
            }
        }
        Ok(Some(vec![dims; op.result_count()]))
    }

    fn index_arithmetic(&self, op: Operation<'c>) -> Option<Dim> {
        if op.result_count() != 1 || op.result(0).ty().as_tensor().is_some() {
            return None;
        }
        let operand = |i: usize| self.size(op.operand(i));
        match op.name() {
            "arith.constant" => op.attribute("value")?.as_integer().map(Dim::Known),
            "arith.addi" => Some(operand(0).add(&operand(1))),
            "arith.subi" => Some(operand(0).sub(&operand(1))),
            "arith.muli" => Some(operand(0).mul(&operand(1))),
            "arith.floordivsi" | "arith.divsi" => Some(operand(0).floor_div(&operand(1))),
            "arith.maxsi" => Some(operand(0).max(&operand(1))),
            _ => None,
        }
    }
}

impl<'c> Calls<'c> {
    /// What the call `op` calls, analysed once however many calls lead there.
    fn callee(&mut self, op: Operation<'c>) -> Result<Rc<Callee>> {
        let name = op.attribute("callee").and_then(|a| a.as_symbol()).unwrap_or_default();
        let function =
            find_function(op, name).ok_or_else(|| op.error(format!("calls '@{name}', which does not exist")))?;
        if self.open.contains(&function) {
            return Err(op.error(format!("calls '@{name}', which calls itself: its sizes are unknown")));
        }
        if let Some(callee) = self.known.get(&function) {
            return Ok(Rc::clone(callee));
        }
        let shapes = Shapes::within(function, self)?;
        let returned = function.regions().next().and_then(|r| r.entry()).and_then(|b| b.terminator());
        let results = returned.map_or_else(Vec::new, |op| op.operands().map(|v| shapes.dims(v)).collect());
        let callee = Rc::new(Callee { symbols: shapes.symbols, results });
        self.known.insert(function, Rc::clone(&callee));
        Ok(callee)
    }
}

/// A size as an attribute: a number, a symbol's name, or an operator with two sizes.
pub fn dim_to_attribute<'c>(cx: ContextRef<'c>, dim: &Dim) -> Attribute<'c> {
    let pair = |operator: &str, a: &Dim, b: &Dim| {
        let parts = [Attribute::string(cx, operator), dim_to_attribute(cx, a), dim_to_attribute(cx, b)];
        Attribute::array(cx, &parts)
    };
    match dim {
        Dim::Known(size) => Attribute::i64(cx, *size),
        Dim::Unknown => Attribute::string(cx, "?"),
        Dim::Expr(expr) => match &**expr {
            DimExpr::Symbol(number) => Attribute::string(cx, &format!("s{number}")),
            DimExpr::Add(a, b) => pair("+", a, b),
            DimExpr::Sub(a, b) => pair("-", a, b),
            DimExpr::Mul(a, b) => pair("*", a, b),
            DimExpr::FloorDiv(a, b) => pair("/", a, b),
            DimExpr::Max(a, b) => pair("max", a, b),
        },
    }
}

/// What [`dim_to_attribute`] wrote; `None` for anything else.
pub fn attribute_to_dim(attribute: Attribute<'_>) -> Option<Dim> {
    if let Some(size) = attribute.as_integer() {
        return Some(Dim::Known(size));
    }
    if let Some(name) = attribute.as_string() {
        return if name == "?" { Some(Dim::Unknown) } else { Some(Dim::symbol(name.strip_prefix('s')?.parse().ok()?)) };
    }
    let parts = attribute.as_array()?;
    let [operator, a, b] = parts[..] else { return None };
    let (a, b) = (attribute_to_dim(a)?, attribute_to_dim(b)?);
    Some(match operator.as_string()? {
        "+" => a.add(&b),
        "-" => a.sub(&b),
        "*" => a.mul(&b),
        "/" => a.floor_div(&b),
        "max" => a.max(&b),
        _ => return None,
    })
}

/// The function `name` of the module around `op`.
pub fn find_function<'c>(op: Operation<'c>, name: &str) -> Option<Operation<'c>> {
    let mut around = op.parent();
    while let Some(outer) = around {
        if outer.has_trait("symbol_table") {
            let body = outer.regions().next()?.entry()?;
            return body
                .operations()
                .into_iter()
                .find(|o| o.attribute("sym_name").and_then(|a| a.as_string()) == Some(name));
        }
        around = outer.parent();
    }
    None
}

/// The sizes that a value's type declares.
fn declared(value: Value<'_>) -> Vec<Dim> {
    value.ty().as_tensor().map_or_else(Vec::new, |t| t.dims().into_iter().map(Dim::of).collect())
}
