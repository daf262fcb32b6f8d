//! Prints GFLOP/s of matrix products: ours with packed weights, ours packing per call, and the `gemm` crate
//! on blocks run by the same pool. Rounds alternate between them, so that a busy machine slows all alike;
//! with one thread, time is that of the processor, which leaves out waiting for it.
//!
//! `cargo bench -p thunder-runtime --bench gemm [-- THREADS...]`

use std::hint::black_box;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use thunder_runtime::cpu::Cpu;
use thunder_runtime::cpu::gemm::{Matrix, PackedRhs, Product, Rhs, Size, product};

const SHAPES: [(usize, usize, usize); 13] = [
    (256, 256, 256),
    (1000, 1000, 1000),
    (1024, 1024, 1024),
    (2048, 2048, 2048),
    (16, 384, 384),
    (16, 1536, 384),
    (16, 384, 1536),
    (128, 384, 384),
    (128, 1536, 384),
    (128, 384, 1536),
    (1024, 384, 384),
    (1024, 1536, 384),
    (1024, 384, 1536),
];

fn main() {
    let threads: Vec<usize> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    let threads = if threads.is_empty() { vec![1, Cpu::available_threads()] } else { threads };
    for threads in threads {
        let cpu = Cpu::new(threads);
        println!("{} threads", cpu.pool().threads());
        println!("{:>18} {:>9} {:>9} {:>9}   GFLOP/s, best round", "m,n,k", "packed", "per call", "gemm");
        for (m, n, k) in SHAPES {
            shape(&cpu, Size { m, n, k });
        }
    }
}

/// Some time ago, by the wall or, for a single thread, on the processor.
fn clock(cpu: &Cpu) -> Duration {
    let clock = match cpu.pool().threads() {
        1 => ClockId::ThreadCPUTime,
        _ => ClockId::Monotonic,
    };
    clock_gettime(clock).try_into().expect("clocks count from zero up")
}

fn shape(cpu: &Cpu, size: Size) {
    let Size { m, n, k } = size;
    let number = |i: usize| ((i * 2_654_435_761) % 1000) as f32 / 500.0 - 1.0;
    let lhs: Vec<f32> = (0..m * k).map(number).collect();
    let rhs: Vec<f32> = (0..n * k).map(number).collect();
    let mut out = vec![0_f32; m * n];
    let weights = Matrix { start: rhs.as_ptr(), row: 1, column: k };
    let row_major = Matrix { start: rhs.as_ptr(), row: n, column: 1 };
    // SAFETY: `rhs` has k * n elements.
    let packed = unsafe { PackedRhs::new(cpu, k, n, weights) };
    let out_start = out.as_mut_ptr();
    let ours = |rhs: Rhs<'_, f32>| {
        let job = Product {
            size,
            lhs: Matrix { start: lhs.as_ptr(), row: k, column: 1 },
            rhs,
            out: Matrix { start: out_start, row: n, column: 1 },
            bias: std::ptr::null(),
            batch: &[[0; 3]],
            finished: None,
        };
        // SAFETY: every matrix has the size that its strides claim.
        unsafe { product(cpu, &job) };
    };
    let theirs = || {
        // As many tasks as the pool can balance, cut along the longer side.
        let tasks = if cpu.pool().threads() == 1 { 1 } else { 4 };
        let (lhs, rhs) = (lhs.as_ptr() as usize, rhs.as_ptr() as usize);
        let out = out_start as usize;
        cpu.pool().run(tasks, &|task| {
            let cut = |extent: usize| (extent * task / tasks, extent * (task + 1) / tasks);
            let ((i0, i1), (j0, j1)) = if m > n { (cut(m), (0, n)) } else { ((0, m), cut(n)) };
            // SAFETY: the block lies within the matrices, and blocks of out are disjoint.
            unsafe {
                gemm::gemm(
                    i1 - i0,
                    j1 - j0,
                    k,
                    (out as *mut f32).add(i0 * n + j0),
                    1,
                    n as isize,
                    false,
                    (lhs as *const f32).add(i0 * k),
                    1,
                    k as isize,
                    (rhs as *const f32).add(j0 * k),
                    k as isize,
                    1,
                    0.0,
                    1.0,
                    false,
                    false,
                    false,
                    gemm::Parallelism::None,
                );
            }
        });
    };
    let mut best = [Duration::MAX; 3];
    let start = Instant::now();
    let mut rounds = 0;
    while rounds < 3 || (start.elapsed() < Duration::from_millis(700) && rounds < 2000) {
        for (best, run) in best.iter_mut().zip([
            &(|| ours(Rhs::Packed(&packed))) as &dyn Fn(),
            &|| ours(Rhs::Strided(row_major)),
            &theirs,
        ]) {
            let start = clock(cpu);
            run();
            *best = (clock(cpu) - start).min(*best);
        }
        rounds += 1;
    }
    black_box(&out);
    let flops = 2.0 * m as f64 * n as f64 * k as f64;
    let [a, b, c] = best.map(|time| flops / time.as_secs_f64() / 1e9);
    println!("{:>18} {a:9.1} {b:9.1} {c:9.1}", format!("{m},{n},{k}"));
}
