//! Decides which values the backward part of a joint function keeps of the forward part, and which it computes again.
//!
//! Needs: a function with `thunder.joint`, as `--thunder-autodiff` writes it; best after composites are decomposed and
//! equal ops merged, as then it sees what is really kept. Guarantees: the function computes what it did; what is computed
//! again stands before its first use, and stays apart from what was computed first. `--thunder-split-joint` then saves
//! what is kept.
//!
//! What is kept is a minimum cut between what the forward part computes and what the backward part reads, in bytes and
//! in arithmetic, each as the sizes and element types say (`cut.rs`). Arguments, results and constants are in memory
//! anyway. What a checkpoint region computes for itself is not kept, whatever the limit.

mod cut;
mod problem;
mod rewrite;

use cut::Limit;
use problem::Problem;
use thunder_ir::{Severity, prelude::*};

use crate::autodiff::JOINT;
use crate::memory::{Assumption, estimate};
use crate::split_joint::Joint;

/// Chooses what the backward parts of functions keep of the forward parts, and what they compute again.
///
/// A remark at each function says what is kept and computed again, and what memory the values in between take at most.
#[pass("thunder-remat", on = "builtin.module", dialects("exec"))]
pub struct Remat {
    /// How many bytes to keep at most, with as little arithmetic as possible done again; negative for no budget.
    #[default(-1)]
    budget: i64,
    /// Without a budget, how much arithmetic to do again at most, to keep as little as possible: a part of that of the
    /// function, as in `15%`.
    #[default("15%")]
    max_recompute: String,
    /// The sizes of dynamic dimensions by their names, `batch=8`, in arithmetic and bytes.
    sizes: Vec<String>,
    /// The size of every other dynamic dimension.
    #[default(128)]
    dynamic: i64,
}

impl Remat {
    /// Keeps as little as possible where at most this part of a function's arithmetic is done again.
    pub fn recomputing(part: f64) -> Self {
        Self { max_recompute: format!("{}%", part * 100.0), ..Self::default() }
    }

    /// Keeps at most this many bytes.
    pub fn within(bytes: u64) -> Self {
        Self { budget: i64::try_from(bytes).unwrap_or(i64::MAX), ..Self::default() }
    }

    fn part(&self, module: Operation<'_>) -> Result<f64> {
        let number = self.max_recompute.strip_suffix('%').and_then(|text| text.parse::<f64>().ok());
        let part = number.filter(|percent| percent.is_finite() && *percent >= 0.0);
        let message = || format!("option max-recompute: '{}' is no percentage, such as 15%", self.max_recompute);
        part.map(|percent| percent / 100.0).ok_or_else(|| module.error(message()))
    }
}

/// What a choice does to a function.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Report {
    /// Values kept, before and after.
    pub values: [usize; 2],
    /// Their bytes.
    pub bytes: [u64; 2],
    /// Floating-point operations of the function as it was.
    pub flops: f64,
    /// Floating-point operations of what is computed again.
    pub recomputed: u64,
    /// How many ops are computed again.
    pub ops: usize,
    /// The most bytes that values in between take at once, as estimated, before and after.
    pub peak: [u64; 2],
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [values, bytes, peak] = [self.values.map(|n| n as u64), self.bytes, self.peak];
        let percent = 100.0 * self.recomputed as f64 / self.flops.max(1.0);
        write!(
            f,
            "keeps {} values of {} bytes for its backward part instead of {} of {}; computes {} ops of {} flops again, \
             {percent:.1}% of the function's; takes {} bytes in between at most instead of {}, as estimated",
            values[1], bytes[1], values[0], bytes[0], self.ops, self.recomputed, peak[1], peak[0]
        )
    }
}

impl Pass for Remat {
    fn run(&self, module: Operation<'_>, cx: &PassContext<'_>) -> Result {
        for report in rematerialize(module, self)? {
            cx.count("kept values before", report.values[0] as u64);
            cx.count("kept values", report.values[1] as u64);
            cx.count("kept bytes before", report.bytes[0]);
            cx.count("kept bytes", report.bytes[1]);
            cx.count("recomputed ops", report.ops as u64);
            cx.count("recomputed flops", report.recomputed);
        }
        Ok(())
    }
}

/// Rewrites the joint functions of a module; what that does to each, in order.
pub fn rematerialize(module: Operation<'_>, options: &Remat) -> Result<Vec<Report>> {
    let body = module.regions().next().and_then(|r| r.entry()).ok_or_else(|| module.error("has no body"))?;
    let part = options.part(module)?;
    let assumption = Assumption::of(&options.sizes, options.dynamic).map_err(|e| module.error(e))?;
    let joint = body.operations().into_iter().filter(|op| op.attribute(JOINT).is_some());
    joint
        .map(|function| {
            let limit = |flops: f64| match u64::try_from(options.budget) {
                Ok(bytes) => Limit::Bytes(bytes),
                Err(_) => Limit::Work((part * flops) as u64),
            };
            let report = apply(function, &assumption, limit)?;
            function.emit(Severity::Remark, report);
            if let Ok(budget) = u64::try_from(options.budget)
                && report.bytes[1] > budget
            {
                let message = format!("keeps {} bytes at least: the budget of {budget} is too small", report.bytes[1]);
                function.emit(Severity::Warning, message);
            }
            Ok(report)
        })
        .collect()
}

fn apply(function: Operation<'_>, assumption: &Assumption, limit: impl Fn(f64) -> Limit) -> Result<Report> {
    let before = estimate(function, assumption)?.peak_bytes;
    let joint = Joint::of(function)?;
    let problem = Problem::of(&joint, assumption);
    let choice = problem.network.choose(limit(problem.flops));
    let ops = rewrite::rewrite(&joint, &problem, &choice)?;
    let kept = (0..problem.values.len()).filter(|i| choice.kept[*i] && problem.network.items[*i].bytes != Some(0));
    Ok(Report {
        values: [problem.before.0, kept.count()],
        bytes: [problem.before.1, choice.bytes],
        flops: problem.flops,
        recomputed: choice.work,
        ops,
        peak: [before, estimate(function, assumption)?.peak_bytes],
    })
}
