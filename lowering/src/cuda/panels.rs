//! The schedule of kernels over rows that also reduce rows by panels, such as gradients of norms with those of weights.
//!
//! A block computes the rows of a panel one after the other, as the schedule of rows does, or as many at a time as it has
//! teams. Each thread keeps what it has reduced of its columns in registers, and reads the next row before it computes one, so
//! that memory is busy all the time. What a panel gives is written once, in the end.

use thunder_interface::Dim;
use thunder_ir::{Operation, Result, Value};
use thunder_passes::{PANELS, ROWS};

use super::emitter::Emitter;
use super::entry::{Grid, Output};
use super::general::register;
use super::lanes::{Index, Lanes, Point};
use super::nest::Nest;
use super::rows::{self, Team};
use super::team::{Combiner, WARP};

/// Elements of a row that a thread has at most, if a block has threads enough: each has a total beside.
const KEPT: i64 = 16;
/// Threads of a block whose rows are shorter than it.
const THREADS: u32 = 256;
/// Threads of a block at most.
const MOST: i64 = 1024;
/// Threads that a multiprocessor should have registers for: two rows of 16 elements each, and what is reduced of them.
const RESIDENT: u32 = 512;

/// Writes the kernel, if it has panels of rows.
pub fn emit<'c>(
    emitter: &mut Emitter<'_, 'c>,
    function: Operation<'c>,
    outputs: &[Output<'c>],
    pointers: &[Value<'c>],
) -> Result<Option<Grid>> {
    let Some(plan) = Plan::of(emitter, function, outputs)? else { return Ok(None) };
    let slow = Plan { rows: rows::Plan { width: 1, ..plan.rows.clone() }, ..plan.clone() };
    emitter.where_aligned(
        (pointers, &plan.rows.ends, plan.rows.width),
        |emitter| plan.write(emitter, outputs),
        |emitter| slow.write(emitter, outputs),
    )?;
    let blocks = [Dim::Known(plan.panels), Dim::Known(1), Dim::Known(1)];
    Ok(Some(Grid { blocks, threads: plan.rows.threads, shared: 0, resident: plan.resident() }))
}

/// Who computes what.
#[derive(Clone)]
struct Plan<'c> {
    /// How a row is computed.
    rows: rows::Plan<'c>,
    /// The sizes of what counts rows, and of a row.
    sizes: Vec<Value<'c>>,
    columns: Vec<Value<'c>>,
    /// The elements of a row.
    length: i64,
    /// The reductions of panels, with how they combine.
    sums: Vec<(Operation<'c>, Vec<Combiner<'c>>)>,
    /// How many panels there are, and of how many rows.
    panels: i64,
    depth: i64,
    /// For each result, whether it is of panels.
    of_panels: Vec<bool>,
    /// The inputs of which a row is read.
    read: Vec<Value<'c>>,
}

impl<'c> Plan<'c> {
    fn of(emitter: &mut Emitter<'_, 'c>, function: Operation<'c>, outputs: &[Output<'c>]) -> Result<Option<Self>> {
        let Some(panels) = function.attribute(PANELS).and_then(|a| a.as_i64_array()) else { return Ok(None) };
        let [panels, depth] = panels[..] else { return Ok(None) };
        let body = function.region(0).entry().ok_or_else(|| function.error("has no body"))?;
        let counts = function.attribute(ROWS).and_then(|a| a.as_i64_array()).unwrap_or_default();
        let count = counts.iter().copied().max().filter(|count| *count > 0);
        let by_rows = counts.iter().position(|other| Some(*other) == count).filter(|at| *at < body.argument_count());
        let (Some(count), Some(by_rows)) = (count, by_rows) else { return Ok(None) };
        let rank = count as usize;
        let Some(memory) = emitter.inputs.get(&body.argument(by_rows)).cloned() else { return Ok(None) };
        let sizes = memory.sizes[..rank].to_vec();
        let mut sums = Vec::new();
        for op in body.operations().into_iter().filter(|op| op.name() == "linalg.generic") {
            let nest = Nest::of(op)?;
            if !is_of_panels(&nest, panels) {
                continue;
            }
            let Some(combiners) = Combiner::all_of(&nest) else { return Ok(None) };
            sums.push((op, combiners));
        }
        let Some((sum, _)) = sums.first() else { return Ok(None) };
        let nest = Nest::of(*sum)?;
        let columns = (2..nest.count).map(|number| nest.extent(emitter, number)).collect::<Result<Vec<_>>>()?;
        let length: Option<i64> = columns.iter().map(|size| emitter.number(*size)).product();
        let is_sum = |op: Operation<'c>| sums.iter().any(|(sum, _)| *sum == op);
        let Some(totals) = rows::totals(emitter, function, rank, &is_sum)? else { return Ok(None) };
        let Some(length) = length else { return Ok(None) };
        let of_panels: Vec<bool> = (0..outputs.len())
            .map(|number| counts[body.argument_count() + number] == 1 && outputs[number].dims[0] == Dim::Known(panels))
            .collect();
        let is_read = |number: &usize| {
            let sizes = emitter.inputs.get(&body.argument(*number)).map(|memory| &memory.sizes[..]);
            counts[*number] == count && sizes.and_then(|sizes| sizes.get(rank..)) == Some(&columns)
        };
        let read = (0..body.argument_count()).filter(is_read).map(|number| body.argument(number)).collect();
        let ends: Vec<_> = columns.last().copied().into_iter().collect();
        let width = rows::width(emitter, outputs, rank, &ends);
        let (threads, team) = shape(length, width, depth);
        let count = Dim::Known(panels * depth);
        let rows = rows::Plan { rows: rank, count, totals, ends, width, threads, team, is_kept: true };
        Ok(Some(Self { rows, sizes, columns, length, sums, panels, depth, of_panels, read }))
    }

    fn write(&self, emitter: &mut Emitter<'_, 'c>, outputs: &[Output<'c>]) -> Result {
        let (thread, panel) = (register(emitter, "tid.x")?, register(emitter, "ctaid.x")?);
        let (size, depth) = (emitter.int(i64::from(self.rows.team))?, emitter.int(self.depth)?);
        let (number, team) = (emitter.rem(thread, size)?, emitter.div(thread, size)?);
        let before = emitter.mul(panel, depth)?;
        // One after the other, or every so many as there are teams.
        let (from, step) = match self.teams() {
            1 => (emitter.int(0)?, emitter.int(1)?),
            teams => (team, emitter.int(teams)?),
        };
        let mut parts = Vec::new();
        for (_, combiners) in &self.sums {
            let neutral = combiners.iter().map(|combiner| combiner.start(emitter)).collect::<Result<Vec<_>>>()?;
            let of_access = neutral.iter().flat_map(|neutral| vec![*neutral; self.rows.width as usize]);
            parts.extend(of_access.collect::<Vec<_>>().repeat(self.accesses() as usize));
        }
        let of_rows = self.outputs(outputs, false);
        let count = parts.len();
        let first = emitter.add(before, from)?;
        parts.extend(self.load(emitter, number, first)?);
        let parts = emitter.repeat((from, depth, step), &parts, |emitter, within, carried| {
            let (parts, loaded) = carried.split_at(count);
            let row = emitter.add(before, within)?;
            let at = emitter.delinearize(row, &self.sizes)?.into_iter().map(Index::Same).collect();
            let team = Team { thread: number, row, at, exists: None };
            // After the last row it is read again, for nobody.
            let after = emitter.add(within, step)?;
            let is_row = emitter.is_less(after, depth)?;
            let next = emitter.select(is_row, after, within)?;
            let next = emitter.add(before, next)?;
            let next = self.load(emitter, number, next)?;
            self.remember(emitter, &team, loaded)?;
            self.rows.make_totals(emitter, &team)?;
            let mut parts = self.add(emitter, &team, [panel, within], parts)?;
            self.rows.store_all(emitter, &team, &of_rows)?;
            // The next row's totals go through the memory of this one's: between those of two there are barriers anyway.
            let totals: usize = self.rows.totals.iter().map(|total| total.combiners.len()).sum();
            if self.rows.team > WARP && totals == 1 {
                emitter.barrier()?;
            }
            parts.extend(next);
            Ok(parts)
        })?;
        let parts = &parts[..count];
        let at = vec![Index::Same(panel)];
        let place = Team { thread: number, row: panel, at, exists: None };
        self.finish(emitter, &place, team, parts)?;
        self.store(emitter, &place, team, &self.outputs(outputs, true))
    }

    /// The results that are of panels, or the others.
    fn outputs<'o>(&self, outputs: &'o [Output<'c>], of_panels: bool) -> Vec<&'o Output<'c>> {
        let chosen = outputs.iter().zip(&self.of_panels).filter(|(_, is_of_panels)| **is_of_panels == of_panels);
        chosen.map(|(output, _)| output).collect()
    }

    /// How many blocks a multiprocessor should have at a time.
    fn resident(&self) -> u32 {
        (RESIDENT / self.rows.threads).max(1)
    }

    /// How many rows a block has at a time.
    fn teams(&self) -> i64 {
        i64::from(self.rows.threads / self.rows.team)
    }

    /// How many accesses to a row a thread makes.
    fn accesses(&self) -> i64 {
        let all = self.rows.width * i64::from(self.rows.team);
        (self.length + all - 1) / all
    }

    /// Goes over the accesses of a thread to a row: `body` gets the number of each, and its place in a row.
    fn each(
        &self,
        emitter: &mut Emitter<'_, 'c>,
        team: &Team<'c>,
        mut body: impl FnMut(&mut Emitter<'_, 'c>, usize, Vec<Index<'c>>, Option<Value<'c>>) -> Result,
    ) -> Result {
        let length = emitter.int(self.length)?;
        emitter.lanes = self.rows.width as usize;
        let mut number = 0;
        self.rows.each(emitter, team, length, &mut Vec::new(), |emitter, accesses, _| {
            for access in accesses {
                let place = emitter.split(&access.number(self.rows.width), &self.columns)?;
                body(emitter, number, place, access.inside)?;
                number += 1;
            }
            Ok(Vec::new())
        })?;
        emitter.lanes = 1;
        Ok(())
    }

    /// Reads a thread's part of a row of all inputs.
    fn load(&self, emitter: &mut Emitter<'_, 'c>, thread: Value<'c>, row: Value<'c>) -> Result<Vec<Value<'c>>> {
        let length = emitter.int(self.length)?;
        let before = emitter.mul(row, length)?;
        let place = Team { thread, row, at: Vec::new(), exists: None };
        let mut loaded = Vec::new();
        for tensor in &self.read {
            let memory = emitter.inputs.get(tensor).cloned().ok_or("internal: an argument has no memory")?;
            self.rows.each(emitter, &place, length, &mut Vec::new(), |emitter, accesses, _| {
                for access in accesses {
                    let offset = emitter.add(before, access.first)?;
                    loaded.push(emitter.load_access(&memory, offset, self.rows.width as usize)?);
                }
                Ok(Vec::new())
            })?;
        }
        Ok(loaded)
    }

    /// Notes what was read of a row.
    fn remember(&self, emitter: &mut Emitter<'_, 'c>, team: &Team<'c>, loaded: &[Value<'c>]) -> Result {
        let mut rest = loaded.iter();
        for tensor in &self.read {
            let memory = emitter.inputs.get(tensor).cloned().ok_or("internal: an argument has no memory")?;
            self.each(emitter, team, |emitter, _, column, _| {
                let loaded = rest.next().ok_or("internal: an access was not made")?;
                let lanes = Lanes::each(emitter.elements_of(&memory, *loaded, self.rows.width as usize)?);
                emitter.remember_elements(*tensor, &[team.at.clone(), column].concat(), lanes);
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Adds a row to what a thread has of its panel.
    fn add(
        &self,
        emitter: &mut Emitter<'_, 'c>,
        team: &Team<'c>,
        at: [Value<'c>; 2],
        parts: &[Value<'c>],
    ) -> Result<Vec<Value<'c>>> {
        let mut after = Vec::new();
        let (mut rest, lanes) = (parts, self.rows.width as usize);
        for (op, combiners) in &self.sums {
            let nest = Nest::of(*op)?;
            let count = combiners.len() * lanes;
            let own;
            (own, rest) = rest.split_at(count * self.accesses() as usize);
            self.each(emitter, team, |emitter, number, place, inside| {
                let before = &own[number * count..][..count];
                let loops = at.iter().map(|index| Some(Index::Same(*index)));
                let loops: Vec<_> = loops.chain(place.into_iter().map(Some)).collect();
                for (part, before) in emitter.iteration(&nest, &loops, before)?.into_iter().zip(before) {
                    after.push(match inside {
                        Some(inside) => emitter.select(inside, part, *before)?,
                        None => part,
                    });
                }
                Ok(())
            })?;
        }
        Ok(after)
    }

    /// Combines what the teams of a block have; kept for all that asks for it.
    fn finish(&self, emitter: &mut Emitter<'_, 'c>, place: &Team<'c>, team: Value<'c>, parts: &[Value<'c>]) -> Result {
        let (mut rest, lanes) = (parts, self.rows.width as usize);
        for (op, combiners) in &self.sums {
            let nest = Nest::of(*op)?;
            self.each(emitter, place, |emitter, _, column, _| {
                let at = [place.at.clone(), column].concat();
                let starts = emitter.starts(&nest, &Point::new(at.clone()), true)?;
                for (number, combiner) in combiners.iter().enumerate() {
                    let own;
                    (own, rest) = rest.split_at(lanes);
                    let mut whole = match self.teams() {
                        1 => own.to_vec(),
                        _ => self.across_teams(emitter, combiner, (place.thread, team), own)?,
                    };
                    if let Some(start) = &starts[number] {
                        let joined = whole.iter().enumerate();
                        let joined = joined.map(|(lane, part)| combiner.join(emitter, start.lane(lane), *part));
                        whole = joined.collect::<Result<_>>()?;
                    }
                    emitter.remember_elements(op.result(number), &at, Lanes::each(whole));
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// What all teams of a block have together, in each of them.
    fn across_teams(
        &self,
        emitter: &mut Emitter<'_, 'c>,
        combiner: &Combiner<'c>,
        (thread, team): (Value<'c>, Value<'c>),
        own: &[Value<'c>],
    ) -> Result<Vec<Value<'c>>> {
        let (ty, size, count) = (own[0].ty(), i64::from(self.rows.team), own.len() as i64);
        let shared = emitter.shared(ty, i64::from(self.rows.threads) * count)?;
        // Neighbouring threads are neighbours in memory.
        let place = |emitter: &mut Emitter<'_, 'c>, team: Value<'c>, lane: usize| {
            let (count, size, lane) = (emitter.int(count)?, emitter.int(size)?, emitter.int(lane as i64)?);
            let before = emitter.mul(team, count)?;
            let line = emitter.add(before, lane)?;
            let start = emitter.mul(line, size)?;
            emitter.add(start, thread)
        };
        for (lane, part) in own.iter().enumerate() {
            let place = place(emitter, team, lane)?;
            emitter.store_shared(shared, place, *part)?;
        }
        emitter.barrier()?;
        let whole = |emitter: &mut Emitter<'_, 'c>, lane: usize| {
            let mut parts = Vec::new();
            for team in 0..self.teams() {
                let team = emitter.int(team)?;
                let place = place(emitter, team, lane)?;
                parts.push(emitter.load_shared(shared, place, ty)?);
            }
            combiner.joined(emitter, &parts)
        };
        (0..own.len()).map(|lane| whole(emitter, lane)).collect()
    }

    /// Writes the results of a panel.
    fn store(
        &self,
        emitter: &mut Emitter<'_, 'c>,
        place: &Team<'c>,
        team: Value<'c>,
        outputs: &[&Output<'c>],
    ) -> Result {
        let zero = emitter.int(0)?;
        let is_first = if self.teams() > 1 { Some(emitter.compare(0, team, zero)?) } else { None };
        self.each(emitter, place, |emitter, _, column, inside| {
            let point = Point::new([place.at.clone(), column].concat());
            let elements = outputs.iter().map(|output| emitter.element(output.value, &point));
            let elements = elements.collect::<Result<Vec<_>>>()?;
            let store = |emitter: &mut Emitter<'_, 'c>| {
                let mut all = outputs.iter().zip(&elements);
                all.try_for_each(|(output, lanes)| emitter.store(&output.memory, &point, lanes))
            };
            match emitter.both(is_first, inside)? {
                Some(condition) => emitter.when(condition, store),
                None => store(emitter),
            }
        })
    }
}

/// Whether a reduction is of panels: of the second of its dimensions.
fn is_of_panels(nest: &Nest<'_>, panels: i64) -> bool {
    let others: Vec<_> = (0..nest.count).filter(|number| *number != 1).collect();
    let is_kept =
        |number: usize| nest.output(number).iter().map(|index| index.as_loop()).eq(others.iter().copied().map(Some));
    nest.reductions == [1]
        && nest.count > 2
        && nest.known_extent(0) == Some(panels)
        && (0..nest.input_count()).all(|number| nest.is_identity(number))
        && (0..nest.op.result_count()).all(is_kept)
}

/// Threads of a block, and those that share a row of `length`; panels have `depth` rows.
fn shape(length: i64, width: i64, depth: i64) -> (u32, u32) {
    let accesses = (length + width - 1) / width;
    let each = (KEPT / width).max(1);
    let wanted = ((accesses + each - 1) / each).max(1);
    if wanted > i64::from(WARP) {
        let threads = wanted.min(MOST) as u32;
        let threads = threads.next_multiple_of(WARP);
        return (threads, threads);
    }
    let team = (wanted as u32).next_power_of_two();
    let mut teams = THREADS / team;
    while depth % i64::from(teams) != 0 {
        teams /= 2;
    }
    // Shuffles need every thread of a warp.
    if teams * team < WARP { (WARP, WARP) } else { (teams * team, team) }
}

#[cfg(test)]
mod tests {
    use super::shape;

    #[test]
    fn teams_share_panels() {
        assert_eq!(shape(4096, 8, 16), (256, 256));
        assert_eq!(shape(16384, 8, 16), (1024, 1024));
        assert_eq!(shape(384, 8, 32), (256, 32));
        assert_eq!(shape(64, 8, 128), (256, 4));
        assert_eq!(shape(64, 8, 9), (32, 32));
    }
}
