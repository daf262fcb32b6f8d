"""Models of JAX that stablehlo.py exports.

Each of CASES is a name, a function, its arguments, and, where they differ, what is dynamic: the symbolic shapes of the
arguments, as `jax.export.symbolic_args_specs` takes them, and other arguments to run it on. A function whose name is in EXACT
computes other numbers in double precision, and is held against those in single precision.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

RANDOM = np.random.default_rng(0)


def normal(*shape):
    return RANDOM.standard_normal(shape).astype(np.float32)


def positive(*shape):
    return RANDOM.uniform(0.1, 2.0, shape).astype(np.float32)


def integers(low, high, *shape, dtype=np.int32):
    return RANDOM.integers(low, high, shape).astype(dtype)


def mlp(params, x):
    for layer in params[:-1]:
        x = jax.nn.gelu(x @ layer["w"] + layer["b"])
    return jax.nn.log_softmax(x @ params[-1]["w"] + params[-1]["b"])


def mlp_loss(params, x, y):
    return -jnp.mean(jnp.take_along_axis(mlp(params, x), y[:, None], 1))


def mlp_params():
    return [{"w": normal(8, 16), "b": normal(16)}, {"w": normal(16, 4), "b": normal(4)}]


def layer_norm(x, scale, shift):
    mean = x.mean(-1, keepdims=True)
    return (x - mean) * lax.rsqrt(jnp.var(x, -1, keepdims=True) + 1e-5) * scale + shift


def block(p, x, heads):
    batch, length, width = x.shape
    h = layer_norm(x, p["scale"], p["shift"])
    q, k, v = jnp.split(h @ p["qkv"], 3, -1)
    q, k, v = (t.reshape(batch, length, heads, width // heads) for t in (q, k, v))
    scores = jnp.einsum("bqhd,bkhd->bhqk", q, k) / (width // heads) ** 0.5
    mask = jnp.tril(jnp.ones((length, length), bool))
    weights = jax.nn.softmax(jnp.where(mask, scores, -jnp.inf))
    x = x + jnp.einsum("bhqk,bkhd->bqhd", weights, v).reshape(batch, length, width) @ p["out"]
    return x + jax.nn.silu(layer_norm(x, p["scale"], p["shift"]) @ p["up"]) @ p["down"]


def transformer(p, tokens):
    x = p["embedding"][tokens] + p["positions"][: tokens.shape[1]]
    for layer in p["layers"]:
        x = block(layer, x, 2)
    return x @ p["embedding"].T


def transformer_loss(p, tokens):
    logits = jax.nn.log_softmax(transformer(p, tokens)[:, :-1])
    return -jnp.take_along_axis(logits, tokens[:, 1:, None], -1).mean()


def transformer_params(layers=2, width=8):
    layer = lambda: {
        "qkv": normal(width, 3 * width) * 0.3,
        "out": normal(width, width) * 0.3,
        "up": normal(width, 2 * width) * 0.3,
        "down": normal(2 * width, width) * 0.3,
        "scale": positive(width),
        "shift": normal(width),
    }
    return {"embedding": normal(11, width), "positions": normal(6, width), "layers": [layer() for _ in range(layers)]}


NHWC = ("NHWC", "HWIO", "NHWC")


def convnet(p, x):
    x = lax.conv_general_dilated(x, p["first"], (1, 1), "SAME", dimension_numbers=NHWC)
    x = jax.nn.relu(x * p["scale"] + p["shift"])
    x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "SAME")
    x = lax.conv_general_dilated(x, p["grouped"], (2, 2), "SAME", dimension_numbers=NHWC, feature_group_count=2)
    x = jax.nn.relu(x)
    x = lax.reduce_window(x, 0.0, lax.add, (1, 2, 2, 1), (1, 1, 1, 1), "SAME") / 4
    return x.mean((1, 2)) @ p["dense"]


def convnet_loss(p, x, y):
    return jnp.mean((convnet(p, x) - y) ** 2)


def convnet_params():
    return {
        "first": normal(3, 3, 2, 4),
        "scale": positive(4),
        "shift": normal(4),
        "grouped": normal(3, 3, 2, 6),
        "dense": normal(6, 3),
    }


def rnn(w, x):
    def step(state, x):
        state = jnp.tanh(state @ w + x)
        return state, state

    return lax.scan(step, jnp.zeros_like(x[0]), x)


def rnn_loss(w, x):
    return (rnn(w, x)[1] ** 2).sum()


def control(x, i):
    return {
        "cond": lax.cond(x.sum() > 0, lambda a: a + 1, lambda a: a * 2, x),
        "switch": lax.switch(i, [lambda a: a + 1, lambda a: a * 2, lambda a: -a], x),
        "loop": lax.fori_loop(0, 4, lambda i, a: a * 0.5 + i, x),
        "while": lax.while_loop(lambda c: c[0] < 5, lambda c: (c[0] + 2, c[1] * 2), (1, x))[1],
        "map": lax.map(lambda a: a**2, x),
        "remat": jax.checkpoint(jnp.sin)(x),
    }


def loops(x, n):
    """Loops that go round as often as only values say."""
    root = lax.while_loop(
        lambda c: jnp.any(jnp.abs(c[1] * c[1] - x) > 1e-3 * x), lambda c: (c[0] + 1, (c[1] + x / c[1]) * 0.5), (0, x)
    )

    def inner(i, a):
        return lax.while_loop(lambda a: a.sum() < 1000, lambda a: a * 2 + i, a * 0.01)

    return {
        "root": root[1],
        "rounds": root[0],
        "counted": lax.fori_loop(0, n, lambda i, a: a * 0.5 + i, x),
        "nested": lax.fori_loop(0, n, inner, x),
        "never": lax.while_loop(lambda a: a.sum() < 0, lambda a: a * 2, x),
        "updated": lax.fori_loop(0, n, lambda i, a: a.at[i].set(i + 0.5), x),
    }


def elementwise(x, y):
    unit = x / (1 + jnp.abs(x))
    big = jnp.abs(x) + 1.25
    functions = [
        lax.abs, lax.neg, lax.sign, lax.floor, lax.ceil, lax.round, jnp.round, lax.is_finite, lax.exp, lax.expm1, lax.exp2,
        lax.cbrt, lax.sin, lax.cos, lax.tan, lax.tanh, lax.logistic, lax.sinh, lax.cosh, lax.asinh, lax.atan, lax.erf, lax.erfc,
        lax.square, lax.integer_pow_3, jnp.isnan, jnp.isinf,
    ]  # fmt: skip
    return (
        [f(x) for f in functions]
        + [f(unit) for f in (lax.asin, lax.acos, lax.atanh, lax.log1p, lax.erf_inv)]
        + [f(big) for f in (lax.log, lax.sqrt, lax.rsqrt, lax.acosh, lax.lgamma, lax.digamma, lax.bessel_i1e)]
        + [f(x, y) for f in (lax.add, lax.sub, lax.mul, lax.div, lax.rem, lax.max, lax.min, lax.atan2)]
        + [lax.pow(big, y), lax.clamp(-0.5, x, 0.5), lax.select(x > y, x, y), lax.nextafter(x, y)]
        + [x == y, x != y, x < y, x <= y, x > y, x >= y, lax.reduce_precision(x, 5, 10)]
        + [x.astype(t) for t in (jnp.int32, jnp.int8, jnp.bool_)]
    )


lax.integer_pow_3 = functools.partial(lax.integer_pow, y=3)


def bits(x, y, small):
    unsigned, shorts = lax.bitcast_convert_type(x, jnp.uint32), small.astype(jnp.uint16)
    count = jnp.abs(y) % 40
    return (
        [f(x, y) for f in (lax.bitwise_and, lax.bitwise_or, lax.bitwise_xor, lax.max, lax.min, lax.div, lax.rem)]
        + [f(x, count) for f in (lax.shift_left, lax.shift_right_logical, lax.shift_right_arithmetic)]
        + [f(x) for f in (lax.bitwise_not, lax.population_count, lax.clz, lax.sign, lax.abs)]
        + [f(unsigned, jnp.uint32(7)) for f in (lax.div, lax.rem, lax.max, lax.min, lax.shift_right_logical)]
        + [unsigned < unsigned[::-1], unsigned.max(), unsigned.argmin(), jnp.sort(unsigned), unsigned.sum()]
        + [unsigned.astype(t) for t in (jnp.float32, jnp.int8, jnp.uint16, jnp.bool_)]
        + [(unsigned.astype(jnp.float32) * 0.5).astype(jnp.uint32), lax.clamp(jnp.uint32(9), unsigned, jnp.uint32(1 << 31))]
        + [shorts * shorts, shorts // 3, lax.population_count(small), lax.clz(small), small >> 1, small.astype(jnp.float32)]
        + [lax.bitcast_convert_type(small, jnp.int8), lax.bitcast_convert_type(x.astype(jnp.float32), jnp.int32)]
        + [x > 0, (x > 0) & (y > 0), (x > 0) | (y > 0), (x > 0) ^ (y > 0), ~(x > 0)]
    )


def reductions(x, n):
    axes = [None, 0, (1, 2)]
    m = n.reshape(x.shape)
    return (
        [f(x, a) for f in (jnp.sum, jnp.prod, jnp.max, jnp.min, jnp.mean, jnp.var) for a in axes]
        + [f(x > 0, a) for f in (jnp.all, jnp.any) for a in axes]
        + [f(x, 1) for f in (jnp.argmax, jnp.argmin, jax.nn.logsumexp, jnp.cumsum, jnp.cumprod, lax.cummax, lax.cummin)]
        + [f(n, 0) for f in (jnp.sum, jnp.prod, jnp.max, jnp.min, jnp.argmax, jnp.cumsum, lax.cummax)]
        + [lax.cumsum(x, 2, reverse=True), lax.cumlogsumexp(x, 1), lax.reduce_or(n, axes=[1]), lax.reduce_xor(n, axes=[1])]
        + [lax.reduce((x, m), (jnp.ones((), x.dtype) * 3, jnp.int32(1)), lambda a, b: (a[0] * b[0], a[1] + b[1]), [1])]
        + [lax.reduce(x, jnp.ones((), x.dtype) * 2, lax.add, [0])]
    )


def windows(x):
    window = lambda f, init, *a, **k: lax.reduce_window(x, init, f, *a, **k)
    pool = lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 3), (1, 2, 2), ((0, 0), (1, 1), (0, 2)))
    return [
        window(lax.add, 0.0, (1, 2, 3), (1, 2, 2), "SAME"),
        window(lax.max, -jnp.inf, (1, 2, 3), (1, 1, 1), "VALID"),
        window(lax.min, jnp.inf, (1, 2, 2), (1, 1, 1), "VALID", window_dilation=(1, 2, 3)),
        window(lax.mul, 1.0, (1, 2, 1), (1, 1, 1), "SAME", base_dilation=(1, 2, 1)),
        window(lax.add, 0.0, (1, 1, 7), (1, 1, 1), "SAME"),
        window(lax.add, 0.0, x.shape, (1, 1, 1), "VALID"),
        window(lambda a, b: a + b + a * b, 0.0, (1, 1, 5), (1, 1, 1), "SAME"),
        jax.grad(lambda x: (pool(x) ** 2).sum())(x),
        jax.grad(lambda x: (lax.cummax(x, 2) ** 2).sum())(x),
    ]


def convolutions(line, image, volume, weights):
    conv = lax.conv_general_dilated
    two = ("NCHW", "OIHW", "NCHW")
    outputs = [
        conv(line, weights["line"], (2,), [(1, 2)], dimension_numbers=("NCH", "OIH", "NCH")),
        conv(image, weights["image"], (1, 1), [(0, 0), (0, 0)], lhs_dilation=(2, 1), rhs_dilation=(1, 2), dimension_numbers=two),
        conv(image, weights["image"], (1, 1), [(-1, 2), (0, -1)], dimension_numbers=two),
        conv(image, weights["image"], (1, 1), "SAME", dimension_numbers=("CNHW", "IOHW", "HWNC"))
        if image.shape[0] == weights["image"].shape[0]
        else conv(image, weights["image"], (2, 1), "SAME", dimension_numbers=("NCHW", "OIHW", "HWNC")),
        conv(volume, weights["volume"], (1, 1, 1), "SAME", dimension_numbers=("NDHWC", "DHWIO", "NDHWC")),
        conv(image, weights["batch"], (1, 1), "SAME", dimension_numbers=two, batch_group_count=2),
        lax.conv_transpose(line, weights["transposed"], (2,), "SAME", dimension_numbers=("NCH", "OIH", "NCH")),
    ]
    return outputs


def convolutions_loss(*arguments):
    return sum((x**2).sum() for x in convolutions(*arguments))


def indexing(x, table, i, j, mask):
    rows = x[i]
    return {
        "row": x[i[0]],
        "rows": rows,
        "both": x[i, j],
        "column": x[:, j],
        "outer": x[i[:, None], j[None, :]],
        "clip": jnp.take(x, i * 3 - 4, axis=0, mode="clip"),
        "fill": x.at[i * 3 - 4].get(mode="fill", fill_value=-1.0),
        "along": jnp.take_along_axis(x, jnp.argsort(x, 1)[:, :2], 1),
        "table": table[i, :, j],
        "batched": jax.vmap(lambda t, k: t[k])(table, jnp.abs(j)[: table.shape[0]] % 2),
        "set": x.at[i].set(1.0),
        "add": x.at[i, j].add(2.0),
        "multiply": x.at[i].multiply(3.0),
        "min": x.at[:, j].min(0.0),
        "max": x.at[i].max(0.5),
        "drop": x.at[i * 3 - 4].add(1.0, mode="drop"),
        "apply": x.at[jnp.arange(2)].apply(jnp.sin, unique_indices=True),
        "flags": mask.at[i[0]].set(True),
        "slice": lax.dynamic_slice(x, (i[0], j[0] + 2), (2, 2)),
        "update": lax.dynamic_update_slice(x, rows[:2, :2] * 2, (i[1], j[0] + 2)),
        "reverse": x[::-1, ::2],
        "roll": jnp.roll(x, 2, 0),
        "pad": jnp.pad(x, ((1, 2), (0, 1)), constant_values=3.0),
        "between": lax.pad(x, x[0, 0], ((1, -1, 2), (-1, 2, 0))),
        "repeat": jnp.repeat(x, 2, 1),
        "triangle": jnp.tril(x) + jnp.triu(x, 1) * 2,
        "grad": jax.grad(lambda x: (x[i] ** 2).sum() + (x[:, j] ** 3).sum())(x),
    }


def sorting(x, n):
    return [
        jnp.sort(x),
        jnp.sort(x, 0, descending=True),
        jnp.argsort(x),
        jnp.argsort(n, descending=True),
        lax.sort((n, x), num_keys=2),
        jnp.lexsort((x[0], n[0])),
        lax.top_k(x, 3),
        jnp.median(x, 1),
        jnp.unique_counts(n[0], size=4),
        jnp.searchsorted(jnp.sort(x[0]), x[1]),
        jax.grad(lambda x: (jnp.sort(x) * jnp.arange(x.shape[-1])).sum())(x),
    ]


def random(key):
    keys = jax.random.split(key, 3)
    return [
        keys,
        jax.random.bits(keys[0], (3,)),
        jax.random.uniform(keys[0], (4,)),
        jax.random.normal(keys[1], (2, 3)),
        jax.random.bernoulli(keys[2], 0.3, (8,)),
        jax.random.randint(keys[0], (5,), -3, 9),
        jax.random.permutation(keys[1], 6),
        jax.random.categorical(keys[2], jnp.zeros((2, 4))),
    ]


def products(x, y, a, b, n):
    return [
        jnp.einsum("bij,bjk->bik", x, y),
        jnp.einsum("bij,bkj->ikb", x, x),
        jnp.einsum("bij,bij->b", x, x),
        jnp.einsum("bij,kj->bik", x, a),
        jnp.tensordot(x, y, ([0, 2], [0, 1])),
        jnp.dot(a, b),
        jnp.vdot(b, b),
        jnp.outer(b, b),
        jnp.kron(a[:2, :2], a[:2, :2]),
        lax.dot(n, n.T, preferred_element_type=jnp.int32),
        lax.dot(a.astype(jnp.bfloat16), b.astype(jnp.bfloat16), preferred_element_type=jnp.float32),
        lax.dot_general(x, y, (([], []), ([0], [0]))),
    ]


def half(w, x):
    # In double precision it is the exact value that both are held against.
    lower, low = (x.dtype, x.dtype) if x.dtype == jnp.float64 else (jnp.bfloat16, jnp.float16)
    return jax.nn.softmax(jax.nn.relu(x.astype(lower) @ w.astype(lower)).astype(low)).astype(jnp.float32)


def shapes(x, w):
    """Sizes that are computed with."""
    batch, length = x.shape[:2]
    flat = x.reshape(batch * length, -1)
    return {
        "flat": flat @ w,
        "mean": x.mean((0, 1)),
        "split": x.reshape(batch, length // 1, 2, -1).sum(2),
        "strided": x[:, ::2].sum(1),
        "iota": jnp.arange(length) + jnp.zeros((batch, 1)),
        "concatenated": jnp.concatenate([x, x[:, :1] * 2], 1),
        "padded": jnp.pad(x, ((0, 0), (1, 0), (0, 0))),
        "last": x[:, -1],
        "ones": jnp.ones((2 * batch + 1,)).sum(),
        "soft": jax.nn.softmax(x, 1),
        "attention": jnp.einsum("bqd,bkd->bqk", x, x),
    }


def spectrum_loss(x, filters, signal):
    """Complex numbers: a filter in the frequency domain, constants, functions, products and transforms of all kinds."""
    filtered = jnp.fft.irfft(jnp.fft.rfft(x) * filters["gain"] * jnp.exp(1j * filters["phase"]), 12)
    z = lax.complex(signal, signal[::-1])
    plane = jnp.fft.ifft2(jnp.fft.fft2(z) * jnp.array([[1 + 2j, 3 - 1j, 0.5, 2j]], jnp.complex64))
    total = jnp.sum(jnp.abs(plane)) + jnp.real(jnp.vdot(z, z @ jnp.conj(z).T @ plane)) + jnp.sum(jnp.angle(z))
    functions = sum(jnp.sum(jnp.real(f(z * 0.5))) for f in [jnp.sin, jnp.tanh, jnp.sqrt, jnp.log1p])
    return jnp.mean(filtered**2) + total + functions + jnp.sum(jnp.where(jnp.imag(z) > 0, z, 2 - 1j)).real


EXACT = ["random"]

INDICES = (normal(5, 4), normal(3, 2, 4), integers(-3, 3, 3), integers(-2, 2, 3), RANDOM.random(5) < 0.5)
CONVOLUTIONS = (
    normal(2, 3, 9),
    normal(2, 3, 6, 7),
    normal(1, 3, 4, 5, 2),
    {
        "line": normal(4, 3, 3),
        "image": normal(4, 3, 3, 2),
        "volume": normal(2, 2, 3, 2, 3),
        "batch": normal(4, 3, 3, 3),
        "transposed": normal(5, 3, 4),
    },
)

CASES = [
    ("mlp", jax.value_and_grad(mlp_loss), (mlp_params(), normal(3, 8), integers(0, 4, 3))),
    ("transformer", jax.value_and_grad(transformer_loss), (transformer_params(), integers(0, 11, 2, 5))),
    ("convnet", jax.value_and_grad(convnet_loss), (convnet_params(), normal(2, 8, 8, 2), normal(2, 3))),
    ("rnn", jax.value_and_grad(rnn_loss), (normal(3, 3), normal(5, 2, 3))),
    ("control", control, (normal(4), np.int32(1))),
    ("elementwise", elementwise, (normal(7), normal(7))),
    ("bits", bits, (integers(-(2**31), 2**31, 6), integers(1, 99, 6), integers(0, 256, 6, dtype=np.uint8))),
    ("reductions", reductions, (normal(3, 4, 2), integers(-5, 6, 6, 4))),
    ("windows", windows, (normal(2, 5, 8),)),
    ("convolutions", convolutions, CONVOLUTIONS),
    ("convolutions_grad", jax.grad(convolutions_loss, (0, 1, 2, 3)), CONVOLUTIONS),
    ("indexing", indexing, INDICES),
    ("sorting", sorting, (normal(3, 6), integers(0, 4, 3, 6))),
    ("random", random, (np.array([7, 2**31 + 5], np.uint32),)),
    ("products", products, (normal(2, 3, 4), normal(2, 4, 2), normal(3, 4), normal(4), integers(-9, 9, 3, 4, dtype=np.int8))),
    ("half", half, (normal(8, 4), normal(3, 8))),
    ("mlp_dynamic", mlp, (mlp_params(), normal(3, 8)), (None, "b, 8"), (mlp_params(), normal(5, 8))),
    ("shapes_dynamic", shapes, (normal(2, 4, 6), normal(6, 3)), ("b, t, 6", None), (normal(3, 5, 6), normal(6, 3))),
    (
        "transformer_dynamic",
        jax.value_and_grad(transformer_loss),
        (transformer_params(1), integers(0, 11, 2, 5)),
        (None, "b, 5"),
        (transformer_params(1), integers(0, 11, 3, 5)),
    ),
    ("loops", loops, (positive(6), np.int32(4))),
    ("loops_dynamic", loops, (positive(6), np.int32(4)), ("b", None), (positive(9), np.int32(2))),
    (
        "complex",
        jax.value_and_grad(spectrum_loss, (0, 1, 2)),
        (normal(3, 12), {"gain": normal(7), "phase": normal(7)}, normal(4, 4)),
    ),
]
