"""The ops of ATen by family, and what modules do to memory, as models that import.py exports."""

import math

import torch
import torch.nn.functional as F
from cases import BATCH, SEQ, case, function, randint, randn
from torch import nn
from torch._higher_order_ops.while_loop import while_loop


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
        F.batch_norm(x, None, None, g, g, True),
        F.instance_norm(x, weight=g, bias=g),
        F.local_response_norm(x, 2),
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


@function("order", lambda: (randn(3, 7), randint(4, 3, 8), torch.tensor([0.5, math.nan, -1.0, math.nan, -0.0, 0.0, math.inf])))
def order(x, n, specials):
    row = x[0].sort().values
    return [
        *x.sort(),
        *x.sort(0, descending=True),
        *torch.sort(n, dim=1, stable=True, descending=True),
        x.argsort(-1),
        torch.argsort(n, stable=True, dim=1),
        *specials.sort(stable=True),
        *specials.sort(descending=True, stable=True),
        torch.msort(x),
        *x.topk(3),
        *x.topk(2, dim=0, largest=False),
        *specials.topk(3),
        *x.kthvalue(2, 1),
        *x.kthvalue(3, 0, keepdim=True),
        x.median(),
        *x.median(1),
        *specials.median(0, keepdim=True),
        torch.searchsorted(row, x),
        torch.searchsorted(row, x[0], right=True),
        torch.searchsorted(x.sort(1).values, x.flip(1), out_int32=True),
        torch.bucketize(specials, row),
        torch.bucketize(n, torch.tensor([0, 2, 3]), right=True),
    ]


@function("scatter", lambda: (randn(3, 5), randint(3, 2, 5), randn(2, 5), randint(5, 3, 4), randn(3, 4), torch.tensor([0, 4, 2])))
def scatter(x, rows, r, columns, c, few):
    permuted = torch.stack([few, few.flip(0), few])
    n = columns * 3
    return [
        x.scatter(1, permuted, c[:, :3]),
        x.scatter(1, permuted, 2.5),
        x.scatter(0, rows[:1], r),
        x.scatter(0, rows[:1, :3], r),
        x.scatter_add(0, rows, r),
        x.scatter_add(1, columns, c),
        x.scatter(1, columns, c, reduce="multiply"),
        x.scatter(1, columns, 2.0, reduce="add"),
        *(x.scatter_reduce(1, columns, c, how) for how in ["sum", "prod", "mean", "amax", "amin"]),
        *(x.scatter_reduce(0, rows, r, how, include_self=False) for how in ["sum", "prod", "mean", "amax", "amin"]),
        *(n.scatter_reduce(1, columns % 4, columns, how) for how in ["sum", "prod", "amax", "amin", "mean"]),
        *(n.scatter_reduce(1, columns % 4, columns, how, include_self=False) for how in ["amax", "amin", "mean"]),
        x.index_add(1, few, c[:, :3], alpha=2),
        x.index_copy(1, few, c[:, :3]),
        x.index_fill(1, few, -1.0),
        x.index_fill(0, torch.tensor([-1, 0]), torch.tensor(3.0)),
        x.index_reduce(1, few, c[:, :3], "amax"),
        torch.index_put(x, (few[:2] - 2,), r[:2]),
        torch.index_put(x, (few[:1] * 0 + 1, few), c[0, :3]),
        torch.ops.aten.index_put(x, [None, few], c[:, :3]),
        torch.ops.aten.index_put(x, [None, columns[0]], c, True),
        torch.index_put(x, (rows[:, :4], columns[:2]), c[:2], accumulate=True),
        torch.ops.aten.index_put(x.reshape(3, 1, 5), [rows[0, :3], None, few], c[:, :1], True),
        torch.index_put(x, (x > 0,), torch.tensor(-1.0)),
        torch.index_put(x, (x[:, 0] > 0,), x[0]),
        torch.ops.aten.index_put(x, [None, x[0] > 0], torch.tensor(5.0)),
        torch.index_put(x > 0, (few[:2] - 2,), torch.tensor(True)),
        x.masked_scatter(x > 0, x.flip(0)),
        x.masked_fill(x > 0, torch.tensor(2.0)),
        x.put(few, c[0, :3]),
        x.put(columns, c, accumulate=True),
        x.take(columns),
        torch.take_along_dim(x, columns[:, :1], 1),
        torch.take_along_dim(x, columns[:1], 1),
        torch.take_along_dim(x, columns),
        x.diagonal(),
        x.diagonal(1, -1, 0),
        torch.diag(x[0], -1),
        torch.diag_embed(x, 1),
        torch.diag_embed(x, -2, 0, 2),
        torch.diagonal_scatter(x, c[0, :3]),
        x.trace(),
    ]


class Written(nn.Module):
    """Updates in place through indices and diagonals."""

    def forward(self, x, rows):
        y = x.clone()
        y[rows, 1] = 3.0
        y.diagonal().mul_(2.0)
        y[:, 2:].index_add_(0, rows, x[: len(rows), 2:])
        y.scatter_(1, rows[:, None].expand(-1, 2), 0.5)
        y[y > 1] = -1.0
        return y


case("written", lambda: (randn(4, 5), torch.tensor([2, 0, 3, 1])))(Written)


@function("scan", lambda: (randn(3, 6), randint(4, 3, 6), torch.tensor([1.0, -2.0, 3.0, math.nan, 5.0, math.nan])), core=True)
def scan(x, n, specials):
    return [
        x.cumsum(0),
        x.cumprod(1),
        n.cumprod(1),
        *x.cummax(1),
        *n.cummax(1),
        *n.cummin(0),
        *specials.cummax(0),
        *specials.cummin(0),
        x.logcumsumexp(1),
        (x * 300).logcumsumexp(0),
        x.nansum(1),
        n.count_nonzero(1),
    ]


@function("special", lambda: (randn(4, 5) * 3, torch.rand(4, 5, generator=torch.Generator().manual_seed(3)) * 0.98 + 0.01, randn(4, 5, seed=7)))
def special(x, p, y):
    s = torch.special
    return [
        *(f(x) for f in [torch.lgamma, torch.digamma, s.i0, s.i0e, s.i1, s.i1e, s.ndtr, s.entr, torch.sinc, torch.signbit]),
        *(f(p) for f in [torch.lgamma, torch.digamma, torch.erfinv, s.ndtri, s.entr]),
        torch.erfinv(p * 2 - 1),
        s.ndtri(p * 1e-4),
        s.i0e(x * 20),
        *(torch.polygamma(n, p * 6) for n in [0, 1, 2, 5]),
        torch.polygamma(1, x),
        torch.polygamma(3, y),
        torch.xlogy(y, p),
        torch.xlogy(0.0 * y, p - p),
        s.xlog1py(y, p),
        torch.logaddexp(x * 100, y),
        torch.fmax(x, y.log()),
        torch.fmin(x, y.log()),
        torch.copysign(p, y),
        torch.heaviside(y, p),
        torch.hypot(x, y),
    ]


@function("pool", lambda: (randn(2, 3, 9, 8), randn(2, 3, 10), randn(6, 2, 3, 2), randn(6, 3, 3), randn(4), randn(2, 6, 5, 4)))
def pool(x, s, w, v, b, y):
    return [
        *F.max_pool2d(x, 3, 2, 1, return_indices=True),
        *F.max_pool2d(x, (2, 3), (2, 2), (1, 1), dilation=(2, 1), return_indices=True),
        *F.max_pool1d(s, 3, 2, return_indices=True),
        F.max_pool2d(x, 2, ceil_mode=True),
        *F.max_pool2d(x, 3, 2, 1, ceil_mode=True, return_indices=True),
        F.max_pool1d(s, 4, 3, ceil_mode=True),
        F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
        F.avg_pool2d(x, 2, 2, 0, ceil_mode=True),
        F.avg_pool2d(x, 3, 2, 1, ceil_mode=True),
        F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False),
        F.avg_pool2d(x, 3, 2, 1, divisor_override=5),
        F.adaptive_max_pool2d(x, (3, 4)),
        *F.adaptive_max_pool2d(x, (4, 3), return_indices=True),
        *F.adaptive_max_pool1d(s, 4, return_indices=True),
        F.conv_transpose2d(y, w, b, stride=2, padding=1, output_padding=1, groups=2),
        F.conv_transpose2d(y, w, None, stride=(1, 2), dilation=2),
        F.conv_transpose1d(y[:, :, 0], v, None, stride=3, padding=2, output_padding=2),
        F.conv_transpose3d(y[:, :, None], w[:, :, None], padding=(0, 1, 0)),
        F.unfold(x, (3, 2), dilation=2, padding=1, stride=(2, 1)),
        F.fold(F.unfold(x, 3, padding=1, stride=2), (9, 8), 3, padding=1, stride=2),
    ]


@function("resize", lambda: (randn(2, 3, 5, 6), randn(2, 3, 7), randn(2, 4, 3, 2) * 0.8))
def resize(x, s, grid):
    return [
        F.interpolate(x, size=(8, 3), mode="bilinear"),
        F.interpolate(x, size=(8, 3), mode="bilinear", align_corners=True),
        F.interpolate(x, scale_factor=(1.5, 2.0), mode="bilinear"),
        F.interpolate(x, scale_factor=1.7, mode="bilinear", recompute_scale_factor=True),
        F.interpolate(x, size=(7, 4), mode="bicubic"),
        F.interpolate(x, size=(7, 4), mode="bicubic", align_corners=True),
        F.interpolate(s, size=11, mode="linear"),
        F.interpolate(x[:, :, None], size=(2, 4, 9), mode="trilinear", align_corners=True),
        F.interpolate(x, scale_factor=1.5, mode="nearest"),
        F.interpolate(x, size=(3, 8), mode="nearest-exact"),
        F.interpolate(s, scale_factor=1.3, mode="nearest-exact"),
        F.interpolate(x, size=(3, 2), mode="area"),
        F.pad(x, (1, 2, 0, 3), mode="reflect"),
        F.pad(x, (1, 2, 2, 0), mode="replicate"),
        F.pad(x, (1, 2, 2, 0), mode="circular"),
        F.pad(s, (3, 1), mode="reflect"),
        F.grid_sample(x, grid, align_corners=False),
        F.grid_sample(x, grid * 2, padding_mode="border", align_corners=True),
        F.grid_sample(x, grid * 3, padding_mode="reflection", align_corners=False),
        F.grid_sample(x, grid * 3, padding_mode="reflection", align_corners=True),
        F.grid_sample(x, grid, mode="nearest", align_corners=False),
    ]


@function("loss", lambda: (randn(5, 4), randint(4, 5), randn(5, 4, seed=1), torch.rand(4, generator=torch.Generator().manual_seed(1)) + 0.5))
def loss(x, target, y, weight):
    p, q = x.softmax(1), y.softmax(1)
    sign = torch.where(y > 0, 1.0, -1.0)
    image, classes = x.reshape(1, 5, 2, 2).expand(2, 5, 2, 2), target[:4].reshape(1, 2, 2).expand(2, 2, 2)
    return [
        F.smooth_l1_loss(x, y, beta=0.5),
        F.soft_margin_loss(x, sign),
        F.kl_div(p.log(), q, reduction="batchmean"),
        F.kl_div(p.log(), q.log(), log_target=True, reduction="sum"),
        F.binary_cross_entropy(p, q),
        F.binary_cross_entropy(p, q, weight=weight, reduction="none"),
        F.binary_cross_entropy_with_logits(x, q, pos_weight=weight),
        F.binary_cross_entropy_with_logits(x, q, weight=weight, reduction="sum"),
        F.poisson_nll_loss(x, q * 3, full=True),
        F.margin_ranking_loss(x, y, sign, margin=0.2),
        F.hinge_embedding_loss(x, sign),
        F.cosine_embedding_loss(x, y, sign[:, 0]),
        F.triplet_margin_loss(x, y, x.flip(0), swap=True),
        F.pairwise_distance(x, y, p=3),
        F.nll_loss(p.log(), target, weight=weight),
        F.nll_loss(p.log(), target, weight=weight, ignore_index=2, reduction="none"),
        F.nll_loss(image.log_softmax(1), classes),
        F.cross_entropy(x, target, weight=weight, label_smoothing=0.1),
        F.cross_entropy(x, target, weight=weight, ignore_index=1, reduction="sum"),
        F.cross_entropy(x, q),
        F.cross_entropy(x, q, weight=weight, label_smoothing=0.2),
        F.cross_entropy(image, classes, ignore_index=3),
        F.mse_loss(x, y),
    ]


@function("random", lambda: (randn(4), torch.tensor([[0.0, 1.0, 3.0]])))
def random(x, weights):
    """What is true of random numbers, whichever they are."""
    u, z, n = torch.rand(4000), torch.randn(4000), torch.randint(3, 8, (4000,))
    dropped = F.dropout(torch.ones(4000) * x[0], 0.25, training=True)
    drawn = torch.multinomial(weights, 4000, replacement=True)
    return [
        (u.mean() - 0.5).abs() < 0.03,
        (u >= 0).all() & (u < 1).all(),
        (u.var() - 1 / 12).abs() < 0.01,
        (z.mean().abs() < 0.08) & ((z.var() - 1).abs() < 0.15),
        ((z**4).mean() - 3).abs() < 0.8,
        n.amin(),
        n.amax(),
        (torch.rand(4000) != u).any(),
        torch.randperm(64).sort().values,
        ((dropped == 0).float().mean() - 0.25).abs() < 0.05,
        (dropped.mean() - x[0]).abs() < 0.1 * x[0].abs(),
        (torch.bernoulli(torch.full((4000,), 0.3)).mean() - 0.3).abs() < 0.05,
        (drawn == 0).any(),
        ((drawn == 2).float().mean() - 0.75).abs() < 0.05,
        torch.multinomial(weights + 1, 3).sort().values,
        torch.rand_like(x).shape[0],
        (F.dropout2d(torch.ones(1, 4000, 2, 2), 0.5, training=True).amax((2, 3)).mean() - 1).abs() < 0.1,
        (F.scaled_dot_product_attention(*[torch.ones(1, 64, 64)] * 3, dropout_p=0.5).mean() - 1).abs() < 0.1,
    ]


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(4, 3, num_layers=2, bidirectional=True, batch_first=True)
        self.gru = nn.GRU(6, 5)
        self.plain = nn.RNN(5, 2, nonlinearity="relu", bias=False)

    def forward(self, x):
        y, state = self.lstm(x)
        z, last = self.gru(y.transpose(0, 1))
        return y, state, z, last, self.plain(z)


case("recurrent", lambda: (randn(2, 5, 4),), lambda: (randn(3, 5, 4),), lambda: ({0: BATCH},))(Recurrent)


@function("rest", lambda: (randn(2, 4, 6, 8), randn(3, 7), randint(9, 11), torch.tensor([0, 3, 3, 8]), randn(9, 4), torch.tensor([1.0, math.nan, math.inf])))
def rest(x, y, n, offsets, table, specials):
    return [
        F.pixel_unshuffle(x, 2),
        torch.channel_shuffle(x, 2),
        *(torch.rot90(y, k) for k in range(4)),
        y.unfold(1, 3, 2),
        x.unfold(-2, 2, 1),
        torch.logspace(0, 2, 5) * y[0, 0],
        torch.isclose(y, y + 1e-9),
        torch.isclose(specials, specials, equal_nan=True),
        torch.isposinf(specials),
        torch.isin(n, torch.tensor([1, 5])),
        F.embedding_bag(n, table, offsets, mode="sum"),
        F.embedding_bag(n, table, offsets, mode="mean", padding_idx=2),
        torch.aminmax(y, dim=1)[0],
        torch.as_strided(y, (3, 2), (2, 5), 1),
        *torch.std_mean(y, 1),
        torch.nanmean(specials[:2]),
        torch.fliplr(y),
        torch.flipud(y),
        torch.narrow_copy(y, 1, 2, 3),
        *torch.unsafe_split(y, 3, 1),
        *torch.tensor_split(y, 3, 1),
        torch.diff(y, n=2),
        torch.diff(y > 0, dim=0),
        torch.float_power(y.abs(), 1.5),
        torch.logaddexp2(y, y.flip(0)),
        torch.linalg.vecdot(y, y.flip(1)),
        torch.dist(y, y.flip(0), 3),
        torch.tensordot(x, x, ([1, -1], [1, 3])),
        torch._weight_norm(y, y[:, :1], 0),
        F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2),
        torch.kron(y, x[0, 0]),
        torch.linalg.matrix_norm(x),
        torch.renorm(y, 2, 0, 1.5),
        torch.repeat_interleave(y, offsets[:3], 0, output_size=6),
        y.sum_to_size(1, 7),
        F.rrelu(y),
        F.multi_margin_loss(y, n[:3] % 7),
        torch.tril_indices(3, 4, -1) + n[0],
        torch.triu_indices(3, 4, 1) + n[0],
    ]


@function("einsum", lambda: (randn(2, 3, 4), randn(2, 4, 5), randn(5, 4), randn(3, 3), randn(4)))
def einsum(a, b, w, square, v):
    return [
        torch.einsum("...ij,...jk->...ik", a, b),
        torch.einsum("...j,kj", a, w),
        torch.einsum("bij,bjk,lk,j->il", a, b, w @ w.T, v),
        torch.einsum("ii->i", square),
        torch.einsum("ii", square),
        torch.einsum("iij->j", square[:, :, None] * v),
        torch.einsum("b...->...b", a),
        torch.linalg.multi_dot([v, w.T, w, b[0]]),
        torch.linalg.multi_dot([a[0], b[0], w]),
        torch.addbmm(a[0] @ b[0], a, b, beta=0.5),
        torch.addr(square, a[0, :, 0], a[1, :, 1]),
        torch.linalg.cross(square, square.flip(0)),
        torch.cdist(a, b.mT[:, :, :4]),
        torch.cdist(a, a, p=1.0),
        F.pdist(a[0]),
    ]


@case("control", lambda: (randn(3, 4), randn(2)), lambda: (-randn(3, 4), -randn(2)))
class Control(nn.Module):
    """Branches, and a part without gradients."""

    def forward(self, x, p):
        y = torch.cond(x.sum() > 0, lambda x, p: (x.sin(), p + 1), lambda x, p: (x.cos() * 2, p - 1), (x, p))
        z = torch.cond(p[0] > 0, lambda x: (x[:, :1] + 1,), lambda x: (x[:, 1:2] - 1,), (x,))
        with torch.no_grad():
            w = x * 3
        return *y, *z, w + 1


@case(
    "loops",
    lambda: (randn(3, 4).abs() + 1,),
    again=lambda: (randn(5, 4).abs() * 40 + 1,),
    dynamic=lambda: ({0: BATCH},),
)
class Loops(nn.Module):
    """Loops that values end: Newton's iteration, powers of a layer, one in another, and one of no round."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        root = while_loop(
            lambda i, g: ((g * g - x).abs() > 1e-3 * x).any(),
            lambda i, g: (i + 1, (g + x / g) * 0.5),
            (torch.zeros((), dtype=torch.int64), x.clone()),
        )
        fixed = while_loop(
            lambda i, h, far: far.clone(),
            lambda i, h, far: (i + 1, torch.tanh(self.layer(h) * 0.2), i < 7),
            (torch.zeros((), dtype=torch.int64), x.clone(), torch.ones((), dtype=torch.bool)),
        )

        def doubled(a):
            return while_loop(lambda a: a.sum() < 1000, lambda a: (a * 2,), (a,))

        nested = while_loop(
            lambda i, a: i < 3,
            lambda i, a: (i + 1, doubled(a * 0.01)[0] + 1),
            (torch.zeros((), dtype=torch.int64), x.clone()),
        )
        never = while_loop(lambda a: a.sum() < 0, lambda a: (a * 2,), (x.clone(),))
        return {"root": root, "fixed": fixed[1], "nested": nested[1], "never": never[0]}


@function(
    "backward",
    lambda: (randn(2, 4, 6, 5), randn(6, 2, 3, 3), randn(2, 6, 3, 3), randn(2, 4, 3, 2), randint(7, 2, 3), randn(2, 3, 4), randn(4)),
)
def backward(x, w, dy, dp, index, de, v):
    aten = torch.ops.aten
    y, places = F.max_pool2d(x, 2, return_indices=True)
    mean, rstd = (f(torch.stack([x.mean((2, 3)), x.var((2, 3), correction=0)]), i) for i, f in enumerate([lambda s, i: s[i], lambda s, i: (s[i] + 1e-5).rsqrt()]))
    _, m, r = aten.native_layer_norm(de, [4], v, v, 1e-5)
    return [
        *aten.convolution_backward(dy, x, w, [6], [2, 2], [1, 1], [1, 1], False, [0, 0], 2, [True, True, True]),
        aten.max_pool2d_with_indices_backward(y, x, [2, 2], [2, 2], [0, 0], [1, 1], False, places),
        aten.avg_pool2d_backward(dp, x, [2, 2], [2, 2], [0, 0], False, True, None),
        aten._adaptive_avg_pool2d_backward(dp, x),
        aten.embedding_dense_backward(de, index, 7, 2, False),
        *aten.native_layer_norm_backward(de * 2, de, [4], m, r, v, v, [True, True, True]),
        *aten.native_group_norm_backward(x * 2, x, mean, rstd, v, 2, 4, 30, 4, [True, True, True]),
        aten._softmax_backward_data(de, de.softmax(1), 1, torch.float32) if de.dtype == torch.float32 else aten._softmax_backward_data(de, de.softmax(1), 1, torch.float64),
        aten.threshold_backward(de, de, 0.1),
    ]


@case("float8", lambda: (randn(4, 32) * 30, randn(16, 32), randn(6)))
class Float8(nn.Module):
    """Floats of 8 bits: converted, moved, looked at as bytes, kept as weights, and multiplied."""

    def __init__(self):
        super().__init__()
        self.register_buffer("weight", randn(16, 32, seed=1).to(torch.float8_e4m3fn))
        self.register_buffer("other", randn(3, 5, seed=2).to(torch.float8_e5m2fnuz))
        self.scales = torch.rand(16, generator=torch.Generator().manual_seed(3)) + 0.5

    def forward(self, x, y, z):
        formats = [torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz]
        far = torch.cat([z * 1e3, z * 1e6, z * 1e-3, z / 0])
        narrow = [far.to(format) for format in formats]
        a, b = x.to(torch.float8_e4m3fn), y.to(torch.float8_e5m2)
        one, two = torch.tensor(0.5), torch.tensor(3.0)
        each, bias = self.scales.float(), self.scales.to(torch.bfloat16)
        return {
            "narrow": narrow,
            "wide": [z.float() for z in narrow] + [narrow[1].to(torch.bfloat16), narrow[0].to(torch.bool)],
            "between": narrow[1].to(torch.float8_e4m3fn),
            "bits": (narrow[0].view(torch.uint8), narrow[0].view(torch.int8).view(torch.float8_e5m2)),
            "moved": (a.t()[1:3], torch.cat([a, a], 1), b.reshape(4, 128)[:, ::2], torch.stack([b, b]), self.other.t()),
            "full": torch.full((3,), 0.3, dtype=torch.float8_e4m3fn),
            "product": torch._scaled_mm(a, self.weight.t(), scale_a=one, scale_b=two, out_dtype=torch.float32),
            "biased": torch._scaled_mm(a, b.t(), one, two, bias=bias, out_dtype=torch.bfloat16),
            "rows": torch._scaled_mm(a, b.t(), each[:4, None], each[None], out_dtype=torch.float32),
            "scaled": self.weight.float() * self.scales[:, None],
        }


@function("complex", lambda: (randn(2, 6, 8), randn(2, 6, 8, seed=1)))
def complex_numbers(x, y):
    z, pairs = torch.complex(x, y), torch.view_as_complex(x.reshape(2, 6, 4, 2))
    angles = torch.outer(torch.arange(6.0), 100.0 ** (-torch.arange(4.0) / 4))
    turned = pairs * torch.polar(torch.ones_like(angles), angles)
    long = torch.cat([x.flatten(), y.flatten(), x[0, 0]])
    return {
        "rope": torch.view_as_real(turned).flatten(2),
        "parts": (z.real, z.imag, z.abs(), z.angle(), z.conj().imag),
        "filter": torch.fft.irfft(torch.fft.rfft(x) * torch.fft.rfft(y), n=8),
        "transform": torch.view_as_real(torch.fft.fft(long)),
        "back": torch.fft.ifft2(torch.fft.fft2(z, norm="ortho"), norm="ortho").real,
        "odd": torch.fft.irfft(torch.fft.rfft(x[..., :7]), n=7),
        "functions": [torch.view_as_real(f(z)) for f in [torch.exp, torch.sqrt, torch.tanh, torch.log, torch.square]],
        "product": torch.view_as_real(z @ z.mH + (2 - 1j) * (z @ z.mT)),
    }


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
