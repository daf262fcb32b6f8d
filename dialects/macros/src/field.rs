//! Fields that are attributes or parameters, as all macros read them.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::Parse;
use syn::visit_mut::VisitMut;
use syn::{Error, Expr, ExprLit, Field, Lifetime, Lit, Result, Type};

/// Whether a name is `dialect.name`, with any number of dots in the second part.
pub fn is_qualified(name: &str) -> bool {
    name.contains('.') && name.split('.').all(|part| !part.is_empty())
}

/// The type with `'static` in place of its lifetimes: the form that stands for all of them as a kind.
pub fn static_form(ty: &Type) -> Type {
    struct Static;
    impl VisitMut for Static {
        fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
            *lifetime = Lifetime::new("'static", lifetime.apostrophe);
        }
    }
    let mut ty = ty.clone();
    Static.visit_type_mut(&mut ty);
    ty
}

/// What stands in the parentheses of the field's attribute `name`, if it has one.
pub fn single_argument<T: Parse>(field: &Field, name: &str) -> Result<Option<T>> {
    let mut found = field.attrs.iter().filter(|a| a.path().is_ident(name));
    let Some(attribute) = found.next() else { return Ok(None) };
    match found.next() {
        Some(second) => Err(Error::new_spanned(second, format!("#[{name}(...)] stands here twice"))),
        None => attribute.parse_args().map(Some),
    }
}

/// An expression for the `AttributeSpec` of a field of this kind.
pub fn attribute_spec(name: &str, kind: &Type, default: Option<&Expr>) -> TokenStream {
    let default = match default {
        Some(value) => {
            let value = default_value(value);
            quote! {
                Some(|cx| {
                    <#kind as ::thunder_ir::attr::AttrKind>::to_attribute(cx, #value)
                        .expect("a default is of its kind")
                })
            }
        }
        None => quote!(None),
    };
    quote! {
        ::thunder_ir::attr::AttributeSpec {
            default: #default,
            ..::thunder_ir::attr::AttributeSpec::new::<#kind>(#name)
        }
    }
}

/// The value of a default: a string literal stands for a `String`.
pub fn default_value(value: &Expr) -> TokenStream {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(_), .. }) => quote!(#value.to_owned()),
        _ => quote!(#value),
    }
}
