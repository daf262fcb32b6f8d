//! Loops on a GPU: the host waits for each answer of the condition, and starts the rounds one by one.

use cudarc::driver::result;
use cudarc::driver::sys::CUdeviceptr;

use super::{Addresses, Engine, Memories, own_bytes};
use crate::cuda::error::Result;
use crate::plan::{Plan, PlannedLoop};

impl Engine {
    /// Runs a loop: each round reads what the one before has made, and writes to the results or to the memory beside
    /// them, in turns. The host waits for each answer of the condition.
    pub(super) fn rounds(&self, rounds: &PlannedLoop, table: &[CUdeviceptr], memory: Memories) -> Result {
        let (given, rest) = table.split_at(rounds.inputs);
        let (results, rest) = rest.split_at(rounds.carried.len());
        let (others, answer) = rest.split_at(rounds.carried.len());
        let [condition, body] = [rounds.condition, rounds.body].map(|function| &self.functions[function]);
        let mut inputs = given.to_vec();
        let mut is_in_results = false;
        let queue = &self.gpu.queue;
        loop {
            condition.start_inside(&rounds.plans[0], [&inputs, answer], memory)?;
            let mut said = [0_u8];
            // SAFETY: the byte lives until the copy is done, which is waited for.
            unsafe { result::memcpy_dtoh_async(&mut said, answer[0], queue.stream())? };
            queue.wait(&|| format!("the condition '{}'", condition.program.name))?;
            if said == [0] {
                break;
            }
            let next = if is_in_results { others } else { results };
            body.start_inside(&rounds.plans[1], [&inputs, next], memory)?;
            inputs[..next.len()].copy_from_slice(next);
            is_in_results = !is_in_results;
        }
        for ((from, to), bytes) in inputs.iter().zip(results).zip(&rounds.carried) {
            if !is_in_results && *bytes > 0 {
                // SAFETY: the plan has checked both ranges and that they are apart.
                unsafe { result::memcpy_dtod_async(*to, *from, *bytes, queue.stream())? };
            }
        }
        Ok(())
    }

    /// Starts all steps of a function.
    fn start_inside(&self, plan: &Plan, [inputs, outputs]: [&[CUdeviceptr]; 2], memory: Memories) -> Result {
        let _range = self.gpu.range(|| self.program.name.clone());
        let table = self.table(plan, Addresses { arena: memory.inner, inputs, outputs });
        let ready = self.ready(plan)?;
        let (calls, workspace) = ready.as_ref().map_or((&[][..], 0), |ready| (&ready.calls[..], ready.workspace));
        let inner = memory.inner + own_bytes(plan, workspace) as CUdeviceptr;
        self.enqueue(plan, &table, calls, Memories { arena: memory.inner, inner }, &|_| Ok(()))
    }

    /// The bytes that the functions have that a plan runs, one after another.
    pub(super) fn inner_bytes(&self, plan: &Plan) -> Result<usize> {
        let bytes = |(engine, plan): (&Self, &Plan)| {
            let workspace = engine.ready(plan)?.as_ref().map_or(0, |ready| ready.workspace);
            Ok(own_bytes(plan, workspace) + engine.inner_bytes(plan)?)
        };
        self.inner(plan).map(bytes).try_fold(0, |most, bytes: Result<usize>| Ok(most.max(bytes?)))
    }

    /// The functions that a plan runs, with their plans.
    fn inner<'a>(&'a self, plan: &'a Plan) -> impl Iterator<Item = (&'a Self, &'a Plan)> {
        plan.loops().flat_map(|rounds| {
            let functions = [rounds.condition, rounds.body].map(|function| &*self.functions[function]);
            functions.into_iter().zip(&*rounds.plans)
        })
    }
}
