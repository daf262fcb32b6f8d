//! Replaces composite ops by their decompositions.
//!
//! Guarantees: no op that has a `Decompose` is left, but for those that a library carries out; on complex numbers, none
//! that has a rule for their parts.

use thunder_interface::{Library, LibraryCall, on_complex, simpler};
use thunder_ir::Scalar;
use thunder_ir::pass::Numerics;
use thunder_ir::prelude::*;
use thunder_ir::rewrite::{GreedyConfig, apply_greedily};

/// Rewrites composites as primitives.
///
/// What is done with complex numbers is done with their parts.
///
/// Ops that a library of the target carries out whole are kept, unless `all` is set.
#[pass("thunder-decompose")]
pub struct Decompose {
    /// Decompose also what a library could carry out.
    all: bool,
    /// Whose libraries count: those of the `cpu`, or of a `gpu`, which have attention in half precision only and products of
    /// floats of 8 bits, or of `any`.
    #[default("cpu")]
    target: String,
    /// How many rewrites to do at most, to find the one that breaks a program; negative for all.
    #[default(-1)]
    fuel: i64,
}

impl Decompose {
    /// Keeps only what libraries of GPUs carry out.
    pub fn for_gpus() -> Self {
        Self { target: "gpu".to_owned(), ..Self::default() }
    }

    /// Keeps all that a library of some target carries out: what is computed in may still change.
    pub fn for_any() -> Self {
        Self { target: "any".to_owned(), ..Self::default() }
    }

    /// Who carries library ops out.
    fn libraries(&self) -> Option<Libraries> {
        match self.target.as_str() {
            _ if self.all => Some(Libraries::Nobody),
            "cpu" => Some(Libraries::Processor),
            "gpu" => Some(Libraries::Gpu),
            "any" => Some(Libraries::Any),
            _ => None,
        }
    }
}

/// The most elements that a head has in the attention of GPUs.
const HEAD: i64 = 256;

impl Pass for Decompose {
    fn run(&self, op: Operation<'_>, cx: &PassContext<'_>) -> Result {
        let unknown = || op.error(format!("option target: '{}' is neither cpu, gpu nor any", self.target));
        let libraries = self.libraries().ok_or_else(unknown)?;
        let is_candidate = move |op: Operation<'_>| simpler(op).is_some() && !libraries.carry_out(op);
        let mut count = 0;
        op.walk(|op| count += u64::from(is_candidate(op)));
        cx.count("composites", count);
        let pattern = Pattern::any("decompose", move |op, rw| {
            require!(is_candidate(op), "a composite that no library takes");
            let rule = simpler(op).or_no_match("a composite")?;
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

/// Whose libraries there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Libraries {
    Nobody,
    Processor,
    Gpu,
    Any,
}

impl Libraries {
    /// Whether one carries an op out whole.
    fn carry_out(self, op: Operation<'_>) -> bool {
        let Some(library) = <dyn Library>::of(op).filter(|_| !on_complex(op)) else { return false };
        let heads = match library.library() {
            None => return false,
            Some(LibraryCall::ScaledMatmul { .. }) => return matches!(self, Self::Gpu | Self::Any),
            Some(LibraryCall::Attention { q, k, v, .. } | LibraryCall::AttentionBackward { q, k, v, .. }) => [q, k, v],
            Some(_) => return self != Self::Nobody,
        };
        match self {
            Self::Nobody => false,
            Self::Processor => heads[0].ty().element().as_scalar() == Some(Scalar::F32),
            Self::Gpu => heads.into_iter().all(is_head_of_gpus),
            Self::Any => true,
        }
    }
}

/// Whether queries, keys or values are such as the attention of GPUs takes.
fn is_head_of_gpus(value: Value<'_>) -> bool {
    let width = value.ty().as_tensor().and_then(|ty| ty.dims().last().copied().flatten());
    let is_half = matches!(value.ty().element().as_scalar(), Some(Scalar::F16 | Scalar::BF16));
    is_half && width.is_some_and(|width| (1..=HEAD).contains(&width))
}
