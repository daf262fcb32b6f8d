//! Who carries out a program's calls: the first executor that claims one, is installed and has a form for its sizes; for large
//! products the fastest of those, where the GPU's settings say that it is to be measured.

use std::sync::{Arc, PoisonError};

use super::Remarks;
use crate::cuda::error::{CudaError, Result};
use crate::cuda::executor::{Executor, Invocation, Prepared, Site};
use crate::cuda::measure::{fastest, noise};
use crate::program::{BatchDim, DimId, LibraryOp, Matmul, MatrixStrides, Program, Step};
use crate::session::SessionError;

/// Multiplications of a product for which it is worth to measure who is faster.
const LARGE: usize = 1 << 33;

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

/// The calls that have been measured: what is known of each, and the number of the executor that was fastest.
#[derive(Default)]
pub(super) struct Measured(Vec<(Shape, usize)>);

/// What a product's time depends on.
type Shape = (LibraryOp, Vec<i64>, Vec<usize>);

impl Measured {
    /// A call, prepared by the first of its executors that has a form for its sizes, or by the fastest.
    pub(super) fn prepare(&mut self, executors: &[Arc<dyn Executor>], site: &Site<'_>) -> Result<Box<dyn Prepared>> {
        let first = || prepare(executors, |executor| executor.prepare(site));
        let op = match site.op {
            LibraryOp::Matmul(op) => op,
            LibraryOp::Fused(op) if op.activation.is_some() => &op.product,
            _ => return first(),
        };
        let [m, n, k] = [op.m, op.n, op.k].map(|dim| site.size(dim));
        let count = op.batch.iter().fold(1_usize, |count, batch| count.saturating_mul(site.size(batch.extent)));
        let work = [m, n, k].into_iter().fold(count, usize::saturating_mul);
        if !site.gpu.settings().tuned || work < LARGE {
            return first();
        }
        let values = site.op.dims().into_iter().map(|dim| site.values[dim.0 as usize]).collect();
        let shape = (site.op.clone(), values, site.alignments.to_vec());
        let known = self.0.iter().find(|(known, _)| *known == shape).map(|(_, number)| *number);
        if let Some(number) = known {
            return executors[number].prepare(site);
        }
        let mut able = Vec::new();
        for (number, executor) in executors.iter().enumerate().filter(|(_, executor)| !executor.is_spare()) {
            match executor.prepare(site) {
                Err(CudaError::Unsupported { .. }) => {}
                prepared => able.push((number, prepared?)),
            }
        }
        // Where there is no memory to measure in, there is still the first.
        let best = measured(site, op, &able).unwrap_or(None).unwrap_or(0);
        if able.is_empty() {
            return first();
        }
        let (number, prepared) = able.swap_remove(best);
        self.0.push((shape, number));
        Ok(prepared)
    }
}

/// Which of several ways to make a product, or a function of its elements, takes the least time, on numbers made up.
fn measured(site: &Site<'_>, op: &Matmul, ways: &[(usize, Box<dyn Prepared>)]) -> Result<Option<usize>> {
    if ways.len() < 2 {
        return Ok(None);
    }
    let bytes = |dims: &[(usize, usize)], batch: &dyn Fn(&BatchDim) -> DimId| {
        let batch = op.batch.iter().map(|dim| (site.size(dim.extent), site.size(batch(dim))));
        let last: usize =
            dims.iter().copied().chain(batch).map(|(extent, stride)| extent.saturating_sub(1) * stride).sum();
        (last + 1) * op.dtype.size()
    };
    let [m, n, k] = [op.m, op.n, op.k].map(|dim| site.size(dim));
    let pair = |rows: usize, columns: usize, strides: MatrixStrides| {
        [(rows, site.size(strides.row)), (columns, site.size(strides.column))]
    };
    let mut sizes = vec![bytes(&pair(m, k, op.lhs), &|dim| dim.lhs), bytes(&pair(k, n, op.rhs), &|dim| dim.rhs)];
    sizes.extend(op.bias.then(|| n * op.dtype.size()));
    // Whatever else there is lies as the result does.
    sizes.resize(site.alignments.len(), bytes(&pair(m, n, op.out), &|dim| dim.out));
    let memory = sizes.into_iter().map(|bytes| noise(site.gpu, bytes)).collect::<Result<Vec<_>>>()?;
    let operands: Vec<_> = memory.iter().map(|memory| memory.start()).collect();
    let scratch = ways.iter().map(|(_, way)| way.workspace()).max().unwrap_or(0);
    let scratch = site.gpu.allocate(scratch, &|| "scratch memory of products".to_owned())?;
    let invocation = Invocation { operands: &operands, workspace: scratch.start(), gpu: site.gpu };
    let run = |way: &(usize, Box<dyn Prepared>)| way.1.run(&invocation);
    let runs: Vec<_> = ways.iter().map(|way| move || run(way)).collect();
    let runs: Vec<&dyn Fn() -> Result> = runs.iter().map(|run| run as &dyn Fn() -> Result).collect();
    fastest(site.gpu, &runs)
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
