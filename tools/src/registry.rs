//! The one place that lists the dialects and passes of the tools.

use std::sync::Arc;

use thunder_ir::pass::{PassDef, Statistics};
use thunder_ir::{Context, Dialect, Registry};

/// What the tools know beside everything upstream: Thunder's own dialects and passes.
pub fn thunder() -> Contents {
    Contents::default()
        .dialect(thunder_dialect::dialect())
        .dialect(thunder_exec::dialect())
        .dialect(thunder_check::dialect())
        .passes(thunder_passes::register_all)
        .passes(thunder_lowering::register_all)
}

/// The function that [`thunder_ir::passes!`] writes.
pub type RegisterPasses = fn(&Arc<Statistics>) -> Vec<&'static PassDef>;

/// Dialects and passes written in Rust, for a tool to work with.
#[derive(Default)]
pub struct Contents {
    dialects: Vec<&'static Dialect>,
    passes: Vec<RegisterPasses>,
}

impl Contents {
    /// Adds a dialect.
    pub fn dialect(mut self, dialect: &'static Dialect) -> Self {
        self.dialects.push(dialect);
        self
    }

    /// Adds the passes of a crate.
    pub fn passes(mut self, register: RegisterPasses) -> Self {
        self.passes.push(register);
        self
    }

    /// The dialects in the order they were added.
    pub fn dialects(&self) -> &[&'static Dialect] {
        &self.dialects
    }

    /// A registry with these dialects and every upstream one.
    pub fn registry(&self) -> Registry {
        self.dialects.iter().fold(Registry::upstream(), |registry, dialect| registry.with(dialect))
    }

    /// A context with these dialects and every upstream one, for whoever needs no statistics of passes.
    pub fn context(&self) -> Context {
        self.register_passes(&Arc::default());
        Context::new(&self.registry())
    }

    /// Registers the passes with MLIR, once per process, and returns their tables.
    pub fn register_passes(&self, statistics: &Arc<Statistics>) -> Vec<&'static PassDef> {
        self.passes.iter().flat_map(|register| register(statistics)).collect()
    }
}
