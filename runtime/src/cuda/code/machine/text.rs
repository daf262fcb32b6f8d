//! PTX that this crate has made, as instructions.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

/// A register: its kind's letter, and its number.
pub type Register = (u8, usize);

#[derive(Debug)]
pub enum Operand {
    Register(Register),
    Number(i64),
    Name(String),
    /// What a register has and so many bytes more.
    At(Register, i64),
    Parameter(String),
    Group(Vec<Operand>),
}

#[derive(Debug)]
pub struct Instruction {
    pub guard: Option<Register>,
    /// Whether it is carried out where the guard does not hold.
    pub negated: bool,
    pub name: String,
    pub operands: Vec<Operand>,
}

/// A kernel that was read: its parameters of 64 bits with their values, its instructions, and where its labels are.
pub struct Text {
    pub parameters: BTreeMap<String, u64>,
    pub instructions: Vec<Instruction>,
    pub labels: BTreeMap<String, usize>,
}

impl Text {
    /// Reads PTX that this crate has made.
    pub fn read(ptx: &str, values: &[u64]) -> Self {
        let names = ptx.lines().filter_map(|line| line.trim().strip_prefix(".param .u64 "));
        let names: Vec<&str> = names.map(|name| name.trim_end_matches(',')).collect();
        assert_eq!(names.len(), values.len(), "each parameter has a value");
        let parameters = names.into_iter().map(str::to_owned).zip(values.iter().copied()).collect();
        let (mut instructions, mut labels) = (Vec::new(), BTreeMap::new());
        let body = ptx.split_once("\n{\n").map_or("", |(_, body)| body);
        for line in body.lines().map(str::trim) {
            if let Some(label) = line.strip_suffix(':') {
                labels.insert(label.to_owned(), instructions.len());
            } else if !line.starts_with(".reg") && line != "}" {
                instructions.push(instruction(line));
            }
        }
        Self { parameters, instructions, labels }
    }
}

fn instruction(line: &str) -> Instruction {
    let line = line.trim_end_matches(';');
    let (guard, line) = match line.strip_prefix('@').and_then(|line| line.split_once(' ')) {
        Some((guard, rest)) => (Some(guard), rest),
        None => (None, line),
    };
    let negated = guard.is_some_and(|guard| guard.starts_with('!'));
    let guard = guard.map(|guard| register(guard.trim_start_matches('!')));
    let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
    Instruction { guard, negated, name: name.to_owned(), operands: operands(rest) }
}

fn operands(text: &str) -> Vec<Operand> {
    let (mut parts, mut depth) = (vec![String::new()], 0);
    for letter in text.chars() {
        depth += i32::from(matches!(letter, '{' | '[')) - i32::from(matches!(letter, '}' | ']'));
        match letter {
            ',' if depth == 0 => parts.push(String::new()),
            _ => parts.last_mut().unwrap().push(letter),
        }
    }
    parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()).map(operand).collect()
}

fn operand(text: &str) -> Operand {
    let inside = text.get(1..text.len().max(2) - 1).unwrap_or("");
    match text.as_bytes()[0] {
        b'{' => Operand::Group(operands(inside)),
        b'[' if inside.contains(',') => Operand::Group(operands(inside)),
        b'[' if !inside.starts_with('%') => Operand::Parameter(inside.to_owned()),
        b'[' => {
            let (base, offset) = inside.split_once('+').unwrap_or((inside, "0"));
            Operand::At(register(base), offset.parse().unwrap())
        }
        b'%' if !text.contains('.') => Operand::Register(register(text)),
        b'0' if text.starts_with("0f") => Operand::Number(i64::from_str_radix(&text[2..], 16).unwrap()),
        b'0'..=b'9' | b'-' => Operand::Number(text.parse().unwrap()),
        _ => Operand::Name(text.to_owned()),
    }
}

fn register(text: &str) -> Register {
    (text.as_bytes()[1], text[2..].parse().unwrap())
}
