//! Products with what a kernel computes from their elements, and whether it pays to make them one kernel.

use std::cell::Cell;

use super::Work;
use super::fragment::Fragment;
use super::kernel::Fusion;
use super::map::{Groups, UNIT};
use super::tile::Tile;
use crate::cuda::mma::Product;
use crate::program::{DimId, Dims, Fused, LANES};

/// The least part of the GPU's time that is to be spent on sums so that a fused product pays, as tiles count, and the least
/// terms of a sum. On an H200, the gated products of 2048 rows, 1536 columns and 384 terms pay, of which tiles keep it busy for
/// 0.73 of the time: six layers with these take 284 us, and 298 us where other kernels compute from the products.
const BUSY: f64 = 0.6;
const TERMS: usize = 256;

/// One whose sizes are known, at addresses that are multiples of 16.
#[derive(Clone, Debug)]
pub(super) struct FusedProduct {
    pub(super) product: Product,
    /// Of the second product's rhs: from one column to the next, and from one term of the sums to the next.
    pub(super) second: Option<[usize; 2]>,
    /// How columns of rhs lie, where they are in groups.
    pub(super) groups: Option<Groups>,
    pub(super) fusion: Fusion,
    /// The numbers that are given to the code.
    pub(super) numbers: Vec<u64>,
}

impl FusedProduct {
    /// Says why there is no form for it.
    pub(super) fn new(op: &Fused, size: &dyn Fn(DimId) -> usize) -> Result<Self, String> {
        let product = Product::new(&op.product, size, &[UNIT; 4]);
        let [_, n, k] = product.size;
        let strides = |(stride, extent): (DimId, usize)| if extent > 1 { size(stride) } else { 0 };
        let second = op.second.map(|second| [(second.column, n), (second.row, k)].map(strides));
        if !n.is_multiple_of(LANES) || !is_dense(&product) {
            return Err("products that are not dense, or whose rows are no multiple of 8".into());
        }
        let fragment = Fragment::read(&op.code).map_err(|unknown| format!("code in which {unknown}"))?;
        let (words, further) = (op.count() * LANES / 2, op.pointers.len() + op.numbers.len());
        if (fragment.words(), fragment.further()) != (words, further) {
            return Err(format!("code that takes other than {words} words and {further} numbers"));
        }
        let groups = op.groups.map(|groups| Groups { width: size(groups.width), stride: size(groups.stride) });
        if groups.is_some_and(|groups| groups.width == 0 || product.bias) {
            return Err("a bias of columns in groups".into());
        }
        let numbers = op.numbers.iter().map(|&number| size(number) as u64).collect();
        let fusion = Fusion { kept: op.kept.clone(), fragment };
        Ok(Self { product, second, groups, fusion, numbers })
    }

    /// How many products there are.
    pub(super) fn count(&self) -> usize {
        self.fusion.kept.len()
    }

    /// The second product, if there is one.
    pub(super) fn second(&self) -> Option<Product> {
        self.second.map(|rhs| Product { rhs, ..self.product.clone() })
    }

    /// `None` where there is nothing to compute, or where operands cannot be brought.
    pub(super) fn work(&self, multiprocessors: usize) -> Option<Work> {
        Work::of(&self.product, Some(self), multiprocessors)
    }

    /// Whether tiles keep the GPU busy, and what is done with sums is little beside these.
    fn pays(&self, work: &Work, multiprocessors: usize) -> bool {
        let [m, n, k] = self.product.size;
        let count = self.product.batch.iter().map(|dim| dim[0]).product::<usize>() * self.count();
        let sums = m as f64 * n as f64 * count as f64;
        k >= TERMS && Tile::least(sums, multiprocessors) >= BUSY * work.time
    }
}

/// Whether all is of constant size, has a form, and pays if it is to.
pub(super) fn pays(op: &Fused, dims: &Dims, multiprocessors: usize, always: bool) -> bool {
    let is_known = Cell::new(true);
    let size = |dim: DimId| {
        let constant = dims.as_constant(dim);
        is_known.set(is_known.get() && constant.is_some());
        constant.unwrap_or(0) as usize
    };
    let Ok(fused) = FusedProduct::new(op, &size) else { return false };
    let work = fused.work(multiprocessors).filter(|_| is_known.get());
    work.is_some_and(|work| always || fused.pays(&work, multiprocessors))
}

/// Whether elements of the result follow each other.
fn is_dense(product: &Product) -> bool {
    let [m, n, _] = product.size;
    let [row, column] = product.out;
    let mut all = m.wrapping_mul(n);
    (m <= 1 || row == n)
        && (n <= 1 || column == 1)
        && product.batch.iter().rev().all(|dim| {
            let follows = dim[3] == all;
            all = all.wrapping_mul(dim[0]);
            follows
        })
}
