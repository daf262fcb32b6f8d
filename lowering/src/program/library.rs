//! Calls of libraries, with the strides that views of their operands have.

use thunder_interface::{Dim, Library, LibraryCall, StridedView};
use thunder_ir::{Operation, Result, Value};
use thunder_passes::{Epilogue, IN_PLACE, layout};
use thunder_runtime::program::{
    self, Access, Arg, Attention, AttentionBackward, AttentionStrides, BatchDim, Call, Convolution, ConvolutionAxis,
    Launch, LibraryOp, MaskStrides, Matmul, MatrixStrides, Parallel, Place, Root, ScaledMatmul, Spread, UpdateSlice,
};
use thunder_tensor::DType;

use super::Emitter;
use super::sizes::Sizes;

impl<'c> Emitter<'_, 'c> {
    /// A library's computation.
    pub(super) fn library(&mut self, op: Operation<'c>) -> Result<Call> {
        let library = <dyn Library>::of(op);
        let call = library.as_ref().and_then(|l| l.library()).ok_or_else(|| op.error("internal: is no library's"))?;
        // The call's values live as long as its handle; their like among the operands live longer.
        let known = |v: Value<'_>| op.operands().find(|o| *o == v).expect("a library call uses the op's operands");
        let (library, args) = match call {
            LibraryCall::Matmul { lhs, rhs, bias, rhs_transposed } => {
                self.matmul(op, known(lhs), known(rhs), bias.map(known), rhs_transposed)?
            }
            LibraryCall::ScaledMatmul { lhs, rhs, scales, bias } => {
                let further: Vec<_> = scales.into_iter().chain(bias).map(known).collect();
                self.scaled_matmul(op, [known(lhs), known(rhs)], &further)?
            }
            LibraryCall::UpdateSlice { operand, update, start, axis } => {
                self.update_slice(op, [known(operand), known(update), known(start)], axis)?
            }
            LibraryCall::Attention { q, k, v, mask, causal, scale } => {
                let (mut args, out) = (Vec::new(), self.made_heads(op, 0)?);
                let operands = [known(q), known(k), known(v)];
                let attention = self.attention(op, operands, mask.map(known), (causal, scale), &out.1, &mut args)?;
                args.push(Arg::write(out.0));
                (LibraryOp::Attention(attention), args)
            }
            LibraryCall::AttentionBackward { d_out, q, k, v, mask, causal, scale } => {
                let mut args = Vec::new();
                let (root, view) = self.place(op, known(d_out))?;
                let d_out = at(root, &view, self.dtype(known(d_out))?, &mut self.sizes)?;
                let operands = [known(q), known(k), known(v)];
                let view = problems(op, view)?;
                let forward = self.attention(op, operands, mask.map(known), (causal, scale), &view, &mut args)?;
                args.push(d_out);
                let mut strides = Vec::new();
                for number in 0..3 {
                    let (root, view) = self.made_heads(op, number)?;
                    args.push(Arg::write(root));
                    strides.push(self.attention_strides(&view)?);
                }
                let (d_q, d_k, d_v) = (strides[0], strides[1], strides[2]);
                (LibraryOp::AttentionBackward(AttentionBackward { forward, saved: None, d_q, d_k, d_v }), args)
            }
            LibraryCall::Convolution { x, weight, bias, stride, low, dilation, groups } => {
                let steps = stride.into_iter().zip(low).zip(dilation);
                let steps: Vec<_> = steps.map(|((stride, low), dilation)| [stride, low, dilation]).collect();
                self.convolution(op, (known(x), known(weight), bias.map(known)), &steps, groups)?
            }
        };
        Ok(Call { op: library, args })
    }

    /// Replaces a part where the operand is, or in a copy of it.
    fn update_slice(
        &mut self,
        op: Operation<'c>,
        [operand, update, start]: [Value<'c>; 3],
        axis: usize,
    ) -> Result<(LibraryOp, Vec<Arg>)> {
        let [from, part, place] = [operand, update, start].map(|value| self.place(op, value));
        let ((from, whole), (part, given), (place, _)) = (from?, part?, place?);
        if !whole.is_dense() || !given.is_dense() {
            return Err(op.error("internal: is given a view that is not dense"));
        }
        if op.attribute(IN_PLACE).is_some() {
            self.roots.insert(op.result(0), from);
        }
        let to = self.make(op.result(0))?;
        self.copy(operand, from, to)?;
        let (sizes, length) = (self.shapes.dims(operand), self.shapes.dims(update)[axis].clone());
        let library = UpdateSlice {
            dtype: self.dtype(operand)?,
            start: self.dtype(start)?,
            outer: self.sizes.id(&Dim::product(&sizes[..axis]))?,
            extent: self.sizes.id(&sizes[axis])?,
            length: self.sizes.id(&length)?,
            inner: self.sizes.id(&Dim::product(&sizes[axis + 1..]))?,
        };
        let out = Arg { place: Place::new(to), access: Access::Update };
        Ok((LibraryOp::UpdateSlice(library), vec![Arg::read(part), Arg::read(place), out]))
    }

    /// A convolution of the given steps: for each spatial dimension a stride, zeros before it, a dilation.
    fn convolution(
        &mut self,
        op: Operation<'c>,
        (x, weight, bias): (Value<'c>, Value<'c>, Option<Value<'c>>),
        steps: &[[i64; 3]],
        groups: i64,
    ) -> Result<(LibraryOp, Vec<Arg>)> {
        let mut args = Vec::new();
        for value in [Some(x), Some(weight), bias].into_iter().flatten() {
            let (root, view) = self.place(op, value)?;
            if !view.is_dense() {
                return Err(op.error("internal: a convolution is given a view that is not dense"));
            }
            args.push(at(root, &view, self.dtype(value)?, &mut self.sizes)?);
        }
        args.push(Arg::write(self.make(op.result(0))?));
        let [from, window, to] = [x, weight, op.result(0)].map(|value| self.shapes.dims(value));
        let mut axes = Vec::new();
        for (axis, [stride, low, dilation]) in steps.iter().enumerate() {
            axes.push(ConvolutionAxis {
                extent: self.sizes.id(&from[axis + 2])?,
                positions: self.sizes.id(&to[axis + 2])?,
                window: self.sizes.id(&window[axis + 2])?,
                stride: self.sizes.id(&Dim::Known(*stride))?,
                low: self.sizes.id(&Dim::Known(*low))?,
                dilation: self.sizes.id(&Dim::Known(*dilation))?,
            });
        }
        let op = Convolution {
            dtype: self.dtype(x)?,
            batch: self.sizes.id(&from[0])?,
            groups: self.sizes.id(&Dim::Known(groups))?,
            channels: self.sizes.id(&window[1])?,
            features: self.sizes.id(&window[0].floor_div(&Dim::Known(groups)))?,
            axes,
            bias: bias.is_some(),
        };
        Ok((LibraryOp::Convolution(op), args))
    }

    /// A product and the launch of the kernel that runs on its blocks.
    pub(super) fn product_with(&mut self, epilogue: &Epilogue<'c>, launch: Launch) -> Result<Call> {
        let product = epilogue.product;
        let mut call = self.library(product)?;
        let (LibraryOp::Matmul(op), Spread::Slices(Parallel { dim, start: Some(start), .. })) =
            (&mut call.op, launch.spread)
        else {
            return Err(product.error("internal: cannot have an epilogue"));
        };
        let out = call.args.len() as u32 - 1;
        let mut args = Vec::with_capacity(launch.args.len());
        for arg in launch.args {
            if arg.place == call.args[out as usize].place {
                args.push(out);
            } else {
                args.push(call.args.len() as u32);
                call.args.push(arg);
            }
        }
        op.epilogue = Some(program::Epilogue {
            kernel: launch.kernel,
            args,
            dims: launch.dims,
            start,
            length: dim,
            elements: epilogue.elements,
        });
        Ok(call)
    }

    fn matmul(
        &mut self,
        op: Operation<'c>,
        lhs: Value<'c>,
        rhs: Value<'c>,
        bias: Option<Value<'c>>,
        transposed: bool,
    ) -> Result<(LibraryOp, Vec<Arg>)> {
        let (lhs_root, mut left) = self.place(op, lhs)?;
        let (rhs_root, mut right) = self.place(op, rhs)?;
        let dtype = self.dtype(lhs)?;
        let mut args =
            vec![at(lhs_root, &left, dtype, &mut self.sizes)?, at(rhs_root, &right, dtype, &mut self.sizes)?];
        if let Some(bias) = bias {
            let (root, view) = self.place(op, bias)?;
            args.push(at(root, &view, dtype, &mut self.sizes)?);
        }
        let result = op.result(0);
        let mut out = StridedView::dense(self.shapes.dims(result));
        args.push(Arg::write(self.make(result)?));
        // A matrix on the right serves all rows on the left: they are one long matrix, if strides allow.
        if right.sizes.len() == 2 && left.sizes.len() > 2 {
            let collapse = |view: &StridedView| {
                let (last, outer) = view.sizes.split_last().expect("rank is more than 2");
                let rows = outer.iter().fold(Dim::Known(1), |p, d| p.mul(d));
                view.reshape(&[rows, last.clone()])
            };
            if let (Some(flat), Some(flat_out)) = (collapse(&left), collapse(&out)) {
                (left, out) = (flat, flat_out);
            }
        }
        if left.sizes.len() == 1 {
            left.sizes.insert(0, Dim::Known(1));
            left.strides.insert(0, Dim::Known(0));
            out.sizes.insert(0, Dim::Known(1));
            out.strides.insert(0, Dim::Known(0));
        }
        if transposed {
            let rank = right.sizes.len();
            right.sizes.swap(rank - 2, rank - 1);
            right.strides.swap(rank - 2, rank - 1);
        }
        let outer = left.sizes.len() - 2;
        let mut batch = Vec::new();
        for axis in 0..outer {
            let rhs = if right.sizes.len() == 2 { &Dim::Known(0) } else { &right.strides[axis] };
            batch.push(BatchDim {
                extent: self.sizes.id(&left.sizes[axis])?,
                lhs: self.sizes.id(&left.strides[axis])?,
                rhs: self.sizes.id(rhs)?,
                out: self.sizes.id(&out.strides[axis])?,
            });
        }
        let mut strides = |view: &StridedView| -> Result<MatrixStrides> {
            let rank = view.strides.len();
            Ok(MatrixStrides {
                row: self.sizes.id(&view.strides[rank - 2])?,
                column: self.sizes.id(&view.strides[rank - 1])?,
            })
        };
        let (lhs_strides, rhs_strides, out_strides) = (strides(&left)?, strides(&right)?, strides(&out)?);
        let rank = left.sizes.len();
        let op = Matmul {
            dtype,
            m: self.sizes.id(&left.sizes[rank - 2])?,
            n: self.sizes.id(&right.sizes[right.sizes.len() - 1])?,
            k: self.sizes.id(&left.sizes[rank - 1])?,
            batch,
            lhs: lhs_strides,
            rhs: rhs_strides,
            out: out_strides,
            bias: bias.is_some(),
            epilogue: None,
        };
        Ok((LibraryOp::Matmul(op), args))
    }

    /// A product of floats of 8 bits; `further` are its scales, and its bias if there is one.
    fn scaled_matmul(
        &mut self,
        op: Operation<'c>,
        [lhs, rhs]: [Value<'c>; 2],
        further: &[Value<'c>],
    ) -> Result<(LibraryOp, Vec<Arg>)> {
        let (LibraryOp::Matmul(mut product), mut args) = self.matmul(op, lhs, rhs, None, false)? else {
            return Err(op.error("internal: is no product"));
        };
        for (number, value) in further.iter().enumerate() {
            let (root, view) = self.place(op, *value)?;
            args.insert(2 + number, at(root, &view, self.dtype(*value)?, &mut self.sizes)?);
        }
        product.bias = further.len() > 2;
        let (rhs, out) = (self.dtype(rhs)?, self.dtype(op.result(0))?);
        Ok((LibraryOp::ScaledMatmul(ScaledMatmul { product, rhs, out }), args))
    }

    /// Reads of an attention's operands, and its sizes; `out` is how the result lies in memory.
    fn attention(
        &mut self,
        op: Operation<'c>,
        operands: [Value<'c>; 3],
        mask: Option<Value<'c>>,
        (causal, scale): (bool, f64),
        out: &StridedView,
        args: &mut Vec<Arg>,
    ) -> Result<Attention> {
        let dtype = self.dtype(operands[0])?;
        let mut views = Vec::new();
        for value in operands {
            let (root, view) = self.place(op, value)?;
            args.push(at(root, &view, dtype, &mut self.sizes)?);
            views.push(problems(op, view)?);
        }
        let mask = match mask {
            None => None,
            Some(mask) => {
                let (root, view) = self.place(op, mask)?;
                args.push(at(root, &view, self.dtype(mask)?, &mut self.sizes)?);
                Some(self.mask_strides(op, &view)?)
            }
        };
        let [q, k, v] = [&views[0], &views[1], &views[2]];
        Ok(Attention {
            dtype,
            batch: self.sizes.id(&q.sizes[0])?,
            heads: self.sizes.id(&q.sizes[1])?,
            kv_heads: self.sizes.id(&k.sizes[1])?,
            queries: self.sizes.id(&q.sizes[2])?,
            keys: self.sizes.id(&k.sizes[2])?,
            width: self.sizes.id(&q.sizes[3])?,
            value_width: self.sizes.id(&v.sizes[3])?,
            q: self.attention_strides(q)?,
            k: self.attention_strides(k)?,
            v: self.attention_strides(v)?,
            out: self.attention_strides(out)?,
            scale: scale as f32,
            causal: if causal { Some(self.sizes.id(&Dim::Known(0))?) } else { None },
            mask,
            logsums: false,
        })
    }

    /// The memory of a result of an attention, and how it lies there.
    fn made_heads(&mut self, op: Operation<'c>, number: usize) -> Result<(Root, StridedView)> {
        let result = op.result(number);
        let root = self.make(result)?;
        let (_, view) = layout(result, self.shapes).ok_or_else(|| op.error("internal: has no place"))?;
        Ok((root, problems(op, view)?))
    }

    fn attention_strides(&mut self, view: &StridedView) -> Result<AttentionStrides> {
        Ok(AttentionStrides {
            batch: self.sizes.id(&view.strides[0])?,
            head: self.sizes.id(&view.strides[1])?,
            position: self.sizes.id(&view.strides[2])?,
        })
    }

    /// A mask's strides over `[batch, heads, queries, keys]`, aligned at the right; 0 where it repeats.
    fn mask_strides(&mut self, op: Operation<'c>, view: &StridedView) -> Result<MaskStrides> {
        if view.sizes.len() > 4 {
            return Err(op.error("has a mask of more than 4 dimensions, which the library does not take"));
        }
        let missing = 4 - view.sizes.len();
        let mut ids = Vec::new();
        for axis in 0..4usize {
            let stride = match axis.checked_sub(missing) {
                Some(own) if view.sizes[own] != Dim::Known(1) => view.strides[own].clone(),
                _ => Dim::Known(0),
            };
            ids.push(self.sizes.id(&stride)?);
        }
        Ok(MaskStrides { batch: ids[0], head: ids[1], query: ids[2], key: ids[3] })
    }
}

/// An operand of an attention as `[batch, heads, position, width]`.
fn problems(op: Operation<'_>, mut view: StridedView) -> Result<StridedView> {
    while view.sizes.len() < 4 {
        view.sizes.insert(0, Dim::Known(1));
        view.strides.insert(0, Dim::Known(0));
    }
    if view.sizes.len() > 4 {
        let inner = view.sizes.len() - 3;
        let batch = view.sizes[..inner].iter().fold(Dim::Known(1), |p, d| p.mul(d));
        let sizes: Vec<Dim> = std::iter::once(batch).chain(view.sizes[inner..].iter().cloned()).collect();
        view = view.reshape(&sizes).ok_or_else(|| op.error("has outer dimensions that do not form one batch"))?;
    }
    if view.strides[3] != Dim::Known(1) && view.sizes[3] != Dim::Known(1) {
        return Err(op.error("has an operand whose innermost dimension is not contiguous"));
    }
    Ok(view)
}

/// A read of a view's memory from its first element on.
fn at(root: Root, view: &StridedView, dtype: DType, sizes: &mut Sizes) -> Result<Arg> {
    let offset = match &view.offset {
        Dim::Known(0) => None,
        offset => Some(sizes.id(&offset.mul(&Dim::Known(dtype.size() as i64)))?),
    };
    Ok(Arg { place: Place { root, offset }, access: Access::Read })
}
