//! Sums of products over letters, as batches of matrix products in the order that takes the least arithmetic, by greed.

use std::collections::BTreeSet;

use thunder_trace::{DType, Dim, Scope, Tensor};

use crate::arguments::{Answer, Reason, gap, malformed};

/// The terms of an equation and what it returns, letters in place of what an ellipsis stands for.
fn parsed(equation: &str, operands: &[Tensor<'_>]) -> Answer<(Vec<Vec<char>>, Vec<char>)> {
    let equation: String = equation.chars().filter(|c| *c != ' ').collect();
    let (inputs, output) = match equation.split_once("->") {
        Some((inputs, output)) => (inputs, Some(output)),
        None => (equation.as_str(), None),
    };
    let fits =
        |reason: &str| malformed(format!("the equation '{equation}' does not fit {} operands{reason}", operands.len()));
    let written: Vec<&str> = inputs.split(',').collect();
    if written.len() != operands.len() {
        return fits("");
    }
    // Letters of no alphabet stand for the dimensions of an ellipsis, of which the last ones are common.
    let dots = |term: &str| term.matches("...").count();
    let letters = |term: &str| term.chars().filter(|c| *c != '.').count();
    let hidden =
        |term: &str, x: &Tensor<'_>| if dots(term) == 1 { x.rank().checked_sub(letters(term)) } else { Some(0) };
    let most = written.iter().zip(operands).filter_map(|(term, x)| hidden(term, x)).max().unwrap_or(0);
    let spelled = |term: &str, count: usize| -> Vec<char> {
        let all = (0..most).map(|i| char::from_u32(0xE000 + i as u32).unwrap_or('.'));
        let ellipsis: Vec<char> = all.skip(most.saturating_sub(count)).collect();
        match term.split_once("...") {
            Some((before, after)) => before.chars().chain(ellipsis).chain(after.chars()).collect(),
            None => term.chars().collect(),
        }
    };
    let mut terms = Vec::new();
    for (term, x) in written.iter().zip(operands) {
        let letters = hidden(term, x).map(|count| spelled(term, count)).unwrap_or_default();
        if letters.len() != x.rank() || letters.contains(&'.') {
            return fits(&format!(": '{term}' is {x}"));
        }
        terms.push(letters);
    }
    let output = match output {
        Some(output) => spelled(output, most),
        None => {
            // What an ellipsis stands for, then letters that occur once, in the alphabet's order.
            let all: Vec<char> = terms.concat();
            let once: BTreeSet<char> = all
                .iter()
                .copied()
                .filter(|c| c.is_alphabetic() && all.iter().filter(|o| *o == c).count() == 1)
                .collect();
            let ellipsis = if dots(inputs) > 0 { spelled("...", most) } else { Vec::new() };
            ellipsis.into_iter().chain(once).collect()
        }
    };
    Ok((terms, output))
}

/// A sum of products over letters.
pub(super) fn einsum<'t>(cx: Scope<'t>, equation: &str, operands: &[Tensor<'t>]) -> Answer<Tensor<'t>> {
    let (terms, output) = parsed(equation, operands)?;
    let mut parts = Vec::new();
    for (letters, x) in terms.into_iter().zip(operands) {
        parts.push(diagonal(cx, letters, *x)?);
    }
    while parts.len() > 1 {
        let (first, second) = cheapest(&parts);
        let (b, a) = (parts.remove(second), parts.remove(first));
        let is_needed = |letter: &char| output.contains(letter) || parts.iter().any(|(term, _)| term.contains(letter));
        let product = contracted(a, b, &is_needed)?;
        parts.insert(first, product);
    }
    let Some(product) = parts.pop() else { return malformed("an equation without operands") };
    let (letters, x) = summed(product, &|letter| output.contains(letter));
    let order: Option<Vec<i64>> =
        output.iter().map(|c| letters.iter().position(|l| l == c).map(|i| i as i64)).collect();
    match order {
        Some(order) if order.iter().copied().eq(0..letters.len() as i64) => Ok(x),
        Some(order) => Ok(x.permute(order)),
        None => malformed(format!("the equation '{equation}' returns what it does not take")),
    }
}

/// The pair whose product has the fewest sums, the first of equal ones.
fn cheapest(parts: &[Term<'_>]) -> (usize, usize) {
    // A size that is not known is taken for one that is large.
    let size = |(letters, x): &Term<'_>, letter: &char| {
        let axis = letters.iter().position(|l| l == letter)?;
        Some(x.size(axis as i64).known().map_or(1024.0, |size| size as f64))
    };
    let cost = |a: &Term<'_>, b: &Term<'_>| {
        let letters: BTreeSet<char> = a.0.iter().chain(&b.0).copied().collect();
        letters.iter().map(|letter| size(a, letter).unwrap_or(1.0).max(size(b, letter).unwrap_or(1.0))).product::<f64>()
    };
    let pairs = (0..parts.len()).flat_map(|i| (i + 1..parts.len()).map(move |j| (i, j)));
    pairs
        .min_by(|(a, b), (c, d)| cost(&parts[*a], &parts[*b]).total_cmp(&cost(&parts[*c], &parts[*d])))
        .unwrap_or((0, 1))
}

/// A term in which each letter occurs once: the diagonal where one occurred twice.
fn diagonal<'t>(cx: Scope<'t>, letters: Vec<char>, x: Tensor<'t>) -> Answer<Term<'t>> {
    let (mut letters, mut x) = (letters, x);
    while let Some(second) = (1..letters.len()).find(|i| letters[..*i].contains(&letters[*i])) {
        let first = letters.iter().position(|l| *l == letters[second]).unwrap_or_default();
        let (Some(size), Some(other)) = (x.size(first as i64).known(), x.size(second as i64).known()) else {
            return gap("the diagonal of a dimension of dynamic size");
        };
        if size != other {
            return malformed(format!("a diagonal of sizes {size} and {other}"));
        }
        // Side by side as the last two, they are one dimension, of which every `size + 1`-th element is on the diagonal.
        let rest: Vec<usize> = (0..letters.len()).filter(|i| *i != first && *i != second).collect();
        let order: Vec<i64> = rest.iter().chain([&first, &second]).map(|i| *i as i64).collect();
        let places = cx.arange(size, DType::I64) * (size + 1);
        x = x.permute(order).flatten(-2, -1).index_select(-1, places);
        letters = rest.iter().chain([&first]).map(|i| letters[*i]).collect();
    }
    Ok((letters, x))
}

type Term<'t> = (Vec<char>, Tensor<'t>);

/// A term without the letters that nothing else needs.
fn summed<'t>((letters, x): Term<'t>, is_needed: &dyn Fn(&char) -> bool) -> Term<'t> {
    let over: Vec<i64> = (0..letters.len()).filter(|i| !is_needed(&letters[*i])).map(|i| i as i64).collect();
    let left: Vec<char> = letters.into_iter().filter(is_needed).collect();
    if over.is_empty() { (left, x) } else { (left, x.sum(over)) }
}

/// The product of two terms, summed over the letters that both have and nothing else needs: a batch of matrix products.
fn contracted<'t>(a: Term<'t>, b: Term<'t>, is_needed: &dyn Fn(&char) -> bool) -> Answer<Term<'t>> {
    let in_b = b.0.clone();
    let (a_letters, x) = summed(a, &|letter| is_needed(letter) || in_b.contains(letter));
    let (b_letters, y) = summed(b, &|letter| is_needed(letter) || a_letters.contains(letter));
    let both = |letter: &&char| b_letters.contains(letter);
    let batch: Vec<char> = a_letters.iter().filter(both).filter(|letter| is_needed(letter)).copied().collect();
    let inner: Vec<char> = a_letters.iter().filter(both).filter(|letter| !is_needed(letter)).copied().collect();
    let rows: Vec<char> = a_letters.iter().filter(|letter| !b_letters.contains(letter)).copied().collect();
    let columns: Vec<char> = b_letters.iter().filter(|letter| !a_letters.contains(letter)).copied().collect();
    let sizes = |letters: &[char]| -> Answer<Vec<Dim>> {
        let size = |letter: &char| {
            let of = |own: &[char], x: Tensor<'t>| own.iter().position(|l| l == letter).map(|axis| x.size(axis as i64));
            // A size of 1 is repeated.
            let found = [of(&a_letters, x), of(&b_letters, y)].into_iter().flatten();
            found.reduce(|a, b| if a.known() == Some(1) { b } else { a })
        };
        let missing = || Reason::Malformed("a letter without a dimension".to_owned());
        letters.iter().map(|letter| size(letter).ok_or_else(missing)).collect()
    };
    let stacked = |own: &[char], x: Tensor<'t>, order: [&[char]; 3]| -> Answer<Tensor<'t>> {
        let letters = order.concat();
        let places = letters.iter().map(|letter| own.iter().position(|l| l == letter).map(|axis| axis as i64));
        let places: Vec<i64> =
            places.collect::<Option<_>>().ok_or_else(|| Reason::Malformed("a letter is lost".to_owned()))?;
        let is_turned = !places.iter().copied().eq(0..places.len() as i64);
        let x = if is_turned { x.permute(places) } else { x };
        let full = sizes(&letters)?;
        let x = if x.shape() == full { x } else { x.expand(full) };
        let merged = order.iter().map(|part| Ok(sizes(part)?.into_iter().fold(Dim::from(1), |n, size| n * size)));
        Ok(x.reshape(merged.collect::<Answer<Vec<_>>>()?))
    };
    let x = stacked(&a_letters, x, [&batch, &rows, &inner])?;
    let y = stacked(&b_letters, y, [&batch, &inner, &columns])?;
    let letters = [batch, rows, columns].concat();
    Ok((letters.clone(), x.matmul(y).reshape(sizes(&letters)?)))
}
