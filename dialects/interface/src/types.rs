//! Dtypes as MLIR spells them, and tensors as attributes.

use thunder_ir::{Attribute, ContextRef, Scalar, Type};
use thunder_tensor::{DType, Tensor};

/// The dtype of a scalar type; `None` for types that no tensor of ours holds.
pub fn dtype_of(ty: Type<'_>) -> Option<DType> {
    Some(match ty.as_scalar()? {
        Scalar::Int(1) => DType::Bool,
        Scalar::Unsigned(8) => DType::U8,
        Scalar::Int(8) => DType::I8,
        Scalar::Int(16) => DType::I16,
        Scalar::Int(32) => DType::I32,
        Scalar::Int(64) => DType::I64,
        Scalar::F16 => DType::F16,
        Scalar::BF16 => DType::BF16,
        Scalar::F32 => DType::F32,
        Scalar::F64 => DType::F64,
        Scalar::C64 => DType::C64,
        Scalar::C128 => DType::C128,
        Scalar::F8E4M3FN => DType::F8E4M3FN,
        Scalar::F8E5M2 => DType::F8E5M2,
        Scalar::F8E4M3FNUZ => DType::F8E4M3FNUZ,
        Scalar::F8E5M2FNUZ => DType::F8E5M2FNUZ,
        _ => return None,
    })
}

/// The scalar type of a dtype.
pub fn type_of(cx: ContextRef<'_>, dtype: DType) -> Type<'_> {
    Type::scalar(
        cx,
        match dtype {
            DType::Bool => Scalar::Int(1),
            DType::U8 => Scalar::Unsigned(8),
            DType::I8 => Scalar::Int(8),
            DType::I16 => Scalar::Int(16),
            DType::I32 => Scalar::Int(32),
            DType::I64 => Scalar::Int(64),
            DType::F16 => Scalar::F16,
            DType::BF16 => Scalar::BF16,
            DType::F32 => Scalar::F32,
            DType::F64 => Scalar::F64,
            DType::C64 => Scalar::C64,
            DType::C128 => Scalar::C128,
            DType::F8E4M3FN => Scalar::F8E4M3FN,
            DType::F8E5M2 => Scalar::F8E5M2,
            DType::F8E4M3FNUZ => Scalar::F8E4M3FNUZ,
            DType::F8E5M2FNUZ => Scalar::F8E5M2FNUZ,
        },
    )
}

/// The static tensor type of a host tensor.
pub fn tensor_type<'c>(cx: ContextRef<'c>, tensor: &Tensor) -> Type<'c> {
    let dims: Vec<_> = tensor.shape().iter().map(|d| Some(*d as i64)).collect();
    Type::tensor(type_of(cx, tensor.dtype()), &dims)
}

/// A host tensor as dense elements.
pub fn tensor_to_attribute<'c>(cx: ContextRef<'c>, tensor: &Tensor) -> Attribute<'c> {
    Attribute::dense(tensor_type(cx, tensor), tensor.bytes()).expect("a tensor has the bytes of its type")
}

/// Dense elements as a host tensor; `None` for elements that no tensor of ours holds.
pub fn attribute_to_tensor(attribute: Attribute<'_>) -> Option<Tensor> {
    let ty = attribute.ty()?.as_tensor()?;
    let shape: Vec<usize> = ty.static_dims()?.into_iter().map(|d| d as usize).collect();
    Tensor::from_bytes(dtype_of(ty.element())?, shape, &attribute.dense_bytes()?).ok()
}
