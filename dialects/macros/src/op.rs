//! `#[op]`.

use crate::doc;
use crate::field::{attribute_spec, is_qualified, single_argument, static_form};
use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{
    Error, Expr, Field, Fields, GenericArgument, Ident, ItemStruct, LitInt, LitStr, Path, PathArguments, Result, Token,
    Type, parenthesized,
};

/// MLIR's traits, by the names that the shim's table gives them.
const TRAITS: &[&str] = &[
    "commutative",
    "idempotent",
    "involution",
    "terminator",
    "isolated_from_above",
    "constant_like",
    "same_type",
    "same_operand_types",
    "same_shape",
    "same_element_type",
    "elementwise",
    "symbol_table",
    "affine_scope",
    "automatic_allocation_scope",
    "no_terminator",
    "single_block",
    "recursive_memory_effects",
    "no_region_arguments",
];

const FLAGS: &[&str] = &["pure", "symbol", "graph_region"];

const HOOKS: &[&str] = &["verify", "verify_regions", "infer", "fold", "canonicalize", "effects", "assembly"];

/// Methods that every op has.
const TAKEN: &[&str] = &["build", "context", "definition", "error", "from_view", "of", "operation", "view"];

const FIELD_KINDS: &str = "expected one of Operand<C>, OptionalOperand<C>, Variadic<C>, \
    Produces<C>, ProducesMany<C>, Attr<K>, OptionalAttr<K>, Region, Regions, Successor, Successors";

/// `"dialect.name", pure, commutative, fold, interfaces(A, B)`
pub struct Arguments {
    name: LitStr,
    words: Vec<Ident>,
    interfaces: Vec<Path>,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let name: LitStr = input.parse()?;
        if !is_qualified(&name.value()) {
            return Err(Error::new(name.span(), "the name of an op is `dialect.op`"));
        }
        let mut parsed = Self { name, words: Vec::new(), interfaces: Vec::new() };
        while input.parse::<Option<Token![,]>>()?.is_some() && !input.is_empty() {
            let word: Ident = input.parse()?;
            if word == "interfaces" {
                let paths;
                parenthesized!(paths in input);
                parsed.interfaces = Punctuated::<Path, Token![,]>::parse_terminated(&paths)?.into_iter().collect();
            } else {
                let text = word.to_string();
                if !TRAITS.iter().chain(FLAGS).chain(HOOKS).any(|known| *known == text) {
                    let known = [FLAGS, HOOKS, TRAITS].concat().join(", ");
                    return Err(Error::new(word.span(), format!("expected interfaces(...) or one of {known}")));
                }
                if parsed.has(&text) {
                    return Err(Error::new(word.span(), format!("`{text}` stands here twice")));
                }
                parsed.words.push(word);
            }
        }
        Ok(parsed)
    }
}

impl Arguments {
    fn has(&self, word: &str) -> bool {
        self.words.iter().any(|w| w == word)
    }
}

enum Kind {
    Operand(&'static str, Type),
    Produces(&'static str, Type),
    Attribute { kind: Type, optional: bool, default: Option<Expr> },
    Region { variadic: bool },
    Successor { variadic: bool },
}

struct Part {
    name: Ident,
    doc: String,
    label: String,
    kind: Kind,
}

pub fn expand(arguments: &Arguments, item: &ItemStruct) -> Result<TokenStream> {
    if !item.generics.params.is_empty() {
        return Err(Error::new_spanned(&item.generics, "the struct of an op has no parameters"));
    }
    let docs = doc::text(&item.attrs);
    if docs.is_empty() {
        return Err(Error::new_spanned(&item.ident, "an op needs a doc comment"));
    }
    let parts: Vec<Part> = match &item.fields {
        Fields::Unit => Vec::new(),
        Fields::Named(fields) => fields.named.iter().map(part).collect::<Result<_>>()?,
        Fields::Unnamed(_) => {
            return Err(Error::new_spanned(&item.ident, "the fields of an op have names"));
        }
    };
    let name = &item.ident;
    let visibility = &item.vis;
    let attributes = &item.attrs;
    let definition = definition(arguments, name, &docs, &parts);
    let accessors = accessors(&parts);
    let builder = builder(arguments, name, visibility, &parts);
    Ok(quote! {
        #(#attributes)*
        #[derive(Clone)]
        #visibility struct #name<'c> {
            view: ::thunder_ir::op::View<'c>,
        }

        impl<'c> ::thunder_ir::op::Op<'c> for #name<'c> {
            fn definition() -> &'static ::thunder_ir::op::OpDef {
                #definition
            }
            fn from_view(view: ::thunder_ir::op::View<'c>) -> Self {
                Self { view }
            }
            fn view(&self) -> &::thunder_ir::op::View<'c> {
                &self.view
            }
        }

        #[allow(dead_code, reason = "not every field of an op is read")]
        impl<'c> #name<'c> {
            #(#accessors)*
        }

        #builder
    })
}

fn part(field: &Field) -> Result<Part> {
    let name = field.ident.clone().expect("named fields have names");
    if TAKEN.iter().any(|taken| name == taken) {
        return Err(Error::new(name.span(), format!("every op has a method `{name}`: choose another name")));
    }
    let Type::Path(path) = &field.ty else { return Err(Error::new_spanned(&field.ty, FIELD_KINDS)) };
    let segment = path.path.segments.last().expect("a path has a segment");
    let argument = match &segment.arguments {
        PathArguments::AngleBracketed(list) if list.args.len() == 1 => match &list.args[0] {
            GenericArgument::Type(ty) => Some(static_form(ty)),
            other => return Err(Error::new_spanned(other, "expected a type")),
        },
        PathArguments::None => None,
        other => return Err(Error::new_spanned(other, "expected one type")),
    };
    let argument = |what: &str| {
        argument.clone().ok_or_else(|| Error::new_spanned(segment, format!("expected {what} in angle brackets")))
    };
    let kind = match segment.ident.to_string().as_str() {
        "Operand" => Kind::Operand("One", argument("a type constraint")?),
        "OptionalOperand" => Kind::Operand("Optional", argument("a type constraint")?),
        "Variadic" => Kind::Operand("Variadic", argument("a type constraint")?),
        "Produces" => Kind::Produces("One", argument("a type constraint")?),
        "ProducesMany" => Kind::Produces("Variadic", argument("a type constraint")?),
        "Attr" => Kind::Attribute {
            kind: argument("an attribute kind")?,
            optional: false,
            default: single_argument(field, "default")?,
        },
        "OptionalAttr" => Kind::Attribute { kind: argument("an attribute kind")?, optional: true, default: None },
        "Region" => Kind::Region { variadic: false },
        "Regions" => Kind::Region { variadic: true },
        "Successor" => Kind::Successor { variadic: false },
        "Successors" => Kind::Successor { variadic: true },
        _ => return Err(Error::new_spanned(&field.ty, FIELD_KINDS)),
    };
    for attribute in &field.attrs {
        let known = ["doc", "default", "c"].iter().any(|n| attribute.path().is_ident(n));
        if !known {
            return Err(Error::new_spanned(attribute, "expected #[default(value)] or #[c(number)]"));
        }
        if attribute.path().is_ident("default") && !matches!(kind, Kind::Attribute { optional: false, .. }) {
            return Err(Error::new_spanned(attribute, "only an `Attr` has a default"));
        }
    }
    let label = single_argument::<LitInt>(field, "c")?
        .map_or_else(String::new, |number| format!("(C{})", number.base10_digits()));
    Ok(Part { name, doc: doc::text(&field.attrs), label, kind })
}

fn definition(arguments: &Arguments, name: &Ident, docs: &str, parts: &[Part]) -> TokenStream {
    let full = &arguments.name;
    let mut lines = Vec::new();
    for Part { name, doc, label, kind } in parts {
        let text = name.to_string();
        let text = text.trim_start_matches("r#");
        lines.push(match kind {
            Kind::Operand(arity, constraint) => value_spec("operands", text, doc, arity, constraint, label),
            Kind::Produces(arity, constraint) => value_spec("results", text, doc, arity, constraint, label),
            Kind::Attribute { kind, optional, default } => {
                let spec = attribute_spec(text, kind, default.as_ref());
                quote! {
                    def.attributes.push(::thunder_ir::attr::AttributeSpec {
                        doc: #doc,
                        required: !#optional,
                        label: #label,
                        ..#spec
                    });
                }
            }
            Kind::Region { variadic } => quote! {
                def.regions.push(::thunder_ir::op::PartSpec { name: #text, variadic: #variadic });
            },
            Kind::Successor { variadic } => quote! {
                def.successors.push(::thunder_ir::op::PartSpec { name: #text, variadic: #variadic });
            },
        });
    }
    for word in &arguments.words {
        let text = word.to_string();
        lines.push(match text.as_str() {
            "pure" => quote!(def.effects = ::thunder_ir::op::EffectSpec::Pure;),
            "symbol" => quote!(def.is_symbol = true;),
            "graph_region" => quote!(def.is_graph_region = true;),
            hook if HOOKS.contains(&hook) => hook_line(hook, name),
            _ => quote!(def.traits.push(#text);),
        });
    }
    for path in &arguments.interfaces {
        let text = path.segments.last().map(|s| s.ident.to_string()).unwrap_or_default();
        lines.push(quote! {
            def.interfaces.push((#text, <dyn #path>::entry(|view| {
                Box::new(<#name<'_> as ::thunder_ir::op::Op<'_>>::from_view(view))
            })));
        });
    }
    quote! {
        static DEFINITION: ::std::sync::LazyLock<::thunder_ir::op::OpDef> =
            ::std::sync::LazyLock::new(|| {
                let mut def = ::thunder_ir::op::OpDef::new(#full, #docs);
                #(#lines)*
                def
            });
        &DEFINITION
    }
}

fn value_spec(list: &str, name: &str, doc: &str, arity: &str, constraint: &Type, label: &str) -> TokenStream {
    let list = Ident::new(list, Span::call_site());
    let arity = Ident::new(arity, Span::call_site());
    quote! {
        def.#list.push(::thunder_ir::op::ValueSpec {
            name: #name,
            doc: #doc,
            arity: ::thunder_ir::op::Arity::#arity,
            constraint: ::thunder_ir::constraint::Constraint::of::<#constraint>(),
            label: #label,
        });
    }
}

fn hook_line(hook: &str, name: &Ident) -> TokenStream {
    let op = quote!(<#name<'_> as ::thunder_ir::op::Op<'_>>::from_view(view.clone()));
    match hook {
        "verify" => quote! {
            def.hooks.verify = Some(|view| ::thunder_ir::op::Verify::verify(&#op));
        },
        "verify_regions" => quote! {
            def.hooks.verify_regions =
                Some(|view| ::thunder_ir::op::VerifyRegions::verify_regions(&#op));
        },
        "infer" => quote! {
            def.hooks.infer = Some(|view| ::thunder_ir::op::Infer::infer(&#op));
        },
        "fold" => quote! {
            def.hooks.fold = Some(|view, constants| ::thunder_ir::op::Fold::fold(&#op, constants));
        },
        "canonicalize" => quote! {
            def.hooks.canonicalize = Some(<#name<'_> as ::thunder_ir::op::Canonicalize>::canonicalize);
        },
        "effects" => quote! {
            def.effects = ::thunder_ir::op::EffectSpec::Custom(
                |view| ::thunder_ir::op::MemoryEffects::effects(&#op),
            );
        },
        _ => quote! {
            def.hooks.parse = Some(|p| <#name<'_> as ::thunder_ir::op::Assembly>::parse(p));
            def.hooks.print = Some(|view, p| ::thunder_ir::op::Assembly::print(&#op, p));
        },
    }
}

fn accessors(parts: &[Part]) -> Vec<TokenStream> {
    let (mut operand, mut result, mut attribute, mut region, mut successor) = (0, 0, 0, 0, 0);
    let next = |counter: &mut usize| {
        *counter += 1;
        *counter - 1
    };
    let mut out = Vec::new();
    for Part { name, doc, kind, .. } in parts {
        let doc = if doc.is_empty() { format!("The field `{name}`.") } else { doc.clone() };
        out.push(match kind {
            Kind::Operand(arity, _) => value_accessor(name, &doc, arity, "operand", next(&mut operand)),
            Kind::Produces(arity, _) => value_accessor(name, &doc, arity, "result", next(&mut result)),
            Kind::Attribute { kind, optional, .. } => {
                let index = next(&mut attribute);
                if *optional {
                    quote! {
                        #[doc = #doc]
                        pub fn #name(&self) -> Option<<#kind as ::thunder_ir::attr::AttrKind>::Value<'c>> {
                            self.view.optional_attr::<#kind>(#index)
                        }
                    }
                } else {
                    quote! {
                        #[doc = #doc]
                        #[track_caller]
                        pub fn #name(&self) -> <#kind as ::thunder_ir::attr::AttrKind>::Value<'c> {
                            self.view.attr::<#kind>(#index)
                        }
                    }
                }
            }
            Kind::Region { variadic } => {
                let index = next(&mut region);
                if *variadic {
                    quote! {
                        #[doc = #doc]
                        #[track_caller]
                        pub fn #name(&self) -> Vec<::thunder_ir::Region<'c>> {
                            self.view.operation().regions().skip(#index).collect()
                        }
                    }
                } else {
                    quote! {
                        #[doc = #doc]
                        #[track_caller]
                        pub fn #name(&self) -> ::thunder_ir::Region<'c> {
                            self.view.region(#index)
                        }
                    }
                }
            }
            Kind::Successor { variadic } => {
                let index = next(&mut successor);
                if *variadic {
                    quote! {
                        #[doc = #doc]
                        #[track_caller]
                        pub fn #name(&self) -> Vec<::thunder_ir::Block<'c>> {
                            self.view.operation().successors().split_off(#index)
                        }
                    }
                } else {
                    quote! {
                        #[doc = #doc]
                        #[track_caller]
                        pub fn #name(&self) -> ::thunder_ir::Block<'c> {
                            self.view.successor(#index)
                        }
                    }
                }
            }
        });
    }
    out
}

fn value_accessor(name: &Ident, doc: &str, arity: &str, what: &str, index: usize) -> TokenStream {
    let one = Ident::new(what, Span::call_site());
    let group = format_ident!("{what}_group");
    let (ty, body) = match arity {
        "One" => (quote!(::thunder_ir::Value<'c>), quote!(self.view.#one(#index))),
        "Optional" => (quote!(Option<::thunder_ir::Value<'c>>), quote!(self.view.#group(#index).first().copied())),
        _ => (quote!(Vec<::thunder_ir::Value<'c>>), quote!(self.view.#group(#index))),
    };
    quote! {
        #[doc = #doc]
        #[track_caller]
        pub fn #name(&self) -> #ty {
            #body
        }
    }
}

/// Like `quote!`, with local variables that no field's name can be taken for.
macro_rules! own {
    ($($token:tt)*) => { quote_spanned!(Span::mixed_site() => $($token)*) };
}

fn builder(arguments: &Arguments, name: &Ident, visibility: &syn::Visibility, parts: &[Part]) -> TokenStream {
    let infers = arguments.has("infer")
        || (arguments.has("same_type") && parts.iter().any(|p| matches!(p.kind, Kind::Operand("One", _))));
    let mut parameters = Vec::new();
    let mut names = Vec::new();
    let mut groups = Vec::new();
    let mut attributes = Vec::new();
    let mut successors = Vec::new();
    let mut results = Vec::new();
    let mut result_parameters = Vec::new();
    let mut single_result = None;
    let mut result_fields = 0;
    for Part { name: field, kind, .. } in parts {
        match kind {
            Kind::Operand("One", _) => {
                parameters.push(own!(#field: ::thunder_ir::Value<'c>));
                groups.push(own!(vec![#field]));
                names.push(field);
            }
            Kind::Operand("Optional", _) => {
                parameters.push(own!(#field: Option<::thunder_ir::Value<'c>>));
                groups.push(own!(#field.into_iter().collect()));
                names.push(field);
            }
            Kind::Operand(..) => {
                parameters.push(own!(#field: &[::thunder_ir::Value<'c>]));
                groups.push(own!(#field.to_vec()));
                names.push(field);
            }
            Kind::Attribute { kind, optional, .. } => {
                let key = field.to_string();
                let key = key.trim_start_matches("r#");
                let value = own!(<#kind as ::thunder_ir::attr::AttrKind>::Value<'c>);
                let convert = own!(<#kind as ::thunder_ir::attr::AttrKind>::to_attribute);
                if *optional {
                    parameters.push(own!(#field: Option<#value>));
                    attributes.push(own! {
                        if let Some(value) = #field {
                            attributes.push((#key, #convert(b.context(), value)?));
                        }
                    });
                } else {
                    parameters.push(own!(#field: #value));
                    attributes.push(own!(attributes.push((#key, #convert(b.context(), #field)?));));
                }
                names.push(field);
            }
            Kind::Successor { variadic } => {
                if *variadic {
                    parameters.push(own!(#field: &[::thunder_ir::Block<'c>]));
                    successors.push(own!(successors.extend(#field);));
                } else {
                    parameters.push(own!(#field: ::thunder_ir::Block<'c>));
                    successors.push(own!(successors.push(#field);));
                }
                names.push(field);
            }
            Kind::Produces(arity, _) => {
                result_fields += 1;
                single_result = (*arity == "One").then_some(field);
                if !infers {
                    if *arity == "One" {
                        result_parameters.push((field, own!(#field: ::thunder_ir::Type<'c>)));
                        results.push(own!(results.push(#field);));
                    } else {
                        result_parameters.push((field, own!(#field: &[::thunder_ir::Type<'c>])));
                        results.push(own!(results.extend_from_slice(#field);));
                    }
                }
            }
            Kind::Region { .. } => {}
        }
    }
    for (field, parameter) in result_parameters {
        names.push(field);
        parameters.push(parameter);
    }
    let results = if infers { own!(None) } else { own!(Some({ let mut results = Vec::new(); #(#results)* results })) };
    let method = method_name(&arguments.name.value());
    let extension = format_ident!("Build{name}");
    let (output, finish) = match single_result {
        Some(field) if result_fields == 1 => (own!(::thunder_ir::Value<'c>), own!(op.#field())),
        _ => (own!(#name<'c>), own!(op)),
    };
    let build_doc = format!("Makes a `{}` at the insertion point.", arguments.name.value());
    let trait_doc = format!("The method that makes a `{}`.", arguments.name.value());
    own! {
        impl<'c> #name<'c> {
            #[doc = #build_doc]
            #[track_caller]
            #[allow(dead_code, clippy::too_many_arguments, unused_mut, clippy::vec_init_then_push, reason = "generated")]
            pub fn build(
                b: &::thunder_ir::Builder<'c>,
                #(#parameters),*
            ) -> ::thunder_ir::Result<Self> {
                let mut attributes = Vec::new();
                #(#attributes)*
                let mut successors = Vec::new();
                #(#successors)*
                let results: Option<Vec<::thunder_ir::Type<'c>>> = #results;
                let view = ::thunder_ir::op::build(
                    b,
                    <Self as ::thunder_ir::op::Op<'c>>::definition(),
                    &[#(#groups),*],
                    attributes,
                    successors,
                    results,
                )?;
                Ok(<Self as ::thunder_ir::op::Op<'c>>::from_view(view))
            }
        }

        #[doc = #trait_doc]
        #[allow(dead_code, reason = "not every op is built")]
        #visibility trait #extension<'c> {
            #[doc = #build_doc]
            #[track_caller]
            #[allow(clippy::too_many_arguments, reason = "generated")]
            fn #method(&self, #(#parameters),*) -> ::thunder_ir::Result<#output>;
        }

        impl<'c> #extension<'c> for ::thunder_ir::Builder<'c> {
            fn #method(&self, #(#parameters),*) -> ::thunder_ir::Result<#output> {
                let op = #name::build(self, #(#names),*)?;
                Ok(#finish)
            }
        }
    }
}

/// The op's name without its dialect, as a method: keywords of Rust get a trailing underscore.
fn method_name(full: &str) -> Ident {
    let mnemonic = full.split_once('.').map_or(full, |(_, rest)| rest).replace('.', "_");
    syn::parse_str::<Ident>(&mnemonic).unwrap_or_else(|_| format_ident!("{mnemonic}_"))
}
