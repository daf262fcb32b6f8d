//! Single elements of the tensors of a kernel, computed where they are asked for.
//!
//! A kernel as `linalg` on tensors says what each element of each tensor is. Asking for an element writes the code that
//! computes it from elements of the kernel's inputs; nothing in between is in memory.

use std::collections::HashSet;

use thunder_ir::{Attribute, Blueprint, Operation, Result, Type, Value};

use super::emitter::Emitter;
use super::fragment::Given;
use super::lanes::{Index, Lanes, Point};
use super::memory::Memory;
use super::nest::Nest;
use super::team::WARP;

/// The entry of static offsets, sizes and strides that stands for a value.
const OPEN: i64 = i64::MIN;

impl<'c> Emitter<'_, 'c> {
    /// The elements of `tensor` at a point.
    pub fn element(&mut self, tensor: Value<'c>, point: &Point<'c>) -> Result<Lanes<'c>> {
        if let Some(known) = self.known_elements(tensor, &point.at) {
            return Ok(known);
        }
        let lanes = self.compute(tensor, point)?;
        if !(self.rereads && self.is_near(tensor)) {
            self.remember_elements(tensor, &point.at, lanes.clone());
        }
        Ok(lanes)
    }

    /// Whether all there is to do for an element is to read it in shared memory, and to widen it.
    fn is_near(&self, tensor: Value<'c>) -> bool {
        let Some(op) = tensor.defining_op() else { return self.images.contains_key(&tensor) };
        let body = op.regions().next().and_then(|region| region.entry()).map(|body| body.operations());
        let is_widened = matches!(body.as_deref(), Some([widened, _]) if widened.name() == "arith.extf");
        op.name() == "linalg.generic" && is_widened && self.is_near(op.operand(0))
    }

    fn compute(&mut self, tensor: Value<'c>, point: &Point<'c>) -> Result<Lanes<'c>> {
        let Some((op, number)) = tensor.definer() else {
            let memory = self.inputs.get(&tensor).cloned().ok_or("internal: an argument has no memory")?;
            if let Some(given) = self.given.get(&tensor) {
                let is_it = |given: &&Given<'c>| {
                    point.at == given.at || given.first.is_some() && point.flat == given.first.map(Index::Step)
                };
                match given.iter().find(is_it) {
                    Some(given) => return Ok(given.lanes.clone()),
                    None => self.is_lost = true,
                }
            }
            if let Some(image) = self.images.get(&tensor).cloned() {
                return self.load_image(&image, &memory, point);
            }
            return match self.staged.get(&tensor).cloned() {
                Some(staged) => self.load_staged(&staged, point, &memory),
                None => self.load(&memory, point),
            };
        };
        match op.name() {
            "linalg.generic" => self.generic(op, number, point),
            "linalg.fill" => Ok(Lanes::Same(self.scalar(op.operand(0))?)),
            "tensor.empty" => {
                let ty = tensor.ty().element();
                let zero = if ty.as_scalar().is_some_and(thunder_ir::Scalar::is_float) {
                    Attribute::float(ty, 0.0)
                } else {
                    Attribute::integer(ty, 0)
                };
                Ok(Lanes::Same(self.constant(zero)?))
            }
            "arith.constant" => self.dense(op, point),
            "tensor.cast" => self.element(op.operand(0), point),
            "tensor.extract_slice" => self.slice(op, point),
            "tensor.insert_slice" => self.inserted(op, point),
            "tensor.collapse_shape" => self.collapsed(op, point),
            "tensor.expand_shape" => self.expanded(op, point),
            name => Err(op.error(format!("internal: '{name}' does not say what its elements are"))),
        }
    }

    /// Computes now what elements of `tensor` need that depends on known indices only: it would else be computed again in
    /// each iteration of a loop over the others.
    pub fn prepare(&mut self, tensor: Value<'c>, at: &[Option<Index<'c>>], seen: &mut HashSet<Value<'c>>) -> Result {
        let Some((op, number)) = tensor.definer() else { return Ok(()) };
        if !seen.insert(tensor) {
            return Ok(());
        }
        match op.name() {
            "tensor.cast" => self.prepare(op.operand(0), at, seen),
            "linalg.generic" => {
                let nest = Nest::of(op)?;
                let loops = nest.loops_at(number, at);
                let whole: Option<Vec<_>> = at.iter().cloned().collect();
                if let Some(at) = whole {
                    return self.element(tensor, &Point::new(at)).map(|_| ());
                }
                for (operand, access) in nest.inputs() {
                    let indices = access.iter().map(|index| {
                        let is_open = index.mentions(&|number| loops[number].is_none());
                        if is_open { Ok(None) } else { index.emit(self, op, &loops).map(Some) }
                    });
                    let indices = indices.collect::<Result<Vec<_>>>()?;
                    self.prepare(operand, &indices, seen)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The size of a dimension of a tensor.
    pub fn size(&mut self, tensor: Value<'c>, axis: usize) -> Result<Value<'c>> {
        let dims = tensor.ty().as_tensor().map(|ty| ty.dims()).unwrap_or_default();
        if let Some(Some(size)) = dims.get(axis) {
            return self.int(*size);
        }
        let Some((op, number)) = tensor.definer() else {
            return Ok(self.inputs.get(&tensor).ok_or("internal: an argument has no memory")?.sizes[axis]);
        };
        match op.name() {
            "linalg.generic" => self.size(op.operand(op.operand_count() - op.result_count() + number), axis),
            "linalg.fill" | "tensor.insert_slice" => self.size(op.operand(1), axis),
            "tensor.cast" => self.size(op.operand(0), axis),
            "tensor.empty" => {
                let before = dims[..axis].iter().filter(|dim| dim.is_none()).count();
                self.index_of(op.operand(before))
            }
            "tensor.extract_slice" => Ok(self.mixed(op, "static_sizes", 1, 1)?[axis]),
            "tensor.expand_shape" => {
                let before = dims[..axis].iter().filter(|dim| dim.is_none()).count();
                self.index_of(op.operand(1 + before))
            }
            "tensor.collapse_shape" => {
                let mut size = self.int(1)?;
                for axis in &groups(op)?[axis] {
                    let factor = self.size(op.operand(0), *axis)?;
                    size = self.mul(size, factor)?;
                }
                Ok(size)
            }
            name => Err(op.error(format!("internal: '{name}' does not say its sizes"))),
        }
    }

    /// All sizes of a tensor.
    fn sizes(&mut self, tensor: Value<'c>) -> Result<Vec<Value<'c>>> {
        let rank = tensor.ty().as_tensor().map_or(0, |ty| ty.rank());
        (0..rank).map(|axis| self.size(tensor, axis)).collect()
    }

    /// A value of the kernel that is no tensor.
    pub fn scalar(&mut self, value: Value<'c>) -> Result<Value<'c>> {
        if let Some(known) = self.known_scalar(value) {
            return Ok(known);
        }
        let made = match value.defining_op() {
            None => *self.numbers.get(&value).ok_or("internal: an argument is neither tensor nor number")?,
            Some(op) if op.name() == "arith.constant" => {
                self.constant(op.attribute("value").ok_or_else(|| op.error("has no value"))?)?
            }
            Some(op) if op.name() == "tensor.dim" => {
                let axis = op.operand(1).as_constant().and_then(|a| a.as_integer());
                let axis = axis.ok_or_else(|| op.error("internal: asks for a dimension that is not known"))?;
                let size = self.size(op.operand(0), axis as usize)?;
                self.cast(size, value.ty())?
            }
            Some(op) if op.name() == "tensor.extract" => {
                let at = op.operands().skip(1).map(|index| Ok(Index::Same(self.index_of(index)?)));
                let at = at.collect::<Result<Vec<_>>>()?;
                self.element(op.operand(0), &Point::new(at))?.lane(0)
            }
            Some(op) if op.region_count() == 0 && op.result_count() == 1 => {
                let operands = op.operands().map(|operand| self.scalar(operand)).collect::<Result<Vec<_>>>()?;
                self.repeated(op, &operands)?[0]
            }
            Some(op) => return Err(op.error(format!("internal: '{}' is no scalar of a kernel", op.name()))),
        };
        self.remember_scalar(value, made);
        Ok(made)
    }

    /// A value of type `index` of the kernel, as an index.
    pub fn index_of(&mut self, value: Value<'c>) -> Result<Value<'c>> {
        if let Some(number) = value.as_constant().and_then(|a| a.as_integer()) {
            return self.int(number);
        }
        let made = self.scalar(value)?;
        self.cast(made, self.index)
    }

    /// An op with other operands.
    pub fn repeated(&self, op: Operation<'c>, operands: &[Value<'c>]) -> Result<Vec<Value<'c>>> {
        let mut copy = Blueprint::new(op.name());
        copy = copy.operands(operands.iter().copied()).results(op.results().map(|result| result.ty()));
        for (name, value) in op.attributes() {
            copy = copy.attribute(name, value);
        }
        Ok(self.b.insert(&copy)?.results().collect())
    }

    /// Offsets, sizes or strides, whose open entries are operands: those of list `list` after `tensors` operands.
    fn mixed(&mut self, op: Operation<'c>, name: &str, tensors: usize, list: usize) -> Result<Vec<Value<'c>>> {
        let lists = ["static_offsets", "static_sizes", "static_strides"];
        let numbers = |name: &str| op.attribute(name).and_then(|a| a.as_i64_array()).unwrap_or_default();
        let before = lists[..list].iter().flat_map(|name| numbers(name)).filter(|number| *number == OPEN).count();
        let mut open = tensors + before;
        let mut values = Vec::new();
        for number in numbers(name) {
            if number == OPEN {
                values.push(self.index_of(op.operand(open))?);
                open += 1;
            } else {
                values.push(self.int(number)?);
            }
        }
        Ok(values)
    }

    fn slice(&mut self, op: Operation<'c>, point: &Point<'c>) -> Result<Lanes<'c>> {
        let offsets = self.mixed(op, "static_offsets", 1, 0)?;
        let strides = self.mixed(op, "static_strides", 1, 2)?;
        if offsets.len() != point.at.len() {
            return Err(op.error("internal: takes dimensions away"));
        }
        let mut at = Vec::new();
        for ((index, offset), stride) in point.at.iter().zip(offsets).zip(strides) {
            let scaled = index.mul(self, &Index::Same(stride))?;
            at.push(scaled.add(self, &Index::Same(offset))?);
        }
        self.element(op.operand(0), &Point::new(at))
    }

    /// An element of the part where there is one, else of the whole.
    fn inserted(&mut self, op: Operation<'c>, point: &Point<'c>) -> Result<Lanes<'c>> {
        let (part, whole) = (op.operand(0), op.operand(1));
        let lists = [("static_offsets", 0), ("static_sizes", 1), ("static_strides", 2)];
        let [offsets, sizes, strides] = lists.map(|(name, list)| self.mixed(op, name, 2, list));
        let (offsets, sizes, strides) = (offsets?, sizes?, strides?);
        let extents = self.sizes(whole)?;
        if part.ty().as_tensor().map(|ty| ty.rank()) != Some(offsets.len()) {
            return Err(op.error("internal: puts in a tensor of fewer dimensions"));
        }
        let one = self.int(1)?;
        // The dimensions in which the part is not all of the whole.
        let cut: Vec<_> = (0..offsets.len())
            .filter(|axis| {
                let is_all = self.number(offsets[*axis]) == Some(0) && sizes[*axis] == extents[*axis];
                !(is_all && strides[*axis] == one)
            })
            .collect();
        // Lanes are all inside or all outside where the part's bounds are at multiples of their number.
        let lanes = self.lanes as i64;
        let together = |emitter: &Self, axis: &usize| match &point.at[*axis] {
            Index::Same(_) => true,
            Index::Step(first) => {
                let bounds = [*first, offsets[*axis], sizes[*axis]];
                strides[*axis] == one && bounds.iter().all(|bound| emitter.factor(*bound) % lanes == 0)
            }
            Index::Each(_) => false,
        };
        if self.lanes > 1 && !cut.iter().all(|axis| together(self, axis)) {
            return self.lane_by_lane(|emitter, lane| {
                let point = point.lane(emitter, lane)?;
                emitter.element(op.result(0), &point)
            });
        }
        let mut inside: Option<Value<'c>> = None;
        let mut at = point.at.clone();
        for axis in cut.iter().copied() {
            let relative = point.at[axis].sub(self, &Index::Same(offsets[axis]))?;
            let first = relative.lane(self, 0)?;
            // Unsigned: what is before the part is far behind it.
            let span = self.mul(sizes[axis], strides[axis])?;
            let mut holds = match self.is_within(first, span) {
                Some(false) => return self.element(whole, point),
                Some(true) => Vec::new(),
                None => vec![self.is_less(first, span)?],
            };
            if strides[axis] == one {
                at[axis] = relative;
            } else {
                let rest = self.rem(first, strides[axis])?;
                let zero = self.int(0)?;
                holds.push(self.compare(0, rest, zero)?);
                at[axis] = Index::Same(self.div(first, strides[axis])?);
            }
            for condition in holds {
                inside = Some(match inside {
                    None => condition,
                    Some(before) => self.op("arith.andi", &[before, condition], condition.ty())?,
                });
            }
        }
        let Some(inside) = inside else {
            let flat = point.flat.clone().filter(|_| cut.is_empty());
            return self.element(part, &Point { at, flat });
        };
        let count = self.lanes;
        // Where every warp has both, it computes both one way or the other: without branches, loads do not wait for each other.
        let is_mixed = cut[..] == [offsets.len() - 1]
            && self.number(extents[cut[0]]).is_some_and(|extent| extent <= i64::from(WARP) * lanes)
            && self.number(sizes[cut[0]]).is_some_and(|size| size > 0);
        if is_mixed {
            let zero = self.int(0)?;
            at[cut[0]] = match &at[cut[0]] {
                Index::Same(index) => Index::Same(self.guarded(inside, *index, zero)?),
                Index::Step(first) => Index::Step(self.guarded(inside, *first, zero)?),
                Index::Each(_) => return Err(op.error("internal: lanes are on both sides")),
            };
            let inner = self.element(part, &Point::new(at))?;
            if whole.defining_op().is_some_and(|op| op.name() == "tensor.empty") {
                return Ok(inner);
            }
            let outer = self.element(whole, point)?;
            let (yes, no) = (self.joined(&inner.all(count))?, self.joined(&outer.all(count))?);
            let chosen = self.select(inside, yes, no)?;
            return Ok(Lanes::each(self.elements_of(chosen, part.ty().element(), count)?));
        }
        let types = vec![part.ty().element(); count];
        let values = self.choose(
            inside,
            &types,
            |emitter| Ok(emitter.element(part, &Point::new(at))?.all(count)),
            |emitter| Ok(emitter.element(whole, point)?.all(count)),
        )?;
        Ok(Lanes::each(values))
    }

    /// What each lane computes by itself.
    pub fn lane_by_lane(&mut self, mut one: impl FnMut(&mut Self, usize) -> Result<Lanes<'c>>) -> Result<Lanes<'c>> {
        let count = std::mem::replace(&mut self.lanes, 1);
        let values = (0..count).map(|lane| Ok(one(self, lane)?.lane(0))).collect::<Result<Vec<_>>>();
        self.lanes = count;
        Ok(Lanes::each(values?))
    }

    fn collapsed(&mut self, op: Operation<'c>, point: &Point<'c>) -> Result<Lanes<'c>> {
        let from = self.sizes(op.operand(0))?;
        let mut at = Vec::new();
        for (index, group) in point.at.iter().zip(groups(op)?) {
            at.extend(self.split(index, &group.iter().map(|axis| from[*axis]).collect::<Vec<_>>())?);
        }
        if point.at.is_empty() {
            // A single element, whose dimensions are of no group.
            let zero = self.int(0)?;
            at = vec![Index::Same(zero); from.len()];
        }
        self.element(op.operand(0), &Point { at, flat: point.flat.clone() })
    }

    fn expanded(&mut self, op: Operation<'c>, point: &Point<'c>) -> Result<Lanes<'c>> {
        let sizes = self.sizes(op.result(0))?;
        let mut at = Vec::new();
        for group in groups(op)? {
            let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
            at.push(self.linearize(&point.at[*first..=*last], &sizes[*first..=*last])?);
        }
        self.element(op.operand(0), &Point { at, flat: point.flat.clone() })
    }

    /// The indices in dimensions of these sizes that are one index together.
    pub fn split(&mut self, index: &Index<'c>, sizes: &[Value<'c>]) -> Result<Vec<Index<'c>>> {
        let last = sizes.last().map_or(1, |size| self.factor(*size));
        match index {
            Index::Same(value) => Ok(self.delinearize(*value, sizes)?.into_iter().map(Index::Same).collect()),
            _ if sizes.len() == 1 => Ok(vec![index.clone()]),
            Index::Step(first) if last % self.lanes as i64 == 0 && self.factor(*first) % self.lanes as i64 == 0 => {
                let mut indices: Vec<_> = self.delinearize(*first, sizes)?.into_iter().map(Index::Same).collect();
                if let Some(Index::Same(first)) = indices.pop() {
                    indices.push(Index::Step(first));
                }
                Ok(indices)
            }
            _ => {
                let mut each = vec![Vec::new(); sizes.len()];
                for lane in 0..self.lanes {
                    let value = index.lane(self, lane)?;
                    for (axis, index) in self.delinearize(value, sizes)?.into_iter().enumerate() {
                        each[axis].push(index);
                    }
                }
                Ok(each.into_iter().map(Index::Each).collect())
            }
        }
    }

    /// Elements that the kernel has itself: in a table where they differ.
    fn dense(&mut self, op: Operation<'c>, point: &Point<'c>) -> Result<Lanes<'c>> {
        let value = op.attribute("value").ok_or_else(|| op.error("has no value"))?;
        if let Some(element) = value.splat_value() {
            return Ok(Lanes::Same(self.constant(element)?));
        }
        let bytes = value.dense_bytes().ok_or_else(|| op.error("internal: has elements that are no bytes"))?;
        let (ty, sizes) = (op.result(0).ty(), self.sizes(op.result(0))?);
        let count = ty.as_tensor().and_then(|ty| ty.static_dims()).unwrap_or_default().iter().product::<i64>();
        let elements = Attribute::dense(Type::tensor(ty.element(), &[Some(count)]), &bytes);
        let elements = elements.ok_or_else(|| op.error("internal: elements have the bytes of their type"))?;
        let text = format!("!llvm.array<{count} x {}>", ty.element());
        let table = Type::parse(self.context(), &text).ok_or_else(|| format!("internal: '{text}' is no type"))?;
        let pointer = self.global("table", table, 1, Some(elements))?;
        self.load(&Memory { pointer, element: ty.element(), sizes }, point)
    }
}

/// The dimensions that each group of a reshape has.
fn groups(op: Operation<'_>) -> Result<Vec<Vec<usize>>> {
    let groups = op.attribute("reassociation").and_then(|a| a.as_array());
    let groups = groups.ok_or_else(|| op.error("internal: has no groups of dimensions"))?;
    let group = |group: &Attribute<'_>| {
        let axes = group.as_array().unwrap_or_default();
        axes.iter().filter_map(|axis| axis.as_integer()).map(|axis| axis as usize).collect()
    };
    Ok(groups.iter().map(group).collect())
}
