//! Passes over tensor programs.
//!
//! A pass never names an op: what it needs to know is an interface that the op implements.

pub mod autocast;
pub mod autodiff;
mod complex_pairs;
mod decompose;
mod donate;
mod fixed;
mod functionalize;
mod inline;
mod kernels;
mod machine;
pub mod memory;
mod outline_loops;
pub mod plan;
pub mod remat;
pub mod shapes;
pub mod split_joint;
mod split_setup;

pub use autocast::Autocast;
pub use autodiff::Autodiff;
pub use complex_pairs::ComplexPairs;
pub use decompose::Decompose;
pub use donate::{Donate, IN_PLACE, INTO};
pub use functionalize::Functionalize;
pub use inline::Inline;
pub use kernels::{Activation, Columns, Epilogue, Piece, activation_of, epilogue_of, has_epilogue, products_of};
pub use kernels::{KERNEL, Kernels, PANELS, ROWS, SIZES, SYMBOL_COUNT};
pub use kernels::{absorbed_permutation, estimate_time, layout};
pub use outline_loops::OutlineLoops;
pub use plan::{ExplainPlan, Plan, PlanDump};
pub use remat::Remat;
pub use split_joint::SplitJoint;
pub use split_setup::{SETUP, SplitSetup};

thunder_ir::passes! {
    /// Registers every pass of this crate with MLIR.
    pub fn register_all;
    Autocast,
    Autodiff,
    ComplexPairs,
    Decompose,
    Donate,
    Functionalize,
    Inline,
    Kernels,
    OutlineLoops,
    Plan,
    PlanDump,
    ExplainPlan,
    Remat,
    SplitJoint,
    SplitSetup,
}
