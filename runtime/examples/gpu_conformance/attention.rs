//! Attention and its gradient: what executors of a GPU make of them, beside the processor.

use std::sync::Arc;

use thunder_runtime::cuda::Gpu;
use thunder_runtime::program::{
    Arg, Attention, AttentionBackward, AttentionStrides, Call, DimId, LibraryOp, MaskStrides, Port, Program, Root, Step,
};
use thunder_tensor::DType;

use super::Case;
use super::library::{Builder, agree};

#[derive(Clone, Copy)]
struct Heads {
    /// Batch, heads, key heads, queries, keys, elements of a query or key, and of a value.
    size: [usize; 7],
    causal: Option<i64>,
    mask: bool,
    /// Whether positions are outside of heads, as projections leave them.
    interleaved: bool,
}

impl Heads {
    /// Of q, k and v.
    fn elements(&self) -> [usize; 3] {
        let [batch, q_heads, kv_heads, queries, keys, width, value_width] = self.size;
        [q_heads * queries * width, kv_heads * keys * width, kv_heads * keys * value_width].map(|all| batch * all)
    }
}

/// The program of a case.
type Make = fn(DType, Heads) -> Program;

/// What every executor of attention must do, by name.
fn common() -> Vec<(&'static str, Heads)> {
    let plain = Heads { size: [2, 4, 4, 128, 128, 64, 64], causal: None, mask: false, interleaved: false };
    vec![
        ("plain", plain),
        ("causal", Heads { causal: Some(0), ..plain }),
        ("interleaved", Heads { interleaved: true, causal: Some(0), ..plain }),
        ("grouped", Heads { size: [2, 8, 2, 128, 128, 64, 64], causal: Some(0), ..plain }),
        ("mask", Heads { mask: true, ..plain }),
        ("wide", Heads { size: [1, 2, 2, 256, 256, 128, 128], causal: Some(0), interleaved: true, ..plain }),
        ("other keys", Heads { size: [1, 2, 2, 64, 192, 64, 64], ..plain }),
        ("odd lengths", Heads { size: [1, 3, 3, 77, 77, 64, 64], causal: Some(0), ..plain }),
    ]
}

/// What only the executor does that needs no library.
fn further() -> Vec<(&'static str, Heads)> {
    let plain = Heads { size: [1, 4, 2, 200, 300, 128, 128], causal: None, mask: false, interleaved: true };
    vec![
        ("widest", Heads { size: [1, 2, 1, 150, 150, 256, 256], causal: Some(0), ..plain }),
        ("two widths", Heads { size: [2, 4, 4, 100, 90, 192, 128], ..plain }),
        ("odd widths", Heads { size: [2, 3, 3, 70, 80, 21, 35], causal: Some(0), ..plain }),
        ("narrow", Heads { size: [3, 2, 2, 65, 63, 4, 6], ..plain }),
        ("later keys", Heads { causal: Some(100), ..plain }),
        ("hidden queries", Heads { causal: Some(-50), ..plain }),
        ("mask and limit", Heads { causal: Some(7), mask: true, ..plain }),
        ("one query", Heads { size: [1, 8, 2, 1, 1000, 128, 128], ..plain }),
        ("no keys", Heads { size: [1, 2, 2, 9, 0, 64, 64], ..plain }),
        ("no queries", Heads { size: [1, 2, 2, 0, 9, 64, 64], ..plain }),
        ("long", Heads { size: [1, 2, 1, 1500, 1500, 128, 128], causal: Some(0), ..plain }),
    ]
}

/// Those that a GPU's executors hold together, and those that `flash` has alone.
pub fn cases(flash: &Arc<Gpu>) -> Vec<Case> {
    let mut cases = Vec::new();
    for dtype in [DType::F16, DType::BF16] {
        let own = common().into_iter().chain(further()).map(|case| ("flash ", Some(Arc::clone(flash)), case));
        for (executor, alone, (name, heads)) in common().into_iter().map(|case| ("", None, case)).chain(own) {
            let programs: [(&str, Make); 3] = [
                ("attention", attention),
                ("attention_backward", attention_backward),
                ("attention and its gradient", attention_both),
            ];
            for (what, program) in programs {
                let alone = alone.clone();
                let case = move |gpu: &Arc<Gpu>| {
                    let gpu = alone.as_ref().unwrap_or(gpu);
                    agree(gpu, dtype, DType::F32, &|dtype| program(dtype, heads))
                };
                cases.push((format!("{executor}{what} {dtype}, {name}"), Box::new(case) as _));
            }
        }
    }
    cases
}

/// Large ones in bf16, with the arithmetic that they need.
pub fn large() -> Vec<(String, f64, Program)> {
    let mut all = Vec::new();
    for (name, width, causal) in [("causal attention", 128, Some(0)), ("attention", 64, None)] {
        let size = [1, 32, 32, 4096, 4096, width, width];
        let heads = Heads { size, causal, mask: false, interleaved: true };
        // Two products forward, of five backward and those of the forward part.
        let product = 2.0 * 4096.0 * 4096.0 * width as f64 * 32.0 / if causal.is_some() { 2.0 } else { 1.0 };
        let named = |what: &str| format!("{name} 1x32x4096x{width}{what}");
        all.push((named(""), 2.0 * product, attention(DType::BF16, heads)));
        all.push((named(", its gradient, computing it again"), 7.0 * product, attention_backward(DType::BF16, heads)));
        all.push((named(" and its gradient"), 7.0 * product, attention_both(DType::BF16, heads)));
    }
    all
}

/// The operation, with arguments for q, k, v and the mask.
fn heads(b: &mut Builder, dtype: DType, heads: Heads) -> (Attention, Vec<Arg>) {
    let [batch, q_heads, kv_heads, queries, keys, width, value_width] = heads.size;
    let mut strides = |count: usize, positions: usize, width: usize| {
        match heads.interleaved {
            false => [count * positions * width, positions * width, width],
            true => [positions * count * width, width, count * width],
        }
        .map(|stride| b.dim(stride))
    };
    let strides_of = |[batch, head, position]: [DimId; 3]| AttentionStrides { batch, head, position };
    let [q, k] = [(q_heads, queries), (kv_heads, keys)].map(|(heads, rows)| strides_of(strides(heads, rows, width)));
    let [v, out] =
        [(kv_heads, keys), (q_heads, queries)].map(|(heads, rows)| strides_of(strides(heads, rows, value_width)));
    let (one, zero) = (b.dim(1), b.dim(0));
    let mask = heads.mask.then(|| MaskStrides { batch: zero, head: zero, query: b.dim(keys), key: one });
    let op = Attention {
        dtype,
        batch: b.dim(batch),
        heads: b.dim(q_heads),
        kv_heads: b.dim(kv_heads),
        queries: b.dim(queries),
        keys: b.dim(keys),
        width: b.dim(width),
        value_width: b.dim(value_width),
        q,
        k,
        v,
        out,
        scale: 0.125,
        causal: heads.causal.map(|shift| b.0.dims.constant(shift)),
        mask,
        logsums: false,
    };
    let mut args: Vec<Arg> = heads.elements().map(|elements| Arg::read(b.input(dtype, elements))).into();
    if heads.mask {
        args.push(Arg::read(b.input(dtype, queries * keys)));
    }
    (op, args)
}

fn attention(dtype: DType, case: Heads) -> Program {
    let [batch, q_heads, _, queries, .., value_width] = case.size;
    let mut b = Builder::new();
    let (op, mut args) = heads(&mut b, dtype, case);
    args.push(Arg::write(b.output(dtype, batch * q_heads * queries * value_width)));
    b.call(LibraryOp::Attention(op), args)
}

fn attention_backward(dtype: DType, case: Heads) -> Program {
    let [batch, q_heads, _, queries, .., value_width] = case.size;
    let mut b = Builder::new();
    let (forward, mut args) = heads(&mut b, dtype, case);
    args.push(Arg::read(b.input(dtype, batch * q_heads * queries * value_width)));
    args.extend(case.elements().map(|elements| Arg::write(b.output(dtype, elements))));
    let [d_q, d_k, d_v] = [forward.q, forward.k, forward.v];
    b.call(LibraryOp::AttentionBackward(AttentionBackward { forward, saved: None, d_q, d_k, d_v }), args)
}

/// Both in one program, where the gradient is given what the attention has computed.
fn attention_both(dtype: DType, case: Heads) -> Program {
    let mut program = attention_backward(dtype, case);
    let Step::Call(Call { op: LibraryOp::AttentionBackward(op), args }) = &program.steps[0] else {
        unreachable!("it is the program's only step")
    };
    let inputs = args.len() - 4;
    let mut args = args[..inputs].to_vec();
    let out = Root::Output(program.outputs.len() as u32);
    args.push(Arg::write(out));
    let op = LibraryOp::Attention(op.forward.clone());
    let like = program.inputs[inputs].clone();
    program.outputs.push(Port { name: "out".into(), ..like });
    program.steps.insert(0, Step::Call(Call { op, args }));
    program
}
