//! Who carries out a program's calls: the first executor that claims one, is installed and has a form for its sizes.

use std::sync::{Arc, PoisonError};

use super::Remarks;
use crate::cuda::error::{CudaError, Result};
use crate::cuda::executor::Executor;
use crate::program::{LibraryOp, Program, Step};
use crate::session::SessionError;

/// For each step the executors that claim it and are installed; a remark says which are not.
pub(super) fn executors(
    program: &Program,
    all: &[Arc<dyn Executor>],
    remarks: &Remarks,
) -> Result<Vec<Vec<Arc<dyn Executor>>>, SessionError> {
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

/// What `prepare` makes with the first of a call's executors that has a form for its sizes.
pub(super) fn prepare<T>(executors: &[Arc<dyn Executor>], prepare: impl Fn(&dyn Executor) -> Result<T>) -> Result<T> {
    let Some((last, others)) = executors.split_last() else { unreachable!("every call of a program has an executor") };
    for executor in others {
        match prepare(&**executor) {
            Err(CudaError::Unsupported { .. }) => {}
            prepared => return prepared,
        }
    }
    prepare(&**last)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::cuda::executor::{Prepared, Site};
    use crate::program::{Call, DimId, Dims, UpdateSlice};
    use thunder_tensor::DType;

    #[derive(Debug)]
    struct Named {
        name: &'static str,
        installed: bool,
        claims: bool,
    }

    impl Executor for Named {
        fn name(&self) -> &'static str {
            self.name
        }

        fn is_installed(&self) -> bool {
            self.installed
        }

        fn claims(&self, _op: &LibraryOp, _dims: &Dims) -> bool {
            self.claims
        }

        fn prepare(&self, _site: &Site<'_>) -> Result<Box<dyn Prepared>> {
            unreachable!("nothing is prepared")
        }
    }

    fn named(name: &'static str, installed: bool, claims: bool) -> Arc<dyn Executor> {
        Arc::new(Named { name, installed, claims })
    }

    /// A program of two calls.
    fn program() -> Program {
        let n = DimId(0);
        let op = UpdateSlice { dtype: DType::F32, start: DType::I64, outer: n, extent: n, length: n, inner: n };
        let call = || Step::Call(Call { op: LibraryOp::UpdateSlice(op.clone()), args: Vec::new() });
        Program { steps: vec![call(), call()], ..Program::default() }
    }

    #[test]
    fn the_first_that_claims_and_is_installed_gets_a_call_and_missing_ones_are_said_once() {
        let all = [named("other", false, false), named("fast", false, true), named("own", true, true)];
        let remarks = Remarks::default();
        let found = executors(&program(), &all, &remarks).unwrap();
        let names: Vec<Vec<&str>> = found.iter().map(|all| all.iter().map(|e| e.name()).collect()).collect();
        assert_eq!(names, [["own"], ["own"]]);
        let said = "fast is not installed: 'update_slice' is carried out by own, which may be slower";
        assert_eq!(*remarks.lock().unwrap(), [said]);
        let all = [named("fast", true, true), named("own", false, true)];
        let remarks = Remarks::default();
        assert_eq!(executors(&program(), &all, &remarks).unwrap()[0][0].name(), "fast");
        assert!(remarks.lock().unwrap().is_empty(), "nothing is missed");
    }

    #[test]
    fn a_call_that_nobody_claims_names_who_was_asked() {
        let all = [named("fast", false, true), named("own", true, false)];
        let error = executors(&program(), &all, &Remarks::default()).unwrap_err().to_string();
        let said = "no executor claims 'update_slice' (tried: fast, which is not installed; own)";
        assert_eq!(error, format!("step 0: {said}"));
    }

    #[test]
    fn what_one_has_no_form_for_is_left_to_the_next_but_not_what_fails() {
        let all = [named("first", true, true), named("second", true, true)];
        let unsupported = |library| CudaError::Unsupported { library, op: "matmul", what: "it".into() };
        let by = |executor: &dyn Executor| match executor.name() {
            "first" => Err(unsupported("first")),
            name => Ok(name),
        };
        assert_eq!(prepare(&all, by).unwrap(), "second");
        let error = prepare(&all, |executor| Err::<(), _>(unsupported(executor.name()))).unwrap_err();
        assert_eq!(error.to_string(), "'matmul' by second: it cannot be told it");
        let failing = |executor: &dyn Executor| Err::<(), _>(CudaError::Driver(executor.name().to_owned()));
        assert_eq!(prepare(&all, failing).unwrap_err().to_string(), "the GPU's driver: first");
    }
}
