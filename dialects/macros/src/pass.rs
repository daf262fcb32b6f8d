//! `#[pass]`.

use crate::doc;
use crate::field::{default_value, single_argument};
use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, Expr, Fields, Ident, ItemStruct, LitStr, Result, Token, parenthesized};

/// `"argument", on = "func.func", dialects("linalg", "scf")`
pub struct Arguments {
    argument: LitStr,
    anchor: Option<LitStr>,
    dialects: Vec<LitStr>,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let argument: LitStr = input.parse()?;
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if argument.value().is_empty() || !argument.value().chars().all(is_word) {
            return Err(Error::new(argument.span(), "the name of a pass is letters, digits and `-`"));
        }
        let mut parsed = Self { argument, anchor: None, dialects: Vec::new() };
        while input.parse::<Option<Token![,]>>()?.is_some() && !input.is_empty() {
            let word: Ident = input.parse()?;
            match word.to_string().as_str() {
                "on" => {
                    input.parse::<Token![=]>()?;
                    parsed.anchor = Some(input.parse()?);
                }
                "dialects" => {
                    let names;
                    parenthesized!(names in input);
                    parsed.dialects = Punctuated::<LitStr, Token![,]>::parse_terminated(&names)?.into_iter().collect();
                }
                _ => return Err(Error::new(word.span(), "expected `on = \"op\"` or `dialects(...)`")),
            }
        }
        Ok(parsed)
    }
}

pub fn expand(arguments: &Arguments, item: &ItemStruct) -> Result<TokenStream> {
    let Arguments { argument, anchor, dialects } = arguments;
    if !item.generics.params.is_empty() {
        return Err(Error::new_spanned(&item.generics, "the struct of a pass has no parameters"));
    }
    let name = &item.ident;
    let text = name.to_string();
    let docs = doc::text(&item.attrs);
    if docs.is_empty() {
        return Err(Error::new_spanned(name, "a pass needs a doc comment: its first line is its help"));
    }
    let anchor = anchor.as_ref().map_or_else(String::new, LitStr::value);
    let mut idents = Vec::new();
    let mut types = Vec::new();
    let mut options = Vec::new();
    let mut defaults = Vec::new();
    let mut stripped = item.clone();
    match &mut stripped.fields {
        Fields::Unit => {}
        Fields::Named(fields) => {
            for field in &mut fields.named {
                let ident = field.ident.clone().expect("named fields have names");
                let ty = field.ty.clone();
                let help = doc::text(&field.attrs);
                if help.is_empty() {
                    return Err(Error::new_spanned(&ident, "an option needs a doc comment: it is its help"));
                }
                let mut default = quote!(<#ty as Default>::default());
                if let Some(value) = single_argument::<Expr>(field, "default")? {
                    default = default_value(&value);
                }
                field.attrs.retain(|a| !a.path().is_ident("default"));
                let spelled = ident.to_string().replace('_', "-");
                options.push((spelled, help));
                defaults.push(quote!({ let value: #ty = #default; value }));
                idents.push(ident);
                types.push(ty);
            }
        }
        Fields::Unnamed(_) => {
            return Err(Error::new_spanned(name, "the options of a pass are named fields"));
        }
    }
    let spelled: Vec<_> = options.iter().map(|(name, _)| name).collect();
    let helps: Vec<_> = options.iter().map(|(_, help)| help).collect();
    let indices = 0..idents.len();
    let construct = if idents.is_empty() && matches!(item.fields, Fields::Unit) {
        quote!(#name)
    } else {
        quote!(#name {
            #(#idents: <#types as ::thunder_ir::pass::OptionValue>::read(&texts[#indices])
                .map_err(|e| format!("option '{}': {e}", #spelled))?,)*
        })
    };
    let default_body = if idents.is_empty() && matches!(item.fields, Fields::Unit) {
        quote!(#name)
    } else {
        quote!(#name { #(#idents: #defaults,)* })
    };
    Ok(quote! {
        #stripped

        impl Default for #name {
            fn default() -> Self {
                #default_body
            }
        }

        impl ::thunder_ir::pass::Describe for #name {
            fn definition() -> &'static ::thunder_ir::pass::PassDef {
                static DEFINITION: ::std::sync::LazyLock<::thunder_ir::pass::PassDef> =
                    ::std::sync::LazyLock::new(|| {
                        let initial = #name::default();
                        let initial = ::thunder_ir::pass::Describe::options(&initial);
                        let mut initial = initial.into_iter().map(|(_, text)| text);
                        ::thunder_ir::pass::PassDef {
                            name: #text,
                            argument: #argument,
                            doc: #docs,
                            anchor: #anchor,
                            dependent: &[#(#dialects),*],
                            options: vec![#(::thunder_ir::pass::OptionDef {
                                name: #spelled,
                                doc: #helps,
                                kind: <#types as ::thunder_ir::pass::OptionValue>::KIND,
                                initial: initial.next().unwrap_or_default(),
                            },)*],
                            create: |texts| {
                                let _ = texts;
                                Ok(Box::new(#construct))
                            },
                        }
                    });
                &DEFINITION
            }

            fn options(&self) -> Vec<(&'static str, String)> {
                vec![#((#spelled, ::thunder_ir::pass::OptionValue::write(&self.#idents)),)*]
            }
        }
    })
}
