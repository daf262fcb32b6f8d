//! Types in text.

use super::cursor::{Cursor, Parsed};
use crate::stablehlo::program::{Element, TensorType, Type};

/// A type: a tensor, a token, an element type, or any other, which is passed.
pub(crate) fn ty(c: &mut Cursor<'_>) -> Parsed<Type> {
    c.nested(|c| match c.peek() {
        Some('(') => {
            let (inputs, results) = function(c)?;
            let list = |types: &[Type]| types.iter().map(Type::to_string).collect::<Vec<_>>().join(", ");
            Ok(Type::Other(format!("({}) -> ({})", list(&inputs), list(&results))))
        }
        Some('!') => dialect(c),
        _ => {
            let word = c.word()?;
            match word {
                "tensor" => tensor(c),
                "none" | "index" => Ok(Type::Other(word.to_owned())),
                _ if c.sees("<") => {
                    // Complex numbers are elements, tuples and the like are not.
                    if word == "complex" {
                        c.expect("<")?;
                        let part = c.word()?;
                        c.expect(">")?;
                        return Ok(Type::Element(Element::of(&format!("complex<{part}>"))));
                    }
                    c.balanced()?;
                    Ok(Type::Other(format!("{word}<...>")))
                }
                _ => Ok(Type::Element(Element::of(word))),
            }
        }
    })
}

/// `!stablehlo.token`, and types of other dialects.
fn dialect(c: &mut Cursor<'_>) -> Parsed<Type> {
    c.expect("!")?;
    let name = c.suffix()?;
    if c.sees("<") {
        c.balanced()?;
    }
    Ok(if name == "stablehlo.token" { Type::Token } else { Type::Other(format!("!{name}")) })
}

/// What follows `tensor`.
fn tensor(c: &mut Cursor<'_>) -> Parsed<Type> {
    c.expect("<")?;
    let mut dims = Vec::new();
    loop {
        if c.take("*") {
            c.expect("x")?;
            let element = ty(c)?;
            c.expect(">")?;
            return Ok(Type::Other(format!("tensor<*x{element}>")));
        }
        if c.take("?") {
            dims.push(None);
        } else {
            let rest = c.rest();
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            if digits == 0 {
                break;
            }
            match rest[..digits].parse() {
                Ok(size) => dims.push(Some(size)),
                Err(_) => return c.fail(format!("'{}' is no size", &rest[..digits])),
            }
            c.pass(digits);
        }
        c.expect("x")?;
    }
    let element = match ty(c)? {
        Type::Element(element) => element,
        other => Element::Other(other.to_string()),
    };
    if c.take(",") {
        // A layout, or a bound of a dynamic size: no export has one.
        let encoding = c.peek_word();
        if encoding.is_empty() {
            c.expect("#")?;
            c.suffix()?;
        } else {
            c.word()?;
        }
        if c.sees("<") {
            c.balanced()?;
        }
        c.expect(">")?;
        return Ok(Type::Other("a tensor with an encoding".to_owned()));
    }
    c.expect(">")?;
    Ok(Type::Tensor(TensorType { element, dims }))
}

/// Types in parentheses, or one without.
pub(crate) fn types(c: &mut Cursor<'_>) -> Parsed<Vec<Type>> {
    if c.sees("(") { c.list(["(", ")"], ty) } else { Ok(vec![ty(c)?]) }
}

/// `(inputs) -> results`.
pub(crate) fn function(c: &mut Cursor<'_>) -> Parsed<(Vec<Type>, Vec<Type>)> {
    let inputs = c.list(["(", ")"], ty)?;
    c.expect("->")?;
    Ok((inputs, types(c)?))
}
