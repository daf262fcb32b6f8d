//! The exec dialect: what a planner decided about the execution of a program, beside what the program computes.

use std::sync::LazyLock;

use thunder_ir::Dialect;

thunder_interface::ops! {
    barrier: Barrier;
    while_loop: While;
}

static EXEC: LazyLock<Dialect> =
    LazyLock::new(|| register(Dialect::new("exec", "Decisions about the execution of tensor programs.")));

/// The dialect.
pub fn dialect() -> &'static Dialect {
    &EXEC
}
