//! The dtype of an elementwise op: PyTorch's `torch.result_type`.

use thunder_tensor::DType;

/// How much a dtype counts among operands, least first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Weight {
    /// That of a Rust scalar.
    Scalar,
    /// That of a tensor of rank 0.
    RankZero,
    /// That of a tensor with dimensions.
    Tensor,
}

/// The common dtype of operands; `None` if there are none.
///
/// Operands of less weight count only where they are of a higher kind: complex numbers above floats above integers above
/// truth values. Floats keep their precision as parts of complex numbers of less weight, which PyTorch has of 16 bits
/// too; here those are of 32.
pub(crate) fn result_type(operands: impl IntoIterator<Item = (Weight, DType)>) -> Option<DType> {
    let mut by_weight: [Option<DType>; 3] = [None; 3];
    for (weight, dtype) in operands {
        let known = &mut by_weight[weight as usize];
        *known = Some(known.map_or(dtype, |known| promote(known, dtype)));
    }
    let [scalar, rank_zero, tensor] = by_weight;
    outweigh(tensor, outweigh(rank_zero, scalar))
}

fn outweigh(heavier: Option<DType>, lighter: Option<DType>) -> Option<DType> {
    let (Some(heavy), Some(light)) = (heavier, lighter) else { return heavier.or(lighter) };
    Some(match (kind(heavy), kind(light)) {
        (heavier, lighter) if heavier >= lighter => heavy,
        (2, 3) => heavy.complex().unwrap_or(DType::C64),
        _ => promote(heavy, light),
    })
}

/// Truth values, integers, floats and complex numbers, in this order.
fn kind(dtype: DType) -> u8 {
    match dtype {
        DType::Bool => 0,
        _ if dtype.is_integer() => 1,
        _ if dtype.is_complex() => 3,
        _ => 2,
    }
}

/// The smallest dtype that holds the values of both, as far as PyTorch has one.
pub(crate) fn promote(a: DType, b: DType) -> DType {
    match (a, b) {
        _ if a == b => a,
        (DType::Bool, other) | (other, DType::Bool) => other,
        _ if a.is_complex() || b.is_complex() => {
            let part = |dtype: DType| if kind(dtype) < 2 { DType::F32 } else { dtype.part() };
            if [part(a), part(b)].contains(&DType::F64) { DType::C128 } else { DType::C64 }
        }
        (DType::F16, DType::BF16) | (DType::BF16, DType::F16) => DType::F32,
        _ if is_float(a) != is_float(b) => {
            if is_float(a) {
                a
            } else {
                b
            }
        }
        (DType::U8, DType::I8) | (DType::I8, DType::U8) => DType::I16,
        _ => {
            if a.size() > b.size() {
                a
            } else {
                b
            }
        }
    }
}

/// The dtype of functions that have no integer values: floats and complex numbers stay, others become `f32`.
pub(crate) fn float_type(dtype: DType) -> DType {
    if is_float(dtype.part()) { dtype } else { DType::F32 }
}

/// Floats of 8 bits are floats, with which ops refuse to compute.
fn is_float(dtype: DType) -> bool {
    dtype.is_float() || dtype.is_float8()
}
