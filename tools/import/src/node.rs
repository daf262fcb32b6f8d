//! What a node says of itself: its operation, the values it takes and makes, and where in the model it stands.

use crate::schema::{Argument, Node};

/// The name of an operation, without the Python module that it is reached by.
pub(crate) fn operation(node: &Node) -> &str {
    node.target.strip_prefix("torch.ops.").unwrap_or(&node.target)
}

/// `aten.add.Tensor` for `aten.add_.Tensor`, which updates its first operand.
pub(crate) fn functional(target: &str) -> Option<String> {
    let (namespace, rest) = target.split_once('.')?;
    let (name, overload) = rest.split_once('.')?;
    let name = name.strip_suffix('_').filter(|name| !name.ends_with('_'))?;
    Some(format!("{namespace}.{name}.{overload}"))
}

/// The names of the tensors that a node takes, in order.
pub(crate) fn tensors(node: &Node) -> Vec<&str> {
    node.inputs.iter().flat_map(|input| results(&input.arg)).collect()
}

/// The names of the tensors of an argument.
pub(crate) fn results(argument: &Argument) -> Vec<&str> {
    match argument {
        Argument::Tensor(name) => vec![name],
        Argument::Tensors(names) => names.iter().map(String::as_str).collect(),
        Argument::OptionalTensors(names) => names.iter().flatten().map(String::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The line of the model that a node comes from, for users.
pub(crate) fn place(node: &Node) -> String {
    match line(node) {
        Some((file, line)) => format!("{file}:{line}"),
        None => "an unknown line".to_owned(),
    }
}

/// The innermost line of the model that a node comes from: one of its own where there is one, not of a library.
pub(crate) fn line(node: &Node) -> Option<(&str, u32)> {
    let trace = node.metadata.get("stack_trace")?.as_str()?;
    let frames = trace.lines().filter_map(|line| {
        let (file, rest) = line.trim().strip_prefix("File \"")?.split_once("\", line ")?;
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        Some((file, digits.parse().ok()?))
    });
    let frames: Vec<(&str, u32)> = frames.collect();
    let own = frames.iter().rev().find(|(file, _)| !file.contains("site-packages/") && !file.starts_with("torch/"));
    own.or(frames.last()).copied()
}

/// The name of the first tensor of an argument.
pub(crate) fn value_name(argument: &Argument) -> Option<&str> {
    match argument {
        Argument::Tensor(name) => Some(name),
        Argument::Tensors(names) => names.first().map(String::as_str),
        _ => None,
    }
}
