//! Types, as immutable values.

use super::attribute::Attribute;
use super::context::{Context, ContextRef, Location};
use super::{collect, text};
use mlir_sys::*;
use std::ffi::c_void;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use thunder_mlir_shim::dialect::{thunderTypeGet, thunderTypeParameters};

/// A type of MLIR: builtin, of an upstream dialect, or of a dialect written in Rust.
#[derive(Clone, Copy)]
pub struct Type<'c> {
    raw: MlirType,
    lifetime: PhantomData<&'c Context>,
}

/// What a scalar of a builtin type is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scalar {
    /// A signless integer of this many bits; one bit is a truth value.
    Int(u32),
    /// A signed integer of this many bits.
    Signed(u32),
    /// An unsigned integer of this many bits.
    Unsigned(u32),
    /// An integer as wide as an address.
    Index,
    /// IEEE half precision.
    F16,
    /// Truncated single precision.
    BF16,
    /// IEEE single precision.
    F32,
    /// IEEE double precision.
    F64,
    /// A complex number in single precision.
    C64,
    /// A complex number in double precision.
    C128,
    /// Eight bits, three of the significand, one NaN, no infinity.
    F8E4M3FN,
    /// Eight bits, two of the significand, as in IEEE 754.
    F8E5M2,
    /// Eight bits, three of the significand, NaN for -0, no infinity.
    F8E4M3FNUZ,
    /// Eight bits, two of the significand, NaN for -0, no infinity.
    F8E5M2FNUZ,
}

impl Scalar {
    /// Whether it is a floating-point format that is computed in.
    pub fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::BF16 | Self::F32 | Self::F64)
    }

    /// Whether it is a floating-point format of eight bits, which is stored, moved and converted.
    pub fn is_float8(self) -> bool {
        matches!(self, Self::F8E4M3FN | Self::F8E5M2 | Self::F8E4M3FNUZ | Self::F8E5M2FNUZ)
    }

    /// Whether it is a complex number.
    pub fn is_complex(self) -> bool {
        matches!(self, Self::C64 | Self::C128)
    }

    /// Whether it is an integer, a truth value included.
    pub fn is_integer(self) -> bool {
        matches!(self, Self::Int(_) | Self::Signed(_) | Self::Unsigned(_) | Self::Index)
    }
}

impl<'c> Type<'c> {
    pub(crate) fn to_raw(self) -> MlirType {
        self.raw
    }

    /// # Safety
    /// The type is not null and its context outlives `'c`.
    pub(crate) unsafe fn from_raw(raw: MlirType) -> Self {
        Self { raw, lifetime: PhantomData }
    }

    pub(crate) unsafe fn from_nullable(raw: MlirType) -> Option<Self> {
        // SAFETY: not null, and the caller promises the lifetime.
        (!raw.ptr.is_null()).then(|| unsafe { Self::from_raw(raw) })
    }

    /// Parses MLIR's spelling; a syntax error goes to the context's diagnostics.
    pub fn parse(cx: ContextRef<'c>, source: &str) -> Option<Self> {
        // SAFETY: the context is alive; the text is copied.
        unsafe { Self::from_nullable(mlirTypeParseGet(cx.to_raw(), text(source))) }
    }

    /// The owning context.
    pub fn context(self) -> ContextRef<'c> {
        // SAFETY: valid for 'c.
        unsafe { ContextRef::from_raw(mlirTypeGetContext(self.raw)) }
    }

    /// The builtin type of a scalar.
    pub fn scalar(cx: ContextRef<'c>, scalar: Scalar) -> Self {
        let cx = cx.to_raw();
        // SAFETY: the context is alive.
        unsafe {
            Self::from_raw(match scalar {
                Scalar::Int(width) => mlirIntegerTypeGet(cx, width),
                Scalar::Signed(width) => mlirIntegerTypeSignedGet(cx, width),
                Scalar::Unsigned(width) => mlirIntegerTypeUnsignedGet(cx, width),
                Scalar::Index => mlirIndexTypeGet(cx),
                Scalar::F16 => mlirF16TypeGet(cx),
                Scalar::BF16 => mlirBF16TypeGet(cx),
                Scalar::F32 => mlirF32TypeGet(cx),
                Scalar::F64 => mlirF64TypeGet(cx),
                Scalar::C64 => mlirComplexTypeGet(mlirF32TypeGet(cx)),
                Scalar::C128 => mlirComplexTypeGet(mlirF64TypeGet(cx)),
                Scalar::F8E4M3FN => mlirFloat8E4M3FNTypeGet(cx),
                Scalar::F8E5M2 => mlirFloat8E5M2TypeGet(cx),
                Scalar::F8E4M3FNUZ => mlirFloat8E4M3FNUZTypeGet(cx),
                Scalar::F8E5M2FNUZ => mlirFloat8E5M2FNUZTypeGet(cx),
            })
        }
    }

    /// `f32`.
    pub fn f32(cx: ContextRef<'c>) -> Self {
        Self::scalar(cx, Scalar::F32)
    }

    /// `f64`.
    pub fn f64(cx: ContextRef<'c>) -> Self {
        Self::scalar(cx, Scalar::F64)
    }

    /// `index`.
    pub fn index(cx: ContextRef<'c>) -> Self {
        Self::scalar(cx, Scalar::Index)
    }

    /// A signless integer.
    pub fn int(cx: ContextRef<'c>, width: u32) -> Self {
        Self::scalar(cx, Scalar::Int(width))
    }

    /// A ranked tensor; `None` is a dynamic dimension.
    pub fn tensor(element: Type<'c>, dims: &[Option<i64>]) -> Self {
        // SAFETY: the element type is valid; sizes are passed with their count.
        unsafe {
            let null = MlirAttribute { ptr: std::ptr::null() };
            let sizes = raw_sizes(dims);
            Self::from_raw(mlirRankedTensorTypeGet(sizes.len() as isize, sizes.as_ptr(), element.raw, null))
        }
    }

    /// A contiguous memref; `None` is a dynamic dimension.
    pub fn memref(element: Type<'c>, dims: &[Option<i64>]) -> Self {
        // SAFETY: as for tensors; no layout and no memory space.
        unsafe {
            let null = MlirAttribute { ptr: std::ptr::null() };
            let sizes = raw_sizes(dims);
            Self::from_raw(mlirMemRefTypeContiguousGet(element.raw, sizes.len() as isize, sizes.as_ptr(), null))
        }
    }

    /// A function type.
    pub fn function(cx: ContextRef<'c>, inputs: &[Type<'c>], results: &[Type<'c>]) -> Self {
        // SAFETY: `Type` is a transparent pointer for the C side; counts match.
        unsafe {
            let inputs: Vec<_> = inputs.iter().map(|t| t.raw).collect();
            let results: Vec<_> = results.iter().map(|t| t.raw).collect();
            Self::from_raw(mlirFunctionTypeGet(
                cx.to_raw(),
                inputs.len() as isize,
                inputs.as_ptr(),
                results.len() as isize,
                results.as_ptr(),
            ))
        }
    }

    /// Inputs and results, if it is a function type.
    pub fn as_function(self) -> Option<(Vec<Type<'c>>, Vec<Type<'c>>)> {
        // SAFETY: the accessors run only on a function type, with indices in range.
        unsafe {
            mlirTypeIsAFunction(self.raw).then(|| {
                let inputs = (0..mlirFunctionTypeGetNumInputs(self.raw))
                    .map(|i| Self::from_raw(mlirFunctionTypeGetInput(self.raw, i)));
                let results = (0..mlirFunctionTypeGetNumResults(self.raw))
                    .map(|i| Self::from_raw(mlirFunctionTypeGetResult(self.raw, i)));
                (inputs.collect(), results.collect())
            })
        }
    }

    /// The scalar it is, if it is a builtin scalar type that Thunder knows.
    pub fn as_scalar(self) -> Option<Scalar> {
        // SAFETY: accessors run on the kind just tested for.
        unsafe {
            if mlirTypeIsAInteger(self.raw) {
                let width = mlirIntegerTypeGetWidth(self.raw);
                Some(if mlirIntegerTypeIsSignless(self.raw) {
                    Scalar::Int(width)
                } else if mlirIntegerTypeIsSigned(self.raw) {
                    Scalar::Signed(width)
                } else {
                    Scalar::Unsigned(width)
                })
            } else if mlirTypeIsAIndex(self.raw) {
                Some(Scalar::Index)
            } else if mlirTypeIsAF32(self.raw) {
                Some(Scalar::F32)
            } else if mlirTypeIsAF64(self.raw) {
                Some(Scalar::F64)
            } else if mlirTypeIsAF16(self.raw) {
                Some(Scalar::F16)
            } else if mlirTypeIsABF16(self.raw) {
                Some(Scalar::BF16)
            } else if mlirTypeIsAFloat8E4M3FN(self.raw) {
                Some(Scalar::F8E4M3FN)
            } else if mlirTypeIsAFloat8E5M2(self.raw) {
                Some(Scalar::F8E5M2)
            } else if mlirTypeIsAFloat8E4M3FNUZ(self.raw) {
                Some(Scalar::F8E4M3FNUZ)
            } else if mlirTypeIsAFloat8E5M2FNUZ(self.raw) {
                Some(Scalar::F8E5M2FNUZ)
            } else if mlirTypeIsAComplex(self.raw) {
                let part = mlirComplexTypeGetElementType(self.raw);
                match (mlirTypeIsAF32(part), mlirTypeIsAF64(part)) {
                    (true, _) => Some(Scalar::C64),
                    (_, true) => Some(Scalar::C128),
                    _ => None,
                }
            } else {
                None
            }
        }
    }

    /// The view of it as a ranked tensor, if it is one.
    pub fn as_tensor(self) -> Option<TensorType<'c>> {
        // SAFETY: valid type.
        unsafe { mlirTypeIsARankedTensor(self.raw) }.then_some(TensorType(self))
    }

    /// The element type of a tensor, memref or vector; otherwise the type itself.
    pub fn element(self) -> Type<'c> {
        // SAFETY: the accessor runs on a shaped type only.
        unsafe {
            if mlirTypeIsAShaped(self.raw) { Self::from_raw(mlirShapedTypeGetElementType(self.raw)) } else { self }
        }
    }

    /// A type that a Rust dialect defines, after its verifier; `None` with a diagnostic at `loc`.
    pub fn parametric(loc: Location<'c>, dialect: &str, name: &str, params: &[Attribute<'c>]) -> Option<Self> {
        let params: Vec<_> = params.iter().map(|p| p.to_raw()).collect();
        // SAFETY: all pointers are valid during the call and copied by it.
        unsafe {
            Self::from_nullable(thunderTypeGet(
                loc.to_raw(),
                text(dialect),
                text(name),
                params.len() as isize,
                params.as_ptr(),
            ))
        }
    }

    /// The parameters, if it is the type `name` of a Rust dialect.
    pub fn parameters(self, dialect: &str, name: &str) -> Option<Vec<Attribute<'c>>> {
        let mut params: Vec<Attribute<'c>> = Vec::new();
        // SAFETY: the callback gets the vector above as its user data.
        let found = unsafe {
            thunderTypeParameters(self.raw, text(dialect), text(name), push_attribute, (&raw mut params).cast())
        };
        found.then_some(params)
    }
}

pub(crate) unsafe extern "C" fn push_attribute(raw: MlirAttribute, user: *mut c_void) {
    // SAFETY: callers pass a `Vec<Attribute>` of the attribute's own context.
    unsafe { (*user.cast::<Vec<Attribute<'_>>>()).push(Attribute::from_raw(raw)) }
}

fn raw_sizes(dims: &[Option<i64>]) -> Vec<i64> {
    // SAFETY: a constant of MLIR.
    let dynamic = unsafe { mlirShapedTypeGetDynamicSize() };
    dims.iter().map(|dim| dim.unwrap_or(dynamic)).collect()
}

impl PartialEq for Type<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.raw.ptr == other.raw.ptr
    }
}

impl Eq for Type<'_> {}

impl Hash for Type<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.raw.ptr.hash(state);
    }
}

impl fmt::Display for Type<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: the type is valid; the callback matches its user data.
        f.write_str(&collect(|cb, user| unsafe { mlirTypePrint(self.raw, Some(cb), user) }))
    }
}

impl fmt::Debug for Type<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A ranked tensor type.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TensorType<'c>(Type<'c>);

impl<'c> TensorType<'c> {
    /// As a plain type.
    pub fn as_type(self) -> Type<'c> {
        self.0
    }

    /// The type of one element.
    pub fn element(self) -> Type<'c> {
        self.0.element()
    }

    /// The number of dimensions.
    pub fn rank(self) -> usize {
        // SAFETY: a ranked tensor has a rank.
        unsafe { mlirShapedTypeGetRank(self.0.raw) as usize }
    }

    /// The size of each dimension; `None` is dynamic.
    pub fn dims(self) -> Vec<Option<i64>> {
        (0..self.rank())
            .map(|i| {
                // SAFETY: `i` is below the rank.
                unsafe {
                    let i = i as isize;
                    (!mlirShapedTypeIsDynamicDim(self.0.raw, i)).then(|| mlirShapedTypeGetDimSize(self.0.raw, i))
                }
            })
            .collect()
    }

    /// The sizes, if all are static.
    pub fn static_dims(self) -> Option<Vec<i64>> {
        self.dims().into_iter().collect()
    }

    /// The same shape with another element type.
    pub fn with_element(self, element: Type<'c>) -> Type<'c> {
        Type::tensor(element, &self.dims())
    }
}

impl fmt::Display for TensorType<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for TensorType<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
