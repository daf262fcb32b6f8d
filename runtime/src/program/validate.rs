//! Checks of a program that need no run-time sizes.

use std::collections::BTreeSet;

use thunder_tensor::DType;

use crate::artifact::Target;

use super::{
    Access, Activation, Call, Columns, DimExpr, DimId, Fused, KernelId, Launch, LibraryOp, Piece, Place, Port, Program,
    Root, ScaledMatmul, Spread, Step,
};

/// The most pointers or numbers that one step may pass.
pub(crate) const MAX_ARGS: usize = 256;

/// Why a program is not well-formed. Always the fault of the compiler that made it, or of the
/// medium that stored it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError {
    /// An index points past the end of its table.
    #[error("{what}: {table} {index} of {len}")]
    OutOfRange {
        /// Where the index stands.
        what: String,
        /// What it indexes.
        table: &'static str,
        /// The index.
        index: u64,
        /// Number of entries.
        len: u64,
    },
    /// Two things that must agree do not, or a rule of the format is broken.
    #[error("{what}: {problem}")]
    Malformed {
        /// Where.
        what: String,
        /// What is wrong.
        problem: String,
    },
}

pub(super) type Result<T = (), E = ProgramError> = std::result::Result<T, E>;

impl Program {
    /// Checks every index, alias, access and arity; `constants_len` is the size in bytes of the
    /// constants that go with the program.
    pub fn validate(&self, constants_len: u64) -> Result {
        self.check_dims()?;
        self.check_signature()?;
        self.check_constants(constants_len)?;
        for (i, buffer) in self.buffers.iter().enumerate() {
            let what = || format!("buffer {i}");
            self.check_shape(&buffer.shape, &what)?;
            let Some(place) = buffer.alias else { continue };
            self.check_place(place, &what)?;
            if let Root::Buffer(target) = place.root
                && target as usize >= i
            {
                return malformed(&what, format!("aliases buffer {target}, which is not before it"));
            }
        }
        for (i, fragment) in self.fragments.iter().enumerate() {
            self.check_kernel(fragment.kernel, &|| format!("fragment {i}"))?;
            check_pieces(&fragment.products, &|| format!("fragment {i}"))?;
        }
        let mut written = BTreeSet::new();
        for (i, step) in self.steps.iter().enumerate() {
            let what = || format!("step {i}");
            self.check_step(step, &what)?;
            self.check_order(step, &mut written, &what)?;
        }
        for (i, port) in self.outputs.iter().enumerate() {
            let empty = port.shape.iter().any(|&dim| self.dims.as_constant(dim) == Some(0));
            if !empty && !written.contains(&(1, i as u32)) {
                return malformed(&|| format!("output '{}'", port.name), "no step writes it");
            }
        }
        Ok(())
    }

    /// Checks that every kernel runs on the kind of device that the code is for.
    pub(crate) fn validate_for(&self, target: &Target) -> Result {
        let is_gpu = matches!(target, Target::Cuda { .. });
        for (i, step) in self.steps.iter().enumerate() {
            let what = || format!("step {i}");
            match step {
                Step::Launch(launch) if matches!(launch.spread, Spread::Grid(_)) != is_gpu => {
                    let device = if is_gpu { "a GPU" } else { "a processor" };
                    return malformed(&what, format!("{device} runs the code, which the launch is not spread over"));
                }
                Step::Call(call) if is_gpu && call.op.epilogue().is_some() => {
                    return malformed(&what, format!("'{}' has an epilogue on a GPU", call.op.name()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The number of the state that `root` is, if the program updates it.
    pub fn state(&self, root: Root) -> Option<usize> {
        self.states.iter().position(|state| state.root == root)
    }

    /// The tensor that owns the memory of `root`, through all aliases.
    pub fn owner(&self, root: Root) -> Root {
        let mut root = root;
        while let Root::Buffer(i) = root
            && let Some(place) = self.buffers[i as usize].alias
        {
            root = place.root;
        }
        root
    }

    fn check_dims(&self) -> Result {
        for (i, expr) in self.dims.exprs().iter().enumerate() {
            let what = || format!("dim {i}");
            use DimExpr::*;
            match *expr {
                Const(_) => {}
                Symbol(s) => in_range("symbol", s, self.symbols.len(), &what)?,
                Add(a, b) | Sub(a, b) | Mul(a, b) | FloorDiv(a, b) | CeilDiv(a, b) | Max(a, b) | Min(a, b) => {
                    in_range("earlier dim", a.0, i, &what)?;
                    in_range("earlier dim", b.0, i, &what)?;
                }
            }
        }
        Ok(())
    }

    fn check_signature(&self) -> Result {
        for (kind, ports) in [("input", &self.inputs), ("parameter", &self.parameters), ("output", &self.outputs)] {
            let mut names = BTreeSet::new();
            for port in ports {
                let what = || format!("{kind} '{}'", port.name);
                self.check_shape(&port.shape, &what)?;
                if !names.insert(&port.name) {
                    return malformed(&what, "the name is used twice");
                }
            }
        }
        for port in &self.parameters {
            self.constant_extents(port)?;
        }
        for (i, state) in self.states.iter().enumerate() {
            let what = || format!("state {i}");
            match state.root {
                Root::Input(_) if state.initial.is_none() => {}
                Root::Parameter(_) => {}
                root => return malformed(&what, format!("{root:?} cannot be updated, or has a value to begin with")),
            }
            self.check_place(Place::new(state.root), &what)?;
            if self.state(state.root) != Some(i) {
                return malformed(&what, format!("{:?} is another one as well", state.root));
            }
        }
        for (i, symbol) in self.symbols.iter().enumerate() {
            let what = || format!("symbol {i}");
            in_range("input", symbol.input, self.inputs.len(), &what)?;
            let rank = self.inputs[symbol.input as usize].shape.len();
            in_range("axis", symbol.axis, rank, &what)?;
        }
        for (i, constraint) in self.constraints.iter().enumerate() {
            let what = || format!("constraint {i}");
            self.check_dim(constraint.left, &what)?;
            self.check_dim(constraint.right, &what)?;
        }
        Ok(())
    }

    /// The extents of a parameter, which no symbol may influence.
    pub(crate) fn constant_extents(&self, port: &Port) -> Result<Vec<usize>> {
        let what = || format!("parameter '{}'", port.name);
        let extent = |&dim: &DimId| {
            let extent = self.dims.as_constant(dim).and_then(|value| usize::try_from(value).ok());
            extent.map_or_else(|| malformed(&what, "an extent is not a constant number"), Ok)
        };
        port.shape.iter().map(extent).collect()
    }

    fn check_constants(&self, constants_len: u64) -> Result {
        for (i, constant) in self.constants.iter().enumerate() {
            let what = || format!("constant {i}");
            let bytes = constant
                .shape
                .iter()
                .try_fold(constant.dtype.size() as u64, |bytes, &extent| bytes.checked_mul(extent));
            let end = bytes.and_then(|bytes| bytes.checked_add(constant.offset));
            if constant.offset % 64 != 0 {
                return malformed(&what, format!("offset {} is not aligned", constant.offset));
            }
            if end.is_none_or(|end| end > constants_len) {
                return malformed(&what, format!("ends past the {constants_len} bytes stored"));
            }
        }
        Ok(())
    }

    fn check_shape(&self, shape: &[DimId], what: &dyn Fn() -> String) -> Result {
        shape.iter().try_for_each(|&dim| self.check_dim(dim, what))
    }

    fn check_dim(&self, dim: DimId, what: &dyn Fn() -> String) -> Result {
        in_range("dim", dim.0, self.dims.exprs().len(), what)
    }

    fn check_kernel(&self, kernel: KernelId, what: &dyn Fn() -> String) -> Result {
        in_range("kernel", kernel.0, self.kernels.len(), what)
    }

    fn check_place(&self, place: Place, what: &dyn Fn() -> String) -> Result {
        let (table, index, len) = match place.root {
            Root::Input(i) => ("input", i, self.inputs.len()),
            Root::Parameter(i) => ("parameter", i, self.parameters.len()),
            Root::Constant(i) => ("constant", i, self.constants.len()),
            Root::Buffer(i) => ("buffer", i, self.buffers.len()),
            Root::Output(i) => ("output", i, self.outputs.len()),
        };
        in_range(table, index, len, what)?;
        place.offset.map_or(Ok(()), |dim| self.check_dim(dim, what))
    }

    fn check_step(&self, step: &Step, what: &dyn Fn() -> String) -> Result {
        for (place, access) in step.accesses() {
            self.check_place(place, what)?;
            let owner = self.owner(place.root);
            let is_ours = matches!(owner, Root::Buffer(_) | Root::Output(_)) || self.state(owner).is_some();
            if access.is_write() && !is_ours {
                return malformed(what, format!("writes {owner:?}, which is read only"));
            }
        }
        match step {
            Step::Launch(launch) => self.check_launch(launch, what),
            Step::Call(call) => self.check_call(call, what),
            Step::Copy { bytes, .. } => self.check_dim(*bytes, what),
            Step::While(rounds) => {
                check_count(rounds.args.len(), what)?;
                self.check_shape(&rounds.condition_symbols, what)?;
                self.check_shape(&rounds.body_symbols, what)
            }
        }
    }

    fn check_launch(&self, launch: &Launch, what: &dyn Fn() -> String) -> Result {
        self.check_kernel(launch.kernel, what)?;
        self.check_shape(&launch.dims, what)?;
        check_count(launch.args.len().max(launch.dims.len()), what)?;
        let parallel = match &launch.spread {
            Spread::Whole => return Ok(()),
            Spread::Slices(parallel) => parallel,
            Spread::Grid(grid) if (1..=1024).contains(&grid.threads) => return self.check_shape(&grid.blocks, what),
            Spread::Grid(grid) => return malformed(what, format!("blocks of {} threads", grid.threads)),
        };
        in_range("launch dim", parallel.dim, launch.dims.len(), what)?;
        if let Some(start) = parallel.start {
            in_range("launch dim", start, launch.dims.len(), what)?;
            if start == parallel.dim {
                return malformed(what, "the start and the extent are the same entry");
            }
        }
        self.check_dim(parallel.grain, what)?;
        if parallel.advance.len() != launch.args.len() {
            let (a, b) = (parallel.advance.len(), launch.args.len());
            return malformed(what, format!("{a} advances for {b} arguments"));
        }
        parallel.advance.iter().flatten().try_for_each(|&dim| self.check_dim(dim, what))
    }

    fn check_call(&self, call: &Call, what: &dyn Fn() -> String) -> Result {
        self.check_shape(&call.op.dims(), what)?;
        check_count(call.args.len(), what)?;
        let (arity, outputs, epilogue) = (call.op.arity(), call.op.outputs(), call.op.epilogue());
        let (count, name) = (call.args.len(), call.op.name());
        let takes_more = epilogue.is_some() || matches!(call.op, LibraryOp::Fused(_));
        if count < arity || (count > arity && !takes_more) {
            return malformed(what, format!("'{name}' takes {arity} arguments, not {count}"));
        }
        for (i, arg) in call.args.iter().enumerate().take(arity) {
            let expected = if outputs.contains(&i) { call.op.output_access() } else { Access::Read };
            if arg.access != expected {
                return malformed(what, format!("argument {i} of '{name}' is not {expected:?}"));
            }
        }
        if let LibraryOp::AttentionBackward(op) = &call.op
            && op.forward.logsums
        {
            return malformed(what, "'attention_backward' has logsums as a result");
        }
        if let LibraryOp::UpdateSlice(op) = &call.op
            && (op.start.is_float() || op.start == thunder_tensor::DType::Bool)
        {
            return malformed(what, format!("'update_slice' has a start of {:?}", op.start));
        }
        let (dtype, dimensions, most) = match &call.op {
            LibraryOp::Matmul(op) => (op.dtype, op.batch.len(), 8),
            LibraryOp::ScaledMatmul(op) => return check_scaled(op, what),
            LibraryOp::Convolution(op) => (op.dtype, op.axes.len(), 3),
            LibraryOp::Fused(op) => (op.product.dtype, op.product.batch.len(), 8),
            LibraryOp::Attention(op) => (op.dtype, 0, 0),
            LibraryOp::AttentionBackward(op) => (op.forward.dtype, 0, 0),
            LibraryOp::UpdateSlice(_) => (DType::F32, 0, 0),
        };
        let is_attention = matches!(call.op, LibraryOp::Attention(_) | LibraryOp::AttentionBackward(_));
        if (is_attention && dtype == DType::F64) || !matches!(dtype, DType::F32 | DType::F64 | DType::F16 | DType::BF16)
        {
            return malformed(what, format!("'{name}' has no {dtype:?} form"));
        }
        if dimensions > most {
            return malformed(what, format!("'{name}' with {dimensions} dimensions; at most {most}"));
        }
        if let LibraryOp::Fused(op) = &call.op {
            return check_fused(op, count, what);
        }
        let Some(epilogue) = epilogue else { return Ok(()) };
        self.check_kernel(epilogue.kernel, what)?;
        check_count(epilogue.args.len().max(epilogue.dims.len()), what)?;
        for entry in [epilogue.start, epilogue.length] {
            in_range("epilogue dim", entry, epilogue.dims.len(), what)?;
        }
        if epilogue.start == epilogue.length {
            return malformed(what, "the start and the length are the same entry");
        }
        epilogue.args.iter().try_for_each(|&arg| in_range("argument", arg, count, what))?;
        Ok(())
    }

    /// Whatever a step reads has been written by a step before it.
    fn check_order(&self, step: &Step, written: &mut BTreeSet<(u8, u32)>, what: &dyn Fn() -> String) -> Result {
        let key = |root| match self.owner(root) {
            Root::Buffer(i) => Some((0, i)),
            Root::Output(i) => Some((1, i)),
            Root::Input(_) | Root::Parameter(_) | Root::Constant(_) => None,
        };
        for (place, access) in step.accesses() {
            let missing = access != Access::Write && key(place.root).is_some_and(|k| !written.contains(&k));
            if missing {
                return malformed(what, format!("reads {:?} before it is written", place.root));
            }
        }
        let writes = step.accesses().filter(|(_, access)| access.is_write());
        written.extend(writes.filter_map(|(place, _)| key(place.root)));
        Ok(())
    }
}

/// Halves are both of one product, and in order.
fn check_pieces(pieces: &[Piece], what: &dyn Fn() -> String) -> Result {
    let has_halves = pieces.iter().any(|piece| matches!(piece.columns, Columns::Half { .. }));
    let is_pair = match pieces {
        [Piece { pointer: a, columns: Columns::Half { of, start: 0 } }, Piece { pointer: b, columns: second }] => {
            a == b && of % 2 == 0 && *second == Columns::Half { of: *of, start: of / 2 }
        }
        _ => false,
    };
    if has_halves && !is_pair {
        return malformed(what, "halves that are not both of one product");
    }
    Ok(())
}

/// A product of `count` arguments with what a kernel computes from it.
fn check_fused(op: &Fused, count: usize, what: &dyn Fn() -> String) -> Result {
    check_count(op.pointers.len().max(op.numbers.len()), what)?;
    if op.kept.len() != op.count() {
        return malformed(what, format!("{} products of which {} may be kept", op.count(), op.kept.len()));
    }
    if !matches!(op.product.dtype, DType::F16 | DType::BF16) || op.product.epilogue.is_some() {
        return malformed(what, "a product that no kernel can be a part of");
    }
    let beside = match op.activation {
        Some(Activation::GeluGradient { pointer }) => Some(pointer),
        _ => None,
    };
    let is_there = beside.is_none_or(|beside| matches!(op.pointers.get(beside as usize), Some(Some(_))));
    // The product, and a result if that does not take its place.
    let own = op.pointers.len().saturating_sub(usize::from(beside.is_some()));
    if op.activation.is_some() && !(op.count() == 1 && (1..=2).contains(&own) && is_there) {
        return malformed(what, format!("{:?} of other than one product", op.activation));
    }
    op.pointers.iter().flatten().try_for_each(|&arg| in_range("argument", arg, count, what))
}

/// A product of floats of 8 bits.
fn check_scaled(op: &ScaledMatmul, what: &dyn Fn() -> String) -> Result {
    let ScaledMatmul { product, rhs, out } = op;
    if product.epilogue.is_some() || !product.batch.is_empty() {
        return malformed(what, "'scaled_matmul' has an epilogue or a batch");
    }
    if !product.dtype.is_float8() || !rhs.is_float8() || !matches!(out, DType::F32 | DType::F16 | DType::BF16) {
        let types = format!("{} and {rhs}, as {out}", product.dtype);
        return malformed(what, format!("'scaled_matmul' has no form of {types}"));
    }
    Ok(())
}

fn check_count(count: usize, what: &dyn Fn() -> String) -> Result {
    if count > MAX_ARGS {
        return malformed(what, format!("{count} arguments; at most {MAX_ARGS}"));
    }
    Ok(())
}

pub(super) fn in_range(table: &'static str, index: u32, len: usize, what: &dyn Fn() -> String) -> Result {
    if (index as usize) < len {
        return Ok(());
    }
    Err(ProgramError::OutOfRange { what: what(), table, index: index.into(), len: len as u64 })
}

pub(super) fn malformed<T>(what: &dyn Fn() -> String, problem: impl Into<String>) -> Result<T> {
    Err(ProgramError::Malformed { what: what(), problem: problem.into() })
}
