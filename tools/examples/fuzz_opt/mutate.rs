//! Programs that are right or almost right: seeds with one size or element type changed throughout, which many stay
//! valid under, and seeds with tokens, types, numbers, attributes and lines changed, which few do.

use fastrand::Rng;

/// Integers at which arithmetic and indexing break.
const NUMBERS: [&str; 20] = [
    "0",
    "1",
    "-1",
    "2",
    "3",
    "7",
    "-2",
    "4",
    "127",
    "128",
    "255",
    "65536",
    "2147483647",
    "2147483648",
    "-2147483649",
    "4294967296",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "99999999999999999999",
];
const FLOATS: [&str; 9] =
    ["0.0", "-0.0", "1.0e-45", "1.0e+308", "1.0e+309", "-1.5", "0x7FC00000", "0x7F800000", "3.14159"];
const ELEMENTS: [&str; 18] = [
    "f32",
    "f64",
    "f16",
    "bf16",
    "i1",
    "i8",
    "i16",
    "i32",
    "i64",
    "ui8",
    "si8",
    "index",
    "f8E4M3FN",
    "i0",
    "i17",
    "complex<f32>",
    "vector<4xf32>",
    "none",
];
const DIMS: [&str; 12] =
    ["?", "0", "1", "2", "3", "4", "5", "17", "1000000", "2147483648", "9223372036854775807", "18446744073709551616"];
/// Sizes and element types that many programs stay valid with.
const SIZES: [&str; 8] = ["?", "0", "1", "2", "3", "5", "8", "17"];
const DTYPES: [&str; 10] = ["f32", "f64", "f16", "bf16", "i1", "i8", "i16", "i32", "i64", "ui8"];
const ATTRIBUTES: [&str; 24] = [
    "true",
    "false",
    "unit",
    "\"text\"",
    "\"\"",
    "@symbol",
    "[0]",
    "[]",
    "[-1]",
    "[0, 0]",
    "[1, 0]",
    "[9223372036854775807]",
    "array<i64>",
    "array<i64: 0>",
    "array<i64: -1, 1>",
    "array<i32: 1>",
    "array<f32: 1.0>",
    "{a = 1}",
    "f32",
    "tensor<2xf32>",
    "dense<0> : tensor<2xi64>",
    "dense<1.0> : tensor<f32>",
    "affine_map<(d0) -> (d0)>",
    "1.0 : f32",
];

/// Makes programs from seeds.
pub(crate) struct Mutator {
    seeds: Vec<Vec<String>>,
    /// Every op name of the seeds.
    ops: Vec<String>,
    /// Every name of an attribute, as far as `name =` tells.
    names: Vec<String>,
}

impl Mutator {
    pub(crate) fn new(seeds: Vec<String>) -> Self {
        let seeds: Vec<Vec<String>> = seeds.iter().map(|seed| tokens(seed)).collect();
        let all = || seeds.iter().flatten().map(|token| token.trim());
        let mut ops: Vec<String> = all().filter(|token| is_op(token)).map(str::to_owned).collect();
        let mut names: Vec<String> = seeds
            .iter()
            .flat_map(|seed| seed.windows(2))
            .filter(|pair| pair[1].trim() == "=" && class(&pair[0]) == Class::Word)
            .map(|pair| pair[0].trim().to_owned())
            .collect();
        for list in [&mut ops, &mut names] {
            list.sort();
            list.dedup();
        }
        Self { seeds, ops, names }
    }

    /// The program of a number; equal numbers and seeds give equal programs.
    pub(crate) fn program(&self, number: u64) -> String {
        let mut rng = Rng::with_seed(number);
        let mut program = self.seeds[rng.usize(..self.seeds.len())].clone();
        match rng.u32(..5) {
            0 | 1 => (0..1 + rng.usize(..3)).for_each(|_| change_throughout(&mut program, &mut rng)),
            2 => {
                change_throughout(&mut program, &mut rng);
                self.mutate(&mut program, &mut rng);
            }
            _ => (0..1 + rng.usize(..4)).for_each(|_| self.mutate(&mut program, &mut rng)),
        }
        let text = program.concat();
        match rng.u32(..100) {
            0 => truncated(&text, &mut rng),
            1 => with_wrong_byte(&text, &mut rng),
            _ => text,
        }
    }

    fn mutate(&self, program: &mut Vec<String>, rng: &mut Rng) {
        if program.is_empty() {
            return;
        }
        let at = rng.usize(..program.len());
        match rng.u32(..13) {
            0 => self.replace_alike(program, at, rng),
            1 => drop(program.drain(at..(at + 1 + rng.usize(..3)).min(program.len()))),
            2 => {
                let copy = program[at..(at + 1 + rng.usize(..4)).min(program.len())].to_vec();
                program.splice(at..at, copy);
            }
            3 => swap_alike(program, at, rng),
            4 => change_some(
                program,
                rng,
                |class| class == Class::Number,
                |token, rng| {
                    let table: &[&str] = if token.contains('.') || rng.u32(..8) == 0 { &FLOATS } else { &NUMBERS };
                    (*pick(rng, table)).to_owned()
                },
            ),
            5..8 => change_some(program, rng, |class| class == Class::Type, changed_type),
            8 => self.add_attribute(program, rng),
            9 => change_value(program, rng),
            10 => change_some(
                program,
                rng,
                |class| class == Class::Op,
                |token, rng| {
                    let op = pick(rng, &self.ops);
                    if token.starts_with('"') == op.starts_with('"') { op.clone() } else { token.to_owned() }
                },
            ),
            11 => lines(program, rng),
            _ => self.splice_line(program, rng),
        }
    }

    fn replace_alike(&self, program: &mut [String], at: usize, rng: &mut Rng) {
        let kind = class(&program[at]);
        let other = &self.seeds[rng.usize(..self.seeds.len())];
        let alike: Vec<_> = program.iter().chain(other).filter(|token| class(token) == kind).cloned().collect();
        if !alike.is_empty() {
            program[at] = pick(rng, &alike).clone();
        }
    }

    fn add_attribute(&self, program: &mut Vec<String>, rng: &mut Rng) {
        let (name, value) = (pick(rng, &self.names), pick(rng, &ATTRIBUTES));
        let colons: Vec<_> = (0..program.len()).filter(|i| program[*i].trim() == ":").collect();
        let braces: Vec<_> = (0..program.len()).filter(|i| program[*i].trim() == "{").collect();
        if let (true, false) = (rng.bool(), braces.is_empty()) {
            let at = *pick(rng, &braces) + 1;
            program.insert(at, format!("{name} = {value}, "));
        } else if !colons.is_empty() {
            let at = *pick(rng, &colons);
            program.insert(at, format!(" {name} = {value}"));
        }
    }

    fn splice_line(&self, program: &mut Vec<String>, rng: &mut Rng) {
        let other = split_lines(&self.seeds[rng.usize(..self.seeds.len())]);
        let mut mine = split_lines(program);
        if let (false, at) = (other.is_empty(), rng.usize(..=mine.len())) {
            mine.insert(at, pick(rng, &other).clone());
            *program = mine.concat();
        }
    }
}

fn pick<'a, T>(rng: &mut Rng, list: &'a [T]) -> &'a T {
    &list[rng.usize(..list.len())]
}

/// Changes one token of a class, keeping the space before it.
fn change_some(
    program: &mut [String],
    rng: &mut Rng,
    wanted: impl Fn(Class) -> bool,
    change: impl FnOnce(&str, &mut Rng) -> String,
) {
    let places: Vec<_> = (0..program.len()).filter(|i| wanted(class(&program[*i]))).collect();
    if places.is_empty() {
        return;
    }
    let at = *pick(rng, &places);
    let token = program[at].trim_start();
    let space = program[at][..program[at].len() - token.len()].to_owned();
    program[at] = space + &change(token, rng);
}

/// Gives an attribute another value.
fn change_value(program: &mut [String], rng: &mut Rng) {
    let places: Vec<_> = (1..program.len()).filter(|i| program[i - 1].trim() == "=").collect();
    let values: Vec<_> = places.into_iter().filter(|i| !is_op(program[*i].trim())).collect();
    if !values.is_empty() {
        let at = *pick(rng, &values);
        program[at] = format!(" {}", pick(rng, &ATTRIBUTES));
    }
}

/// A type with another dimension, rank or element.
fn changed_type(ty: &str, rng: &mut Rng) -> String {
    let Some((open, inside)) = ty.split_once('<') else { return pick(rng, &ELEMENTS).to_string() };
    let Some(inside) = inside.strip_suffix('>') else { return ty.to_owned() };
    let is_shaped = ["tensor", "memref", "vector"].contains(&open);
    if !is_shaped {
        return ty.to_owned();
    }
    let mut parts: Vec<String> = inside.split('x').map(str::to_owned).collect();
    let last = parts.len() - 1;
    match rng.u32(..6) {
        0 => parts[last] = pick(rng, &ELEMENTS).to_string(),
        1 => parts.insert(rng.usize(..=last), pick(rng, &DIMS).to_string()),
        2 if last > 0 => drop(parts.remove(rng.usize(..last))),
        3 => return format!("{open}<*x{}>", parts[last]),
        _ if last > 0 => parts[rng.usize(..last)] = pick(rng, &DIMS).to_string(),
        _ => parts.insert(0, pick(rng, &DIMS).to_string()),
    }
    format!("{open}<{}>", parts.join("x"))
}

/// Changes one size, or one element type, of all types alike.
fn change_throughout(program: &mut [String], rng: &mut Rng) {
    let parts = |token: &str| -> Vec<String> {
        let inside = token.split_once('<').map_or(token, |(_, inside)| inside);
        inside.trim_end_matches('>').split('x').map(|part| part.trim().to_owned()).collect()
    };
    let is_type = |token: &String| class(token) == Class::Type;
    let mut present: Vec<String> = program.iter().filter(|token| is_type(token)).flat_map(|t| parts(t)).collect();
    present.sort();
    present.dedup();
    if present.is_empty() {
        return;
    }
    let from = pick(rng, &present).clone();
    let is_size = from == "?" || from.parse::<u64>().is_ok();
    let to = if is_size { pick(rng, &SIZES) } else { pick(rng, &DTYPES) };
    for token in program.iter_mut().filter(|token| is_type(token)) {
        let (open, inside) = match token.split_once('<') {
            Some((open, inside)) => (format!("{open}<"), inside.to_owned()),
            None => (String::new(), token.clone()),
        };
        let changed = inside.split('x').map(|part| match part.trim().trim_end_matches('>') {
            trimmed if trimmed == from => part.replace(trimmed, to),
            _ => part.to_owned(),
        });
        *token = open + &changed.collect::<Vec<_>>().join("x");
    }
}

fn swap_alike(program: &mut [String], at: usize, rng: &mut Rng) {
    let kind = class(&program[at]);
    let alike: Vec<_> = (0..program.len()).filter(|i| class(&program[*i]) == kind).collect();
    program.swap(at, *pick(rng, &alike));
}

fn lines(program: &mut Vec<String>, rng: &mut Rng) {
    let mut lines = split_lines(program);
    let (a, b) = (rng.usize(..lines.len()), rng.usize(..lines.len()));
    match rng.u32(..3) {
        0 => drop(lines.remove(a)),
        1 => lines.insert(b, lines[a].clone()),
        _ => lines.swap(a, b),
    }
    *program = lines.concat();
}

/// The tokens of each line; a line break belongs to the token after it.
fn split_lines(program: &[String]) -> Vec<Vec<String>> {
    let mut lines: Vec<Vec<String>> = vec![Vec::new()];
    for token in program {
        if token.starts_with('\n') {
            lines.push(Vec::new());
        }
        lines.last_mut().expect("there is a line from the start").push(token.clone());
    }
    lines
}

fn truncated(text: &str, rng: &mut Rng) -> String {
    text.chars().take(rng.usize(..=text.len())).collect()
}

fn with_wrong_byte(text: &str, rng: &mut Rng) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    if !characters.is_empty() {
        let at = rng.usize(..characters.len());
        characters[at] = *pick(rng, &['\0', '\u{7f}', 'é', '"', '<', '(', '%', '\\', '{', '9']);
    }
    characters.into_iter().collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Value,
    Op,
    Type,
    Number,
    Text,
    Word,
    Sign,
}

fn is_op(token: &str) -> bool {
    let name = token.trim_matches('"');
    name.contains('.') && name.starts_with(|c: char| c.is_ascii_lowercase()) && !name.contains(['<', ' '])
}

fn class(token: &str) -> Class {
    let token = token.trim();
    let mut characters = token.chars();
    let (first, second) = (characters.next().unwrap_or(' '), characters.next().unwrap_or(' '));
    let is_scalar = ["i", "ui", "si", "f", "bf"].iter().any(|prefix| {
        token.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_digit()))
    });
    match first {
        '%' | '^' | '@' => Class::Value,
        '!' => Class::Type,
        '0'..='9' => Class::Number,
        '-' if second.is_ascii_digit() => Class::Number,
        _ if is_op(token) => Class::Op,
        '"' => Class::Text,
        _ if is_scalar || token == "index" || (first.is_ascii_alphabetic() && token.contains('<')) => Class::Type,
        _ if first.is_ascii_alphabetic() => Class::Word,
        _ => Class::Sign,
    }
}

/// Parts of a text that belong together, each with the space before it; types are one token.
fn tokens(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < characters.len() {
        let start = at;
        while at < characters.len() && characters[at].is_whitespace() {
            at += 1;
        }
        at = token_end(&characters, at);
        tokens.push(characters[start..at].iter().collect());
    }
    tokens
}

fn token_end(characters: &[char], start: usize) -> usize {
    let is_word = |c: &char| c.is_alphanumeric() || "_.$".contains(*c);
    let at = |i: usize| characters.get(i).copied().unwrap_or('\0');
    let words = |from: usize| from + characters[from.min(characters.len())..].iter().take_while(|c| is_word(c)).count();
    match at(start) {
        '\0' if start >= characters.len() => start,
        '"' => {
            let mut end = start + 1;
            while end < characters.len() && characters[end] != '"' {
                end += if characters[end] == '\\' { 2 } else { 1 };
            }
            (end + 1).min(characters.len())
        }
        '%' | '@' | '^' | '#' | '!' => words(start + 1),
        '-' if at(start + 1) == '>' => start + 2,
        '-' if at(start + 1).is_ascii_digit() => words(start + 1),
        c if is_word(&c) => {
            let end = words(start);
            if at(end) == '<' { angles_end(characters, end) } else { end }
        }
        _ => start + 1,
    }
}

/// Behind the `>` that belongs to the `<` at `open`.
fn angles_end(characters: &[char], open: usize) -> usize {
    let mut depth = 0;
    for (index, c) in characters.iter().enumerate().skip(open) {
        let is_arrow = index > 0 && characters[index - 1] == '-';
        match c {
            '<' => depth += 1,
            '>' if !is_arrow => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return index + 1;
        }
    }
    characters.len()
}
