//! Matrix products by the executor that needs no library, in every dtype and at all strides that products may have, against
//! the processor's executor in f64, element by element.

use std::sync::Arc;

use thunder_runtime::cuda::executor::Executor;
use thunder_runtime::cuda::{DeviceTensor, Gpu, Settings};
use thunder_runtime::program::{Access, Arg, BatchDim, LibraryOp, Matmul, MatrixStrides, Place, Program, Root};
use thunder_tensor::{DType, Random, Tensor};

use super::library::{Builder, session};
use super::{Case, Outcome};

/// A product: sizes and strides in elements.
#[derive(Clone, Debug)]
pub struct Product {
    /// m, n and k.
    pub size: [usize; 3],
    /// From one row to the next, and from one column to the next.
    pub lhs: [usize; 2],
    pub rhs: [usize; 2],
    pub out: [usize; 2],
    /// Extent, and strides in lhs, rhs and out, outermost first.
    pub batch: Vec<[usize; 4]>,
    pub bias: bool,
    /// Elements before the first of lhs, rhs and out.
    pub skipped: [usize; 3],
    /// Whether some elements are infinite, or no numbers.
    pub special: bool,
}

/// The GPU with an executor alone, so that no other takes over.
pub fn alone(settings: Settings, executor: impl Executor + 'static) -> Result<Arc<Gpu>, String> {
    let settings = Settings { executors: vec![Arc::new(executor)], ..settings };
    Gpu::with_settings(0, settings).map_err(|error| error.to_string())
}

pub fn cases(alone: &Arc<Gpu>) -> Vec<Case> {
    let dtypes = [DType::F16, DType::BF16, DType::F32, DType::F64];
    let groups = dtypes.map(|dtype| groups(dtype).into_iter().map(move |(name, products)| (dtype, name, products)));
    groups.into_iter().flatten().map(|group| case("mma", alone, group)).collect()
}

/// That some products hold, by an executor that a GPU has alone.
pub fn case(executor: &str, alone: &Arc<Gpu>, (dtype, name, products): (DType, String, Vec<Product>)) -> Case {
    let alone = Arc::clone(alone);
    let case = move |_: &Arc<Gpu>| -> Outcome {
        let mut worst = 0.0_f64;
        for product in &products {
            let error = holds(&alone, dtype, product).map_err(|error| format!("{error}, {product:?}"))?;
            worst = worst.max(error);
        }
        Ok(Some(worst))
    };
    (format!("{executor} {dtype}, {name}"), Box::new(case))
}

/// Products of a kind, by name.
fn groups(dtype: DType) -> Vec<(String, Vec<Product>)> {
    let mut groups = Vec::new();
    let odd = [
        [1, 1, 1],
        [1, 129, 17],
        [7, 17, 129],
        [129, 130, 1],
        [130, 7, 17],
        [17, 129, 130],
        [129, 1, 64],
        [64, 64, 5000],
        [256, 384, 96],
    ];
    for transposed in [[false, false], [false, true], [true, false], [true, true]] {
        let way = transposed.map(|is| if is { "T" } else { "N" }).concat();
        let small =
            |(number, &size): (usize, &[usize; 3])| Product { bias: number % 2 == 1, ..dense(size, transposed) };
        groups.push((format!("odd sizes, {way}"), odd.iter().enumerate().map(small).collect()));
        let mut large = vec![dense([2104, 2104, 72], transposed), dense([2101, 2103, 75], transposed)];
        if dtype.size() == 2 {
            large.extend([dense([4104, 4104, 72], transposed), dense([4102, 4102, 74], transposed)]);
        }
        groups.push((format!("large, {way}"), large));
        let special = [[33, 65, 97], [130, 130, 40]];
        let special = special.map(|size| Product { special: true, ..dense(size, transposed) }).into();
        groups.push((format!("infinite and no numbers, {way}"), special));
    }
    let mut batches = batched();
    batches.push(Product { bias: true, batch: vec![[70_000, 3, 3, 1]], ..dense([1, 1, 3], [false, false]) });
    groups.push(("batches".into(), batches));
    let empty = [[0, 8, 8], [8, 0, 8], [8, 8, 0], [130, 7, 0]];
    let mut empty: Vec<Product> = empty.map(|size| dense(size, [false, false])).into();
    empty.push(Product { bias: true, ..dense([33, 65, 0], [false, true]) });
    empty.push(Product { batch: vec![[0, 40 * 56, 24 * 56, 40 * 24]], ..dense([40, 24, 56], [false, true]) });
    groups.push(("of nothing".into(), empty));
    groups.push(("any strides".into(), strided(dtype)));
    groups
}

/// Batches of a product of dense matrices, the second transposed: of one dimension or two, some of which an operand lacks, in
/// either order.
pub fn batched() -> Vec<Product> {
    let one = dense([40, 24, 56], [false, true]);
    let [l, r, o] = [40 * 56, 24 * 56, 40 * 24];
    let batches = [
        vec![[5, l, r, o]],
        vec![[2, 3 * l, 3 * r, 3 * o], [3, l, r, o]],
        vec![[4, l, 0, o]],
        vec![[4, 0, r, o]],
        vec![[2, 0, r, 3 * o], [3, l, 0, o]],
        vec![[2, 0, 0, o], [3, l, r, 2 * o]],
    ];
    batches.into_iter().map(|batch| Product { batch, ..one.clone() }).collect()
}

/// A product of dense matrices, either stored transposed.
pub fn dense([m, n, k]: [usize; 3], transposed: [bool; 2]) -> Product {
    let strides = |rows: usize, columns: usize, transposed| if transposed { [1, rows] } else { [columns, 1] };
    Product {
        size: [m, n, k],
        lhs: strides(m, k, transposed[0]),
        rhs: strides(k, n, transposed[1]),
        out: [n, 1],
        batch: Vec::new(),
        bias: false,
        skipped: [0; 3],
        special: false,
    }
}

/// Strides that a library would refuse, rows of odd lengths, and first elements that are not aligned.
fn strided(dtype: DType) -> Vec<Product> {
    let mut state = 0x9e37_79b9_u64 + dtype.size() as u64;
    let mut below = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % bound as u64) as usize
    };
    let product = |_| {
        let size = [1 + below(200), 1 + below(200), 1 + below(100)];
        let mut strides = |rows: usize, columns: usize| match below(7) {
            0 => [columns + below(3), 1],
            1 => [1, rows + below(3)],
            2 => [2 * columns, 2],
            3 => [3, 3 * rows],
            4 => [0, 1],
            5 => [1, 0],
            _ => [0, 0],
        };
        let [m, n, k] = size;
        let (lhs, rhs) = (strides(m, k), strides(k, n));
        let out = [[n + 2, 1], [1, m + 1], [2 * n, 2], [n.next_multiple_of(8), 1]][below(4)];
        let skipped = [below(3), below(3), below(3)];
        Product { lhs, rhs, out, bias: below(2) == 1, skipped, ..dense(size, [false; 2]) }
    };
    (0..24).map(product).collect()
}

impl Product {
    /// Elements of lhs, rhs and out, those before the first included.
    pub fn elements(&self) -> [usize; 3] {
        let [m, n, k] = self.size;
        let matrices = [(m, k, self.lhs), (k, n, self.rhs), (m, n, self.out)];
        std::array::from_fn(|i| {
            let (rows, columns, [row, column]) = matrices[i];
            let dims = self.batch.iter().map(|dim| (dim[0], dim[1 + i])).chain([(rows, row), (columns, column)]);
            let dims: Vec<(usize, usize)> = dims.collect();
            match dims.iter().any(|(extent, _)| *extent == 0) {
                true => self.skipped[i],
                false => self.skipped[i] + 1 + dims.iter().map(|(extent, stride)| (extent - 1) * stride).sum::<usize>(),
            }
        })
    }

    /// Positions of the result's elements in out.
    fn positions(&self) -> Vec<usize> {
        let [m, n, _] = self.size;
        let mut all = vec![self.skipped[2]];
        let dims = self.batch.iter().map(|dim| (dim[0], dim[3])).chain([(m, self.out[0]), (n, self.out[1])]);
        for (extent, stride) in dims {
            all = all.iter().flat_map(|position| (0..extent).map(move |i| position + i * stride)).collect();
        }
        all
    }

    /// The operation, without what is skipped.
    pub fn op(&self, b: &mut Builder, dtype: DType) -> Matmul {
        let mut strides = |[row, column]: [usize; 2]| MatrixStrides { row: b.dim(row), column: b.dim(column) };
        let (lhs, rhs, out) = (strides(self.lhs), strides(self.rhs), strides(self.out));
        let dim = |b: &mut Builder, [extent, lhs, rhs, out]: [usize; 4]| BatchDim {
            extent: b.dim(extent),
            lhs: b.dim(lhs),
            rhs: b.dim(rhs),
            out: b.dim(out),
        };
        let batch = self.batch.iter().map(|&dims| dim(b, dims)).collect();
        let [m, n, k] = self.size.map(|extent| b.dim(extent));
        Matmul { dtype, m, n, k, batch, lhs, rhs, out, bias: self.bias, epilogue: None }
    }

    pub fn program(&self, dtype: DType) -> Program {
        let mut b = Builder::new();
        let op = self.op(&mut b, dtype);
        let [lhs, rhs, out] = self.elements();
        let roots = [b.input(dtype, lhs), b.input(dtype, rhs)];
        let arg = |b: &mut Builder, root: Root, skipped: usize, access: Access| {
            let offset = (skipped > 0).then(|| b.dim(skipped * dtype.size()));
            Arg { place: Place { root, offset }, access }
        };
        let mut args = vec![
            arg(&mut b, roots[0], self.skipped[0], Access::Read),
            arg(&mut b, roots[1], self.skipped[1], Access::Read),
        ];
        if self.bias {
            args.push(Arg::read(b.input(dtype, self.size[1])));
        }
        let root = b.output(dtype, out);
        args.push(arg(&mut b, root, self.skipped[2], Access::Write));
        b.call(LibraryOp::Matmul(op), args)
    }
}

/// How far a sum of so many terms may be from that in f64, relative to it or to one.
fn tolerance(dtype: DType, terms: usize) -> f64 {
    match dtype {
        DType::F64 => 1e-12,
        DType::F32 => 1e-6 * (terms as f64).sqrt().max(1.0),
        DType::F16 => 2e-3,
        _ => 5e-3,
    }
}

/// Runs a product from the host, and three times on tensors that are on the GPU; the largest error of an element.
pub fn holds(gpu: &Arc<Gpu>, dtype: DType, product: &Product) -> Result<f64, String> {
    fn text(error: impl std::fmt::Display) -> String {
        error.to_string()
    }
    let program = product.program(dtype);
    let mut random = Random::new(11);
    let mut inputs = Vec::new();
    for port in &program.inputs {
        let elements = program.dims.as_constant(port.shape[0]).unwrap_or(0) as usize;
        let mut tensor = random.uniform(dtype, vec![elements], -1.0..1.0);
        if product.special && inputs.len() < 2 {
            for (number, value) in [f64::INFINITY, f64::NAN, f64::NEG_INFINITY].into_iter().enumerate() {
                tensor.set(&[(number * 977 + 13) % elements], value).map_err(text)?;
            }
        }
        inputs.push(tensor);
    }
    let widened: Vec<Tensor> = inputs.iter().map(|tensor| tensor.cast(DType::F64)).collect();
    let expected = session(product.program(DType::F64), None)?.run(&widened).map_err(text)?;
    let (expected, positions) = (expected[0].to_vec::<f64>(), product.positions());
    let compare = |actual: &Tensor| -> Result<f64, String> {
        let actual = actual.to_vec::<f64>();
        let mut worst = 0.0_f64;
        for &position in &positions {
            let (actual, expected) = (actual[position], expected[position]);
            if actual == expected || actual.is_nan() && expected.is_nan() {
                continue;
            }
            let error = (actual - expected).abs() / (1.0 + expected.abs());
            // Also for what is no number.
            if !error.le(&tolerance(dtype, product.size[2])) {
                return Err(format!("element {position} is {actual}, not {expected}"));
            }
            worst = worst.max(error);
        }
        Ok(worst)
    };
    let session = session(program, Some(gpu))?;
    let out = session.run(&inputs).map_err(text)?;
    let mut worst = compare(&out[0])?;
    if positions.len() > 1 << 20 {
        return Ok(worst);
    }
    let mut given = Vec::new();
    for tensor in &inputs {
        given.push(DeviceTensor::new(gpu, tensor).map_err(text)?);
    }
    let poison = Tensor::full(dtype, out[0].shape().to_vec(), f64::NAN);
    let mut made = [DeviceTensor::new(gpu, &poison).map_err(text)?];
    for _ in 0..3 {
        made[0].write(&poison).map_err(text)?;
        session.run_on_gpu_into(&mut given, &mut made).map_err(text)?;
        let out = made[0].download().map_err(text)?;
        worst = worst.max(compare(&out)?);
        // What lies between the result's elements is as it was.
        let written = out.to_vec::<f64>().iter().filter(|value| !value.is_nan()).count();
        if written > positions.len() {
            return Err(format!("{written} elements are written, not {}", positions.len()));
        }
    }
    Ok(worst)
}
