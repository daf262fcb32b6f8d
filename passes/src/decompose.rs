//! Replaces composite ops by their decompositions.
//!
//! Guarantees: no op that has a `Decompose` is left, but for those that a library carries out.

use thunder_interface::{Decompose as Rule, Library, LibraryCall};
use thunder_ir::Scalar;
use thunder_ir::pass::Numerics;
use thunder_ir::prelude::*;
use thunder_ir::rewrite::{GreedyConfig, apply_greedily};

/// Rewrites composites as primitives.
///
/// Ops that a library of the target carries out whole are kept, unless `all` is set.
#[pass("thunder-decompose")]
pub struct Decompose {
    /// Decompose also what a library could carry out.
    all: bool,
    /// Decompose also what libraries of GPUs lack: attention that is not in half precision, or of wide or odd heads.
    for_gpus: bool,
    /// How many rewrites to do at most, to find the one that breaks a program; negative for all.
    #[default(-1)]
    fuel: i64,
}

impl Decompose {
    /// Keeps only what libraries of GPUs carry out.
    pub fn for_gpus() -> Self {
        Self { for_gpus: true, ..Self::default() }
    }
}

/// The most elements that a head has in the attention of GPUs' libraries, and of what they are multiples.
const HEAD: (i64, i64) = (128, 8);

impl Pass for Decompose {
    fn run(&self, op: Operation<'_>, cx: &PassContext<'_>) -> Result {
        let (all, for_gpus) = (self.all, self.for_gpus);
        let is_candidate =
            move |op: Operation<'_>| <dyn Rule>::of(op).is_some() && (all || !is_carried_out(op, for_gpus));
        let mut count = 0;
        op.walk(|op| count += u64::from(is_candidate(op)));
        cx.count("composites", count);
        let pattern = Pattern::any("decompose", move |op, rw| {
            require!(is_candidate(op), "a composite that no library takes");
            let rule = <dyn Rule>::of(op).or_no_match("a composite")?;
            rule.replace(op, rw)?;
            Ok(())
        });
        let config = GreedyConfig {
            max_iterations: None,
            max_rewrites: u32::try_from(self.fuel).ok(),
            fold: self.fuel < 0,
            ..GreedyConfig::default()
        };
        apply_greedily(op, Patterns::new().with(pattern), config)?;
        Ok(())
    }

    fn numerics(&self) -> Numerics {
        Numerics::Reassociates
    }
}

/// Whether a library carries an op out whole.
fn is_carried_out(op: Operation<'_>, for_gpus: bool) -> bool {
    let Some(library) = <dyn Library>::of(op) else { return false };
    let heads = match library.library() {
        None => return false,
        Some(LibraryCall::Attention { q, k, v, .. } | LibraryCall::AttentionBackward { q, k, v, .. }) => [q, k, v],
        Some(_) => return true,
    };
    let fits = |value: Value<'_>| {
        let width = value.ty().as_tensor().and_then(|ty| ty.dims().last().copied().flatten());
        let is_half = matches!(value.ty().element().as_scalar(), Some(Scalar::F16 | Scalar::BF16));
        is_half && width.is_some_and(|width| width > 0 && width <= HEAD.0 && width % HEAD.1 == 0)
    };
    !for_gpus || heads.into_iter().all(fits)
}
