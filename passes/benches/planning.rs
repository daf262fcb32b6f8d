//! How long planning takes as models get deeper: `cargo bench -p thunder-passes --bench planning`.
//!
//! The models are decoders of the same layers over and over, forward only, with attention written out
//! and with the transposes that importers leave. Times are the least of five, of the pass alone.
//!
//! On one core of a server with AVX-512, with `numerics=exact` and `fast`:
//!
//! | layers | ops | chunks | different ones | exact ms | fast ms |
//! |---|---|---|---|---|---|
//! | 2 | 62 | 1 | 1 | 14.3 | 31.7 |
//! | 8 | 248 | 2 | 2 | 25.2 | 62.8 |
//! | 32 | 992 | 6 | 2 | 27.4 | 64.3 |
//! | 128 | 3968 | 22 | 2 | 39.1 | 72.1 |
//!
//! Most of it is cutting what is proposed into kernels, to see what it takes.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use thunder_ir::pass::{Pipeline, Statistics};
use thunder_ir::{Context, Module, Registry};
use thunder_passes::Plan;

const LAYERS: [usize; 7] = [2, 4, 8, 16, 32, 64, 128];
const REPEATS: usize = 5;

fn main() {
    let statistics = Arc::new(Statistics::default());
    thunder_passes::register_all(&statistics);
    let context = Context::with_threading(&Registry::upstream().with(thunder_dialect::dialect()), false);
    println!(
        "{:>6} {:>6} {:>7} {:>8} | {:>9} {:>12} | {:>9} {:>12}",
        "layers", "ops", "chunks", "planned", "exact ms", "us estimated", "fast ms", "us estimated"
    );
    for layers in LAYERS {
        let text = decoder(layers);
        let ops = text.lines().filter(|line| line.contains(" = thunder.")).count();
        let exact = measure(&context, &text, Plan::default());
        let fast = measure(&context, &text, Plan::fast());
        println!(
            "{layers:>6} {ops:>6} {:>7} {:>8} | {:>9.1} {:>12} | {:>9.1} {:>12}",
            fast.chunks,
            fast.planned,
            exact.time.as_secs_f64() * 1e3,
            exact.estimate(),
            fast.time.as_secs_f64() * 1e3,
            fast.estimate(),
        );
    }
}

struct Measured {
    time: Duration,
    chunks: usize,
    planned: usize,
    cost: (f64, f64),
}

impl Measured {
    fn estimate(&self) -> String {
        format!("{:.0} -> {:.0}", self.cost.0 / 1e3, self.cost.1 / 1e3)
    }
}

fn measure(context: &Context, text: &str, plan: Plan) -> Measured {
    let parse = || Module::parse(context, "decoder.mlir", text.as_bytes()).expect("the decoder is valid");
    let reports = plan.report(parse().operation()).expect("the rules are right");
    let chunks = reports.iter().flat_map(|report| &report.chunks);
    let cost = reports.iter().fold((0.0, 0.0), |sum, report| (sum.0 + report.cost().0, sum.1 + report.cost().1));
    let planned = chunks.clone().filter(|chunk| chunk.same_as.is_none()).count();
    let pipeline = Pipeline::new().pass(&plan);
    let mut time = Duration::MAX;
    for _ in 0..REPEATS {
        let mut module = parse();
        let start = Instant::now();
        pipeline.run_with(&mut module, false).expect("the rules are right");
        time = time.min(start.elapsed());
    }
    Measured { time, chunks: chunks.count(), planned, cost }
}

/// A decoder as text: RMS norms, attention over heads, and a gated MLP.
fn decoder(layers: usize) -> String {
    let weights = ["q", "k", "v", "o"].map(|name| (name, "256x256")).into_iter();
    let weights: Vec<_> = weights.chain([("gate", "704x256"), ("up", "704x256"), ("down", "256x704")]).collect();
    let mut arguments = String::from("%x0: tensor<128x256xf32>");
    let mut body = String::new();
    for layer in 0..layers {
        for (name, shape) in &weights {
            let _ = write!(arguments, ", %{name}{layer}: tensor<{shape}xf32>");
        }
        let mut line = |text: &str| {
            let text = text.replace("$N", &(layer + 1).to_string()).replace('$', &layer.to_string());
            let text = text.replace("ROWS", "tensor<128x256xf32>").replace("WEIGHT", "tensor<256x256xf32>");
            let _ = writeln!(body, "  {text}");
        };
        line("%h$ = thunder.rms_norm %x$ eps = 0.00001 : ROWS -> ROWS");
        for name in ["q", "k", "v"] {
            for step in [
                "%@w$ = thunder.transpose %@$ permutation = [1, 0] : WEIGHT -> WEIGHT",
                "%@p$ = thunder.matmul %h$, %@w$ : (ROWS, WEIGHT) -> ROWS",
                "%@s$ = thunder.reshape %@p$, [] : ROWS -> tensor<128x8x32xf32>",
                "%@h$ = thunder.transpose %@s$ permutation = [1, 0, 2] : tensor<128x8x32xf32> -> tensor<8x128x32xf32>",
            ] {
                line(&step.replace('@', name));
            }
        }
        for step in [
            "%c$ = thunder.constant value = dense<0.176777> : tensor<8x128x128xf32> : tensor<8x128x128xf32>",
            "%kt$ = thunder.transpose %kh$ permutation = [0, 2, 1] : tensor<8x128x32xf32> -> tensor<8x32x128xf32>",
            "%s$ = thunder.matmul %qh$, %kt$ : (tensor<8x128x32xf32>, tensor<8x32x128xf32>) -> tensor<8x128x128xf32>",
            "%sc$ = thunder.mul %s$, %c$ : tensor<8x128x128xf32>",
            "%pr$ = thunder.softmax %sc$ axis = 2 : tensor<8x128x128xf32>",
            "%a$ = thunder.matmul %pr$, %vh$ : (tensor<8x128x128xf32>, tensor<8x128x32xf32>) -> tensor<8x128x32xf32>",
            "%at$ = thunder.transpose %a$ permutation = [1, 0, 2] : tensor<8x128x32xf32> -> tensor<128x8x32xf32>",
            "%ar$ = thunder.reshape %at$, [] : tensor<128x8x32xf32> -> ROWS",
            "%ao$ = thunder.linear %ar$, %o$ : (ROWS, WEIGHT) -> ROWS",
            "%y$ = thunder.add %x$, %ao$ : ROWS",
            "%g$ = thunder.rms_norm %y$ eps = 0.00001 : ROWS -> ROWS",
            "%gg$ = thunder.linear %g$, %gate$ : (ROWS, tensor<704x256xf32>) -> tensor<128x704xf32>",
            "%gs$ = thunder.sigmoid %gg$ : tensor<128x704xf32>",
            "%ga$ = thunder.mul %gg$, %gs$ : tensor<128x704xf32>",
            "%gu$ = thunder.linear %g$, %up$ : (ROWS, tensor<704x256xf32>) -> tensor<128x704xf32>",
            "%gm$ = thunder.mul %ga$, %gu$ : tensor<128x704xf32>",
            "%gd$ = thunder.linear %gm$, %down$ : (tensor<128x704xf32>, tensor<256x704xf32>) -> ROWS",
            "%x$N = thunder.add %y$, %gd$ : ROWS",
        ] {
            line(step);
        }
    }
    format!(
        "func.func @main({arguments}) -> tensor<128x256xf32> {{\n{body}  return %x{layers} : tensor<128x256xf32>\n}}\n"
    )
}
