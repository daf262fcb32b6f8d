//! Threads that share the chunks of one job at a time.
//!
//! The calling thread takes part. Each thread has a share of neighbouring chunks, the same ones of every
//! job with as many, so that it finds in its caches what it left there. Chunks are claimed one by one,
//! and a thread that is done with its share goes on with those of others: a slow or busy core takes
//! fewer. Workers spin for some tens of microseconds after a job and then sleep. A job submitted while
//! another thread's job runs, or from inside a job, runs on the submitting thread alone: jobs
//! never wait for each other.

use std::any::Any;
use std::fmt;
use std::hint;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, TryLockError};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

/// How long an idle worker spins before it sleeps.
const SPIN: Duration = Duration::from_micros(50);

type Job<'a> = &'a (dyn Fn(usize) + Sync);

/// A fixed set of threads.
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    submit: Mutex<()>,
}

/// One cache line each, so that waiting on one field does not slow writes of another.
#[repr(align(128))]
struct Line<T>(T);

struct Shared {
    /// Of each thread's share: the epoch in the upper half, chunks not yet claimed in the lower.
    tickets: Box<[Line<AtomicU64>]>,
    done: Line<AtomicU32>,
    /// The job of the current epoch, a `Job` on the submitter's stack, and its number of chunks.
    /// Meaningful only to who then claims a chunk of that epoch.
    job: AtomicPtr<()>,
    chunks: AtomicU32,
    sleepers: AtomicU32,
    quit: AtomicBool,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    threads: Mutex<Vec<Thread>>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pool({} threads)", self.threads())
    }
}

impl Pool {
    /// A pool in which `threads` threads work, the caller's among them; 0 is taken as 1.
    pub fn new(threads: usize) -> Self {
        let threads = threads.max(1);
        let shared = Arc::new(Shared {
            tickets: (0..threads).map(|_| Line(AtomicU64::new(0))).collect(),
            done: Line(AtomicU32::new(0)),
            job: AtomicPtr::new(ptr::null_mut()),
            chunks: AtomicU32::new(0),
            sleepers: AtomicU32::new(0),
            quit: AtomicBool::new(false),
            panic: Mutex::new(None),
            threads: Mutex::new(Vec::new()),
        });
        let spawn = |i| {
            let shared = Arc::clone(&shared);
            let name = format!("thunder-{i}");
            thread::Builder::new().name(name).spawn(move || shared.work(i)).ok()
        };
        // A thread that the system refuses is one worker fewer.
        let workers: Vec<_> = (1..threads).filter_map(spawn).collect();
        *shared.threads.lock().expect("nothing panics while it holds this lock") =
            workers.iter().map(|worker| worker.thread().clone()).collect();
        Self { shared, workers, submit: Mutex::new(()) }
    }

    /// How many threads work on a job, the caller's among them.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `job` with each of `0..chunks`, in no particular order, and returns when all are done.
    ///
    /// # Panics
    /// When `job` panicked for some chunk, with the payload of the first such panic, after the
    /// other chunks have run. The pool stays usable.
    pub fn run(&self, chunks: usize, job: &(dyn Fn(usize) + Sync)) {
        let parallel = chunks > 1 && !self.workers.is_empty();
        let guard = match parallel.then(|| self.submit.try_lock()) {
            Some(Ok(guard)) => guard,
            // A panic in a job unwinds through here and poisons the lock; the state it guards is
            // complete by then.
            Some(Err(TryLockError::Poisoned(poisoned))) => poisoned.into_inner(),
            Some(Err(TryLockError::WouldBlock)) | None => return (0..chunks).for_each(job),
        };
        for first in (0..chunks).step_by(u32::MAX as usize) {
            let count = (chunks - first).min(u32::MAX as usize) as u32;
            self.shared.run(count, &|chunk| job(first + chunk));
        }
        drop(guard);
        let payload = self.shared.panic.lock().map_or(None, |mut panic| panic.take());
        if let Some(payload) = payload {
            resume_unwind(payload);
        }
    }

    /// Wakes sleeping workers so that they spin when the first job comes.
    pub fn rouse(&self) {
        self.shared.wake();
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.quit.store(true, Ordering::SeqCst);
        self.shared.wake();
        for worker in self.workers.drain(..) {
            worker.thread().unpark();
            // A worker catches panics of jobs; one of its own was already printed.
            let _ = worker.join();
        }
    }
}

impl Shared {
    /// Publishes a job, takes part in it and waits for its end. One caller at a time.
    fn run(&self, chunks: u32, job: Job<'_>) {
        self.job.store((&raw const job).cast_mut().cast(), Ordering::Relaxed);
        self.chunks.store(chunks, Ordering::Relaxed);
        self.done.0.store(0, Ordering::Relaxed);
        for (thread, ticket) in self.tickets.iter().enumerate() {
            let share = self.first(thread + 1, chunks) - self.first(thread, chunks);
            if share > 0 {
                let epoch = (ticket.0.load(Ordering::Relaxed) >> 32).wrapping_add(1);
                ticket.0.store((epoch << 32) | u64::from(share), Ordering::SeqCst);
            }
        }
        self.wake();
        while self.claim_and_run(0) {}
        let mut spins = 0_u32;
        while self.done.0.load(Ordering::Acquire) != chunks {
            spins = spins.saturating_add(1);
            if spins < 20_000 { hint::spin_loop() } else { thread::yield_now() }
        }
    }

    fn wake(&self) {
        if self.sleepers.load(Ordering::SeqCst) > 0
            && let Ok(threads) = self.threads.lock()
        {
            threads.iter().for_each(Thread::unpark);
        }
    }

    /// The first chunk of a thread's share.
    fn first(&self, thread: usize, chunks: u32) -> u32 {
        (u64::from(chunks) * thread as u64 / self.tickets.len() as u64) as u32
    }

    fn is_idle(&self, order: Ordering) -> bool {
        self.tickets.iter().all(|ticket| ticket.0.load(order) as u32 == 0)
    }

    /// Runs one chunk, if one is left: of the thread's own share or, once that is done, of another's.
    fn claim_and_run(&self, thread: usize) -> bool {
        let threads = self.tickets.len();
        (thread..thread + threads).any(|owner| self.claim_and_run_of(owner % threads))
    }

    fn claim_and_run_of(&self, owner: usize) -> bool {
        let shared = &self.tickets[owner].0;
        let mut ticket = shared.load(Ordering::Acquire);
        let (job, chunks, left) = loop {
            let left = ticket as u32;
            if left == 0 {
                return false;
            }
            // These belong to the ticket's epoch if the exchange succeeds: then the ticket has not
            // changed since it was loaded, so that all the while this epoch had an unclaimed
            // chunk, and the submitter, who alone writes them, was waiting.
            let job = self.job.load(Ordering::Relaxed);
            let chunks = self.chunks.load(Ordering::Relaxed);
            let claimed = shared.compare_exchange_weak(ticket, ticket - 1, Ordering::AcqRel, Ordering::Acquire);
            match claimed {
                Ok(_) => break (job, chunks, left),
                Err(now) => ticket = now,
            }
        };
        // SAFETY: the submitter keeps the job alive until `done` has counted the chunk that was
        // claimed above.
        let job: Job<'_> = unsafe { *job.cast::<Job<'_>>() };
        let chunk = (self.first(owner + 1, chunks) - left) as usize;
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| job(chunk)))
            && let Ok(mut first) = self.panic.lock()
        {
            first.get_or_insert(payload);
        }
        self.done.0.fetch_add(1, Ordering::Release);
        true
    }

    fn work(&self, thread: usize) {
        while !self.quit.load(Ordering::Relaxed) {
            if self.claim_and_run(thread) || self.spin() {
                continue;
            }
            self.sleepers.fetch_add(1, Ordering::SeqCst);
            // The submitter stores the tickets and then looks for sleepers; this looks the other way
            // round, so that one of the two sees the other.
            if self.is_idle(Ordering::SeqCst) && !self.quit.load(Ordering::SeqCst) {
                thread::park();
            }
            self.sleepers.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Waits a while for a job; whether one came.
    fn spin(&self) -> bool {
        let start = Instant::now();
        while start.elapsed() < SPIN {
            for _ in 0..64 {
                if !self.is_idle(Ordering::Relaxed) {
                    return true;
                }
                hint::spin_loop();
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chunk_runs_once() {
        let pool = Pool::new(3);
        for chunks in [0, 1, 2, 7, 1000] {
            let counts: Vec<_> = (0..chunks).map(|_| AtomicU32::new(0)).collect();
            pool.run(chunks, &|i| {
                counts[i].fetch_add(1, Ordering::Relaxed);
            });
            assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1), "{chunks}");
        }
    }

    #[test]
    fn many_short_jobs_and_pauses() {
        let pool = Pool::new(4);
        let sum = AtomicU64::new(0);
        for round in 0..20_000 {
            pool.run(3, &|i| {
                sum.fetch_add(i as u64 + 1, Ordering::Relaxed);
            });
            if round % 2000 == 0 {
                thread::sleep(Duration::from_millis(1));
            }
        }
        assert_eq!(sum.load(Ordering::Relaxed), 6 * 20_000);
    }

    #[test]
    fn jobs_of_several_threads_and_nested_jobs_do_not_wait_for_each_other() {
        let pool = Pool::new(2);
        let sum = AtomicU64::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        pool.run(4, &|_| {
                            pool.run(2, &|_| {
                                sum.fetch_add(1, Ordering::Relaxed);
                            });
                        });
                    }
                });
            }
        });
        assert_eq!(sum.load(Ordering::Relaxed), 4 * 200 * 4 * 2);
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_goes_on() {
        let pool = Pool::new(2);
        for _ in 0..50 {
            let ran = AtomicU32::new(0);
            let result = catch_unwind(AssertUnwindSafe(|| {
                pool.run(8, &|i| {
                    ran.fetch_add(1, Ordering::Relaxed);
                    if i == 3 {
                        resume_unwind(Box::new("chunk three"));
                    }
                });
            }));
            assert_eq!(result.unwrap_err().downcast_ref(), Some(&"chunk three"));
            assert_eq!(ran.load(Ordering::Relaxed), 8);
        }
        pool.run(2, &|_| {});
    }
}
