//! Attributes, as immutable values.

use super::context::{Context, ContextRef, Location};
use super::dense_array::Packed;
use super::types::{Type, push_attribute};
use super::{collect, read, text};
use mlir_sys::*;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use thunder_mlir_shim::dialect::{thunderAttributeGet, thunderAttributeParameters};

/// An attribute of MLIR: builtin, of an upstream dialect, or of a dialect written in Rust.
#[derive(Clone, Copy)]
pub struct Attribute<'c> {
    raw: MlirAttribute,
    lifetime: PhantomData<&'c Context>,
}

impl<'c> Attribute<'c> {
    pub(crate) fn to_raw(self) -> MlirAttribute {
        self.raw
    }

    /// # Safety
    /// The attribute is not null and its context outlives `'c`.
    pub(crate) unsafe fn from_raw(raw: MlirAttribute) -> Self {
        Self { raw, lifetime: PhantomData }
    }

    pub(crate) unsafe fn from_nullable(raw: MlirAttribute) -> Option<Self> {
        // SAFETY: not null, and the caller promises the lifetime.
        (!raw.ptr.is_null()).then(|| unsafe { Self::from_raw(raw) })
    }

    /// Parses MLIR's spelling; a syntax error goes to the context's diagnostics.
    pub fn parse(cx: ContextRef<'c>, source: &str) -> Option<Self> {
        // SAFETY: the context is alive; the text is copied.
        unsafe { Self::from_nullable(mlirAttributeParseGet(cx.to_raw(), text(source))) }
    }

    /// The owning context.
    pub fn context(self) -> ContextRef<'c> {
        // SAFETY: valid for 'c.
        unsafe { ContextRef::from_raw(mlirAttributeGetContext(self.raw)) }
    }

    /// `unit`.
    pub fn unit(cx: ContextRef<'c>) -> Self {
        // SAFETY: the context is alive.
        unsafe { Self::from_raw(mlirUnitAttrGet(cx.to_raw())) }
    }

    /// Whether it is `unit`.
    pub fn is_unit(self) -> bool {
        // SAFETY: valid attribute.
        unsafe { mlirAttributeIsAUnit(self.raw) }
    }

    /// An integer of an integer or index type.
    pub fn integer(ty: Type<'c>, value: i64) -> Self {
        assert!(
            ty.as_scalar().is_some_and(super::types::Scalar::is_integer),
            "an integer attribute needs an integer or index type, not {ty}"
        );
        // SAFETY: the type was just checked.
        unsafe { Self::from_raw(mlirIntegerAttrGet(ty.to_raw(), value)) }
    }

    /// A signless 64-bit integer.
    pub fn i64(cx: ContextRef<'c>, value: i64) -> Self {
        Self::integer(Type::int(cx, 64), value)
    }

    /// Its value, if it is an integer of at most 64 bits; unsigned values wrap.
    pub fn as_integer(self) -> Option<i64> {
        // SAFETY: each accessor fits the signedness just found; wider integers are refused.
        unsafe {
            if !mlirAttributeIsAInteger(self.raw) {
                return None;
            }
            let ty = mlirAttributeGetType(self.raw);
            if mlirTypeIsAIndex(ty) {
                return Some(mlirIntegerAttrGetValueInt(self.raw));
            }
            if mlirIntegerTypeGetWidth(ty) > 64 {
                return None;
            }
            Some(if mlirIntegerTypeIsUnsigned(ty) {
                mlirIntegerAttrGetValueUInt(self.raw) as i64
            } else if mlirIntegerTypeIsSigned(ty) {
                mlirIntegerAttrGetValueSInt(self.raw)
            } else {
                mlirIntegerAttrGetValueInt(self.raw)
            })
        }
    }

    /// A truth value.
    pub fn bool(cx: ContextRef<'c>, value: bool) -> Self {
        // SAFETY: the context is alive.
        unsafe { Self::from_raw(mlirBoolAttrGet(cx.to_raw(), value.into())) }
    }

    /// Its value, if it is a truth value.
    pub fn as_bool(self) -> Option<bool> {
        // SAFETY: the accessor runs on a bool attribute only.
        unsafe { mlirAttributeIsABool(self.raw).then(|| mlirBoolAttrGetValue(self.raw)) }
    }

    /// A number of a float type, rounded to it.
    pub fn float(ty: Type<'c>, value: f64) -> Self {
        assert!(
            ty.as_scalar().is_some_and(|scalar| scalar.is_float() || scalar.is_float8()),
            "a float attribute needs a float type, not {ty}"
        );
        // SAFETY: the type was just checked.
        unsafe { Self::from_raw(mlirFloatAttrDoubleGet(ty.context().to_raw(), ty.to_raw(), value)) }
    }

    /// Its value, if it is a float.
    pub fn as_float(self) -> Option<f64> {
        // SAFETY: the accessor runs on a float attribute only.
        unsafe { mlirAttributeIsAFloat(self.raw).then(|| mlirFloatAttrGetValueDouble(self.raw)) }
    }

    /// A string.
    pub fn string(cx: ContextRef<'c>, value: &str) -> Self {
        // SAFETY: the context is alive; the text is copied.
        unsafe { Self::from_raw(mlirStringAttrGet(cx.to_raw(), text(value))) }
    }

    /// Its text, if it is a string.
    pub fn as_string(self) -> Option<&'c str> {
        // SAFETY: the accessor runs on a string attribute; the context owns the text.
        unsafe { mlirAttributeIsAString(self.raw).then(|| read(mlirStringAttrGetValue(self.raw))) }
    }

    /// A reference to a symbol by name.
    pub fn symbol(cx: ContextRef<'c>, name: &str) -> Self {
        // SAFETY: the context is alive; the text is copied.
        unsafe { Self::from_raw(mlirFlatSymbolRefAttrGet(cx.to_raw(), text(name))) }
    }

    /// The name, if it is a flat symbol reference.
    pub fn as_symbol(self) -> Option<&'c str> {
        // SAFETY: the accessor runs on a flat symbol reference; the context owns the text.
        unsafe { mlirAttributeIsAFlatSymbolRef(self.raw).then(|| read(mlirFlatSymbolRefAttrGetValue(self.raw))) }
    }

    /// A reference to a symbol inside of others, by their names from the outermost on; `None` without a name.
    pub fn symbol_path(cx: ContextRef<'c>, names: &[String]) -> Option<Self> {
        let (root, nested) = names.split_first()?;
        let nested: Vec<_> = nested.iter().map(|name| Self::symbol(cx, name).raw).collect();
        // SAFETY: the context is alive; texts and references are copied.
        Some(unsafe {
            Self::from_raw(mlirSymbolRefAttrGet(cx.to_raw(), text(root), nested.len() as isize, nested.as_ptr()))
        })
    }

    /// The names from the outermost on, if it is a symbol reference, nested or flat.
    pub fn as_symbol_path(self) -> Option<Vec<&'c str>> {
        // SAFETY: accessors run on a symbol reference with indices in range; the context owns the texts.
        unsafe {
            mlirAttributeIsASymbolRef(self.raw).then(|| {
                let nested = (0..mlirSymbolRefAttrGetNumNestedReferences(self.raw))
                    .map(|i| read(mlirSymbolRefAttrGetRootReference(mlirSymbolRefAttrGetNestedReference(self.raw, i))));
                std::iter::once(read(mlirSymbolRefAttrGetRootReference(self.raw))).chain(nested).collect()
            })
        }
    }

    /// A type, as an attribute.
    pub fn of_type(ty: Type<'c>) -> Self {
        // SAFETY: the type is valid.
        unsafe { Self::from_raw(mlirTypeAttrGet(ty.to_raw())) }
    }

    /// The type it holds, if it is a type attribute.
    pub fn as_type(self) -> Option<Type<'c>> {
        // SAFETY: the accessor runs on a type attribute only.
        unsafe { mlirAttributeIsAType(self.raw).then(|| Type::from_raw(mlirTypeAttrGetValue(self.raw))) }
    }

    /// The type of a typed attribute, such as a number or dense elements.
    pub fn ty(self) -> Option<Type<'c>> {
        // SAFETY: valid attribute; an untyped one answers null or `none`.
        unsafe { Type::from_nullable(mlirAttributeGetType(self.raw)) }
    }

    /// An array of attributes.
    pub fn array(cx: ContextRef<'c>, elements: &[Attribute<'c>]) -> Self {
        let raw: Vec<_> = elements.iter().map(|a| a.raw).collect();
        // SAFETY: the context is alive; elements are copied.
        unsafe { Self::from_raw(mlirArrayAttrGet(cx.to_raw(), raw.len() as isize, raw.as_ptr())) }
    }

    /// The elements, if it is an array.
    pub fn as_array(self) -> Option<Vec<Attribute<'c>>> {
        // SAFETY: accessors run on an array with indices in range.
        unsafe {
            mlirAttributeIsAArray(self.raw).then(|| {
                (0..mlirArrayAttrGetNumElements(self.raw))
                    .map(|i| Self::from_raw(mlirArrayAttrGetElement(self.raw, i)))
                    .collect()
            })
        }
    }

    /// A dense array of 64-bit integers: `array<i64: 1, 2>`.
    pub fn i64_array(cx: ContextRef<'c>, values: &[i64]) -> Self {
        i64::pack(cx, values)
    }

    /// The values, if it is a dense array of 64-bit integers or an array of integers.
    pub fn as_i64_array(self) -> Option<Vec<i64>> {
        i64::unpack(self).or_else(|| self.as_array()?.into_iter().map(Attribute::as_integer).collect())
    }

    /// A dictionary, sorted by MLIR.
    pub fn dictionary(cx: ContextRef<'c>, entries: &[(&str, Attribute<'c>)]) -> Self {
        // SAFETY: names become identifiers of the live context; entries are copied.
        unsafe {
            let raw: Vec<_> = entries
                .iter()
                .map(|(name, value)| MlirNamedAttribute {
                    name: mlirIdentifierGet(cx.to_raw(), text(name)),
                    attribute: value.raw,
                })
                .collect();
            Self::from_raw(mlirDictionaryAttrGet(cx.to_raw(), raw.len() as isize, raw.as_ptr()))
        }
    }

    /// The entry `name`, if it is a dictionary that has one.
    pub fn entry(self, name: &str) -> Option<Attribute<'c>> {
        // SAFETY: the accessor runs on a dictionary only.
        unsafe {
            mlirAttributeIsADictionary(self.raw)
                .then(|| Self::from_nullable(mlirDictionaryAttrGetElementByName(self.raw, text(name))))
                .flatten()
        }
    }

    /// The entries, if it is a dictionary.
    pub fn as_dictionary(self) -> Option<Vec<(&'c str, Attribute<'c>)>> {
        // SAFETY: accessors run on a dictionary with indices in range; names belong to the context.
        unsafe {
            mlirAttributeIsADictionary(self.raw).then(|| {
                (0..mlirDictionaryAttrGetNumElements(self.raw))
                    .map(|i| {
                        let entry = mlirDictionaryAttrGetElement(self.raw, i);
                        (read(mlirIdentifierStr(entry.name)), Self::from_raw(entry.attribute))
                    })
                    .collect()
            })
        }
    }

    /// Dense elements of a static tensor type from raw row-major bytes, one byte per `i1`.
    ///
    /// `None` where the bytes do not fit the type.
    pub fn dense(ty: Type<'c>, bytes: &[u8]) -> Option<Self> {
        let dims = ty.as_tensor()?.static_dims()?;
        let count: i64 = dims.iter().product();
        if ty.element().as_scalar() == Some(super::types::Scalar::Int(1)) {
            if bytes.len() as i64 != count {
                return None;
            }
            let values: Vec<i32> = bytes.iter().map(|b| i32::from(*b != 0)).collect();
            // SAFETY: a static shaped type of i1 and as many values as it has elements.
            return unsafe {
                Self::from_nullable(mlirDenseElementsAttrBoolGet(ty.to_raw(), values.len() as isize, values.as_ptr()))
            };
        }
        // SAFETY: the callee checks the byte count against the type and answers null on mismatch.
        unsafe {
            Self::from_nullable(mlirDenseElementsAttrRawBufferGet(ty.to_raw(), bytes.len(), bytes.as_ptr().cast()))
        }
    }

    /// Dense elements that are all `value`, whose type is the element type of `ty`.
    pub fn splat(ty: Type<'c>, value: Attribute<'c>) -> Option<Self> {
        let fits = ty.as_tensor()?.static_dims().is_some() && value.ty() == Some(ty.element());
        // SAFETY: a static shaped type and an element of its element type.
        fits.then(|| unsafe { Self::from_raw(mlirDenseElementsAttrSplatGet(ty.to_raw(), value.raw)) })
    }

    /// Whether it is dense elements.
    pub fn is_dense(self) -> bool {
        // SAFETY: valid attribute.
        unsafe { mlirAttributeIsADenseElements(self.raw) }
    }

    /// The one element, if it is dense elements that are all equal.
    pub fn splat_value(self) -> Option<Attribute<'c>> {
        // SAFETY: the accessor runs on a splat only.
        unsafe {
            (self.is_dense() && mlirDenseElementsAttrIsSplat(self.raw))
                .then(|| Self::from_raw(mlirDenseElementsAttrGetSplatValue(self.raw)))
        }
    }

    /// The elements as raw row-major bytes, splats expanded, one byte per `i1`.
    pub fn dense_bytes(self) -> Option<Vec<u8>> {
        if !self.is_dense() {
            return None;
        }
        let ty = self.ty()?;
        let count: i64 = ty.as_tensor()?.static_dims()?.iter().product();
        let count = count as usize;
        let width = match ty.element().as_scalar()? {
            super::types::Scalar::Int(1) => {
                // SAFETY: indices are below the number of elements of an i1 attribute.
                return Some(unsafe {
                    (0..count).map(|i| u8::from(mlirDenseElementsAttrGetBoolValue(self.raw, i as isize))).collect()
                });
            }
            super::types::Scalar::Int(w) | super::types::Scalar::Signed(w) | super::types::Scalar::Unsigned(w) => {
                w as usize / 8
            }
            super::types::Scalar::F16 | super::types::Scalar::BF16 => 2,
            super::types::Scalar::F32 => 4,
            super::types::Scalar::F64 | super::types::Scalar::Index | super::types::Scalar::C64 => 8,
            super::types::Scalar::C128 => 16,
            super::types::Scalar::F8E4M3FN
            | super::types::Scalar::F8E5M2
            | super::types::Scalar::F8E4M3FNUZ
            | super::types::Scalar::F8E5M2FNUZ => 1,
        };
        // SAFETY: raw data holds one element of a splat, else all of them.
        unsafe {
            let data = mlirDenseElementsAttrGetRawData(self.raw).cast::<u8>();
            if mlirDenseElementsAttrIsSplat(self.raw) {
                Some(std::slice::from_raw_parts(data, width).repeat(count))
            } else if count == 0 {
                Some(Vec::new())
            } else {
                Some(std::slice::from_raw_parts(data, width * count).to_vec())
            }
        }
    }

    /// An attribute that a Rust dialect defines, after its verifier; `None` with a diagnostic at `loc`.
    pub fn parametric(loc: Location<'c>, dialect: &str, name: &str, params: &[Attribute<'c>]) -> Option<Self> {
        let params: Vec<_> = params.iter().map(|p| p.to_raw()).collect();
        // SAFETY: all pointers are valid during the call and copied by it.
        unsafe {
            Self::from_nullable(thunderAttributeGet(
                loc.to_raw(),
                text(dialect),
                text(name),
                params.len() as isize,
                params.as_ptr(),
            ))
        }
    }

    /// The parameters, if it is the attribute `name` of a Rust dialect.
    pub fn parameters(self, dialect: &str, name: &str) -> Option<Vec<Attribute<'c>>> {
        let mut params: Vec<Attribute<'c>> = Vec::new();
        // SAFETY: the callback gets the vector above as its user data.
        let found = unsafe {
            thunderAttributeParameters(self.raw, text(dialect), text(name), push_attribute, (&raw mut params).cast())
        };
        found.then_some(params)
    }
}

impl PartialEq for Attribute<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.raw.ptr == other.raw.ptr
    }
}

impl Eq for Attribute<'_> {}

impl Hash for Attribute<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.raw.ptr.hash(state);
    }
}

impl fmt::Display for Attribute<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: the attribute is valid; the callback matches its user data.
        f.write_str(&collect(|cb, user| unsafe { mlirAttributePrint(self.raw, Some(cb), user) }))
    }
}

impl fmt::Debug for Attribute<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
