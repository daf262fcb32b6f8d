//! The planner's extraction beside simpler ones, on e-graphs in the JSON of extraction-gym:
//! `cargo bench -p thunder-passes --bench extraction -- DATA_DIR`.
//!
//! For each graph: its size, the cost and time of each algorithm, the least of these costs, and how
//! far that can be from the best by the lower bound. Costs are of directed acyclic graphs: what is
//! shared is paid once.
//!
//! On 296 graphs of extraction-gym (babble, diospyros, egg, eggcc, flexc, herbie, impress, maxsat, rover,
//! tensat and others), on one core of a Zen 5:
//!
//! | algorithm | mean cost over the least | least in | seconds |
//! |---|---|---|---|
//! | bottom-up | 1.02018 | 235 | 0.18 |
//! | greedy-dag | 1.02413 | 222 of 295 | 0.42 |
//! | the planner's | 1.00038 | 288 | 2.79 |
//! | with more effort | 1.00000 | 290 | 205 |
//!
//! Beside HiGHS with 40 s for each of the 42 graphs of egg, rover and tensat: the same cost in all but
//! nine; in seven of these, where HiGHS ran out of time, the planner's is lower (tensat's BERT: 0.7177 in
//! 16 ms, 0.7734 in 40 s); in two, rover's `mcm`, it is 11% above the optimum.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::Value;
use thunder_passes::plan::extract::{Effort, Graph, bottom_up, extract, greedy_dag};

/// A minute per graph is what extraction-gym gives its solvers; these efforts take seconds.
const THOROUGH: Effort = Effort { branches: 200_000, visits: 200_000_000 };

fn main() {
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let Some(folder) = folder else {
        println!("usage: cargo bench -p thunder-passes --bench extraction -- DATA_DIR");
        return;
    };
    let mut files = Vec::new();
    collect(Path::new(&folder), &mut files);
    files.sort();
    println!(
        "{:<44} {:>8} {:>8} | {:>12} {:>7} | {:>12} {:>7} | {:>12} {:>7} | {:>12} {:>7} | {:>7}",
        "graph", "nodes", "classes", "bottom-up", "ms", "greedy-dag", "ms", "plan", "ms", "thorough", "ms", "gap %"
    );
    let mut summary = Summary::default();
    for file in files {
        let name = file.strip_prefix(&folder).unwrap_or(&file).display().to_string();
        match read(&file) {
            Ok(graph) => summary.measure(&name, &graph),
            Err(error) => println!("{name:<44} {error}"),
        }
    }
    summary.print();
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
        graph.add(class, children, node["cost"].as_f64().unwrap_or(1.0));
    }
    let roots = json["root_eclasses"].as_array().ok_or("has no roots")?;
    let roots = roots.iter().map(|root| numbers.get(root.as_str()?).copied());
    graph.roots = roots.collect::<Option<Vec<_>>>().ok_or("a root does not exist")?;
    Ok(graph)
}

/// Totals over all graphs.
#[derive(Default)]
struct Summary {
    graphs: usize,
    /// By algorithm: the sum of costs over the least, in how many graphs it is the least, milliseconds, and
    /// how many graphs it has a choice for.
    algorithms: [(f64, usize, f64, usize); 4],
    optimal: usize,
}

impl Summary {
    fn measure(&mut self, name: &str, graph: &Graph) {
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
        let gap = if best > bound.get() { 100.0 * (best - bound.get()) / best } else { 0.0 };
        let columns = results.iter().map(|(cost, time)| match cost {
            Some(cost) => format!("{cost:>12.4} {time:>7.1}"),
            None => format!("{:>12} {time:>7.1}", "-"),
        });
        let columns = columns.collect::<Vec<_>>().join(" | ");
        println!("{name:<44} {:>8} {:>8} | {columns} | {gap:>7.2}", graph.nodes.len(), graph.classes.len());
        self.graphs += 1;
        self.optimal += usize::from(gap < 1e-6);
        for (total, (cost, time)) in self.algorithms.iter_mut().zip(results) {
            total.2 += time;
            if let Some(cost) = cost {
                total.0 += if best > 0.0 { cost / best } else { 1.0 };
                total.1 += usize::from(cost <= best * (1.0 + 1e-9));
                total.3 += 1;
            }
        }
    }

    fn print(&self) {
        println!("\n{} graphs, {} of them proved optimal", self.graphs, self.optimal);
        println!(
            "{:<12} {:>18} {:>10} {:>8} {:>10}",
            "algorithm", "mean cost / least", "least in", "solved", "total s"
        );
        for (name, (ratio, least, time, solved)) in
            ["bottom-up", "greedy-dag", "plan", "thorough"].iter().zip(self.algorithms)
        {
            let mean = ratio / solved.max(1) as f64;
            println!("{name:<12} {mean:>18.5} {least:>10} {solved:>8} {:>10.2}", time / 1e3);
        }
    }
}
