//! The steps of a planned function, in words and numbers, and what keeps kernels apart.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use thunder_ir::{Operation, Result};

use super::explain::list;
use crate::kernels::{Cut, StepTime, times, with_kernels};
use crate::machine::Machine;
use crate::memory::Assumption;
use crate::shapes::find_function;
use crate::split_setup::split_setup;

/// A step of a function: a kernel, a library's computation, or a product with the kernel that runs on its blocks.
#[derive(Debug, Clone, PartialEq)]
pub struct StepReport {
    /// What it is.
    pub name: String,
    /// The ops of the kernel, and how many of each.
    pub ops: Vec<(String, usize)>,
    /// The bytes that it reads and writes.
    pub bytes: f64,
    /// Its arithmetic.
    pub flops: f64,
    /// The nanoseconds that it is estimated to take.
    pub time: f64,
    /// Whether it starts a job of all threads; else it is part of that of the step before.
    pub starts: bool,
    /// Why it is not one with steps before it.
    pub missed: Vec<String>,
}

impl StepReport {
    /// The steps of `function`, once what follows from weights alone is split off.
    pub(super) fn of(function: Operation<'_>, machine: &'static Machine) -> Result<Vec<Self>> {
        with_kernels(split_setup(function)?, machine, |function, shapes, cuts| {
            let times = times(function, shapes, &Assumption::default(), machine)?;
            let mut step_of = HashMap::new();
            for (number, step) in times.iter().enumerate() {
                step_of.extend(step.ops.iter().map(|op| (*op, number)));
            }
            let group_of: HashMap<usize, usize> =
                cuts.iter().filter_map(|cut| Some((cut.group, *step_of.get(&cut.call)?))).collect();
            let cut_of: HashMap<Operation<'_>, &Cut<'_>> = cuts.iter().map(|cut| (cut.call, cut)).collect();
            let steps = times.iter().enumerate();
            Ok(steps.map(|(number, step)| Self::step(number, step, &group_of, &cut_of)).collect())
        })
    }

    fn step<'c>(
        number: usize,
        step: &StepTime<'c>,
        group_of: &HashMap<usize, usize>,
        cut_of: &HashMap<Operation<'c>, &Cut<'c>>,
    ) -> Self {
        let mut ops: BTreeMap<String, usize> = BTreeMap::new();
        let mut missed = Vec::new();
        for op in &step.ops {
            let callee = op.attribute("callee").and_then(|a| a.as_symbol()).and_then(|name| find_function(*op, name));
            let body = callee.and_then(|kernel| kernel.region(0).entry()).map_or_else(Vec::new, |b| b.operations());
            for inner in body.into_iter().filter(|inner| !inner.has_trait("terminator")) {
                *ops.entry(inner.name().to_owned()).or_default() += 1;
            }
            for other in cut_of.get(op).iter().flat_map(|cut| &cut.missed) {
                // It may have become one with the group in another way.
                let Some(before) = group_of.get(&other.group).filter(|before| **before != number) else { continue };
                let line = format!("not with {before}: {}, {}", other.op, other.obstacle);
                if !missed.contains(&line) {
                    missed.push(line);
                }
            }
        }
        let name = |op: &Operation<'c>| match op.attribute("callee").and_then(|a| a.as_symbol()) {
            Some(kernel) => format!("@{kernel}"),
            None => op.name().to_owned(),
        };
        let name = step.ops.iter().map(name).collect::<Vec<_>>().join(" with ");
        let StepTime { bytes, flops, time, starts, .. } = *step;
        Self { name, ops: ops.into_iter().collect(), bytes, flops, time, starts, missed }
    }
}

impl std::fmt::Display for StepReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = self.name.clone();
        if !self.ops.is_empty() {
            let _ = write!(text, ": {}", list(self.ops.iter().map(|(name, count)| (name.as_str(), *count))));
        }
        let job = if self.starts { "" } else { " (same job)" };
        writeln!(f, "{:>9.2}  {:>9.1}  {:>9.3}  {text}{job}", self.time / 1e3, self.bytes / 1e3, self.flops / 1e6)?;
        self.missed.iter().try_for_each(|line| writeln!(f, "{:>40}{line}", ""))
    }
}
