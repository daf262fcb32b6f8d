//! Which values of a graph share memory, so that what is written through one is seen through the others.
//!
//! PyTorch updates tensors in place; a program's values never change. So a write makes a new value of the whole memory,
//! and what shares it is made again from that when it is read next.

use std::collections::HashMap;

use thunder_trace::Tensor;

use crate::arguments::{Answer, Reason, gap};

/// How a value comes to share memory with another.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    /// It is all of the memory.
    Whole,
    /// It is another value.
    Same(String),
    /// The node of this number makes it from another value, and can put it back.
    View(usize, String),
    /// It is some part that cannot be made again, nor be written through.
    Part,
}

struct Slot<'t> {
    tensor: Tensor<'t>,
    memory: usize,
    origin: Origin,
    /// The number of writes that the tensor has seen.
    version: usize,
}

struct Whole<'t> {
    tensor: Tensor<'t>,
    version: usize,
}

/// The values of a graph by name.
#[derive(Default)]
pub(crate) struct Memory<'t> {
    slots: HashMap<String, Slot<'t>>,
    /// Results that nothing computes, and what they are.
    absent: HashMap<String, String>,
    wholes: Vec<Whole<'t>>,
}

/// Writes the nodes that views come from.
pub(crate) trait Views<'t> {
    /// The part that node `node` makes of `whole`.
    fn part(&self, node: usize, whole: Tensor<'t>) -> Answer<Tensor<'t>>;
    /// `whole` with the part that node `node` makes replaced by `part`.
    fn replaced(&self, node: usize, whole: Tensor<'t>, part: Tensor<'t>) -> Answer<Tensor<'t>>;
}

impl<'t> Memory<'t> {
    /// Adds a value with memory of its own.
    pub(crate) fn add(&mut self, name: &str, tensor: Tensor<'t>) {
        self.wholes.push(Whole { tensor, version: 0 });
        let slot = Slot { tensor, memory: self.wholes.len() - 1, origin: Origin::Whole, version: 0 };
        self.slots.insert(name.to_owned(), slot);
    }

    /// Adds a value that shares the memory of `other`.
    pub(crate) fn share(&mut self, name: &str, tensor: Tensor<'t>, origin: Origin, other: &str) {
        match self.slots.get(other) {
            Some(slot) => {
                let slot = Slot { tensor, origin, memory: slot.memory, version: slot.version };
                self.slots.insert(name.to_owned(), slot);
            }
            None => self.add(name, tensor),
        }
    }

    /// Notes a value that nothing computes: whoever reads it is told what it is.
    pub(crate) fn lack(&mut self, name: &str, what: String) {
        self.absent.insert(name.to_owned(), what);
    }

    /// What a value is that nothing computes.
    pub(crate) fn lacked(&self, name: &str) -> Option<&str> {
        self.absent.get(name).map(String::as_str)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.slots.contains_key(name)
    }

    /// The value as it is now.
    pub(crate) fn read(&mut self, name: &str, views: &dyn Views<'t>) -> Answer<Tensor<'t>> {
        let mut stale = Vec::new();
        let mut at = name;
        if let Some(what) = self.lacked(name) {
            return gap(what);
        }
        let mut tensor = loop {
            let slot =
                self.slots.get(at).ok_or_else(|| Reason::Malformed(format!("nothing makes the value '{at}'")))?;
            let whole = &self.wholes[slot.memory];
            if slot.version == whole.version {
                break slot.tensor;
            }
            stale.push(at.to_owned());
            match &slot.origin {
                Origin::Whole => break whole.tensor,
                Origin::Same(other) | Origin::View(_, other) => at = other,
                Origin::Part => return gap("a part of a tensor that is updated in place afterwards"),
            }
        };
        for name in stale.into_iter().rev() {
            let slot = self.slots.get_mut(&name).expect("it was found above");
            if let Origin::View(node, _) = slot.origin {
                tensor = views.part(node, tensor)?;
            }
            slot.tensor = tensor;
            slot.version = self.wholes[slot.memory].version;
        }
        Ok(tensor)
    }

    /// Replaces what the memory of a value holds in its place.
    pub(crate) fn write(&mut self, name: &str, value: Tensor<'t>, views: &dyn Views<'t>) -> Answer<()> {
        let (mut at, mut value) = (name.to_owned(), value);
        loop {
            let slot =
                self.slots.get(&at).ok_or_else(|| Reason::Malformed(format!("nothing makes the value '{at}'")))?;
            let (memory, origin) = (slot.memory, slot.origin.clone());
            match origin {
                Origin::Whole => {
                    let whole = &mut self.wholes[memory];
                    *whole = Whole { tensor: value, version: whole.version + 1 };
                    return Ok(());
                }
                Origin::Same(other) => at = other,
                Origin::View(node, other) => {
                    let whole = self.read(&other, views)?;
                    value = views.replaced(node, whole, value)?;
                    at = other;
                }
                Origin::Part => return gap("an update in place of a part of a tensor"),
            }
        }
    }
}
