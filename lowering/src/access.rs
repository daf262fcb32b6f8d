//! How a `linalg` op reads and writes its operands, as text that can be taken apart.

use std::fmt;
use thunder_ir::{Attribute, Operation, Result};

/// Which element of an operand an iteration touches: one expression over the loops per dimension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    loops: usize,
    /// Affine expressions over `d0`, `d1`, ...
    indices: Vec<String>,
}

impl Access {
    fn parse(text: &str) -> Option<Self> {
        let body = text.strip_prefix("affine_map<(")?.strip_suffix(")>")?;
        let (loops, indices) = body.split_once(") -> (")?;
        let loops = loops.split(',').filter(|d| !d.trim().is_empty()).count();
        let mut parts = vec![String::new()];
        let mut depth = 0;
        for c in indices.chars() {
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                ',' if depth == 0 => {
                    parts.push(String::new());
                    continue;
                }
                _ => {}
            }
            parts.last_mut().expect("it starts with one part").push(c);
        }
        let indices = parts.iter().map(|p| p.trim().to_owned()).filter(|p| !p.is_empty()).collect();
        Some(Self { loops, indices })
    }

    /// One access per operand of a `linalg.generic`.
    pub fn all_of(op: Operation<'_>) -> Result<Vec<Self>> {
        let maps = op.attribute("indexing_maps").and_then(|a| a.as_array()).unwrap_or_default();
        let parsed: Option<Vec<Self>> = maps.iter().map(|map| Self::parse(&map.to_string())).collect();
        parsed.ok_or_else(|| op.error("has an index map with symbols"))
    }

    /// The loops that are the first `n` indices, where these are nothing but loops.
    pub fn leading(&self, n: usize) -> Option<Vec<usize>> {
        let first = self.indices.get(..n)?;
        first.iter().map(|index| index.strip_prefix('d')?.parse().ok()).collect()
    }

    /// Whether an index from the `n`th on depends on one of `loops`.
    pub fn depends_after(&self, n: usize, loops: &[usize]) -> bool {
        let names = self.indices.iter().skip(n).flat_map(|index| names(index));
        names.flatten().any(|number| loops.contains(&number))
    }

    /// Where one of `loops` is all of an index, which of them, by dimension; `None` where one is a part of an index.
    pub fn places(&self, loops: &[usize]) -> Option<Vec<Option<usize>>> {
        let place = |index: &String| {
            let whole = index.strip_prefix('d').and_then(|number| number.parse().ok());
            match whole.and_then(|number: usize| loops.iter().position(|l| *l == number)) {
                Some(at) => Some(Some(at)),
                None => (!names(index).flatten().any(|number| loops.contains(&number))).then_some(None),
            }
        };
        self.indices.iter().map(place).collect()
    }

    /// Whether the last indices are `loops`, in their order, and the others do not depend on them.
    pub fn is_column(&self, loops: &[usize]) -> bool {
        let Some(first) = self.indices.len().checked_sub(loops.len()) else { return false };
        let is_loop = |(index, number): (&String, &usize)| number_of(index) == Some(*number);
        let before = self.indices[..first].iter().flat_map(|index| names(index)).flatten();
        self.indices[first..].iter().zip(loops).all(is_loop)
            && before.into_iter().all(|number| !loops.contains(&number))
    }

    /// Of all `loops` in order.
    pub fn identity(loops: usize) -> Self {
        Self { loops, indices: (0..loops).map(|i| format!("d{i}")).collect() }
    }

    /// Of the last of some `loops`.
    pub fn last(loops: usize) -> Self {
        Self { loops, indices: vec![format!("d{}", loops - 1)] }
    }

    /// With one index for the last `n`: the last of some `loops`, of which the others are `kept`, in its order.
    pub fn of_columns(&self, n: usize, kept: &[usize]) -> Self {
        let mut access = self.restricted(0, kept).within(kept.len() + 1);
        access.indices.truncate(self.indices.len() - n);
        access.indices.push(format!("d{}", kept.len()));
        access
    }

    /// Without the indices that are all of one of `loops`.
    pub fn without(&self, loops: &[usize]) -> Self {
        let is_loop = |index: &&String| number_of(index).is_some_and(|number| loops.contains(&number));
        Self { loops: self.loops, indices: self.indices.iter().filter(|index| !is_loop(index)).cloned().collect() }
    }

    /// Without the first `n` indices, and without the loops that `kept` does not list, in its order.
    pub fn restricted(&self, n: usize, kept: &[usize]) -> Self {
        let rename = |index: &String| {
            let parts = pieces(index).map(|piece| match number_of(piece) {
                Some(old) => {
                    kept.iter().position(|k| *k == old).map_or_else(|| "0".to_owned(), |new| format!("d{new}"))
                }
                None => piece.to_owned(),
            });
            parts.collect::<String>()
        };
        Self { loops: kept.len(), indices: self.indices.iter().skip(n).map(rename).collect() }
    }

    /// The same among more loops.
    pub fn within(self, loops: usize) -> Self {
        Self { loops, ..self }
    }

    /// The expression of each index.
    pub fn indices(&self) -> &[String] {
        &self.indices
    }

    /// The number of loops.
    pub fn loops(&self) -> usize {
        self.loops
    }

    /// As an attribute.
    pub fn to_attribute<'c>(&self, op: Operation<'c>) -> Result<Attribute<'c>> {
        let text = self.to_string();
        Attribute::parse(op.context(), &text).ok_or_else(|| op.error(format!("internal: '{text}' is no index map")))
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let loops: Vec<_> = (0..self.loops).map(|i| format!("d{i}")).collect();
        write!(f, "affine_map<({}) -> ({})>", loops.join(", "), self.indices.join(", "))
    }
}

/// Words and what is between them.
fn pieces(index: &str) -> impl Iterator<Item = &str> {
    index.split_inclusive(|c: char| !c.is_ascii_alphanumeric()).flat_map(|part| {
        let end = part.len() - usize::from(!part.ends_with(|c: char| c.is_ascii_alphanumeric()));
        [&part[..end], &part[end..]]
    })
}

fn number_of(piece: &str) -> Option<usize> {
    piece.strip_prefix('d')?.parse().ok()
}

fn names(index: &str) -> impl Iterator<Item = Option<usize>> {
    pieces(index).map(number_of).filter(Option::is_some)
}

#[cfg(test)]
mod tests {
    use super::Access;

    #[test]
    fn maps_read_and_print() {
        for text in [
            "affine_map<(d0, d1) -> (d0, d1)>",
            "affine_map<(d0, d1, d2) -> (d0, d1 * 2 + d2 * 3, 0)>",
            "affine_map<(d0) -> ()>",
            "affine_map<() -> ()>",
            "affine_map<(d0, d1) -> ((d0 + d1) floordiv 2)>",
        ] {
            assert_eq!(Access::parse(text).expect("it is a map").to_string(), text);
        }
    }

    #[test]
    fn indices_that_are_loops_are_places() {
        let access = Access::parse("affine_map<(d0, d1, d2) -> (d0, d2, d1 * 2 + 1)>").expect("it is a map");
        assert_eq!(access.places(&[0, 2]), Some(vec![Some(0), Some(1), None]));
        assert_eq!(access.places(&[0, 1]), None);
        assert_eq!(access.without(&[0, 2]).restricted(0, &[1]).to_string(), "affine_map<(d0) -> (d0 * 2 + 1)>");
    }

    #[test]
    fn rows_are_taken_away() {
        let access = Access::parse("affine_map<(d0, d1, d2, d3) -> (d2, d0, d3 * 2 + d1)>").expect("it is a map");
        assert_eq!(access.leading(2), Some(vec![2, 0]));
        assert_eq!(access.leading(3), None);
        assert!(!access.depends_after(2, &[2, 0]));
        assert!(access.depends_after(2, &[1]));
        assert_eq!(access.restricted(2, &[1, 3]).to_string(), "affine_map<(d0, d1) -> (d1 * 2 + d0)>");
    }
}
