//! PTX of a module's kernels, made by several threads: each makes a part of them, and the parts are put together in order.
//! Functions that are no kernels are apart.

use std::collections::{BTreeMap, HashMap};

use indexmap::IndexSet;
use thunder_ir::codegen::{Machine, assemblies};
use thunder_ir::prelude::*;

/// Parts at most.
const PARTS: usize = 16;
/// The last line of what every part begins with.
const HEAD: &str = ".address_size 64\n";
/// What a kernel begins with, and another function.
const KINDS: [(&str, bool); 2] = [(".visible .entry ", true), (".visible .func ", false)];

/// PTX of a module.
#[derive(Debug)]
pub struct Ptx {
    /// Its kernels.
    pub code: String,
    /// Its other functions, by name.
    pub functions: BTreeMap<String, String>,
}

/// The PTX of a module of the LLVM and NVVM dialects.
pub fn ptx(module: &Module<'_>, machine: &Machine) -> Result<Ptx> {
    let mut parts = Vec::new();
    for part in assemblies(module, machine, 3, PARTS)? {
        parts.push(String::from_utf8(part).map_err(|error| format!("internal: PTX is no text: {error}"))?);
    }
    let functions = module.body().operations();
    let names = functions.iter().filter_map(|op| op.attribute("sym_name")).filter_map(|name| name.as_string());
    joined(&parts, names)
}

/// One text of several: what they begin with once, then what is declared, then the kernels of these names.
fn joined<'n>(parts: &[String], names: impl Iterator<Item = &'n str>) -> Result<Ptx> {
    let (mut head, mut declared, mut entries) = ("", IndexSet::new(), HashMap::new());
    let mut functions = BTreeMap::new();
    for part in parts {
        let (own, body) = part.split_at(part.find(HEAD).ok_or("internal: PTX has no head")? + HEAD.len());
        head = own;
        let mut rest = body;
        let next = |rest: &str| {
            let found = KINDS.iter().filter_map(|(word, is_kernel)| Some((rest.find(word)?, word.len(), *is_kernel)));
            found.min()
        };
        while let Some((at, word, is_kernel)) = next(rest) {
            declared.extend(declarations(&rest[..at]));
            let entry = &rest[at..];
            let end = entry.find("\n}\n").ok_or("internal: a function of PTX does not end")? + "\n}\n".len();
            let name = entry[word..].split('(').next().unwrap_or_default();
            if is_kernel {
                entries.insert(name, &entry[..end]);
            } else {
                functions.insert(name.to_owned(), entry[..end].to_owned());
            }
            rest = &entry[end..];
        }
        declared.extend(declarations(rest));
    }
    let mut text = [head, "\n"].concat();
    for line in declared {
        text.extend([line, "\n"]);
    }
    for entry in names.filter_map(|name| entries.remove(name)) {
        text.extend(["\n", entry]);
    }
    match entries.keys().min() {
        None => Ok(Ptx { code: text, functions }),
        Some(name) => Err(format!("internal: no kernel is called '{name}'").as_str().into()),
    }
}

/// The lines that declare something.
fn declarations(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| line.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::{Ptx, joined};

    #[test]
    fn parts_are_put_together_in_order() {
        let part =
            |body: &str| format!("//\n// Generated\n//\n\n.version 8.0\n.target sm_80\n.address_size 64\n\n{body}");
        let parts = [
            part("\t// .globl\tb\n.extern .shared .b8 s[];\n\n.visible .entry b(\n)\n{\n\tret;\n\n}\n"),
            part(
                ".extern .shared .b8 s[];\n.global .b8 t[1] = {1};\n.visible .func f(\n)\n{\n\tret;\n}\n\
                 .visible .entry a(\n)\n{\n\tret;\n}\n",
            ),
        ];
        let Ptx { code: text, functions } =
            joined(&parts, ["t", "a", "b"].into_iter()).expect("both kernels are named");
        assert_eq!(
            functions.into_iter().collect::<Vec<_>>(),
            [("f".into(), ".visible .func f(\n)\n{\n\tret;\n}\n".into())]
        );
        let expected = ".extern .shared .b8 s[];\n.global .b8 t[1] = {1};\n\n.visible .entry a(\n)\n{\n\tret;\n}\n\n\
                        .visible .entry b(\n)\n{\n\tret;\n\n}\n";
        assert_eq!(text, part("") + expected);
        assert!(joined(&parts, ["a"].into_iter()).is_err());
    }
}
