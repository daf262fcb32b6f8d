//! Broadcasting, which primitives never do by themselves.

use crate::compose::restated;
use crate::cotangent::{gathered, only};
use crate::{check_sizes, declared, fold_constants, fold_moved_splat, fold_to, producer, stated_dims, stated_shape};
use thunder_interface::{
    Cost, Differentiate, Dim, Dtypes, EvalError, Factor, Parts, Precision, Reference, Restate, SampleSet, Samples,
    ShapeInputs, ShapeRule, Shard, ShardRule, Strided, StridedView,
};
use thunder_ir::prelude::*;
use thunder_tensor::Tensor as HostTensor;

/// The operand repeated along new dimensions and along dimensions of size 1.
///
/// Dimension `i` of the operand becomes dimension `dims[i]` of the result. Whether it is repeated
/// is a matter of its type: one that is dynamic has the size of what it becomes.
///
/// - (C1) `dims` names a different dimension of the result for each one of the operand
/// - (C2) a dimension of the operand has the size 1 in its type, or that of what it becomes
/// - (C3) there is one operand in `sizes` for each dynamic dimension of the result, in order
/// - (C4) the operand and the result have one element type
///
/// ```mlir
/// %y = thunder.broadcast_in_dim %x, [%n] dims = [1] : (tensor<4xf32>, index) -> tensor<?x4xf32>
/// ```
#[op(
    "thunder.broadcast_in_dim",
    pure,
    verify,
    fold,
    interfaces(Reference, Restate, ShapeRule, Differentiate, Strided, Shard, Cost, Precision, Parts)
)]
pub struct BroadcastInDim {
    operand: Operand<Tensor>,
    sizes: Variadic<Index>,
    /// What each dimension of the operand becomes.
    dims: Attr<Vec<i64>>,
    out: Produces<Tensor>,
}

impl Verify for BroadcastInDim<'_> {
    fn verify(&self) -> Result {
        let (from, to) = (self.operand().ty(), self.out().ty());
        let (operand, result) = (declared(from), declared(to));
        let dims = self.dims();
        if dims.len() != operand.len() {
            let message = format!("(C1) {} entries for {} dimensions of the operand", dims.len(), operand.len());
            return Err(self.error(message));
        }
        for (index, dim) in dims.iter().enumerate() {
            if !(0..result.len() as i64).contains(dim) {
                let rank = result.len();
                return Err(self.error(format!("(C1) {dim} is not one of {rank} dimensions of the result")));
            }
            if dims[..index].contains(dim) {
                return Err(self.error(format!("(C1) dimension {dim} of the result is named twice")));
            }
            let (size, becomes) = (&operand[index], &result[*dim as usize]);
            if *size != Dim::Known(1) {
                size.unify(becomes).map_err(|e| self.error(format!("(C2) sizes of dimension {index} differ: {e}")))?;
            }
        }
        check_sizes(self, to, self.sizes().len(), "(C3)")?;
        if from.element() != to.element() {
            let (from, to) = (from.element(), to.element());
            return Err(self.error(format!("(C4) element types differ: '{from}' and '{to}'")));
        }
        Ok(())
    }
}

impl<'c> Restate<'c> for BroadcastInDim<'c> {
    fn restate(&self, b: &Builder<'c>, ty: Type<'c>) -> Result<Value<'c>> {
        restated(b, self, &self.sizes(), ty)
    }
}

impl ShapeRule for BroadcastInDim<'_> {
    fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
        let mut shape = stated_dims(self.out().ty(), &self.sizes(), inputs);
        let types = declared(self.operand().ty());
        for ((ty, size), dim) in types.iter().zip(&inputs.operands[0]).zip(self.dims()) {
            if *ty != Dim::Known(1) {
                let becomes = &mut shape[dim as usize];
                *becomes = becomes.unify(size).map_err(|e| self.error(format!("(C2) sizes differ: {e}")))?;
            }
        }
        Ok(vec![shape])
    }
}

impl Shard for BroadcastInDim<'_> {
    fn rule(&self) -> ShardRule {
        let sizes = declared(self.out().ty());
        let types = declared(self.operand().ty());
        // One element is repeated, unless one is all that there is.
        let moves = |ty: &Dim, dim: usize| *ty != Dim::Known(1) || sizes[dim] == Dim::Known(1);
        let operand =
            types.iter().zip(self.dims()).map(|(ty, dim)| moves(ty, dim as usize).then_some(Factor(dim as u32)));
        let mut operands = vec![operand.collect()];
        operands.resize(1 + self.sizes().len(), Vec::new());
        let rank = sizes.len() as u32;
        ShardRule { operands, results: vec![(0..rank).map(|i| Some(Factor(i))).collect()], reduced: Vec::new() }
    }
}

impl Strided for BroadcastInDim<'_> {
    fn view(&self, operand: &StridedView, sizes: &[Dim]) -> Option<StridedView> {
        let mut strides = vec![Dim::Known(0); sizes.len()];
        let types = declared(self.operand().ty());
        for ((ty, stride), dim) in types.iter().zip(&operand.strides).zip(self.dims()) {
            if *ty != Dim::Known(1) {
                strides[dim as usize] = stride.clone();
            }
        }
        Some(StridedView { sizes: sizes.to_vec(), strides, offset: operand.offset.clone() })
    }
}

impl Reference for BroadcastInDim<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        let shape = stated_shape(self.out().ty(), &inputs[1..])?;
        let dims: Vec<usize> = self.dims().iter().map(|d| *d as usize).collect();
        let types = declared(self.operand().ty());
        for ((ty, size), dim) in types.iter().zip(inputs[0].shape()).zip(&dims) {
            if *ty != Dim::Known(1) && *size != shape[*dim] {
                return Err(EvalError::Input(format!("(C2) sizes differ: {size} and {}", shape[*dim])));
            }
        }
        inputs[0].broadcast_in_dim(&shape, &dims).map(|t| vec![t]).map_err(|e| EvalError::Input(e.to_string()))
    }
}

impl<'c> Differentiate<'c> for BroadcastInDim<'c> {
    fn vjp(&self, b: &Builder<'c>, cotangents: &[Option<Value<'c>>]) -> Result<Vec<Option<Value<'c>>>> {
        let dims: Vec<usize> = self.dims().iter().map(|dim| *dim as usize).collect();
        let mut operands = vec![Some(gathered(b, only(cotangents)?, &dims, self.operand())?)];
        operands.resize(1 + self.sizes().len(), None);
        Ok(operands)
    }
}

impl<'c> Fold<'c> for BroadcastInDim<'c> {
    fn fold(&self, constants: &[Option<Attribute<'c>>]) -> Option<FoldOutcome<'c>> {
        let dims = self.dims();
        // broadcast(x) == x where every dimension stays as it is; dynamic ones do in the same type
        if dims.iter().enumerate().all(|(index, dim)| index as i64 == *dim)
            && let Some(folded) = fold_to(self, self.operand())
        {
            return Some(folded);
        }
        // broadcast(broadcast(x)) == broadcast(x), with the dimensions composed
        if let Some(inner) = producer::<BroadcastInDim<'c>>(self.operand())
            && keeps_sizes(&inner)
        {
            let composed: Vec<i64> = inner.dims().iter().map(|dim| dims[*dim as usize]).collect();
            self.operation().set_operand(0, inner.operand());
            self.operation().set_attribute("dims", Attribute::i64_array(self.context(), &composed));
            return Some(FoldOutcome::InPlace);
        }
        // A constant grows only if one element says all: the operand is the cheaper one to read.
        fold_moved_splat(self, constants[0]).or_else(|| {
            let grows = self.out().ty().as_tensor()?.static_dims()?.iter().product::<i64>()
                > self.operand().ty().as_tensor()?.static_dims()?.iter().product::<i64>();
            if grows { None } else { fold_constants(self, constants) }
        })
    }
}

/// Whether each dimension of the operand that is not 1 says in its type what it becomes, so that
/// nothing known about sizes is lost without the op.
fn keeps_sizes(op: &BroadcastInDim<'_>) -> bool {
    let result = declared(op.out().ty());
    let operand = declared(op.operand().ty());
    operand.iter().zip(op.dims()).all(|(size, dim)| *size == Dim::Known(1) || *size == result[dim as usize])
}

impl Cost for BroadcastInDim<'_> {
    fn flops(&self, _: &[Vec<i64>], _: &[Vec<i64>]) -> f64 {
        0.0
    }
}

impl Precision for BroadcastInDim<'_> {}

crate::complex::parts_apart!(BroadcastInDim);

impl Samples for BroadcastInDim<'_> {
    fn samples(s: &mut SampleSet) {
        for (from, dims, to, shape) in [
            ("17x", "[1]", "3x17x", &[17][..]),
            ("3x", "[0]", "3x17x", &[3]),
            ("3x1x", "[0, 2]", "3x5x7x", &[3, 1]),
            ("", "[]", "5x3x", &[]),
            ("0x1x", "[0, 1]", "0x4x", &[0, 1]),
            ("3x5x", "[1, 0]", "5x3x", &[3, 5]),
        ] {
            let (from, to) = (format!("tensor<{from}$T>"), format!("tensor<{to}$T>"));
            let body =
                format!("%r = thunder.broadcast_in_dim %x, [] dims = {dims} : {from} -> {to}\n  return %r : {to}");
            s.add(Dtypes::MOVED, &format!("(%x: {from}) -> {to}"), &body, &[shape]);
        }
        s.add(
            Dtypes::MOVED,
            "(%x: tensor<?x1x$T>, %y: tensor<?x$T>) -> tensor<?x?x?x$T>",
            "%n = thunder.dim %x axis = 0 : tensor<?x1x$T> -> index
             %m = thunder.dim %y axis = 0 : tensor<?x$T> -> index
             %r = thunder.broadcast_in_dim %x, [%m, %n, %m] dims = [1, 2]
               : (tensor<?x1x$T>, index, index, index) -> tensor<?x?x?x$T>
             return %r : tensor<?x?x?x$T>",
            &[&[5, 1], &[3]],
        );
    }
}
