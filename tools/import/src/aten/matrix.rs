//! Products of matrices.

use thunder_trace::{Dim, Operand, Scalar, Tensor};

use super::{Entry, one};
use crate::arguments::{Answer, Call, Reason, gap, malformed};

pub(super) const OPS: &[Entry] = &[
    one(&["aten.matmul.default", "aten.dot.default"], |c| {
        Ok(c.tensor("self")?.matmul(c.tensor(if c.has("other") { "other" } else { "tensor" })?))
    }),
    one(&["aten.mm.default", "aten.bmm.default"], |c| Ok(c.tensor("self")?.matmul(c.tensor("mat2")?))),
    one(&["aten.mv.default"], |c| Ok(c.tensor("self")?.matmul(c.tensor("vec")?))),
    one(&["aten.linear.default"], |c| Ok(c.tensor("input")?.linear(c.tensor("weight")?, c.optional("bias")?))),
    one(&["aten.addmm.default"], |c| added(c, c.tensor("mat1")?.matmul(c.tensor("mat2")?))),
    one(&["aten.addmv.default"], |c| added(c, c.tensor("mat")?.matmul(c.tensor("vec")?))),
    one(&["aten.baddbmm.default"], |c| added(c, c.tensor("batch1")?.matmul(c.tensor("batch2")?))),
    one(&["aten.outer.default", "aten.ger.default"], |c| {
        Ok(c.tensor("self")?.unsqueeze(1) * c.tensor(if c.has("vec2") { "vec2" } else { "other" })?)
    }),
    one(&["aten.einsum.default"], |c| einsum(c.word_or("equation", "")?, &c.tensors("tensors")?)),
];

/// `beta * self + alpha * product`.
fn added<'t>(c: &Call<'_, 't>, product: Tensor<'t>) -> Answer<Tensor<'t>> {
    let factor = |name: &str, x: Tensor<'t>| -> Answer<Tensor<'t>> {
        let factor = c.optional_scalar(name)?.filter(|factor| !matches!(factor, Scalar::Int(1) | Scalar::Float(1.0)));
        Ok(factor.map_or(x, |factor| x * Operand::Scalar(factor)))
    };
    let product = factor("alpha", product)?;
    // As PyTorch has it, what is multiplied by zero is not looked at.
    if matches!(c.optional_scalar("beta")?, Some(Scalar::Int(0) | Scalar::Float(0.0))) {
        return Ok(product);
    }
    Ok(factor("beta", c.tensor("self")?)? + product)
}

/// A sum of products over letters, from left to right, two operands at a time.
fn einsum<'t>(equation: &str, operands: &[Tensor<'t>]) -> Answer<Tensor<'t>> {
    let equation: String = equation.chars().filter(|c| *c != ' ').collect();
    if equation.contains('.') {
        return gap("an ellipsis in the equation");
    }
    let (inputs, output) = match equation.split_once("->") {
        Some((inputs, output)) => (inputs.to_owned(), output.to_owned()),
        None => {
            // Letters that occur once, in the alphabet's order.
            let mut letters: Vec<char> = equation.chars().filter(|c| c.is_alphabetic()).collect();
            letters.sort_unstable();
            let once = letters.iter().filter(|c| letters.iter().filter(|other| other == c).count() == 1);
            (equation.clone(), once.collect())
        }
    };
    let terms: Vec<Vec<char>> = inputs.split(',').map(|term| term.chars().collect()).collect();
    let output: Vec<char> = output.chars().collect();
    let fits = terms.len() == operands.len() && terms.iter().zip(operands).all(|(term, x)| term.len() == x.rank());
    if !fits {
        return malformed(format!("the equation '{equation}' does not fit {} operands", operands.len()));
    }
    let is_twice = |term: &Vec<char>| (1..term.len()).any(|i| term[..i].contains(&term[i]));
    if terms.iter().any(is_twice) {
        return gap("a letter twice in one operand");
    }
    let mut parts = terms.into_iter().zip(operands.iter().copied()).collect::<Vec<_>>();
    parts.reverse();
    let Some(mut product) = parts.pop() else { return malformed("an equation without operands") };
    while let Some(next) = parts.pop() {
        let is_needed = |letter: &char| output.contains(letter) || parts.iter().any(|(term, _)| term.contains(letter));
        product = contracted(product, next, &is_needed)?;
    }
    let (letters, x) = summed(product, &|letter| output.contains(letter));
    let order: Option<Vec<i64>> =
        output.iter().map(|c| letters.iter().position(|l| l == c).map(|i| i as i64)).collect();
    match order {
        Some(order) if order.iter().copied().eq(0..letters.len() as i64) => Ok(x),
        Some(order) => Ok(x.permute(order)),
        None => malformed(format!("the equation '{equation}' returns what it does not take")),
    }
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
