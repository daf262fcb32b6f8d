//! Convolutions, whatever dimensions are in whatever place.

use thunder_trace::{DType, Dim, Tensor, Window};

use super::shape::permuted;
use super::{Entry, tensor};
use crate::arguments::{Answer, gap, malformed};
use crate::stablehlo::call::Call;

pub(super) const OPS: &[Entry] = &[tensor("stablehlo.convolution", convolution)];

fn convolution<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    let (x, weight) = (c.tensor(0)?, c.tensor(1)?);
    let rank = x.rank();
    let ordered = |names: [&str; 3]| -> Answer<Vec<i64>> {
        let order = [vec![c.axis(names[0], rank)?, c.axis(names[1], rank)?], c.axes(names[2], rank)?].concat();
        let mut sorted = order.clone();
        sorted.sort_unstable();
        if sorted.into_iter().ne(0..rank) {
            return malformed(format!("dimensions {order:?} of a tensor of rank {rank}"));
        }
        Ok(order.into_iter().map(|axis| axis as i64).collect())
    };
    if weight.rank() != rank || rank < 2 {
        return malformed(format!("a convolution of {x} with {weight}"));
    }
    let input = ordered(["input_batch_dimension", "input_feature_dimension", "input_spatial_dimensions"])?;
    let kernel =
        ordered(["kernel_output_feature_dimension", "kernel_input_feature_dimension", "kernel_spatial_dimensions"])?;
    let output = ordered(["output_batch_dimension", "output_feature_dimension", "output_spatial_dimensions"])?;
    let space = rank - 2;
    if space > 3 {
        return gap(format!("{space} dimensions of space"));
    }
    let stride = c.ints_or("window_strides", 1, space)?;
    let spread = c.ints_or("lhs_dilation", 1, space)?;
    let dilation = c.ints_or("rhs_dilation", 1, space)?;
    let reversal = c.ints_or("window_reversal", 0, space)?;
    let (low, high) = c.pairs("padding", space)?;
    let [groups, batch_groups] = ["feature_group_count", "batch_group_count"].map(|name| {
        let count = if c.has(name) { c.int(name)? } else { 1 };
        if count < 1 { malformed(format!("'{name}' is {count}")) } else { Ok(count) }
    });
    let (groups, batch_groups) = (groups?, batch_groups?);
    if [&stride, &spread, &dilation].into_iter().flatten().any(|step| *step < 1) {
        return malformed(format!("steps {stride:?}, dilated by {spread:?} and {dilation:?}"));
    }
    // Integers are summed up exactly as long as floats hold them.
    let result = c.result(0)?.element.dtype().unwrap_or(x.dtype());
    let dtype = if result.is_float() { result } else { DType::F64 };
    let mut x = permuted(x.to(dtype), &input);
    let mut weight = permuted(weight.to(dtype), &kernel);
    let reversed: Vec<i64> = (0..space).filter(|axis| reversal[*axis] != 0).map(|axis| axis as i64 + 2).collect();
    if !reversed.is_empty() {
        weight = weight.flip(reversed);
    }
    let mut window = Window { stride: Some(stride), dilation: Some(dilation), ..Window::default() };
    if spread.iter().any(|step| *step > 1) || low.iter().chain(&high).any(|width| *width < 0) {
        let [low, high] = [&low, &high].map(|list| [&[0, 0], &list[..]].concat());
        let between: Vec<i64> = [0, 0].into_iter().chain(spread.iter().map(|step| step - 1)).collect();
        x = x.pad_between(&low, &high, &between, 0);
    } else {
        window.overhang = Some(low.iter().zip(&high).map(|(low, high)| high - low).collect());
        window.padding = Some(low);
    }
    if batch_groups > 1 {
        x = batches_as_channels(x, batch_groups)?;
    }
    let made = if space == 0 {
        // A place without space is a space of one place.
        window = Window::default();
        x.unsqueeze(-1).convolution(weight.unsqueeze(-1), None, &window, groups.max(batch_groups)).squeeze(-1)
    } else {
        x.convolution(weight, None, &window, groups.max(batch_groups))
    };
    let mut order = vec![0; rank];
    output.iter().enumerate().for_each(|(place, axis)| order[*axis as usize] = place as i64);
    Ok(permuted(made, &order).to(result))
}

/// Groups of batches, which see weights of their own, as groups of channels.
fn batches_as_channels(x: Tensor<'_>, groups: i64) -> Answer<Tensor<'_>> {
    let dims = x.shape();
    match dims[0].known() {
        Some(batches) if batches % groups == 0 => {
            let [batch, channels] = [Dim::from(batches / groups), dims[1].clone()];
            let apart = x.reshape([&[Dim::from(groups), batch.clone()], &dims[1..]].concat());
            let channels = channels * groups;
            Ok(apart.transpose(0, 1).reshape([&[batch, channels], &dims[2..]].concat()))
        }
        Some(batches) => malformed(format!("{batches} batches are no {groups} groups")),
        None => gap("groups of batches of dynamic size"),
    }
}
