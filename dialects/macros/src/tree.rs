//! `#[derive(Tree)]` on structs whose one type parameter is that of their leaves.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Data, DeriveInput, Error, Fields, GenericParam, Ident, Index, Result, TypeParam};

pub fn expand(item: &DeriveInput) -> Result<TokenStream> {
    let Data::Struct(data) = &item.data else {
        return Err(Error::new_spanned(&item.ident, "a tree is a struct"));
    };
    let leaf = leaf(item)?;
    let name = &item.ident;
    let fields = data.fields.iter().enumerate().map(|(index, field)| {
        let (member, step) = match &field.ident {
            Some(ident) => {
                let text = ident.to_string();
                let text = text.trim_start_matches("r#");
                (ident.to_token_stream(), quote!(path.field(#text)))
            }
            None => (Index::from(index).to_token_stream(), quote!(path.index(#index))),
        };
        if mentions(field.ty.to_token_stream(), &leaf.ident) {
            quote!(#member: ::thunder_trace::Tree::map(self.#member, &#step, f))
        } else {
            quote!(#member: self.#member)
        }
    });
    let fields = match data.fields {
        Fields::Unit => quote!(),
        _ => quote!({ #(#fields),* }),
    };
    let TypeParam { ident, bounds, .. } = leaf;
    Ok(quote! {
        #[automatically_derived]
        impl<#ident, TreeLeaf> ::thunder_trace::Tree<#ident, TreeLeaf> for #name<#ident>
        where
            #ident: ::thunder_trace::Tree<#ident, TreeLeaf, Mapped = TreeLeaf> + #bounds,
            TreeLeaf: #bounds,
        {
            type Mapped = #name<TreeLeaf>;
            fn map(
                self,
                path: &::thunder_trace::Path<'_>,
                f: &mut dyn FnMut(&::thunder_trace::Path<'_>, #ident) -> TreeLeaf,
            ) -> #name<TreeLeaf> {
                #name #fields
            }
        }
    })
}

/// The type parameter.
fn leaf(item: &DeriveInput) -> Result<&TypeParam> {
    let parameters: Vec<_> = item.generics.params.iter().collect();
    let [GenericParam::Type(leaf)] = parameters[..] else {
        let message = "a tree has one parameter, the type of its leaves: `struct Batch<T> { ids: T, mask: T }`";
        return Err(Error::new_spanned(&item.ident, message));
    };
    Ok(leaf)
}

/// Whether a field's type is made of leaves; other fields stay as they are.
fn mentions(tokens: TokenStream, name: &Ident) -> bool {
    tokens.into_iter().any(|token| match token {
        proc_macro2::TokenTree::Ident(ident) => ident == *name,
        proc_macro2::TokenTree::Group(group) => mentions(group.stream(), name),
        _ => false,
    })
}
