//! The planner's extraction beside simpler ones, on e-graphs in the JSON of extraction-gym:
//! `cargo bench -p thunder-passes --bench extraction -- DATA_DIR`.
//!
//! For each graph: its size, the cost and time of each algorithm, the least of these costs, and how
//! far that can be from the best by the lower bound. Costs are of directed acyclic graphs: what is
//! shared is paid once.
//!
//! `--markdown` prints the table of `passes/EXTRACTION.md` instead, a line for each folder.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::Value;
use thunder_passes::plan::extract::{Effort, Graph, bottom_up, extract, greedy_dag};

/// A minute per graph is what extraction-gym gives its solvers; these efforts take seconds.
const THOROUGH: Effort = Effort { branches: 200_000, visits: 200_000_000 };

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(folder) = arguments.iter().find(|argument| !argument.starts_with("--")) else {
        println!("usage: cargo bench -p thunder-passes --bench extraction -- DATA_DIR [--markdown]");
        return;
    };
    let is_markdown = arguments.iter().any(|argument| argument == "--markdown");
    let mut files = Vec::new();
    collect(Path::new(folder), &mut files);
    files.sort();
    if !is_markdown {
        print_head();
    }
    let mut sets: BTreeMap<String, Summary> = BTreeMap::new();
    let mut all = Summary::default();
    for file in files {
        let path = file.strip_prefix(folder).unwrap_or(&file);
        let name = path.display().to_string();
        let set = path.components().next().map(|part| part.as_os_str().display().to_string());
        match read(&file) {
            Ok(graph) => {
                let found = Found::of(&graph);
                if !is_markdown {
                    found.print(&name, &graph);
                }
                sets.entry(set.unwrap_or_default()).or_default().add(&found);
                all.add(&found);
            }
            Err(error) => eprintln!("{name}: {error}"),
        }
    }
    if is_markdown {
        print_markdown(&sets, &all);
    } else {
        all.print();
    }
}

/// The JSON files below a folder.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
}

/// An e-graph as extraction-gym writes it.
fn read(path: &Path) -> Result<Graph, String> {
    let text = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
    let json: Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
    let nodes = json["nodes"].as_object().ok_or("has no nodes")?;
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    for node in nodes.values() {
        let class = node["eclass"].as_str().ok_or("a node has no class")?;
        let next = numbers.len();
        numbers.entry(class).or_insert(next);
    }
    let mut graph = Graph { classes: vec![Vec::new(); numbers.len()], ..Graph::default() };
    for node in nodes.values() {
        let class = numbers[node["eclass"].as_str().unwrap_or_default()];
        let children = node["children"].as_array().ok_or("a node has no children")?;
        let children = children.iter().map(|child| {
            let child = nodes.get(child.as_str()?)?;
            numbers.get(child["eclass"].as_str()?).copied()
        });
        let children = children.collect::<Option<Vec<_>>>().ok_or("a child does not exist")?;
        let cost = node["cost"].as_f64().unwrap_or(1.0);
        if cost < 0.0 {
            return Err("has a negative cost".to_owned());
        }
        graph.add(class, children, cost);
    }
    let roots = json["root_eclasses"].as_array().ok_or("has no roots")?;
    let roots = roots.iter().map(|root| numbers.get(root.as_str()?).copied());
    graph.roots = roots.collect::<Option<Vec<_>>>().ok_or("a root does not exist")?;
    Ok(graph)
}

const ALGORITHMS: [&str; 4] = ["bottom-up", "greedy-dag", "plan", "thorough"];

/// What the algorithms find for one graph.
struct Found {
    /// By algorithm: the cost, if it finds a choice, and milliseconds.
    results: [(Option<f64>, f64); 4],
    /// The least of the costs.
    best: f64,
    /// How far the best can be from the optimum, as a part of it.
    gap: f64,
}

impl Found {
    fn of(graph: &Graph) -> Self {
        let timed = |run: &dyn Fn() -> Option<f64>| {
            let start = Instant::now();
            let cost = run();
            (cost, start.elapsed().as_secs_f64() * 1e3)
        };
        let bound = std::cell::Cell::new(0.0f64);
        let planned = |effort| {
            let found = extract(graph, None, effort)?;
            bound.set(bound.get().max(found.bound));
            Some(found.cost)
        };
        let results = [
            timed(&|| graph.cost(&bottom_up(graph))),
            timed(&|| graph.cost(&greedy_dag(graph)?)),
            timed(&|| planned(Effort::default())),
            timed(&|| planned(THOROUGH)),
        ];
        let best = results.iter().filter_map(|(cost, _)| *cost).fold(f64::INFINITY, f64::min);
        let gap = if best > bound.get() { (best - bound.get()) / best } else { 0.0 };
        Self { results, best, gap }
    }

    fn print(&self, name: &str, graph: &Graph) {
        let columns = self.results.iter().map(|(cost, time)| match cost {
            Some(cost) => format!("{cost:>12.4} {time:>7.1}"),
            None => format!("{:>12} {time:>7.1}", "-"),
        });
        let columns = columns.collect::<Vec<_>>().join(" | ");
        let (nodes, classes, gap) = (graph.nodes.len(), graph.classes.len(), 100.0 * self.gap);
        println!("{name:<44} {nodes:>8} {classes:>8} | {columns} | {gap:>7.2}");
    }
}

/// Totals over graphs.
#[derive(Default)]
struct Summary {
    graphs: usize,
    /// By algorithm.
    algorithms: [Total; 4],
    optimal: usize,
    gaps: f64,
}

/// What an algorithm does on graphs.
#[derive(Default)]
struct Total {
    /// The sum of costs over the least.
    ratios: f64,
    /// In how many graphs it is the least.
    least: usize,
    /// How many graphs it has a choice for.
    solved: usize,
    milliseconds: f64,
}

impl Total {
    fn mean(&self) -> f64 {
        self.ratios / self.solved.max(1) as f64
    }
}

impl Summary {
    fn add(&mut self, found: &Found) {
        self.graphs += 1;
        self.optimal += usize::from(found.gap < 1e-8);
        self.gaps += found.gap;
        for (total, (cost, time)) in self.algorithms.iter_mut().zip(found.results) {
            total.milliseconds += time;
            if let Some(cost) = cost {
                total.ratios += if found.best > 0.0 { cost / found.best } else { 1.0 };
                total.least += usize::from(cost <= found.best * (1.0 + 1e-9));
                total.solved += 1;
            }
        }
    }

    fn print(&self) {
        println!("\n{} graphs, {} of them proved optimal", self.graphs, self.optimal);
        println!(
            "{:<12} {:>18} {:>10} {:>8} {:>10}",
            "algorithm", "mean cost / least", "least in", "solved", "total s"
        );
        for (name, total) in ALGORITHMS.iter().zip(&self.algorithms) {
            let Total { least, solved, milliseconds, .. } = total;
            println!("{name:<12} {:>18.5} {least:>10} {solved:>8} {:>10.2}", total.mean(), milliseconds / 1e3);
        }
    }
}

fn print_head() {
    let columns = ALGORITHMS.map(|name| format!("{name:>12} {:>7}", "ms")).join(" | ");
    println!("{:<44} {:>8} {:>8} | {columns} | {:>7}", "graph", "nodes", "classes", "gap %");
}

/// The table of `passes/EXTRACTION.md`.
fn print_markdown(sets: &BTreeMap<String, Summary>, all: &Summary) {
    println!("| data set | graphs | {} | proved | gap, % | plan, ms | thorough, ms |", ALGORITHMS.join(" | "));
    println!("|---|{}", "---:|".repeat(ALGORITHMS.len() + 5));
    for (name, summary) in sets.iter().map(|(name, summary)| (name.as_str(), summary)).chain([("all", all)]) {
        let graphs = summary.graphs;
        let cells = summary.algorithms.iter().map(|total| {
            let unsolved = graphs - total.solved;
            let note = if unsolved > 0 { format!(", none for {unsolved}") } else { String::new() };
            format!("{:.4} ({}{note})", total.mean(), total.least)
        });
        let cells = cells.collect::<Vec<_>>().join(" | ");
        let per_graph = |algorithm: usize| summary.algorithms[algorithm].milliseconds / graphs as f64;
        let (proved, gap) = (summary.optimal, 100.0 * summary.gaps / graphs as f64);
        println!("| {name} | {graphs} | {cells} | {proved} | {gap:.2} | {:.1} | {:.0} |", per_graph(2), per_graph(3));
    }
}
