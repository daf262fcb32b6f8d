//! The assembly format that follows from an op's table.
//!
//! ```text
//! op-name operands attributes dictionary? `:` operand-types `->` result-types regions
//! ```
//! Operands are comma-separated in field order; a variadic field stands in brackets unless it is
//! the only field and not empty at an op's end, an optional one as `name(%x)`. Attributes are `name = value`, a unit is its `name`, and defaults are
//! left out.
//! With regions, the dictionary is `attributes {...}`. One operand type stands bare, several in parentheses. With the `same_type` trait one type says
//! all, unless they differ in dynamic sizes. Result types may be left out where the op infers them.

use crate::attr::Spelling;
use crate::op::{Arity, OPERAND_SEGMENTS, OpDef, View, infer_types};
use crate::raw::assembly::{Parsed, Parser, Printer, Unresolved};
use crate::raw::attribute::Attribute;
use crate::raw::types::Type;
use crate::raw::value::Value;

/// Writes `view` in the derived format.
pub(crate) fn print(def: &OpDef, view: &View<'_>, p: &Printer<'_>) {
    let op = view.operation();
    print_operands(def, view, p);
    p.separated(op.successors().into_iter().enumerate(), |p, (index, block)| {
        if index == 0 {
            p.text(" ");
        }
        p.successor(block);
    });
    let mut elided = vec![OPERAND_SEGMENTS];
    for spec in &def.attributes {
        let Some(value) = op.attribute(spec.name) else { continue };
        if spec.spelling == Spelling::Open && takes_colon(value) {
            continue;
        }
        elided.push(spec.name);
        if spec.default.is_none_or(|default| default(op.context()) != value) {
            p.text(" ");
            spec.print_named(value, p);
        }
    }
    if def.regions.is_empty() {
        p.attributes(op, &elided);
    } else {
        p.attributes_with_keyword(op, &elided);
    }
    print_types(def, view, p);
    for region in op.regions() {
        p.text(" ").region(region, true, !def.has_trait("no_terminator"));
    }
}

/// Whether MLIR reads a colon after this attribute as that of its type: after strings and attributes of dialects.
fn takes_colon(value: Attribute<'_>) -> bool {
    value.as_string().is_some() || value.to_string().starts_with('#')
}

fn print_operands(def: &OpDef, view: &View<'_>, p: &Printer<'_>) {
    let mut first = true;
    let comma = |first: &mut bool| {
        p.text(if std::mem::take(first) { " " } else { ", " });
    };
    for (field, spec) in def.operands.iter().enumerate() {
        let values = view.operand_group(field);
        match spec.arity {
            Arity::One => {
                comma(&mut first);
                p.operand(values[0]);
            }
            Arity::Variadic if def.operands.len() == 1 => {
                if !values.is_empty() {
                    p.text(" ").separated(values, |p, v| _ = p.operand(v));
                } else if ends_at_operands(def, view) {
                    p.text(" []");
                }
            }
            Arity::Variadic => {
                comma(&mut first);
                p.text("[").separated(values, |p, v| _ = p.operand(v)).text("]");
            }
            Arity::Optional => {
                if let Some(value) = values.first() {
                    p.text(" ").text(spec.name).text("(").operand(*value).text(")");
                }
            }
        }
    }
}

/// Whether nothing need follow the operands, so that the name of the next op's result would be taken for one.
fn ends_at_operands(def: &OpDef, view: &View<'_>) -> bool {
    let op = view.operation();
    op.result_count() == 0 && op.region_count() == 0 && op.successors().is_empty() && !def.has_trait("terminator")
}

fn print_types(def: &OpDef, view: &View<'_>, p: &Printer<'_>) {
    let op = view.operation();
    let operands: Vec<_> = op.operands().map(Value::ty).collect();
    let results: Vec<_> = op.results().map(Value::ty).collect();
    if operands.is_empty() && results.is_empty() {
        return;
    }
    p.text(" : ");
    // Types that differ in what they leave open are written out.
    if def.has_trait("same_type") && !operands.is_empty() && operands.iter().chain(&results).all(|t| *t == operands[0])
    {
        p.ty(operands[0]);
        return;
    }
    if !operands.is_empty() {
        print_type_list(&operands, p);
    }
    if !results.is_empty() {
        p.text(if operands.is_empty() { "" } else { " -> " });
        print_type_list(&results, p);
    }
}

fn print_type_list(types: &[Type<'_>], p: &Printer<'_>) {
    match types {
        [one] if one.as_function().is_none() => _ = p.ty(*one),
        _ => _ = p.text("(").separated(types.iter(), |p, ty| _ = p.ty(*ty)).text(")"),
    }
}

/// Reads what [`print`] writes.
pub(crate) fn parse(def: &'static OpDef, p: &Parser<'_>) -> Parsed {
    let groups = parse_operands(def, p)?;
    if !def.successors.is_empty() {
        parse_successors(p)?;
    }
    while let Some(spec) =
        def.attributes.iter().find(|spec| p.attribute_set(spec.name).is_none() && p.try_keyword(spec.name))
    {
        p.set_attribute(spec.name, spec.parse_named(p, "attribute")?);
    }
    // Of two braces, the first would be ambiguous.
    if def.regions.is_empty() {
        p.attributes()?
    } else {
        p.attributes_with_keyword()?
    }
    if def.needs_segments() {
        let sizes: Vec<i64> = groups.iter().map(|g| g.len() as i64).collect();
        p.set_attribute(OPERAND_SEGMENTS, Attribute::i64_array(p.context(), &sizes));
    }
    let operands = groups.concat();
    parse_types(def, p, &operands)?;
    parse_regions(def, p)
}

fn parse_successors(p: &Parser<'_>) -> Parsed {
    // Without a comma, the next block's own label would be taken for one more.
    if p.try_successor()? {
        while p.try_token(",") {
            p.successor()?;
        }
    }
    Ok(())
}

fn parse_operands(def: &OpDef, p: &Parser<'_>) -> Parsed<Vec<Vec<Unresolved>>> {
    let mut groups = Vec::new();
    let mut first = true;
    for spec in &def.operands {
        let group = match spec.arity {
            Arity::Variadic if def.operands.len() == 1 && p.try_token("[") => {
                p.token("]")?;
                Vec::new()
            }
            Arity::Variadic if def.operands.len() == 1 => {
                let mut group = Vec::new();
                while let Some(operand) = if group.is_empty() { p.try_operand()? } else { Some(p.operand()?) } {
                    group.push(operand);
                    if !p.try_token(",") {
                        break;
                    }
                }
                group
            }
            Arity::Optional => {
                if p.try_keyword(spec.name) {
                    p.token("(")?;
                    let operand = p.operand()?;
                    p.token(")")?;
                    vec![operand]
                } else {
                    Vec::new()
                }
            }
            arity => {
                if !std::mem::take(&mut first) {
                    p.token(",")?;
                }
                if arity == Arity::One { vec![p.operand()?] } else { p.list("[", "]", |p| p.operand())? }
            }
        };
        groups.push(group);
    }
    Ok(groups)
}

fn parse_types(def: &'static OpDef, p: &Parser<'_>, operands: &[Unresolved]) -> Parsed {
    if operands.is_empty() && def.results.is_empty() {
        return Ok(());
    }
    if operands.is_empty() {
        let inferable = def.hooks.infer.is_some();
        if p.try_token(":") {
            p.try_token("->");
            p.add_results(&parse_type_list(p)?);
            return Ok(());
        }
        if inferable {
            return add_inferred(def, p, Vec::new());
        }
        let variadic_only = def.results.iter().all(|r| r.arity != Arity::One);
        return if variadic_only { Ok(()) } else { p.token(":") };
    }
    p.token(":")?;
    let mut types = parse_type_list(p)?;
    let same_type = def.has_trait("same_type");
    if same_type && let [ty] = types[..] {
        types.resize(operands.len(), ty);
    }
    if types.len() != operands.len() {
        let message = format!("{} operands present, but {} types given", operands.len(), types.len());
        return Err(p.error(&message));
    }
    let values: Vec<Value<'_>> = crate::raw::callback::resolve_all(p, operands, &types)?;
    if def.results.is_empty() {
        return Ok(());
    }
    if p.try_token("->") {
        p.add_results(&parse_type_list(p)?);
        return Ok(());
    }
    if same_type {
        p.add_results(&vec![types[0]; def.results.len()]);
        return Ok(());
    }
    if def.hooks.infer.is_none() {
        let may_be_none = def.results.iter().all(|r| r.arity != Arity::One);
        return if may_be_none { Ok(()) } else { p.token("->") };
    }
    add_inferred(def, p, values)
}

fn add_inferred<'c>(def: &'static OpDef, p: &Parser<'c>, operands: Vec<Value<'c>>) -> Parsed {
    let plan = View::planned(def, p.location(), operands, p.attributes_set());
    // Attributes of the wrong kind must be an error here: inference reads them before the verifier.
    for spec in &def.attributes {
        match p.attribute_set(spec.name) {
            Some(value) if !(spec.accepts)(value) => return Err(p.error(&spec.refusal("attribute", value))),
            None if spec.required && spec.default.is_none() => {
                return Err(p.error(&format!("requires attribute '{}'", spec.name)));
            }
            _ => {}
        }
    }
    crate::raw::callback::check_operand_types(def, &plan).map_err(|e| p.error(&e))?;
    match infer_types(def, &plan) {
        Ok(types) => {
            p.add_results(&types);
            Ok(())
        }
        Err(error) => Err(p.error(&def.without_name(&error))),
    }
}

fn parse_type_list<'c>(p: &Parser<'c>) -> Parsed<Vec<Type<'c>>> {
    if p.try_token("(") {
        let mut types = Vec::new();
        if p.try_token(")") {
            return Ok(types);
        }
        loop {
            types.push(p.ty()?);
            if !p.try_token(",") {
                break;
            }
        }
        p.token(")")?;
        return Ok(types);
    }
    Ok(vec![p.ty()?])
}

fn parse_regions(def: &OpDef, p: &Parser<'_>) -> Parsed {
    for spec in &def.regions {
        if spec.variadic {
            while p.try_region()? {}
        } else if !p.try_region()? {
            p.empty_region();
        }
    }
    Ok(())
}
