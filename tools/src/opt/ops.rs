//! Everything that the tables of our ops say, for people and for programs.

use std::fmt::Write as _;

use serde::Serialize;
use thunder_ir::attr::AttributeSpec;
use thunder_ir::op::{Arity, EffectSpec, Hooks, OpDef, PartSpec, ValueSpec};
use thunder_ir::{Context, Dialect, Registry};

use super::passes::summary;

/// One line per op: its name, its values and what it does.
pub(super) fn table(dialects: &[&'static Dialect]) -> String {
    let rows: Vec<_> = ops(dialects).map(|op| (op.name, signature(op), summary(op.doc))).collect();
    let names = rows.iter().map(|(name, ..)| name.len()).max().unwrap_or_default();
    let signatures = rows.iter().map(|(_, signature, _)| signature.len()).max().unwrap_or_default();
    rows.iter().fold(String::new(), |mut table, (name, signature, summary)| {
        writeln!(table, "{name:names$}  {signature:signatures$}  {summary}").expect("a string takes any text");
        table
    })
}

/// A list of objects, one per op, in the order of the dialects' tables.
pub(super) fn json(dialects: &[&'static Dialect]) -> String {
    let described: Vec<_> = dialects.iter().flat_map(|dialect| Op::all(dialect)).collect();
    let mut text = serde_json::to_string_pretty(&described).expect("texts, lists and flags have a JSON form");
    text.push('\n');
    text
}

fn ops(dialects: &[&'static Dialect]) -> impl Iterator<Item = &'static OpDef> {
    dialects.iter().flat_map(|dialect| dialect.ops.iter().copied())
}

/// `(lhs, rhs, mask?, rest...) -> out`
pub(super) fn signature(op: &OpDef) -> String {
    let list = |specs: &[ValueSpec]| {
        let names: Vec<_> = specs.iter().map(|spec| format!("{}{}", spec.name, mark(spec.arity))).collect();
        names.join(", ")
    };
    match op.results.as_slice() {
        [] => format!("({})", list(&op.operands)),
        [_] => format!("({}) -> {}", list(&op.operands), list(&op.results)),
        _ => format!("({}) -> ({})", list(&op.operands), list(&op.results)),
    }
}

fn mark(arity: Arity) -> &'static str {
    match arity {
        Arity::One => "",
        Arity::Optional => "?",
        Arity::Variadic => "...",
    }
}

#[derive(Serialize)]
pub(super) struct Op {
    pub(super) name: &'static str,
    pub(super) dialect: &'static str,
    pub(super) summary: String,
    pub(super) doc: &'static str,
    pub(super) operands: Vec<Values>,
    pub(super) results: Vec<Values>,
    pub(super) attributes: Vec<Attribute>,
    pub(super) regions: Vec<Part>,
    pub(super) successors: Vec<Part>,
    pub(super) traits: Vec<&'static str>,
    pub(super) effects: &'static str,
    pub(super) interfaces: Vec<&'static str>,
    pub(super) hooks: Vec<&'static str>,
}

#[derive(Serialize)]
pub(super) struct Values {
    pub(super) name: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) doc: &'static str,
    pub(super) arity: &'static str,
    pub(super) r#type: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) constraint: &'static str,
}

#[derive(Serialize)]
pub(super) struct Attribute {
    pub(super) name: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) doc: &'static str,
    pub(super) kind: String,
    pub(super) required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) default: Option<String>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) constraint: &'static str,
}

#[derive(Serialize)]
pub(super) struct Part {
    pub(super) name: &'static str,
    pub(super) variadic: bool,
}

impl Op {
    /// Every op of a dialect, in the order of its table.
    pub(super) fn all(dialect: &'static Dialect) -> Vec<Self> {
        // Defaults are made in a context; attributes of builtin kinds need no dialect.
        let context = Context::with_threading(&Registry::empty(), false);
        dialect.ops.iter().map(|op| Self::of(op, &context)).collect()
    }

    fn of(op: &'static OpDef, context: &Context) -> Self {
        let mut traits = op.traits.clone();
        traits.extend(op.is_symbol.then_some("symbol"));
        traits.extend(op.is_graph_region.then_some("graph_region"));
        Self {
            name: op.name,
            dialect: op.dialect(),
            summary: summary(op.doc),
            doc: op.doc,
            operands: op.operands.iter().map(Values::of).collect(),
            results: op.results.iter().map(Values::of).collect(),
            attributes: op.attributes.iter().map(|spec| Attribute::of(spec, context)).collect(),
            regions: op.regions.iter().map(Part::of).collect(),
            successors: op.successors.iter().map(Part::of).collect(),
            traits,
            effects: match op.effects {
                EffectSpec::Unknown => "unknown",
                EffectSpec::Pure => "pure",
                EffectSpec::Custom(_) => "by operation",
            },
            interfaces: op.interfaces.iter().map(|(name, _)| *name).collect(),
            hooks: hooks(&op.hooks),
        }
    }
}

impl Values {
    fn of(spec: &ValueSpec) -> Self {
        let arity = match spec.arity {
            Arity::One => "one",
            Arity::Optional => "optional",
            Arity::Variadic => "variadic",
        };
        Self { name: spec.name, doc: spec.doc, arity, r#type: (spec.constraint.description)(), constraint: spec.label }
    }
}

impl Attribute {
    fn of(spec: &AttributeSpec, context: &Context) -> Self {
        Self {
            name: spec.name,
            doc: spec.doc,
            kind: (spec.description)(),
            required: spec.required && spec.default.is_none(),
            default: spec.default.map(|default| default(context.as_ref()).to_string()),
            constraint: spec.label,
        }
    }
}

impl Part {
    fn of(spec: &PartSpec) -> Self {
        Self { name: spec.name, variadic: spec.variadic }
    }
}

fn hooks(hooks: &Hooks) -> Vec<&'static str> {
    let has = [
        ("verify", hooks.verify.is_some()),
        ("verify_regions", hooks.verify_regions.is_some()),
        ("infer", hooks.infer.is_some()),
        ("fold", hooks.fold.is_some()),
        ("canonicalize", hooks.canonicalize.is_some()),
        ("assembly", hooks.parse.is_some()),
    ];
    has.into_iter().filter_map(|(name, has)| has.then_some(name)).collect()
}
