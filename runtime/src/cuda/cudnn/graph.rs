//! Graphs of cuDNN's operations, and the plans that it makes for them.
//!
//! A graph is built once for its sizes; the library then proposes engines, best first, and the first that accepts the
//! graph is taken. A plan is run with the addresses of the tensors that are not within the graph.

use std::ffi::c_void;

use cudarc::cudnn::sys::{
    self, cudnnBackendAttributeName_t as Name, cudnnBackendAttributeType_t as Type, cudnnBackendDescriptor_t,
    cudnnBackendDescriptorType_t as Kind, cudnnBackendHeurMode_t, cudnnBackendNumericalNote_t, cudnnConvolutionMode_t,
    cudnnDataType_t, cudnnPointwiseMode_t, cudnnReduceTensorOp_t,
};
use cudarc::driver::sys::CUdeviceptr;

use super::{Handle, Outcome, status};

/// The most engines that are asked for.
const ENGINES: usize = 16;

/// A description that the library keeps.
struct Descriptor(cudnnBackendDescriptor_t);

// SAFETY: descriptions are used under the GPU's turn, by one thread at a time.
unsafe impl Send for Descriptor {}
// SAFETY: as above.
unsafe impl Sync for Descriptor {}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: nobody has it any more.
        let _ = unsafe { sys::cudnnBackendDestroyDescriptor(self.0) };
    }
}

impl Descriptor {
    fn new(kind: Kind) -> Outcome<Self> {
        let mut made = std::ptr::null_mut();
        // SAFETY: writes the description.
        status(unsafe { sys::cudnnBackendCreateDescriptor(kind, &mut made) })?;
        Ok(Self(made))
    }

    /// Sets an attribute; `T` is the type that `kind` stands for.
    fn set<T>(&self, name: Name, kind: Type, values: &[T]) -> Outcome {
        let (count, values) = (values.len() as i64, values.as_ptr().cast());
        // SAFETY: there are as many values of the attribute's type.
        status(unsafe { sys::cudnnBackendSetAttribute(self.0, name, kind, count, values) })
            .map_err(|error| format!("{name:?}: {error}"))
    }

    fn link(&self, name: Name, to: &Descriptor) -> Outcome {
        self.set(name, Type::CUDNN_TYPE_BACKEND_DESCRIPTOR, &[to.0])
    }

    fn numbers(&self, name: Name, values: &[i64]) -> Outcome {
        self.set(name, Type::CUDNN_TYPE_INT64, values)
    }

    fn finish(self) -> Outcome<Self> {
        // SAFETY: the description is of this function's.
        status(unsafe { sys::cudnnBackendFinalize(self.0) })?;
        Ok(self)
    }

    /// Reads up to as many values as there is room for; returns how many there are.
    fn read<T>(&self, name: Name, kind: Type, values: &mut [T]) -> Outcome<usize> {
        let (room, mut count, values) = (values.len() as i64, 0, values.as_mut_ptr().cast());
        // SAFETY: there is room for as many values of the attribute's type.
        status(unsafe { sys::cudnnBackendGetAttribute(self.0, name, kind, room, &mut count, values) })?;
        Ok(usize::try_from(count).unwrap_or(0))
    }
}

/// A tensor of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id(usize);

/// Extents and strides.
pub(super) type Layout = (Vec<i64>, Vec<i64>);

/// A number that a graph is run with.
#[derive(Clone, Copy, Debug)]
enum Scalar {
    F32(f32),
}

/// Where a tensor is.
enum Home {
    /// Within the graph.
    Virtual,
    /// In memory, whose address each run gives.
    Given,
    /// In the graph's description.
    Number(Scalar),
}

/// A graph under construction.
#[derive(Default)]
pub(super) struct Graph {
    tensors: Vec<Descriptor>,
    /// Kept until the graph is made.
    parts: Vec<Descriptor>,
    operations: Vec<Descriptor>,
    numbers: Vec<(Id, Scalar)>,
}

impl Graph {
    fn add(&mut self, dtype: cudnnDataType_t, (extents, strides): &Layout, align: i64, home: Home) -> Outcome<Id> {
        let id = Id(self.tensors.len());
        let tensor = Descriptor::new(Kind::CUDNN_BACKEND_TENSOR_DESCRIPTOR)?;
        tensor.set(Name::CUDNN_ATTR_TENSOR_DATA_TYPE, Type::CUDNN_TYPE_DATA_TYPE, &[dtype])?;
        tensor.numbers(Name::CUDNN_ATTR_TENSOR_DIMENSIONS, extents)?;
        tensor.numbers(Name::CUDNN_ATTR_TENSOR_STRIDES, strides)?;
        tensor.numbers(Name::CUDNN_ATTR_TENSOR_UNIQUE_ID, &[id.0 as i64 + 1])?;
        tensor.numbers(Name::CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, &[align])?;
        let flag = |name| tensor.set(name, Type::CUDNN_TYPE_BOOLEAN, &[true]);
        match home {
            Home::Virtual => flag(Name::CUDNN_ATTR_TENSOR_IS_VIRTUAL)?,
            Home::Given => {}
            Home::Number(scalar) => {
                flag(Name::CUDNN_ATTR_TENSOR_IS_BY_VALUE)?;
                self.numbers.push((id, scalar));
            }
        }
        self.tensors.push(tensor.finish()?);
        Ok(id)
    }

    /// A tensor in memory at a multiple of `align` bytes.
    pub(super) fn given(&mut self, dtype: cudnnDataType_t, layout: &Layout, align: usize) -> Outcome<Id> {
        self.add(dtype, layout, align as i64, Home::Given)
    }

    /// A tensor within the graph.
    pub(super) fn within(&mut self, dtype: cudnnDataType_t, layout: &Layout) -> Outcome<Id> {
        self.add(dtype, layout, 16, Home::Virtual)
    }

    /// A number, of rank 4.
    pub(super) fn number(&mut self, value: f32) -> Outcome<Id> {
        let layout = (vec![1; 4], vec![1; 4]);
        self.add(cudnnDataType_t::CUDNN_DATA_FLOAT, &layout, 4, Home::Number(Scalar::F32(value)))
    }

    /// `y = mode(x, b, t)`, computed in `precision`; `axis` is that of an index.
    pub(super) fn pointwise(
        &mut self,
        mode: cudnnPointwiseMode_t,
        precision: cudnnDataType_t,
        inputs: &[Id],
        y: Id,
        axis: Option<i64>,
    ) -> Outcome {
        let how = Descriptor::new(Kind::CUDNN_BACKEND_POINTWISE_DESCRIPTOR)?;
        how.set(Name::CUDNN_ATTR_POINTWISE_MODE, Type::CUDNN_TYPE_POINTWISE_MODE, &[mode])?;
        how.set(Name::CUDNN_ATTR_POINTWISE_MATH_PREC, Type::CUDNN_TYPE_DATA_TYPE, &[precision])?;
        if let Some(axis) = axis {
            how.numbers(Name::CUDNN_ATTR_POINTWISE_AXIS, &[axis])?;
        }
        let how = how.finish()?;
        let operation = Descriptor::new(Kind::CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR)?;
        operation.link(Name::CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, &how)?;
        let names = [
            Name::CUDNN_ATTR_OPERATION_POINTWISE_XDESC,
            Name::CUDNN_ATTR_OPERATION_POINTWISE_BDESC,
            Name::CUDNN_ATTR_OPERATION_POINTWISE_TDESC,
        ];
        for (name, input) in names.into_iter().zip(inputs) {
            operation.link(name, &self.tensors[input.0])?;
        }
        operation.link(Name::CUDNN_ATTR_OPERATION_POINTWISE_YDESC, &self.tensors[y.0])?;
        self.push(how, operation)
    }

    /// `c = a b`, summed in f32.
    pub(super) fn matmul(&mut self, a: Id, b: Id, c: Id) -> Outcome {
        let how = Descriptor::new(Kind::CUDNN_BACKEND_MATMUL_DESCRIPTOR)?;
        let float = [cudnnDataType_t::CUDNN_DATA_FLOAT];
        how.set(Name::CUDNN_ATTR_MATMUL_COMP_TYPE, Type::CUDNN_TYPE_DATA_TYPE, &float)?;
        let how = how.finish()?;
        let operation = Descriptor::new(Kind::CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR)?;
        operation.link(Name::CUDNN_ATTR_OPERATION_MATMUL_ADESC, &self.tensors[a.0])?;
        operation.link(Name::CUDNN_ATTR_OPERATION_MATMUL_BDESC, &self.tensors[b.0])?;
        operation.link(Name::CUDNN_ATTR_OPERATION_MATMUL_CDESC, &self.tensors[c.0])?;
        operation.link(Name::CUDNN_ATTR_OPERATION_MATMUL_DESC, &how)?;
        self.push(how, operation)
    }

    /// `y` is `x` with the extents reduced that are 1 in `y`.
    pub(super) fn reduce(&mut self, op: cudnnReduceTensorOp_t, x: Id, y: Id) -> Outcome {
        let how = Descriptor::new(Kind::CUDNN_BACKEND_REDUCTION_DESCRIPTOR)?;
        let float = [cudnnDataType_t::CUDNN_DATA_FLOAT];
        how.set(Name::CUDNN_ATTR_REDUCTION_COMP_TYPE, Type::CUDNN_TYPE_DATA_TYPE, &float)?;
        how.set(Name::CUDNN_ATTR_REDUCTION_OPERATOR, Type::CUDNN_TYPE_REDUCTION_OPERATOR_TYPE, &[op])?;
        let how = how.finish()?;
        let operation = Descriptor::new(Kind::CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR)?;
        operation.link(Name::CUDNN_ATTR_OPERATION_REDUCTION_XDESC, &self.tensors[x.0])?;
        operation.link(Name::CUDNN_ATTR_OPERATION_REDUCTION_YDESC, &self.tensors[y.0])?;
        operation.link(Name::CUDNN_ATTR_OPERATION_REDUCTION_DESC, &how)?;
        self.push(how, operation)
    }

    /// `y` is `x` with other extents and strides.
    pub(super) fn reshape(&mut self, x: Id, y: Id) -> Outcome {
        let operation = Descriptor::new(Kind::CUDNN_BACKEND_OPERATION_RESHAPE_DESCRIPTOR)?;
        operation.link(Name::CUDNN_ATTR_OPERATION_RESHAPE_XDESC, &self.tensors[x.0])?;
        operation.link(Name::CUDNN_ATTR_OPERATION_RESHAPE_YDESC, &self.tensors[y.0])?;
        self.operations.push(operation.finish()?);
        Ok(())
    }

    /// `y = x * w`, with the window's step, dilation and the zeros around x, for each spatial dimension.
    pub(super) fn convolution(&mut self, precision: cudnnDataType_t, [x, w, y]: [Id; 3], axes: &Axes) -> Outcome {
        let how = Descriptor::new(Kind::CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR)?;
        how.set(Name::CUDNN_ATTR_CONVOLUTION_COMP_TYPE, Type::CUDNN_TYPE_DATA_TYPE, &[precision])?;
        let mode = [cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION];
        how.set(Name::CUDNN_ATTR_CONVOLUTION_CONV_MODE, Type::CUDNN_TYPE_CONVOLUTION_MODE, &mode)?;
        how.numbers(Name::CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, &[axes.strides.len() as i64])?;
        how.numbers(Name::CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, &axes.strides)?;
        how.numbers(Name::CUDNN_ATTR_CONVOLUTION_DILATIONS, &axes.dilations)?;
        how.numbers(Name::CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, &axes.before)?;
        how.numbers(Name::CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, &axes.after)?;
        let how = how.finish()?;
        let operation = Descriptor::new(Kind::CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR)?;
        operation.link(Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, &how)?;
        operation.link(Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, &self.tensors[x.0])?;
        operation.link(Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, &self.tensors[w.0])?;
        operation.link(Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, &self.tensors[y.0])?;
        let (alpha, beta) =
            (Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA);
        match precision {
            cudnnDataType_t::CUDNN_DATA_DOUBLE => {
                operation.set(alpha, Type::CUDNN_TYPE_DOUBLE, &[1.0_f64])?;
                operation.set(beta, Type::CUDNN_TYPE_DOUBLE, &[0.0_f64])?;
            }
            _ => {
                operation.set(alpha, Type::CUDNN_TYPE_FLOAT, &[1.0_f32])?;
                operation.set(beta, Type::CUDNN_TYPE_FLOAT, &[0.0_f32])?;
            }
        }
        self.push(how, operation)
    }

    fn push(&mut self, how: Descriptor, operation: Descriptor) -> Outcome {
        self.parts.push(how);
        self.operations.push(operation.finish()?);
        Ok(())
    }

    /// The library's best plan. `exact` leaves out engines that round f32 for the tensor cores.
    pub(super) fn plan(self, handle: &Handle, exact: bool) -> Outcome<Plan> {
        let graph = Descriptor::new(Kind::CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR)?;
        graph.set(Name::CUDNN_ATTR_OPERATIONGRAPH_HANDLE, Type::CUDNN_TYPE_HANDLE, &[handle.raw()])?;
        let operations: Vec<_> = self.operations.iter().map(|operation| operation.0).collect();
        graph.set(Name::CUDNN_ATTR_OPERATIONGRAPH_OPS, Type::CUDNN_TYPE_BACKEND_DESCRIPTOR, &operations)?;
        let graph = graph.finish().map_err(|error| format!("the graph: {error}"))?;
        let mut why = "the library has no engine for it".to_owned();
        for mode in [cudnnBackendHeurMode_t::CUDNN_HEUR_MODE_A, cudnnBackendHeurMode_t::CUDNN_HEUR_MODE_FALLBACK] {
            for engine in engines(&graph, mode)? {
                if exact && rounds(&engine)? {
                    continue;
                }
                match plan(handle, &engine) {
                    Ok((plan, workspace)) => {
                        let Self { numbers, tensors, parts, operations } = self;
                        let kept = [tensors, parts, operations, vec![graph, engine]].into_iter().flatten().collect();
                        return Ok(Plan { plan, workspace, numbers, _kept: kept });
                    }
                    Err(error) => why = error,
                }
            }
        }
        Err(why)
    }
}

/// How windows move in the spatial dimensions.
#[derive(Debug)]
pub(super) struct Axes {
    pub strides: Vec<i64>,
    pub dilations: Vec<i64>,
    pub before: Vec<i64>,
    pub after: Vec<i64>,
}

/// Engines for a graph, best first.
fn engines(graph: &Descriptor, mode: cudnnBackendHeurMode_t) -> Outcome<Vec<Descriptor>> {
    let heuristic = Descriptor::new(Kind::CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR)?;
    heuristic.link(Name::CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph)?;
    heuristic.set(Name::CUDNN_ATTR_ENGINEHEUR_MODE, Type::CUDNN_TYPE_HEUR_MODE, &[mode])?;
    // Which mode knows nothing of a graph is no error.
    let Ok(heuristic) = heuristic.finish() else { return Ok(Vec::new()) };
    let engines = (0..ENGINES).map(|_| Descriptor::new(Kind::CUDNN_BACKEND_ENGINECFG_DESCRIPTOR));
    let mut engines = engines.collect::<Outcome<Vec<_>>>()?;
    let mut raw: Vec<_> = engines.iter().map(|engine| engine.0).collect();
    let (name, kind) = (Name::CUDNN_ATTR_ENGINEHEUR_RESULTS, Type::CUDNN_TYPE_BACKEND_DESCRIPTOR);
    let count = heuristic.read(name, kind, &mut raw)?;
    engines.truncate(count);
    Ok(engines)
}

/// Whether an engine rounds f32 to fewer bits.
fn rounds(config: &Descriptor) -> Outcome<bool> {
    let engine = Descriptor::new(Kind::CUDNN_BACKEND_ENGINE_DESCRIPTOR)?;
    let kind = Type::CUDNN_TYPE_BACKEND_DESCRIPTOR;
    config.read(Name::CUDNN_ATTR_ENGINECFG_ENGINE, kind, &mut [engine.0])?;
    // As numbers: a newer library may know notes that this enumeration lacks.
    let mut notes = [u32::MAX; 32];
    let kind = Type::CUDNN_TYPE_NUMERICAL_NOTE;
    let count = engine.read(Name::CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, kind, &mut notes)?;
    let lossy = [
        cudnnBackendNumericalNote_t::CUDNN_NUMERICAL_NOTE_TENSOR_CORE,
        cudnnBackendNumericalNote_t::CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS,
    ];
    Ok(notes[..count.min(32)].iter().any(|note| lossy.iter().any(|lossy| *lossy as u32 == *note)))
}

fn plan(handle: &Handle, engine: &Descriptor) -> Outcome<(Descriptor, usize)> {
    let plan = Descriptor::new(Kind::CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR)?;
    plan.set(Name::CUDNN_ATTR_EXECUTION_PLAN_HANDLE, Type::CUDNN_TYPE_HANDLE, &[handle.raw()])?;
    plan.link(Name::CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, engine)?;
    let plan = plan.finish()?;
    let mut bytes = [0_i64];
    plan.read(Name::CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, Type::CUDNN_TYPE_INT64, &mut bytes)?;
    Ok((plan, usize::try_from(bytes[0]).unwrap_or(0)))
}

/// A graph that is ready to run.
pub(super) struct Plan {
    plan: Descriptor,
    /// Bytes of scratch memory that a run needs.
    pub workspace: usize,
    numbers: Vec<(Id, Scalar)>,
    _kept: Vec<Descriptor>,
}

impl Plan {
    /// Starts the graph with its tensors at these addresses.
    ///
    /// # Safety
    /// The tensors are those that are given, each with its memory, which is apart from the scratch memory.
    pub(super) unsafe fn run(&self, handle: &Handle, tensors: &[(Id, CUdeviceptr)], workspace: CUdeviceptr) -> Outcome {
        let at = |address: CUdeviceptr| std::ptr::without_provenance_mut::<c_void>(address as usize);
        let numbers = self.numbers.iter().map(|(_, scalar)| match scalar {
            Scalar::F32(value) => std::ptr::from_ref(value).cast_mut().cast::<c_void>(),
        });
        let pointers: Vec<*mut c_void> = tensors.iter().map(|(_, address)| at(*address)).chain(numbers).collect();
        let ids = tensors.iter().map(|(id, _)| id).chain(self.numbers.iter().map(|(id, _)| id));
        let ids: Vec<i64> = ids.map(|id| id.0 as i64 + 1).collect();
        let pack = Descriptor::new(Kind::CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR)?;
        pack.set(Name::CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, Type::CUDNN_TYPE_VOID_PTR, &pointers)?;
        pack.numbers(Name::CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, &ids)?;
        pack.set(Name::CUDNN_ATTR_VARIANT_PACK_WORKSPACE, Type::CUDNN_TYPE_VOID_PTR, &[at(workspace)])?;
        let pack = pack.finish()?;
        // SAFETY: the caller's promise.
        status(unsafe { sys::cudnnBackendExecute(handle.raw(), self.plan.0, pack.0) })
    }
}
