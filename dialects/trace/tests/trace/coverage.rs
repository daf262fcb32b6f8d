//! Every method makes its op, also where sizes are dynamic.

use std::collections::BTreeSet;

use thunder_trace::{
    Approximation, Attention, CrossEntropy, DType, HostTensor, Reduction, Scope, Spec, Tensor, Tracer, Window, cat,
    context,
};

use crate::ops;

/// How many ops the methods make.
const METHODS: usize = 134;

fn elementwise<'t>(x: Tensor<'t>, i: Tensor<'t>, p: Tensor<'t>) -> Vec<Tensor<'t>> {
    let unary: [fn(Tensor<'t>) -> Tensor<'t>; 50] = [
        |x| -x,
        |x| x.abs(),
        |x| x.sign(),
        |x| x.ceil(),
        |x| x.floor(),
        |x| x.round(),
        |x| x.trunc(),
        |x| x.sqrt(),
        |x| x.rsqrt(),
        |x| x.reciprocal(),
        |x| x.exp(),
        |x| x.exp2(),
        |x| x.expm1(),
        |x| x.log(),
        |x| x.log2(),
        |x| x.log10(),
        |x| x.log1p(),
        |x| x.sin(),
        |x| x.cos(),
        |x| x.tan(),
        |x| x.asin(),
        |x| x.acos(),
        |x| x.atan(),
        |x| x.sinh(),
        |x| x.cosh(),
        |x| x.tanh(),
        |x| x.asinh(),
        |x| x.acosh(),
        |x| x.atanh(),
        |x| x.erf(),
        |x| x.erfc(),
        |x| x.lgamma(),
        |x| x.polygamma(1),
        |x| x.erfinv(),
        |x| x.ndtri(),
        |x| x.i0(),
        |x| x.i0e(),
        |x| x.i1(),
        |x| x.i1e(),
        |x| x.relu(),
        |x| x.sigmoid(),
        |x| x.silu(),
        |x| x.softplus(),
        |x| x.mish(),
        |x| x.hard_sigmoid(),
        |x| x.hard_swish(),
        |x| x.gelu(Approximation::Tanh),
        |x| x.leaky_relu(0.1),
        |x| x.elu(1.0),
        |x| x.clamp(Some(0.0), Some(1.0)),
    ];
    let binary = [x + 1, x - 1, x * 2, x / 2, x % 2, x.fmod(2), x.pow(2), x.maximum(0), x.minimum(0), x.atan2(1)];
    let bits = [!p, p & true, p | true, p ^ true, i << 1, i >> 1];
    let answers = [x.eq(x), x.ne(x), x.lt(x), x.le(x), x.gt(x), x.ge(x), x.isnan(), x.isinf(), x.isfinite()];
    let chosen = [p.where_(x, 0), x.lerp(x, 0.5), x.to(DType::F64)];
    unary.into_iter().map(|f| f(x)).chain(binary).chain(bits).chain(answers).chain(chosen).collect()
}

fn structured<'t>(cx: Scope<'t>, x: Tensor<'t>, i: Tensor<'t>, p: Tensor<'t>) -> Vec<Tensor<'t>> {
    let w = cx.parameter("w", DType::F32, [4]);
    let image = x.reshape((-1, 1, 2, 2));
    let moved = [x.t(), x.flip(0), x.slice(0, 1..), cat(&[x, x], 0), x.pad(&[(1, 1)], 0)];
    let reduced = [x.sum(0), x.prod(0), x.amax(0), x.amin(0), x.mean(0), p.any(0), p.all(0), x.var(0, 1.0)];
    let found = [x.argmax(1), x.argmin(1), x.cumsum(0), x.var_mean(0, 1.0).0, x.logsumexp(0)];
    let scans = [x.cumprod(0), x.cummax(0), x.cummin(0), x.logcumsumexp(0)];
    let sorted = [x.argsort(0, false), x.sort(1, true).0, x.topk(2, 1, true).1];
    let first = i.select(0, 0);
    let part = x.dynamic_slice(1, first, 2);
    let placed = [part, x.dynamic_update_slice(1, first, part)];
    let indexed = [x.index_select(1, i), x.gather(0, i.unsqueeze(0)), i.embedding(x)];
    let scattered = [
        x.index_add(1, i, x),
        x.scatter_add(0, i.unsqueeze(0), w.unsqueeze(0)),
        x.scatter_reduce(0, i.unsqueeze(0), w.unsqueeze(0), Reduction::Amax),
    ];
    let products = [x.matmul(x.t()), x.linear(x, None), image.sdpa(image, image, Attention::default())];
    let normal = [x.softmax(0), x.log_softmax(0), x.layer_norm(1, w, w, 0.1), x.rms_norm(1, w, 0.1)];
    let channels = [x.group_norm(2, w, w, 0.1), x.batch_norm(w, w, w, w, 0.1)];
    let windows = Window::default();
    let kernel = cx.ones([1, 1, 2, 2], DType::F32);
    let windowed = [
        image.convolution(kernel, None, &windows, 1),
        image.max_pool(&[2, 2], &windows),
        image.max_pool_with_indices(&[2, 2], &windows).1,
        image.avg_pool(&[2, 2], &windows, true),
    ];
    let loss = [x.cross_entropy(x.argmax(1), CrossEntropy::default())];
    w.copy_(1.0);
    let made =
        [cx.random_bits([4]), w.read(), cx.constant(&HostTensor::scalar(1.0f32)), cx.arange(4, DType::I64), x + w];
    [
        &moved[..],
        &reduced,
        &found,
        &scans,
        &sorted,
        &placed,
        &indexed,
        &scattered,
        &products,
        &normal,
        &channels,
        &windowed,
        &loss,
        &made,
    ]
    .concat()
}

#[test]
fn every_method_makes_its_op() {
    let context = context();
    let tracer = Tracer::new(&context);
    let inputs = (
        Spec::new(DType::F32, (thunder_trace::Dim::new("n"), 4)),
        Spec::new(DType::I64, [4]),
        Spec::new(DType::Bool, [4]),
    );
    tracer
        .function("main", inputs, |cx, (x, i, p)| [elementwise(x, i, p), structured(cx, x, i, p)].concat())
        .expect("every method takes its operands");
    let module = tracer.finish();
    // A method that made nothing, or another op than the one it is named for, leaves one out.
    let made: BTreeSet<&str> = ops(&module).iter().map(|op| op.name()).filter(|n| n.starts_with("thunder.")).collect();
    assert_eq!(made.len(), METHODS, "{made:?}");
}
