//! What is known of results beforehand: integers and truth values, as numbers or as expressions over sizes of inputs.

use thunder_trace::{Dim, Scalar};

use crate::stablehlo::call::Call;
use crate::stablehlo::program::Element;
use crate::stablehlo::value::Value;

/// The result of these numbers, where the file says what they are elements of.
fn result<'t>(c: &Call<'_, 't>, dims: Vec<Dim>, numbers: Vec<Dim>) -> Option<Value<'t>> {
    Value::numbers(c.result(0).ok()?.element.clone(), dims, numbers)
}

fn one<'t>(c: &Call<'_, 't>, function: impl Fn(&Dim) -> Option<Dim>) -> Option<Value<'t>> {
    let x = c.operands.first()?;
    let numbers = x.known()?.iter().map(function).collect::<Option<Vec<_>>>()?;
    result(c, x.dims().to_vec(), numbers)
}

fn two<'t>(c: &Call<'_, 't>, function: impl Fn(&Dim, &Dim) -> Option<Dim>) -> Option<Value<'t>> {
    let [x, y] = c.operands else { return None };
    let (left, right) = (x.known()?, y.known()?);
    if left.len() != right.len() {
        return None;
    }
    let numbers = left.iter().zip(&right).map(|(x, y)| function(x, y)).collect::<Option<Vec<_>>>()?;
    result(c, x.dims().to_vec(), numbers)
}

/// What a function of numbers makes of two, if they are numbers.
fn both(x: &Dim, y: &Dim, function: fn(i64, i64) -> Option<i64>) -> Option<Dim> {
    function(x.known()?, y.known()?).map(Dim::from)
}

/// Whether a relation holds, if that follows from what the sides can be.
fn holds(direction: &str, x: &Dim, y: &Dim) -> Option<bool> {
    let ((x_least, x_most), (y_least, y_most)) = (x.bounds(), y.bounds());
    let below = |a: Option<i64>, b: Option<i64>| a.zip(b).is_some_and(|(a, b)| a < b);
    let up_to = |a: Option<i64>, b: Option<i64>| a.zip(b).is_some_and(|(a, b)| a <= b);
    let is_same = x == y;
    let is_less = below(x_most, y_least);
    let is_more = below(y_most, x_least);
    let either = |yes: bool, no: bool| {
        if yes {
            Some(true)
        } else if no {
            Some(false)
        } else {
            None
        }
    };
    match direction {
        "EQ" => either(is_same, is_less || is_more),
        "NE" => either(is_less || is_more, is_same),
        "LT" => either(is_less, is_same || up_to(y_most, x_least)),
        "GE" => either(is_same || up_to(y_most, x_least), is_less),
        "GT" => either(is_more, is_same || up_to(x_most, y_least)),
        "LE" => either(is_same || up_to(x_most, y_least), is_more),
        _ => None,
    }
}

fn truth(value: bool) -> Dim {
    Dim::from(i64::from(value))
}

/// Whether an expression is a size or a number that is not below zero.
fn is_size(x: &Dim) -> bool {
    x.bounds().0 >= Some(0)
}

pub(super) fn abs<'t>(c: &Call<'_, 't>) -> Option<Value<'t>> {
    one(c, |x| x.known().map(|x| x.checked_abs().map(Dim::from)).unwrap_or_else(|| is_size(x).then(|| x.clone())))
}

pub(super) fn negate<'t>(c: &Call<'_, 't>) -> Option<Value<'t>> {
    one(c, |x| Some(Dim::from(0) - x))
}

pub(super) fn sign<'t>(c: &Call<'_, 't>) -> Option<Value<'t>> {
    one(c, |x| match x.known() {
        Some(x) => Some(Dim::from(x.signum())),
        None => (x.bounds().0 >= Some(1)).then(|| Dim::from(1)),
    })
}

pub(super) fn not<'t>(c: &Call<'_, 't>) -> Option<Value<'t>> {
    (*c.element(0).ok()? == Element::Bool).then_some(())?;
    one(c, |x| Some(truth(x.known()? == 0)))
}

pub(super) fn add<'t>(c: &Call<'_, 't>) -> Option<Value<'t>> {
    integers(c)?;
    two(c, |x, y| match (x.known(), y.known()) {
        (Some(0), _) => Some(y.clone()),
        (_, Some(0)) => Some(x.clone()),
        (Some(x), Some(y)) => x.checked_add(y).map(Dim::from),
        _ => Some(x + y),
    })
}

pub(super) fn subtract<'t>(c: &Call<'_, 't>) -> Option<Value<'t>> {
    integers(c)?;
    two(c, |x, y| match (x.known(), y.known()) {
        (_, Some(0)) => Some(x.clone()),
        (Some(x), Some(y)) => x.checked_sub(y).map(Dim::from),
        _ if x == y => Some(Dim::from(0)),
        _ => Some(x - y),
    })
}

pub(super) fn multiply<'t>(c: &Call<'_, 't>) -> Option<Value<'t>> {
    integers(c)?;
    two(c, |x, y| match (x.known(), y.known()) {
        (Some(0), _) | (_, Some(0)) => Some(Dim::from(0)),
        (Some(1), _) => Some(y.clone()),
        (_, Some(1)) => Some(x.clone()),
        (Some(x), Some(y)) => x.checked_mul(y).map(Dim::from),
        _ => Some(x * y),
    })
}

pub(super) fn divide<'t>(c: &Call<'_, 't>) -> Option<Value<'t>> {
    integers(c)?;
    two(c, quotient)
}

/// Truncated, which for sizes is rounded down.
fn quotient(x: &Dim, y: &Dim) -> Option<Dim> {
    match (x.known(), y.known()) {
        (Some(x), Some(y)) => x.checked_div(y).map(Dim::from),
        (_, Some(1)) => Some(x.clone()),
        _ => (is_size(x) && y.bounds().0 >= Some(1)).then(|| x / y),
    }
}

pub(super) fn remainder<'t>(c: &Call<'_, 't>) -> Option<Value<'t>> {
    integers(c)?;
    two(c, |x, y| match (x.known(), y.known()) {
        (Some(x), Some(y)) => x.checked_rem(y).map(Dim::from),
        _ => Some(x - quotient(x, y)? * y),
    })
}

pub(super) fn maximum<'t>(c: &Call<'_, 't>) -> Option<Value<'t>> {
    two(c, |x, y| Some(larger(x, y)))
}

pub(super) fn minimum<'t>(c: &Call<'_, 't>) -> Option<Value<'t>> {
    two(c, |x, y| Some(smaller(x, y)))
}

fn larger(x: &Dim, y: &Dim) -> Dim {
    match holds("GE", x, y) {
        Some(true) => x.clone(),
        Some(false) => y.clone(),
        None => x.max(y),
    }
}

fn smaller(x: &Dim, y: &Dim) -> Dim {
    match holds("LE", x, y) {
        Some(true) => x.clone(),
        Some(false) => y.clone(),
        // min(x, y) == x + y - max(x, y)
        None => x + y - x.max(y),
    }
}

pub(super) fn clamp<'t>(c: &Call<'_, 't>) -> Option<Value<'t>> {
    let [least, x, most] = c.operands else { return None };
    let (least, most) = (least.known()?, most.known()?);
    let numbers = x.known()?;
    let at = |bounds: &[Dim], index: usize| bounds.get(if bounds.len() == 1 { 0 } else { index }).cloned();
    let clamped = |(index, x): (usize, &Dim)| Some(smaller(&larger(x, &at(&least, index)?), &at(&most, index)?));
    let numbers = numbers.iter().enumerate().map(clamped).collect::<Option<Vec<_>>>()?;
    result(c, x.dims().to_vec(), numbers)
}

pub(super) fn compare<'t>(c: &Call<'_, 't>) -> Option<Value<'t>> {
    let direction = c.word("comparison_direction").ok()?;
    two(c, |x, y| holds(direction, x, y).map(truth))
}

pub(super) fn and<'t>(c: &Call<'_, 't>) -> Option<Value<'t>> {
    absorbed(c, 0).or_else(|| two(c, |x, y| both(x, y, |x, y| Some(x & y))))
}

pub(super) fn or<'t>(c: &Call<'_, 't>) -> Option<Value<'t>> {
    absorbed(c, 1).or_else(|| two(c, |x, y| both(x, y, |x, y| Some(x | y))))
}

/// The result where one operand decides it, a truth value that is `absorbing`, or where one does not matter.
fn absorbed<'t>(c: &Call<'_, 't>, absorbing: i64) -> Option<Value<'t>> {
    let [x, y] = c.operands else { return None };
    (*x.element() == Element::Bool).then_some(())?;
    let value = |x: &Value<'t>| match x.scalar() {
        Some(Scalar::Bool(value)) => Some(i64::from(value)),
        _ => None,
    };
    match (value(x), value(y)) {
        (Some(truth), _) => Some(if truth == absorbing { x.clone() } else { y.clone() }),
        (_, Some(truth)) => Some(if truth == absorbing { y.clone() } else { x.clone() }),
        (None, None) => None,
    }
}

/// Sums and the like of truth values are no sums of numbers.
fn integers(c: &Call<'_, '_>) -> Option<()> {
    (*c.element(0).ok()? != Element::Bool).then_some(())
}

pub(super) fn convert<'t>(c: &Call<'_, 't>) -> Option<Value<'t>> {
    let (x, to) = (c.operands.first()?, c.result(0).ok()?.element.clone());
    if let (Element::Float(_), Element::Bool | Element::Int { .. }) = (&to, x.element()) {
        let value = x.known()?.first()?.known().filter(|_| x.scalar().is_some())?;
        // Every float of those that are wide enough holds the number.
        return (value.abs() <= 1 << 8).then(|| Value::uniform(to, x.dims().to_vec(), Scalar::Float(value as f64)));
    }
    if to == Element::Bool {
        return one(c, |x| holds("NE", x, &Dim::from(0)).map(truth));
    }
    one(c, |x| Some(x.clone()))
}

pub(super) fn select<'t>(c: &Call<'_, 't>) -> Option<Value<'t>> {
    let [condition, yes, no] = c.operands else { return None };
    let condition = condition.known()?;
    let first = condition.first()?.known()?;
    if condition.iter().all(|truth| truth.known() == Some(first)) {
        return Some(if first == 1 { yes.clone() } else { no.clone() });
    }
    let (yes, no, dims) = (yes.known()?, no.known()?, yes.dims().to_vec());
    let pairs = yes.into_iter().zip(no).zip(condition);
    let numbers =
        pairs.map(|((yes, no), truth)| Some(if truth.known()? == 1 { yes } else { no })).collect::<Option<Vec<_>>>();
    result(c, dims, numbers?)
}
