//! Parts of tensors: slices that are read, copied and written.

use super::generic::{Generic, Map};
use super::lowerer::Lowerer;
use thunder_interface::Dim;
use thunder_ir::{Attribute, Blueprint, Builder, Result, Type, Value};

/// Offsets, or sizes, or strides: numbers, where `i64::MIN` stands for the next of the values.
pub struct Mixed<'c> {
    numbers: Vec<i64>,
    values: Vec<Value<'c>>,
}

impl<'c> Mixed<'c> {
    /// Known sizes as numbers, others as values.
    pub fn of(lo: &mut Lowerer<'c>, dims: &[Dim]) -> Result<Self> {
        let (numbers, values) = lo.mixed(dims)?;
        Ok(Self { numbers, values })
    }

    /// Both parts.
    pub fn new(numbers: Vec<i64>, values: Vec<Value<'c>>) -> Self {
        Self { numbers, values }
    }

    /// Numbers only.
    pub fn numbers(numbers: &[i64]) -> Self {
        Self { numbers: numbers.to_vec(), values: Vec::new() }
    }

    /// Values with zeros around.
    pub fn at(rank: usize, values: &[(usize, Value<'c>)]) -> Self {
        let mut numbers = vec![0; rank];
        for (axis, _) in values {
            numbers[*axis] = i64::MIN;
        }
        Self { numbers, values: values.iter().map(|(_, value)| *value).collect() }
    }
}

/// Where a part of a tensor is.
pub struct Part<'c> {
    /// Its first element.
    pub offsets: Mixed<'c>,
    /// Its extent.
    pub sizes: Mixed<'c>,
    /// The distance of its elements.
    pub strides: Mixed<'c>,
}

impl<'c> Part<'c> {
    fn blueprint(&self, lo: &Lowerer<'c>, name: &str, tensors: &[Value<'c>], ty: Type<'c>) -> Blueprint<'c> {
        let lists = [&self.offsets, &self.sizes, &self.strides];
        let mut segments = vec![1; tensors.len()];
        segments.extend(lists.iter().map(|list| list.values.len()));
        let mut blueprint = Blueprint::new(name).operands(tensors.iter().copied()).results([ty]);
        for (list, name) in lists.into_iter().zip(["static_offsets", "static_sizes", "static_strides"]) {
            let numbers = Attribute::i64_array(lo.context(), &list.numbers);
            blueprint = blueprint.operands(list.values.iter().copied()).attribute(name, numbers);
        }
        blueprint.attribute("operandSegmentSizes", lo.segments(&segments))
    }

    /// The part of `tensor` as a tensor of type `ty`, which may lack dimensions of size 1.
    pub fn extract(&self, b: &Builder<'c>, lo: &Lowerer<'c>, tensor: Value<'c>, ty: Type<'c>) -> Result<Value<'c>> {
        Ok(b.insert(&self.blueprint(lo, "tensor.extract_slice", &[tensor], ty))?.result(0))
    }

    /// `tensor` with the part replaced.
    pub fn insert(&self, b: &Builder<'c>, lo: &Lowerer<'c>, part: Value<'c>, tensor: Value<'c>) -> Result<Value<'c>> {
        Ok(b.insert(&self.blueprint(lo, "tensor.insert_slice", &[part, tensor], tensor.ty()))?.result(0))
    }

    /// `tensor` with the elements of the part computed from those of `source`: loops that write
    /// where the part is, rather than a copy.
    pub fn copy_into(&self, lo: &Lowerer<'c>, source: Value<'c>, tensor: Value<'c>) -> Result<Value<'c>> {
        let sizes: Vec<_> = self.sizes.numbers.iter().map(|size| (*size != i64::MIN).then_some(*size)).collect();
        let ty = Type::tensor(tensor.ty().element(), &sizes);
        let place = self.extract(lo.builder(), lo, tensor, ty)?;
        let rank = sizes.len();
        let copied = Generic::parallel(rank)
            .input(source, Map::identity(rank))
            .output(place, Map::identity(rank))
            .build(lo, |_, x| Ok(vec![x[0]]))?;
        self.insert(lo.builder(), lo, copied[0], tensor)
    }
}
