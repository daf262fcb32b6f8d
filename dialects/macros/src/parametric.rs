//! `#[ty]` and `#[attr]`.

use crate::doc;
use crate::field::{attribute_spec, is_qualified, single_argument, static_form};
use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream};
use syn::{Error, Expr, Fields, GenericParam, Ident, ItemStruct, Lifetime, LitStr, Result, Token};

/// `"dialect.name", verify, assembly`
pub struct Arguments {
    name: LitStr,
    verify: bool,
    assembly: bool,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let name: LitStr = input.parse()?;
        if !is_qualified(&name.value()) {
            return Err(Error::new(name.span(), "the name of a type or attribute is `dialect.name`"));
        }
        let mut parsed = Self { name, verify: false, assembly: false };
        while input.parse::<Option<Token![,]>>()?.is_some() && !input.is_empty() {
            let word: Ident = input.parse()?;
            match word.to_string().as_str() {
                "verify" => parsed.verify = true,
                "assembly" => parsed.assembly = true,
                _ => return Err(Error::new(word.span(), "expected `verify` or `assembly`")),
            }
        }
        Ok(parsed)
    }
}

/// Which of the two macros is at work.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// `#[ty]`
    Type,
    /// `#[attr]`
    Attribute,
}

pub fn expand(sort: Sort, arguments: &Arguments, item: &ItemStruct) -> Result<TokenStream> {
    let Arguments { name: full, .. } = arguments;
    let docs = doc::text(&item.attrs);
    if docs.is_empty() {
        return Err(Error::new_spanned(&item.ident, "a type or attribute needs a doc comment"));
    }
    let lifetime = lifetime(item)?;
    let name = &item.ident;
    let of = |lifetime: &str| match &item.generics.params.is_empty() {
        true => quote!(#name),
        false => {
            let lifetime = Lifetime::new(lifetime, name.span());
            quote!(#name<#lifetime>)
        }
    };
    let (generic, anonymous, kind, value) = (of(&lifetime.to_string()), of("'_"), of("'static"), of("'c"));

    let mut stripped = item.clone();
    let (mut idents, mut kinds, mut specs) = (Vec::new(), Vec::new(), Vec::new());
    match &mut stripped.fields {
        Fields::Unit => {}
        Fields::Named(fields) => {
            for field in &mut fields.named {
                let ident = field.ident.clone().expect("named fields have names");
                let default: Option<Expr> = single_argument(field, "default")?;
                field.attrs.retain(|a| !a.path().is_ident("default"));
                let kind = static_form(&field.ty);
                specs.push(attribute_spec(&ident.unraw().to_string(), &kind, default.as_ref()));
                kinds.push(kind);
                idents.push(ident);
            }
        }
        Fields::Unnamed(_) => {
            return Err(Error::new_spanned(name, "the parameters of a type or attribute are named fields"));
        }
    }
    let construct = if matches!(item.fields, Fields::Unit) { quote!(#name) } else { quote!(#name { #(#idents),* }) };
    let hooks = hooks(arguments, &anonymous);
    let count = idents.len();
    let own = match sort {
        Sort::Type => type_impls(full, &generic, &lifetime, &kind, &value),
        Sort::Attribute => attribute_impls(full, &generic, &lifetime, &kind, &value),
    };
    Ok(quote! {
        #stripped

        impl<#lifetime> ::thunder_ir::parametric::Parametric<#lifetime> for #generic {
            fn definition() -> &'static ::thunder_ir::parametric::ParametricDef {
                static DEFINITION: ::std::sync::LazyLock<::thunder_ir::parametric::ParametricDef> =
                    ::std::sync::LazyLock::new(|| {
                        let mut def = ::thunder_ir::parametric::ParametricDef::new(#full, #docs);
                        #(def.parameters.push(#specs);)*
                        #hooks
                        def
                    });
                &DEFINITION
            }
            fn from_parameters(parameters: &[::thunder_ir::Attribute<#lifetime>]) -> Option<Self> {
                let [#(#idents),*] = <[::thunder_ir::Attribute<#lifetime>; #count]>::try_from(parameters).ok()?;
                #(let #idents = <#kinds as ::thunder_ir::attr::AttrKind>::from_attribute(#idents)?;)*
                Some(#construct)
            }
            #[allow(unused_variables, reason = "there may be no parameters")]
            fn into_parameters(
                self,
                cx: ::thunder_ir::ContextRef<#lifetime>,
            ) -> ::thunder_ir::Result<Vec<::thunder_ir::Attribute<#lifetime>>> {
                Ok(vec![#(<#kinds as ::thunder_ir::attr::AttrKind>::to_attribute(cx, self.#idents)?),*])
            }
        }

        #own
    })
}

fn lifetime(item: &ItemStruct) -> Result<Lifetime> {
    let mut parameters = item.generics.params.iter();
    match (parameters.next(), parameters.next()) {
        (None, _) => Ok(Lifetime::new("'c", item.ident.span())),
        (Some(GenericParam::Lifetime(only)), None) => Ok(only.lifetime.clone()),
        _ => Err(Error::new_spanned(&item.generics, "expected no parameter but the lifetime of the context")),
    }
}

fn hooks(arguments: &Arguments, name: &TokenStream) -> TokenStream {
    let value = quote! {
        <#name as ::thunder_ir::parametric::Parametric<'_>>::from_parameters(parameters)
            .expect("parameters are checked before they are used")
    };
    let verify = arguments.verify.then(|| {
        quote! {
            def.verify = Some(|parameters| ::thunder_ir::op::Verify::verify(&#value));
        }
    });
    let assembly = arguments.assembly.then(|| {
        quote! {
            def.parse = Some(|p| {
                let value = <#name as ::thunder_ir::parametric::ParameterAssembly<'_>>::parse(p)?;
                ::thunder_ir::parametric::Parametric::into_parameters(value, p.context())
                    .map_err(|error| p.error(&error.message()))
            });
            def.print = Some(|parameters, p| {
                ::thunder_ir::parametric::ParameterAssembly::print(&#value, p);
            });
        }
    });
    quote!(#verify #assembly)
}

fn type_impls(
    full: &LitStr,
    generic: &TokenStream,
    lifetime: &Lifetime,
    kind: &TokenStream,
    value: &TokenStream,
) -> TokenStream {
    let words = format!("'!{}'", full.value());
    quote! {
        impl<#lifetime> ::thunder_ir::parametric::TypeDef<#lifetime> for #generic {}

        impl ::thunder_ir::constraint::TypeConstraint for #kind {
            fn accepts(ty: ::thunder_ir::Type<'_>) -> bool {
                <#kind as ::thunder_ir::attr::AttrKind>::from_attribute(::thunder_ir::Attribute::of_type(ty)).is_some()
            }
            fn description() -> String {
                #words.to_owned()
            }
        }

        impl ::thunder_ir::attr::AttrKind for #kind {
            type Value<'c> = #value;
            const SPELLING: ::thunder_ir::attr::Spelling = ::thunder_ir::attr::Spelling::Bare;
            fn to_attribute<'c>(
                cx: ::thunder_ir::ContextRef<'c>,
                value: Self::Value<'c>,
            ) -> ::thunder_ir::Result<::thunder_ir::Attribute<'c>> {
                ::thunder_ir::parametric::TypeDef::into_type(value, cx).map(::thunder_ir::Attribute::of_type)
            }
            fn from_attribute(attribute: ::thunder_ir::Attribute<'_>) -> Option<Self::Value<'_>> {
                ::thunder_ir::parametric::TypeDef::of(attribute.as_type()?)
            }
            fn description() -> String {
                #words.to_owned()
            }
            fn parse<'c>(p: &::thunder_ir::Parser<'c>) -> ::thunder_ir::Parsed<::thunder_ir::Attribute<'c>> {
                p.ty().map(::thunder_ir::Attribute::of_type)
            }
        }
    }
}

fn attribute_impls(
    full: &LitStr,
    generic: &TokenStream,
    lifetime: &Lifetime,
    kind: &TokenStream,
    value: &TokenStream,
) -> TokenStream {
    let words = format!("'#{}'", full.value());
    quote! {
        impl<#lifetime> ::thunder_ir::parametric::AttrDef<#lifetime> for #generic {}

        impl ::thunder_ir::attr::AttrKind for #kind {
            type Value<'c> = #value;
            fn to_attribute<'c>(
                cx: ::thunder_ir::ContextRef<'c>,
                value: Self::Value<'c>,
            ) -> ::thunder_ir::Result<::thunder_ir::Attribute<'c>> {
                ::thunder_ir::parametric::AttrDef::into_attribute(value, cx)
            }
            fn from_attribute(attribute: ::thunder_ir::Attribute<'_>) -> Option<Self::Value<'_>> {
                ::thunder_ir::parametric::AttrDef::of(attribute)
            }
            fn description() -> String {
                #words.to_owned()
            }
            fn print(attribute: ::thunder_ir::Attribute<'_>, p: &::thunder_ir::Printer<'_>) {
                ::thunder_ir::parametric::body::print::<Self::Value<'_>>(attribute, p);
            }
            fn parse<'c>(p: &::thunder_ir::Parser<'c>) -> ::thunder_ir::Parsed<::thunder_ir::Attribute<'c>> {
                ::thunder_ir::parametric::body::parse::<Self::Value<'c>>(p)
            }
        }
    }
}
