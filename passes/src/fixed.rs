//! What a function computes from constants and from parameters that it does not update: the same in every run.

use std::collections::{BTreeSet, HashMap};

use thunder_interface::{PARAMETER, UPDATES};
use thunder_ir::{Operation, Region, Value};

/// The values of a function that are the same in every run of a session.
#[derive(Debug, Default)]
pub struct Fixed<'c> {
    /// The numbers of the parameters of known sizes that the function does not update.
    pub parameters: Vec<usize>,
    sources: HashMap<Operation<'c>, BTreeSet<usize>>,
}

impl<'c> Fixed<'c> {
    /// Those of a function, in its first block.
    pub fn of(function: Operation<'c>) -> Self {
        let Some(block) = function.regions().next().and_then(Region::entry) else { return Self::default() };
        let attributes = |name: &str| function.attribute(name).and_then(|a| a.as_array()).unwrap_or_default();
        let updates = attributes("res_attrs").into_iter().filter_map(|a| a.entry(UPDATES)?.as_integer());
        let updated: Vec<i64> = updates.collect();
        let arguments = attributes("arg_attrs");
        let is_fixed = |number: &usize| {
            let is_parameter = arguments.get(*number).is_some_and(|a| a.entry(PARAMETER).is_some());
            let is_static = block.argument(*number).ty().as_tensor().is_some_and(|ty| ty.static_dims().is_some());
            is_parameter && is_static && !updated.contains(&(*number as i64))
        };
        let mut fixed =
            Self { parameters: (0..block.argument_count()).filter(is_fixed).collect(), sources: HashMap::new() };
        for op in block.operations() {
            if op.is_pure()
                && op.region_count() == 0
                && !op.has_trait("terminator")
                && let Some(sources) = op.operands().map(|value| fixed.origins(value)).collect::<Option<Vec<_>>>()
            {
                fixed.sources.insert(op, sources.into_iter().flatten().collect());
            }
        }
        fixed
    }

    /// The numbers of the parameters that the results of `op` are made from, if they are made from nothing else but
    /// constants.
    pub fn sources(&self, op: Operation<'c>) -> Option<&BTreeSet<usize>> {
        self.sources.get(&op)
    }

    /// Whether a value is made from parameters, and from nothing else but constants.
    pub fn contains(&self, value: Value<'c>) -> bool {
        self.origins(value).is_some_and(|sources| !sources.is_empty())
    }

    fn origins(&self, value: Value<'c>) -> Option<BTreeSet<usize>> {
        match value.defining_op() {
            Some(op) => self.sources.get(&op).cloned(),
            None => {
                let (_, number) = value.block_argument()?;
                self.parameters.contains(&number).then(|| BTreeSet::from([number]))
            }
        }
    }
}
