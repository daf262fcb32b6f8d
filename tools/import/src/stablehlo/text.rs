//! StableHLO as text: what JAX prints, and MLIR's generic form.
//!
//! The reader knows how MLIR writes ops in general; what is special to an op stands in the table of [`forms`].

mod attributes;
mod cursor;
mod elements;
mod forms;
mod types;

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use cursor::{Cursor, Fault, Parsed};
use forms::Form;

use super::program::{Argument, Attribute, Location, Op, Program, Region, Type};

/// Reads a module; an error says at which line and column.
pub(crate) fn read(text: &str, file: &str) -> Result<Program, (usize, usize, String)> {
    let lines = text.match_indices('\n').map(|(at, _)| at).collect();
    let mut reader = Reader { file: file.into(), lines, aliases: BTreeMap::new(), scopes: Vec::new(), values: 0 };
    let mut cursor = Cursor::new(text);
    let program = reader.module(&mut cursor).and_then(|module| {
        let aliases = std::mem::take(&mut reader.aliases);
        Program::of(module, aliases).map_err(|message| Fault { at: text.len(), message })
    });
    program.map_err(|fault| {
        let before = &text[..fault.at.min(text.len())];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        (line, column, fault.message)
    })
}

/// The results of an op that share a name: the first, and how many.
type Group = (usize, usize);

struct Reader {
    file: Rc<str>,
    /// Where lines end.
    lines: Vec<usize>,
    aliases: BTreeMap<String, Rc<Location>>,
    /// The values of the function by name, innermost region last.
    scopes: Vec<HashMap<String, Group>>,
    /// How many values the function has so far.
    values: usize,
}

impl Reader {
    /// The module of the file, between definitions of aliases.
    fn module(&mut self, c: &mut Cursor<'_>) -> Parsed<Op> {
        let mut module = None;
        while !c.is_done() {
            if c.take("#") {
                let name = c.suffix()?;
                c.expect("=")?;
                if c.peek_word() == "loc" {
                    let location = attributes::location(c)?;
                    self.aliases.insert(name, location);
                } else {
                    attributes::attribute(c)?;
                }
                continue;
            }
            if module.is_some() {
                return c.fail("expected the end of the text after the module");
            }
            let op = self.op(c)?;
            if op.name != "builtin.module" {
                return c.fail(format!("expected a module, not '{}'", op.name));
            }
            module = Some(op);
        }
        module.map_or_else(|| c.fail("there is no module"), Ok)
    }

    /// An op with its results and its location.
    fn op(&mut self, c: &mut Cursor<'_>) -> Parsed<Op> {
        c.nested(|c| {
            let start = c.clone();
            let mut names = Vec::new();
            while c.take("%") {
                let name = c.suffix()?;
                let count = if c.take(":") { c.integer()? } else { 1 };
                names.push((name, usize::try_from(count).ok().filter(|count| (1..=1 << 16).contains(count))));
                if !c.take(",") {
                    c.expect("=")?;
                    break;
                }
            }
            let (mut op, types) = if c.sees("\"") { self.generic(c)? } else { self.pretty(c)? };
            let wanted: usize = names.iter().map(|(_, count)| count.unwrap_or(0)).sum();
            let types = match types.len() {
                _ if types.len() == wanted => types,
                // `: type` is that of every value, and after a list of types the last is the result's.
                1.. if wanted == 1 => types[types.len() - 1..].to_vec(),
                1 => vec![types[0].clone(); wanted],
                _ if wanted == 0 => Vec::new(),
                count => return start.fail(format!("'{}' has {wanted} results of {count} types", op.name)),
            };
            op.results = types.into_iter().map(|ty| (self.next_value(), ty)).collect();
            let mut first = op.results.first().map_or(0, |(value, _)| *value);
            for (name, count) in names {
                let Some(count) = count else { return start.fail(format!("'%{name}' is no group of results")) };
                self.define(name, (first, count), &start)?;
                first += count;
            }
            op.location = self.location(c, &start)?;
            Ok(op)
        })
    }

    /// The location that follows; without one, the place in this text.
    fn location(&self, c: &mut Cursor<'_>, start: &Cursor<'_>) -> Parsed<Rc<Location>> {
        if c.peek_word() == "loc" {
            return attributes::location(c);
        }
        let line = self.lines.partition_point(|end| *end < start.at()) as u32 + 1;
        Ok(Rc::new(Location::Line { file: Rc::clone(&self.file), line }))
    }

    fn next_value(&mut self) -> usize {
        self.values += 1;
        self.values - 1
    }

    fn define(&mut self, name: String, group: Group, c: &Cursor<'_>) -> Parsed<()> {
        let is_taken = self.scopes.iter().any(|scope| scope.contains_key(&name));
        match self.scopes.last_mut() {
            Some(_) if is_taken => c.fail(format!("'%{name}' is defined twice")),
            Some(scope) => {
                scope.insert(name, group);
                Ok(())
            }
            None => c.fail(format!("'%{name}' is defined outside of a function")),
        }
    }

    /// The value that `%name` or `%name#1` is.
    fn value(&self, c: &mut Cursor<'_>) -> Parsed<usize> {
        c.expect("%")?;
        let start = c.clone();
        let name = c.suffix()?;
        let index = if c.take("#") { c.integer()? } else { 0 };
        let group = self.scopes.iter().rev().find_map(|scope| scope.get(&name));
        match group {
            Some((first, count)) => match usize::try_from(index) {
                Ok(index) if index < *count => Ok(first + index),
                _ => start.fail(format!("'%{name}' has {count} results, but not number {index}")),
            },
            None => start.fail(format!("'%{name}' is not defined")),
        }
    }

    /// `"name"(operands) <{properties}> (regions) {attributes} : type`, and the types of the results.
    fn generic(&mut self, c: &mut Cursor<'_>) -> Parsed<(Op, Vec<Type>)> {
        let mut op = empty(c.string()?);
        let is_isolated = matches!(op.name.as_str(), "func.func" | "builtin.module");
        op.operands = c.list(["(", ")"], |c| self.value(c))?;
        if c.take("[") {
            return c.fail("blocks that branch are not part of StableHLO");
        }
        if c.take("<") {
            op.attributes = attributes::table(c)?;
            c.expect(">")?;
        }
        if c.sees("(") {
            let outer = if is_isolated { Some((std::mem::take(&mut self.scopes), self.values)) } else { None };
            if is_isolated {
                self.values = 0;
            }
            op.regions = c.list(["(", ")"], |c| self.region(c, Vec::new()))?;
            if let Some(outer) = outer {
                (self.scopes, self.values) = outer;
            }
        }
        if c.sees("{") {
            op.attributes.extend(attributes::table(c)?);
        }
        c.expect(":")?;
        let (_, results) = types::function(c)?;
        forms::normalize(&mut op);
        Ok((op, results))
    }

    /// `{ ^bb0(arguments): ops }`, where `given` are arguments that stand before it.
    fn region(&mut self, c: &mut Cursor<'_>, given: Vec<(String, Argument)>) -> Parsed<Region> {
        c.nested(|c| {
            c.expect("{")?;
            self.scopes.push(HashMap::new());
            let mut region = Region::default();
            for (name, argument) in given {
                self.define(name, (argument.value, 1), c)?;
                region.arguments.push(argument);
            }
            if c.take("^") {
                c.suffix()?;
                if c.sees("(") {
                    let arguments = c.list(["(", ")"], |c| self.argument(c))?;
                    for (name, argument) in arguments {
                        self.define(name, (argument.value, 1), c)?;
                        region.arguments.push(argument);
                    }
                }
                c.expect(":")?;
            }
            while !c.take("}") {
                if c.sees("^") {
                    return c.fail("a region of several blocks is not part of StableHLO");
                }
                if c.is_done() {
                    return c.fail("a region does not end");
                }
                region.ops.push(self.op(c)?);
            }
            self.scopes.pop();
            Ok(region)
        })
    }

    /// `%name: type {attributes} loc(...)`.
    fn argument(&mut self, c: &mut Cursor<'_>) -> Parsed<(String, Argument)> {
        c.expect("%")?;
        let name = c.suffix()?;
        c.expect(":")?;
        let ty = types::ty(c)?;
        if c.sees("{") {
            attributes::table(c)?;
        }
        let location = if c.peek_word() == "loc" { attributes::location(c)? } else { Rc::new(Location::Unknown) };
        Ok((name, Argument { value: self.next_value(), ty, location }))
    }

    /// An op as its dialect prints it.
    fn pretty(&mut self, c: &mut Cursor<'_>) -> Parsed<(Op, Vec<Type>)> {
        let word = c.word()?;
        let (mut op, types) = match word {
            "module" | "builtin.module" => (self.nested_module(c)?, Vec::new()),
            "func.func" => (self.function(c)?, Vec::new()),
            "stablehlo.reduce" => self.reduce(c)?,
            "stablehlo.while" => self.while_loop(c)?,
            _ => {
                let form = forms::find(word);
                let mut op = empty(word.to_owned());
                self.parts(c, &mut op, form)?;
                let types = match op.attribute("value") {
                    // The type of a constant is that of its value.
                    Some(Attribute::Elements(value)) => vec![Type::Tensor(value.ty.clone())],
                    _ if c.take(":") => self.result_types(c)?,
                    _ => Vec::new(),
                };
                (op, types)
            }
        };
        forms::normalize(&mut op);
        Ok((op, types))
    }

    /// What stands between the name of an op and its types: operands, words, and `key = value`, in any order.
    fn parts(&mut self, c: &mut Cursor<'_>, op: &mut Op, form: Option<&Form>) -> Parsed<()> {
        let mut positional = form.map_or(&[][..], |form| form.positional).iter();
        let start = c.clone();
        let mut place = |value: Attribute, op: &mut Op| match positional.next() {
            Some(name) => {
                op.attributes.push(((*name).to_owned(), value));
                Ok(())
            }
            None => start.fail(format!("the syntax of '{}' is not known", op.name)),
        };
        loop {
            match c.peek() {
                // What follows a constant is the next op.
                _ if op.attribute("value").is_some() => break,
                Some('%') => op.operands.push(self.value(c)?),
                Some(',') => c.expect(",")?,
                Some('(') => {
                    let Op { operands, attributes: named, .. } = op;
                    c.list(["(", ")"], |c| {
                        if c.sees("%") {
                            operands.push(self.value(c)?);
                            return Ok(());
                        }
                        let name = c.word()?.to_owned();
                        c.expect("=")?;
                        named.push((name, attributes::attribute(c)?));
                        Ok(())
                    })?;
                }
                Some('{') => op.attributes.extend(attributes::table(c)?),
                Some('[') => {
                    let ranges =
                        if form.is_some_and(|form| form.has_ranges) { ranges(c)? } else { attributes::attribute(c)? };
                    place(ranges, op)?;
                }
                Some('"' | '@' | '#') => place(attributes::attribute(c)?, op)?,
                Some(letter) if letter.is_ascii_alphabetic() && c.peek_word() != "loc" => {
                    let before = c.clone();
                    let word = c.word()?;
                    if c.take("=") {
                        let name = form.and_then(|form| form.renamed(word)).unwrap_or(word);
                        op.attributes.push((name.to_owned(), attributes::chained(c)?));
                        continue;
                    }
                    *c = before;
                    // An op without parts of its own ends where the next one begins.
                    if form.is_none() || word.contains('.') {
                        break;
                    }
                    place(attributes::attribute(c)?, op)?;
                }
                _ => break,
            }
        }
        Ok(())
    }

    /// The types after `:`: a function's, or a list of them.
    fn result_types(&mut self, c: &mut Cursor<'_>) -> Parsed<Vec<Type>> {
        if c.sees("(") {
            return Ok(types::function(c)?.1);
        }
        let mut list = vec![types::ty(c)?];
        while c.take(",") {
            list.push(types::ty(c)?);
        }
        if c.take("->") { types::types(c) } else { Ok(list) }
    }

    fn nested_module(&mut self, c: &mut Cursor<'_>) -> Parsed<Op> {
        let mut op = empty("builtin.module".to_owned());
        if c.take("@") {
            c.suffix()?;
        }
        if c.keyword("attributes") {
            attributes::table(c)?;
        }
        op.regions = vec![self.region(c, Vec::new())?];
        Ok(op)
    }

    /// `func.func public @name(arguments) -> (results) attributes {...} { ops }`.
    fn function(&mut self, c: &mut Cursor<'_>) -> Parsed<Op> {
        let mut op = empty("func.func".to_owned());
        for word in ["public", "private", "nested"] {
            c.keyword(word);
        }
        c.expect("@")?;
        op.attributes.push(("sym_name".to_owned(), Attribute::Text(c.suffix()?)));
        let (scopes, values) = (std::mem::take(&mut self.scopes), std::mem::take(&mut self.values));
        let mut ahead = c.clone();
        ahead.expect("(")?;
        let arguments = if ahead.sees("%") {
            c.list(["(", ")"], |c| self.argument(c))?
        } else {
            // A declaration has types alone.
            c.balanced()?;
            Vec::new()
        };
        if c.take("->") {
            let results = if c.sees("(") {
                c.list(["(", ")"], |c| {
                    types::ty(c)?;
                    Ok(Attribute::Table(if c.sees("{") { attributes::table(c)? } else { Vec::new() }))
                })?
            } else {
                // Braces after a result without parentheses are the body's.
                types::ty(c)?;
                vec![Attribute::Table(Vec::new())]
            };
            op.attributes.push(("res_attrs".to_owned(), Attribute::List(results)));
        }
        if c.keyword("attributes") {
            attributes::table(c)?;
        }
        if c.sees("{") {
            op.regions = vec![self.region(c, arguments)?];
        }
        (self.scopes, self.values) = (scopes, values);
        Ok(op)
    }

    /// `stablehlo.reduce(%x init: %i), ... applies stablehlo.add across dimensions = [0] : type`, or with a region after it.
    fn reduce(&mut self, c: &mut Cursor<'_>) -> Parsed<(Op, Vec<Type>)> {
        let mut op = empty("stablehlo.reduce".to_owned());
        let mut initials = Vec::new();
        let mut applied = None;
        loop {
            c.expect("(")?;
            op.operands.push(self.value(c)?);
            if !c.keyword("init") {
                return c.fail("expected 'init'");
            }
            c.expect(":")?;
            initials.push(self.value(c)?);
            c.expect(")")?;
            if !c.take(",") {
                break;
            }
        }
        op.operands.extend(initials);
        if c.keyword("applies") {
            applied = Some(if c.sees("\"") { c.string()? } else { c.word()?.to_owned() });
        }
        if !c.keyword("across") || !c.keyword("dimensions") {
            return c.fail("expected 'across dimensions'");
        }
        c.expect("=")?;
        op.attributes.push(("dimensions".to_owned(), attributes::attribute(c)?));
        if c.sees("{") {
            op.attributes.extend(attributes::table(c)?);
        }
        c.expect(":")?;
        let start = c.clone();
        let (operands, results) = types::function(c)?;
        let region = match applied {
            Some(name) => {
                let (Some(element), 2) = (operands.first().and_then(scalar), operands.len()) else {
                    return start.fail(format!("'{name}' is applied to {} operands", operands.len()));
                };
                self.applied(name, element)
            }
            None => {
                if !c.keyword("reducer") {
                    return c.fail("expected 'reducer'");
                }
                let (mut left, mut right) = (Vec::new(), Vec::new());
                while c.sees("(") {
                    let mut pair = c.list(["(", ")"], |c| self.argument(c))?;
                    let (Some(second), Some(first), 0) = (pair.pop(), pair.pop(), pair.len()) else {
                        return c.fail("a reducer takes pairs of arguments");
                    };
                    left.push(first);
                    right.push(second);
                }
                left.extend(right);
                self.region(c, left)?
            }
        };
        op.regions = vec![region];
        Ok((op, results))
    }

    /// A region that applies one op to two elements.
    fn applied(&mut self, name: String, ty: Type) -> Region {
        let location = Rc::new(Location::Unknown);
        let mut argument = || Argument { value: self.next_value(), ty: ty.clone(), location: Rc::clone(&location) };
        let arguments = vec![argument(), argument()];
        let result = self.next_value();
        let mut op = empty(name);
        op.operands = arguments.iter().map(|argument| argument.value).collect();
        op.results = vec![(result, ty)];
        let mut end = empty("return".to_owned());
        end.operands = vec![result];
        Region { arguments, ops: vec![op, end] }
    }

    /// `stablehlo.while(%name = %value, ...) : types attributes {...} cond { ops } do { ops }`.
    fn while_loop(&mut self, c: &mut Cursor<'_>) -> Parsed<(Op, Vec<Type>)> {
        let mut op = empty("stablehlo.while".to_owned());
        let names = c.list(["(", ")"], |c| {
            c.expect("%")?;
            let name = c.suffix()?;
            c.expect("=")?;
            op.operands.push(self.value(c)?);
            Ok(name)
        })?;
        let types = if c.take(":") { self.result_types(c)? } else { Vec::new() };
        if names.len() != types.len() {
            return c.fail(format!("{} types for {} values", types.len(), names.len()));
        }
        if c.keyword("attributes") {
            op.attributes = attributes::table(c)?;
        }
        for word in ["cond", "do"] {
            if !c.keyword(word) {
                return c.fail(format!("expected '{word}'"));
            }
            let location = Rc::new(Location::Unknown);
            let arguments = names.iter().zip(&types).map(|(name, ty)| {
                let argument = Argument { value: self.next_value(), ty: ty.clone(), location: Rc::clone(&location) };
                (name.clone(), argument)
            });
            let arguments: Vec<_> = arguments.collect();
            op.regions.push(self.region(c, arguments)?);
        }
        Ok((op, types))
    }
}

/// An op of this name with nothing else.
fn empty(name: String) -> Op {
    Op {
        name,
        operands: Vec::new(),
        results: Vec::new(),
        attributes: Vec::new(),
        regions: Vec::new(),
        location: Rc::new(Location::Unknown),
    }
}

/// The type of an element of a tensor, as a tensor of rank 0.
fn scalar(ty: &Type) -> Option<Type> {
    let Type::Tensor(ty) = ty else { return None };
    Some(Type::Tensor(super::program::TensorType { element: ty.element.clone(), dims: Vec::new() }))
}

/// `[0:2, 1:8:3]`: where each range starts, ends, and its steps.
fn ranges(c: &mut Cursor<'_>) -> Parsed<Attribute> {
    let mut parts = [Vec::new(), Vec::new(), Vec::new()];
    c.list(["[", "]"], |c| {
        let start = c.integer()?;
        c.expect(":")?;
        let limit = c.integer()?;
        let stride = if c.take(":") { c.integer()? } else { 1 };
        for (list, value) in parts.iter_mut().zip([start, limit, stride]) {
            list.push(Attribute::Int(value));
        }
        Ok(())
    })?;
    Ok(Attribute::List(parts.map(Attribute::List).into()))
}
