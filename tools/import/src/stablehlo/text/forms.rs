//! What is special to the text of an op: the names of what stands there without one, and of what stands there by another.

use crate::stablehlo::program::{Attribute, Op};

/// How an op is written.
pub(super) struct Form {
    name: &'static str,
    /// What stands there without a name, in order.
    pub(super) positional: &'static [&'static str],
    /// What is called otherwise in text.
    renamed: &'static [(&'static str, &'static str)],
    /// Whether brackets hold ranges such as `0:2`.
    pub(super) has_ranges: bool,
}

const fn form(name: &'static str, positional: &'static [&'static str]) -> Form {
    Form { name, positional, renamed: &[], has_ranges: false }
}

const fn keys(name: &'static str, renamed: &'static [(&'static str, &'static str)]) -> Form {
    Form { name, positional: &[], renamed, has_ranges: false }
}

const FORMS: &[Form] = &[
    form("call", &["callee"]),
    form("func.call", &["callee"]),
    form("stablehlo.constant", &["value"]),
    form("stablehlo.compare", &["comparison_direction", "compare_type"]),
    form("stablehlo.composite", &["name"]),
    form("stablehlo.custom_call", &["call_target_name"]),
    form("stablehlo.get_tuple_element", &["index"]),
    form("chlo.constant", &["value"]),
    Form { has_ranges: true, ..form("stablehlo.slice", &["ranges"]) },
    keys("stablehlo.broadcast", &[("sizes", "broadcast_sizes")]),
    keys("stablehlo.broadcast_in_dim", &[("dims", "broadcast_dimensions")]),
    keys("stablehlo.concatenate", &[("dim", "dimension")]),
    keys("stablehlo.dynamic_broadcast_in_dim", &[("dims", "broadcast_dimensions")]),
    keys("stablehlo.dynamic_iota", &[("dim", "iota_dimension")]),
    keys("stablehlo.dynamic_slice", &[("sizes", "slice_sizes")]),
    keys("stablehlo.fft", &[("type", "fft_type"), ("length", "fft_length")]),
    keys("stablehlo.get_dimension_size", &[("dim", "dimension")]),
    keys("stablehlo.iota", &[("dim", "iota_dimension")]),
    keys(
        "stablehlo.pad",
        &[("low", "edge_padding_low"), ("high", "edge_padding_high"), ("interior", "interior_padding")],
    ),
    keys("stablehlo.reverse", &[("dims", "dimensions")]),
    keys("stablehlo.rng", &[("distribution", "rng_distribution")]),
    keys("stablehlo.rng_bit_generator", &[("algorithm", "rng_algorithm")]),
    keys("stablehlo.set_dimension_size", &[("dim", "dimension")]),
    keys("stablehlo.transpose", &[("dims", "permutation")]),
];

/// The form of an op that has one of its own.
pub(super) fn find(name: &str) -> Option<&'static Form> {
    FORMS.iter().find(|form| form.name == name)
}

impl Form {
    pub(super) fn renamed(&self, key: &str) -> Option<&'static str> {
        self.renamed.iter().find(|(from, _)| *from == key).map(|(_, to)| *to)
    }
}

/// Brings an op to the one form that programs have: names of functions and terminators, and attributes by themselves that
/// text gathers in one.
pub(super) fn normalize(op: &mut Op) {
    let name = match op.name.as_str() {
        "call" => "func.call",
        "return" | "func.return" | "stablehlo.return" => "return",
        _ => "",
    };
    if !name.is_empty() {
        op.name = name.to_owned();
    }
    for (key, value) in std::mem::take(&mut op.attributes) {
        let gathered = match (key.as_str(), value) {
            ("ranges", Attribute::List(parts)) => named(&["start_indices", "limit_indices", "strides"], parts),
            ("contracting_dims", Attribute::List(parts)) => {
                named(&["lhs_contracting_dimensions", "rhs_contracting_dimensions"], parts)
            }
            ("batching_dims", Attribute::List(parts)) => {
                named(&["lhs_batching_dimensions", "rhs_batching_dimensions"], parts)
            }
            ("dot_dimension_numbers" | "scatter_dimension_numbers" | "window", Attribute::Table(entries)) => entries,
            ("dimension_numbers", Attribute::Table(entries)) => entries,
            ("dim_numbers" | "dimension_numbers", Attribute::List(parts)) => convolution(&parts),
            ("format", Attribute::Word(format)) => precision(&format),
            (_, value) => vec![(key, value)],
        };
        op.attributes.extend(gathered);
    }
    // The keys of the window of a convolution.
    if op.name == "stablehlo.convolution" {
        for (key, _) in &mut op.attributes {
            let full = match key.as_str() {
                "stride" => "window_strides",
                "pad" => "padding",
                "lhs_dilate" => "lhs_dilation",
                "rhs_dilate" => "rhs_dilation",
                "reverse" => "window_reversal",
                _ => continue,
            };
            *key = full.to_owned();
        }
    }
}

fn named(names: &[&str], parts: Vec<Attribute>) -> Vec<(String, Attribute)> {
    names.iter().map(|name| (*name).to_owned()).zip(parts).collect()
}

/// `e5m10`.
fn precision(format: &str) -> Vec<(String, Attribute)> {
    let bits = format.strip_prefix('e').and_then(|bits| bits.split_once('m'));
    let parsed = bits.and_then(|(exponent, mantissa)| Some((exponent.parse().ok()?, mantissa.parse().ok()?)));
    parsed.map_or_else(Vec::new, |(exponent, mantissa)| {
        named(&["exponent_bits", "mantissa_bits"], vec![Attribute::Int(exponent), Attribute::Int(mantissa)])
    })
}

/// `[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]`.
fn convolution(parts: &[Attribute]) -> Vec<(String, Attribute)> {
    let mut attributes = Vec::new();
    let tensors = [
        [("b", "input_batch_dimension"), ("f", "input_feature_dimension"), ("", "input_spatial_dimensions")],
        [
            ("i", "kernel_input_feature_dimension"),
            ("o", "kernel_output_feature_dimension"),
            ("", "kernel_spatial_dimensions"),
        ],
        [("b", "output_batch_dimension"), ("f", "output_feature_dimension"), ("", "output_spatial_dimensions")],
    ];
    for (part, names) in parts.iter().zip(tensors) {
        let Attribute::List(dims) = part else { continue };
        let mut spatial = Vec::new();
        for (axis, dim) in dims.iter().enumerate() {
            match dim {
                Attribute::Word(word) => {
                    let name = names.iter().find(|(letter, _)| letter == word);
                    attributes.extend(name.map(|(_, name)| ((*name).to_owned(), Attribute::Int(axis as i64))));
                }
                Attribute::Int(number) => spatial.push((*number, axis as i64)),
                _ => {}
            }
        }
        spatial.sort_unstable();
        let spatial = spatial.into_iter().map(|(_, axis)| Attribute::Int(axis)).collect();
        attributes.push((names[2].1.to_owned(), Attribute::List(spatial)));
    }
    attributes
}
