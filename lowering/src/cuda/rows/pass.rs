//! Passes over a row: what is combined together, and who reads which part of it.

use std::collections::HashSet;

use thunder_ir::{Operation, Result, Value};

use super::chosen::Chosen;
use super::online::{self, Reference};
use super::{Plan, Team};
use crate::cuda::emitter::Emitter;
use crate::cuda::lanes::{Index, Lanes, Point};
use crate::cuda::nest::Nest;
use crate::cuda::team::{Combiner, WARP, across_warps};

/// Accesses to a row that is read again by each pass that a thread makes at once: as many are on their way together. Those to
/// shared memory take less time.
pub(super) const TOGETHER: i64 = 4;
pub(super) const NEAR: i64 = 1;

/// A reduction of rows.
#[derive(Clone)]
pub struct Total<'c> {
    /// The op.
    pub op: Operation<'c>,
    /// How each result combines.
    pub combiners: Vec<Combiner<'c>>,
    /// The sizes of what is combined.
    pub sizes: Vec<Value<'c>>,
    /// The number of the pass that it is of.
    pub pass: usize,
    /// What it is relative to, if that is a total of the same pass.
    pub over: Option<Reference<'c>>,
    /// What it is made of, if one element of a row is all that counts.
    pub chosen: Option<Chosen<'c>>,
}

/// An access of a thread.
pub struct Access<'c> {
    /// The first element.
    pub first: Value<'c>,
    /// Whether it is one of the row, where that is not sure.
    pub inside: Option<Value<'c>>,
}

impl<'c> Access<'c> {
    /// The elements, as many as `width`.
    pub fn number(&self, width: i64) -> Index<'c> {
        if width == 1 { Index::Same(self.first) } else { Index::Step(self.first) }
    }
}

/// Says of each total, which stand in order, in which pass it is made: after those that it needs, unless it is made relative
/// to one as `online` allows. How many passes there are.
pub fn assign_passes(totals: &mut [Total<'_>], online: bool) -> Result<usize> {
    let mut levels: Vec<usize> = Vec::new();
    for number in 0..totals.len() {
        let needed = needed(totals[number].op, &totals[..number]);
        let after = |skipped: Option<usize>| {
            let others = needed.iter().filter(|other| skipped != Some(**other));
            others.map(|other| levels[*other] + 1).max().unwrap_or(0)
        };
        let over = if online { online::reference(&totals[..number], &totals[number])? } else { None };
        let over = over.filter(|over| after(Some(over.total)) <= levels[over.total]);
        let level = over.as_ref().map_or_else(|| after(None), |over| levels[over.total]);
        totals[number].over = over;
        levels.push(level);
    }
    // Those of a level that go over the same sizes are made together.
    let first = |number: usize| (0..=number).find(|other| totals[*other].sizes == totals[number].sizes);
    let keys: Vec<_> = (0..totals.len()).map(|number| (levels[number], first(number))).collect();
    let mut passes = keys.clone();
    passes.sort_unstable();
    passes.dedup();
    for (total, key) in totals.iter_mut().zip(&keys) {
        total.pass = passes.binary_search(key).map_err(|_| "internal: a total has no pass")?;
    }
    Ok(passes.len())
}

/// The numbers of the totals that an op needs.
pub fn needed(op: Operation<'_>, totals: &[Total<'_>]) -> HashSet<usize> {
    let (mut found, mut seen, mut stack) = (HashSet::new(), HashSet::new(), vec![op]);
    while let Some(op) = stack.pop() {
        let mut makers: Vec<_> = op.operands().filter_map(Value::defining_op).collect();
        op.walk(|below| makers.extend(below.operands().filter_map(Value::defining_op)));
        for maker in makers.into_iter().filter(|maker| seen.insert(*maker)) {
            found.extend(totals.iter().position(|total| total.op == maker));
            stack.push(maker);
        }
    }
    found
}

/// A total that is being made.
struct Running<'t, 'c> {
    total: &'t Total<'c>,
    nest: Nest<'c>,
    loops: Vec<Option<Index<'c>>>,
    starts: Vec<Option<Lanes<'c>>>,
    /// The row's place among totals.
    point: Point<'c>,
    /// Where its parts start among what is carried.
    from: usize,
}

impl<'c> Running<'_, 'c> {
    /// Goes to elements of the row.
    fn go_to(&mut self, emitter: &mut Emitter<'_, 'c>, number: &Index<'c>) -> Result {
        for (number, index) in self.nest.reductions.iter().zip(emitter.split(number, &self.total.sizes)?) {
            self.loops[*number] = Some(index);
        }
        Ok(())
    }
}

impl<'c> Plan<'c> {
    /// Makes the totals of a pass, in every thread of the team; kept for all that asks for them.
    pub(super) fn pass(&self, emitter: &mut Emitter<'_, 'c>, team: &Team<'c>, number: usize) -> Result {
        let lanes = self.width as usize;
        let (mut running, mut carried) = (Vec::new(), Vec::new());
        let of_pass = || self.totals.iter().filter(|total| total.pass == number);
        for total in of_pass().filter(|total| total.chosen.is_none()) {
            let made = self.start(emitter, team, total, carried.len())?;
            for combiner in &total.combiners {
                let neutral = combiner.start(emitter)?;
                carried.extend(vec![neutral; lanes]);
            }
            if let Some(over) = &total.over {
                let lowest = over.lowest(emitter)?;
                carried.push(emitter.supposing(|emitter| self.relative_to(emitter, over, &made, lowest))?);
            }
            running.push(made);
        }
        let read =
            |emitter: &mut Emitter<'_, 'c>| of_pass().try_for_each(|total| self.read_chosen(emitter, team, total));
        let Some(first) = running.first() else { return read(emitter) };
        let mut length = emitter.int(1)?;
        for size in &first.total.sizes {
            length = emitter.mul(length, *size)?;
        }
        emitter.lanes = lanes;
        self.each(emitter, team, length, &mut carried, |emitter, accesses, carried| {
            let mut after = carried.to_vec();
            for number in 0..running.len() {
                match running[number].total.over.clone() {
                    None => self.step(emitter, &mut running[number], accesses, &mut after)?,
                    Some(over) => {
                        let of_over = self.parts_of(&running, &over)?;
                        let largest = over.joined(emitter, &mut after[of_over..of_over + lanes])?;
                        emitter.supposing(|emitter| {
                            let made = &mut running[number];
                            let shift = self.relative_to(emitter, &over, made, largest)?;
                            let place = made.from + lanes;
                            let factor = over.factor(emitter, after[place], shift)?;
                            // Lanes are summed first, so that one product is enough.
                            let sum = made.total.combiners[0];
                            let whole = sum.joined(emitter, &after[made.from..place])?;
                            after[made.from..place].fill(sum.start(emitter)?);
                            after[made.from] = emitter.op("arith.mulf", &[whole, factor], whole.ty())?;
                            after[place] = shift;
                            self.step(emitter, made, accesses, &mut after)
                        })?;
                    }
                }
            }
            Ok(after)
        })?;
        emitter.lanes = 1;
        self.finish(emitter, &running, &carried)?;
        self.has_arrived(emitter);
        read(emitter)
    }

    /// Where the parts are of the total that another is relative to.
    fn parts_of(&self, running: &[Running<'_, 'c>], over: &Reference<'c>) -> Result<usize> {
        let op = self.totals[over.total].op;
        let made = running.iter().find(|made| made.total.op == op);
        Ok(made.ok_or("internal: a total is relative to one of another pass")?.from)
    }

    fn start<'t>(
        &self,
        emitter: &mut Emitter<'_, 'c>,
        team: &Team<'c>,
        total: &'t Total<'c>,
        from: usize,
    ) -> Result<Running<'t, 'c>> {
        let nest = Nest::of(total.op)?;
        let mut place = team.at.clone();
        let zero = emitter.int(0)?;
        place.resize(nest.output(0).len(), Index::Same(zero));
        let at: Vec<_> = place.iter().cloned().map(Some).collect();
        let loops = nest.loops_at(0, &at);
        let point = Point::new(place);
        let starts = emitter.starts(&nest, &point, true)?;
        // What is relative to another total is not known yet.
        if total.over.is_none() {
            emitter.prepare_inputs(&nest, &loops)?;
        }
        Ok(Running { total, nest, loops, starts, point, from })
    }

    /// What exponents are relative to, supposing that a row's maximum is `largest`.
    fn relative_to(
        &self,
        emitter: &mut Emitter<'_, 'c>,
        over: &Reference<'c>,
        made: &Running<'_, 'c>,
        largest: Value<'c>,
    ) -> Result<Value<'c>> {
        let zero = emitter.int(0)?;
        let any = made.loops.iter().enumerate().map(|(number, index)| match index {
            Some(index) if !made.nest.reductions.contains(&number) => index.clone(),
            _ => Index::Same(zero),
        });
        let at = Point::new(any.collect());
        emitter.remember_elements(self.totals[over.total].op.result(0), &made.point.at, Lanes::Same(largest));
        Ok(emitter.element(over.shift, &at)?.lane(0))
    }

    /// Adds the elements of accesses to the parts of a total.
    fn step(
        &self,
        emitter: &mut Emitter<'_, 'c>,
        made: &mut Running<'_, 'c>,
        accesses: &[Access<'c>],
        parts: &mut [Value<'c>],
    ) -> Result {
        let parts = &mut parts[made.from..][..made.total.combiners.len() * emitter.lanes];
        for access in accesses {
            self.at_access(emitter, &access.number(self.width))?;
            made.go_to(emitter, &access.number(self.width))?;
            let after = emitter.iteration(&made.nest, &made.loops, parts)?;
            for (part, after) in parts.iter_mut().zip(after) {
                *part = match access.inside {
                    Some(inside) => emitter.select(inside, after, *part)?,
                    None => after,
                };
            }
        }
        Ok(())
    }

    /// Combines the parts of all threads.
    fn finish(&self, emitter: &mut Emitter<'_, 'c>, running: &[Running<'_, 'c>], carried: &[Value<'c>]) -> Result {
        let lanes = self.width as usize;
        // What is relative to a total needs the whole of it.
        for is_relative in [false, true] {
            let chosen = || running.iter().filter(|made| made.total.over.is_some() == is_relative);
            let mut parts = Vec::new();
            for made in chosen() {
                for (number, combiner) in made.total.combiners.iter().enumerate() {
                    let own = combiner.joined(emitter, &carried[made.from + number * lanes..][..lanes])?;
                    let own = self.shifted(emitter, made, own, carried)?;
                    parts.push((*combiner, combiner.across_lanes(emitter, own, self.team.min(WARP), 1)?));
                }
            }
            let mut whole = across_warps(emitter, &parts, (self.threads, self.team))?.into_iter();
            for made in chosen() {
                for (number, combiner) in made.total.combiners.iter().enumerate() {
                    let mut total = whole.next().ok_or("internal: a total was not combined")?;
                    if let Some(start) = &made.starts[number] {
                        total = combiner.join(emitter, start.lane(0), total)?;
                    }
                    emitter.remember_elements(made.total.op.result(number), &made.point.at, Lanes::Same(total));
                }
            }
        }
        Ok(())
    }

    /// What a thread has of a total that may be relative to another, now that the other is known.
    fn shifted(
        &self,
        emitter: &mut Emitter<'_, 'c>,
        made: &Running<'_, 'c>,
        own: Value<'c>,
        carried: &[Value<'c>],
    ) -> Result<Value<'c>> {
        let Some(over) = &made.total.over else { return Ok(own) };
        let largest = emitter.known_elements(self.totals[over.total].op.result(0), &made.point.at);
        let largest = largest.ok_or("internal: a total is relative to one that is not made")?.lane(0);
        let shift = self.relative_to(emitter, over, made, largest)?;
        let factor = over.factor(emitter, carried[made.from + self.width as usize], shift)?;
        emitter.op("arith.mulf", &[own, factor], own.ty())
    }

    /// Goes over the accesses of this thread to a row: `body` gets those that are made at once, and what is carried from one
    /// time to the next.
    pub fn each(
        &self,
        emitter: &mut Emitter<'_, 'c>,
        team: &Team<'c>,
        length: Value<'c>,
        carried: &mut Vec<Value<'c>>,
        mut body: impl FnMut(&mut Emitter<'_, 'c>, &[Access<'c>], &[Value<'c>]) -> Result<Vec<Value<'c>>>,
    ) -> Result {
        let known = emitter.number(length).filter(|length| *length > 0);
        if let (Some(known), true) = (known, self.is_unrolled) {
            let (width, step) = (emitter.int(self.width)?, self.width * i64::from(self.team));
            let first = emitter.mul(team.thread, width)?;
            let zero = emitter.int(0)?;
            for number in 0..(known + step - 1) / step {
                let access = self.access(emitter, (first, zero), number * step, known, length)?;
                if self.is_kept {
                    *carried = body(emitter, &[access], carried)?;
                } else {
                    *carried = emitter.supposing(|emitter| body(emitter, &[access], carried))?;
                    // What is not kept takes registers for one access at a time.
                    emitter.barrier_of_warp()?;
                }
            }
            return Ok(());
        }
        let zero = emitter.int(0)?;
        let kept = self.kept.as_ref().filter(|kept| known.is_some_and(|known| known >= kept.elements));
        let Some(kept) = kept else {
            self.wait_for_row(emitter)?;
            return self.range(emitter, team, (zero, length, TOGETHER), carried, &mut body);
        };
        let once = std::iter::once(0..kept.elements);
        let parts = if emitter.arriving { self.parts(kept) } else { once.collect() };
        for (number, part) in parts.iter().enumerate() {
            if emitter.arriving {
                emitter.wait_for_batches((parts.len() - 1 - number) as i64)?;
            }
            let bounds = (emitter.int(part.start)?, emitter.int(part.end)?);
            self.range(emitter, team, (bounds.0, bounds.1, NEAR), carried, &mut body)?;
        }
        if known == Some(kept.elements) {
            return Ok(());
        }
        let kept = emitter.int(kept.elements)?;
        let images = std::mem::take(&mut emitter.images);
        let done = self.range(emitter, team, (kept, length, TOGETHER / 2), carried, &mut body);
        emitter.images = images;
        done
    }

    /// Goes over the accesses of this thread to a part of a row that is in no registers, some at once.
    pub(super) fn range(
        &self,
        emitter: &mut Emitter<'_, 'c>,
        team: &Team<'c>,
        (from, to, count): (Value<'c>, Value<'c>, i64),
        carried: &mut Vec<Value<'c>>,
        body: &mut impl FnMut(&mut Emitter<'_, 'c>, &[Access<'c>], &[Value<'c>]) -> Result<Vec<Value<'c>>>,
    ) -> Result {
        let (width, step) = (emitter.int(self.width)?, self.width * i64::from(self.team));
        let own = emitter.mul(team.thread, width)?;
        let first = emitter.add(own, from)?;
        let length = emitter.sub(to, from)?;
        let together = emitter.int(step * count)?;
        let rest = emitter.rem(length, together)?;
        let even = emitter.sub(length, rest)?;
        if emitter.number(even) != Some(0) {
            // All threads go round as often.
            let zero = emitter.int(0)?;
            *carried = emitter.repeat((zero, even, together), carried, |emitter, before, carried| {
                let start = emitter.add(before, first)?;
                let accesses = (0..count).map(|number| {
                    let distance = emitter.int(number * step)?;
                    Ok(Access { first: emitter.add(start, distance)?, inside: None })
                });
                let accesses = accesses.collect::<Result<Vec<_>>>()?;
                body(emitter, &accesses, carried)
            })?;
        }
        if let (Some(known), Some(even)) = (emitter.number(length), emitter.number(even)) {
            let left = (known - even + step - 1) / step;
            // What is kept of a row is there for the thread that has asked for it.
            let other = if self.kept.is_some() { own } else { emitter.int(0)? };
            let accesses =
                (0..left).map(|number| self.access(emitter, (first, other), even + number * step, known, to));
            let accesses = accesses.collect::<Result<Vec<_>>>()?;
            if !accesses.is_empty() {
                *carried = body(emitter, &accesses, carried)?;
            }
            return Ok(());
        }
        let (from, step) = (emitter.add(even, first)?, emitter.int(step)?);
        *carried = emitter.repeat((from, to, step), carried, |emitter, first, carried| {
            body(emitter, &[Access { first, inside: None }], carried)
        })?;
        Ok(())
    }

    /// The access at a distance from the first.
    fn access(
        &self,
        emitter: &mut Emitter<'_, 'c>,
        (first, other): (Value<'c>, Value<'c>),
        distance: i64,
        known: i64,
        length: Value<'c>,
    ) -> Result<Access<'c>> {
        let before = emitter.int(distance)?;
        let index = emitter.add(before, first)?;
        if distance + self.width * i64::from(self.team) <= known {
            return Ok(Access { first: index, inside: None });
        }
        // Elements beyond the row are computed from others, and count for nothing.
        let inside = emitter.is_less(index, length)?;
        Ok(Access { first: emitter.guarded(inside, index, other)?, inside: Some(inside) })
    }
}
