//! The elements that `linalg.generic` computes, in all lanes at once.

use std::collections::{HashMap, HashSet};

use thunder_ir::{Block, Operation, Result, Type, Value};

use super::emitter::Emitter;
use super::lanes::{Index, Lanes, Point};
use super::nest::Nest;

/// The loops around an element.
pub type Loops<'c> = Vec<Option<Index<'c>>>;

/// What stands for the values of a body.
#[derive(Clone, Default)]
struct Values<'c> {
    lanes: HashMap<Value<'c>, Lanes<'c>>,
    /// Those of type `index` that are loops.
    indices: HashMap<Value<'c>, Index<'c>>,
}

impl<'c> Emitter<'_, 'c> {
    /// The elements of a result of `op` at a point.
    pub fn generic(&mut self, op: Operation<'c>, number: usize, point: &Point<'c>) -> Result<Lanes<'c>> {
        let nest = Nest::of(op)?;
        let at: Vec<_> = point.at.iter().cloned().map(Some).collect();
        let mut loops = nest.loops_at(number, &at);
        let lost = (0..nest.count).find(|number| loops[*number].is_none() && !nest.reductions.contains(number));
        if let Some(lost) = lost {
            return Err(op.error(format!("internal: loop {lost} has no place in the result")));
        }
        let results = if nest.is_reduction() {
            self.total(&nest, &mut loops, point)?
        } else {
            let flat = point.flat.clone().filter(|_| nest.is_identity(nest.input_count() + number));
            let inputs = self.inputs(&nest, &loops, flat.as_ref())?;
            let outputs = self.starts(&nest, point, false)?;
            self.body(nest.body, &[inputs, outputs].concat(), &loops)?
        };
        for (other, lanes) in results.iter().enumerate() {
            // Results share their place where their indices are the same.
            if other != number && nest.output(other) == nest.output(number) {
                self.remember_elements(op.result(other), &point.at, lanes.clone());
            }
        }
        Ok(results[number].clone())
    }

    /// The elements that an iteration reads; nothing for those that it does not use.
    pub fn inputs(
        &mut self,
        nest: &Nest<'c>,
        loops: &Loops<'c>,
        flat: Option<&Index<'c>>,
    ) -> Result<Vec<Option<Lanes<'c>>>> {
        let mut inputs = Vec::new();
        for number in 0..nest.input_count() {
            if nest.body.argument(number).is_unused() {
                inputs.push(None);
                continue;
            }
            let access = nest.access(number);
            let at = access.iter().map(|index| index.emit(self, nest.op, loops)).collect::<Result<Vec<_>>>()?;
            let point = Point { at, flat: flat.cloned().filter(|_| nest.is_identity(number)) };
            let operand = nest.op.operand(number);
            inputs.push(Some(match operand.ty().as_tensor() {
                Some(_) => self.element(operand, &point)?,
                None => Lanes::Same(self.scalar(operand)?),
            }));
        }
        Ok(inputs)
    }

    /// What the results are before the first iteration; nothing for those that are not used, unless `all`.
    pub fn starts(&mut self, nest: &Nest<'c>, point: &Point<'c>, all: bool) -> Result<Vec<Option<Lanes<'c>>>> {
        let mut starts = Vec::new();
        for number in nest.input_count()..nest.input_count() + nest.op.result_count() {
            let is_wanted = all || !nest.body.argument(number).is_unused();
            starts.push(if is_wanted { Some(self.element(nest.op.operand(number), point)?) } else { None });
        }
        Ok(starts)
    }

    /// A reduction that each thread does alone, one element after the other.
    fn total(&mut self, nest: &Nest<'c>, loops: &mut Loops<'c>, point: &Point<'c>) -> Result<Vec<Lanes<'c>>> {
        self.prepare_inputs(nest, loops)?;
        let starts = self.starts(nest, point, true)?;
        let lanes = self.lanes;
        let carried: Vec<_> = starts.iter().flatten().flat_map(|start| start.all(lanes)).collect();
        let totals = self.accumulate(nest, loops, &nest.reductions, &carried)?;
        Ok(totals.chunks(lanes).map(|values| Lanes::each(values.to_vec())).collect())
    }

    /// Computes before the loops of a reduction what all iterations need.
    pub fn prepare_inputs(&mut self, nest: &Nest<'c>, loops: &Loops<'c>) -> Result {
        for (operand, access) in nest.inputs() {
            let indices = access.iter().map(|index| {
                let is_open = index.mentions(&|number| loops[number].is_none());
                if is_open { Ok(None) } else { index.emit(self, nest.op, loops).map(Some) }
            });
            let indices = indices.collect::<Result<Vec<_>>>()?;
            self.prepare(operand, &indices, &mut HashSet::new())?;
        }
        Ok(())
    }

    /// Loops over `open`, around iterations that add to the totals of all lanes.
    fn accumulate(
        &mut self,
        nest: &Nest<'c>,
        loops: &mut Loops<'c>,
        open: &[usize],
        totals: &[Value<'c>],
    ) -> Result<Vec<Value<'c>>> {
        let Some((number, open)) = open.split_first() else { return self.iteration(nest, loops, totals) };
        let bounds = (self.int(0)?, nest.extent(self, *number)?, self.int(1)?);
        let totals = self.repeat(bounds, totals, |emitter, index, totals| {
            loops[*number] = Some(Index::Same(index));
            emitter.accumulate(nest, loops, open, totals)
        });
        loops[*number] = None;
        totals
    }

    /// One iteration, on totals of all lanes.
    pub fn iteration(&mut self, nest: &Nest<'c>, loops: &Loops<'c>, totals: &[Value<'c>]) -> Result<Vec<Value<'c>>> {
        let mut arguments = self.inputs(nest, loops, None)?;
        arguments.extend(totals.chunks(self.lanes).map(|values| Some(Lanes::each(values.to_vec()))));
        let results = self.body(nest.body, &arguments, loops)?;
        Ok(results.iter().flat_map(|lanes| lanes.all(self.lanes)).collect())
    }

    /// What a body yields for these arguments.
    pub fn body(
        &mut self,
        block: Block<'c>,
        arguments: &[Option<Lanes<'c>>],
        loops: &Loops<'c>,
    ) -> Result<Vec<Lanes<'c>>> {
        let mut values = Values::default();
        for (argument, lanes) in block.arguments().zip(arguments) {
            if let Some(lanes) = lanes {
                values.lanes.insert(argument, lanes.clone());
            }
        }
        self.run(block, &mut values, loops)
    }

    fn run(&mut self, block: Block<'c>, values: &mut Values<'c>, loops: &Loops<'c>) -> Result<Vec<Lanes<'c>>> {
        for op in block.operations() {
            if op.has_trait("terminator") {
                return op.operands().map(|operand| self.lanes_of(operand, values)).collect();
            }
            self.step(op, values, loops)?;
        }
        Err("internal: a body has no terminator".into())
    }

    fn step(&mut self, op: Operation<'c>, values: &mut Values<'c>, loops: &Loops<'c>) -> Result {
        match op.name() {
            "linalg.index" => {
                let number = op.attribute("dim").and_then(|a| a.as_integer()).unwrap_or(0) as usize;
                let index = loops[number].clone().ok_or_else(|| op.error("internal: its loop has no index"))?;
                values.indices.insert(op.result(0), index);
            }
            "tensor.extract" => {
                let at = op.operands().skip(1).map(|index| self.place(index, values)).collect::<Result<Vec<_>>>()?;
                let elements = self.element(op.operand(0), &Point::new(at))?;
                values.lanes.insert(op.result(0), elements);
            }
            "arith.constant" => {
                let value = op.attribute("value").ok_or_else(|| op.error("has no value"))?;
                let constant = self.constant(value)?;
                values.lanes.insert(op.result(0), Lanes::Same(constant));
            }
            "scf.if" | "scf.for" => self.control(op, values, loops)?,
            _ if op.region_count() == 0 => {
                let operands = op.operands().map(|operand| self.lanes_of(operand, values));
                let operands = operands.collect::<Result<Vec<_>>>()?;
                let is_same = operands.iter().all(|lanes| matches!(lanes, Lanes::Same(_)));
                let count = if is_same { 1 } else { self.lanes };
                let mut results = vec![Vec::new(); op.result_count()];
                for lane in 0..count {
                    let operands: Vec<_> = operands.iter().map(|lanes| lanes.lane(lane)).collect();
                    let widened = match op.name() {
                        "arith.extf" if !is_narrowed(op) => self.widened(operands[0], op.result(0).ty())?,
                        _ => None,
                    };
                    let made = widened.map_or_else(|| self.repeated(op, &operands), |value| Ok(vec![value]))?;
                    results.iter_mut().zip(made).for_each(|(result, value)| result.push(value));
                }
                values.lanes.extend(op.results().zip(results.into_iter().map(Lanes::each)));
            }
            name => return Err(op.error(format!("internal: '{name}' has no form for single elements"))),
        }
        Ok(())
    }

    /// A branch or a loop, of each lane by itself.
    fn control(&mut self, op: Operation<'c>, values: &mut Values<'c>, loops: &Loops<'c>) -> Result {
        let operands = op.operands().map(|operand| self.lanes_of(operand, values)).collect::<Result<Vec<_>>>()?;
        let count = std::mem::replace(&mut self.lanes, 1);
        let mut results = vec![Vec::new(); op.result_count()];
        for lane in 0..count {
            let mut one = Values::default();
            for (value, elements) in &values.lanes {
                one.lanes.insert(*value, Lanes::Same(elements.lane(lane)));
            }
            for (value, index) in &values.indices {
                one.indices.insert(*value, Index::Same(index.lane(self, lane)?));
            }
            let mut at = Vec::new();
            for index in loops {
                at.push(match index {
                    Some(index) => Some(Index::Same(index.lane(self, lane)?)),
                    None => None,
                });
            }
            let operands: Vec<_> = operands.iter().map(|operand| operand.lane(lane)).collect();
            let made = if op.name() == "scf.if" {
                self.branch(op, operands[0], &one, &at)?
            } else {
                self.looped(op, &operands, one, &at)?
            };
            for (number, value) in made.into_iter().enumerate() {
                results[number].push(value);
            }
        }
        self.lanes = count;
        values.lanes.extend(op.results().zip(results.into_iter().map(Lanes::each)));
        Ok(())
    }

    fn branch(
        &mut self,
        op: Operation<'c>,
        condition: Value<'c>,
        values: &Values<'c>,
        loops: &Loops<'c>,
    ) -> Result<Vec<Value<'c>>> {
        let types: Vec<Type<'c>> = op.results().map(|result| result.ty()).collect();
        let side = |number: usize| op.region(number).entry().ok_or_else(|| op.error("has no branch"));
        let (yes, no) = (side(0)?, side(1)?);
        let run = |emitter: &mut Self, block: Block<'c>| {
            let chosen = emitter.run(block, &mut values.clone(), loops)?;
            Ok(chosen.iter().map(|value| value.lane(0)).collect())
        };
        self.choose(condition, &types, |emitter| run(emitter, yes), |emitter| run(emitter, no))
    }

    fn looped(
        &mut self,
        op: Operation<'c>,
        operands: &[Value<'c>],
        mut values: Values<'c>,
        loops: &Loops<'c>,
    ) -> Result<Vec<Value<'c>>> {
        let body = op.region(0).entry().ok_or_else(|| op.error("has no body"))?;
        let bounds = (operands[0], operands[1], operands[2]);
        self.repeat(bounds, &operands[3..], |emitter, index, carried| {
            values.lanes.insert(body.argument(0), Lanes::Same(index));
            let carried = carried.iter().map(|value| Lanes::Same(*value));
            values.lanes.extend(body.arguments().skip(1).zip(carried));
            let after = emitter.run(body, &mut values, loops)?;
            Ok(after.iter().map(|value| value.lane(0)).collect())
        })
    }

    fn lanes_of(&mut self, value: Value<'c>, values: &mut Values<'c>) -> Result<Lanes<'c>> {
        if let Some(known) = values.lanes.get(&value) {
            return Ok(known.clone());
        }
        let Some(index) = values.indices.get(&value).cloned() else { return Ok(Lanes::Same(self.scalar(value)?)) };
        let ty = value.ty();
        let lanes = match index {
            Index::Same(index) => Lanes::Same(self.cast(index, ty)?),
            _ => {
                let each = (0..self.lanes).map(|lane| {
                    let index = index.lane(self, lane)?;
                    self.cast(index, ty)
                });
                Lanes::each(each.collect::<Result<_>>()?)
            }
        };
        values.lanes.insert(value, lanes.clone());
        Ok(lanes)
    }

    /// A value of type `index` as an index.
    fn place(&mut self, value: Value<'c>, values: &mut Values<'c>) -> Result<Index<'c>> {
        if let Some(index) = values.indices.get(&value) {
            return Ok(index.clone());
        }
        if let Some(number) = value.as_constant().and_then(|a| a.as_integer()) {
            return Ok(Index::Same(self.int(number)?));
        }
        match self.lanes_of(value, values)? {
            Lanes::Same(value) => Ok(Index::Same(self.cast(value, self.index)?)),
            Lanes::Each(each) => {
                let each = each.into_iter().map(|value| self.cast(value, self.index));
                Ok(Index::Each(each.collect::<Result<_>>()?))
            }
        }
    }
}

/// Whether what is widened is only added, subtracted or multiplied, and rounded to what it was: LLVM then computes it as that,
/// two at a time, with the same results.
fn is_narrowed(extf: Operation<'_>) -> bool {
    let narrow = extf.operand(0).ty();
    extf.result(0).uses().into_iter().all(|(user, _)| {
        let computes = ["arith.addf", "arith.subf", "arith.mulf", "arith.negf"].contains(&user.name());
        computes
            && user.operands().all(|operand| operand.defining_op().is_some_and(|op| op.name() == "arith.extf"))
            && user
                .result(0)
                .uses()
                .iter()
                .all(|(user, _)| user.name() == "arith.truncf" && user.result(0).ty() == narrow)
    })
}
