//! Rewrites pure code by the algebra of its dialects: equality saturation.
//!
//! Encode, saturate, extract, decode: the pure operations of a function become classes of an e-graph,
//! the rules of their dialects add what is equal, the cheapest terms are chosen with shared parts paid
//! once, and only where these cost less than the code as it is, code is rewritten. Large functions are
//! planned in chunks, equal chunks once. The planner knows no op: types, folds, costs and rules are
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
mod matching;
mod recipe;
mod saturate;
mod vocabulary;

use std::collections::HashMap;
use std::rc::Rc;

use thunder_interface::{Numerics, Rule, Rules};
use thunder_ir::prelude::*;

use crate::kernels::KERNEL;
use chunk::Chunk;
use dump::Form;
pub use explain::{ChunkReport, Report};
use extract::Effort;
use recipe::{Aim, Outcome};
use saturate::{Bounds, Saturation};
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
}

impl Plan {
    /// The plan that may also change roundings.
    pub fn fast() -> Self {
        Self { numerics: "fast".to_owned(), ..Self::default() }
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
    fn choose(&self, dialects: &[&'static Dialect], module: Operation<'_>) -> Result<Vec<&'static Rule>> {
        let all: Vec<&'static Rule> =
            dialects.iter().flat_map(|d| d.extensions::<Rules>()).flat_map(Rules::all).collect();
        let allowed: fn(Numerics) -> bool = match self.numerics.as_str() {
            "exact" => |numerics| numerics == Numerics::Exact,
            "fast" => |_| true,
            "none" => |_| false,
            other => return Err(module.error(format!("numerics must be exact, fast or none, not '{other}'"))),
        };
        let mut chosen: Vec<bool> = all.iter().map(|rule| allowed(rule.numerics)).collect();
        for change in &self.rules {
            let (name, wanted) = match (change.strip_prefix('+'), change.strip_prefix('-')) {
                (Some(name), _) => (name, true),
                (_, Some(name)) => (name, false),
                _ => return Err(module.error(format!("rules are '+name' or '-name', not '{change}'"))),
            };
            let number = all.iter().position(|rule| rule.name == name);
            let number = number.ok_or_else(|| module.error(format!("no rule is called '{name}'")))?;
            chosen[number] = wanted;
        }
        Ok(all.into_iter().zip(chosen).filter(|(_, chosen)| *chosen).map(|(rule, _)| rule).collect())
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
        self.plan(module, Mode::Report(None)).map(|planned| planned.reports)
    }

    fn plan(&self, module: Operation<'_>, mode: Mode) -> Result<Planned> {
        let body = module.regions().next().and_then(|r| r.entry()).ok_or_else(|| module.error("has no body"))?;
        let functions = body.operations();
        let dialects = dialects(module);
        let rules = self.choose(&dialects, module)?;
        let mut vocabulary = Vocabulary::new(body, dialects, module.context())?;
        let planned = Planned::default();
        let mut planner =
            Planner { rules, bounds: self.bounds(), aim: self.aim(), mode, plans: HashMap::new(), planned };
        let functions = functions.into_iter().filter(|function| function.attribute(KERNEL).is_none());
        let outcome = functions.into_iter().try_for_each(|function| planner.function(function, &mut vocabulary));
        let planned = planner.planned;
        vocabulary.finish()?;
        outcome.map(|()| planned)
    }
}

/// Tells what `--thunder-plan` would rewrite, by which rules and for what estimated gain.
///
/// The table of each function is a remark at it; nothing is changed.
#[pass("thunder-explain-plan", on = "builtin.module")]
pub struct ExplainPlan {
    /// What rules may do to values: `exact` for nothing, `fast` for other roundings as well.
    #[default("exact")]
    numerics: String,
    /// Rules to add and to leave out: `+name`, `-name`.
    rules: Vec<String>,
    /// Also writes the e-graphs of different chunks, as `dot` or as extraction-gym's `json`.
    dump: String,
}

impl Pass for ExplainPlan {
    fn run(&self, module: Operation<'_>, _: &PassContext<'_>) -> Result {
        let form = match (self.dump.as_str(), Form::of(&self.dump)) {
            ("", _) => None,
            (_, Some(form)) => Some(form),
            (other, None) => return Err(module.error(format!("dump must be dot or json, not '{other}'"))),
        };
        let plan = Plan { numerics: self.numerics.clone(), rules: self.rules.clone(), ..Plan::default() };
        let planned = plan.plan(module, Mode::Report(form))?;
        for report in &planned.reports {
            module.emit(Severity::Remark, report);
        }
        for dump in &planned.dumps {
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

/// Plans functions, and remembers the plans of chunks.
struct Planner<'c> {
    rules: Vec<&'static Rule>,
    bounds: Bounds,
    aim: Aim,
    mode: Mode,
    plans: HashMap<Chunk<'c>, Rc<Outcome>>,
    planned: Planned,
}

impl<'c> Planner<'c> {
    fn function(&mut self, function: Operation<'c>, vocabulary: &mut Vocabulary<'c>) -> Result {
        let name = function.attribute("sym_name").and_then(|a| a.as_string()).unwrap_or_default();
        let mut report = Report { function: name.to_owned(), chunks: Vec::new() };
        let mut first: HashMap<*const Outcome, usize> = HashMap::new();
        for run in code::runs(function) {
            for range in code::cuts(&run) {
                let piece = code::piece(&run[range], vocabulary);
                let outcome = self.plan(&piece, vocabulary)?;
                let number = report.chunks.len();
                let same_as = *first.entry(Rc::as_ptr(&outcome)).or_insert(number);
                let same_as = (same_as != number).then_some(same_as);
                report.chunks.push(ChunkReport::new(&piece.chunk, &outcome, &self.rules, vocabulary, same_as));
                if let (Mode::Rewrite, Some(recipe)) = (self.mode, &outcome.recipe) {
                    code::rewrite(&piece, recipe, vocabulary)?;
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
        let mut saturation = Saturation::new(&piece.chunk, vocabulary, &self.rules);
        saturation.run(self.bounds).map_err(|wrong| {
            let at = wrong.ops.first().map_or(piece.ops[0], |op| piece.ops[*op]);
            at.error(format!("internal: {}", wrong.message))
        })?;
        if let Mode::Report(Some(form)) = self.mode {
            self.planned.dumps.push(saturation.dump(&piece.chunk, form));
        }
        let outcome = Rc::new(saturation.outcome(&piece.chunk, Effort::default(), self.aim));
        self.plans.insert(piece.chunk.clone(), Rc::clone(&outcome));
        Ok(outcome)
    }
}
