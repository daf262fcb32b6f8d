//! Products of matrices.

use std::panic::Location;

use thunder_dialect::build::*;
use thunder_interface::Dim as Size;
use thunder_ir::Type;
use thunder_tensor::DType;

use crate::Tensor;

impl<'t> Tensor<'t> {
    /// Matrix product of the last two dimensions, where outer ones broadcast; a vector is a row on the
    /// left, a column on the right.
    #[track_caller]
    pub fn matmul(self, other: Tensor<'t>) -> Self {
        let _at = self.site.at(Location::caller());
        match (self.rank(), other.rank()) {
            (0, _) | (_, 0) => self.site.fail("a product of matrices has no operand of rank 0"),
            (1, 1) => self.unsqueeze(0).matmul(other.unsqueeze(1)).reshaped(Vec::new()),
            (1, _) => self.unsqueeze(0).matmul(other).squeeze(-2),
            (_, 1) => self.matmul(other.unsqueeze(1)).squeeze(-1),
            (rank, 2) if rank > 2 => self.rows_times(other),
            _ => {
                let (x, y) = (self.sizes(), other.sizes());
                let outer = self.site.broadcast_sizes(&x[..x.len() - 2], &y[..y.len() - 2]);
                let stacked =
                    |tensor: Tensor<'t>, own: &[Size]| tensor.broadcast(&[&outer, &own[own.len() - 2..]].concat());
                let (x, y) = (stacked(self, &x), stacked(other, &y));
                self.site.op(&[x, y], |b| b.matmul(x.value, y.value))
            }
        }
    }

    /// The product of all rows with one matrix: they are one long matrix.
    fn rows_times(self, matrix: Tensor<'t>) -> Self {
        let sizes = self.sizes();
        let (inner, outer) = (sizes[sizes.len() - 1].clone(), &sizes[..sizes.len() - 1]);
        let rows = self.reshaped(vec![Size::product(outer), inner]);
        let product = rows.matmul(matrix);
        product.reshaped([outer, &product.sizes()[1..]].concat())
    }

    /// Matrix product of floats of 8 bits, each multiplied with its matrix's scale, an `f32` of rank 0; the sums, with a bias of
    /// one element for each column, become `dtype`.
    #[track_caller]
    pub fn scaled_matmul(
        self,
        other: Tensor<'t>,
        scales: [Tensor<'t>; 2],
        bias: impl Into<Option<Tensor<'t>>>,
        dtype: DType,
    ) -> Self {
        let _at = self.site.at(Location::caller());
        let bias = bias.into();
        if self.rank() != 2 || other.rank() != 2 {
            self.site.fail("a product of floats of 8 bits has matrices as operands");
        }
        let sizes = [self.sizes()[0].known(), other.sizes()[1].known()];
        let ty = Type::tensor(self.site.element(dtype), &sizes);
        let operands: Vec<_> = [self, other].into_iter().chain(scales).chain(bias).collect();
        let [x, y] = scales.map(|scale| scale.value);
        let bias = bias.map(|bias| bias.value);
        self.site.op(&operands, |b| b.scaled_matmul(self.value, other.value, x, y, bias, ty))
    }

    /// Linear layer `self * transpose(weight) + bias` over the last dimension.
    #[track_caller]
    pub fn linear(self, weight: Tensor<'t>, bias: impl Into<Option<Tensor<'t>>>) -> Self {
        let _at = self.site.at(Location::caller());
        let bias = bias.into();
        let operands: Vec<_> = [self, weight].into_iter().chain(bias).collect();
        self.site.op(&operands, |b| b.linear(self.value, weight.value, bias.map(|bias| bias.value)))
    }
}
