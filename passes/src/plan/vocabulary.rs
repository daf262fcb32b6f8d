//! Ops with their attributes and types as numbers, and new ones made on the side.
//!
//! What a rule builds is first made as an operation in a scratch block: its own inference, verifier,
//! folder and cost answer for it, so that the planner knows nothing of any op.

use std::collections::HashMap;

use thunder_interface::{Facts, Strided, Uniform};
use thunder_ir::op::{FoldOutcome, Folded, OpDef, build_flat};
use thunder_ir::{
    Attribute, Block, Blueprint, ContextRef, Dialect, Location, Operation, Result, Rewriter, Type, Value,
};

use super::chunk::Leaf;
use super::cost::Work;
use crate::machine::Machine;

/// An op with everything but its operands' values.
pub struct Symbol<'c> {
    /// The op's name; empty for what is no op.
    pub name: &'c str,
    /// The number that all symbols of this name have.
    pub head: u32,
    /// The attributes that are part of the op, without those that are as by default.
    pub attributes: Attribute<'c>,
    /// The types of its results.
    pub results: Vec<Type<'c>>,
    /// What its dialect says of it.
    pub definition: Option<&'static OpDef>,
    /// Whether the order of its operands does not matter.
    pub is_commutative: bool,
    /// Whether its elements are those of its first operand.
    pub moves: bool,
    /// What is known of its result, whatever its operands are.
    pub facts: Facts<'c>,
    /// What it takes.
    pub work: Work,
    /// Whether it is a value from elsewhere that is known before the program runs.
    pub is_fixed: bool,
    /// Whether it is such a value that ops of several kinds need.
    pub is_kept: bool,
}

impl<'c> Symbol<'c> {
    /// The op but for its operands.
    pub fn blueprint(&self) -> Blueprint<'c> {
        let blueprint = Blueprint::new(self.name).results(self.results.iter().copied());
        let attributes = self.attributes.as_dictionary().unwrap_or_default();
        attributes.into_iter().fold(blueprint, |blueprint, (name, value)| blueprint.attribute(name, value))
    }

    /// The number of the value from elsewhere that it is.
    pub fn leaf(&self) -> Option<usize> {
        let parts = self.attributes.as_array().filter(|_| self.name.is_empty())?;
        usize::try_from(parts.first()?.as_integer()?).ok()
    }

    /// Which result of an op with several it is.
    pub fn projection(&self) -> Option<usize> {
        let index = self.attributes.as_integer().filter(|_| self.name.is_empty())?;
        usize::try_from(index).ok()
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Key<'c> {
    head: u32,
    attributes: Attribute<'c>,
    operands: Vec<Type<'c>>,
    results: Vec<Type<'c>>,
}

/// What a new op turned out to be.
pub enum Simplified<'c> {
    /// What it is an op of.
    Symbol,
    /// Its operand of this number.
    Operand(usize),
    /// A constant.
    Constant(Attribute<'c>),
}

/// All symbols of a function, and the place where new ops are tried.
pub struct Vocabulary<'c> {
    /// What the code is for.
    pub machine: &'static Machine,
    symbols: Vec<Symbol<'c>>,
    numbers: HashMap<Key<'c>, u32>,
    heads: HashMap<&'c str, u32>,
    definitions: HashMap<&'static str, &'static OpDef>,
    dialects: Vec<&'static Dialect>,
    made: HashMap<(Key<'c>, bool), Option<u32>>,
    rewriter: Rewriter<'c>,
    holder: Operation<'c>,
    block: Block<'c>,
    stand_ins: HashMap<Type<'c>, Vec<Value<'c>>>,
}

impl<'c> Vocabulary<'c> {
    /// An empty vocabulary over some dialects for a machine, with a scratch block at the end of `body`.
    pub fn new(
        body: Block<'c>,
        dialects: Vec<&'static Dialect>,
        machine: &'static Machine,
        cx: ContextRef<'c>,
    ) -> Result<Self> {
        let rewriter = Rewriter::at_end_of(body, Location::unknown(cx));
        let holder = rewriter.insert(&Blueprint::new("builtin.module").regions(1))?;
        let block = holder.region(0).append_block(&[]);
        rewriter.at_end(block);
        let definitions = dialects.iter().flat_map(|d| &d.ops).map(|def| (def.name, *def)).collect();
        let mut vocabulary = Self {
            machine,
            symbols: Vec::new(),
            numbers: HashMap::new(),
            heads: HashMap::new(),
            definitions,
            dialects,
            made: HashMap::new(),
            rewriter,
            holder,
            block,
            stand_ins: HashMap::new(),
        };
        vocabulary.head("");
        Ok(vocabulary)
    }

    /// Takes the scratch block away.
    pub fn finish(self) -> Result {
        let mut inner = self.block.operations();
        inner.reverse();
        inner.into_iter().try_for_each(|op| self.rewriter.erase(op))?;
        self.rewriter.erase(self.holder)
    }

    /// An empty module in the scratch block, which its user erases.
    pub fn scratch(&self) -> Result<Operation<'c>> {
        self.rewriter.insert(&Blueprint::new("builtin.module").regions(1))
    }

    /// The owning context.
    pub fn context(&self) -> ContextRef<'c> {
        self.rewriter.context()
    }

    /// A symbol by its number.
    pub fn symbol(&self, number: u32) -> &Symbol<'c> {
        &self.symbols[number as usize]
    }

    /// The number of an op's name.
    pub fn head(&mut self, name: &'c str) -> u32 {
        let next = self.heads.len() as u32;
        *self.heads.entry(name).or_insert(next)
    }

    /// The number of an op's name, if any op has it.
    pub fn known_head(&self, name: &str) -> Option<u32> {
        self.heads.get(name).copied()
    }

    /// The symbol of an operation.
    pub fn of(&mut self, op: Operation<'c>) -> u32 {
        let attributes = inherent(op);
        let key = Key {
            head: self.head(op.name()),
            attributes,
            operands: op.operands().map(Value::ty).collect(),
            results: op.results().map(Value::ty).collect(),
        };
        if let Some(number) = self.numbers.get(&key) {
            return *number;
        }
        let facts = Facts {
            ty: key.results[0],
            constant: op.has_trait("constant_like").then(|| op.attribute("value")).flatten(),
            uniform: uniform(op),
        };
        let symbol = Symbol {
            name: op.name(),
            head: key.head,
            attributes,
            results: key.results.clone(),
            definition: op.definition(),
            is_commutative: op.has_trait("commutative"),
            moves: <dyn Strided>::of(op).is_some(),
            facts,
            work: Work::of(op, self.machine),
            is_fixed: false,
            is_kept: false,
        };
        self.add(key, symbol)
    }

    /// The symbol of result `index` of an op with several.
    pub fn projection(&mut self, index: usize, of: u32) -> u32 {
        let cx = self.context();
        let ty = self.symbol(of).results[index];
        let attributes = Attribute::i64(cx, index as i64);
        self.plain(attributes, self.symbol(of).results.clone(), Facts { ty, constant: None, uniform: None }, [false; 2])
    }

    /// The symbol of a value that comes from elsewhere, the one of this number.
    pub fn leaf(&mut self, number: usize, leaf: &Leaf<'c>) -> u32 {
        let cx = self.context();
        let facts = leaf.facts;
        let number = Attribute::i64(cx, number as i64);
        let is = [leaf.is_fixed, leaf.is_fixed && leaf.is_kept];
        let [fixed, kept] = is.map(|is| is.then_some(number));
        let parts = [Some(number), facts.constant, facts.uniform, fixed, kept];
        let parts: Vec<_> = parts.into_iter().map(|part| part.unwrap_or(Attribute::unit(cx))).collect();
        self.plain(Attribute::array(cx, &parts), Vec::new(), facts, is)
    }

    /// What is no op: whether it is fixed, and kept.
    fn plain(
        &mut self,
        attributes: Attribute<'c>,
        operands: Vec<Type<'c>>,
        facts: Facts<'c>,
        [is_fixed, is_kept]: [bool; 2],
    ) -> u32 {
        let key = Key { head: 0, attributes, operands, results: vec![facts.ty] };
        if let Some(number) = self.numbers.get(&key) {
            return *number;
        }
        let symbol = Symbol {
            name: "",
            head: 0,
            attributes,
            results: key.results.clone(),
            definition: None,
            is_commutative: false,
            moves: false,
            facts,
            work: Work::NONE,
            is_fixed,
            is_kept,
        };
        self.add(key, symbol)
    }

    fn add(&mut self, key: Key<'c>, symbol: Symbol<'c>) -> u32 {
        let number = self.symbols.len() as u32;
        self.symbols.push(symbol);
        self.numbers.insert(key, number);
        number
    }

    /// The symbol of an op of one result, over operands of these types; `None` where there is no such
    /// op. The type of its result is inferred unless given.
    pub fn make(
        &mut self,
        name: &str,
        attributes: Attribute<'c>,
        operands: &[Type<'c>],
        result: Option<Type<'c>>,
    ) -> Option<u32> {
        let definition = *self.definitions.get(name)?;
        let key = Key {
            head: self.head(definition.name),
            attributes,
            operands: operands.to_vec(),
            results: result.into_iter().collect(),
        };
        let key = (key, result.is_some());
        if let Some(number) = self.made.get(&key) {
            return *number;
        }
        let values = self.values(&operands.iter().enumerate().map(|(i, ty)| (i, *ty)).collect::<Vec<_>>());
        let number = build_flat(&self.rewriter, definition, values, attributes, result.map(|ty| vec![ty]))
            .ok()
            .map(|view| view.operation())
            .filter(|op| op.result_count() == 1 && op.is_pure())
            .map(|op| {
                let number = self.of(op);
                self.discard(op);
                number
            });
        self.made.insert(key, number);
        number
    }

    /// Whether an op tells the type of its result.
    pub fn infers(&self, name: &str) -> bool {
        self.definitions.get(name).is_some_and(|def| def.hooks.infer.is_some() || def.has_trait("same_type"))
    }

    /// The symbol of a constant.
    pub fn constant(&mut self, value: Attribute<'c>) -> Option<u32> {
        let ty = value.ty()?;
        let definition = self.dialects.iter().find_map(|dialect| dialect.materialize?(value, ty))?;
        let attributes = Attribute::dictionary(self.context(), &[("value", value)]);
        self.make(definition.name, attributes, &[], Some(ty))
    }

    /// What the op's own folder makes of it, over operands that are equal where their numbers are.
    pub fn simplify(&mut self, symbol: u32, operands: &[(usize, Facts<'c>)]) -> Simplified<'c> {
        let Symbol { definition, attributes, results, .. } = self.symbol(symbol);
        let Some((definition, fold)) = definition.and_then(|def| Some((def, def.hooks.fold?))) else {
            return Simplified::Symbol;
        };
        if self.symbol(symbol).facts.constant.is_some() {
            return Simplified::Symbol;
        }
        let (attributes, results) = (*attributes, results.clone());
        let values = self.values(&operands.iter().map(|(number, facts)| (*number, facts.ty)).collect::<Vec<_>>());
        let Ok(view) = build_flat(&self.rewriter, definition, values.clone(), attributes, Some(results)) else {
            return Simplified::Symbol;
        };
        let constants: Vec<_> = operands.iter().map(|(_, facts)| facts.constant).collect();
        let folded = match fold(&view, &constants) {
            Some(FoldOutcome::Replaced(folded)) => folded.first().copied(),
            _ => None,
        };
        let simplified = match folded {
            Some(Folded::Constant(value)) => Simplified::Constant(value),
            Some(Folded::Value(value)) => match values.iter().position(|known| *known == value) {
                Some(operand) => Simplified::Operand(operand),
                None => Simplified::Symbol,
            },
            None => Simplified::Symbol,
        };
        self.discard(view.operation());
        simplified
    }

    /// Stand-ins of these types, equal where the numbers are.
    fn values(&mut self, operands: &[(usize, Type<'c>)]) -> Vec<Value<'c>> {
        let location = self.rewriter.location();
        let mut taken: Vec<(usize, Value<'c>)> = Vec::new();
        for (number, ty) in operands {
            if taken.iter().any(|(known, _)| known == number) {
                continue;
            }
            let used = taken.iter().filter(|(_, value)| value.ty() == *ty).count();
            let pool = self.stand_ins.entry(*ty).or_default();
            if pool.len() == used {
                pool.push(self.block.add_argument(*ty, location));
            }
            taken.push((*number, pool[used]));
        }
        let value = |number: &usize| taken.iter().find(|(known, _)| known == number).map(|(_, value)| *value);
        operands.iter().map(|(number, _)| value(number).expect("taken above")).collect()
    }

    fn discard(&self, op: Operation<'c>) {
        // What has just been made has no uses, so that it can be erased.
        let _ = self.rewriter.erase(op);
    }
}

/// The attributes that are part of an op, as a dictionary, without those that are as by default.
fn inherent(op: Operation<'_>) -> Attribute<'_> {
    let discardable = op.discardable_attributes();
    let definition = op.definition();
    let is_default = |name: &str, value: Attribute<'_>| {
        let spec = definition.and_then(|def| def.attributes.iter().find(|spec| spec.name == name));
        spec.and_then(|spec| spec.default).is_some_and(|default| default(op.context()) == value)
    };
    let kept: Vec<_> = op
        .attributes()
        .into_iter()
        .filter(|(name, value)| !discardable.iter().any(|(other, _)| other == name) && !is_default(name, *value))
        .collect();
    Attribute::dictionary(op.context(), &kept)
}

/// The one value that all elements of an op's result have, if it says so.
pub fn uniform(op: Operation<'_>) -> Option<Attribute<'_>> {
    if let Some(value) = op.has_trait("constant_like").then(|| op.attribute("value")).flatten() {
        return uniform_constant(value);
    }
    let element = <dyn Uniform>::of(op).map(|uniform| copied(op, uniform.element()));
    element.flatten()
}

/// The attribute itself, for as long as the op's context lives: it is found among the op's own.
fn copied<'c>(op: Operation<'c>, attribute: Attribute<'_>) -> Option<Attribute<'c>> {
    op.attributes().into_iter().map(|(_, value)| value).find(|value| *value == attribute)
}

/// The one element of a constant tensor.
pub fn uniform_constant(value: Attribute<'_>) -> Option<Attribute<'_>> {
    let dims = value.ty()?.as_tensor()?.static_dims()?;
    if dims.contains(&0) { None } else { value.splat_value() }
}
