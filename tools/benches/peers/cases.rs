//! What is measured.

use std::fmt;

/// What the time of a case is compared with.
pub(crate) enum Work {
    /// Arithmetic.
    Flops(f64),
    /// Bytes that must be read and written.
    Bytes(f64),
}

/// A kernel or model at some sizes. Peers know it by its name.
pub(crate) struct Case {
    pub name: &'static str,
    pub sizes: Vec<usize>,
    pub work: Work,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{} {}", self.name, self.dims()))
    }
}

/// Elements of the tensor that is copied, for comparison.
const COPIED: [usize; 2] = [4096, 4096];

/// Bytes that a copy reads and writes.
pub(crate) const COPY_BYTES: f64 = (8 * COPIED[0] * COPIED[1]) as f64;

/// Which peers do a case, and how.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A kernel, from text.
    Kernel,
    /// A model, its forward part or a step of its training.
    Training,
    /// MiniLM, from its weights.
    MiniLm,
}

/// All cases: a copy first, MiniLM last.
pub(crate) fn cases() -> Vec<Case> {
    let mut all = vec![Case { name: "copy", sizes: COPIED.to_vec(), work: Work::Bytes(COPY_BYTES) }];
    for name in ["bias_gelu", "rms_norm", "softmax", "layer_norm"] {
        for sizes in [[4096, 4096], [4095, 4093], [1000, 1001]] {
            let bytes = 8.0 * sizes.iter().product::<usize>() as f64;
            all.push(Case { name, sizes: sizes.to_vec(), work: Work::Bytes(bytes) });
        }
    }
    let products = [256, 1000, 1024, 2048].map(|n| ("matmul", [n, n, n]));
    for (name, sizes) in products.into_iter().chain([("linear_gelu", [512, 4096, 1024])]) {
        let flops = 2.0 * sizes.iter().product::<usize>() as f64;
        all.push(Case { name, sizes: sizes.to_vec(), work: Work::Flops(flops) });
    }
    // Batch, channels, height, width; channels of the result, height and width of the window.
    let sizes = vec![8, 64, 56, 56, 64, 3, 3];
    let flops = 2.0 * sizes.iter().product::<usize>() as f64;
    all.push(Case { name: "conv2d", sizes, work: Work::Flops(flops) });
    // Layers, width, heads, width of the feed-forward part, batch, tokens.
    for sizes in [[2, 512, 8, 1408, 1, 256], [6, 384, 6, 1024, 4, 128]] {
        let forward = llama_flops(sizes);
        all.push(Case { name: "llama_forward", sizes: sizes.to_vec(), work: Work::Flops(forward) });
        all.push(Case { name: "llama_step", sizes: sizes.to_vec(), work: Work::Flops(3.0 * forward) });
    }
    // Vocabulary, width, layers, heads, batch, tokens.
    let sizes = [63, 192, 4, 6, 16, 128];
    all.push(Case { name: "gpt_step", sizes: sizes.to_vec(), work: Work::Flops(gpt_flops(sizes)) });
    for (batch, tokens) in [(1, 16), (1, 128), (8, 128)] {
        all.push(Case { name: "minilm", sizes: vec![batch, tokens], work: Work::Flops(minilm_flops(batch, tokens)) });
    }
    all
}

/// Of the products of the forward part, of which those in the backward part are twice as many.
fn llama_flops([layers, width, _, intermediate, batch, tokens]: [usize; 6]) -> f64 {
    // Half of the scores count.
    let row = 4 * width * width + 3 * width * intermediate + width * tokens;
    2.0 * (layers * batch * tokens * row) as f64
}

/// Of the products of a step.
fn gpt_flops([vocabulary, width, layers, _, batch, tokens]: [usize; 6]) -> f64 {
    let row = layers * (12 * width * width + width * tokens) + vocabulary * width;
    6.0 * (batch * tokens * row) as f64
}

/// Of the products in six layers: projections, feed-forward part, scores and their use.
fn minilm_flops(batch: usize, tokens: usize) -> f64 {
    let (width, intermediate) = (384.0, 1536.0);
    let rows = (batch * tokens) as f64;
    6.0 * 2.0 * rows * (4.0 * width * width + 2.0 * width * intermediate + 2.0 * width * tokens as f64)
}

impl Case {
    /// Which peers do it.
    pub(crate) fn kind(&self) -> Kind {
        match self.name {
            "minilm" => Kind::MiniLm,
            "llama_forward" | "llama_step" | "gpt_step" => Kind::Training,
            _ => Kind::Kernel,
        }
    }

    /// Sizes as peers read them.
    pub(crate) fn dims(&self) -> String {
        self.sizes.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
    }

    /// The kernel as a module whose function is `main`.
    pub(crate) fn module(&self) -> String {
        let n = &self.sizes;
        let ty = |sizes: &[usize]| {
            let dims: String = sizes.iter().map(|size| format!("{size}x")).collect();
            format!("tensor<{dims}f32>")
        };
        let rows = ty(n);
        let row = ty(&n[1..2]);
        let (arguments, body, result) = match self.name {
            "copy" => (vec![&rows], String::from("%y = thunder.abs %a0 : ROWS"), &rows),
            "bias_gelu" => (
                vec![&rows, &row],
                "%b = thunder.broadcast_in_dim %a1, [] dims = [1] : ROW -> ROWS
                 %s = thunder.add %a0, %b : ROWS
                 %y = thunder.gelu %s approximate = tanh : ROWS"
                    .into(),
                &rows,
            ),
            "rms_norm" => {
                let norm = "%y = thunder.rms_norm %a0 weight(%a1) eps = 1.0e-5 : (ROWS, ROW) -> ROWS";
                (vec![&rows, &row], norm.into(), &rows)
            }
            "softmax" => (vec![&rows], "%y = thunder.softmax %a0 axis = 1 : ROWS".into(), &rows),
            "layer_norm" => {
                let norm = "%y = thunder.layer_norm %a0 weight(%a1) bias(%a2) eps = 1.0e-5 : (ROWS, ROW, ROW) -> ROWS";
                (vec![&rows, &row, &row], norm.into(), &rows)
            }
            name => return product(name, n, &ty),
        };
        function(&arguments, &body.replace("ROWS", &rows).replace("ROW", &row), result)
    }
}

/// The cases whose operands are not rows.
fn product(name: &str, n: &[usize], ty: &dyn Fn(&[usize]) -> String) -> String {
    match name {
        "matmul" => {
            let (lhs, rhs, out) = (ty(&[n[0], n[2]]), ty(&[n[2], n[1]]), ty(&n[..2]));
            function(&[&lhs, &rhs], &format!("%y = thunder.matmul %a0, %a1 : ({lhs}, {rhs}) -> {out}"), &out)
        }
        "linear_gelu" => {
            let (x, w, b, out) = (ty(&[n[0], n[2]]), ty(&[n[1], n[2]]), ty(&n[1..2]), ty(&n[..2]));
            let linear = format!("%l = thunder.linear %a0, %a1 bias(%a2) : ({x}, {w}, {b}) -> {out}");
            let gelu = format!("%y = thunder.gelu %l approximate = tanh : {out}");
            function(&[&x, &w, &b], &format!("{linear}\n{gelu}"), &out)
        }
        "conv2d" => {
            let (x, w, out) = (ty(&n[..4]), ty(&[n[4], n[1], n[5], n[6]]), ty(&[n[0], n[4], n[2], n[3]]));
            let body = format!("%y = thunder.convolution %a0, %a1 padding = [[1, 1], [1, 1]] : ({x}, {w}) -> {out}");
            function(&[&x, &w], &body, &out)
        }
        name => unreachable!("'{name}' is no kernel"),
    }
}

fn function(arguments: &[&String], body: &str, result: &str) -> String {
    let arguments: Vec<_> = arguments.iter().enumerate().map(|(i, ty)| format!("%a{i}: {ty}")).collect();
    format!("func.func @main({}) -> {result} {{\n{body}\nreturn %y : {result}\n}}\n", arguments.join(", "))
}
