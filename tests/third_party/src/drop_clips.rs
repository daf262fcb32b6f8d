//! A pass of a third party that is wrong, for whoever checks passes.

use thunder_ir::prelude::*;
use thunder_ir::rewrite::{GreedyConfig, apply_greedily};

use crate::soft_clip::SoftClip;

/// Drops soft clips with a large limit.
///
/// It claims to keep values as they are, and does so for none but zeros.
#[pass("acme-drop-clips")]
pub struct DropClips {
    /// The smallest limit that counts as large.
    #[default(8.0)]
    limit: f64,
    /// How many to drop at most; negative for all.
    #[default(-1)]
    fuel: i64,
}

impl Pass for DropClips {
    fn run(&self, op: Operation<'_>, _: &PassContext<'_>) -> Result {
        let limit = self.limit;
        let drop = Pattern::on::<SoftClip<'static>>("drop-clip", move |op, rw| {
            let clip = SoftClip::of(op).or_no_match("a soft clip")?;
            require!(clip.limit() >= limit, "a large limit");
            rw.replace(op, &[clip.operand()])?;
            Ok(())
        });
        let config =
            GreedyConfig { max_rewrites: u32::try_from(self.fuel).ok(), fold: false, ..GreedyConfig::default() };
        apply_greedily(op, Patterns::new().with(drop), config)?;
        Ok(())
    }
}
