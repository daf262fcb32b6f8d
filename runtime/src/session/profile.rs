//! What each step of a run takes.

use std::time::Duration;

use thunder_tensor::Tensor;

use super::{Result, Session, fresh};
use crate::plan::PlannedStep;

/// A step of a run, and when it ran, counted from the start of the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepTime {
    /// The kernel, or the operation of a library.
    pub name: String,
    /// "kernel", "library", "loop" or "copy".
    pub kind: &'static str,
    /// When it started.
    pub start: Duration,
    /// How long it took.
    pub duration: Duration,
}

impl Session {
    /// As [`Session::run_in_place`], with the time of each step. On a GPU steps are started one by one, and its own clock
    /// is read between them.
    pub fn profile(&self, inputs: &mut [Tensor]) -> Result<(Vec<Tensor>, Vec<StepTime>)> {
        let plan = self.plan(inputs)?;
        let mut outputs = fresh(&plan);
        let updated = self.updated(inputs);
        let mut ends = Vec::with_capacity(plan.steps.len());
        self.engine.run(&plan, inputs, &updated, &mut outputs, Some(&mut ends))?;
        let mut start = Duration::ZERO;
        let time = |(step, end): (&PlannedStep, Duration)| {
            let (name, kind) = step.name(&self.program);
            let time = StepTime { name, kind, start, duration: end.saturating_sub(start) };
            start = end;
            time
        };
        let times = plan.steps.iter().zip(ends).map(time).collect();
        Ok((outputs, times))
    }
}
