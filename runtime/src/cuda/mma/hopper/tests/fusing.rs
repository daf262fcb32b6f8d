//! Products with what is computed from their elements.

use half::{bf16, f16};
use thunder_tensor::{Random, Tensor};

use super::*;
use crate::program::{BatchDim, DimExpr, DimId, MatrixStrides};
use fragment::Fragment;
use kernel::Fusion;
use map::Groups;

/// What is computed from the elements of products.
#[derive(Clone, Copy, Debug)]
enum Computes {
    /// `silu(a) * b`, in bf16.
    Gated,
    /// `a + more`, in bf16.
    Residual,
    /// `3 * a - 0.5 + more`, of f16 in f32.
    Wide,
    /// As that, with 1 added before, in code that is long.
    Long,
    /// `a * b` in rows before a limit, `b` in others, in f16.
    Limited(usize),
}

use Computes::{Gated, Limited, Long, Residual, Wide};

impl Computes {
    fn code(self) -> String {
        let text = match self {
            Gated => include_str!("gated.ptx"),
            Residual => include_str!("residual.ptx"),
            Wide => include_str!("wide.ptx"),
            Long => return long(include_str!("wide.ptx")),
            Limited(_) => include_str!("limited.ptx"),
        };
        text.to_owned()
    }

    fn products(self) -> usize {
        if matches!(self, Gated | Limited(_)) { 2 } else { 1 }
    }

    fn dtype(self) -> DType {
        if matches!(self, Gated | Residual) { DType::BF16 } else { DType::F16 }
    }

    /// Type of what it reads and writes.
    fn result(self) -> DType {
        if matches!(self, Wide | Long) { DType::F32 } else { self.dtype() }
    }

    fn numbers(self, columns: usize) -> Vec<u64> {
        match self {
            Gated | Residual => vec![0],
            Wide | Long => Vec::new(),
            Limited(rows) => vec![columns as u64, rows as u64],
        }
    }

    fn of(self, products: &[f64], more: f64, row: usize) -> f64 {
        match self {
            Gated => products[0] / (1.0 + (-products[0]).exp()) * products[1],
            Residual => products[0] + more,
            Wide => 3.0 * products[0] - 0.5 + more,
            Long => 3.0 * (products[0] + 1.0) - 0.5 + more,
            Limited(rows) if row < rows => products[0] * products[1],
            Limited(_) => products[1],
        }
    }

    fn fusion(self, kept: &[bool]) -> Fusion {
        Fusion { kept: kept.to_vec(), fragment: Fragment::read(&self.code()).unwrap() }
    }
}

/// Adds 1 to each element of `wide` before more is computed, in 16 steps.
fn long(wide: &str) -> String {
    let mut code = String::new();
    let mut next = 33;
    for line in wide.lines() {
        let parts: Vec<&str> = line.split([' ', '\t', ',']).filter(|part| !part.is_empty()).collect();
        let mut last = match parts[..] {
            ["fma.rn.f32", _, from, ..] => from.to_owned(),
            _ => {
                code += &line.replace("%r<33>", "%r<161>");
                code += "\n";
                continue;
            }
        };
        // Twice the element and -0.25, and half of that and 0.25.
        for step in 0..16 {
            let numbers = ["0f40000000, 0fBE800000", "0f3F000000, 0f3E800000"][step % 2];
            code += &format!("fma.rn.f32 %r{next}, {last}, {numbers};\n");
            last = format!("%r{next}");
            next += 1;
        }
        code += &format!("fma.rn.f32 {}, {last}, {}, {}\n", parts[1], parts[3], parts[4]);
    }
    code
}

/// How far a column of rhs is from the first.
fn along(column: usize, own: usize, groups: Option<Groups>) -> usize {
    match groups {
        Some(Groups { width, stride }) => column / width * stride + column % width * own,
        None => column * own,
    }
}

/// The products' values, by product, of all rows.
fn products(
    product: &Product,
    (sides, groups): (&[[usize; 2]], Option<Groups>),
    operands: &[Vec<f64>],
    biases: &[Vec<f64>],
) -> Vec<Vec<f64>> {
    let [m, n, k] = product.size;
    let mut starts = vec![[0; 2]];
    for &[extent, l, r, _] in &product.batch {
        starts = starts.iter().flat_map(|[a, b]| (0..extent).map(move |i| [a + i * l, b + i * r])).collect();
    }
    let of_side = |side: usize| {
        let mut values = Vec::new();
        for [l, r] in &starts {
            for (row, column) in (0..m).flat_map(|row| (0..n).map(move |column| (row, column))) {
                let term = |p: usize| {
                    let lhs = operands[0][l + row * product.lhs[0] + p * product.lhs[1]];
                    lhs * operands[1 + side][r + along(column, sides[side][0], groups) + p * sides[side][1]]
                };
                let sum = (0..k).map(term).sum::<f64>() + biases.get(side).map_or(0.0, |bias| bias[column]);
                values.push(match product.dtype {
                    DType::F16 => f16::from_f64(sum).to_f64(),
                    _ => bf16::from_f64(sum).to_f64(),
                });
            }
        }
        values
    };
    (0..sides.len()).map(of_side).collect()
}

fn close(name: &str, dtype: DType, bytes: &[u8], expected: impl Iterator<Item = f64>) {
    let actual = Tensor::from_bytes(dtype, vec![bytes.len() / dtype.size()], bytes).unwrap().to_vec::<f64>();
    let expected: Vec<f64> = expected.collect();
    assert_eq!(actual.len(), expected.len());
    for (number, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        let error = (actual - expected).abs();
        assert!(error <= 2e-2 * (1.0 + expected.abs()), "{name} has {actual} at {number}, not {expected}");
    }
}

/// Runs a product with a tile on the machine, on so many multiprocessors, and compares. The second has these strides.
fn holds(computes: Computes, product: &Product, second: [usize; 2], kept: &[bool], on: (Tile, usize)) {
    holds_in_groups(computes, product, (second, None), kept, on);
}

/// The same, where columns of each rhs may lie in groups.
fn holds_in_groups(
    computes: Computes,
    product: &Product,
    (second, groups): ([usize; 2], Option<Groups>),
    kept: &[bool],
    (tile, count): (Tile, usize),
) {
    let (dtype, [m, n, k]) = (computes.dtype(), product.size);
    let mut product = Product { dtype, out: [n, 1], ..product.clone() };
    let mut all = m * n;
    for dim in product.batch.iter_mut().rev() {
        dim[3] = all;
        all *= dim[0];
    }
    let sides: Vec<[usize; 2]> = [product.rhs, second].into_iter().take(computes.products()).collect();
    let fused = FusedProduct {
        second: sides.get(1).copied(),
        groups,
        fusion: computes.fusion(kept),
        numbers: computes.numbers(n),
        product: product.clone(),
    };
    let mut work = Work::with(&product, Some(&fused), tile, 0.0, count).unwrap();
    // Blocks without a tile find nothing to do.
    work.blocks = work.blocks.max((count / tile.cluster * tile.cluster) as u32);
    let mut random = Random::new(3);
    let mut tensor = |dtype: DType, elements: usize| random.uniform(dtype, vec![elements], -1.0..1.0);
    let elements = |[own, sums]: [usize; 2], extent: usize, operand: usize| {
        let dims = product.batch.iter().map(|dim| (dim[0] - 1) * dim[operand]);
        let groups = groups.filter(|_| operand == 2);
        1 + along(extent - 1, own, groups) + (k - 1) * sums + dims.sum::<usize>()
    };
    let mut operands = vec![tensor(dtype, elements(product.lhs, m, 1))];
    operands.extend(sides.iter().map(|&side| tensor(dtype, elements(side, n, 2))));
    let biases: Vec<Tensor> = sides.iter().filter(|_| product.bias).map(|_| tensor(dtype, n)).collect();
    let more = tensor(computes.result(), all);
    let none = |dtype: DType| Tensor::full(dtype, vec![all], f64::NAN);
    let mut tensors: Vec<(&'static str, Tensor)> = biases.iter().map(|bias| ("bias", bias.clone())).collect();
    tensors.extend(kept.iter().filter(|kept| **kept).map(|_| ("out", none(dtype))));
    let products_end = tensors.len();
    tensors.extend([("more", more.clone()), ("out", none(computes.result()))]);
    let at = |number: usize| 0x7000_0000_0000 + ((number as u64) << 32);
    let memory = tensors.iter().enumerate();
    let memory =
        memory.map(|(number, (name, tensor))| Memory { name, start: at(number), bytes: tensor.bytes().to_vec() });
    let mut memory: Vec<Memory> = memory.collect();
    let mut values: Vec<u64> = (0..products_end).map(at).collect();
    // Of what is in registers only there is no address.
    values.extend(if computes.products() == 2 { [0, 0] } else { [0, at(products_end)] });
    values.push(at(products_end + 1));
    let bytes: Vec<&[u8]> = operands.iter().map(|operand| operand.bytes()).collect();
    run(&work, &bytes, &values, &mut memory);

    let numbers = |tensors: &[Tensor]| tensors.iter().map(|tensor| tensor.to_vec::<f64>()).collect::<Vec<_>>();
    let expected = products(&product, (&sides, groups), &numbers(&operands), &numbers(&biases));
    let outs = memory[biases.len()..products_end].iter();
    for (out, number) in outs.zip((0..sides.len()).filter(|number| kept[*number])) {
        close("a product", dtype, &out.bytes, expected[number].iter().copied());
    }
    let more = more.to_vec::<f64>();
    let result = (0..all).map(|number| {
        let elements: Vec<f64> = expected.iter().map(|product| product[number]).collect();
        computes.of(&elements, more[number], number / n)
    });
    close(&format!("{computes:?} of {product:?}"), computes.result(), &memory[products_end + 1].bytes, result);
}

const KEPT: [[bool; 2]; 4] = [[false, false], [true, false], [false, true], [true, true]];

#[test]
fn fused_products_are_right_on_the_machine_in_all_layouts() {
    for (number, &tile) in ALL.iter().enumerate() {
        for (way, transposed) in WAYS.into_iter().enumerate() {
            let bias = (number + way) % 2 == 1;
            let odd = Product { bias, ..padded(DType::BF16, [129, 136, 67], transposed) };
            // Rows of the second are further apart.
            let second = if transposed[1] { [80, 1] } else { [1, 144] };
            holds(Gated, &odd, second, &KEPT[(number + way) % 4], (tile, 2));
            let odd = Product { bias, ..padded(DType::BF16, [131, 264, 9], transposed) };
            holds(Residual, &odd, second, &[way % 2 == 0], (tile, 2));
        }
    }
}

/// Halves of every so many columns, which are narrower than what is copied at once, as wide, or wider.
#[test]
fn fused_halves_of_groups_are_right_on_the_machine() {
    for (number, &tile) in ALL.iter().enumerate() {
        for (way, width) in [32, 64, 128, 256].into_iter().enumerate() {
            let transposed = [[false, true], [true, true], [false, false], [true, false]][(number + way) % 4];
            // Elements of lines are adjacent along columns, of which a copy brings 64.
            let width = if transposed[1] { width } else { width.max(64) };
            let (columns, k) = (width * (384 / width).max(2), [72, 200][way % 2]);
            let all = 2 * columns;
            let product = padded(computes(way).dtype(), [129, columns, k], transposed);
            let rhs = if transposed[1] { [k, 1] } else { [1, all] };
            let groups = Groups { width, stride: 2 * width * rhs[0] };
            let product = Product { rhs, batch: vec![[2, 129 * k, 0, 0]; number % 2], ..product };
            let kept = &KEPT[way][..computes(way).products()];
            holds_in_groups(computes(way), &product, (rhs, Some(groups)), kept, (tile, 4));
        }
    }
    fn computes(way: usize) -> Computes {
        [Gated, Limited(77), Gated, Residual][way]
    }
}

/// Several tiles for each block, and more stages than there are.
#[test]
fn large_fused_products_are_right_on_the_machine() {
    for (number, &tile) in ALL.iter().enumerate() {
        let transposed = WAYS[number];
        let second = if transposed[1] { [360, 1] } else { [1, 264] };
        holds(Limited(77), &dense(DType::F16, [200, 264, 360], transposed), second, &KEPT[3 - number], (tile, 2));
        holds(Wide, &dense(DType::F16, [200, 264, 360], transposed), second, &[number % 2 == 0], (tile, 2));
    }
}

/// Several tiles for each block, one and none, and so many stages that elements are written beside products.
#[test]
fn fused_products_that_overlap_are_right_on_the_machine() {
    for (number, &tile) in ALL.iter().enumerate() {
        for (way, computes) in [Gated, Residual, Wide, Long, Limited(77)].into_iter().enumerate() {
            let transposed = WAYS[(number + way) % 4];
            // Tiles of three blocks or clusters, and another two; or those of a batch.
            let batch = if way % 2 == 0 { vec![[2, 0, 0, 0]] } else { Vec::new() };
            let k = 64 * (tile.wide / 32 / computes.products()) + 8;
            let product =
                Product { batch, bias: (number + way) % 2 == 1, ..padded(computes.dtype(), [129, 264, k], transposed) };
            let second = if transposed[1] { [k, 1] } else { [1, 264] };
            let kept = &KEPT[(number + way) % 4][..computes.products()];
            let kernel = |terms: usize| kernel(computes, tile, kept).can_overlap(terms);
            assert!(kernel(k) && !kernel(k - 8), "{computes:?}");
            holds(computes, &product, second, kept, (tile, [2, 6, 16][(number + way) % 3]));
        }
    }
}

#[test]
fn batches_of_fused_products_are_right_on_the_machine() {
    let one = Product { bias: true, ..dense(DType::F16, [41, 24, 56], [false, true]) };
    let [l, r] = [41 * 56, 24 * 56];
    let batches = [vec![[3, l, r, 0]], vec![[3, l, 0, 0]], vec![[2, 0, r, 0], [3, l, 0, 0]]];
    for (number, batch) in batches.into_iter().enumerate() {
        let batched = Product { batch, ..one.clone() };
        holds(Limited(50), &batched, [56, 1], &KEPT[number], (ALL[number], 4));
        holds(Wide, &batched, [56, 1], &[number == 1], (ALL[3 - number], 4));
        holds(Gated, &batched, [56, 1], &KEPT[3 - number], (ALL[1], 2));
    }
    for size in [[1, 8, 1], [1, 8, 64], [3, 304, 65]] {
        let small = padded(DType::BF16, size, [false, true]);
        holds(Gated, &small, small.rhs, &KEPT[1], (ALL[1], 132));
        holds(Residual, &small, small.rhs, &[false], (ALL[3], 132));
    }
}

/// A kernel of products whose terms are adjacent.
fn kernel(computes: Computes, tile: Tile, kept: &[bool]) -> Kernel {
    let (dtype, fusion) = (computes.dtype(), Some(computes.fusion(kept)));
    let writes = Writes::Chunks;
    Kernel { dtype, tile, sums: [true; 2], bias: false, writes, batch: 0, group: None, fusion, overlaps: false }
}

#[test]
fn every_fused_kernel_of_hopper_assembles_and_keeps_its_values_in_registers() {
    for (number, &tile) in ALL.iter().enumerate() {
        for (way, computes) in [Gated, Residual, Wide, Limited(3), Long].into_iter().enumerate() {
            for (bias, kept, overlaps) in [
                (false, [false, false], false),
                (true, [true, true], false),
                (false, [false, false], true),
                (true, [true, true], true),
            ] {
                let kernel = kernel(computes, tile, &kept[..computes.products()]);
                assert!(kernel.can_overlap(4096), "{kernel:?}");
                keeps(&Kernel { sums: WAYS[(number + way) % 4], bias, batch: way % 3, overlaps, ..kernel });
            }
        }
    }
}

/// Where what is computed needs so many registers that none are left beside two tiles.
#[test]
fn elements_that_need_many_registers_are_written_before_the_next_tile() {
    let reads = |count: usize| {
        let wide = Wide.code();
        let (loads, at) =
            ("ld.global.v4.b32 \t{%r9, %r10, %r11, %r12}, [%rd5];", wide.find("add.rn.f32 \t%r14").unwrap());
        assert!(wide.contains(loads));
        let more = |number: usize| {
            let registers: Vec<String> = (0..4).map(|part| format!("%r{}", 100 + 4 * number + part)).collect();
            format!("ld.global.v4.b32 {{{}}}, [%rd5+{}];\n", registers.join(", "), 32 + 16 * number)
        };
        let more: String = (0..count).map(more).collect();
        let code = format!("{}{more}{}", &wide[..at], &wide[at..]).replace("%r<33>", "%r<999>");
        Fragment::read(&code).unwrap()
    };
    let overlaps = |tile: Tile, fragment: Fragment| {
        let fusion = Some(Fusion { kept: vec![true], fragment });
        Kernel { fusion, ..kernel(Wide, tile, &[true]) }.can_overlap(4096)
    };
    for &tile in &ALL {
        assert!(overlaps(tile, reads(0)) && overlaps(tile, reads(2)));
        assert_eq!(overlaps(tile, reads(3)), tile.wide == 128);
    }
    assert_eq!(
        [Gated, Residual, Wide, Limited(3), Long].map(|computes| computes.fusion(&[]).fragment.registers()),
        [Some(22), Some(13), Some(19), Some(12), Some(19)]
    );
}

/// A call of constant sizes, of batches of dense matrices.
fn call(dims: &mut Dims, computes: Computes, [count, m, n, k]: [usize; 4]) -> Fused {
    let mut dim = |value: usize| dims.constant(value as i64);
    let dense = |columns: DimId, one: DimId| MatrixStrides { row: columns, column: one };
    let (one, rows, columns, terms) = (dim(1), dim(m), dim(n), dim(k));
    let batch = BatchDim { extent: dim(count), lhs: dim(m * k), rhs: dim(0), out: dim(m * n) };
    let rhs = MatrixStrides { row: one, column: terms };
    let product = Matmul {
        dtype: computes.dtype(),
        m: rows,
        n: columns,
        k: terms,
        batch: vec![batch],
        lhs: dense(terms, one),
        rhs,
        out: dense(columns, one),
        bias: false,
        epilogue: None,
    };
    let numbers: Vec<DimId> = computes.numbers(n).into_iter().map(|number| dim(number as usize)).collect();
    let (pointers, code) = (vec![None, Some(2), Some(3)], computes.code());
    let second = (computes.products() == 2).then_some(rhs);
    let (kept, kernel) = (vec![false; computes.products()], "kernel".to_owned());
    Fused { product, second, groups: None, kept, pointers, kernel, numbers, code, activation: None }
}

#[test]
fn products_are_fused_where_that_is_possible_and_pays() {
    let fuses = |op: &Fused, dims: &Dims, always: bool| fused::pays(op, dims, MULTIPROCESSORS, always);
    let asked = |computes: Computes, size: [usize; 4]| {
        let mut dims = Dims::default();
        let op = call(&mut dims, computes, size);
        [false, true].map(|always| fuses(&op, &dims, always))
    };
    assert_eq!(asked(Gated, [1, 4096, 11008, 4096]), [true; 2]);
    assert_eq!(asked(Residual, [1, 4096, 4096, 11008]), [true; 2]);
    assert_eq!(asked(Residual, [16, 512, 2048, 512]), [true; 2]);
    assert_eq!(asked(Gated, [1, 64, 512, 4096]), [false, true], "few tiles");
    assert_eq!(asked(Gated, [1, 4096, 11008, 64]), [false, true], "few terms");
    assert_eq!(asked(Gated, [1, 4096, 11004, 4096]), [false; 2], "rows that are not aligned");
    assert_eq!(asked(Gated, [1, 4096, 11008, 4095]), [false; 2], "rows that the unit for tensors cannot reach");
    assert_eq!(asked(Gated, [1, 0, 11008, 4096]), [false; 2], "nothing");

    let mut dims = Dims::default();
    let op = call(&mut dims, Gated, [2, 4096, 4096, 4096]);
    assert!(fuses(&op, &dims, false));
    let (one, many, symbol) = (dims.constant(1), dims.constant(8192), dims.intern(DimExpr::Symbol(0)));
    let product = |change: &dyn Fn(&mut Fused)| {
        let mut op = op.clone();
        change(&mut op);
        fuses(&op, &dims, true)
    };
    assert!(product(&|_| {}));
    assert!(!product(&|op| op.product.m = symbol), "a size that is not constant");
    assert!(!product(&|op| op.product.out.row = many), "a result that is not dense");
    assert!(!product(&|op| op.product.batch[0].out = many), "a batch that is not dense");
    assert!(!product(&|op| op.second = Some(MatrixStrides { row: many, column: one })), "another layout of the second");
    assert!(!product(&|op| op.pointers.push(None)), "more pointers than the code takes");
    assert!(!product(&|op| op.code = Residual.code()), "code of one product");
    assert!(!product(&|op| op.code = op.code.replace("ex2.approx", "call")), "code that calls");
    let claims = |op: &Fused| Hopper::default().claims(&LibraryOp::Fused(Box::new(op.clone())), &dims);
    assert!(claims(&op));
    let other = Fused { product: Matmul { dtype: DType::F32, ..op.product.clone() }, ..op };
    assert!(!claims(&other));
}

/// The parameters are what the kernel is given, one by one.
#[test]
fn fused_kernels_are_given_all_parameters() {
    let mut dims = Dims::default();
    let op = call(&mut dims, Limited(3), [2, 128, 128, 128]);
    let mut op = Fused { kept: vec![false, true], ..op };
    op.product.bias = true;
    let fused = FusedProduct::new(&op, &|dim| dims.as_constant(dim).unwrap() as usize).unwrap();
    let work = fused.work(MULTIPROCESSORS).unwrap();
    // Two biases, a result and the pointers are given in each run.
    assert_eq!(work.kernel.parameters().len(), 2 + 1 + 3 + work.numbers.len());
    assert_eq!(work.shapes.len(), work.kernel.maps().len());
}
