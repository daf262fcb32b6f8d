//! Loops, whose regions are traced where they stand.

use thunder_dialect::restated;
use thunder_ir::{Blueprint, Rewriter, Type, Value};
use thunder_tensor::DType;

use super::Site;
use crate::Tensor;

impl<'t> Site<'t> {
    /// Makes a loop; an error of the closures, which write its regions, leaves none.
    pub(crate) fn while_loop<E>(
        self,
        initial: &[Tensor<'t>],
        condition: impl FnOnce(&[Tensor<'t>]) -> Result<Tensor<'t>, E>,
        body: impl FnOnce(&[Tensor<'t>]) -> Result<Vec<Tensor<'t>>, E>,
    ) -> Result<Vec<Tensor<'t>>, E> {
        self.check(initial);
        let types: Vec<Type<'t>> = initial.iter().map(|tensor| tensor.value.ty()).collect();
        let blueprint = Blueprint::new("scf.while").operands(initial.iter().map(|tensor| tensor.value));
        let op = self.insert(&blueprint.results(types.iter().copied()).regions(2));
        let carried = |values: Vec<Value<'t>>| -> Vec<Tensor<'t>> {
            values.into_iter().zip(initial).map(|(value, like)| self.tensor(value, like.sizes().to_vec())).collect()
        };
        let enter = |region: usize| {
            let arguments: Vec<_> = types.iter().map(|ty| (*ty, op.location())).collect();
            let block = op.region(region).append_block(&arguments);
            self.tracer.state.regions.borrow_mut().push(region);
            carried(block.arguments().collect())
        };
        let leave = || _ = self.tracer.state.regions.borrow_mut().pop();

        let arguments = enter(0);
        let outcome = condition(&arguments).and_then(|holds| {
            self.check(&[holds]);
            if holds.dtype() != DType::Bool || holds.rank() != 0 {
                self.fail(format!("the condition of a loop is one truth value, not {holds}"));
            }
            let element = Blueprint::new("tensor.extract").operands([holds.value]).results([self.element(DType::Bool)]);
            let forwarded = arguments.iter().map(|tensor| tensor.value);
            let operands = [self.insert(&element).result(0)].into_iter().chain(forwarded);
            self.insert(&Blueprint::new("scf.condition").operands(operands));
            leave();
            body(&enter(1))
        });
        match outcome {
            Ok(results) => {
                let results = self.kept(initial, &results);
                self.insert(&Blueprint::new("scf.yield").operands(results));
                leave();
                Ok(carried(op.results().collect()))
            }
            Err(error) => {
                leave();
                Rewriter::at(op).erase(op).unwrap_or_else(|error| self.fail(error.message()));
                Err(error)
            }
        }
    }

    /// What a round makes of values, which must be like them.
    fn kept(self, initial: &[Tensor<'t>], results: &[Tensor<'t>]) -> Vec<Value<'t>> {
        self.check(results);
        if initial.len() != results.len() {
            self.fail(format!("a loop of {} values makes {} in a round", initial.len(), results.len()));
        }
        let value = |(number, (before, after)): (usize, (&Tensor<'t>, &Tensor<'t>))| {
            if before.dtype() != after.dtype() || before.sizes() != after.sizes() {
                self.fail(format!("a loop carries {before} as value #{number}, but makes {after} of it"));
            }
            self.build(&[], |b| restated(b, after.value, before.value))
        };
        initial.iter().zip(results).enumerate().map(value).collect()
    }
}
