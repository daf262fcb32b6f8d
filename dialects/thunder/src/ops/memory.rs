//! The memory behind a function's arguments.

use thunder_interface::{Dtypes, Memory, MemoryAccess, SampleSet, Samples};
use thunder_ir::constraint::compatible;
use thunder_ir::prelude::*;

/// From here on the memory of `target`, an argument of the function or a view of one, holds `value`.
///
/// A value never changes: `target` itself stays what it was when the function was called, and `thunder.read` says what
/// its memory holds. Writes happen in the order in which they stand. Views are `thunder.slice`,
/// `thunder.dynamic_slice`, `thunder.reshape`, `thunder.transpose` and `thunder.reverse`; `--thunder-functionalize`
/// and the reference report a target that is neither an argument nor a view of one.
///
/// - (C1) both operands have one element type and one shape
///
/// ```mlir
/// thunder.copy_into %value, %target : (tensor<4xf32>, tensor<4xf32>)
/// ```
#[op("thunder.copy_into", verify, effects, interfaces(Memory))]
pub struct CopyInto {
    /// The new contents.
    value: Operand<Tensor>,
    /// Where they go.
    target: Operand<Tensor>,
}

impl Verify for CopyInto<'_> {
    fn verify(&self) -> Result {
        let (value, target) = (self.value().ty(), self.target().ty());
        if compatible(value, target) {
            return Ok(());
        }
        Err(self.error(format!("(C1) element types or shapes differ: '{value}' and '{target}'")))
    }
}

impl<'c> MemoryEffects<'c> for CopyInto<'c> {
    fn effects(&self) -> Vec<Effect<'c>> {
        // Of anything: the memory is that of an argument, of which the operand may be a view.
        vec![Effect { kind: EffectKind::Write, value: None }]
    }
}

impl Memory for CopyInto<'_> {
    fn access(&self) -> MemoryAccess {
        MemoryAccess::Write { value: 0, into: 1 }
    }
}

impl Samples for CopyInto<'_> {
    fn samples(s: &mut SampleSet) {
        samples(s);
    }
}

/// What the memory of the operand, an argument of the function or a view of one, holds here.
///
/// That is the operand itself where nothing has been written before.
///
/// ```mlir
/// %now = thunder.read %x : tensor<4xf32>
/// ```
#[op("thunder.read", same_type, effects, interfaces(Memory))]
pub struct Read {
    operand: Operand<Tensor>,
    out: Produces<Tensor>,
}

impl<'c> MemoryEffects<'c> for Read<'c> {
    fn effects(&self) -> Vec<Effect<'c>> {
        vec![Effect { kind: EffectKind::Read, value: None }]
    }
}

impl Memory for Read<'_> {
    fn access(&self) -> MemoryAccess {
        MemoryAccess::Read { from: 0 }
    }
}

impl Samples for Read<'_> {
    fn samples(s: &mut SampleSet) {
        samples(s);
    }
}

/// Programs that write and then read.
fn samples(s: &mut SampleSet) {
    for (dims, shape) in [("17x", &[17][..]), ("3x5x", &[3, 5]), ("?x3x", &[2, 3]), ("0x4x", &[0, 4]), ("", &[])] {
        let ty = format!("tensor<{dims}$T>");
        let body = format!(
            "thunder.copy_into %v, %x : ({ty}, {ty})
             %r = thunder.read %x : {ty}
             return %r, %x : {ty}, {ty}"
        );
        s.add(Dtypes::MOVED, &format!("(%x: {ty}, %v: {ty}) -> ({ty}, {ty})"), &body, &[shape, shape]);
    }
    let (whole, row) = ("tensor<3x5x$T>", "tensor<1x5x$T>");
    let body = format!(
        "%p = thunder.slice %x start = [1, 0] limit = [2, 5] stride = [1, 1] : {whole} -> {row}
         thunder.copy_into %v, %p : ({row}, {row})
         %t = thunder.transpose %x permutation = [1, 0] : {whole} -> tensor<5x3x$T>
         %r = thunder.read %t : tensor<5x3x$T>
         return %r : tensor<5x3x$T>"
    );
    s.add(Dtypes::MOVED, &format!("(%x: {whole}, %v: {row}) -> tensor<5x3x$T>"), &body, &[&[3, 5], &[1, 5]]);
}
