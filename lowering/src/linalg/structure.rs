//! Structured control flow: `scf`.

use super::arith::Arith;
use thunder_ir::{Blueprint, Result, Type, Value};

/// `scf.for` over `bounds` (from, to, step) that carries `initial` from one iteration to the next.
pub fn repeat<'c>(
    code: Arith<'_, 'c>,
    bounds: (Value<'c>, Value<'c>, Value<'c>),
    initial: &[Value<'c>],
    body: impl FnOnce(Arith<'_, 'c>, Value<'c>, &[Value<'c>]) -> Result<Vec<Value<'c>>>,
) -> Result<Vec<Value<'c>>> {
    let builder = code.builder();
    let location = builder.location();
    let op = builder.insert(
        &Blueprint::new("scf.for")
            .operands([bounds.0, bounds.1, bounds.2])
            .operands(initial.iter().copied())
            .results(initial.iter().map(|v| v.ty()))
            .regions(1),
    )?;
    let mut arguments = vec![(Type::index(code.context()), location)];
    arguments.extend(initial.iter().map(|v| (v.ty(), location)));
    let block = op.region(0).append_block(&arguments);
    builder.nested(|b| {
        b.at_end(block);
        let arguments: Vec<_> = block.arguments().collect();
        let values = body(Arith::at(b), arguments[0], &arguments[1..])?;
        b.insert(&Blueprint::new("scf.yield").operands(values))
    })?;
    Ok(op.results().collect())
}

/// `scf.if` with both branches, each giving one value of type `ty`.
pub fn choose<'c>(
    code: Arith<'_, 'c>,
    condition: Value<'c>,
    ty: Type<'c>,
    yes: impl FnOnce(Arith<'_, 'c>) -> Result<Value<'c>>,
    no: impl FnOnce(Arith<'_, 'c>) -> Result<Value<'c>>,
) -> Result<Value<'c>> {
    let builder = code.builder();
    let op = builder.insert(&Blueprint::new("scf.if").operands([condition]).results([ty]).regions(2))?;
    let (first, second) = (op.region(0).append_block(&[]), op.region(1).append_block(&[]));
    builder.nested(|b| {
        b.at_end(first);
        let value = yes(Arith::at(b))?;
        b.insert(&Blueprint::new("scf.yield").operands([value]))
    })?;
    builder.nested(|b| {
        b.at_end(second);
        let value = no(Arith::at(b))?;
        b.insert(&Blueprint::new("scf.yield").operands([value]))
    })?;
    Ok(op.result(0))
}
