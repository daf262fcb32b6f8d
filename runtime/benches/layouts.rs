//! Prints GFLOP/s of products whose operands lie row by row (N) or column by column (T): lhs, then rhs. A gradient of a
//! product has one operand of each.
//!
//! `cargo bench -p thunder-runtime --bench layouts [-- THREADS...]`

use std::time::{Duration, Instant};

use thunder_runtime::cpu::Cpu;
use thunder_runtime::cpu::gemm::{Matrix, Product, Rhs, Size, product};

const SHAPES: [(usize, usize, usize); 7] = [
    (256, 256, 256),
    (1000, 1000, 1000),
    (1024, 1024, 1024),
    (2048, 2048, 2048),
    (512, 4096, 1024),
    (256, 1408, 512),
    (64, 512, 256),
];

/// At least so often, and so long.
const ROUNDS: usize = 5;
const TIME: Duration = Duration::from_millis(200);

fn main() {
    let threads: Vec<usize> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    let threads = if threads.is_empty() { vec![1, Cpu::available_threads()] } else { threads };
    for threads in threads {
        let cpu = Cpu::new(threads);
        println!("{} threads", cpu.pool().threads());
        println!("{:>16} {:>8} {:>8} {:>8} {:>8}   GFLOP/s, median", "m,n,k", "NN", "NT", "TN", "TT");
        for (m, n, k) in SHAPES {
            let rates = [(false, false), (false, true), (true, false), (true, true)]
                .map(|transposed| format!(" {:8.0}", rate(&cpu, Size { m, n, k }, transposed)));
            println!("{:>16}{}", format!("{m},{n},{k}"), rates.concat());
        }
    }
}

fn rate(cpu: &Cpu, size: Size, (lhs_transposed, rhs_transposed): (bool, bool)) -> f64 {
    let Size { m, n, k } = size;
    let numbers = |count: usize| (0..count).map(|i| (i % 1000) as f32 / 500.0 - 1.0).collect::<Vec<_>>();
    let (lhs, rhs, mut out) = (numbers(m * k), numbers(k * n), vec![0_f32; m * n]);
    let matrix = |start: *const f32, rows: usize, columns: usize, transposed: bool| match transposed {
        true => Matrix { start, row: 1, column: rows },
        false => Matrix { start, row: columns, column: 1 },
    };
    let job = Product {
        size,
        lhs: matrix(lhs.as_ptr(), m, k, lhs_transposed),
        rhs: Rhs::Strided(matrix(rhs.as_ptr(), k, n, rhs_transposed)),
        out: matrix(out.as_mut_ptr(), m, n, false),
        bias: std::ptr::null(),
        batch: &[[0; 3]],
        finished: None,
    };
    let mut times = Vec::new();
    let start = Instant::now();
    while times.len() < ROUNDS || start.elapsed() < TIME {
        let start = Instant::now();
        // SAFETY: every matrix has the size that its strides claim.
        unsafe { product(cpu, &job) };
        times.push(start.elapsed());
    }
    times.sort_unstable();
    2.0 * (m * n * k) as f64 / times[times.len() / 2].as_secs_f64() / 1e9
}
