//! Prints how much of the processor's peak products reach whose operands lie row by row (N) or column by column (T): lhs,
//! then rhs; and with weights packed before. A gradient of a product has one operand of each. The peak is that of fused
//! multiplications and additions in registers, measured in turns with the products: processors change their speed.
//!
//! `cargo bench -p thunder-runtime --bench layouts [-- THREADS...]`

use std::hint::black_box;
use std::time::{Duration, Instant};

use pulp::{Simd, WithSimd};
use thunder_runtime::cpu::Cpu;
use thunder_runtime::cpu::gemm::{Matrix, PackedRhs, Product, Rhs, Size, product};

const SHAPES: [(usize, usize, usize); 10] = [
    (256, 256, 256),
    (1000, 1000, 1000),
    (1024, 1024, 1024),
    (2048, 2048, 2048),
    (512, 4096, 1024),
    (512, 1024, 384),
    (512, 384, 1024),
    (1024, 384, 512),
    (256, 1408, 512),
    (64, 512, 256),
];

/// At least so often, and so long.
const ROUNDS: usize = 5;
const TIME: Duration = Duration::from_millis(700);

fn main() {
    let threads: Vec<usize> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    let threads = if threads.is_empty() { vec![1, Cpu::available_threads()] } else { threads };
    for threads in threads {
        let cpu = Cpu::new(threads);
        println!("{} threads", cpu.pool().threads());
        println!(
            "{:>16} {:>8} {:>8} {:>6} {:>6} {:>6} {:>6}   % of it, median",
            "m,n,k", "GFLOP/s", "packed", "NN", "NT", "TN", "TT"
        );
        for (m, n, k) in SHAPES {
            shape(&cpu, Size { m, n, k });
        }
    }
}

/// Multiplies and adds in registers.
struct Peak(usize);

/// Sums in registers: as many as hide the latency of two units.
const SUMS: usize = 12;

impl WithSimd for Peak {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let (x, y) = (simd.splat_f32s(0.5), simd.splat_f32s(1.0));
        let mut sums = [y; SUMS];
        for _ in 0..self.0 {
            for sum in &mut sums {
                *sum = simd.mul_add_f32s(*sum, x, y);
            }
        }
        black_box(sums);
        (2 * self.0 * SUMS * S::F32_LANES) as f64
    }
}

/// Floating-point operations a second that the threads reach in registers.
fn peak(cpu: &Cpu) -> f64 {
    let chunks = 8 * cpu.pool().threads();
    let start = Instant::now();
    cpu.pool().run(chunks, &|_| {
        black_box(pulp::Arch::new().dispatch(Peak(10_000)));
    });
    let time = start.elapsed().as_secs_f64();
    chunks as f64 * pulp::Arch::new().dispatch(Peak(10_000)) / time
}

fn shape(cpu: &Cpu, size: Size) {
    let Size { m, n, k } = size;
    let numbers = |count: usize| (0..count).map(|i| (i % 1000) as f32 / 500.0 - 1.0).collect::<Vec<_>>();
    let (lhs, rhs, mut out) = (numbers(m * k), numbers(k * n), vec![0_f32; m * n]);
    let matrix = |start: *const f32, rows: usize, columns: usize, transposed: bool| match transposed {
        true => Matrix { start, row: 1, column: rows },
        false => Matrix { start, row: columns, column: 1 },
    };
    // SAFETY: `rhs` has k * n elements.
    let packed = unsafe { PackedRhs::new(cpu, k, n, matrix(rhs.as_ptr(), k, n, false)) };
    let right = |transposed| Rhs::Strided(matrix(rhs.as_ptr(), k, n, transposed));
    let operands = [
        (false, Rhs::Packed(&packed)),
        (false, right(false)),
        (false, right(true)),
        (true, right(false)),
        (true, right(true)),
    ];
    let out = matrix(out.as_mut_ptr(), m, n, false);
    let mut shares = operands.map(|_| Vec::new());
    let mut peaks = Vec::new();
    let start = Instant::now();
    while peaks.len() < ROUNDS || start.elapsed() < TIME {
        for (shares, (transposed, rhs)) in shares.iter_mut().zip(operands) {
            let lhs = matrix(lhs.as_ptr(), m, k, transposed);
            let job = Product { size, lhs, rhs, out, bias: std::ptr::null(), batch: &[[0; 3]], finished: None };
            let before = peak(cpu);
            let start = Instant::now();
            // SAFETY: every matrix has the size that its strides claim.
            unsafe { product(cpu, &job) };
            let rate = 2.0 * (m * n * k) as f64 / start.elapsed().as_secs_f64();
            let peak = 0.5 * (before + peak(cpu));
            shares.push(rate / peak);
            peaks.push(peak);
        }
    }
    let shares: String = shares.iter_mut().map(|shares| format!(" {:6.0}", 100.0 * median(shares))).collect();
    println!("{:>16} {:8.0}  {shares}", format!("{m},{n},{k}"), median(&mut peaks) / 1e9);
}

fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
