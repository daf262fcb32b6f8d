//! Checks of a run's inputs and outputs, with the reason of a miss.

use thunder_tensor::{DType, Tensor};

use crate::plan::{Plan, Shape};
use crate::program::{Port, Program, Root};

/// Why inputs or outputs do not fit the program. The caller's mistake.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GuardError {
    /// Another number of tensors.
    #[error("'{program}' takes {expected} {kind}s, not {found}")]
    Count {
        /// The program.
        program: String,
        /// "input" or "output".
        kind: &'static str,
        /// How many it takes.
        expected: usize,
        /// How many were given.
        found: usize,
    },
    /// Another element type.
    #[error("{kind} '{name}' is of {found}, the program needs {expected}")]
    DType {
        /// "input" or "output".
        kind: &'static str,
        /// The tensor.
        name: String,
        /// The program's type.
        expected: DType,
        /// The type given.
        found: DType,
    },
    /// Another number of dimensions.
    #[error("{kind} '{name}' has {found} dimensions, the program needs {expected}")]
    Rank {
        /// "input" or "output".
        kind: &'static str,
        /// The tensor.
        name: String,
        /// The program's rank.
        expected: usize,
        /// The rank given.
        found: usize,
    },
    /// Another extent than the program fixes or other inputs imply.
    #[error("{kind} '{name}': dimension {axis} is {found}, the program needs {expected}{because}")]
    Extent {
        /// "input" or "output".
        kind: &'static str,
        /// The tensor.
        name: String,
        /// The dimension.
        axis: usize,
        /// The extent that it must have.
        expected: usize,
        /// The extent given.
        found: usize,
        /// Where a symbolic extent comes from.
        because: String,
    },
    /// An input that the program updates is given to be read.
    #[error("the program updates input '{name}', which must be given to be written")]
    ReadOnly {
        /// The input.
        name: String,
    },
    /// The sizes break a relation that the program relies on.
    #[error("{message} ({left} and {right})")]
    Constraint {
        /// The program's message.
        message: String,
        /// Value of one side.
        left: i64,
        /// Value of the other.
        right: i64,
    },
}

/// Something of a type and shape.
pub trait Typed {
    /// Type of an element.
    fn dtype(&self) -> DType;

    /// Extents, outermost first.
    fn shape(&self) -> &[usize];
}

impl Typed for Tensor {
    fn dtype(&self) -> DType {
        self.dtype()
    }

    fn shape(&self) -> &[usize] {
        self.shape()
    }
}

type Result<T = (), E = GuardError> = std::result::Result<T, E>;

/// "f32[2x3]".
pub(super) fn describe(dtype: DType, shape: &[usize]) -> String {
    let extents: Vec<String> = shape.iter().map(usize::to_string).collect();
    format!("{dtype}[{}]", extents.join("x"))
}

/// Checks types and ranks, and reads the symbols' values off the inputs.
pub(super) fn symbols<T: Typed>(program: &Program, inputs: &[T]) -> Result<Vec<i64>> {
    check_kinds(program, "input", &program.inputs, inputs)?;
    let extent = |symbol: &crate::program::Symbol| {
        let extent = inputs[symbol.input as usize].shape()[symbol.axis as usize];
        i64::try_from(extent).expect("a tensor's extents fit memory")
    };
    Ok(program.symbols.iter().map(extent).collect())
}

/// Checks that the program updates no input.
pub(super) fn read_only(program: &Program) -> Result {
    let updated = program.states.iter().find_map(|state| match state.root {
        Root::Input(i) => Some(i),
        _ => None,
    });
    let Some(input) = updated else { return Ok(()) };
    Err(GuardError::ReadOnly { name: program.inputs[input as usize].name.clone() })
}

/// Checks every extent of inputs that [`symbols`] has passed.
pub(super) fn inputs<T: Typed>(program: &Program, plan: &Plan, inputs: &[T]) -> Result {
    check_extents(program, "input", &program.inputs, &plan.inputs, inputs)
}

/// Checks outputs for [`super::Session::run_into`].
pub(super) fn outputs<T: Typed>(program: &Program, shapes: &[Shape], outputs: &[T]) -> Result {
    check_kinds(program, "output", &program.outputs, outputs)?;
    check_extents(program, "output", &program.outputs, shapes, outputs)
}

/// Checks the relations between sizes.
pub(super) fn constraints(program: &Program, values: &[i64]) -> Result {
    for constraint in &program.constraints {
        let (left, right) = (values[constraint.left.0 as usize], values[constraint.right.0 as usize]);
        if left != right {
            let message = constraint.message.clone();
            return Err(GuardError::Constraint { message, left, right });
        }
    }
    Ok(())
}

fn check_kinds<T: Typed>(program: &Program, kind: &'static str, ports: &[Port], tensors: &[T]) -> Result {
    if ports.len() != tensors.len() {
        let (expected, found) = (ports.len(), tensors.len());
        return Err(GuardError::Count { program: program.name.clone(), kind, expected, found });
    }
    for (port, tensor) in ports.iter().zip(tensors) {
        let name = || port.name.clone();
        if tensor.dtype() != port.dtype {
            let (expected, found) = (port.dtype, tensor.dtype());
            return Err(GuardError::DType { kind, name: name(), expected, found });
        }
        if tensor.shape().len() != port.shape.len() {
            let (expected, found) = (port.shape.len(), tensor.shape().len());
            return Err(GuardError::Rank { kind, name: name(), expected, found });
        }
    }
    Ok(())
}

fn check_extents<T: Typed>(
    program: &Program,
    kind: &'static str,
    ports: &[Port],
    shapes: &[Shape],
    tensors: &[T],
) -> Result {
    for ((port, (_, shape)), tensor) in ports.iter().zip(shapes).zip(tensors) {
        if tensor.shape() == shape.as_slice() {
            continue;
        }
        for (axis, (&expected, &found)) in shape.iter().zip(tensor.shape()).enumerate() {
            if expected != found {
                let (name, because) = (port.name.clone(), origin(program, port.shape[axis].0));
                return Err(GuardError::Extent { kind, name, axis, expected, found, because });
            }
        }
    }
    Ok(())
}

/// Where the value of a symbolic extent comes from.
fn origin(program: &Program, dim: u32) -> String {
    let crate::program::DimExpr::Symbol(symbol) = program.dims.exprs()[dim as usize] else {
        return String::new();
    };
    let symbol = &program.symbols[symbol as usize];
    let name = symbol.name.as_deref().unwrap_or("which");
    let input = &program.inputs[symbol.input as usize].name;
    format!(" ({name} is dimension {} of input '{input}')", symbol.axis)
}
