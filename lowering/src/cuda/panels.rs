//! The schedule of kernels over rows that also reduce rows by panels, such as gradients of norms with those of weights.
//!
//! A block computes the rows of a panel one after the other, as the schedule of rows does, or as many at a time as it has
//! teams. Each thread keeps what it has reduced of its columns in registers. The next rows are on their way into shared memory
//! while it computes one, so that memory is busy all the time. What a panel gives is written once, in the end.

mod pace;

use thunder_interface::Dim;
use thunder_ir::{Operation, Result, Value};
use thunder_passes::{PANELS, ROWS};

use super::arrivals::{Image, bytes_of_image, is_copied};
use super::emitter::Emitter;
use super::entry::{Grid, Output};
use super::general::register;
use super::lanes::{Index, Lanes, Point};
use super::memory::{Memory, bytes_of};
use super::nest::Nest;
use super::rows::{self, Team, takes_much};
use super::team::{Combiner, WARP};
use pace::Pace;

/// Elements of a row that a thread has at most, if a block has threads enough: each has a total beside.
const KEPT: i64 = 16;
/// Threads of a block whose rows are shorter than it.
const THREADS: u32 = 256;
/// Threads of a block at most.
const MOST: i64 = 1024;
/// Threads that a multiprocessor should have registers for: those of a row, and what is reduced of them.
const RESIDENT: u32 = 512;
/// Rows that a team has in shared memory at most: the one that it computes, and those that are on their way.
const ROWS_AHEAD: i64 = 4;
/// Rounds of a block from which on it keeps pace with the others.
const LONG: i64 = 16;
/// Bytes of shared memory of a block that are for other uses.
const RESERVED: i64 = 4 << 10;

/// Writes the kernel, if it has panels of rows.
pub fn emit<'c>(
    emitter: &mut Emitter<'_, 'c>,
    function: Operation<'c>,
    outputs: &[Output<'c>],
    pointers: &[Value<'c>],
) -> Result<Option<Grid>> {
    let Some(plan) = Plan::of(emitter, function, outputs)? else { return Ok(None) };
    let narrow = rows::Plan { width: 1, is_kept: false, ..plan.rows.clone() };
    let slow = Plan { rows: narrow, copied: Vec::new(), batches: 0, ..plan.clone() };
    emitter.where_aligned(
        (pointers, &plan.rows.ends, plan.rows.width),
        |emitter| plan.write(emitter, outputs),
        |emitter| slow.write(emitter, outputs),
    )?;
    let rows = plan.batches * plan.teams() * plan.bytes_of_row(emitter);
    let shared = rows.max(plan.bytes_of_teams());
    let grid = Grid::new(Dim::Known(plan.panels), plan.rows.threads);
    Ok(Some(Grid { shared: shared as u32, resident: plan.resident(), ..grid }))
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
    /// The inputs of which rows go through shared memory, and how many rows have room there.
    copied: Vec<Value<'c>>,
    batches: i64,
    /// Whether registers are for what is made of these: much of it stays there, or needs many to be made.
    rereads: bool,
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
        let ends: Vec<_> = columns.last().copied().into_iter().collect();
        let width = rows::width(emitter, outputs, rank, &ends);
        let (threads, team) = shape(length, width, (panels, depth), emitter.arch.multiprocessors(), totals.is_empty());
        let is_copied = |number: &usize| {
            let memory = emitter.inputs.get(&body.argument(*number));
            let is_row = |memory: &Memory<'c>| memory.sizes.get(rank..) == Some(&columns);
            counts[*number] == count && memory.is_some_and(|memory| is_row(memory) && is_copied(memory.element, width))
        };
        let copied = (0..body.argument_count()).filter(is_copied).map(|number| body.argument(number)).collect();
        let count = Dim::Known(panels * depth);
        let rows = rows::Plan {
            rows: rank,
            count,
            totals,
            ends,
            width,
            threads,
            team,
            is_unrolled: true,
            is_kept: true,
            kept: None,
            turns: None,
        };
        let rereads = sums.len() > 1 || takes_much(function);
        let mut plan =
            Self { rows, sizes, columns, length, sums, panels, depth, of_panels, copied, batches: 0, rereads };
        let room = emitter.arch.shared_memory() / i64::from(plan.resident()) - RESERVED;
        plan.batches = (room / (plan.bytes_of_row(emitter) * plan.teams()).max(1)).min(ROWS_AHEAD);
        if plan.batches < 2 || plan.copied.is_empty() {
            (plan.batches, plan.copied) = (0, Vec::new());
        }
        Ok(Some(plan))
    }

    fn write(&self, emitter: &mut Emitter<'_, 'c>, outputs: &[Output<'c>]) -> Result {
        let (thread, panel) = (register(emitter, "tid.x")?, register(emitter, "ctaid.x")?);
        let (size, depth) = (emitter.int(i64::from(self.rows.team))?, emitter.int(self.depth)?);
        let (number, team) = (emitter.rem(thread, size)?, emitter.div(thread, size)?);
        // One after the other, or every so many as there are teams.
        let teams = self.teams();
        let from = if teams == 1 { emitter.int(0)? } else { team };
        let step = emitter.int(teams)?;
        let mut parts = Vec::new();
        for (_, combiners) in &self.sums {
            let neutral = combiners.iter().map(|combiner| combiner.start(emitter)).collect::<Result<Vec<_>>>()?;
            let of_access = neutral.iter().flat_map(|neutral| vec![*neutral; self.rows.width as usize]);
            parts.extend(of_access.collect::<Vec<_>>().repeat(self.accesses() as usize));
        }
        // What needs no totals is written before these are made, and is in no register then: but for what overwrites an input.
        let overwrites =
            |output: &Output<'c>| emitter.inputs.values().any(|input| input.pointer == output.memory.pointer);
        let is_late = |output: &&Output<'c>| self.rows.needs_totals(output.value) || overwrites(output);
        let (late, early): (Vec<_>, Vec<_>) = self.outputs(outputs, false).into_iter().partition(is_late);
        let ahead = self.batches - 1;
        for number in 0..ahead {
            let distance = emitter.int(number * teams)?;
            let within = emitter.add(from, distance)?;
            self.ask(emitter, [thread, panel, within])?;
        }
        let pace = match self.keeps_pace(emitter) {
            true => Some(Pace::new(emitter, thread, (self.panels, self.bytes_of_round(emitter)))?),
            false => None,
        };
        emitter.rereads = self.rereads;
        let parts = emitter.repeat((from, depth, step), &parts, |emitter, within, parts| {
            let mark = pace.as_ref().map(|pace| pace.begin(emitter)).transpose()?;
            let row = self.row(emitter, panel, within)?;
            let at = emitter.delinearize(row, &self.sizes)?.into_iter().map(Index::Same).collect();
            // What rows share is read for each of them, where there are no registers for it.
            let is_tight = !self.rows.is_kept || self.rereads && self.batches == 0;
            let number = if is_tight { emitter.hidden(number)? } else { number };
            let team = Team { thread: number, row, at, exists: None };
            if self.batches > 0 {
                let distance = emitter.int(ahead * teams)?;
                let last = emitter.add(within, distance)?;
                self.ask(emitter, [thread, panel, last])?;
                emitter.wait_for_batches(ahead)?;
                for (tensor, memory) in self.images(emitter, [thread, within])? {
                    let image = Image { memory, at: team.at.clone(), columns: None };
                    emitter.images.insert(tensor, image);
                }
            }
            self.rows.store_all(emitter, &team, &early)?;
            self.rows.make_totals(emitter, &team)?;
            let parts = self.add(emitter, &team, [within, panel], parts)?;
            self.rows.store_all(emitter, &team, &late)?;
            // The next row's totals go through the memory of this one's: between those of two passes there are barriers anyway.
            let passes = self.rows.totals.iter().map(|total| total.pass + 1).max();
            if self.rows.team > WARP && passes == Some(1) {
                emitter.barrier()?;
            }
            if let (Some(pace), Some(mark)) = (&pace, &mark) {
                // Where nothing is combined of a row, warps would go on by themselves.
                if passes.is_none() {
                    emitter.barrier()?;
                }
                let round = emitter.div(within, step)?;
                pace.end(emitter, round, mark)?;
            }
            Ok(parts)
        })?;
        if let Some(pace) = &pace {
            pace.finish(emitter)?;
        }
        emitter.images.clear();
        emitter.rereads = false;
        let at = vec![Index::Same(panel)];
        let place = Team { thread: number, row: panel, at, exists: None };
        // What is combined is asked for once more, to be written.
        let done = Self { rows: rows::Plan { is_kept: true, ..self.rows.clone() }, ..self.clone() };
        done.finish(emitter, &place, team, &parts)?;
        done.store(emitter, &place, team, &self.outputs(outputs, true))
    }

    /// A row of a panel: blocks that run together are at neighbouring rows.
    fn row(&self, emitter: &mut Emitter<'_, 'c>, panel: Value<'c>, within: Value<'c>) -> Result<Value<'c>> {
        let panels = emitter.int(self.panels)?;
        let before = emitter.mul(within, panels)?;
        emitter.add(before, panel)
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

    /// Whether blocks keep pace with each other: all of them, which work for a while, are on the GPU together.
    fn keeps_pace(&self, emitter: &Emitter<'_, 'c>) -> bool {
        let together = i64::from(self.resident()) * emitter.arch.multiprocessors();
        self.rows.team > WARP && self.batches > 0 && self.panels <= together && self.depth / self.teams() >= LONG
    }

    /// Bytes that a block moves for the rows that it has at a time: results are about as large as inputs.
    fn bytes_of_round(&self, emitter: &Emitter<'_, 'c>) -> i64 {
        2 * self.bytes_of_row(emitter) * self.teams()
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

    /// Asks for a thread's part of a row of the inputs, if there is such a row: as a batch in any case.
    fn ask(&self, emitter: &mut Emitter<'_, 'c>, [thread, panel, within]: [Value<'c>; 3]) -> Result {
        let depth = emitter.int(self.depth)?;
        let is_row = emitter.is_less(within, depth)?;
        emitter.when(is_row, |emitter| {
            let row = self.row(emitter, panel, within)?;
            let size = emitter.int(i64::from(self.rows.team))?;
            let team = Team { thread: emitter.rem(thread, size)?, row, at: Vec::new(), exists: None };
            for (tensor, image) in self.images(emitter, [thread, within])? {
                let memory = emitter.inputs[&tensor].clone();
                self.rows.ask_for_row(emitter, &team, (&memory, &image), 0..self.length)?;
            }
            Ok(())
        })?;
        emitter.end_batch()
    }

    /// Where rows of the inputs go that a team has at a time: they take turns.
    fn images(
        &self,
        emitter: &mut Emitter<'_, 'c>,
        [thread, within]: [Value<'c>; 2],
    ) -> Result<Vec<(Value<'c>, Memory<'c>)>> {
        let [teams, batches, size, bytes] =
            [self.teams(), self.batches, i64::from(self.rows.team), self.bytes_of_row(emitter)].map(|n| emitter.int(n));
        let (teams, batches, size, bytes) = (teams?, batches?, size?, bytes?);
        let round = emitter.div(within, teams)?;
        let turn = emitter.rem(round, batches)?;
        let place = emitter.mul(turn, teams)?;
        let team = emitter.div(thread, size)?;
        let place = emitter.add(place, team)?;
        let mut before = emitter.mul(place, bytes)?;
        let mut images = Vec::new();
        for tensor in &self.copied {
            let element = emitter.inputs[tensor].element;
            images.push((*tensor, emitter.image(element, &self.columns, before)?));
            let bytes = emitter.int(bytes_of_image(element, self.length))?;
            before = emitter.add(before, bytes)?;
        }
        Ok(images)
    }

    /// Bytes of shared memory of a row of the inputs.
    fn bytes_of_row(&self, emitter: &Emitter<'_, 'c>) -> i64 {
        self.copied.iter().map(|tensor| bytes_of_image(emitter.inputs[tensor].element, self.length)).sum()
    }

    /// Bytes of shared memory through which teams combine what they have.
    fn bytes_of_teams(&self) -> i64 {
        let results = self.sums.iter().flat_map(|(op, _)| op.results());
        let widest = results.map(|result| bytes_of(result.ty().element())).max().unwrap_or(0);
        if self.teams() > 1 { widest * self.rows.width * i64::from(self.rows.threads) } else { 0 }
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
        let shared = emitter.given_shared()?;
        emitter.barrier()?;
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

/// Whether a reduction is of panels: of the first of its dimensions.
fn is_of_panels(nest: &Nest<'_>, panels: i64) -> bool {
    let others: Vec<_> = (0..nest.count).filter(|number| *number != 0).collect();
    let is_kept =
        |number: usize| nest.output(number).iter().map(|index| index.as_loop()).eq(others.iter().copied().map(Some));
    nest.reductions == [0]
        && nest.count > 2
        && nest.known_extent(1) == Some(panels)
        && (0..nest.input_count()).all(|number| nest.is_identity(number))
        && (0..nest.op.result_count()).all(is_kept)
}

/// Threads of a block, and those that share a row of `length`; there are so many panels, of `depth` rows. Where threads wait for
/// nothing of each other, a row has all that there is room for.
fn shape(length: i64, width: i64, (panels, depth): (i64, i64), multiprocessors: i64, is_apart: bool) -> (u32, u32) {
    let accesses = (length + width - 1) / width;
    let most = (KEPT / width).max(1);
    let each = if is_apart { (accesses / i64::from(RESIDENT)).clamp(1, most) } else { most };
    let wanted = ((accesses + each - 1) / each).max(1);
    if wanted > i64::from(WARP) {
        let team = (wanted.min(MOST) as u32).next_multiple_of(WARP);
        // Few panels have several teams each.
        let fits = |teams: &u32| {
            let threads = i64::from(team * teams);
            threads <= i64::from(RESIDENT)
                && threads * panels <= i64::from(RESIDENT) * multiprocessors
                && depth % i64::from(*teams) == 0
        };
        let teams = [4, 2].into_iter().find(fits).unwrap_or(1);
        return (team * teams, team);
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
        assert_eq!(shape(4096, 8, (256, 32), 132, false), (256, 256));
        assert_eq!(shape(2048, 8, (256, 8), 132, false), (256, 128));
        assert_eq!(shape(2048, 8, (128, 9), 132, false), (128, 128));
        assert_eq!(shape(16384, 8, (64, 16), 132, false), (1024, 1024));
        assert_eq!(shape(384, 8, (512, 32), 132, false), (256, 32));
        assert_eq!(shape(64, 8, (512, 128), 132, false), (256, 4));
        assert_eq!(shape(64, 8, (512, 9), 132, false), (32, 32));
        assert_eq!(shape(4096, 8, (128, 64), 132, true), (512, 512));
        assert_eq!(shape(2048, 8, (128, 16), 132, true), (512, 256));
        assert_eq!(shape(8192, 8, (128, 128), 132, true), (512, 512));
    }
}
