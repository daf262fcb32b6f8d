//! `#[derive(AttrKind)]` on enums without data and on structs with named fields.

use crate::doc::snake_case;
use crate::field::attribute_spec;
use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt as _;
use syn::{Data, DeriveInput, Error, Fields, Ident, Result, Variant};

pub fn expand(item: &DeriveInput) -> Result<TokenStream> {
    if !item.generics.params.is_empty() {
        return Err(Error::new_spanned(&item.generics, "an attribute kind has no parameters"));
    }
    match &item.data {
        Data::Enum(data) => expand_enum(&item.ident, data.variants.iter().collect()),
        Data::Struct(data) => expand_struct(&item.ident, &data.fields),
        Data::Union(_) => Err(Error::new_spanned(&item.ident, "a union cannot be an attribute")),
    }
}

fn expand_enum(name: &Ident, variants: Vec<&Variant>) -> Result<TokenStream> {
    if let Some(variant) = variants.iter().find(|v| !matches!(v.fields, Fields::Unit)) {
        return Err(Error::new_spanned(variant, "a variant with data cannot be an attribute"));
    }
    if variants.is_empty() {
        return Err(Error::new_spanned(name, "an enum without variants has no value to store"));
    }
    let idents: Vec<_> = variants.iter().map(|v| &v.ident).collect();
    let texts: Vec<_> = idents.iter().map(|i| snake_case(&i.to_string())).collect();
    let words = format!("one of {}", texts.join(", "));
    Ok(quote! {
        impl #name {
            /// The spelling in assembly.
            pub fn as_str(self) -> &'static str {
                match self { #(Self::#idents => #texts,)* }
            }
        }

        impl ::thunder_ir::attr::AttrKind for #name {
            type Value<'c> = #name;
            fn to_attribute<'c>(
                cx: ::thunder_ir::ContextRef<'c>,
                value: #name,
            ) -> ::thunder_ir::Result<::thunder_ir::Attribute<'c>> {
                Ok(::thunder_ir::Attribute::string(cx, value.as_str()))
            }
            fn from_attribute(attribute: ::thunder_ir::Attribute<'_>) -> Option<#name> {
                match attribute.as_string()? {
                    #(#texts => Some(Self::#idents),)*
                    _ => None,
                }
            }
            fn description() -> String {
                #words.to_owned()
            }
            fn print(attribute: ::thunder_ir::Attribute<'_>, p: &::thunder_ir::Printer<'_>) {
                p.text(attribute.as_string().unwrap_or_default());
            }
            fn parse<'c>(
                p: &::thunder_ir::Parser<'c>,
            ) -> ::thunder_ir::Parsed<::thunder_ir::Attribute<'c>> {
                let here = p.here();
                let word = p.any_keyword()?;
                if [#(#texts),*].contains(&word.as_str()) {
                    Ok(::thunder_ir::Attribute::string(p.context(), &word))
                } else {
                    Err(p.error_at(here, &format!("expected {}, but got '{word}'", #words)))
                }
            }
        }
    })
}

fn expand_struct(name: &Ident, fields: &Fields) -> Result<TokenStream> {
    let Fields::Named(fields) = fields else {
        return Err(Error::new_spanned(name, "an attribute struct has named fields"));
    };
    let idents: Vec<_> = fields.named.iter().filter_map(|f| f.ident.as_ref()).collect();
    let types: Vec<_> = fields.named.iter().map(|f| &f.ty).collect();
    let texts: Vec<_> = idents.iter().map(|ident| ident.unraw().to_string()).collect();
    let specs: Vec<_> = texts.iter().zip(&types).map(|(text, ty)| attribute_spec(text, ty, None)).collect();
    let count = texts.len();
    Ok(quote! {
        impl #name {
            fn entries() -> &'static [::thunder_ir::attr::AttributeSpec] {
                static ENTRIES: ::std::sync::LazyLock<Vec<::thunder_ir::attr::AttributeSpec>> =
                    ::std::sync::LazyLock::new(|| vec![#(#specs),*]);
                &ENTRIES
            }
        }

        impl ::thunder_ir::attr::AttrKind for #name {
            type Value<'c> = #name;
            fn to_attribute<'c>(
                cx: ::thunder_ir::ContextRef<'c>,
                value: #name,
            ) -> ::thunder_ir::Result<::thunder_ir::Attribute<'c>> {
                Ok(::thunder_ir::Attribute::dictionary(cx, &[
                    #((#texts, <#types as ::thunder_ir::attr::AttrKind>::to_attribute(cx, value.#idents)?),)*
                ]))
            }
            fn from_attribute(attribute: ::thunder_ir::Attribute<'_>) -> Option<#name> {
                if attribute.as_dictionary()?.len() != #count {
                    return None;
                }
                Some(#name {
                    #(#idents: ::thunder_ir::attr::dictionary::entry::<#types>(attribute, #texts)?,)*
                })
            }
            fn description() -> String {
                ::thunder_ir::attr::dictionary::description(Self::entries())
            }
            fn print(attribute: ::thunder_ir::Attribute<'_>, p: &::thunder_ir::Printer<'_>) {
                ::thunder_ir::attr::dictionary::print(Self::entries(), attribute, p);
            }
            fn parse<'c>(
                p: &::thunder_ir::Parser<'c>,
            ) -> ::thunder_ir::Parsed<::thunder_ir::Attribute<'c>> {
                ::thunder_ir::attr::dictionary::parse(Self::entries(), p)
            }
        }
    })
}
