//! What a condition sees of a match, and what it tells of the right-hand side.

use super::Rule;
use thunder_ir::{Attribute, ContextRef, Type};

/// What is known of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Facts<'c> {
    /// Its type.
    pub ty: Type<'c>,
    /// The value, if it is part of the program.
    pub constant: Option<Attribute<'c>>,
    /// The one value that all its elements have.
    pub uniform: Option<Attribute<'c>>,
}

/// A place where a rule's left side matches. Names are those of the rule; one that it does not have
/// is a mistake in the rule, and panics.
pub struct Match<'r, 'c> {
    /// The rule.
    pub rule: &'r Rule,
    /// The owning context.
    pub context: ContextRef<'c>,
    /// The type of the root.
    pub result: Type<'c>,
    /// What the values are, by number.
    pub values: Vec<Facts<'c>>,
    /// What the lists are, by number.
    pub lists: Vec<Vec<Facts<'c>>>,
    /// The types of the ops' results, by number.
    pub ops: Vec<Type<'c>>,
    /// The attributes, by number; what only the right side names is for the condition to set.
    pub attributes: Vec<Option<Attribute<'c>>>,
    /// The types, by number, for the condition to set.
    pub types: Vec<Option<Type<'c>>>,
}

fn position(names: &[String], name: &str) -> Option<usize> {
    names.iter().position(|known| known == name)
}

impl<'c> Match<'_, 'c> {
    fn facts(&self, name: &str) -> Facts<'c> {
        let number = position(&self.rule.names.values, name);
        self.values[number.unwrap_or_else(|| panic!("rule '{}' has no value '{name}'", self.rule.name))]
    }

    fn attribute_number(&self, name: &str) -> usize {
        let number = position(&self.rule.names.attributes, name);
        number.unwrap_or_else(|| panic!("rule '{}' has no attribute '{name}'", self.rule.name))
    }

    /// The type of a value, or of the result of an op of the left side.
    pub fn ty(&self, name: &str) -> Type<'c> {
        match position(&self.rule.names.ops, name) {
            Some(op) => self.ops[op],
            None => self.facts(name).ty,
        }
    }

    /// The sizes of a value or an op, where all are static.
    pub fn dims(&self, name: &str) -> Option<Vec<i64>> {
        self.ty(name).as_tensor()?.static_dims()
    }

    /// The number of dimensions of a value or an op.
    pub fn rank(&self, name: &str) -> usize {
        self.ty(name).as_tensor().map_or(0, |ty| ty.rank())
    }

    /// Whether the elements of a value or an op are floats.
    pub fn is_float(&self, name: &str) -> bool {
        self.ty(name).element().as_scalar().is_some_and(|scalar| scalar.is_float())
    }

    /// The value, if it is part of the program.
    pub fn constant(&self, name: &str) -> Option<Attribute<'c>> {
        self.facts(name).constant
    }

    /// The one value that all elements of a value have.
    pub fn uniform(&self, name: &str) -> Option<Attribute<'c>> {
        self.facts(name).uniform
    }

    /// The one float that all elements of a value are.
    pub fn uniform_float(&self, name: &str) -> Option<f64> {
        self.uniform(name)?.as_float()
    }

    /// An attribute that the left side binds.
    pub fn attribute(&self, name: &str) -> Option<Attribute<'c>> {
        self.attributes[self.attribute_number(name)]
    }

    /// An attribute that is a list of integers.
    pub fn ints(&self, name: &str) -> Option<Vec<i64>> {
        self.attribute(name)?.as_i64_array()
    }

    /// An attribute that is an integer.
    pub fn int(&self, name: &str) -> Option<i64> {
        self.attribute(name)?.as_integer()
    }

    /// An attribute that is a truth value.
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.attribute(name)?.as_bool()
    }

    /// Sets an attribute of the right side.
    pub fn set(&mut self, name: &str, value: Attribute<'c>) -> Option<()> {
        let number = self.attribute_number(name);
        self.attributes[number] = Some(value);
        Some(())
    }

    /// Sets a list of integers of the right side.
    pub fn set_ints(&mut self, name: &str, values: &[i64]) -> Option<()> {
        self.set(name, Attribute::i64_array(self.context, values))
    }

    /// Sets a constant of the right side: a tensor of the static type `ty`, all of whose elements are
    /// the float `value`, rounded to them.
    pub fn set_uniform(&mut self, name: &str, ty: Type<'c>, value: f64) -> Option<()> {
        let element = Attribute::float(ty.element(), value);
        self.set(name, Attribute::splat(ty, element)?)
    }

    /// Sets a type of the right side.
    pub fn set_type(&mut self, name: &str, ty: Type<'c>) -> Option<()> {
        let number = position(&self.rule.names.types, name);
        let number = number.unwrap_or_else(|| panic!("rule '{}' has no type '{name}'", self.rule.name));
        self.types[number] = Some(ty);
        Some(())
    }
}
