//! Products with what is computed from their elements, against the processor's products in f64, element by element.

use std::sync::Arc;

use thunder_runtime::cuda::{DeviceTensor, Gpu};
use thunder_runtime::program::{
    Activation, Arg, Call, DimId, Fused, LibraryOp, Matmul, MatrixStrides, Program, Root, Step,
};
use thunder_tensor::{DType, Random, Tensor};

use super::library::{Builder, session};
use super::products::{Product, dense};
use super::{Case, Outcome};

/// What is computed from the elements of products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Computes {
    /// `silu(a) * b`, in bf16.
    Gated,
    /// `a + more`, in bf16.
    Residual,
    /// `3 * a - 0.5 + more`, of f16 in f32.
    Wide,
    /// `a * b` in rows before a limit, `b` in others, in f16.
    Limited(usize),
    /// What libraries know, without code.
    Known(Activation, DType),
}

use Computes::{Gated, Known, Limited, Residual, Wide};

/// Of which the kernel has a second pointer.
const GELU_GRADIENT: Activation = Activation::GeluGradient { pointer: 1 };

impl Computes {
    fn code(self) -> &'static str {
        match self {
            Gated => include_str!("../../src/cuda/mma/hopper/tests/gated.ptx"),
            Residual => include_str!("../../src/cuda/mma/hopper/tests/residual.ptx"),
            Wide => include_str!("../../src/cuda/mma/hopper/tests/wide.ptx"),
            Limited(_) => include_str!("../../src/cuda/mma/hopper/tests/limited.ptx"),
            Known(..) => "",
        }
    }

    fn activation(self) -> Option<Activation> {
        if let Known(activation, _) = self { Some(activation) } else { None }
    }

    /// Whether it reads an element of another matrix.
    fn reads(self) -> bool {
        matches!(self, Residual | Wide | Known(GELU_GRADIENT, _))
    }

    fn products(self) -> usize {
        if matches!(self, Gated | Limited(_)) { 2 } else { 1 }
    }

    fn dtype(self) -> DType {
        match self {
            Gated | Residual => DType::BF16,
            Wide | Limited(_) => DType::F16,
            Known(_, dtype) => dtype,
        }
    }

    /// Type of what it reads and writes.
    fn result(self) -> DType {
        if self == Wide { DType::F32 } else { self.dtype() }
    }

    fn numbers(self, elements: usize, columns: usize) -> Vec<usize> {
        match self {
            Gated | Residual => vec![elements],
            Wide | Known(..) => Vec::new(),
            Limited(rows) => vec![columns, rows],
        }
    }

    fn of(self, products: &[f64], more: f64, row: usize) -> f64 {
        match self {
            Gated => products[0] / (1.0 + (-products[0]).exp()) * products[1],
            Residual => products[0] + more,
            Wide => 3.0 * products[0] - 0.5 + more,
            Limited(rows) if row < rows => products[0] * products[1],
            Limited(_) => products[1],
            Known(Activation::Relu, _) => products[0].max(0.0),
            Known(Activation::Gelu, _) => gelu(products[0])[0],
            Known(Activation::GeluGradient { .. }, _) => products[0] * gelu(more)[1],
        }
    }
}

/// The Gaussian error linear unit, approximated by a hyperbolic tangent, and its derivative.
fn gelu(x: f64) -> [f64; 2] {
    let scale = (2.0 / std::f64::consts::PI).sqrt();
    let t = (scale * (x + 0.044_715 * x.powi(3))).tanh();
    let slope = scale * (1.0 + 3.0 * 0.044_715 * x * x);
    [0.5 * x * (1.0 + t), 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * slope]
}

/// A call: the first product, strides of the second's rhs, and whether each is written.
#[derive(Clone, Debug)]
struct Fusion {
    computes: Computes,
    product: Product,
    second: [usize; 2],
    kept: [bool; 2],
    /// Whether the first element of lhs is no number.
    poisoned: bool,
}

/// Those of Hopper's products, by a GPU that has these alone.
pub fn cases(alone: &Arc<Gpu>) -> Vec<Case> {
    made("hopper", alone, groups())
}

/// Those that cuBLASLt knows, by a GPU that has this alone.
pub fn known_cases(alone: &Arc<Gpu>) -> Vec<Case> {
    made("cublaslt", alone, known())
}

fn made(executor: &str, alone: &Arc<Gpu>, groups: Vec<(String, Vec<Fusion>)>) -> Vec<Case> {
    let case = |(name, calls): (String, Vec<Fusion>)| -> Case {
        let alone = Arc::clone(alone);
        let holds = move |_: &Arc<Gpu>| -> Outcome {
            let mut worst = 0.0_f64;
            for call in &calls {
                worst = worst.max(call.holds(&alone).map_err(|error| format!("{error}, {call:?}"))?);
            }
            Ok(Some(worst))
        };
        (format!("{executor} fused, {name}"), Box::new(holds))
    };
    groups.into_iter().map(case).collect()
}

/// Calls of what libraries know, by name.
fn known() -> Vec<(String, Vec<Fusion>)> {
    let sizes = [[128, 128, 64], [1, 8, 64], [131, 264, 8], [257, 520, 200], [1000, 2056, 512]];
    let activations = [("relu", Activation::Relu), ("gelu", Activation::Gelu), ("gelu's gradient", GELU_GRADIENT)];
    let mut groups = Vec::new();
    for (name, activation) in activations {
        for dtype in [DType::BF16, DType::F16] {
            let call = |product: Product, number: usize| {
                let product = Product { bias: number % 2 == 1 && activation != GELU_GRADIENT, ..product };
                let kept = [activation == Activation::Gelu && number / 2 % 2 == 1, false];
                let second = product.rhs;
                // What a ReLU makes of what is no number is the library's choice.
                let poisoned = number % 5 == 3 && activation != Activation::Relu;
                Fusion { computes: Known(activation, dtype), product, second, kept, poisoned }
            };
            for transposed in [[false, true], [false, false], [true, true], [true, false]] {
                let calls = (0..4).flat_map(|number| sizes.map(|size| call(dense(size, transposed), number)));
                let way = transposed.map(|is| if is { "T" } else { "N" }).concat();
                groups.push((format!("{name} of {dtype}, {way}"), calls.collect()));
            }
            let [l, r, o] = [41 * 56, 24 * 56, 41 * 24];
            let batches = [vec![[5, l, r, o]], vec![[4, l, 0, o]], vec![[2, 0, r, 3 * o], [3, l, 0, o]]];
            let one = dense([41, 24, 56], [false, true]);
            let batched = |batch: Vec<[usize; 4]>| Product { batch, ..one.clone() };
            let calls = (0..4).flat_map(|number| batches.clone().map(|batch| call(batched(batch), number)));
            groups.push((format!("{name} of {dtype}, batches"), calls.collect()));
        }
    }
    groups
}

/// Calls of a kind, by name: the simplest first.
fn groups() -> Vec<(String, Vec<Fusion>)> {
    let kept = [[false, false], [true, false], [false, true], [true, true]];
    let small = [[256, 128, 64], [128, 256, 512], [129, 136, 72], [1, 8, 64], [131, 264, 8], [257, 520, 200]];
    // Several tiles for each block, and tiles of both widths in clusters of one block and of two.
    let large = [
        [1000, 2056, 512],
        [100, 8192, 72],
        [100, 16_384, 72],
        [100, 32_760, 72],
        [1024, 1024, 256],
        [4104, 2056, 72],
        [2504, 5128, 136],
    ];
    let mut groups = Vec::new();
    for (name, computes) in [("residual", Residual), ("silu", Gated), ("f32", Wide), ("limit", Limited(77))] {
        for transposed in [[false, true], [false, false], [true, true], [true, false]] {
            let call = |(number, &[m, n, k]): (usize, &[usize; 3])| {
                let lines = |extent: usize| extent.next_multiple_of(8);
                let lhs = if transposed[0] { [1, lines(m)] } else { [lines(k), 1] };
                let rhs = if transposed[1] { [1, lines(k)] } else { [lines(n), 1] };
                // Lines of the second are longer.
                let second = if transposed[1] { [1, lines(k) + 8] } else { [lines(n) + 8, 1] };
                let product = Product { lhs, rhs, bias: number % 2 == 1, ..dense([m, n, k], transposed) };
                Fusion { computes, product, second, kept: kept[number % 4], poisoned: false }
            };
            let way = transposed.map(|is| if is { "T" } else { "N" }).concat();
            groups.push((format!("{name}, {way}"), small.iter().enumerate().map(call).collect()));
            groups.push((format!("{name}, large, {way}"), large.iter().enumerate().map(call).collect()));
        }
        let one = Product { bias: true, ..dense([41, 24, 56], [false, true]) };
        let [l, r, o] = [41 * 56, 24 * 56, 41 * 24];
        let batches = [
            vec![[5, l, r, o]],
            vec![[4, l, 0, o]],
            vec![[2, 0, r, 3 * o], [3, l, 0, o]],
            vec![[1, 0, 0, 0], [7, l, r, o]],
        ];
        let call = |(number, batch): (usize, Vec<[usize; 4]>)| Fusion {
            computes,
            product: Product { batch, ..one.clone() },
            second: one.rhs,
            kept: kept[number],
            poisoned: false,
        };
        groups.push((format!("{name}, batches"), batches.into_iter().enumerate().map(call).collect()));
    }
    groups
}

impl Fusion {
    /// How many elements a result has.
    fn elements(&self) -> usize {
        let [m, n, _] = self.product.size;
        self.product.batch.iter().map(|dim| dim[0]).product::<usize>() * m * n
    }

    fn products(&self) -> Vec<Product> {
        let second = Product { rhs: self.second, ..self.product.clone() };
        [self.product.clone(), second].into_iter().take(self.computes.products()).collect()
    }

    fn kept(&self) -> Vec<bool> {
        self.kept[..self.computes.products()].to_vec()
    }

    /// Inputs: lhs, each rhs, each bias, and what else is read. Outputs: each product that is kept, and the result.
    fn program(&self) -> Program {
        let mut b = Builder::new();
        let (computes, dtype, [_, n, _]) = (self.computes, self.computes.dtype(), self.product.size);
        let products = self.products();
        let product = products[0].op(&mut b, dtype);
        let second =
            products.get(1).map(|second| MatrixStrides { row: b.dim(second.rhs[0]), column: b.dim(second.rhs[1]) });
        let mut args = vec![Arg::read(b.input(dtype, products[0].elements()[0]))];
        args.extend(products.iter().map(|product| Arg::read(b.input(dtype, product.elements()[1]))));
        if product.bias {
            args.extend(products.iter().map(|_| Arg::read(b.input(dtype, n))));
        }
        let elements = self.elements();
        for _ in self.kept().iter().filter(|kept| **kept) {
            args.push(Arg::write(b.output(dtype, elements)));
        }
        let mut pointers = vec![None; computes.products()];
        if computes.reads() {
            pointers.push(Some(args.len() as u32));
            args.push(Arg::read(b.input(computes.result(), elements)));
        }
        pointers.push(Some(args.len() as u32));
        args.push(Arg::write(b.output(computes.result(), elements)));
        let numbers: Vec<DimId> = computes.numbers(elements, n).into_iter().map(|number| b.dim(number)).collect();
        let (kernel, code, activation) = ("kernel".to_owned(), computes.code().to_owned(), computes.activation());
        let fused =
            Fused { product, second, groups: None, kept: self.kept(), pointers, kernel, numbers, code, activation };
        b.call(LibraryOp::Fused(Box::new(fused)), args)
    }

    /// Runs it from the host, and three times on tensors that are on the GPU; the largest error of an element.
    fn holds(&self, gpu: &Arc<Gpu>) -> Result<f64, String> {
        fn text(error: impl std::fmt::Display) -> String {
            error.to_string()
        }
        let program = self.program();
        let mut random = Random::new(13);
        let elements = |dim: DimId| program.dims.as_constant(dim).unwrap_or(0) as usize;
        let inputs = program.inputs.iter();
        let mut inputs: Vec<Tensor> =
            inputs.map(|port| random.uniform(port.dtype, vec![elements(port.shape[0])], -1.0..1.0)).collect();
        if self.poisoned {
            let mut values = inputs[0].to_vec::<f64>();
            values[0] = f64::NAN;
            inputs[0] = Tensor::from_values(inputs[0].dtype(), inputs[0].shape(), values).map_err(text)?;
        }
        let products = self.products();
        let mut made: Vec<Vec<f64>> = Vec::new();
        for (number, product) in products.iter().enumerate() {
            let mut operands = vec![&inputs[0], &inputs[1 + number]];
            operands.extend(inputs.get(1 + products.len() + number).filter(|_| product.bias));
            let wide: Vec<Tensor> = operands.into_iter().map(|tensor| tensor.cast(DType::F64)).collect();
            let out = session(product.program(DType::F64), None)?.run(&wide).map_err(text)?;
            made.push(out[0].cast(self.computes.dtype()).to_vec::<f64>());
        }
        let more = inputs.last().filter(|_| self.computes.reads()).map(|more| more.to_vec::<f64>());
        let more = more.unwrap_or_default();
        let (elements, columns) = (self.elements(), self.product.size[1]);
        let result = (0..elements).map(|number| {
            let elements: Vec<f64> = made.iter().map(|product| product[number]).collect();
            self.computes.of(&elements, more.get(number).copied().unwrap_or(0.0), number / columns)
        });
        let result = result.collect();
        let kept = made.into_iter().zip(self.kept()).filter(|(_, kept)| *kept);
        let expected: Vec<Vec<f64>> = kept.map(|(product, _)| product).chain([result]).collect();
        let compare = |actual: &[Tensor]| -> Result<f64, String> {
            let mut worst = 0.0_f64;
            for (out, (actual, expected)) in actual.iter().zip(&expected).enumerate() {
                for (position, (actual, expected)) in actual.to_vec::<f64>().iter().zip(expected).enumerate() {
                    let error = (actual - expected).abs() / (1.0 + expected.abs());
                    if expected.is_nan() && actual.is_nan() {
                        continue;
                    }
                    // Also for what is no number.
                    if !error.le(&2e-2) {
                        return Err(format!("element {position} of result {out} is {actual}, not {expected}"));
                    }
                    worst = worst.max(error);
                }
            }
            Ok(worst)
        };
        let session = session(program, Some(gpu))?;
        let mut worst = compare(&session.run(&inputs).map_err(text)?)?;
        let mut given = Vec::new();
        for tensor in &inputs {
            given.push(DeviceTensor::new(gpu, tensor).map_err(text)?);
        }
        let outputs = &self.program().outputs;
        let poison: Vec<Tensor> =
            outputs.iter().map(|port| Tensor::full(port.dtype, vec![elements], f64::NAN)).collect();
        let mut made = Vec::new();
        for tensor in &poison {
            made.push(DeviceTensor::new(gpu, tensor).map_err(text)?);
        }
        for _ in 0..3 {
            for (made, poison) in made.iter_mut().zip(&poison) {
                made.write(poison).map_err(text)?;
            }
            session.run_on_gpu_into(&mut given, &mut made).map_err(text)?;
            let out: Result<Vec<Tensor>, _> = made.iter().map(DeviceTensor::download).collect();
            worst = worst.max(compare(&out.map_err(text)?)?);
        }
        Ok(worst)
    }

    /// Its products alone.
    fn plain(&self) -> Program {
        let mut b = Builder::new();
        let (dtype, products) = (self.computes.dtype(), self.products());
        let lhs = b.input(dtype, products[0].elements()[0]);
        for product in &products {
            let op: Matmul = product.op(&mut b, dtype);
            let rhs: Root = b.input(dtype, product.elements()[1]);
            let out = b.output(dtype, self.elements());
            let args = vec![Arg::read(lhs), Arg::read(rhs), Arg::write(out)];
            b.0.steps.push(Step::Call(Call { op: LibraryOp::Matmul(op), args }));
        }
        b.0
    }
}

/// Large calls of what cuBLASLt knows: how many operations they are, their programs, and those of their products alone.
pub fn large_known() -> Vec<(String, f64, Program, Program)> {
    let [m, n, k] = [4096, 11008, 4096];
    let ways =
        [("relu", Activation::Relu, false), ("gelu", Activation::Gelu, false), ("gelu, kept", Activation::Gelu, true)];
    let ways = ways.into_iter().chain([("gelu's gradient", GELU_GRADIENT, false)]);
    let call = |(name, activation, kept)| {
        let product = dense([m, n, k], [false, true]);
        let computes = Known(activation, DType::BF16);
        let call = Fusion { computes, second: product.rhs, product, kept: [kept, false], poisoned: false };
        (format!("{name} of {m}x{n}x{k}"), 2.0 * m as f64 * n as f64 * k as f64, call.program(), call.plain())
    };
    ways.map(call).collect()
}

/// Large calls: how many operations they are, their programs, and those of their products alone.
pub fn large() -> Vec<(String, f64, Program, Program)> {
    let sizes = [("silu", Gated, [4096, 11008, 4096]), ("residual", Residual, [4096, 4096, 11008])];
    let mut all = Vec::new();
    for (name, computes, [m, n, k]) in sizes {
        for transposed in [[false, true], [false, false]] {
            let product = dense([m, n, k], transposed);
            let call = Fusion { computes, second: product.rhs, product, kept: [false; 2], poisoned: false };
            let way = transposed.map(|is| if is { "T" } else { "N" }).concat();
            let flops = 2.0 * m as f64 * n as f64 * k as f64 * computes.products() as f64;
            all.push((format!("{name} of {m}x{n}x{k}, {way}"), flops, call.program(), call.plain()));
        }
    }
    all
}
