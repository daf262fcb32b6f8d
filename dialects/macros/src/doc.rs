//! Documentation comments and names, as the macros read them.

use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// The text of `///` comments, one line each, with the leading space removed.
pub fn text(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter(|a| a.path().is_ident("doc")).filter_map(|a| {
        let Meta::NameValue(pair) = &a.meta else { return None };
        let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = &pair.value else { return None };
        let line = text.value();
        Some(line.strip_prefix(' ').unwrap_or(&line).to_owned())
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// `FooBar` as `foo_bar`.
pub fn snake_case(name: &str) -> String {
    let mut out = String::new();
    for (index, c) in name.chars().enumerate() {
        if c.is_uppercase() && index > 0 {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}
