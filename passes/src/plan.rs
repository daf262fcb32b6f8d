//! Rewrites pure code by the algebra of its dialects: equality saturation.
//!
//! Encode, saturate, extract, decode: the pure operations of a function become classes of an e-graph,
//! the rules of their dialects add what is equal, the cheapest terms are chosen with shared parts paid
//! once, op by op and as kernels would share them. What is chosen is cut into kernels on the side, and
//! code is rewritten only where these are estimated to take less than those of the code as it is, or as
//! much with less work by itself. Large functions are planned in chunks, equal chunks once. The planner knows no op: types, folds, costs and rules are
//! asked of the ops' own dialects. Equal input and options give equal output.
//!
//! Guarantees: the function computes what it did before, bit by bit unless `numerics=fast` allows more;
//! its estimated cost is never above what it was.

mod chunk;
mod code;
mod cost;
mod dump;
mod egraph;
mod explain;
pub mod extract;
mod fused;
mod matching;
mod merge;
mod recipe;
mod saturate;
mod steps;
mod trial;
mod vocabulary;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use thunder_interface::{Merge, Numerics, Rule, Rules};
use thunder_ir::prelude::*;

use crate::autodiff::find;
use crate::kernels::KERNEL;
use crate::machine::Machine;
use chunk::Chunk;
use dump::Form;
pub use explain::{ChunkReport, Report};
use extract::Effort;
use recipe::{Aim, Candidate, Recipe};
use saturate::{Bounds, Saturation};
pub use steps::StepReport;
use vocabulary::Vocabulary;

/// Rewrites pure code as the cheapest that the rules of its dialects find.
#[pass("thunder-plan", on = "builtin.module")]
pub struct Plan {
    /// What rules may do to values: `exact` for nothing, `fast` for other roundings as well.
    #[default("exact")]
    numerics: String,
    /// Rules to add and to leave out: `+name`, `-name`.
    rules: Vec<String>,
    /// How often each rule may change the e-graph of a chunk.
    #[default(500usize)]
    fuel: usize,
    /// How many nodes the e-graph of a chunk may have.
    #[default(8_000usize)]
    nodes: usize,
    /// How many rounds of all rules a chunk gets.
    #[default(12usize)]
    iterations: usize,
    /// Take what rules make whatever it costs: for seeing what they do.
    always: bool,
    /// What the code is for: a `cpu`, or a `gpu`.
    #[default("cpu")]
    target: String,
}

impl Plan {
    /// The plan that may also change roundings.
    pub fn fast() -> Self {
        Self::allowing(Numerics::Approximates)
    }

    /// The plan that may do this to values: all or nothing of what changes roundings.
    pub fn allowing(numerics: Numerics) -> Self {
        let numerics = if numerics == Numerics::Exact { "exact" } else { "fast" };
        Self { numerics: numerics.to_owned(), ..Self::default() }
    }

    /// For GPUs.
    pub fn for_gpus(self) -> Self {
        Self { target: "gpu".to_owned(), ..self }
    }

    /// The plan that uses one rule only, wherever it matches; for seeing what the rule does.
    pub fn only(rule: &str) -> Self {
        Self { numerics: "none".to_owned(), rules: vec![format!("+{rule}")], always: true, ..Self::default() }
    }

    fn aim(&self) -> Aim {
        if self.always { Aim::Newest } else { Aim::Cheapest }
    }

    fn bounds(&self) -> Bounds {
        Bounds { iterations: self.iterations, nodes: self.nodes, fuel: self.fuel }
    }

    /// The rules that the options choose among those of `dialects`.
    fn choose(&self, dialects: &[&'static Dialect], module: Operation<'_>) -> Result<Laws> {
        let mut all = Laws::default();
        for rules in dialects.iter().flat_map(|dialect| dialect.extensions::<Rules>()) {
            all.rules.extend(rules.all());
            all.merges.extend(rules.merges());
        }
        let allowed: fn(Numerics) -> bool = match self.numerics.as_str() {
            "exact" => |numerics| numerics == Numerics::Exact,
            "fast" => |_| true,
            "none" => |_| false,
            other => return Err(module.error(format!("numerics must be exact, fast or none, not '{other}'"))),
        };
        let (names, mut chosen): (Vec<&str>, Vec<bool>) =
            all.iter().map(|(name, numerics)| (name, allowed(numerics))).unzip();
        for change in &self.rules {
            let (name, wanted) = match (change.strip_prefix('+'), change.strip_prefix('-')) {
                (Some(name), _) => (name, true),
                (_, Some(name)) => (name, false),
                _ => return Err(module.error(format!("rules are '+name' or '-name', not '{change}'"))),
            };
            let number = names.iter().position(|known| *known == name);
            let number = number.ok_or_else(|| module.error(format!("no rule is called '{name}'")))?;
            chosen[number] = wanted;
        }
        let mut chosen = chosen.into_iter();
        all.rules.retain(|_| chosen.next() == Some(true));
        all.merges.retain(|_| chosen.next() == Some(true));
        Ok(all)
    }
}

/// What may be said to be equal. Laws are numbered: rules, then merges.
#[derive(Default)]
struct Laws {
    rules: Vec<&'static Rule>,
    merges: Vec<&'static Merge>,
}

impl Laws {
    /// The name and the numeric class of each law.
    fn iter(&self) -> impl Iterator<Item = (&'static str, Numerics)> {
        let rules = self.rules.iter().map(|rule| (rule.name, rule.numerics));
        rules.chain(self.merges.iter().map(|merge| (merge.name, merge.numerics)))
    }

    /// The name of a law.
    fn name(&self, number: usize) -> &'static str {
        self.iter().nth(number).map_or("", |(name, _)| name)
    }
}

impl Pass for Plan {
    fn run(&self, module: Operation<'_>, cx: &PassContext<'_>) -> Result {
        let reports = self.plan(module, Mode::Rewrite)?.reports;
        let chunks = reports.iter().flat_map(|report| &report.chunks);
        for chunk in chunks {
            cx.count("chunks", 1);
            cx.count("chunks planned", chunk.same_as.is_none().into());
            cx.count("rewrites", chunk.rules.iter().map(|(_, count)| *count as u64).sum());
        }
        Ok(())
    }

    fn numerics(&self) -> Numerics {
        if self.numerics == "exact" && self.rules.is_empty() { Numerics::Exact } else { Numerics::Approximates }
    }
}

/// What to do with plans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Carry them out.
    Rewrite,
    /// Tell them, and write e-graphs in this form.
    Report(Option<Form>),
}

/// What came of planning a module.
#[derive(Debug, Default)]
struct Planned {
    reports: Vec<Report>,
    dumps: Vec<String>,
}

impl Plan {
    /// The plan of every function of `module`, which stays as it is.
    pub fn report(&self, module: Operation<'_>) -> Result<Vec<Report>> {
        let mut reports = self.plan(module, Mode::Report(None))?.reports;
        let body = module.region(0).entry().ok_or_else(|| module.error("has no body"))?;
        let copy = Rewriter::at_end_of(body, module.location()).clone_op(module);
        let outcome = self.plan(copy, Mode::Rewrite).and_then(|_| {
            let machine = Machine::of_target(&self.target, copy)?;
            for report in &mut reports {
                // What cannot be cut into kernels has none to tell of.
                let function = find(copy, &report.function);
                report.steps = function.and_then(|function| StepReport::of(function, machine).ok()).unwrap_or_default();
            }
            Ok(())
        });
        Rewriter::at(copy).erase(copy)?;
        outcome.map(|()| reports)
    }

    fn plan(&self, module: Operation<'_>, mode: Mode) -> Result<Planned> {
        let body = module.regions().next().and_then(|r| r.entry()).ok_or_else(|| module.error("has no body"))?;
        let functions = body.operations();
        let dialects = dialects(module);
        let laws = self.choose(&dialects, module)?;
        let mut vocabulary =
            Vocabulary::new(body, dialects, Machine::of_target(&self.target, module)?, module.context())?;
        let planned = Planned::default();
        let mut planner =
            Planner { laws, bounds: self.bounds(), aim: self.aim(), mode, plans: HashMap::new(), planned };
        let functions = functions.into_iter().filter(|function| function.attribute(KERNEL).is_none());
        let outcome = functions.into_iter().try_for_each(|function| planner.function(function, &mut vocabulary));
        let planned = planner.planned;
        vocabulary.finish()?;
        outcome.map(|()| planned)
    }
}

/// Tells what `--thunder-plan` would rewrite, by which rules and for what estimated gain, and the kernels that come of it
/// with what keeps them apart.
///
/// The tables of each function are a remark at it; nothing is changed.
#[pass("thunder-explain-plan", on = "builtin.module")]
pub struct ExplainPlan {
    /// What rules may do to values: `exact` for nothing, `fast` for other roundings as well.
    #[default("exact")]
    numerics: String,
    /// Rules to add and to leave out: `+name`, `-name`.
    rules: Vec<String>,
    /// What the code is for: a `cpu`, or a `gpu`.
    #[default("cpu")]
    target: String,
}

impl Pass for ExplainPlan {
    fn run(&self, module: Operation<'_>, _: &PassContext<'_>) -> Result {
        let (numerics, rules, target) = (self.numerics.clone(), self.rules.clone(), self.target.clone());
        let plan = Plan { numerics, rules, target, ..Plan::default() };
        for report in plan.report(module)? {
            let function = find(module, &report.function).unwrap_or(module);
            function.emit(Severity::Remark, &report);
        }
        Ok(())
    }
}

/// Writes the e-graphs of different chunks of code, saturated: what `--thunder-plan` chooses from.
#[pass("thunder-plan-dump", on = "builtin.module")]
pub struct PlanDump {
    /// For Graphviz as `dot`, or as extraction-gym's `json`.
    #[default("dot")]
    form: String,
    /// What rules may do to values: `exact` for nothing, `fast` for other roundings as well.
    #[default("exact")]
    numerics: String,
}

impl Pass for PlanDump {
    fn run(&self, module: Operation<'_>, _: &PassContext<'_>) -> Result {
        let form = Form::of(&self.form)
            .ok_or_else(|| module.error(format!("form must be dot or json, not '{}'", self.form)))?;
        let plan = Plan { numerics: self.numerics.clone(), ..Plan::default() };
        for dump in plan.plan(module, Mode::Report(Some(form)))?.dumps {
            module.emit(Severity::Remark, format!("e-graph:\n{dump}"));
        }
        Ok(())
    }
}

/// The dialects of all operations, in the order in which they occur.
fn dialects(module: Operation<'_>) -> Vec<&'static Dialect> {
    let mut dialects: Vec<&'static Dialect> = Vec::new();
    module.walk(|op| {
        if let Some(dialect) = op.definition().and_then(|definition| definition.home())
            && !dialects.iter().any(|known| std::ptr::eq(*known, dialect))
        {
            dialects.push(dialect);
        }
    });
    dialects
}

/// What planning a chunk came to.
#[derive(Debug, Clone)]
struct Outcome {
    /// How to rewrite it; `None` where it stays as it is.
    recipe: Option<Recipe>,
    /// The nanoseconds that it takes as it is, cut into kernels.
    before: f64,
    /// The nanoseconds that it takes rewritten.
    after: f64,
    /// The nanoseconds that its ops take as it is, where nothing is fused.
    unfused: f64,
    /// How often each rule is used.
    rules: BTreeMap<usize, usize>,
    /// The nodes of the e-graph.
    nodes: usize,
}

/// What must be saved of a chunk's time, as a part of it.
const GAIN: f64 = 1e-6;

/// How many rules are left out of the plan of a chunk, to see whether it gets better.
const LEFT_OUT: usize = 8;

/// Plans functions, and remembers the plans of chunks.
struct Planner<'c> {
    laws: Laws,
    bounds: Bounds,
    aim: Aim,
    mode: Mode,
    plans: HashMap<Chunk<'c>, Rc<Outcome>>,
    planned: Planned,
}

impl<'c> Planner<'c> {
    fn function(&mut self, function: Operation<'c>, vocabulary: &mut Vocabulary<'c>) -> Result {
        let name = function.attribute("sym_name").and_then(|a| a.as_string()).unwrap_or_default();
        let mut report = Report { function: name.to_owned(), ..Report::default() };
        let mut first: HashMap<*const Outcome, usize> = HashMap::new();
        let scope = code::Scope::of(function);
        let mut pieces = Vec::new();
        for run in code::runs(function) {
            for range in code::cuts(&run) {
                let piece = code::piece(&run[range], &scope, vocabulary);
                let outcome = self.plan(&piece, vocabulary)?;
                let number = report.chunks.len();
                let same_as = *first.entry(Rc::as_ptr(&outcome)).or_insert(number);
                let same_as = (same_as != number).then_some(same_as);
                report.chunks.push(ChunkReport::new(&piece.chunk, &outcome, &self.laws, vocabulary, same_as));
                pieces.push((piece, outcome));
            }
        }
        if self.mode == Mode::Rewrite {
            let mut replaced = HashMap::new();
            for (piece, outcome) in &pieces {
                if let Some(recipe) = &outcome.recipe {
                    code::rewrite(piece, recipe, vocabulary, &mut replaced)?;
                }
            }
        }
        if !report.chunks.is_empty() {
            self.planned.reports.push(report);
        }
        Ok(())
    }

    /// The plan of a piece, made unless an equal one is known.
    fn plan(&mut self, piece: &code::Piece<'c>, vocabulary: &mut Vocabulary<'c>) -> Result<Rc<Outcome>> {
        if let Some(known) = self.plans.get(&piece.chunk) {
            return Ok(Rc::clone(known));
        }
        let mut saturation = Saturation::new(&piece.chunk, vocabulary, &self.laws);
        saturation.run(self.bounds).map_err(|wrong| {
            let at = wrong.ops.first().map_or(piece.ops[0], |op| piece.ops[*op]);
            at.error(format!("internal: {}", wrong.message))
        })?;
        if let Mode::Report(Some(form)) = self.mode {
            self.planned.dumps.push(saturation.dump(&piece.chunk, form));
        }
        let outcome = Rc::new(self.best(&piece.chunk, &mut saturation)?);
        self.plans.insert(piece.chunk.clone(), Rc::clone(&outcome));
        Ok(outcome)
    }

    /// The candidate that takes least time once it is cut into kernels, if it takes less than the chunk as it is; of equal
    /// ones that whose ops take least by themselves.
    ///
    /// What one rule makes can spoil what others gain: where all together gain nothing, rules are left out one after another,
    /// as long as that helps.
    fn best(&self, chunk: &Chunk<'c>, saturation: &mut Saturation<'_, '_, 'c>) -> Result<Outcome> {
        let effort = Effort::default();
        let nodes = saturation.graph.total_number_of_nodes();
        let mut unfused = saturation.unfused_as_written(chunk);
        let mut without = BTreeSet::new();
        let candidates = saturation.candidates(chunk, effort, self.aim, &without);
        let before = match candidates.is_empty() && self.mode == Mode::Rewrite {
            true => 0.0,
            false => trial::time(chunk, None, saturation.graph.analysis.0)?.unwrap_or(f64::INFINITY),
        };
        let mut best = Outcome { recipe: None, before, after: before, unfused, rules: BTreeMap::new(), nodes };
        let rules: BTreeSet<usize> = candidates.iter().flat_map(|candidate| candidate.rules.keys().copied()).collect();
        let mut tried: Vec<Recipe> = Vec::new();
        let mut consider = |candidates: Vec<Candidate>, vocabulary: &mut Vocabulary<'c>| {
            let mut least = f64::INFINITY;
            for candidate in candidates {
                if tried.contains(&candidate.recipe) {
                    continue;
                }
                tried.push(candidate.recipe.clone());
                let after = trial::time(chunk, Some(&candidate.recipe), vocabulary)?.unwrap_or(f64::INFINITY);
                least = after.min(least);
                let is_equal = after <= best.after && candidate.unfused < unfused * (1.0 - GAIN);
                if self.aim == Aim::Newest || after < best.after * (1.0 - GAIN) || is_equal {
                    unfused = candidate.unfused;
                    (best.recipe, best.after, best.rules) = (Some(candidate.recipe), after, candidate.rules);
                }
            }
            Ok::<_, Error>(least)
        };
        let mut least = consider(candidates, saturation.graph.analysis.0)?;
        if self.aim == Aim::Newest || rules.len() < 2 || least < before * (1.0 - GAIN) {
            return Ok(best);
        }
        for rule in rules.into_iter().take(LEFT_OUT) {
            without.insert(rule);
            let candidates = saturation.candidates(chunk, effort, self.aim, &without);
            let after = consider(candidates, saturation.graph.analysis.0)?;
            if after < least * (1.0 - GAIN) {
                least = after;
            } else {
                without.remove(&rule);
            }
        }
        Ok(best)
    }
}
