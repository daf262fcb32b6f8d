//! The two sides of a rule, and how they are written.

use super::Names;

/// One side of a rule.
///
/// ```text
/// term     := value | '#' constant | [label '@'] head [attributes] '(' operands ')' [':' type]
/// head     := op | '<' trait '>' | '@' label
/// operands := (term | '..' list), separated by commas
/// attributes := '[' (name '=' variable | '..' variable), separated by commas ']'
/// ```
///
/// A name that occurs twice on the left is one value, or equal attributes. `..a` among attributes is
/// a dictionary of all that are not named; an op with attributes beyond those in its term, other than
/// defaults, does not match. On the right, `#c` is a constant with the value of the attribute `c`;
/// `@f` is the op of the left with that label, with its attributes; a type is written where an op
/// does not infer it, but the root, which always has the type of the left's root.
#[derive(Debug, Clone, PartialEq)]
pub enum Term {
    /// The value of this number.
    Value(usize),
    /// A constant whose value is the attribute of this number.
    Constant(usize),
    /// An op.
    Op(OpTerm),
}

/// An op in a term.
#[derive(Debug, Clone, PartialEq)]
pub struct OpTerm {
    /// Which op.
    pub head: Head,
    /// On the left, the number of the op.
    pub number: usize,
    /// Its attributes.
    pub attributes: Vec<AttributeTerm>,
    /// Its operands.
    pub operands: Vec<OperandTerm>,
    /// On the right, the number of the type of its result, where it is not inferred.
    pub ty: Option<usize>,
}

/// Which op a term stands for.
#[derive(Debug, Clone, PartialEq)]
pub enum Head {
    /// The one of this name.
    Name(String),
    /// Any that has the trait.
    Trait(String),
    /// The op of the left side with this number, with its attributes.
    Same(usize),
}

/// Attributes in a term.
#[derive(Debug, Clone, PartialEq)]
pub enum AttributeTerm {
    /// The attribute of this name is the variable of this number.
    Named(String, usize),
    /// All others are the dictionary of this number.
    Others(usize),
}

/// Operands in a term.
#[derive(Debug, Clone, PartialEq)]
pub enum OperandTerm {
    /// One.
    One(Term),
    /// All that follow: the list of this number.
    Rest(usize),
}

impl Term {
    /// Reads a term. New names get numbers on the left; on the right, so do attributes and types, which
    /// conditions set.
    pub(super) fn parse(text: &str, dialect: &str, names: &mut Names, is_left: bool) -> Result<Self, String> {
        let mut parser = Parser { tokens: tokens(text)?, next: 0, dialect, names, is_left };
        let term = parser.term()?;
        match parser.peek() {
            "" => Ok(term),
            rest => Err(format!("'{rest}' follows a complete term")),
        }
    }
}

fn tokens(text: &str) -> Result<Vec<String>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
        let length = if rest.starts_with("..") {
            2
        } else if first.is_alphanumeric() {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else if "()[]<>,=#@:".contains(first) {
            1
        } else {
            return Err(format!("unexpected '{first}'"));
        };
        tokens.push(rest[..length].to_owned());
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

struct Parser<'a> {
    tokens: Vec<String>,
    next: usize,
    dialect: &'a str,
    names: &'a mut Names,
    is_left: bool,
}

/// The number of a name, given to it now if that may be.
fn number(names: &mut Vec<String>, name: &str, may_add: bool) -> Result<usize, String> {
    if let Some(number) = names.iter().position(|known| known == name) {
        return Ok(number);
    }
    if !may_add {
        return Err(format!("'{name}' is not on the left side"));
    }
    names.push(name.to_owned());
    Ok(names.len() - 1)
}

impl Parser<'_> {
    fn peek(&self) -> &str {
        self.tokens.get(self.next).map_or("", String::as_str)
    }

    fn accept(&mut self, token: &str) -> bool {
        let found = self.peek() == token;
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.accept(token) { Ok(()) } else { Err(format!("'{}' instead of '{token}'", self.peek())) }
    }

    fn word(&mut self) -> Result<String, String> {
        let token = self.peek().to_owned();
        if !token.starts_with(char::is_alphanumeric) {
            return Err(format!("'{token}' instead of a name"));
        }
        self.next += 1;
        Ok(token)
    }

    fn term(&mut self) -> Result<Term, String> {
        if self.accept("#") {
            let name = self.word()?;
            return number(&mut self.names.attributes, &name, !self.is_left).map(Term::Constant);
        }
        let mut label = String::new();
        let head = if self.accept("@") {
            let name = self.word()?;
            Head::Same(number(&mut self.names.ops, &name, false)?)
        } else if self.peek() == "<" {
            self.of_trait()?
        } else {
            let name = self.word()?;
            if self.accept("@") {
                label = name;
                if self.peek() == "<" { self.of_trait()? } else { self.named()? }
            } else if ["(", "["].contains(&self.peek()) {
                self.next -= 1;
                self.named()?
            } else {
                return number(&mut self.names.values, &name, self.is_left).map(Term::Value);
            }
        };
        self.op(label, head)
    }

    fn of_trait(&mut self) -> Result<Head, String> {
        self.expect("<")?;
        let name = self.word()?;
        self.expect(">")?;
        Ok(Head::Trait(name))
    }

    fn named(&mut self) -> Result<Head, String> {
        let name = self.word()?;
        Ok(Head::Name(if name.contains('.') { name } else { format!("{}.{name}", self.dialect) }))
    }

    fn op(&mut self, label: String, head: Head) -> Result<Term, String> {
        let mut number_of_op = 0;
        if self.is_left {
            number_of_op = self.names.ops.len();
            self.names.ops.push(label);
        }
        let attributes = self.attributes()?;
        self.expect("(")?;
        let mut operands = Vec::new();
        while !self.accept(")") {
            if !operands.is_empty() {
                self.expect(",")?;
            }
            operands.push(if self.accept("..") {
                let name = self.word()?;
                OperandTerm::Rest(number(&mut self.names.lists, &name, self.is_left)?)
            } else {
                OperandTerm::One(self.term()?)
            });
        }
        let ty = match !self.is_left && self.accept(":") {
            true => {
                let name = self.word()?;
                Some(number(&mut self.names.types, &name, true)?)
            }
            false => None,
        };
        Ok(Term::Op(OpTerm { head, number: number_of_op, attributes, operands, ty }))
    }

    fn attributes(&mut self) -> Result<Vec<AttributeTerm>, String> {
        let mut attributes = Vec::new();
        if !self.accept("[") {
            return Ok(attributes);
        }
        while !self.accept("]") {
            if !attributes.is_empty() {
                self.expect(",")?;
            }
            if self.accept("..") {
                let name = self.word()?;
                attributes.push(AttributeTerm::Others(number(&mut self.names.attributes, &name, true)?));
                continue;
            }
            let attribute = self.word()?;
            self.expect("=")?;
            let name = self.word()?;
            attributes.push(AttributeTerm::Named(attribute, number(&mut self.names.attributes, &name, true)?));
        }
        Ok(attributes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(left: &str, right: &str) -> Result<(Term, Term, Names), String> {
        let mut names = Names::default();
        let left = Term::parse(left, "demo", &mut names, true)?;
        let right = Term::parse(right, "demo", &mut names, false)?;
        Ok((left, right, names))
    }

    #[test]
    fn terms_number_their_names() {
        let (left, right, names) =
            parse("f@<elementwise>(move[by = p](x), move[by = p](y))", "move[by = q](@f(y, x) : t)").expect("terms");
        assert_eq!((names.values, names.attributes), (vec!["x".into(), "y".into()], vec!["p".into(), "q".into()]));
        let Term::Op(root) = left else { panic!("an op") };
        assert_eq!((root.head, root.number, names.ops.len()), (Head::Trait("elementwise".into()), 0, 3));
        let Term::Op(root) = right else { panic!("an op") };
        assert_eq!(root.head, Head::Name("demo.move".into()));
        let OperandTerm::One(Term::Op(inner)) = &root.operands[0] else { panic!("an op") };
        assert_eq!((&inner.head, inner.ty), (&Head::Same(0), Some(0)));
    }

    #[test]
    fn lists_and_dictionaries_stand_for_the_rest() {
        let (left, _, names) = parse("other.f[..a](x, ..n)", "x").expect("terms");
        let Term::Op(op) = left else { panic!("an op") };
        assert_eq!(op.head, Head::Name("other.f".into()));
        assert_eq!((op.attributes, op.operands.len()), (vec![AttributeTerm::Others(0)], 2));
        assert_eq!(names.lists, ["n"]);
    }

    #[test]
    fn mistakes_are_told() {
        assert_eq!(parse("f(x)", "g(y)").expect_err("y is new"), "'y' is not on the left side");
        assert_eq!(parse("f(x", "x").expect_err("open"), "'' instead of ','");
        assert_eq!(parse("f(x)) ", "x").expect_err("rest"), "')' follows a complete term");
        assert_eq!(parse("f(!)", "x").expect_err("character"), "unexpected '!'");
        assert_eq!(parse("f(x)", "@h(x)").expect_err("label"), "'h' is not on the left side");
    }
}
