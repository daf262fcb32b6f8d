//! What PDL patterns do on a match: `pdl.rewrite` regions as small programs, run by the safe rewriter.

use super::{NativeFn, PdlPatterns, PdlValue};
use crate::diagnostic::{Error, Result};
use crate::raw::attribute::Attribute;
use crate::raw::block::Region;
use crate::raw::builder::{Blueprint, Rewriter};
use crate::raw::operation::Operation;
use crate::raw::value::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// One `pdl.rewrite`: the root is its first input.
pub(crate) struct Program<'c> {
    /// What MLIR calls it by.
    pub(crate) name: String,
    inputs: usize,
    steps: Vec<Step<'c>>,
}

/// One operation of a `pdl.rewrite`. Numbers are those of values: inputs first, then what steps make, in order.
enum Step<'c> {
    Constant(PdlValue<'c>),
    Create { name: String, parts: Vec<usize>, attributes: Vec<String>, replaced: Option<usize> },
    Result { of: usize, index: usize },
    Results { of: usize },
    Range { parts: Vec<usize>, types: bool },
    Replace { op: usize, by: Vec<usize> },
    Erase { op: usize },
    Native { name: String, rewrite: Arc<NativeFn>, arguments: Vec<usize>, kinds: Vec<String> },
}

/// Takes the rewrites out of a module of patterns: MLIR shall call the programs returned by name instead. Natives of
/// the module are renamed with `suffix`, so that modules can be merged.
pub(crate) fn prepare<'c>(module: Operation<'c>, natives: &PdlPatterns, suffix: usize) -> Result<Vec<Program<'c>>> {
    let mut rewrites = Vec::new();
    let mut constraints = Vec::new();
    module.walk(|op| match op.name() {
        "pdl.pattern" => _ = op.remove_attribute("sym_name"),
        "pdl.rewrite" => rewrites.push(op),
        "pdl.apply_native_constraint" => constraints.push(op),
        _ => {}
    });
    for op in constraints {
        let name = text(op, "name")?;
        if !natives.constraints.contains_key(name) {
            return Err(op.error(format!("no constraint '{name}' is defined")));
        }
        if op.result_count() > 0 {
            return Err(op.error(format!("the constraint '{name}' has no results")));
        }
        op.set_attribute("name", Attribute::string(op.context(), &format!("{name}#{suffix}")));
    }
    rewrites.into_iter().enumerate().map(|(i, op)| outline(op, natives, format!("rewrite {i}#{suffix}"))).collect()
}

fn text<'c>(op: Operation<'c>, attribute: &str) -> Result<&'c str> {
    let value = op.attribute(attribute).and_then(Attribute::as_string);
    value.ok_or_else(|| op.error(format!("has no '{attribute}'")))
}

fn kind(value: Value<'_>) -> String {
    value.ty().to_string()
}

/// Turns one `pdl.rewrite` into a program, and itself into a call of that.
fn outline<'c>(rewrite: Operation<'c>, natives: &PdlPatterns, name: String) -> Result<Program<'c>> {
    let root = rewrite.operands().next().filter(|value| kind(*value) == "!pdl.operation");
    let rooted = rewrite.attribute("operandSegmentSizes").is_some_and(|sizes| sizes.to_string().contains(": 1,"));
    let root = root.filter(|_| rooted).ok_or_else(|| rewrite.error("needs a root, the operation that it rewrites"))?;
    let body: Vec<_> = rewrite.regions().filter_map(Region::entry).flat_map(|block| block.operations()).collect();
    let mut numbers = HashMap::from([(root, 0)]);
    let mut inputs: Vec<_> = rewrite.operands().collect();
    if body.is_empty() {
        numbers.extend(inputs.iter().enumerate().map(|(i, value)| (*value, i)));
    }
    for value in body.iter().flat_map(|op| op.operands()) {
        let is_own = value.defining_op().is_some_and(|op| body.contains(&op));
        if !is_own && !numbers.contains_key(&value) {
            numbers.insert(value, inputs.len());
            inputs.push(value);
        }
    }
    let mut steps = Vec::new();
    let mut next = inputs.len();
    for op in &body {
        steps.push(step(*op, &body, &numbers, natives)?);
        for result in op.results() {
            numbers.insert(result, next);
            next += 1;
        }
    }
    if body.is_empty() {
        let external = text(rewrite, "name")?;
        steps.push(native(rewrite, external, natives, (0..inputs.len()).collect())?);
    }
    let cx = rewrite.context();
    let sizes = format!("array<i32: 1, {}>", inputs.len() - 1);
    let sizes = Attribute::parse(cx, &sizes).ok_or("the sizes of operands are an attribute")?;
    let call = Blueprint::new("pdl.rewrite")
        .operands(inputs.iter().copied())
        .attribute("name", Attribute::string(cx, &name))
        .attribute("operandSegmentSizes", sizes)
        .regions(1);
    let rewriter = Rewriter::at(rewrite);
    rewriter.insert(&call)?;
    rewriter.erase(rewrite)?;
    Ok(Program { name, inputs: inputs.len(), steps })
}

fn native<'c>(op: Operation<'c>, name: &str, natives: &PdlPatterns, arguments: Vec<usize>) -> Result<Step<'c>> {
    let rewrite = natives.rewrites.get(name).ok_or_else(|| op.error(format!("no rewrite '{name}' is defined")))?;
    let kinds = op.results().map(kind).collect();
    Ok(Step::Native { name: name.to_owned(), rewrite: Arc::clone(rewrite), arguments, kinds })
}

fn step<'c>(
    op: Operation<'c>,
    body: &[Operation<'c>],
    numbers: &HashMap<Value<'c>, usize>,
    natives: &PdlPatterns,
) -> Result<Step<'c>> {
    let operands: Vec<usize> = op.operands().map(|value| numbers[&value]).collect();
    let constant = |name: &str| op.attribute(name).ok_or_else(|| op.error("needs a constant in a rewrite"));
    Ok(match op.name() {
        "pdl.attribute" => Step::Constant(PdlValue::Attribute(constant("value")?)),
        "pdl.type" => {
            let ty = constant("constantType")?.as_type();
            Step::Constant(PdlValue::Type(ty.ok_or_else(|| op.error("needs a constant in a rewrite"))?))
        }
        "pdl.types" => {
            let types = constant("constantTypes")?.as_array().unwrap_or_default();
            Step::Constant(PdlValue::Types(types.into_iter().filter_map(Attribute::as_type).collect()))
        }
        "pdl.operation" => {
            let names = op.attribute("attributeValueNames").and_then(Attribute::as_array).unwrap_or_default();
            let attributes = names.into_iter().filter_map(Attribute::as_string).map(str::to_owned).collect();
            // A replacement without types of its own has those of what it replaces.
            let replaces = |user: &&Operation<'c>| {
                user.name() == "pdl.replace" && user.operand_count() == 2 && user.operand(1) == op.result(0)
            };
            let replaced = body.iter().find(replaces).map(|user| numbers[&user.operand(0)]);
            Step::Create { name: text(op, "opName")?.to_owned(), parts: operands, attributes, replaced }
        }
        "pdl.result" => {
            let index = op.attribute("index").and_then(Attribute::as_integer).unwrap_or_default();
            Step::Result { of: operands[0], index: usize::try_from(index).unwrap_or(usize::MAX) }
        }
        "pdl.results" if op.attribute("index").is_none() => Step::Results { of: operands[0] },
        "pdl.results" => return Err(op.error("takes all results of an operation in a rewrite, not a group")),
        "pdl.range" => Step::Range { parts: operands, types: kind(op.result(0)).contains("type") },
        "pdl.replace" => Step::Replace { op: operands[0], by: operands[1..].to_vec() },
        "pdl.erase" => Step::Erase { op: operands[0] },
        "pdl.apply_native_rewrite" => native(op, text(op, "name")?, natives, operands)?,
        _ => return Err(op.error("cannot stand in a rewrite")),
    })
}

impl<'p> Program<'p> {
    /// Runs it on what MLIR has matched.
    pub(crate) fn run<'c>(&self, inputs: Vec<PdlValue<'c>>, rw: &Rewriter<'c>) -> Result
    where
        'p: 'c,
    {
        if inputs.len() != self.inputs {
            return Err(Error::new(format!("'{}' gets {} inputs, not {}", self.name, inputs.len(), self.inputs)));
        }
        let mut values = inputs;
        for step in &self.steps {
            step.run(&mut values, rw)?;
        }
        Ok(())
    }
}

impl<'p> Step<'p> {
    fn run<'c>(&self, values: &mut Vec<PdlValue<'c>>, rw: &Rewriter<'c>) -> Result
    where
        'p: 'c,
    {
        match self {
            Self::Constant(value) => values.push(value.clone()),
            Self::Create { name, parts, attributes, replaced } => {
                let op = create(name, parts, attributes, *replaced, values, rw)?;
                values.push(PdlValue::Operation(op));
            }
            Self::Result { of, index } => {
                let op = values[*of].operation()?;
                let result = op.results().nth(*index).ok_or_else(|| op.error(format!("has no result #{index}")))?;
                values.push(PdlValue::Value(result));
            }
            Self::Results { of } => {
                let results = values[*of].operation()?.results().collect();
                values.push(PdlValue::Values(results));
            }
            Self::Range { parts, types: true } => {
                let types: Result<Vec<_>> = parts.iter().map(|part| values[*part].types()).collect();
                values.push(PdlValue::Types(types?.concat()));
            }
            Self::Range { parts, types: false } => {
                let all: Result<Vec<_>> = parts.iter().map(|part| values[*part].values()).collect();
                values.push(PdlValue::Values(all?.concat()));
            }
            Self::Replace { op, by } => {
                let op = values[*op].operation()?;
                match by.iter().map(|part| &values[*part]).collect::<Vec<_>>()[..] {
                    [PdlValue::Operation(by)] => rw.replace_op(op, *by)?,
                    ref parts => {
                        let all: Result<Vec<_>> = parts.iter().map(|part| part.values()).collect();
                        rw.replace(op, &all?.concat())?;
                    }
                }
            }
            Self::Erase { op } => rw.erase(values[*op].operation()?)?,
            Self::Native { name, rewrite, arguments, kinds } => {
                let arguments: Vec<_> = arguments.iter().map(|argument| values[*argument].clone()).collect();
                let results = rewrite(&arguments, rw)?;
                if !results.iter().map(PdlValue::kind).eq(kinds.iter().map(String::as_str)) {
                    let found: Vec<_> = results.iter().map(PdlValue::kind).collect();
                    return Err(Error::new(format!("the rewrite '{name}' returns {found:?}, not {kinds:?}")));
                }
                values.extend(results);
            }
        }
        Ok(())
    }
}

fn create<'c>(
    name: &str,
    parts: &[usize],
    attributes: &[String],
    replaced: Option<usize>,
    values: &[PdlValue<'c>],
    rw: &Rewriter<'c>,
) -> Result<Operation<'c>> {
    let mut blueprint = Blueprint::new(name);
    let mut names = attributes.iter();
    let mut has_types = false;
    for part in parts.iter().map(|part| &values[*part]) {
        match part {
            PdlValue::Attribute(value) => {
                let name = names.next().ok_or("an attribute without a name")?;
                blueprint.attributes.push((name.clone(), *value));
            }
            PdlValue::Type(_) | PdlValue::Types(_) => {
                has_types = true;
                blueprint.results.extend(part.types()?);
            }
            part => blueprint.operands.extend(part.values()?),
        }
    }
    if !has_types {
        match replaced {
            _ if rw.context().infers_types(name) => blueprint.infers = true,
            Some(op) => blueprint.results = values[op].operation()?.results().map(Value::ty).collect(),
            None => {}
        }
    }
    rw.insert(&blueprint)
}
