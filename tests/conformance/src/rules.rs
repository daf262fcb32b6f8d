//! What every rewrite rule of a dialect must do: both sides of it are equal on its samples by the
//! reference, to the bit or within what its numeric class allows, and the rule really rewrites them.

use anyhow::{Context as _, Result, ensure};
use libtest_mimic::Trial;
use thunder_interface::{Numerics, Rules, Sample};
use thunder_ir::pass::Pipeline;
use thunder_ir::{Dialect, Module};
use thunder_passes::Plan;
use thunder_tensor::{DType, Tensor, Tolerance, compare};

use crate::executor::{Executor, Reference};
use crate::{numeric, sample, trial};

/// A rule or a merge, as far as tests need it.
#[derive(Clone, Copy)]
struct Law {
    name: &'static str,
    numerics: Numerics,
    samples: &'static [Sample],
}

impl Law {
    fn all(rules: &'static Rules) -> impl Iterator<Item = Self> {
        let of_rules = rules.all().iter().map(|r| Self { name: r.name, numerics: r.numerics, samples: &r.samples });
        let merges = rules.merges().iter();
        of_rules.chain(merges.map(|m| Self { name: m.name, numerics: m.numerics, samples: &m.samples }))
    }
}

/// One test per rule and dtype, one per rule for its samples, and one for the names.
pub fn trials(dialect: &'static Dialect) -> Vec<Trial> {
    let laws: Vec<Law> = dialect.extensions::<Rules>().flat_map(Law::all).collect();
    let mut names: Vec<&str> = laws.iter().map(|law| law.name).collect();
    let mut trials = vec![trial("rules::names".to_owned(), move || {
        names.sort_unstable();
        let twice = names.windows(2).find(|pair| pair[0] == pair[1]);
        ensure!(twice.is_none(), "two rules are called {twice:?}");
        Ok(())
    })];
    for rule in laws {
        trials.push(trial(format!("rules::{}::samples", rule.name), move || {
            ensure!(!rule.samples.is_empty(), "has no sample");
            Ok(())
        }));
        let mut dtypes: Vec<DType> = rule.samples.iter().flat_map(|s| s.dtypes.0).copied().collect();
        dtypes.sort();
        dtypes.dedup();
        for dtype in dtypes {
            trials.push(trial(format!("rules::{}::{dtype}", rule.name), move || {
                let mut samples = rule.samples.iter().filter(|sample| sample.dtypes.0.contains(&dtype));
                samples.try_for_each(|sample| {
                    check(dialect, rule, sample, dtype).with_context(|| format!("in\n{}", sample::text(sample, dtype)))
                })
            }));
        }
    }
    trials
}

fn check(dialect: &'static Dialect, rule: Law, sample: &Sample, dtype: DType) -> Result<()> {
    let context = sample::context(&[dialect]);
    let mut module = Module::parse(&context, "sample.mlir", sample::text(sample, dtype).as_bytes())?;
    let inputs = {
        let body = sample::body(sample::function(&module, "sample")?)?;
        sample::inputs(sample, body, 0x5eed)?
    };
    let before = Reference.run(&module, "sample", &inputs)?;
    let text = module.to_string();
    Pipeline::new().pass(&Plan::only(rule.name)).run(&mut module)?;
    ensure!(module.to_string() != text, "the rule does not rewrite its sample");
    let after = Reference.run(&module, "sample", &inputs).with_context(|| format!("after:\n{module}"))?;
    for (after, before) in after.iter().zip(&before) {
        close(rule, sample, after, before).with_context(|| format!("after:\n{module}"))?;
    }
    Ok(())
}

fn close(rule: Law, sample: &Sample, after: &Tensor, before: &Tensor) -> Result<()> {
    if rule.numerics == Numerics::Exact {
        return numeric::same_bits(after, before);
    }
    let bound = before.dtype().epsilon() * sample.ulps;
    compare(after, before, Tolerance::new(bound, bound)).map_err(|mismatch| anyhow::anyhow!("{mismatch}"))
}
