//! What crosses the border of a kernel, as its attributes say.

use thunder_interface::Dim;
use thunder_ir::{Operation, Result, Type};
use thunder_passes::shapes::attribute_to_dim;
use thunder_passes::{IN_PLACE, SIZES, SYMBOL_COUNT};

/// What crosses the border of a kernel.
pub struct Signature<'c> {
    /// Its name.
    pub name: String,
    /// Types of the inputs and then of the results.
    pub types: Vec<Type<'c>>,
    /// The sizes of each; of an input that is no tensor, its value.
    pub dims: Vec<Vec<Dim>>,
    /// How many numbers it takes: the sizes that differ from call to call.
    pub symbols: usize,
    /// For each result the input whose memory it takes, if any.
    pub in_place: Vec<Option<usize>>,
}

impl<'c> Signature<'c> {
    /// Reads it off the attributes of `function`.
    pub fn of(function: Operation<'c>) -> Result<Self> {
        let missing = |what: &str| function.error(format!("is a kernel without '{what}'"));
        let name = function.attribute("sym_name").and_then(|a| a.as_string()).ok_or_else(|| missing("sym_name"))?;
        let (mut types, results): (Vec<Type<'c>>, Vec<Type<'c>>) = function
            .attribute("function_type")
            .and_then(|a| a.as_type())
            .and_then(|ty| ty.as_function())
            .ok_or_else(|| missing("function_type"))?;
        let shared = function.attribute(IN_PLACE).and_then(|a| a.as_i64_array()).unwrap_or_default();
        let mut in_place: Vec<Option<usize>> = shared.into_iter().map(|input| usize::try_from(input).ok()).collect();
        in_place.resize(results.len(), None);
        types.extend(results);
        let symbols =
            function.attribute(SYMBOL_COUNT).and_then(|a| a.as_integer()).ok_or_else(|| missing(SYMBOL_COUNT))?;
        let sizes = function.attribute(SIZES).and_then(|a| a.as_array()).ok_or_else(|| missing(SIZES))?;
        let dims: Option<Vec<Vec<Dim>>> =
            sizes.iter().map(|dims| dims.as_array()?.into_iter().map(attribute_to_dim).collect()).collect();
        let dims = dims.filter(|d| d.len() == types.len()).ok_or_else(|| function.error("has malformed sizes"))?;
        Ok(Self { name: name.to_owned(), types, dims, symbols: symbols as usize, in_place })
    }

    /// How many pointers it takes.
    pub fn tensors(&self) -> usize {
        let shared = self.in_place.iter().flatten().count();
        self.types.iter().filter(|ty| ty.as_tensor().is_some()).count() - shared
    }
}
