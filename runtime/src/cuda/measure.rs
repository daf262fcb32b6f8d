//! Which of several ways to do the same work takes the least time on this GPU.

use std::time::Duration;

use cudarc::driver::result;

use super::Gpu;
use super::error::Result;
use super::memory::Memory;
use super::stopwatch::Mark;

/// How often each way is measured by itself.
const RUNS: usize = 5;

/// Of ways that are about as fast, which are within this of the fastest, this many at most are compared for so long each: the
/// clock of a GPU depends on the power that the work takes, and follows that with some delay.
const CLOSE: f64 = 1.06;
const FINALISTS: usize = 4;
const SUSTAINED: Duration = Duration::from_millis(40);

/// What takes less does not last long enough to take much power.
const LONG: Duration = Duration::from_micros(50);

/// The number of the way that takes the least time; `None` if all fail.
///
/// They take turns first, so that a GPU that becomes slower as it gets warm does so for all.
pub(super) fn fastest(gpu: &Gpu, ways: &[&dyn Fn() -> Result]) -> Result<Option<usize>> {
    // The first run loads code. A library may still refuse what it has offered.
    let able: Vec<usize> = (0..ways.len()).filter(|&way| ways[way]().is_ok()).collect();
    let mut times = vec![Vec::with_capacity(RUNS); ways.len()];
    for _ in 0..RUNS {
        for &way in &able {
            let before = Mark::now(&gpu.queue)?;
            ways[way]()?;
            times[way].push(Mark::now(&gpu.queue)?.since(&before)?);
        }
    }
    let median = |way: usize| {
        let mut times = times[way].clone();
        times.sort_unstable();
        times[RUNS / 2]
    };
    let mut able: Vec<(Duration, usize)> = able.into_iter().map(|way| (median(way), way)).collect();
    able.sort_unstable();
    let Some(&(best, first)) = able.first() else { return Ok(None) };
    let close = able.iter().take_while(|(time, _)| time.as_secs_f64() <= CLOSE * best.as_secs_f64());
    let finalists: Vec<usize> = close.take(FINALISTS).map(|(_, way)| *way).collect();
    if best < LONG || finalists.len() < 2 {
        return Ok(Some(first));
    }
    let mut fastest: Option<(Duration, usize)> = None;
    for way in finalists {
        let time = sustained(gpu, ways[way], best)?;
        if fastest.is_none_or(|(least, _)| time < least) {
            fastest = Some((time, way));
        }
    }
    Ok(fastest.map(|(_, way)| way))
}

/// How long many runs take, one after the other, of which each takes about so long, when the clock has followed.
fn sustained(gpu: &Gpu, way: &dyn Fn() -> Result, each: Duration) -> Result<Duration> {
    let half = (SUSTAINED.as_secs_f64() / 2.0 / each.as_secs_f64()).ceil() as usize;
    let run = || (0..half).try_for_each(|_| way());
    run()?;
    let before = Mark::now(&gpu.queue)?;
    run()?;
    Mark::now(&gpu.queue)?.since(&before)
}

/// Memory with numbers that differ: a GPU slows down with the bits that change.
pub(super) fn noise(gpu: &Gpu, bytes: usize) -> Result<Memory> {
    const PIECE: usize = 1 << 20;
    let memory = gpu.allocate(bytes, &|| "operands to measure products with".to_owned())?;
    gpu.queue.enter()?;
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        // As a float of any type it is normal, of either sign and at most about 2.
        (state & 0x83ff_83ff | 0x3c00_3c00).to_le_bytes()
    };
    let piece: Vec<u8> = (0..bytes.min(PIECE).div_ceil(4)).flat_map(|_| next()).collect();
    let mut filled = bytes.min(PIECE);
    // SAFETY: the ranges lie within the memory; what is copied from the host has been read when the call returns, as its
    // memory is not pinned.
    unsafe {
        result::memcpy_htod_async(memory.start(), &piece[..filled], gpu.queue.stream())?;
        while filled < bytes {
            let more = filled.min(bytes - filled);
            let to = memory.start() + filled as u64;
            result::memcpy_dtod_async(to, memory.start(), more, gpu.queue.stream())?;
            filled += more;
        }
    }
    Ok(memory)
}
