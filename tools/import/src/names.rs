//! Names of the leaves of what a model takes and returns, from the tree specs that torch writes as JSON.
//!
//! A leaf is named by its path: `past.0.key`. A list of leaves has numbers for names, a leaf alone has the name it is given.

use serde::Deserialize;

/// How deep structures may nest.
const DEPTH: usize = 32;

#[derive(Deserialize)]
struct Spec {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    context: Option<String>,
    #[serde(default)]
    children_spec: Vec<Spec>,
}

/// The names of the leaves of a returned value; none where the spec is of a kind that is not known.
pub(crate) fn outputs(spec: &str) -> Option<Vec<String>> {
    let spec = read(spec)?;
    let mut names = Vec::new();
    walk(&spec, "", DEPTH, &mut names)?;
    Some(names.into_iter().map(|name| if name.is_empty() { "output".to_owned() } else { name }).collect())
}

/// The names of the leaves of positional and keyword arguments, whose own names are given.
pub(crate) fn inputs(spec: &str, arguments: &[String]) -> Option<Vec<String>> {
    let spec = read(spec)?;
    let [positional, keywords] = spec.children_spec.as_slice() else { return None };
    let mut names = Vec::new();
    for (index, child) in positional.children_spec.iter().enumerate() {
        walk(child, arguments.get(index)?, DEPTH, &mut names)?;
    }
    walk(keywords, "", DEPTH, &mut names)?;
    Some(names)
}

/// A spec with its protocol: `[1, {...}]`.
fn read(text: &str) -> Option<Spec> {
    let (protocol, spec): (u64, Spec) = serde_json::from_str(text).ok()?;
    (protocol == 1).then_some(spec)
}

fn walk(spec: &Spec, path: &str, depth: usize, names: &mut Vec<String>) -> Option<()> {
    let Some(kind) = &spec.kind else {
        names.push(path.to_owned());
        return Some(());
    };
    let depth = depth.checked_sub(1)?;
    let keys = keys(kind, spec.context.as_deref()).filter(|keys| keys.len() == spec.children_spec.len());
    for (index, child) in spec.children_spec.iter().enumerate() {
        let step = keys.as_ref().map_or_else(|| index.to_string(), |keys| keys[index].clone());
        let path = if path.is_empty() { step } else { format!("{path}.{step}") };
        walk(child, &path, depth, names)?;
    }
    Some(())
}

/// The keys of a dictionary or of a class with fields.
fn keys(kind: &str, context: Option<&str>) -> Option<Vec<String>> {
    let context: serde_json::Value = serde_json::from_str(context?).ok()?;
    let list = match kind {
        "builtins.dict" => &context,
        // `[None, keys]`, where the first is the factory of missing values.
        "collections.OrderedDict" | "collections.defaultdict" => match &context {
            serde_json::Value::Array(parts) if matches!(parts.last(), Some(serde_json::Value::Array(_))) => {
                parts.last()?
            }
            whole => whole,
        },
        _ => return None,
    };
    let name = |key: &serde_json::Value| key.as_str().map_or_else(|| key.to_string(), str::to_owned);
    Some(list.as_array()?.iter().map(name).collect())
}

#[cfg(test)]
mod tests {
    use super::{inputs, outputs};

    const LEAF: &str = r#"{"type": null, "context": null, "children_spec": []}"#;

    fn node(kind: &str, context: &str, children: &[&str]) -> String {
        format!(r#"{{"type": "{kind}", "context": {context}, "children_spec": [{}]}}"#, children.join(", "))
    }

    fn named(spec: &str) -> Option<Vec<String>> {
        outputs(&format!("[1, {spec}]"))
    }

    #[test]
    fn leaves_are_named_by_their_paths() {
        assert_eq!(named(LEAF).unwrap(), ["output"]);
        let pair = node("builtins.tuple", r#""null""#, &[LEAF, LEAF]);
        assert_eq!(named(&pair).unwrap(), ["0", "1"]);
        let dict = node("builtins.dict", r#""[\"logits\", \"past\"]""#, &[LEAF, &pair]);
        assert_eq!(named(&dict).unwrap(), ["logits", "past.0", "past.1"]);
        let positional = node("builtins.tuple", r#""null""#, &[LEAF, &dict]);
        let keywords = node("builtins.dict", r#""[\"mask\"]""#, &[LEAF]);
        let call = node("builtins.tuple", r#""null""#, &[&positional, &keywords]);
        let names = inputs(&format!("[1, {call}]"), &["ids".to_owned(), "cache".to_owned()]).unwrap();
        assert_eq!(names, ["ids", "cache.logits", "cache.past.0", "cache.past.1", "mask"]);
    }

    #[test]
    fn what_is_no_spec_gives_no_names() {
        for spec in ["", "[2, {}]", "[1, [1]]", "{}"] {
            assert_eq!(outputs(spec), None, "{spec}");
        }
        let deep = (0..100).fold(LEAF.to_owned(), |inner, _| node("builtins.tuple", "null", &[&inner]));
        assert_eq!(named(&deep), None);
    }
}
