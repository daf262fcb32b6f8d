//! The table of rules: which op is lowered by which function.
//!
//! Only ops that are neither elementwise nor composite stand here.

use super::lowerer::Lowerer;
use super::movement::Padding;
use super::{constant, contract, create, gather, movement, reduce, reshape, scan, scatter, sort, window};
use std::collections::HashMap;
use std::sync::LazyLock;
use thunder_dialect::ops;
use thunder_ir::op::Op;
use thunder_ir::{Operation, Result, Value};

/// Makes the results of an op, whose operands are lowered and whose sizes are known.
pub type Rule = for<'c> fn(&mut Lowerer<'c>, Operation<'c>) -> Result<Vec<Value<'c>>>;

/// The rule of an op, if it has one.
pub fn rule(op: Operation<'_>) -> Option<Rule> {
    RULES.get(op.definition()?.name).copied()
}

/// One op a line: `lo` is the lowerer, `op` the typed handle; the result is the op's only one.
macro_rules! rules {
    ($($module:ident::$op:ident => |$lo:ident, $x:ident| $value:expr;)*) => {
        static RULES: LazyLock<HashMap<&'static str, Rule>> = LazyLock::new(|| HashMap::from([
            $((<ops::$module::$op<'static> as Op>::definition().name, {
                fn rule<'c>($lo: &mut Lowerer<'c>, operation: Operation<'c>) -> Result<Vec<Value<'c>>> {
                    let $x = ops::$module::$op::of(operation).expect("the table is keyed by the op's name");
                    Ok(vec![$value?])
                }
                rule as Rule
            }),)*
        ]));
    };
}

rules! {
    constant::Constant => |lo, op| constant::constant(lo, op.value());

    create::Full => |lo, op| create::full(lo, op.operation(), op.value(), op.out());
    create::Iota => |lo, op| create::iota(lo, op.operation(), op.axis() as usize, op.out());
    dim::Dim => |lo, op| lo.scalar(op.size()).and_then(|size| lo.size(&size));

    broadcast::BroadcastInDim => |lo, op| movement::broadcast(lo, op.operand(), &op.dims(), op.out());
    reshape::Reshape => |lo, op| {
        let (from, to) = (lo.dims(op.operand()), lo.dims(op.out()));
        lo.value(op.operand()).and_then(|input| reshape::reshape(lo, input, &from, &to))
    };
    transpose::Transpose => |lo, op| movement::transpose(lo, op.operand(), &op.permutation(), op.out());
    transpose::Reverse => |lo, op| movement::reverse(lo, op.operand(), &op.axes(), op.out());
    slice::Slice => |lo, op| movement::slice(lo, &op);
    concat::Concat => |lo, op| movement::concat(lo, &op.parts(), op.axis() as usize, op.out());
    pad::Pad => |lo, op| {
        let padding = Padding { low: &op.low(), high: &op.high(), interior: &op.interior() };
        movement::pad_op(lo, &op, &padding, op.value())
    };

    reduce::Sum => |lo, op| reduce::reduce(lo, op.operation(), &op.axes(), op.keep_dims(), reduce::Combine::Sum);
    reduce::Prod => |lo, op| reduce::reduce(lo, op.operation(), &op.axes(), op.keep_dims(), reduce::Combine::Product);
    reduce::Amax => |lo, op| reduce::reduce(lo, op.operation(), &op.axes(), op.keep_dims(), reduce::Combine::Max);
    reduce::Amin => |lo, op| reduce::reduce(lo, op.operation(), &op.axes(), op.keep_dims(), reduce::Combine::Min);
    reduce::Mean => |lo, op| reduce::reduce(lo, op.operation(), &op.axes(), op.keep_dims(), reduce::Combine::Mean);
    reduce::Any => |lo, op| reduce::reduce(lo, op.operation(), &op.axes(), op.keep_dims(), reduce::Combine::Any);
    reduce::All => |lo, op| reduce::reduce(lo, op.operation(), &op.axes(), op.keep_dims(), reduce::Combine::All);
    arg_reduce::Argmax => |lo, op| reduce::position(lo, op.operation(), op.axis() as usize, op.keep_dims(), true);
    arg_reduce::Argmin => |lo, op| reduce::position(lo, op.operation(), op.axis() as usize, op.keep_dims(), false);

    scan::Cumsum => |lo, op| scan::scan(lo, op.operation(), op.axis() as usize, scan::Step::Sum);
    scan::Cumprod => |lo, op| scan::scan(lo, op.operation(), op.axis() as usize, scan::Step::Product);
    scan::Cummax => |lo, op| scan::scan(lo, op.operation(), op.axis() as usize, scan::Step::Max);
    scan::Cummin => |lo, op| scan::scan(lo, op.operation(), op.axis() as usize, scan::Step::Min);
    scan::Logcumsumexp => |lo, op| scan::scan(lo, op.operation(), op.axis() as usize, scan::Step::LogSumExp);

    gather::Take => |lo, op| gather::take(lo, &op, op.operand(), op.indices(), op.axis() as usize);
    gather::TakeAlongAxis => |lo, op| gather::take_along_axis(lo, &op, op.operand(), op.indices(), op.axis() as usize);
    gather::Embedding => |lo, op| gather::take(lo, &op, op.weight(), op.indices(), 0);

    scatter::IndexAdd => |lo, op| scatter::index_add(lo, &op);
    scatter::ScatterAdd => |lo, op| scatter::scatter_add(lo, &op);
    scatter_reduce::ScatterReduce => |lo, op| scatter::scatter_reduce(lo, &op);

    sort::Argsort => |lo, op| sort::argsort(lo, &op);

    matmul::Matmul => |lo, op| contract::matmul(lo, op.operation(), op.lhs(), op.rhs(), op.out());
    linear::Linear => |lo, op| contract::linear(lo, op.operation(), op.x(), op.weight(), op.bias());
    convolution::Convolution => |lo, op| window::convolution(lo, &op);
    pool::MaxPool => |lo, op| window::max_pool(lo, &op);
    pool::AvgPool => |lo, op| window::avg_pool(lo, &op);
}
