//! What lowering one function knows: its values, their sizes, and where code goes.

use super::arith::Arith;
use super::dtype::stored;
use super::generic::{Generic, Loop, Map};
use super::sizes::{Sizes, Source};
use std::cell::RefCell;
use std::collections::HashMap;
use thunder_interface::{Dim, ShapeInputs, ShapeRule};
use thunder_ir::{Attribute, Block, Blueprint, ContextRef, Operation, Result, Rewriter, Type, Value};
use thunder_passes::shapes::Shapes;

/// Lowers the ops of one function, in order, into another function.
pub struct Lowerer<'c> {
    /// Whether each element is to be said by itself, without loops that carry tensors.
    pub by_element: bool,
    builder: Rewriter<'c>,
    shapes: Shapes<'c>,
    sizes: Sizes<'c>,
    values: HashMap<Value<'c>, Value<'c>>,
    dims: HashMap<Value<'c>, Vec<Dim>>,
    scalars: HashMap<Value<'c>, Dim>,
    attributes: RefCell<HashMap<String, Attribute<'c>>>,
}

impl<'c> Lowerer<'c> {
    /// A lowerer from the block `old`, whose sizes are `shapes`, into the empty block `new`, which
    /// has an argument for each of `old`.
    pub fn new(old: Block<'c>, new: Block<'c>, shapes: Shapes<'c>, builder: Rewriter<'c>) -> Result<Self> {
        builder.at_end(new);
        let mut sizes = Sizes::new(&builder)?;
        builder.at_end(new);
        for symbol in &shapes.symbols {
            let argument = new.argument(symbol.argument);
            let source = match argument.ty().as_tensor() {
                Some(_) => Source::Dimension(argument, symbol.axis),
                None => Source::Value(argument),
            };
            sizes.symbol(source, true);
        }
        let mut lowerer = Self {
            by_element: false,
            builder,
            shapes,
            sizes,
            values: old.arguments().zip(new.arguments()).collect(),
            dims: HashMap::new(),
            scalars: HashMap::new(),
            attributes: RefCell::default(),
        };
        for (from, to) in old.arguments().zip(new.arguments()) {
            if lowerer.is_index(from) && lowerer.shapes.size(from) == Dim::Unknown {
                let symbol = lowerer.sizes.symbol(Source::Value(to), true);
                lowerer.scalars.insert(from, symbol);
            }
        }
        Ok(lowerer)
    }

    fn is_index(&self, value: Value<'c>) -> bool {
        value.ty() == Type::index(value.context())
    }

    /// Where code goes.
    pub fn builder(&self) -> &Rewriter<'c> {
        &self.builder
    }

    /// Scalar code outside of loops.
    pub fn code(&self) -> Arith<'_, 'c> {
        Arith::at(&self.builder)
    }

    /// The owning context.
    pub fn context(&self) -> ContextRef<'c> {
        self.builder.context()
    }

    /// What became of a value of the old function.
    pub fn value(&self, old: Value<'c>) -> Result<Value<'c>> {
        self.values.get(&old).copied().ok_or_else(|| {
            let message = "a value from outside the function has no place in it";
            old.defining_op().map_or_else(|| message.into(), |op| op.error(message))
        })
    }

    /// Says what became of a value.
    pub fn set_value(&mut self, old: Value<'c>, new: Value<'c>) {
        self.values.insert(old, new);
    }

    /// The sizes of a tensor of the old function; none of them is unknown.
    pub fn dims(&self, old: Value<'c>) -> Vec<Dim> {
        self.dims.get(&old).cloned().unwrap_or_else(|| self.shapes.dims(old))
    }

    /// The size that a value of type `index` of the old function stands for.
    pub fn scalar(&mut self, old: Value<'c>) -> Result<Dim> {
        if let Some(dim) = self.scalars.get(&old) {
            return Ok(dim.clone());
        }
        let mut dim = self.shapes.size(old);
        if dim == Dim::Unknown {
            let new = self.value(old)?;
            dim = self.sizes.symbol(Source::Value(new), false);
        }
        self.scalars.insert(old, dim.clone());
        Ok(dim)
    }

    /// Finds the sizes of an op's results before the op is lowered, so that its rule can ask.
    pub fn infer(&mut self, op: Operation<'c>) -> Result {
        let mut results: Vec<Vec<Dim>> = op.results().map(|v| self.shapes.dims(v)).collect();
        let is_open = |dims: &[Vec<Dim>]| dims.iter().flatten().any(|d| *d == Dim::Unknown);
        if is_open(&results) {
            for (dims, found) in results.iter_mut().zip(self.rule(op)?) {
                for (dim, found) in dims.iter_mut().zip(found) {
                    if *dim == Dim::Unknown {
                        *dim = found;
                    }
                }
            }
        }
        if is_open(&results) {
            return Err(op.error("has a result whose size cannot be told from its operands"));
        }
        self.dims.extend(op.results().zip(results));
        Ok(())
    }

    fn rule(&mut self, op: Operation<'c>) -> Result<Vec<Vec<Dim>>> {
        let operands: Vec<Value<'c>> = op.operands().collect();
        let dims: Vec<Vec<Dim>> = operands.iter().map(|v| self.dims(*v)).collect();
        if let Some(rule) = <dyn ShapeRule>::of(op) {
            let mut scalars = Vec::new();
            for value in &operands {
                scalars.push(if self.is_index(*value) { self.scalar(*value)? } else { Dim::Unknown });
            }
            let size = |v: Value<'_>| {
                let found = operands.iter().position(|known| *known == v);
                found.map_or(Dim::Unknown, |index| scalars[index].clone())
            };
            return rule.shapes(&ShapeInputs { operands: dims, size: &size });
        }
        match dims.into_iter().next() {
            Some(first) if op.has_trait("same_type") => Ok(vec![first; op.result_count()]),
            _ => Ok(Vec::new()),
        }
    }

    /// For a result that exists: its unknown sizes are those that it has.
    pub fn adopt(&mut self, old: Value<'c>, new: Value<'c>) {
        self.set_value(old, new);
        let mut dims = self.shapes.dims(old);
        for (axis, dim) in dims.iter_mut().enumerate().filter(|(_, dim)| **dim == Dim::Unknown) {
            *dim = self.sizes.symbol(Source::Dimension(new, axis), false);
        }
        self.dims.insert(old, dims);
    }

    /// A size as a value. Ask before the body of an op is built, whose values others cannot use.
    pub fn size(&mut self, dim: &Dim) -> Result<Value<'c>> {
        self.sizes.value(dim, &self.builder)
    }

    /// Sizes in the two parts that tensor ops take: numbers, where those of the second part are
    /// marked, and values.
    pub fn mixed(&mut self, dims: &[Dim]) -> Result<(Vec<i64>, Vec<Value<'c>>)> {
        let numbers = dims.iter().map(|d| d.known().unwrap_or(i64::MIN)).collect();
        let open = dims.iter().filter(|d| d.known().is_none());
        let values = open.map(|d| self.size(d)).collect::<Result<_>>()?;
        Ok((numbers, values))
    }

    /// The tensor type of these sizes.
    pub fn tensor_type(&self, element: Type<'c>, dims: &[Dim]) -> Type<'c> {
        let sizes: Vec<_> = dims.iter().map(Dim::known).collect();
        Type::tensor(element, &sizes)
    }

    /// A tensor whose elements are not set.
    pub fn empty(&mut self, element: Type<'c>, dims: &[Dim]) -> Result<Value<'c>> {
        let ty = self.tensor_type(element, dims);
        let (_, sizes) = self.mixed(dims)?;
        Ok(self.builder.insert(&Blueprint::new("tensor.empty").operands(sizes).results([ty]))?.result(0))
    }

    /// A tensor whose elements are all `value`, to be written over or combined with.
    pub fn filled(&mut self, value: Attribute<'c>, dims: &[Dim]) -> Result<Value<'c>> {
        let element = value.ty().ok_or("internal: an element has a type")?;
        let scalar = self.code().constant(value)?;
        let out = self.empty(element, dims)?;
        let fill = self.builder.insert(
            &Blueprint::new("linalg.fill")
                .operands([scalar, out])
                .results([out.ty()])
                .attribute("operandSegmentSizes", self.segments(&[1, 1]))
                .regions(1),
        )?;
        let location = self.builder.location();
        let block = fill.region(0).append_block(&[(element, location), (element, location)]);
        self.builder.nested(|b| {
            b.at_end(block);
            b.insert(&Blueprint::new("linalg.yield").operands([block.argument(0)]))
        })?;
        Ok(fill.result(0))
    }

    /// Elements made one by one from those of a tensor of the same sizes.
    pub fn map(
        &mut self,
        input: Value<'c>,
        dims: &[Dim],
        element: Type<'c>,
        body: impl FnOnce(Arith<'_, 'c>, Value<'c>) -> Result<Value<'c>>,
    ) -> Result<Value<'c>> {
        let rank = dims.len();
        let out = self.empty(element, dims)?;
        let results = Generic::parallel(rank)
            .input(input, Map::identity(rank))
            .output(out, Map::identity(rank))
            .build(self, |code, x| Ok(vec![body(code, x[0])?]))?;
        Ok(results[0])
    }

    /// `value` with sizes that its type leaves open or states, as `ty` has them.
    pub fn cast(&self, value: Value<'c>, ty: Type<'c>) -> Result<Value<'c>> {
        if value.ty() == ty {
            return Ok(value);
        }
        self.code().op("tensor.cast", &[value], ty)
    }

    /// The lowered operands of an op that stays, with the types that the op expects.
    pub fn operands(&self, op: Operation<'c>) -> Result<Vec<Value<'c>>> {
        op.operands().map(|v| self.cast(self.value(v)?, stored(v.ty()))).collect()
    }

    fn attribute(&self, text: String) -> Attribute<'c> {
        let cx = self.context();
        *self
            .attributes
            .borrow_mut()
            .entry(text)
            .or_insert_with_key(|text| Attribute::parse(cx, text).expect("the text of an attribute is MLIR's"))
    }

    /// A map over `loops` loops as an attribute.
    pub fn affine_map(&self, loops: usize, map: &Map) -> Attribute<'c> {
        let dims: Vec<_> = (0..loops).map(|i| format!("d{i}")).collect();
        let results: Vec<_> = map.0.iter().map(ToString::to_string).collect();
        self.attribute(format!("affine_map<({}) -> ({})>", dims.join(", "), results.join(", ")))
    }

    /// The kind of a loop as an attribute.
    pub fn iterator_type(&self, kind: Loop) -> Attribute<'c> {
        let name = match kind {
            Loop::Parallel => "parallel",
            Loop::Reduction => "reduction",
        };
        self.attribute(format!("#linalg.iterator_type<{name}>"))
    }

    /// How many operands each group of an upstream op has.
    pub fn segments(&self, sizes: &[usize]) -> Attribute<'c> {
        let sizes: Vec<_> = sizes.iter().map(ToString::to_string).collect();
        self.attribute(format!("array<i32: {}>", sizes.join(", ")))
    }

    /// Ends the function.
    pub fn finish(self) -> Result {
        self.sizes.finish()
    }
}
