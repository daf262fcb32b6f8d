//! Who carries out a program's calls: the first executor that claims one, is installed and has a form for its sizes.

use std::sync::{Arc, PoisonError};

use super::Remarks;
use crate::cuda::Gpu;
use crate::cuda::error::{CudaError, Result};
use crate::cuda::executor::{Executor, Prepared, Site};
use crate::program::{LibraryOp, Program, Step};
use crate::session::SessionError;

/// For each step the executors that claim it and are installed; a remark says which are not.
pub(super) fn executors(
    program: &Program,
    gpu: &Gpu,
    remarks: &Remarks,
) -> Result<Vec<Vec<Arc<dyn Executor>>>, SessionError> {
    let all = &gpu.settings.executors;
    // To look for a library takes longer than to ask an executor.
    let mut found = vec![None; all.len()];
    let mut is_installed = |number: usize| *found[number].get_or_insert_with(|| all[number].is_installed());
    let mut claiming = |step: usize, op: &LibraryOp| {
        let claims = (0..all.len()).filter(|&number| all[number].claims(op, &program.dims));
        let (able, missing): (Vec<usize>, Vec<usize>) = claims.partition(|&number| is_installed(number));
        let Some(&first) = able.first() else {
            let tried = (0..all.len()).map(|number| match is_installed(number) {
                true => all[number].name().to_owned(),
                false => format!("{}, which is not installed", all[number].name()),
            });
            let tried: Vec<String> = tried.collect();
            return Err(SessionError::Unclaimed { step, op: op.name(), tried: tried.join("; ") });
        };
        for missing in missing.into_iter().filter(|&missing| missing < first) {
            let (missing, first) = (all[missing].name(), all[first].name());
            let remark =
                format!("{missing} is not installed: '{}' is carried out by {first}, which may be slower", op.name());
            let mut remarks = remarks.lock().unwrap_or_else(PoisonError::into_inner);
            if !remarks.contains(&remark) {
                remarks.push(remark);
            }
        }
        Ok(able.into_iter().map(|number| Arc::clone(&all[number])).collect())
    };
    let executor = |(number, step): (usize, &Step)| match step {
        Step::Call(call) => claiming(number, &call.op),
        Step::Launch(_) | Step::Copy { .. } | Step::While(_) => Ok(Vec::new()),
    };
    program.steps.iter().enumerate().map(executor).collect()
}

/// A call that the first of its executors prepares which has a form for its sizes.
pub(super) fn prepare(site: &Site<'_>, executors: &[Arc<dyn Executor>]) -> Result<Box<dyn Prepared>> {
    let Some((last, others)) = executors.split_last() else { unreachable!("every call of a program has an executor") };
    for executor in others {
        match executor.prepare(site) {
            Err(CudaError::Unsupported { .. }) => {}
            prepared => return prepared,
        }
    }
    last.prepare(site)
}
