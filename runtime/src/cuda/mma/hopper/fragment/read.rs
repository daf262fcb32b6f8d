//! How a function's text is read.

use std::collections::BTreeMap;

use super::{Fragment, Instruction, Piece, Step, Touches};
use crate::cuda::code::Kind;

/// Instructions that compute of registers alone, and let threads go on as they are.
const COMPUTES: [&str; 46] = [
    "abs", "add", "and", "bfe", "bfi", "bfind", "brev", "clz", "cnot", "copysign", "cos", "cvt", "cvta", "div", "ex2",
    "fma", "lg2", "lop3", "mad", "max", "min", "mov", "mul", "mul24", "neg", "not", "or", "popc", "prmt", "rcp", "rem",
    "rsqrt", "sad", "selp", "set", "setp", "shf", "shl", "shr", "sin", "slct", "sqrt", "sub", "tanh", "testp", "xor",
];

/// Reads the text of one function; says what it does not know.
pub(super) fn function(text: &str) -> Result<Fragment, String> {
    let lines = text.lines().map(|line| line.split_once("//").map_or(line, |(line, _)| line));
    let text = lines.collect::<Vec<_>>().join("\n");
    let (before, text) = text.split_once(".func").ok_or("there is no function")?;
    let known = [".version", ".target", ".address_size"];
    let is_known = |line: &str| line.is_empty() || known.iter().any(|known| line.starts_with(known));
    let before = before.trim_end();
    let before = before.strip_suffix(".visible").unwrap_or(before);
    if let Some(other) = before.lines().map(str::trim).find(|line| !is_known(line)) {
        return Err(format!("'{other}' stands before the function"));
    }
    let (head, text) = text.split_once('{').ok_or("the function has no body")?;
    let (body, after) = text.rsplit_once('}').ok_or("the function has no end")?;
    if !after.trim().is_empty() {
        return Err(format!("'{}' stands behind the function", after.trim()));
    }
    let mut reader = Reader::default();
    let (words, further) = reader.head(head)?;
    let mut rest = body.trim();
    while let Some((statement, next)) = rest.split_once(';') {
        reader.statement(statement)?;
        rest = next.trim_start();
    }
    let mut rest = rest.trim();
    while let Some((label, next)) = rest.split_once(':') {
        reader.label(label)?;
        rest = next.trim_start();
    }
    if !rest.is_empty() {
        return Err(format!("'{rest}' has no end"));
    }
    reader.finish(words, further)
}

/// What was read so far.
#[derive(Default)]
struct Reader {
    /// Names and bits of parameters.
    parameters: Vec<(String, usize)>,
    /// What registers' names begin with, and how many there are.
    declared: BTreeMap<String, (Kind, usize)>,
    numbers: BTreeMap<String, usize>,
    kinds: Vec<Kind>,
    steps: Vec<Step>,
}

/// A name and what is written behind it.
fn name(text: &str) -> (&str, &str) {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '$');
    text.split_at(text.find(|letter| !is_part(letter)).unwrap_or(text.len()))
}

impl Reader {
    /// The function's name and parameters: of these how many are words of elements, and how many follow.
    fn head(&mut self, head: &str) -> Result<(usize, usize), String> {
        let (function, list) = name(head.trim());
        let list = list.trim().strip_prefix('(').and_then(|list| list.strip_suffix(')'));
        let list = list.filter(|_| !function.is_empty()).ok_or_else(|| format!("'{}' is no head", head.trim()))?;
        for parameter in list.split(',').map(str::trim).filter(|parameter| !parameter.is_empty()) {
            let unknown = || format!("parameter '{parameter}' has no 32 or 64 bits");
            let parts: Vec<&str> = parameter.split_whitespace().collect();
            let &[".param", form, own] = &parts[..] else { return Err(unknown()) };
            let bits = form.strip_prefix('.').and_then(width).filter(|bits| matches!(bits, 32 | 64));
            self.parameters.push((own.to_owned(), bits.ok_or_else(unknown)?));
        }
        let bits: Vec<usize> = self.parameters.iter().map(|(_, bits)| *bits).collect();
        let words = bits.iter().filter(|bits| **bits == 32).count();
        if bits.first() != Some(&64) || bits[1..].iter().take(words).any(|bits| *bits != 32) {
            return Err("parameters are not a number, words of elements, and numbers".into());
        }
        Ok((words, bits.len() - 1 - words))
    }

    fn label(&mut self, label: &str) -> Result<(), String> {
        let (own, rest) = name(label.trim());
        if own.is_empty() || !rest.is_empty() {
            return Err(format!("'{}' is no label", label.trim()));
        }
        self.steps.push(Step::Label(own.trim_start_matches('$').to_owned()));
        Ok(())
    }

    /// What ends at a semicolon: labels ahead of it, and a declaration or an instruction.
    fn statement(&mut self, mut text: &str) -> Result<(), String> {
        while let Some((label, rest)) = text.split_once(':') {
            self.label(label)?;
            text = rest;
        }
        let text = text.trim();
        let unknown = || format!("'{text}' is not known");
        if let Some(declared) = text.strip_prefix(".reg") {
            return self.declare(declared).ok_or_else(unknown);
        }
        let (guard, rest) = match text.strip_prefix('@').and_then(|text| text.split_once(char::is_whitespace)) {
            Some((guard, rest)) => (Some(guard), rest.trim_start()),
            None => (None, text),
        };
        let (operation, operands) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let parts: Vec<&str> = operation.split('.').collect();
        let touches = match parts[..] {
            ["ret"] if guard.is_none() && operands.is_empty() => {
                self.steps.push(Step::Return);
                return Ok(());
            }
            ["ld", "param", ..] if guard.is_none() => {
                let step = self.parameter(&parts[2..], operands).ok_or_else(unknown)?;
                self.steps.push(step);
                return Ok(());
            }
            ["bra"] | ["bra", "uni"] => Touches::Jumps,
            ["ld", "global", ..] if guard.is_none() => Touches::Loads,
            ["st", "global", ..] if guard.is_none() => Touches::Stores,
            // There may be other instructions between one that leaves a carry and one that takes it.
            [name, ..] if guard.is_none() && COMPUTES.contains(&name) && !parts.contains(&"cc") => Touches::Nothing,
            _ => return Err(unknown()),
        };
        let mut pieces = Vec::new();
        if let Some(guard) = guard {
            self.pieces(&mut pieces, &format!("@{guard} "), false).ok_or_else(unknown)?;
        }
        pieces.push(Piece::Text(format!("{operation} ")));
        let before = pieces.len();
        self.pieces(&mut pieces, operands.trim(), touches == Touches::Jumps).ok_or_else(unknown)?;
        // Its first operand: one register, or some in braces.
        let end = |piece: &Piece| matches!(piece, Piece::Text(text) if text.starts_with([',', '}']));
        let is_group = matches!(pieces.get(before), Some(Piece::Text(text)) if text.starts_with('{'));
        let first = pieces[before..].iter().take_while(|piece| match is_group {
            true => !matches!(piece, Piece::Text(text) if text.starts_with('}')),
            false => !end(piece),
        });
        let writes = match touches {
            Touches::Nothing | Touches::Loads => first.filter(|piece| matches!(piece, Piece::Register(_))).count(),
            Touches::Stores | Touches::Jumps => 0,
        };
        self.steps.push(Step::Instruction(Instruction { pieces, writes, touches }));
        Ok(())
    }

    /// Registers of a kind: `.b32 %r<9>`.
    fn declare(&mut self, text: &str) -> Option<()> {
        let (form, names) = text.trim().split_once(char::is_whitespace)?;
        let kind = match form.strip_prefix('.')? {
            "pred" => Kind::Truth,
            form => kind(width(form)?)?,
        };
        let (prefix, count) = names.trim().strip_prefix('%')?.strip_suffix('>')?.split_once('<')?;
        self.declared.insert(prefix.to_owned(), (kind, count.parse().ok()?));
        Some(())
    }

    /// The number of a register, of which the name is known without its percent sign.
    fn register(&mut self, own: &str) -> Option<usize> {
        let (prefix, number) = own.split_at(own.find(|letter: char| letter.is_ascii_digit())?);
        let &(kind, count) = self.declared.get(prefix)?;
        number.parse::<usize>().ok().filter(|number| *number < count)?;
        let fresh = self.kinds.len();
        let found = *self.numbers.entry(own.to_owned()).or_insert(fresh);
        if found == fresh {
            self.kinds.push(kind);
        }
        Some(found)
    }

    /// Operands: registers, numbers, and where to jump if it does.
    fn pieces(&mut self, pieces: &mut Vec<Piece>, mut text: &str, jumps: bool) -> Option<()> {
        while let Some(letter) = text.chars().next() {
            if let Some(rest) = text.strip_prefix('%') {
                let (own, rest) = name(rest);
                pieces.push(Piece::Register(self.register(own)?));
                // Parts of special registers and of vectors are not known.
                text = Some(rest).filter(|rest| !rest.starts_with('.'))?;
            } else if letter.is_ascii_alphabetic() || letter == '$' {
                let (own, rest) = name(text);
                pieces.push(Piece::Label(own.trim_start_matches('$').to_owned()));
                text = Some(rest).filter(|_| jumps)?;
            } else if letter.is_ascii_digit() {
                let (number, rest) = name(text);
                pieces.push(Piece::Text(number.to_owned()));
                text = rest;
            } else {
                let (own, rest) = text.split_at(letter.len_utf8());
                let own = if letter.is_whitespace() { " " } else { own };
                "{}[],|!@+- _".contains(own).then_some(())?;
                pieces.push(Piece::Text(own.to_owned()));
                text = rest;
            }
        }
        Some(())
    }

    /// A parameter that is read, or its halves.
    fn parameter(&mut self, form: &[&str], operands: &str) -> Option<Step> {
        let (count, form) = match form {
            ["v2", form] => (2, *form),
            [form] => (1, *form),
            _ => return None,
        };
        let (to, from) = operands.rsplit_once(',')?;
        let from = from.trim().strip_prefix('[')?.strip_suffix(']')?;
        let (from, offset) = from.split_once('+').unwrap_or((from, "0"));
        let (offset, width) = (offset.trim().parse::<usize>().ok()?, width(form)?);
        let number = self.parameters.iter().position(|(own, _)| own == from.trim())?;
        let bits = self.parameters[number].1;
        let to = to.trim();
        let to = if count == 2 { to.strip_prefix('{')?.strip_suffix('}')? } else { to };
        let mut registers = Vec::new();
        for own in to.split(',') {
            let register = self.register(own.trim().strip_prefix('%')?)?;
            (self.kinds[register] == kind(width)?).then_some(())?;
            registers.push(Some(register));
        }
        let is_half = 2 * width == bits;
        let to = match (count, offset * 8) {
            (1, 0) if width == bits => registers,
            (1, 0) if is_half => vec![registers[0], None],
            (1, at) if is_half && at == width => vec![None, registers[0]],
            (2, 0) if is_half && registers.len() == 2 => registers,
            _ => return None,
        };
        Some(Step::Parameter { number, bits, to })
    }

    fn finish(self, words: usize, further: usize) -> Result<Fragment, String> {
        let Self { kinds, steps, .. } = self;
        let labels: Vec<&String> =
            steps.iter().filter_map(|step| if let Step::Label(label) = step { Some(label) } else { None }).collect();
        for step in &steps {
            let Step::Instruction(Instruction { pieces, .. }) = step else { continue };
            for piece in pieces {
                if let Piece::Label(label) = piece
                    && !labels.contains(&label)
                {
                    return Err(format!("there is no '{label}' to jump to"));
                }
            }
        }
        let mut fragment = Fragment { words, further, kinds, steps, ahead: None };
        fragment.ahead = fragment.ahead();
        Ok(fragment)
    }
}

/// The bits of a form such as `b32`.
fn width(form: &str) -> Option<usize> {
    form.strip_prefix(['b', 'u', 's', 'f']).and_then(|bits| bits.parse().ok())
}

/// The registers of so many bits.
fn kind(bits: usize) -> Option<Kind> {
    match bits {
        16 => Some(Kind::Short),
        32 => Some(Kind::Word),
        64 => Some(Kind::Long),
        _ => None,
    }
}
