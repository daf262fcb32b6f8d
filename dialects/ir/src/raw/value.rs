//! Handles to values, which are erased with what they belong to.

use super::attribute::Attribute;
use super::block::Block;
use super::collect;
use super::context::ContextRef;
use super::operation::{Operation, erased};
use super::scope::Scope;
use super::types::Type;
use mlir_sys::*;
use std::fmt;

/// A result of a live operation or an argument of a live block.
#[derive(Clone, Copy)]
pub struct Value<'c> {
    pub(super) raw: MlirValue,
    pub(super) owner: usize,
    pub(super) born: u32,
    pub(super) scope: &'c Scope,
}

impl<'c> Value<'c> {
    /// # Safety
    /// As for [`Operation::from_raw`].
    pub(crate) unsafe fn from_raw(raw: MlirValue, scope: &'c Scope) -> Self {
        // SAFETY: the value is alive, so its owner is.
        let owner = unsafe {
            if mlirValueIsAOpResult(raw) {
                mlirOpResultGetOwner(raw).ptr as usize
            } else {
                mlirBlockArgumentGetOwner(raw).ptr as usize
            }
        };
        Self { raw, owner, born: scope.now(), scope }
    }

    /// The address of the operation or block that it belongs to.
    pub(crate) fn owner(self) -> usize {
        self.owner
    }

    #[track_caller]
    pub(crate) fn to_raw(self) -> MlirValue {
        if let Some(site) = self.scope.erasure(self.owner, self.born) {
            erased("a value of an operation", site);
        }
        self.raw
    }

    /// The owning context.
    #[track_caller]
    pub fn context(self) -> ContextRef<'c> {
        self.ty().context()
    }

    /// Its type.
    #[track_caller]
    pub fn ty(self) -> Type<'c> {
        // SAFETY: alive.
        unsafe { Type::from_raw(mlirValueGetType(self.to_raw())) }
    }

    /// Changes its type in place; the users' verifiers decide whether that was right.
    #[track_caller]
    pub fn set_type(self, ty: Type<'c>) {
        // SAFETY: alive.
        unsafe { mlirValueSetType(self.to_raw(), ty.to_raw()) }
    }

    /// The operation that it is a result of, with the index.
    #[track_caller]
    pub fn definer(self) -> Option<(Operation<'c>, usize)> {
        let raw = self.to_raw();
        // SAFETY: alive; accessors run on an operation result.
        unsafe {
            mlirValueIsAOpResult(raw).then(|| {
                (Operation::from_raw(mlirOpResultGetOwner(raw), self.scope), mlirOpResultGetResultNumber(raw) as usize)
            })
        }
    }

    /// The operation that it is a result of.
    #[track_caller]
    pub fn defining_op(self) -> Option<Operation<'c>> {
        self.definer().map(|(op, _)| op)
    }

    /// The block that it is an argument of, with the index.
    #[track_caller]
    pub fn block_argument(self) -> Option<(Block<'c>, usize)> {
        let raw = self.to_raw();
        // SAFETY: alive; accessors run on a block argument.
        unsafe {
            mlirValueIsABlockArgument(raw).then(|| {
                (
                    Block::from_raw(mlirBlockArgumentGetOwner(raw), self.scope),
                    mlirBlockArgumentGetArgNumber(raw) as usize,
                )
            })
        }
    }

    /// The operations that use it, with the operand index, once per use.
    #[track_caller]
    pub fn uses(self) -> Vec<(Operation<'c>, usize)> {
        let mut out = Vec::new();
        // SAFETY: alive; the use list does not change during the loop.
        unsafe {
            let mut r#use = mlirValueGetFirstUse(self.to_raw());
            while !r#use.ptr.is_null() {
                out.push((
                    Operation::from_raw(mlirOpOperandGetOwner(r#use), self.scope),
                    mlirOpOperandGetOperandNumber(r#use) as usize,
                ));
                r#use = mlirOpOperandGetNextUse(r#use);
            }
        }
        out
    }

    /// Whether nothing uses it.
    #[track_caller]
    pub fn is_unused(self) -> bool {
        // SAFETY: alive.
        unsafe { mlirValueGetFirstUse(self.to_raw()).ptr.is_null() }
    }

    /// The constant it is, if an operation with the `constant_like` trait defines it.
    #[track_caller]
    pub fn as_constant(self) -> Option<Attribute<'c>> {
        let op = self.defining_op()?;
        op.has_trait("constant_like").then(|| op.attribute("value")).flatten()
    }
}

impl PartialEq for Value<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.raw.ptr == other.raw.ptr
    }
}

impl Eq for Value<'_> {}

impl std::hash::Hash for Value<'_> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.raw.ptr.hash(state);
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: alive, else `to_raw` panics; the callback matches its user data.
        f.write_str(&collect(|cb, user| unsafe { mlirValuePrint(self.to_raw(), Some(cb), user) }))
    }
}
