//! Attribute and derive macros behind `thunder-ir`: ops, passes and attributes from structs.
//!
//! What each macro accepts is documented where `thunder-ir` re-exports it; errors point at the
//! token that is wrong.

mod attr_kind;
mod doc;
mod op;
mod pass;

use proc_macro::TokenStream;
use syn::{DeriveInput, ItemStruct, parse_macro_input};

/// Turns a struct into an operation: its fields are operands, results, attributes, regions and
/// successors, and it becomes the typed handle of one such operation.
///
/// ```ignore
/// /// Sum of two tensors.
/// #[op("my.add", pure, commutative, same_type)]
/// pub struct Add { lhs: Operand<Tensor<Number>>, rhs: Operand<Tensor<Number>>, sum: Produces<Tensor<Number>> }
/// ```
///
/// Fields: `Operand<C>`, `OptionalOperand<C>`, `Variadic<C>`; `Produces<C>`, `ProducesMany<C>`;
/// `Attr<K>`, `OptionalAttr<K>`; `Region`, `Regions`; `Successor`, `Successors`, with a type
/// constraint `C` or an attribute kind `K`. `#[default(expr)]` on an `Attr` gives the value that an
/// absent one means; `#[c(n)]` names the labelled constraint that the field's type is part of.
///
/// After the name come, in any order: `pure`; traits of MLIR (`commutative`, `terminator`,
/// `isolated_from_above`, `constant_like`, `same_type`, `same_shape`, `elementwise`, `idempotent`,
/// `involution`, `symbol_table`, `single_block`, `no_terminator`, ...); `symbol`, `graph_region`;
/// the hooks that the struct implements (`verify`, `verify_regions`, `infer`, `fold`,
/// `canonicalize`, `effects`, `assembly`); and `interfaces(A, B)`.
#[proc_macro_attribute]
pub fn op(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let arguments = parse_macro_input!(arguments as op::Arguments);
    let item = parse_macro_input!(item as ItemStruct);
    op::expand(&arguments, &item).unwrap_or_else(|e| e.to_compile_error()).into()
}

/// Turns a struct into a pass: its fields are the pass's options.
///
/// ```ignore
/// /// Fuses elementwise chains.
/// #[pass("my-fuse", on = "func.func", dialects("linalg"))]
/// pub struct Fuse {
///     /// How many ops a group may hold.
///     #[default(16)]
///     limit: usize,
/// }
/// ```
#[proc_macro_attribute]
pub fn pass(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let arguments = parse_macro_input!(arguments as pass::Arguments);
    let item = parse_macro_input!(item as ItemStruct);
    pass::expand(&arguments, &item).unwrap_or_else(|e| e.to_compile_error()).into()
}

/// Makes an enum or a struct an attribute kind.
///
/// An enum without data is stored as a string, spelled in snake case. A struct is stored as a
/// dictionary of its fields, each of which is an attribute kind whose value is itself.
#[proc_macro_derive(AttrKind)]
pub fn attr_kind(item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as DeriveInput);
    attr_kind::expand(&item).unwrap_or_else(|e| e.to_compile_error()).into()
}
