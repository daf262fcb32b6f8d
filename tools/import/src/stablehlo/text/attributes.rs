//! Attributes and locations in text.

use std::rc::Rc;

use super::cursor::{Cursor, Parsed};
use super::{elements, types};
use crate::stablehlo::program::{Attribute, Element, Location, Type};

/// An attribute.
pub(crate) fn attribute(c: &mut Cursor<'_>) -> Parsed<Attribute> {
    c.nested(|c| match c.peek() {
        Some('"') => {
            let text = c.string()?;
            if c.take(":") {
                types::ty(c)?;
            }
            Ok(Attribute::Text(text))
        }
        Some('[') => Ok(Attribute::List(c.list(["[", "]"], attribute)?)),
        Some('{') => Ok(Attribute::Table(table(c)?)),
        Some('@') => symbol(c),
        Some('#') => of_dialect(c),
        Some('(' | '!') => Ok(Attribute::Type(types::ty(c)?)),
        Some('-' | '0'..='9') => number(c),
        Some('<') => {
            c.balanced()?;
            Ok(Attribute::Opaque)
        }
        _ => worded(c),
    })
}

/// `{name = value, unit}`.
pub(crate) fn table(c: &mut Cursor<'_>) -> Parsed<Vec<(String, Attribute)>> {
    c.list(["{", "}"], |c| {
        let name = if c.sees("\"") { c.string()? } else { c.word()?.to_owned() };
        let value = if c.take("=") { attribute(c)? } else { Attribute::Unit };
        Ok((name, value))
    })
}

fn symbol(c: &mut Cursor<'_>) -> Parsed<Attribute> {
    c.expect("@")?;
    let mut name = c.suffix()?;
    while c.take("::@") {
        name = c.suffix()?;
    }
    Ok(Attribute::Symbol(name))
}

/// `#stablehlo.gather<offset_dims = [0], ...>`, `#stablehlo<precision HIGH>`, and those of other dialects.
fn of_dialect(c: &mut Cursor<'_>) -> Parsed<Attribute> {
    c.expect("#")?;
    let name = c.suffix()?;
    if !c.sees("<") {
        return Ok(Attribute::Opaque);
    }
    match name.as_str() {
        "stablehlo" => {
            c.expect("<")?;
            c.word()?;
            let word = c.word()?.to_owned();
            c.expect(">")?;
            Ok(Attribute::Word(word))
        }
        "stablehlo.conv" => {
            c.expect("<")?;
            let dims = chained(c)?;
            c.expect(">")?;
            Ok(dims)
        }
        "stablehlo.dot" | "stablehlo.gather" | "stablehlo.scatter" => {
            let entries = c.list(["<", ">"], |c| {
                let name = c.word()?.to_owned();
                c.expect("=")?;
                Ok((name, attribute(c)?))
            })?;
            Ok(Attribute::Table(entries))
        }
        _ => {
            c.balanced()?;
            Ok(Attribute::Opaque)
        }
    }
}

/// Lists with `x` or `->` between them, which are one list then: `[b, 0, f]x[0, i, o]->[b, 0, f]`.
pub(crate) fn chained(c: &mut Cursor<'_>) -> Parsed<Attribute> {
    let first = attribute(c)?;
    if !matches!(first, Attribute::List(_)) {
        return Ok(first);
    }
    let mut parts = vec![first];
    while c.take("->") || (c.rest().starts_with('x') && c.rest()[1..].trim_start().starts_with('[') && c.take("x")) {
        parts.push(attribute(c)?);
    }
    Ok(if parts.len() == 1 { parts.swap_remove(0) } else { Attribute::List(parts) })
}

fn number(c: &mut Cursor<'_>) -> Parsed<Attribute> {
    let number = c.peek_number();
    let is_float = !number.starts_with("0x") && number.contains(['.', 'e', 'E']);
    if is_float {
        let Ok(value) = number.parse() else { return c.fail(format!("'{number}' is no number")) };
        c.pass(number.len());
        suffix_type(c)?;
        return Ok(Attribute::Float(value));
    }
    let value = match number.strip_prefix("0x") {
        Some(digits) => match u64::from_str_radix(digits, 16) {
            Ok(bits) => {
                c.pass(number.len());
                bits as i64
            }
            Err(_) => return c.fail(format!("'{number}' is out of range")),
        },
        None => c.integer()?,
    };
    suffix_type(c)?;
    Ok(Attribute::Int(value))
}

fn suffix_type(c: &mut Cursor<'_>) -> Parsed<()> {
    // A colon that a list of types follows is not the number's.
    if c.sees(":") && !c.sees("::") {
        let mut ahead = c.clone();
        ahead.expect(":")?;
        if matches!(types::ty(&mut ahead), Ok(Type::Element(Element::Bool | Element::Int { .. } | Element::Float(_))))
            || ahead.peek_word() == "index"
        {
            *c = ahead;
        }
    }
    Ok(())
}

/// What begins with a word: `dense<...>`, `array<i64: 1, 2>`, `true`, a type, or one word of several.
fn worded(c: &mut Cursor<'_>) -> Parsed<Attribute> {
    let mut ahead = c.clone();
    let word = ahead.word()?;
    match word {
        "dense" => elements::dense(c).map(Attribute::Elements),
        "array" => array(c),
        "true" | "false" => {
            *c = ahead;
            Ok(Attribute::Bool(word == "true"))
        }
        "unit" => {
            *c = ahead;
            Ok(Attribute::Unit)
        }
        "loc" => {
            location(c)?;
            Ok(Attribute::Opaque)
        }
        "tensor" | "tuple" | "complex" | "none" | "index" => Ok(Attribute::Type(types::ty(c)?)),
        "dense_resource" | "sparse" | "affine_map" | "opaque" | "strided" => {
            *c = ahead;
            c.balanced()?;
            if c.take(":") {
                types::ty(c)?;
            }
            Ok(Attribute::Opaque)
        }
        _ => {
            *c = ahead;
            Ok(match Element::of(word) {
                Element::Other(_) => Attribute::Word(word.to_owned()),
                element => Attribute::Type(Type::Element(element)),
            })
        }
    }
}

fn array(c: &mut Cursor<'_>) -> Parsed<Attribute> {
    c.expect("array")?;
    c.expect("<")?;
    c.word()?;
    if c.take(">") {
        return Ok(Attribute::List(Vec::new()));
    }
    Ok(Attribute::List(c.list([":", ">"], attribute)?))
}

/// `loc(...)`.
pub(crate) fn location(c: &mut Cursor<'_>) -> Parsed<Rc<Location>> {
    c.expect("loc")?;
    c.expect("(")?;
    let location = inner_location(c)?;
    c.expect(")")?;
    Ok(location)
}

fn inner_location(c: &mut Cursor<'_>) -> Parsed<Rc<Location>> {
    c.nested(|c| {
        let location = match c.peek() {
            Some('#') => {
                c.expect("#")?;
                Location::Alias(c.suffix()?)
            }
            Some('"') => {
                let name = c.string()?;
                if c.take(":") {
                    let line = c.integer()?;
                    // `:12 to 14:20`, and shorter forms of ranges.
                    while c.take(":") || c.keyword("to") {
                        if !c.sees(":") {
                            c.integer()?;
                        }
                    }
                    Location::Line { file: name.into(), line: u32::try_from(line).unwrap_or(0) }
                } else if c.take("(") {
                    let inner = inner_location(c)?;
                    c.expect(")")?;
                    Location::Named(name.into(), inner)
                } else {
                    Location::Named(name.into(), Rc::new(Location::Unknown))
                }
            }
            _ => match c.word()? {
                "unknown" => Location::Unknown,
                "callsite" => {
                    c.expect("(")?;
                    let callee = inner_location(c)?;
                    if !c.keyword("at") {
                        return c.fail("expected 'at'");
                    }
                    let caller = inner_location(c)?;
                    c.expect(")")?;
                    Location::Several(vec![callee, caller])
                }
                "fused" => {
                    if c.take("<") {
                        attribute(c)?;
                        c.expect(">")?;
                    }
                    Location::Several(c.list(["[", "]"], inner_location)?)
                }
                other => return c.fail(format!("'{other}' is no location")),
            },
        };
        Ok(Rc::new(location))
    })
}
