//! Attribute and derive macros behind `thunder-ir` and `thunder-trace`: ops, types, attributes, passes
//! and trees of tensors from structs.
//!
//! What each macro accepts is documented where those re-export it; errors point at the token that is
//! wrong.

mod attr_kind;
mod doc;
mod field;
mod op;
mod parametric;
mod pass;
mod tree;

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

/// Makes a struct a type of a dialect: its fields are the parameters.
///
/// ```ignore
/// /// A box around `size` values of one type: `!my.box<f32, size = 4>`.
/// #[ty("my.box", verify)]
/// pub struct Boxed<'c> {
///     element: Type<'c>,
///     #[default(1)]
///     size: i64,
/// }
/// ```
///
/// Each field's type is an attribute kind whose value is itself: numbers, `bool`, `String`, `Vec`s, `Type<'c>`,
/// `Attribute<'c>`, enums and structs with `#[derive(AttrKind)]`, and structs of `#[ty]` and `#[attr]`.
/// `#[default(expr)]` gives the value that an absent parameter means. After the name may come `verify`, where the
/// struct implements `Verify`, and `assembly`, where it implements `ParameterAssembly`.
///
/// `Boxed::of(ty)` and `boxed.into_type(cx)` convert; `Operand<Boxed<'_>>` is an operand of such a type, and
/// `Attr<Boxed<'_>>` such a type as an attribute.
#[proc_macro_attribute]
pub fn ty(arguments: TokenStream, item: TokenStream) -> TokenStream {
    parametric(parametric::Sort::Type, arguments, item)
}

/// Makes a struct an attribute of a dialect: its fields are the parameters, as with [`macro@ty`].
///
/// ```ignore
/// /// The numbers from `low` up to `high`: `#my.range<low = 0, high = 8>`.
/// #[attr("my.range", verify)]
/// pub struct Range {
///     low: i64,
///     high: i64,
/// }
/// ```
///
/// `Range::of(attribute)` and `range.into_attribute(cx)` convert; `Attr<Range>` is an attribute of this kind.
#[proc_macro_attribute]
pub fn attr(arguments: TokenStream, item: TokenStream) -> TokenStream {
    parametric(parametric::Sort::Attribute, arguments, item)
}

fn parametric(sort: parametric::Sort, arguments: TokenStream, item: TokenStream) -> TokenStream {
    let arguments = parse_macro_input!(arguments as parametric::Arguments);
    let item = parse_macro_input!(item as ItemStruct);
    parametric::expand(sort, &arguments, &item).unwrap_or_else(|e| e.to_compile_error()).into()
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

/// Makes a struct a tree of tensors, the inputs or outputs of a traced function.
///
/// Its one type parameter is that of the leaves. Fields whose type mentions it are trees themselves,
/// and their names are steps of the leaves' paths; other fields stay as they are.
///
/// ```ignore
/// #[derive(Tree)]
/// struct Batch<T> { ids: T, masks: Vec<T> }
/// ```
#[proc_macro_derive(Tree)]
pub fn tree(item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as DeriveInput);
    tree::expand(&item).unwrap_or_else(|e| e.to_compile_error()).into()
}
