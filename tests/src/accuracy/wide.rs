//! Functions of f64: beside exact values in a table, and beside the reference at random arguments.

use anyhow::{Context as _, Result, ensure};
use thunder_interface::interpret;
use thunder_tensor::{DType, Random, Tensor};

use super::{Function, Worst};

/// Made by `tests/goldens/elementary.py`.
const TABLE: &str = include_str!("../../goldens/elementary.csv");

/// An exact value: the nearest f64, and how far above that it is, in units in the last place.
struct Exact {
    nearest: f64,
    above: f64,
}

impl Exact {
    /// How far `y` is from it, in units in the last place; the sign of zero counts.
    fn distance(&self, y: f64) -> f64 {
        let Self { nearest, above } = *self;
        if y.to_bits() == nearest.to_bits() || (y.is_nan() && nearest.is_nan()) {
            return above.abs();
        }
        let is_apart = y == 0.0 && nearest == 0.0 || !y.is_finite() || !nearest.is_finite();
        let unit = nearest.abs().next_up() - nearest.abs();
        if is_apart { f64::INFINITY } else { ((y - nearest) / unit - above).abs() }
    }
}

impl Function<'_> {
    /// The worst of the table's arguments.
    pub fn worst_of_table(&self) -> Result<Worst> {
        let (mut arguments, mut exact) = (vec![Vec::new(); self.arity], Vec::new());
        for line in TABLE.lines() {
            let fields: Vec<&str> = line.split(',').collect();
            if fields[0] == self.name {
                let number = |field: &str| Ok::<_, anyhow::Error>(f64::from_bits(u64::from_str_radix(field, 16)?));
                for (argument, field) in arguments.iter_mut().zip(&fields[1..]) {
                    argument.push(number(field)?);
                }
                let [nearest, above] = fields[1 + self.arity..] else { anyhow::bail!("'{line}' has other fields") };
                exact.push(Exact { nearest: number(nearest)?, above: above.parse()? });
            }
        }
        ensure!(!exact.is_empty(), "the table lacks '{}'", self.name);
        self.worst_of(arguments, &exact)
    }

    /// The worst of random arguments, half of them any f64, beside the reference, which errs itself.
    pub fn worst_of_random(&self, count: usize) -> Result<Worst> {
        let mut random = Random::new(0);
        let argument = |_| {
            let any = random.integers(DType::I64, [count], i64::MIN..i64::MAX);
            let small = random.uniform(DType::F64, [count], -8.0..8.0);
            let pairs = any.as_slice::<i64>()?.iter().zip(small.as_slice::<f64>()?).enumerate();
            let pick = |(i, (any, small)): (usize, (&i64, &f64))| {
                if i % 2 == 0 { f64::from_bits(*any as u64) } else { *small }
            };
            Ok(pairs.map(pick).collect())
        };
        let arguments: Vec<Vec<f64>> = (0..self.arity).map(argument).collect::<Result<_>>()?;
        let exact = interpret(self.reference.operation(), "main", &tensors(&arguments)?)?;
        let exact = exact.first().context("one result")?.as_slice::<f64>()?;
        let exact: Vec<Exact> = exact.iter().map(|nearest| Exact { nearest: *nearest, above: 0.0 }).collect();
        self.worst_of(arguments, &exact)
    }

    fn worst_of(&self, arguments: Vec<Vec<f64>>, exact: &[Exact]) -> Result<Worst> {
        let actual = self.session.run(&tensors(&arguments)?)?;
        let actual = actual.first().context("one result")?.as_slice::<f64>()?;
        ensure!(actual.len() == exact.len(), "{} results instead of {}", actual.len(), exact.len());
        let mut worst = Worst::default();
        for (index, (y, exact)) in actual.iter().zip(exact).enumerate() {
            let ulps = exact.distance(*y);
            if ulps > worst.ulps {
                worst = Worst { ulps, at: arguments.iter().map(|argument| argument[index]).collect() };
            }
        }
        Ok(worst)
    }
}

fn tensors(arguments: &[Vec<f64>]) -> Result<Vec<Tensor>> {
    arguments.iter().map(|argument| Ok(Tensor::from_vec([argument.len()], argument.clone())?)).collect()
}
