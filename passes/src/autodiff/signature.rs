//! Arguments and results of a derivative: their types, and names that say which sizes are equal.

use crate::shapes::Shapes;
use thunder_interface::{DIM_NAMES, Dim, DimExpr, NAME, PARAMETER};
use thunder_ir::{Attribute, Block, ContextRef, Operation, Result, Type, Value};

type Entries<'c> = Vec<(&'c str, Attribute<'c>)>;

/// The signature of a function that is being changed.
pub struct Signature<'c> {
    cx: ContextRef<'c>,
    shapes: Shapes<'c>,
    arguments: Vec<Entries<'c>>,
    results: Vec<Entries<'c>>,
    ranks: Vec<usize>,
}

impl<'c> Signature<'c> {
    /// That of a function as it is.
    pub fn of(function: Operation<'c>) -> Result<Self> {
        let entries = |name: &str, count: usize| {
            let list = function.attribute(name).and_then(|a| a.as_array()).unwrap_or_default();
            let mut entries: Vec<Entries<'c>> = list.iter().map(|a| a.as_dictionary().unwrap_or_default()).collect();
            entries.resize(count, Vec::new());
            entries
        };
        let block = function.region(0).entry().ok_or_else(|| function.error("has no body"))?;
        let results = block.terminator().map_or(0, |op| op.operand_count());
        Ok(Self {
            cx: function.context(),
            shapes: Shapes::of(function)?,
            arguments: entries("arg_attrs", block.argument_count()),
            results: entries("res_attrs", results),
            ranks: block.arguments().map(|v| v.ty().as_tensor().map_or(0, |t| t.rank())).collect(),
        })
    }

    /// Adds an argument to the function's block, of the type and sizes of `like`.
    pub fn add_argument(&mut self, block: Block<'c>, like: Value<'c>) -> Value<'c> {
        let dims = self.shapes.dims(like);
        let names: Vec<String> = dims.iter().map(|dim| self.size_name(dim)).collect();
        let mut entries = Entries::new();
        if names.iter().any(|name| !name.is_empty()) {
            entries.push((DIM_NAMES, self.names(&names)));
        }
        self.arguments.push(entries);
        let location = like.defining_op().map_or_else(|| thunder_ir::Location::unknown(self.cx), |op| op.location());
        block.add_argument(like.ty(), location)
    }

    fn names(&self, names: &[String]) -> Attribute<'c> {
        let names: Vec<_> = names.iter().map(|name| Attribute::string(self.cx, name)).collect();
        Attribute::array(self.cx, &names)
    }

    /// The name of a size that is one of an argument's, given now if it has none.
    fn size_name(&mut self, dim: &Dim) -> String {
        let Dim::Expr(expr) = dim else { return String::new() };
        let DimExpr::Symbol(number) = **expr else { return String::new() };
        let symbol = &mut self.shapes.symbols[number as usize];
        if let Some(name) = &symbol.name {
            return name.clone();
        }
        let (argument, axis) = (symbol.argument, symbol.axis);
        let name = format!("argument{argument}.{axis}");
        symbol.name = Some(name.clone());
        let entries = &self.arguments[argument];
        let listed = entries.iter().find(|(key, _)| *key == DIM_NAMES).and_then(|(_, a)| a.as_array());
        let listed = listed.unwrap_or_default();
        let mut names: Vec<String> = listed.iter().map(|a| a.as_string().unwrap_or_default().to_owned()).collect();
        names.resize(self.ranks[argument], String::new());
        names[axis] = name.clone();
        let names = self.names(&names);
        let entries = &mut self.arguments[argument];
        entries.retain(|(key, _)| *key != DIM_NAMES);
        entries.push((DIM_NAMES, names));
        name
    }

    /// What an argument is called.
    pub fn argument_name(&self, index: usize) -> String {
        let named = |key: &str| self.arguments[index].iter().find(|(name, _)| *name == key);
        let name = named(PARAMETER).or_else(|| named(NAME)).and_then(|(_, a)| a.as_string());
        name.map_or_else(|| index.to_string(), str::to_owned)
    }

    /// Adds a result that is the gradient or tangent of what `name` names: `grad.x`, or `grad.grad.x` of a
    /// function that has a `grad.x` already.
    pub fn add_result(&mut self, kind: &str, name: &str) {
        let mut name = format!("{kind}.{name}");
        let is_taken = |name: &str| {
            let names = self.results.iter().flatten().filter(|(key, _)| *key == NAME);
            names.into_iter().any(|(_, value)| value.as_string() == Some(name))
        };
        while is_taken(&name) {
            name = format!("{kind}.{name}");
        }
        self.results.push(vec![(NAME, Attribute::string(self.cx, &name))]);
    }

    /// Takes all results away; the values that are left.
    pub fn drop_results(&mut self) -> Vec<Value<'c>> {
        self.results.clear();
        Vec::new()
    }

    /// Gives the function the types of its block, and these attributes.
    pub fn write(&self, function: Operation<'c>, block: Block<'c>) {
        let inputs: Vec<Type<'c>> = block.arguments().map(|v| v.ty()).collect();
        let results: Vec<Type<'c>> =
            block.terminator().map_or_else(Vec::new, |op| op.operands().map(|v| v.ty()).collect());
        let ty = Attribute::of_type(Type::function(self.cx, &inputs, &results));
        function.set_attribute("function_type", ty);
        for (name, entries) in [("arg_attrs", &self.arguments), ("res_attrs", &self.results)] {
            if entries.iter().all(Vec::is_empty) {
                function.remove_attribute(name);
                continue;
            }
            let list: Vec<_> = entries.iter().map(|entries| Attribute::dictionary(self.cx, entries)).collect();
            function.set_attribute(name, Attribute::array(self.cx, &list));
        }
    }
}
