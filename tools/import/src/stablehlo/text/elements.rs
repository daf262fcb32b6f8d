//! Constants in text: `dense<...>`.

use super::cursor::{Cursor, Parsed};
use super::types;
use crate::stablehlo::program::{Element, Elements, TensorType, Type};

/// A number as it is written, before its type is known.
enum Literal<'s> {
    Number(&'s str),
    /// The parts of a complex number.
    Pair(&'s str, &'s str),
    Truth(bool),
}

/// The parts of a constant.
#[derive(Default)]
struct Parts<'s> {
    literals: Vec<Literal<'s>>,
    /// The sizes that nesting shows.
    shape: Vec<usize>,
}

/// `dense<...> : type`.
pub(crate) fn dense(c: &mut Cursor<'_>) -> Parsed<Elements> {
    c.expect("dense")?;
    c.expect("<")?;
    let start = c.at();
    let mut parts = Parts::default();
    let mut hex = None;
    if c.sees("\"") {
        hex = Some(c.string()?);
    } else if !c.sees(">") {
        parts.read(c, 0)?;
    }
    c.expect(">")?;
    c.expect(":")?;
    let ty = match types::ty(c)? {
        Type::Tensor(ty) => ty,
        other => return c.fail(format!("a constant of type '{other}'")),
    };
    let made = match hex {
        Some(hex) => from_hex(&hex, ty),
        None => parts.elements(ty),
    };
    made.map_err(|message| super::Fault { at: start, message })
}

impl<'s> Parts<'s> {
    fn read(&mut self, c: &mut Cursor<'s>, depth: usize) -> Parsed<()> {
        if !c.sees("[") {
            return self.literal(c);
        }
        c.nested(|c| {
            let is_first = self.shape.len() == depth;
            if is_first {
                self.shape.push(0);
            }
            let count = c.list(["[", "]"], |c| self.read(c, depth + 1))?.len();
            if is_first {
                self.shape[depth] = count;
            } else if self.shape[depth] != count {
                return c.fail(format!("a list of {count} beside one of {}", self.shape[depth]));
            }
            Ok(())
        })
    }

    fn literal(&mut self, c: &mut Cursor<'s>) -> Parsed<()> {
        let number = c.peek_number();
        if !number.is_empty() {
            c.pass(number.len());
            self.literals.push(Literal::Number(number));
            return Ok(());
        }
        if c.take("(") {
            let re = c.peek_number();
            c.pass(re.len());
            c.expect(",")?;
            let im = c.peek_number();
            c.pass(im.len());
            c.expect(")")?;
            self.literals.push(Literal::Pair(re, im));
            return Ok(());
        }
        match c.word()? {
            "true" => self.literals.push(Literal::Truth(true)),
            "false" => self.literals.push(Literal::Truth(false)),
            other => return c.fail(format!("'{other}' is no element")),
        }
        Ok(())
    }

    fn elements(self, ty: TensorType) -> Result<Elements, String> {
        let Some(dtype) = ty.element.dtype() else {
            return Ok(Elements { ty, bytes: Vec::new().into(), is_splat: false });
        };
        let count = ty.count().ok_or_else(|| format!("a constant of type '{ty}'"))?;
        let is_splat = self.shape.is_empty() && self.literals.len() == 1;
        let dims: Vec<Option<i64>> = self.shape.iter().map(|size| Some(*size as i64)).collect();
        if self.literals.len() != if is_splat { 1 } else { count } || !is_splat && count > 0 && dims != ty.dims {
            return Err(format!("{} elements for a constant of type '{ty}'", self.literals.len()));
        }
        let mut bytes = Vec::with_capacity(self.literals.len() * dtype.size());
        for literal in &self.literals {
            bytes.extend(element(literal, &ty.element).ok_or_else(|| match literal {
                Literal::Number(text) => format!("'{text}' is no element of '{ty}'"),
                Literal::Pair(re, im) => format!("'({re}, {im})' is no element of '{ty}'"),
                Literal::Truth(value) => format!("'{value}' is no element of '{ty}'"),
            })?);
        }
        Ok(Elements { ty, bytes: bytes.into(), is_splat })
    }
}

/// The bytes of an element.
fn element(literal: &Literal<'_>, element: &Element) -> Option<Vec<u8>> {
    let text = match literal {
        Literal::Truth(value) => return (*element == Element::Bool).then(|| vec![u8::from(*value)]),
        Literal::Pair(re, im) => {
            let Element::Complex(dtype) = element else { return None };
            let part = |text| self::element(&Literal::Number(text), &Element::Float(dtype.part()));
            return Some([part(re)?, part(im)?].concat());
        }
        Literal::Number(text) => *text,
    };
    let size = element.dtype()?.size();
    if let Element::Complex(_) = element {
        return None;
    }
    if let Element::Float(dtype) = element {
        // Bits of floats are written as hexadecimal numbers.
        if let Some(digits) = text.strip_prefix("0x") {
            let bits = u64::from_str_radix(digits, 16).ok()?;
            return (size == 8 || bits >> (8 * size) == 0).then(|| bits.to_le_bytes()[..size].to_vec());
        }
        let value: f64 = text.parse().ok()?;
        return Some(thunder_tensor::Tensor::full(*dtype, Vec::new(), value).bytes().to_vec());
    }
    let value: i128 = match text.strip_prefix("0x") {
        Some(digits) => i128::from_str_radix(digits, 16).ok()?,
        None => text.parse().ok()?,
    };
    if *element == Element::Bool {
        return matches!(value, 0 | 1).then(|| vec![value as u8]);
    }
    let bits = 8 * size as u32;
    // What is written with a sign or without fits in the bits either way.
    ((-(1 << (bits - 1))..1 << bits).contains(&value)).then(|| value.to_le_bytes()[..size].to_vec())
}

/// `"0x..."`: the bytes of all elements, or of one that all are.
fn from_hex(text: &str, ty: TensorType) -> Result<Elements, String> {
    let digits = text.strip_prefix("0x").ok_or("a constant in hexadecimal digits begins with '0x'")?;
    let digit = |c: u8| char::from(c).to_digit(16);
    let pairs = digits.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some((digit(*high)? * 16 + digit(*low)?) as u8),
        _ => None,
    });
    let bytes: Vec<u8> = pairs.collect::<Option<_>>().ok_or("the digits of a constant are no bytes")?;
    Elements::of_bytes(bytes, ty)
}
