//! The memory that strided operands of library operations touch.

use super::{PlanError, Result, Slot};

/// Extents and strides, in elements, of a strided operand.
pub(super) struct Strided {
    /// (extent, stride) of every dimension.
    pub dims: Vec<(usize, usize)>,
    /// Bytes of an element.
    pub element: usize,
}

impl Strided {
    /// First byte after the last element; 0 without elements.
    fn end(&self) -> Option<u128> {
        if self.dims.iter().any(|&(extent, _)| extent == 0) {
            return Some(0);
        }
        let mut last = 0_u128;
        for &(extent, stride) in &self.dims {
            let reach = (extent as u128 - 1).checked_mul(stride as u128)?;
            last = last.checked_add(reach)?;
        }
        last.checked_add(1)?.checked_mul(self.element as u128)
    }

    /// Checks that every element lies within the slot.
    pub(super) fn check(&self, slot: Slot, what: &dyn Fn() -> String) -> Result {
        match self.end() {
            Some(end) if end <= slot.bytes as u128 => Ok(()),
            end => {
                let end = end.unwrap_or(u128::MAX);
                Err(PlanError::OutOfBounds { what: what(), end, bytes: slot.bytes })
            }
        }
    }

    /// Checks that every element has its own address.
    pub(super) fn check_distinct(&self, what: &dyn Fn() -> String) -> Result {
        if self.end() == Some(0) {
            return Ok(());
        }
        let mut dims: Vec<_> = self.dims.iter().filter(|&&(extent, _)| extent > 1).collect();
        dims.sort_by_key(|&&(_, stride)| stride);
        let mut reach = 0_u128;
        for &&(extent, stride) in &dims {
            if stride as u128 <= reach {
                return Err(PlanError::Overlap { what: what(), other: "itself".to_owned() });
            }
            reach += (extent as u128 - 1) * stride as u128;
        }
        Ok(())
    }

    /// Checks that the elements at `slot` and those of `other` share no memory.
    pub(super) fn check_apart(
        &self,
        slot: Slot,
        (other, other_slot): (&Strided, Slot),
        what: &dyn Fn() -> String,
        other_what: &dyn Fn() -> String,
    ) -> Result {
        let (Some(end), Some(other_end)) = (self.end(), other.end()) else { return Ok(()) };
        let (start, other_start) = (slot.offset as u128, other_slot.offset as u128);
        let together = slot.base == other_slot.base
            && end > 0
            && other_end > 0
            && start < other_start + other_end
            && other_start < start + end;
        if together {
            return Err(PlanError::Overlap { what: what(), other: other_what() });
        }
        Ok(())
    }
}
