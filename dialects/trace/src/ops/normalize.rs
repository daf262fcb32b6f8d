//! Normalizations.

use std::panic::Location;

use thunder_dialect::build::*;

use crate::Tensor;

impl<'t> Tensor<'t> {
    /// Exponentials along a dimension, divided by their sum.
    #[track_caller]
    pub fn softmax(self, axis: i64) -> Self {
        let _at = self.site.at(Location::caller());
        let axis = self.axis(axis) as i64;
        self.site.op(&[self], |b| b.softmax(self.value, axis))
    }

    /// Logarithm of the softmax.
    #[track_caller]
    pub fn log_softmax(self, axis: i64) -> Self {
        let _at = self.site.at(Location::caller());
        let axis = self.axis(axis) as i64;
        self.site.op(&[self], |b| b.log_softmax(self.value, axis))
    }

    /// Divides by the Euclidean length along a dimension, or by `eps` where that is longer.
    #[track_caller]
    pub fn normalize(self, axis: i64, eps: f64) -> Self {
        let _at = self.site.at(Location::caller());
        self / self.norm(axis).maximum(eps)
    }

    /// Layer normalization over the last `trailing` dimensions, which `weight` and `bias` have.
    #[track_caller]
    pub fn layer_norm(
        self,
        trailing: i64,
        weight: impl Into<Option<Tensor<'t>>>,
        bias: impl Into<Option<Tensor<'t>>>,
        eps: f64,
    ) -> Self {
        let _at = self.site.at(Location::caller());
        let (weight, bias) = (weight.into(), bias.into());
        self.site.op(&self.and([weight, bias]), |b| {
            b.layer_norm(self.value, weight.map(Self::value), bias.map(Self::value), trailing, eps)
        })
    }

    /// Division by the root of the mean square over the last `trailing` dimensions, which `weight` has.
    #[track_caller]
    pub fn rms_norm(self, trailing: i64, weight: impl Into<Option<Tensor<'t>>>, eps: f64) -> Self {
        let _at = self.site.at(Location::caller());
        let weight = weight.into();
        self.site.op(&self.and([weight]), |b| b.rms_norm(self.value, weight.map(Self::value), trailing, eps))
    }

    /// Normalization of groups of channels, which are dimension 1.
    #[track_caller]
    pub fn group_norm(
        self,
        groups: i64,
        weight: impl Into<Option<Tensor<'t>>>,
        bias: impl Into<Option<Tensor<'t>>>,
        eps: f64,
    ) -> Self {
        let _at = self.site.at(Location::caller());
        let (weight, bias) = (weight.into(), bias.into());
        self.site.op(&self.and([weight, bias]), |b| {
            b.group_norm(self.value, weight.map(Self::value), bias.map(Self::value), groups, eps)
        })
    }

    /// Normalization of each channel, which are dimension 1, by a mean and variance given.
    #[track_caller]
    pub fn batch_norm(
        self,
        mean: Tensor<'t>,
        variance: Tensor<'t>,
        weight: impl Into<Option<Tensor<'t>>>,
        bias: impl Into<Option<Tensor<'t>>>,
        eps: f64,
    ) -> Self {
        let _at = self.site.at(Location::caller());
        let (weight, bias) = (weight.into(), bias.into());
        self.site.op(&self.and([Some(mean), Some(variance), weight, bias]), |b| {
            let [weight, bias] = [weight, bias].map(|part| part.map(Self::value));
            b.batch_norm(self.value, mean.value, variance.value, weight, bias, eps)
        })
    }

    /// The operands of an op of which some may be absent.
    pub(crate) fn and<const N: usize>(self, others: [Option<Tensor<'t>>; N]) -> Vec<Tensor<'t>> {
        [self].into_iter().chain(others.into_iter().flatten()).collect()
    }
}
