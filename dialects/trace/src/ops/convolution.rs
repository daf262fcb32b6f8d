//! Convolution and pooling over windows.

use std::panic::Location;

use thunder_dialect::build::*;

use crate::Tensor;

/// How a window moves over the spatial dimensions; an entry for each, or none for the defaults.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// The steps between positions: 1 in convolutions, the window's size in pooling.
    pub stride: Option<Vec<i64>>,
    /// How many elements come before and after each dimension: zeros, or none that count in a maximum.
    pub padding: Option<Vec<i64>>,
    /// How many more come after, so that windows which begin in what there is but end behind it count as well.
    pub overhang: Option<Vec<i64>>,
    /// The steps between elements of the window.
    pub dilation: Option<Vec<i64>>,
}

impl Window {
    fn padding(&self) -> Option<Vec<Vec<i64>>> {
        let count = self.padding.as_ref().or(self.overhang.as_ref())?.len();
        let at =
            |list: &Option<Vec<i64>>, axis: usize| list.as_ref().and_then(|list| list.get(axis)).copied().unwrap_or(0);
        let pair = |axis| {
            let width = at(&self.padding, axis);
            vec![width, width.saturating_add(at(&self.overhang, axis))]
        };
        Some((0..count).map(pair).collect())
    }
}

impl<'t> Tensor<'t> {
    /// Convolution of `[batch, channels, space...]` with `[features, channels / groups, window...]`.
    #[track_caller]
    pub fn convolution(
        self,
        weight: Tensor<'t>,
        bias: impl Into<Option<Tensor<'t>>>,
        window: &Window,
        groups: i64,
    ) -> Self {
        let _at = self.site.at(Location::caller());
        let bias = bias.into();
        let (stride, padding, dilation) = (window.stride.clone(), window.padding(), window.dilation.clone());
        self.site.op(&self.and([Some(weight), bias]), |b| {
            b.convolution(self.value, weight.value, bias.map(Self::value), stride, padding, dilation, groups)
        })
    }

    /// Largest element of each window of `size`.
    #[track_caller]
    pub fn max_pool(self, size: &[i64], window: &Window) -> Self {
        let _at = self.site.at(Location::caller());
        let (stride, padding, dilation) = (window.stride.clone(), window.padding(), window.dilation.clone());
        self.site.op(&[self], |b| b.max_pool(self.value, size.to_vec(), stride, padding, dilation))
    }

    /// Largest element of each window of `size`, and where that is: its number in row-major order of the space.
    #[track_caller]
    pub fn max_pool_with_indices(self, size: &[i64], window: &Window) -> (Self, Self) {
        let _at = self.site.at(Location::caller());
        let (stride, padding, dilation) = (window.stride.clone(), window.padding(), window.dilation.clone());
        let places = self.site.op(&[self], |b| b.max_pool_index(self.value, size.to_vec(), stride, padding, dilation));
        (self.max_pool(size, window), places)
    }

    /// Arithmetic mean of each window of `size`, where padding counts as zeros or not at all.
    #[track_caller]
    pub fn avg_pool(self, size: &[i64], window: &Window, counts_padding: bool) -> Self {
        let _at = self.site.at(Location::caller());
        if window.dilation.is_some() {
            self.site.fail("windows of means have no dilation");
        }
        let (stride, padding) = (window.stride.clone(), window.padding());
        self.site.op(&[self], |b| b.avg_pool(self.value, size.to_vec(), stride, padding, counts_padding))
    }

    /// Transposed convolution of `[batch, channels, space...]` with `[channels, features / groups, window...]`: each
    /// element is spread over a window of the result, `stride` elements after the one before it.
    ///
    /// Of the result, `padding` elements are cut off at both ends, but `extra` less behind.
    #[track_caller]
    pub fn conv_transpose(
        self,
        weight: Tensor<'t>,
        bias: impl Into<Option<Tensor<'t>>>,
        window: &Window,
        extra: &[i64],
        groups: i64,
    ) -> Self {
        let _at = self.site.at(Location::caller());
        let space = weight.rank().saturating_sub(2);
        let (outer, taps) = (weight.shape(), &weight.sizes()[2.min(weight.rank())..]);
        if space == 0 || self.rank() != space + 2 || extra.len() != space || groups < 1 {
            self.site.fail(format!("{self} has no transposed convolution with {weight} in {groups} groups"));
        }
        let at = |list: &Option<Vec<i64>>, axis: usize, default| {
            list.as_ref().and_then(|list| list.get(axis)).copied().unwrap_or(default)
        };
        let (mut low, mut high, mut interior) = (vec![0; 2], vec![0; 2], vec![0; 2]);
        for (axis, taps) in taps.iter().enumerate() {
            let Some(taps) = taps.known() else { self.site.fail(format!("{weight} is a window of dynamic size")) };
            let reach = at(&window.dilation, axis, 1).saturating_mul(taps - 1);
            let cut = at(&window.padding, axis, 0);
            low.push(reach - cut);
            high.push(reach - cut + extra[axis]);
            interior.push(at(&window.stride, axis, 1) - 1);
        }
        let zero = self.site.literal(0.into(), self.dtype().part());
        let apart = self.site.op(&[self], |b| b.pad(self.value, low, high, interior, zero));
        // Windows mirrored, with channels and features of each group in each other's place.
        let mirrored = weight.flip((2..weight.rank() as i64).collect::<Vec<_>>());
        let grouped = [&[crate::Dim::from(groups), outer[0].clone() / groups][..], &outer[1..]].concat();
        let features = outer[1].clone() * groups;
        let turned = mirrored.reshape(grouped).transpose(1, 2);
        let turned = turned.reshape([&[features, outer[0].clone() / groups][..], &outer[2..]].concat());
        apart.convolution(turned, bias, &Window { dilation: window.dilation.clone(), ..Window::default() }, groups)
    }
}
