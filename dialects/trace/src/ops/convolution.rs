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
    /// The steps between elements of the window.
    pub dilation: Option<Vec<i64>>,
}

impl Window {
    fn padding(&self) -> Option<Vec<Vec<i64>>> {
        self.padding.as_ref().map(|padding| padding.iter().map(|width| vec![*width; 2]).collect())
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

    /// Arithmetic mean of each window of `size`, padding included.
    #[track_caller]
    pub fn avg_pool(self, size: &[i64], window: &Window) -> Self {
        let _at = self.site.at(Location::caller());
        if window.dilation.is_some() {
            self.site.fail("windows of means have no dilation");
        }
        let (stride, padding) = (window.stride.clone(), window.padding());
        self.site.op(&[self], |b| b.avg_pool(self.value, size.to_vec(), stride, padding, true))
    }
}
