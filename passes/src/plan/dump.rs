//! E-graphs as text for other programs: Graphviz, and the JSON of extraction-gym.

use std::fmt::Write as _;

use egg::{Id, Language};

use super::chunk::Chunk;
use super::saturate::Saturation;

/// The forms of a dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For Graphviz.
    Dot,
    /// Nodes with classes, children and costs, as extraction-gym reads them.
    Json,
}

impl Form {
    /// The form of this name.
    pub fn of(name: &str) -> Option<Self> {
        match name {
            "dot" => Some(Self::Dot),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

impl<'c> Saturation<'_, '_, 'c> {
    /// The e-graph of `chunk` as text.
    pub fn dump(&self, chunk: &Chunk<'c>, form: Form) -> String {
        let mut classes: Vec<Id> = self.graph.classes().map(|class| class.id).collect();
        classes.sort_unstable();
        let outputs = chunk.ops.iter().enumerate().flat_map(|(op, o)| o.outputs.iter().map(move |r| (op, *r)));
        let mut roots: Vec<Id> = outputs.map(|(op, result)| self.graph.find(self.results[op][result])).collect();
        roots.sort_unstable();
        roots.dedup();
        match form {
            Form::Dot => self.dot(&classes, &roots),
            Form::Json => self.json(&classes, &roots),
        }
    }

    fn label(&self, symbol: u32) -> String {
        let symbol = self.graph.analysis.0.symbol(symbol);
        match (symbol.leaf(), symbol.projection()) {
            (Some(leaf), _) => format!("leaf {leaf}"),
            (_, Some(result)) => format!("result {result}"),
            _ => symbol.name.to_owned(),
        }
    }

    fn dot(&self, classes: &[Id], roots: &[Id]) -> String {
        let mut text = String::from("digraph {\n  compound = true\n  node [shape = box]\n");
        for class in classes {
            let is_root = if roots.contains(class) { ", penwidth = 3" } else { "" };
            let ty = self.graph[*class].data.ty.map_or_else(String::new, |ty| ty.to_string());
            let _ = writeln!(text, "  subgraph cluster_{class} {{\n    graph [label = {ty:?}{is_root}]");
            for (number, node) in self.graph[*class].nodes.iter().enumerate() {
                let _ = writeln!(text, "    n{class}_{number} [label = {:?}]", self.label(node.symbol));
            }
            text.push_str("  }\n");
        }
        for class in classes {
            for (number, node) in self.graph[*class].nodes.iter().enumerate() {
                for child in node.children() {
                    let child = self.graph.find(*child);
                    let _ = writeln!(text, "  n{class}_{number} -> n{child}_0 [lhead = cluster_{child}]");
                }
            }
        }
        text.push_str("}\n");
        text
    }

    fn json(&self, classes: &[Id], roots: &[Id]) -> String {
        let mut nodes = Vec::new();
        for class in classes {
            for (number, node) in self.graph[*class].nodes.iter().enumerate() {
                let children = node.children().iter().map(|child| format!("\"{}.0\"", self.graph.find(*child)));
                let children = children.collect::<Vec<_>>().join(", ");
                let cost = self.graph.analysis.0.symbol(node.symbol).work.alone(self.graph.analysis.0.machine);
                let op = self.label(node.symbol);
                nodes.push(format!(
                    "    \"{class}.{number}\": {{\"op\": {op:?}, \"children\": [{children}], \"eclass\": \"{class}\", \"cost\": {cost:?}}}"
                ));
            }
        }
        let roots = roots.iter().map(|root| format!("\"{root}\"")).collect::<Vec<_>>().join(", ");
        format!("{{\n  \"nodes\": {{\n{}\n  }},\n  \"root_eclasses\": [{roots}]\n}}\n", nodes.join(",\n"))
    }
}
