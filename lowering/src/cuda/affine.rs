//! The indices of a `linalg` op's operands, as code over its loops.

use thunder_ir::{Operation, Result};

use super::emitter::Emitter;
use super::lanes::Index;

/// An expression over loops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Affine {
    /// The index of a loop.
    Loop(usize),
    /// A number.
    Number(i64),
    /// An operation on two.
    Pair(Operator, Box<[Affine; 2]>),
}

/// What expressions are made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// A sum.
    Add,
    /// A product.
    Mul,
    /// A quotient rounded down.
    FloorDiv,
    /// A quotient rounded up.
    CeilDiv,
    /// What a quotient rounded down leaves.
    Mod,
}

impl Affine {
    /// Reads MLIR's text of an expression over `d0`, `d1`, ...
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = words(text);
        words.reverse();
        let whole = sum(&mut words)?;
        words.is_empty().then_some(whole)
    }

    /// The loop that it is.
    pub fn as_loop(&self) -> Option<usize> {
        match self {
            Self::Loop(number) => Some(*number),
            _ => None,
        }
    }

    /// Whether it depends on a loop for which `is_wanted` holds.
    pub fn mentions(&self, is_wanted: &dyn Fn(usize) -> bool) -> bool {
        match self {
            Self::Loop(number) => is_wanted(*number),
            Self::Number(_) => false,
            Self::Pair(_, sides) => sides.iter().any(|side| side.mentions(is_wanted)),
        }
    }

    /// Its value; `loops` holds the index of each loop that it mentions.
    pub fn emit<'c>(
        &self,
        emitter: &mut Emitter<'_, 'c>,
        op: Operation<'c>,
        loops: &[Option<Index<'c>>],
    ) -> Result<Index<'c>> {
        match self {
            Self::Loop(number) => {
                loops[*number].clone().ok_or_else(|| op.error(format!("internal: loop {number} has no index")))
            }
            Self::Number(number) => Ok(Index::Same(emitter.int(*number)?)),
            Self::Pair(operator, sides) => {
                let [a, b] = &**sides;
                let (a, b) = (a.emit(emitter, op, loops)?, b.emit(emitter, op, loops)?);
                match operator {
                    Operator::Add => a.add(emitter, &b),
                    Operator::Mul => a.mul(emitter, &b),
                    Operator::FloorDiv => a.pair(emitter, "arith.floordivsi", &b),
                    Operator::CeilDiv => a.pair(emitter, "arith.ceildivsi", &b),
                    Operator::Mod => {
                        let whole = a.pair(emitter, "arith.floordivsi", &b)?.mul(emitter, &b)?;
                        a.sub(emitter, &whole)
                    }
                }
            }
        }
    }
}

fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut is_open = false;
    for c in text.chars() {
        let continues = is_open && c.is_ascii_alphanumeric();
        match words.last_mut().filter(|_| continues) {
            Some(word) => word.push(c),
            None if c.is_whitespace() => {}
            None => words.push(c.to_string()),
        }
        is_open = c.is_ascii_alphanumeric();
    }
    words
}

/// Reads from the end of `words`, which stand in reverse.
fn sum(words: &mut Vec<String>) -> Option<Affine> {
    let mut left = product(words)?;
    while let Some(sign) = words.pop_if(|word| word == "+" || word == "-") {
        let mut right = product(words)?;
        if sign == "-" {
            right = pair(Operator::Mul, right, Affine::Number(-1));
        }
        left = pair(Operator::Add, left, right);
    }
    Some(left)
}

fn product(words: &mut Vec<String>) -> Option<Affine> {
    let mut left = factor(words)?;
    loop {
        let operator = match words.last().map(String::as_str) {
            Some("*") => Operator::Mul,
            Some("floordiv") => Operator::FloorDiv,
            Some("ceildiv") => Operator::CeilDiv,
            Some("mod") => Operator::Mod,
            _ => return Some(left),
        };
        words.pop();
        left = pair(operator, left, factor(words)?);
    }
}

fn factor(words: &mut Vec<String>) -> Option<Affine> {
    let word = words.pop()?;
    match word.as_str() {
        "(" => {
            let inner = sum(words)?;
            words.pop_if(|word| word == ")").map(|_| inner)
        }
        "-" => Some(pair(Operator::Mul, factor(words)?, Affine::Number(-1))),
        word => match word.strip_prefix('d') {
            Some(number) => number.parse().ok().map(Affine::Loop),
            None => word.parse().ok().map(Affine::Number),
        },
    }
}

fn pair(operator: Operator, a: Affine, b: Affine) -> Affine {
    match (operator, &a, &b) {
        (Operator::Mul, Affine::Number(a), Affine::Number(b)) => Affine::Number(a * b),
        _ => Affine::Pair(operator, Box::new([a, b])),
    }
}

#[cfg(test)]
mod tests {
    use super::{Affine, Operator};

    fn pair(operator: Operator, a: Affine, b: Affine) -> Affine {
        Affine::Pair(operator, Box::new([a, b]))
    }

    #[test]
    fn expressions_are_read() {
        let (d0, d12) = (Affine::Loop(0), Affine::Loop(12));
        assert_eq!(Affine::parse("d12"), Some(d12.clone()));
        assert_eq!(Affine::parse("0"), Some(Affine::Number(0)));
        let scaled = pair(Operator::Mul, d0.clone(), Affine::Number(-1));
        assert_eq!(Affine::parse("-d0 + 7"), Some(pair(Operator::Add, scaled, Affine::Number(7))));
        let sum = pair(Operator::Add, pair(Operator::Mul, d0, Affine::Number(2)), d12);
        assert_eq!(Affine::parse("(d0 * 2 + d12) floordiv 4"), Some(pair(Operator::FloorDiv, sum, Affine::Number(4))));
        assert_eq!(Affine::parse("d0 +"), None);
        assert_eq!(Affine::parse("s0"), None);
    }
}
