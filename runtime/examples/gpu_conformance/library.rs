//! Library operations, in every dtype and layout, against the processor's executor in f64.

use std::collections::BTreeMap;
use std::sync::Arc;

use thunder_runtime::artifact::{Artifact, Bytes, Target};
use thunder_runtime::cuda::{DeviceTensor, Gpu};
use thunder_runtime::program::{
    Access, Arg, BatchDim, Call, Convolution, ConvolutionAxis, DimId, LibraryOp, Matmul, MatrixStrides, Place, Port,
    Program, Root, State, Step, UpdateSlice,
};
use thunder_runtime::session::{Options, Session};
use thunder_tensor::{DType, Random, Tensor};

use super::{Case, Outcome, distance};

/// A program under construction.
pub struct Builder(pub Program);

impl Builder {
    pub fn new() -> Self {
        Self(Program { name: "case".into(), ..Program::default() })
    }

    pub fn dim(&mut self, value: usize) -> DimId {
        self.0.dims.constant(value as i64)
    }

    fn port(&mut self, name: String, dtype: DType, elements: usize) -> Port {
        Port { name, dtype, shape: vec![self.dim(elements)] }
    }

    pub fn input(&mut self, dtype: DType, elements: usize) -> Root {
        let number = self.0.inputs.len() as u32;
        let port = self.port(format!("x{number}"), dtype, elements);
        self.0.inputs.push(port);
        Root::Input(number)
    }

    pub fn output(&mut self, dtype: DType, elements: usize) -> Root {
        let number = self.0.outputs.len() as u32;
        let port = self.port(format!("y{number}"), dtype, elements);
        self.0.outputs.push(port);
        Root::Output(number)
    }

    pub fn call(mut self, op: LibraryOp, args: Vec<Arg>) -> Program {
        self.0.steps.push(Step::Call(Call { op, args }));
        self.0
    }
}

/// A session of a program of library operations; on the processor without a GPU.
pub fn session(program: Program, gpu: Option<&Arc<Gpu>>) -> Result<Session, String> {
    let none = || Bytes::new(Vec::new());
    let artifact = Artifact::new(program, Target::Any, none(), none()).map_err(|error| error.to_string())?;
    let options = Options { gpu: gpu.cloned(), ..Options::new() };
    Session::prepare_with(&artifact, &BTreeMap::new(), None, options).map_err(|error| error.to_string())
}

/// How far results in a dtype may be from those in f64.
fn tolerance(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => 1e-13,
        DType::F32 => 2e-6,
        DType::F16 => 1e-3,
        _ => 8e-3,
    }
}

/// Runs the program that `build` makes for `dtype` on the GPU, from the host and three times on tensors that are there, and
/// the one that it makes for `reference` on the processor.
pub fn agree(gpu: &Arc<Gpu>, dtype: DType, reference: DType, build: &dyn Fn(DType) -> Program) -> Outcome {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let program = build(dtype);
    let mut random = Random::new(7);
    let inputs: Vec<Tensor> = program
        .inputs
        .iter()
        .map(|port| {
            let shape = port.shape.iter().map(|&dim| program.dims.as_constant(dim).unwrap_or(0) as usize);
            random.uniform(port.dtype, shape.collect::<Vec<_>>(), -1.0..1.0)
        })
        .collect();
    let cast = |tensor: &Tensor| if tensor.dtype() == dtype { tensor.cast(reference) } else { tensor.clone() };
    let widened: Vec<Tensor> = inputs.iter().map(cast).collect();
    let expected = session(build(reference), None)?.run(&widened).map_err(|e| text(&e))?;
    let session = session(program, Some(gpu))?;
    let most = if reference == DType::F64 { tolerance(dtype) } else { tolerance(dtype).max(4e-6) };
    let mut worst = 0.0_f64;
    let mut compare = |actual: &[Tensor]| -> Result<(), String> {
        for (actual, expected) in actual.iter().zip(&expected) {
            worst = worst.max(distance(actual, expected, most)?);
        }
        Ok(())
    };
    compare(&session.run(&inputs).map_err(|e| text(&e))?)?;
    let upload = |tensors: &[Tensor]| tensors.iter().map(|t| DeviceTensor::new(gpu, t)).collect::<Result<Vec<_>, _>>();
    let mut inputs = upload(&inputs).map_err(|e| text(&e))?;
    let poison = |t: &Tensor| Tensor::full(dtype, t.shape().to_vec(), f64::NAN);
    let poison: Vec<Tensor> = expected.iter().map(poison).collect();
    let mut outputs = upload(&poison).map_err(|e| text(&e))?;
    for _ in 0..3 {
        for (output, poison) in outputs.iter_mut().zip(&poison) {
            output.write(poison).map_err(|e| text(&e))?;
        }
        session.run_on_gpu_into(&mut inputs, &mut outputs).map_err(|e| text(&e))?;
        let actual: Result<Vec<Tensor>, _> = outputs.iter().map(DeviceTensor::download).collect();
        compare(&actual.map_err(|e| text(&e))?)?;
    }
    Ok(Some(worst))
}

/// `mma` has the executor alone that needs no library.
pub fn cases(mma: &Arc<Gpu>) -> Vec<Case> {
    let mut cases = Vec::new();
    for dtype in [DType::F32, DType::F64, DType::F16, DType::BF16] {
        matmuls(dtype, &mut cases);
    }
    for dtype in [DType::F32, DType::F64, DType::F16, DType::BF16] {
        convolutions(dtype, mma, &mut cases);
    }
    for dtype in [DType::U8, DType::BF16, DType::F32, DType::I64] {
        cases.push((format!("update_slice {dtype}"), Box::new(move |gpu| update_slice(gpu, dtype))));
    }
    cases
}

/// Large products and some that are smaller, with the arithmetic that they need.
pub fn large_products() -> Vec<(String, f64, Program)> {
    let sizes = [
        (DType::BF16, [4096; 3]),
        (DType::BF16, [4096, 11008, 4096]),
        (DType::BF16, [4096, 4096, 11008]),
        (DType::BF16, [2048; 3]),
        (DType::BF16, [1024; 3]),
        (DType::BF16, [256, 4096, 4096]),
        (DType::BF16, [64, 4096, 4096]),
        (DType::F16, [4096; 3]),
        (DType::F32, [4096; 3]),
        (DType::F64, [4096; 3]),
    ];
    let mut all = Vec::new();
    for (dtype, [m, n, k]) in sizes {
        for transposed in [[false, false], [false, true], [true, false]] {
            let product = Product { size: [1, m, n, k], transposed, shared: [false; 2], bias: false };
            let way = transposed.map(|is| if is { "T" } else { "N" }).concat();
            let flops = 2.0 * m as f64 * n as f64 * k as f64;
            all.push((format!("{dtype} {m}x{n}x{k}, {way}"), flops, matmul(dtype, product)));
        }
    }
    all
}

/// Large operations in bf16, with the arithmetic that they need.
pub fn large() -> Vec<(String, f64, Program)> {
    let mut all = Vec::new();
    for size in [1024, 4096, 8192] {
        for transposed in [false, true] {
            let product = Product {
                size: [1, size, size, size],
                transposed: [false, transposed],
                shared: [false; 2],
                bias: false,
            };
            let name = format!("matmul {size}{}", if transposed { ", rhs transposed" } else { "" });
            all.push((name, 2.0 * (size as f64).powi(3), matmul(DType::BF16, product)));
        }
    }
    all
}

/// Batch, m, n, k; which of lhs and rhs are stored transposed; which are shared by the batch; a bias.
#[derive(Clone, Copy)]
struct Product {
    size: [usize; 4],
    transposed: [bool; 2],
    shared: [bool; 2],
    bias: bool,
}

fn matmuls(dtype: DType, cases: &mut Vec<Case>) {
    let plain = Product { size: [1, 64, 48, 32], transposed: [false; 2], shared: [false; 2], bias: false };
    let products = [
        ("even", plain),
        ("odd sizes", Product { size: [1, 33, 17, 65], ..plain }),
        ("lhs transposed", Product { transposed: [true, false], ..plain }),
        ("rhs transposed", Product { transposed: [false, true], ..plain }),
        ("both transposed", Product { size: [1, 40, 24, 72], transposed: [true, true], ..plain }),
        ("batched", Product { size: [6, 32, 16, 24], ..plain }),
        ("rhs shared", Product { size: [5, 32, 16, 24], shared: [false, true], ..plain }),
        (
            "lhs shared, rhs transposed",
            Product { size: [3, 8, 40, 16], transposed: [false, true], shared: [true, false], bias: false },
        ),
        ("bias", Product { size: [1, 128, 96, 64], bias: true, ..plain }),
        ("batched with bias", Product { size: [4, 24, 32, 40], bias: true, ..plain }),
        ("one row", Product { size: [1, 1, 256, 128], transposed: [false, true], ..plain }),
        ("one column", Product { size: [1, 64, 1, 128], ..plain }),
        ("nothing to sum", Product { size: [2, 8, 8, 0], ..plain }),
        ("large", Product { size: [1, 512, 768, 1024], transposed: [false, true], ..plain }),
    ];
    for (name, product) in products {
        let case = move |gpu: &Arc<Gpu>| agree(gpu, dtype, DType::F64, &|dtype| matmul(dtype, product));
        cases.push((format!("matmul {dtype}, {name}"), Box::new(case)));
    }
}

fn matmul(dtype: DType, product: Product) -> Program {
    let [batch, m, n, k] = product.size;
    let mut b = Builder::new();
    let mut strides = |rows: usize, columns: usize, transposed: bool| match transposed {
        false => MatrixStrides { row: b.dim(columns.max(1)), column: b.dim(1) },
        true => MatrixStrides { row: b.dim(1), column: b.dim(rows.max(1)) },
    };
    let lhs = strides(m, k, product.transposed[0]);
    let rhs = strides(k, n, product.transposed[1]);
    let out = strides(m, n, false);
    let stride = |is_shared: bool, elements: usize| if is_shared { 0 } else { elements };
    let (l, r) = (stride(product.shared[0], m * k), stride(product.shared[1], k * n));
    // Two dimensions, which lie behind each other where nothing is shared.
    let dims = if batch % 2 == 0 { vec![2, batch / 2] } else { vec![batch] };
    let mut outer = 1;
    let mut all = Vec::new();
    for &extent in dims.iter().rev() {
        all.push(BatchDim {
            extent: b.dim(extent),
            lhs: b.dim(l * outer),
            rhs: b.dim(r * outer),
            out: b.dim(m * n * outer),
        });
        outer *= extent;
    }
    all.reverse();
    let op = Matmul {
        dtype,
        m: b.dim(m),
        n: b.dim(n),
        k: b.dim(k),
        batch: if batch == 1 { Vec::new() } else { all },
        lhs,
        rhs,
        out,
        bias: product.bias,
        epilogue: None,
    };
    let count = |is_shared: bool| if is_shared { 1 } else { batch };
    let mut args = vec![
        Arg::read(b.input(dtype, count(product.shared[0]) * m * k)),
        Arg::read(b.input(dtype, count(product.shared[1]) * k * n)),
    ];
    if product.bias {
        args.push(Arg::read(b.input(dtype, n)));
    }
    args.push(Arg::write(b.output(dtype, batch * m * n)));
    b.call(LibraryOp::Matmul(op), args)
}

/// Large convolutions in bf16, with the arithmetic that they need.
pub fn large_convolutions() -> Vec<(String, f64, Program)> {
    let sizes = [[32, 1, 64, 64, 56, 3, 1, 1, 1], [32, 1, 256, 64, 56, 1, 1, 0, 1], [32, 1, 3, 64, 224, 7, 2, 3, 1]];
    let convolution = |size: [usize; 9]| {
        let [batch, groups, channels, features, extent, window, stride, ..] = size;
        let positions = (batch * groups * features * (extent / stride) * (extent / stride)) as f64;
        let flops = 2.0 * positions * (channels * window * window) as f64;
        let name = format!("convolution {batch}x{channels}x{extent}x{extent}, {features} of {window}x{window}");
        (name, flops, convolution(DType::BF16, size, false))
    };
    sizes.into_iter().map(convolution).collect()
}

/// By the GPU's executors together, and by `mma` alone.
fn convolutions(dtype: DType, mma: &Arc<Gpu>, cases: &mut Vec<Case>) {
    // Batch, groups, channels and features of a group, extent, window, stride, low, dilation; a bias.
    let all: [(&str, [usize; 9], bool); 8] = [
        ("plain", [2, 1, 16, 32, 20, 3, 1, 1, 1], false),
        ("strided", [2, 1, 8, 16, 21, 3, 2, 1, 1], true),
        ("grouped", [1, 4, 8, 8, 16, 3, 1, 1, 1], false),
        ("dilated", [1, 1, 8, 8, 24, 3, 1, 2, 2], true),
        ("pointwise", [2, 1, 64, 32, 14, 1, 1, 0, 1], false),
        ("odd channels", [1, 1, 3, 5, 19, 7, 2, 3, 1], false),
        ("depthwise", [2, 24, 1, 1, 15, 3, 1, 1, 1], true),
        ("images", [70, 1, 16, 8, 60, 3, 1, 1, 1], true),
    ];
    for (name, size, bias) in all {
        for (executor, alone) in [("", None), ("mma ", Some(Arc::clone(mma)))] {
            let case = move |gpu: &Arc<Gpu>| {
                let gpu = alone.as_ref().unwrap_or(gpu);
                agree(gpu, dtype, DType::F64, &|dtype| convolution(dtype, size, bias))
            };
            cases.push((format!("{executor}convolution {dtype}, {name}"), Box::new(case)));
        }
    }
}

fn convolution(dtype: DType, size: [usize; 9], bias: bool) -> Program {
    let [batch, groups, channels, features, extent, window, stride, low, dilation] = size;
    let positions = (extent + 2 * low - dilation * (window - 1) - 1) / stride + 1;
    let mut b = Builder::new();
    let axis = ConvolutionAxis {
        extent: b.dim(extent),
        positions: b.dim(positions),
        window: b.dim(window),
        stride: b.dim(stride),
        low: b.dim(low),
        dilation: b.dim(dilation),
    };
    let op = Convolution {
        dtype,
        batch: b.dim(batch),
        groups: b.dim(groups),
        channels: b.dim(channels),
        features: b.dim(features),
        axes: vec![axis; 2],
        bias,
    };
    let mut args = vec![
        Arg::read(b.input(dtype, batch * groups * channels * extent * extent)),
        Arg::read(b.input(dtype, groups * features * channels * window * window)),
    ];
    if bias {
        args.push(Arg::read(b.input(dtype, groups * features)));
    }
    args.push(Arg::write(b.output(dtype, batch * groups * features * positions * positions)));
    b.call(LibraryOp::Convolution(op), args)
}

/// A part of a cache is replaced, at starts within and out of range.
fn update_slice(gpu: &Arc<Gpu>, dtype: DType) -> Outcome {
    let (outer, extent, length, inner) = (3, 10, 4, 7);
    let mut b = Builder::new();
    let op = UpdateSlice {
        dtype,
        start: DType::I64,
        outer: b.dim(outer),
        extent: b.dim(extent),
        length: b.dim(length),
        inner: b.dim(inner),
    };
    let part = b.input(dtype, outer * length * inner);
    let start = b.input(DType::I64, 1);
    let cache = b.input(dtype, outer * extent * inner);
    b.0.states.push(State { root: cache, initial: None });
    let args = vec![Arg::read(part), Arg::read(start), Arg { place: Place::new(cache), access: Access::Update }];
    let program = b.call(LibraryOp::UpdateSlice(op), args);
    let (on_gpu, on_cpu) = (session(program.clone(), Some(gpu))?, session(program, None)?);
    let mut random = Random::new(3);
    for start in [0_i64, 3, 6, 9, -2, i64::MAX] {
        let part = random.integers(dtype, vec![outer * length * inner], 0..100);
        let cache = random.integers(dtype, vec![outer * extent * inner], 0..100);
        let inputs = vec![part, Tensor::from_vec(vec![1], vec![start]).map_err(|e| e.to_string())?, cache];
        let (mut actual, mut expected) = (inputs.clone(), inputs);
        on_gpu.run_in_place(&mut actual).map_err(|e| e.to_string())?;
        on_cpu.run_in_place(&mut expected).map_err(|e| e.to_string())?;
        if actual[2].bytes() != expected[2].bytes() {
            return Err(format!("start {start}: another part was replaced"));
        }
    }
    Ok(None)
}
