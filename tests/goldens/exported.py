"""Models that import.py exports: the ops of ATen by family, what modules do to memory, and small networks."""

import math

import torch
import torch.nn.functional as F
from torch import nn

CASES = []


def case(name, inputs, again=None, dynamic=None, core=False):
    """A model: the example inputs it is exported with, others that it is run on too, and its dynamic sizes."""

    def add(make):
        CASES.append((name, make, inputs, again, dynamic, core))
        return make

    return add


class Function(nn.Module):
    """A function of tensors as a model."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *inputs):
        return self.function(*inputs)


def function(name, inputs, again=None, dynamic=None, core=False):
    """A model that is a function."""

    def add(body):
        CASES.append((name, lambda: Function(body), inputs, again, dynamic, core))
        return body

    return add


def randn(*sizes, seed=0):
    return torch.randn(*sizes, generator=torch.Generator().manual_seed(seed + sum(sizes)))


def randint(high, *sizes):
    return torch.randint(0, high, sizes, generator=torch.Generator().manual_seed(sum(sizes)))


BATCH = torch.export.Dim("batch", min=2, max=64)
SEQ = torch.export.Dim("seq", min=4, max=32)


@function("arithmetic", lambda: (randn(3, 4), randn(4, seed=1), randint(9, 3, 4) + 1, randn(3, 1, seed=2) > 0))
def arithmetic(x, y, n, b):
    return {
        "add": torch.add(x, y, alpha=2) + 1 + n,
        "sub": (x - y, 3 - x, torch.rsub(x, y, alpha=0.5), n - 2),
        "mul": (x * n, x * 2, n * 2.5),
        "div": (x / n, n / 2, 1 / n, torch.div(x, y, rounding_mode="floor"), torch.div(n, 4, rounding_mode="trunc")),
        "rest": (n // 2, x % 0.7, torch.fmod(x, 0.7), n % 5),
        "pow": (x**2, x.abs() ** 1.5, 2.0**x, n**2, x**3, x.abs() ** 0.5),
        "most": (torch.maximum(x, y), torch.minimum(x, y), torch.atan2(x, y), torch.lerp(x, y, 0.25)),
        "fused": (torch.addcmul(x, y, y, value=0.5), torch.addcdiv(x, y, n, value=2)),
        "bits": (n & 3, n | 8, n ^ 5, ~n, n << 1, n >> 1, b & ~b, b | b),
        "truth": (torch.logical_and(n, b), torch.logical_or(n, b), torch.logical_xor(b, n), torch.logical_not(n)),
        "compare": (x < y, x <= 0, x > n, n >= 3, n == 3, x != x),
        "where": (torch.where(b, x, y), torch.where(b, 1.0, x), x.masked_fill(b, -math.inf), torch.where(b, 1, 0)),
        "clamp": (x.clamp(-0.5, 0.5), x.clamp(min=0), n.clamp(max=4), x.clamp_min(0.1)),
        "loss": (F.mse_loss(x, x * 0), F.l1_loss(x, y + x, reduction="sum"), F.huber_loss(x, x * 2, delta=0.5)),
        "convert": (x.to(torch.int32), n.float(), b.to(torch.int64), x.bool(), x.double(), n.to(x.dtype)),
    }


@function("unary", lambda: (randn(4, 5), torch.rand(4, 5, generator=torch.Generator().manual_seed(3)) * 0.98 + 0.01), core=True)
def unary(x, p):
    return [
        *(f(x) for f in [torch.abs, torch.neg, torch.sign, torch.exp, torch.exp2, torch.expm1, torch.sin, torch.cos]),
        *(f(x) for f in [torch.tan, torch.sinh, torch.cosh, torch.tanh, torch.atan, torch.asinh, torch.erf, torch.erfc]),
        *(f(p) for f in [torch.sqrt, torch.rsqrt, torch.reciprocal, torch.log, torch.log2, torch.log10, torch.log1p]),
        *(f(p) for f in [torch.asin, torch.acos, torch.atanh, torch.logit]),
        torch.acosh(p + 1),
        *(f(x * 3) for f in [torch.ceil, torch.floor, torch.round, torch.trunc, torch.frac, torch.square]),
        *(f(x) for f in [F.relu, F.relu6, F.silu, F.gelu, F.mish, F.hardsigmoid, F.hardswish, F.softplus, F.logsigmoid]),
        *(f(x) for f in [F.elu, F.selu, F.celu, F.leaky_relu, F.hardtanh, F.hardshrink, F.softshrink, torch.sigmoid]),
        F.gelu(x, approximate="tanh"),
        F.leaky_relu(x, 0.2),
        F.elu(x, 0.5),
        F.softplus(x, beta=2.0, threshold=1.0),
        F.threshold(x, 0.1, 20.0),
        F.dropout(x, 0.5, training=False),
        F.prelu(x, p[0]),
        torch.isnan(x / x.floor()),
        torch.nan_to_num(x / 0, posinf=3.0, neginf=-3.0),
    ]


@function("reduce", lambda: (randn(3, 4, 5), randint(7, 3, 4)))
def reduce(x, n):
    return [
        x.sum(),
        x.sum(1),
        x.sum((0, 2), keepdim=True),
        n.sum(),
        n.sum(0, dtype=torch.float32),
        x.mean(),
        x.mean(-1, keepdim=True),
        x.prod(1),
        x.amax((0, 1)),
        x.amin(-1, keepdim=True),
        x.max(),
        n.min(),
        *x.max(1),
        *x.min(-1, keepdim=True),
        x.argmax(1),
        x.argmin(2, keepdim=True),
        x.argmax(),
        (x > 1).any(),
        (x > 1).any(1),
        (x > -1).all(-1, keepdim=True),
        x.var(1),
        x.var((0, 2), correction=0, keepdim=True),
        x.std(),
        *torch.var_mean(x, 1, correction=0),
        x.cumsum(1),
        n.cumsum(0),
        x.logsumexp(1),
        x.norm(),
        x.norm(dim=1, p=1),
        torch.linalg.vector_norm(x, math.inf, dim=(1, 2)),
        torch.linalg.vector_norm(x, 3, dim=0, keepdim=True),
    ]


@function("shape", lambda: (randn(2, 3, 4), randn(1, 6)))
def shape(x, y):
    return [
        x.view(6, 4),
        x.reshape(2, -1),
        x.flatten(1),
        x.unflatten(2, (2, 2)),
        x.unsqueeze(-1).squeeze(-1),
        y.squeeze(),
        y.squeeze(0),
        x.permute(2, 0, -2),
        x.transpose(0, -1),
        y.t(),
        x.mT,
        x.movedim(0, 2),
        y.expand(3, -1),
        y.expand(2, 3, 6),
        x.flip(0, 2),
        y.repeat(2, 2),
        x.repeat_interleave(2, dim=1),
        x.contiguous(),
        F.pixel_shuffle(x.reshape(1, 4, 2, 3), 2),
        torch.atleast_3d(y),
    ]


@function("index", lambda: (randn(3, 6, 4), randint(3, 2, 5), randint(6, 3, 2, 4)), core=True)
def index(x, rows, places):
    return [
        x[1],
        x[:, -1],
        x[:, 1:4],
        x[..., ::2],
        x[:, -3:],
        x[None, :, 2, :, None],
        x.select(1, 2),
        x.narrow(1, 2, 3),
        *x.split(4, dim=1),
        *x.split([1, 2, 3], dim=1),
        *x.chunk(2, dim=-1),
        *x.unbind(0),
        torch.cat([x, x * 2], 1),
        torch.stack([x, -x], -1),
        x.index_select(0, rows[0]),
        x[rows],
        x[:, rows],
        x[rows[0], :, rows[1] - 1],
        x[rows[0], rows[1]],
        x.gather(1, places),
        F.embedding(rows, x[:, :, 0]),
        x.roll(1, 1),
        x.roll((1, -2), (0, 2)),
        F.pad(x, (1, 2)),
        F.pad(x, (0, 0, 1, 1), value=-1.0),
        F.pad(x, (-1, 2)),
        F.one_hot(rows, 4),
        F.glu(x, -1),
        torch.slice_scatter(x, x[:, :2] * 0, 1, 2, 4),
        torch.slice_scatter(x, x[:, ::2] * 0, 1, 0, 6, 2),
        torch.select_scatter(x, x[:, 0] * 0, 1, -1),
        *torch.meshgrid(rows[0], rows[1], indexing="ij"),
    ]


@function("create", lambda: (randn(3, 4),))
def create(x):
    return [
        torch.full((2, 3), 1.5) + x[0, 0],
        torch.full_like(x, 2),
        torch.zeros(3, dtype=torch.int64),
        torch.ones_like(x, dtype=torch.int32),
        x.new_zeros(2, 2),
        x.new_full((2,), 7.0),
        torch.arange(5),
        torch.arange(1, 6, 2),
        torch.arange(0, 1, 0.25),
        torch.arange(5.0) * x[0, 0],
        torch.linspace(0, 1, 5),
        torch.eye(3),
        torch.eye(2, 4),
        x.tril(),
        x.triu(1),
        torch.tril(torch.ones(4, 4, dtype=torch.bool)),
        torch.scalar_tensor(3.0) * x,
        torch.tensor([1.0, 2.0, 3.0, 4.0]) * x,
    ]


@function("matrix", lambda: (randn(2, 3, 4), randn(2, 4, 5), randn(5, 4), randn(4), randn(5)))
def matrix(a, b, w, v, bias):
    return [
        a @ b,
        a @ b[0],
        a[0] @ b,
        a[0].mm(b[0]),
        a.bmm(b),
        a @ v,
        v @ b,
        v @ v,
        w.mv(v),
        F.linear(a, w, bias),
        F.linear(v, w),
        torch.addmm(bias, a[0], b[0], beta=0.5, alpha=2),
        torch.baddbmm(a @ b, a, b, beta=0),
        torch.outer(v, bias),
        torch.einsum("bij,bjk->bik", a, b),
        torch.einsum("bij,kj->bk", a, w),
        torch.einsum("i,j->ij", v, bias),
        torch.einsum("bij,bjk,lk->lb", a, b, torch.outer(v, bias)),
        torch.einsum("bij->jb", a),
    ]


@function("normalize", lambda: (randn(2, 6, 5), randn(5), randn(6), randn(6).abs() + 0.5, randint(6, 2, 5)), core=True)
def normalize(x, w, g, variance, target):
    return [
        F.softmax(x, -1),
        F.log_softmax(x, 1),
        F.softmax(x, 0, dtype=torch.float64),
        F.layer_norm(x, (5,), w, w, 1e-6),
        F.layer_norm(x, (6, 5)),
        F.rms_norm(x, (5,), w, 1e-6),
        F.rms_norm(x, (5,)),
        F.group_norm(x, 3, g, g),
        F.batch_norm(x, g, variance, g, None, False),
        F.normalize(x, dim=1),
        F.cosine_similarity(x, x.flip(1), dim=1),
        F.cross_entropy(x, target),
        F.cross_entropy(x.mT.reshape(-1, 6), target.reshape(-1), ignore_index=2, reduction="sum"),
        F.cross_entropy(x, target, reduction="none", label_smoothing=0.1),
        F.nll_loss(F.log_softmax(x[:, :, 0], 1), target[:, 0]),
        F.binary_cross_entropy_with_logits(x, (x > 0).float()),
    ]


@function("window", lambda: (randn(2, 4, 9, 8), randn(6, 2, 3, 3), randn(6), randn(2, 4, 10), randn(5, 4, 3)))
def window(x, w, b, s, v):
    return [
        F.conv2d(x, w, b, stride=2, padding=1, groups=2),
        F.conv2d(x, w, padding="same", dilation=2, groups=2),
        F.conv2d(x, w, b, padding="valid", groups=2),
        F.conv1d(s, v, padding=2, stride=(3,)),
        F.conv1d(s, v[:, :, :2], padding="same"),
        F.conv3d(x[:, :, None], w[:, :, None], groups=2),
        F.max_pool2d(x, 2),
        F.max_pool2d(x, (3, 2), stride=(2, 1), padding=1),
        F.max_pool1d(s, 3, 2),
        F.avg_pool2d(x, 3, 2, 1),
        F.avg_pool1d(s, 2),
        F.adaptive_avg_pool2d(x, 1),
        F.adaptive_avg_pool2d(x, (3, 4)),
        F.adaptive_avg_pool1d(s, 4),
        F.interpolate(x, scale_factor=2, mode="nearest"),
        F.interpolate(x, size=(5, 16), mode="nearest"),
    ]


@function("attention", lambda: (randn(2, 4, 5, 8), randn(2, 4, 7, 8), randn(2, 4, 7, 8, seed=1), randn(5, 7) > -0.5))
def attention(q, k, v, mask):
    return [
        F.scaled_dot_product_attention(q, k, v),
        F.scaled_dot_product_attention(q, q, q, is_causal=True),
        F.scaled_dot_product_attention(q, k, v, attn_mask=mask),
        F.scaled_dot_product_attention(q, k, v, attn_mask=mask * 2.0, scale=0.3),
        F.scaled_dot_product_attention(q, k[:, :2], v[:, :2], enable_gqa=True),
        F.scaled_dot_product_attention(q[0, 0], k[0, 0], v[0, 0]),
    ]


@function(
    "dynamic",
    lambda: (randn(3, 5, 4), randn(7)),
    again=lambda: (randn(2, 9, 4), randn(3)),
    dynamic=lambda: (({0: BATCH, 1: SEQ}, {0: torch.export.Dim("length", min=2, max=16)}),),
)
def dynamic(x, y):
    b, s, w = x.shape
    return {
        "view": (x.view(b * s, w), x.reshape(b, s, 2, 2).transpose(1, 2), x.flatten()),
        "range": torch.arange(s) + torch.arange(b)[:, None],
        "make": (torch.zeros(b, s + 1), torch.ones(2 * s, w), x.new_full((b,), 3.0)),
        "cat": torch.cat([x, x[:, :1]], 1),
        "slice": (x[:, 1:], x[:, -1], x[:, : s - 1]),
        "number": (x * s, x.shape[0] * 2),
        "expand": y[None].expand(b, -1),
        "mean": x.mean(1),
        "mask": torch.tril(torch.ones(s, s, dtype=torch.bool)),
        "attention": F.scaled_dot_product_attention(x[:, None], x[:, None], x[:, None], is_causal=True),
    }


@case("memory", lambda: (randn(3, 4), {"bias": randn(4)}))
@case("memory_core", lambda: (randn(3, 4), {"bias": randn(4)}), core=True)
class Memory(nn.Module):
    """Writes to buffers, inputs and intermediate values, as a whole and through views."""

    def __init__(self):
        super().__init__()
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.register_buffer("rows", torch.zeros(3, 4), persistent=False)
        self.register_buffer("cache", torch.zeros(2, 6, 4))
        self.table = torch.arange(4.0)

    def forward(self, x, more):
        self.steps.add_(1)
        self.rows[1].copy_(x[0])
        self.rows[:, ::2] *= 2.0
        self.cache[:, 2:5] = x
        y = x * 1
        view = y.view(2, 6).t()
        y.relu_()
        view[0].fill_(5.0)
        y[:, 1:3].sub_(1)
        y.transpose(0, 1)[3].add_(self.table[:3])
        return {"y": y, "view": view, "sum": y + more["bias"] + self.table, "rows": self.rows.sum(0), "step": self.steps * 2}


@case("mlp", lambda: (randn(5, 4),), lambda: (randn(2, 4),), lambda: ({0: BATCH},))
class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 16), nn.GELU(), nn.Linear(16, 3))

    def forward(self, x):
        return self.layers(x)


class Residual(nn.Module):
    def __init__(self, inner, outer, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inner, outer, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outer)
        self.conv2 = nn.Conv2d(outer, outer, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outer)
        self.relu = nn.ReLU(inplace=True)
        self.down = nn.Sequential(nn.Conv2d(inner, outer, 1, stride, bias=False), nn.BatchNorm2d(outer))

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        y += self.down(x)
        return self.relu(y)


@case("resnet", lambda: (randn(2, 3, 16, 16),), lambda: (randn(3, 3, 16, 16),), lambda: ({0: BATCH},))
class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 7, 2, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(True), nn.MaxPool2d(3, 2, 1))
        self.block = Residual(4, 8, 2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(8, 5)
        for buffer in self.buffers():
            if buffer.is_floating_point():
                buffer.uniform_(0.5, 1.5)

    def forward(self, x):
        return self.head(torch.flatten(self.pool(self.block(self.stem(x))), 1))


class Encoder(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(0.1)

    def attend(self, x, mask, causal=False):
        b, s, w = x.shape
        q, k, v = (y.view(b, s, self.heads, -1).transpose(1, 2) for y in self.qkv(x).chunk(3, dim=-1))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)
        return self.out(y.transpose(1, 2).reshape(b, s, w))


class BertLayer(Encoder):
    def forward(self, x, mask):
        x = self.norm1(x + self.dropout(self.attend(x, mask)))
        return self.norm2(x + self.dropout(self.down(F.gelu(self.up(x)))))


def words(*sizes):
    return lambda: (randint(20, *sizes), torch.arange(sizes[1])[None] < torch.arange(sizes[1] - 1, sizes[1] - 1 + sizes[0])[:, None])


@case("bert", words(2, 6), words(3, 9), lambda: ({0: BATCH, 1: SEQ}, {0: BATCH, 1: SEQ}))
@case("bert_core", words(2, 6), words(3, 9), lambda: ({0: BATCH, 1: SEQ}, {0: BATCH, 1: SEQ}), core=True)
class Bert(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.places = nn.Embedding(20, 16), nn.Embedding(32, 16)
        self.norm, self.drop = nn.LayerNorm(16), nn.Dropout(0.1)
        self.layer = BertLayer(16, 4)
        self.pool = nn.Linear(16, 16)

    def forward(self, ids, mask):
        x = self.words(ids) + self.places(torch.arange(ids.shape[1]))
        x = self.layer(self.drop(self.norm(x)), mask[:, None, None, :])
        return {"hidden": x, "pooled": torch.tanh(self.pool(x[:, 0]))}


class GptLayer(Encoder):
    def forward(self, x):
        x = x + self.attend(self.norm1(x), None, causal=True)
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


@case("gpt", lambda: (randint(20, 2, 6),), lambda: (randint(20, 3, 9),), lambda: ({0: BATCH, 1: SEQ},))
class Gpt(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.places = nn.Embedding(20, 16), nn.Embedding(32, 16)
        self.layer, self.norm = GptLayer(16, 4), nn.LayerNorm(16)
        self.head = nn.Linear(16, 20, bias=False)
        self.head.weight = self.words.weight

    def forward(self, ids):
        x = self.words(ids) + self.places(torch.arange(0, ids.size(1), dtype=torch.long, device=ids.device).unsqueeze(0))
        return self.head(self.norm(self.layer(x)))


class RmsNorm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        y = x.float() if x.dtype != torch.float64 else x
        return self.weight * (y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + 1e-6)).to(x.dtype)


@case("llama", lambda: (randint(20, 2, 6),), lambda: (randint(20, 3, 9),), lambda: ({0: BATCH, 1: SEQ},))
class Llama(nn.Module):
    """Rotary positions, grouped heads and gated layers."""

    def __init__(self, width=16, heads=4, groups=2):
        super().__init__()
        self.heads, self.groups, self.depth = heads, groups, width // heads
        self.words = nn.Embedding(20, width)
        self.q = nn.Linear(width, width, bias=False)
        self.k, self.v = (nn.Linear(width, groups * self.depth, bias=False) for _ in range(2))
        self.o = nn.Linear(width, width, bias=False)
        self.gate, self.up = (nn.Linear(width, 2 * width, bias=False) for _ in range(2))
        self.down = nn.Linear(2 * width, width, bias=False)
        self.norm1, self.norm2, self.norm3 = RmsNorm(width), RmsNorm(width), RmsNorm(width)
        self.head = nn.Linear(width, 20, bias=False)
        self.register_buffer("inverse", 10000.0 ** (-torch.arange(0, self.depth, 2) / self.depth), persistent=False)

    def rotate(self, x, cos, sin):
        half = x.shape[-1] // 2
        return x * cos + torch.cat((-x[..., half:], x[..., :half]), dim=-1) * sin

    def forward(self, ids):
        b, s = ids.shape
        x = self.words(ids)
        angles = torch.arange(s)[:, None] * self.inverse[None]
        angles = torch.cat([angles, angles], -1)
        cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
        y = self.norm1(x)
        q = self.rotate(self.q(y).view(b, s, self.heads, -1).transpose(1, 2), cos, sin)
        k = self.rotate(self.k(y).view(b, s, self.groups, -1).transpose(1, 2), cos, sin)
        v = self.v(y).view(b, s, self.groups, -1).transpose(1, 2)
        n = self.heads // self.groups
        k = k[:, :, None].expand(b, self.groups, n, s, self.depth).reshape(b, self.heads, s, self.depth)
        v = v[:, :, None].expand(b, self.groups, n, s, self.depth).reshape(b, self.heads, s, self.depth)
        mask = torch.full((s, s), float("-inf")).triu(1).to(x.dtype)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = x + self.o(y.transpose(1, 2).reshape(b, s, -1))
        y = self.norm2(x)
        x = x + self.down(F.silu(self.gate(y)) * self.up(y))
        return self.head(self.norm3(x))


@case("vit", lambda: (randn(2, 3, 16, 16),), lambda: (randn(3, 3, 16, 16),), lambda: ({0: BATCH},))
class Vit(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 16, 4, 4)
        self.token, self.places = nn.Parameter(torch.randn(1, 1, 16)), nn.Parameter(torch.randn(1, 17, 16))
        self.layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, norm_first=True, activation="gelu")
        self.norm, self.head = nn.LayerNorm(16), nn.Linear(16, 5)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], dim=1) + self.places
        return self.head(self.norm(self.layer(x))[:, 0])
