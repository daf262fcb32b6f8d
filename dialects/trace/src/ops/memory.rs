//! Memory that a program updates.

use std::panic::Location;

use thunder_dialect::build::*;

use crate::{Operand, Tensor};

impl<'t> Tensor<'t> {
    /// From here on the memory of this parameter, input, or view of one holds `value`, which broadcasts to it.
    ///
    /// The tensor itself stays what it was when the program was called; [`Self::read`] is what is there now.
    #[track_caller]
    pub fn copy_(self, value: impl Into<Operand<'t>>) {
        let _at = self.site.at(Location::caller());
        let value = self.site.operand(value.into(), &self.sizes(), self.dtype());
        self.site.effect(&[value, self], |b| b.copy_into(value.value, self.value));
    }

    /// What the memory of this parameter, input, or view of one holds here.
    #[track_caller]
    pub fn read(self) -> Self {
        let _at = self.site.at(Location::caller());
        self.site.op(&[self], |b| b.read(self.value))
    }
}
