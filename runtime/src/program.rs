//! The program that the compiler hands to the runtime: sizes, buffers and an ordered list of steps.
//!
//! Plain data: lists and indices, no maps, so that the same program always has the same bytes.
//! [`Program::validate`] checks everything that does not depend on run-time sizes; what does is
//! checked when a session plans a run. A program that passes both never makes the runtime itself
//! read or write out of bounds; compiled kernels are trusted with the buffers they are given.

mod dims;
mod functions;
#[cfg(feature = "cuda")]
mod fuse;
mod fused;
mod library;
#[cfg(feature = "cuda")]
mod save;
mod setup;
mod validate;

use serde::{Deserialize, Serialize};
use thunder_tensor::DType;

pub use dims::DimError;
pub use dims::{DimExpr, DimId, Dims};
pub(crate) use functions::{Functions, check_depth};
pub use fused::{Activation, Columns, Fragment, Fused, Groups, LANES, Piece};
pub use library::{
    Attention, AttentionBackward, AttentionStrides, BatchDim, Convolution, ConvolutionAxis, Epilogue, LibraryOp,
    MaskStrides, Matmul, MatrixStrides, ScaledMatmul, UpdateSlice,
};
pub use setup::Parameter;
pub(crate) use setup::weights;
pub(crate) use validate::MAX_ARGS;
pub use validate::ProgramError;

/// Everything needed to run, except kernel code and weights.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Program {
    /// Name of the function that was compiled, for messages.
    pub name: String,
    /// Run-time sizes; `DimExpr::Symbol(i)` is `symbols[i]`.
    pub symbols: Vec<Symbol>,
    /// Every size, stride and offset that the program mentions.
    pub dims: Dims,
    /// Relations between sizes that inputs must satisfy.
    pub constraints: Vec<Constraint>,
    /// Tensors given to each run, in order.
    pub inputs: Vec<Port>,
    /// Tensors bound by name once, when a session is prepared. Their shapes are constant.
    pub parameters: Vec<Port>,
    /// Inputs and parameters whose memory the program updates; all others are read only.
    pub states: Vec<State>,
    /// Tensors returned by each run, in order.
    pub outputs: Vec<Port>,
    /// Tensors whose bytes are in the artifact.
    pub constants: Vec<Constant>,
    /// Intermediate values.
    pub buffers: Vec<Buffer>,
    /// Symbols of the compiled kernels.
    pub kernels: Vec<String>,
    /// Kernels as parts of matrix products.
    pub fragments: Vec<Fragment>,
    /// What to do, in order. Each step sees all effects of the steps before it.
    pub steps: Vec<Step>,
}

/// A size that is known when a run starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Symbol {
    /// The user's name for it ("batch"), for messages.
    pub name: Option<String>,
    /// Position in `inputs` of the tensor that gives the value.
    pub input: u32,
    /// Axis of that tensor whose extent is the value.
    pub axis: u32,
}

/// `left == right` must hold for the sizes of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Constraint {
    /// One side.
    pub left: DimId,
    /// The other side.
    pub right: DimId,
    /// What the user reads when it does not hold.
    pub message: String,
}

/// A tensor that crosses the program's border: contiguous, row-major.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Unique among the ports of its kind.
    pub name: String,
    /// Type of an element.
    #[serde(with = "library::dtype_code")]
    pub dtype: DType,
    /// Extents, outermost first.
    pub shape: Vec<DimId>,
}

/// An input or a parameter that the program updates in place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// An input, which is given to be written, or a parameter, which the session keeps from run to run.
    pub root: Root,
    /// The number that all elements of a parameter have before the first run, if it need not be provided.
    pub initial: Option<f64>,
}

/// A tensor stored in the artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Constant {
    /// Type of an element.
    #[serde(with = "library::dtype_code")]
    pub dtype: DType,
    /// Extents, outermost first.
    pub shape: Vec<u64>,
    /// Byte offset in the artifact's constants section; a multiple of 64.
    pub offset: u64,
}

/// An intermediate tensor: contiguous, row-major.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buffer {
    /// Type of an element.
    #[serde(with = "library::dtype_code")]
    pub dtype: DType,
    /// Extents, outermost first.
    pub shape: Vec<DimId>,
    /// When set, the buffer owns no memory: it is a view of this place, which is not a buffer of
    /// an equal or larger index. A reshape costs nothing this way.
    pub alias: Option<Place>,
}

/// Where a value lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The tensor.
    pub root: Root,
    /// Bytes to skip from its start; `None` is zero.
    pub offset: Option<DimId>,
}

/// A tensor of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Root {
    /// `inputs[i]`; read only unless it is among `states`.
    Input(u32),
    /// `parameters[i]`; read only unless it is among `states`.
    Parameter(u32),
    /// `constants[i]`; read only.
    Constant(u32),
    /// `buffers[i]`.
    Buffer(u32),
    /// `outputs[i]`; may be read after it has been written.
    Output(u32),
}

impl Place {
    /// The start of `root`.
    pub fn new(root: Root) -> Self {
        Self { root, offset: None }
    }
}

/// Whether a step reads or writes what an argument points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Access {
    /// Only read.
    Read,
    /// Written before it is read; the old contents do not matter.
    Write,
    /// Old contents are read, and changed.
    Update,
}

impl Access {
    /// Whether the step changes the contents.
    pub fn is_write(self) -> bool {
        self != Self::Read
    }
}

/// A pointer argument of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arg {
    /// What it points to.
    pub place: Place,
    /// What the step does with it.
    pub access: Access,
}

impl Arg {
    /// A read of all of `root`.
    pub fn read(root: Root) -> Self {
        Self { place: Place::new(root), access: Access::Read }
    }

    /// A write of all of `root`.
    pub fn write(root: Root) -> Self {
        Self { place: Place::new(root), access: Access::Write }
    }
}

/// Position in [`Program::kernels`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KernelId(pub u32);

/// Position among the functions of an artifact: programs that steps of others run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FunctionId(pub u32);

/// One action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Step {
    /// Runs a compiled kernel.
    Launch(Launch),
    /// Runs an operation of an executor.
    Call(Call),
    /// Copies `bytes` bytes; the two ranges do not overlap.
    Copy {
        /// Source.
        from: Place,
        /// Destination.
        to: Place,
        /// How many bytes.
        bytes: DimId,
    },
    /// Runs functions over and over.
    While(While),
}

/// A compiled kernel and what it is given.
///
/// A processor's kernel is a sequential function `extern "C" fn(ptrs: *const *mut u8, dims: *const i64)`:
/// `ptrs[i]` is `args[i]`, `dims[i]` the value of `dims[i]`. It must touch only those memory
/// ranges, keep no pointer, and be safe to run on several threads on disjoint slices.
///
/// A GPU's kernel is an entry whose parameters are the addresses of all `args` and then the values of
/// all `dims`, 8 bytes each. It must touch only those memory ranges, and memory of its module's that each launch leaves as it
/// was: launches follow one another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// The kernel.
    pub kernel: KernelId,
    /// Pointers.
    pub args: Vec<Arg>,
    /// Numbers.
    pub dims: Vec<DimId>,
    /// What the launch is spread over.
    pub spread: Spread,
}

/// What a launch is spread over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Spread {
    /// One thread of a processor.
    Whole,
    /// Threads of a processor.
    Slices(Parallel),
    /// Blocks of threads of a GPU.
    Grid(Grid),
}

/// How many threads of a GPU run a launch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grid {
    /// Blocks along x, y and z. A launch without blocks does nothing.
    pub blocks: [DimId; 3],
    /// Threads of a block, along x; from 1 to 1024.
    pub threads: u32,
    /// Bytes of shared memory that a block is given beyond those that the kernel declares.
    pub shared: u32,
    /// Whether the kernel itself waits for what was started before it, so that its blocks may be on the GPU earlier.
    pub overlaps: bool,
}

/// How a launch splits into independent slices of one extent.
///
/// A slice `[start, start + length)` gets `dims` with entry `dim` replaced by `length` (and entry
/// `start` increased by `start`), and every pointer advanced by `start * advance[i]` bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parallel {
    /// Entry of the launch's `dims` that is the extent to split.
    pub dim: u32,
    /// Entry of the launch's `dims` to which the slice's start is added, for kernels that need the
    /// absolute index. Usually such an entry is the constant 0.
    pub start: Option<u32>,
    /// Slices are multiples of this, except the last: both the least work worth a thread and an
    /// alignment. At least 1.
    pub grain: DimId,
    /// Bytes by which each pointer moves for one unit of the index; `None` is 0, shared by all.
    /// As long as the launch's `args`.
    pub advance: Vec<Option<DimId>>,
}

/// An operation of an executor and what it is given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The operation, with its sizes and strides.
    pub op: LibraryOp,
    /// Pointers, in the order that the operation documents.
    pub args: Vec<Arg>,
}

/// A loop: as long as the condition says, values are replaced by what the body makes of them.
///
/// Both functions have the same inputs. The body has one output for each of the first inputs, of its type and sizes,
/// and the condition has one output, a truth value. Arguments: one for each input, which is only read; then one for
/// each output of the body, which is what its input is after the last round; then as many of the same sizes for the
/// rounds between; then the byte of the condition's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct While {
    /// Says whether there is one more round.
    pub condition: FunctionId,
    /// Carries out a round.
    pub body: FunctionId,
    /// Pointers.
    pub args: Vec<Arg>,
    /// The values of the condition's symbols.
    pub condition_symbols: Vec<DimId>,
    /// The values of the body's symbols.
    pub body_symbols: Vec<DimId>,
}

impl Step {
    /// Every place that the step touches, with how.
    pub fn accesses(&self) -> impl Iterator<Item = (Place, Access)> + '_ {
        let (args, copy) = match self {
            Step::Launch(launch) => (launch.args.as_slice(), None),
            Step::Call(call) => (call.args.as_slice(), None),
            Step::While(rounds) => (rounds.args.as_slice(), None),
            Step::Copy { from, to, .. } => (&[][..], Some([(*from, Access::Read), (*to, Access::Write)])),
        };
        args.iter().map(|arg| (arg.place, arg.access)).chain(copy.into_iter().flatten())
    }
}
