"""Writes gradients.safetensors: gradients as PyTorch computes them in float64.

Each case is a function of gradients.mlir of the same name. The file has its arguments as `NAME.0`, `NAME.1`, ..., a
cotangent of each result as `NAME.cotangent.0`, ..., and the gradient of each argument of floats as `NAME.grad.0`, ...

    python tests/goldens/gradients.py

takes PyTorch and safetensors; the tests do not.
"""

import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

torch.manual_seed(0)
CASES = {}
TENSORS = {}


def normal(*shape):
    return torch.randn(shape, dtype=torch.float64)


def floats(*values):
    return torch.tensor(values, dtype=torch.float64)


def case(*arguments):
    """Registers a function under its name, with its arguments."""

    def register(function):
        CASES[function.__name__] = (function, arguments)
        return function

    return register


# Kinks: the value at the kink is among the elements.
KINKS = floats(-3.5, -3.0, -1.0, -0.5, 0.0, 0.25, 1.0, 3.0, 3.5)


@case(KINKS)
def relu(x):
    return F.relu(x)


@case(KINKS)
def absolute(x):
    return x.abs()


@case(KINKS)
def clamp(x):
    return x.clamp(-0.5, 1.0)


@case(KINKS)
def leaky_relu(x):
    return F.leaky_relu(x, 0.25)


@case(KINKS)
def elu(x):
    return F.elu(x, 0.5)


@case(KINKS)
def hard_sigmoid(x):
    # F.hardsigmoid's gradient has 1/6 in single precision.
    return F.relu6(x + 3) / 6


@case(floats(-3.5, -2.5, -1.0, 0.0, 0.25, 2.5, 3.5))
def hard_swish(x):
    return F.hardswish(x)


@case(KINKS)
def steps(x):
    return x.floor() + x.ceil() + x.round() + x.trunc() + x.sign()


@case(floats(1.0, 2.0, 3.0, -1.0), floats(1.0, 3.0, 2.0, -1.0))
def extremes_of_two(x, y):
    return torch.maximum(x, y) * 2 + torch.minimum(x, y)


@case(floats(1.0, 3.0, 3.0, 2.0, -1.0, 2.0, 2.0, 2.0).reshape(2, 4))
def extremes_of_many(x):
    return x.amax(1), x.amin(1, keepdim=True)


@case(floats(2.0, 3.0, 4.0, 0.0, 3.0, 4.0, 0.0, 0.0, 4.0).reshape(3, 3))
def product(x):
    return x.prod(1)


@case(normal(3, 5).abs() + 0.1, normal(3, 5))
def power(x, y):
    return x**y


@case(floats(0.0, 2.0, 0.0, 3.0), floats(2.0, 0.0, 0.0, 3.0))
def power_of_zero(x, y):
    return x**y


@case(normal(3, 5) * 4, normal(3, 5).abs() + 0.5)
def remainders(x, y):
    return torch.fmod(x, y) * 2 + torch.remainder(-x, y)


@case(normal(3, 5), normal(3, 5))
def angle(x, y):
    return torch.atan2(x, y)


@case(normal(3, 5), normal(3, 5), torch.rand(3, 5, dtype=torch.float64) * 2 - 0.5)
def lerp(x, y, w):
    return torch.lerp(x, y, w)


@case(normal(3, 7) * 3)
def activations(x):
    smooth = F.silu(x) + F.mish(x) * 2 + F.softplus(x) * 3 + torch.sigmoid(x) * 4 + torch.tanh(x) * 5
    return smooth + F.gelu(x) * 6 + F.gelu(x, approximate="tanh") * 7


@case(floats(0.0, -0.0, 30.0, -30.0, 1e-3))
def activations_far_and_near(x):
    return F.silu(x), F.mish(x), F.softplus(x), torch.sigmoid(x), F.gelu(x)


@case(normal(3, 5, 4) * 3)
def softmax(x):
    return F.softmax(x, 1)


@case(normal(3, 5) * 3)
def log_softmax(x):
    return F.log_softmax(x, 1)


@case(normal(6, 5), torch.tensor([[0], [4], [2], [2], [1], [4]]))
def cross_entropy(x, i):
    return F.cross_entropy(x, i.squeeze(1))


@case(normal(7, 3), torch.tensor([[1, 1, 6], [0, 1, 6]]))
def embedding(w, i):
    return F.embedding(i, w)


@case(normal(4, 5), torch.tensor([[0, 0, 4], [2, 1, 2], [3, 3, 3], [0, 1, 2]]))
def take_along_axis(x, i):
    return torch.gather(x, 1, i)


@case(normal(4, 3), torch.tensor([1, 1, 3]), normal(3, 3))
def index_add(x, i, u):
    return x.index_add(0, i, u)


@case(normal(3, 5))
def variance(x):
    variance, mean = torch.var_mean(x, 1)
    return variance, mean


@case(normal(3, 5))
def cumsum(x):
    return x.cumsum(0)


@case(normal(2, 3, 8), normal(8), normal(8))
def layer_norm(x, w, b):
    return F.layer_norm(x, (8,), w, b, 1e-5)


@case(normal(2, 3, 8), normal(8))
def rms_norm(x, w):
    return F.rms_norm(x, (8,), w, 1e-6)


@case(normal(2, 6, 3, 2), normal(6), normal(6))
def group_norm(x, w, b):
    return F.group_norm(x, 3, w, b, 1e-5)


@case(normal(2, 3, 4), normal(3), normal(3).abs() + 0.1, normal(3), normal(3))
def batch_norm(x, m, v, w, b):
    return w[:, None] * (x - m[:, None]) / torch.sqrt(v[:, None] + 1e-5) + b[:, None]


@case(normal(2, 3, 8), normal(5, 8), normal(5))
def linear(x, w, b):
    return F.linear(x, w, b)


@case(normal(2, 3, 4), normal(2, 4, 5))
def matmul(x, y):
    return x @ y


@case(normal(2, 6, 9), normal(4, 3, 3), normal(4))
def convolution_1d(x, w, b):
    return F.conv1d(x, w, b, stride=2, padding=1, dilation=2, groups=2)


@case(normal(2, 3, 7, 8), normal(4, 3, 3, 2))
def convolution_2d(x, w):
    return F.conv2d(x, w, stride=(2, 1), padding=(2, 0), dilation=(1, 3))


@case(normal(1, 2, 4, 5, 3), normal(3, 2, 2, 2, 2))
def convolution_3d(x, w):
    return F.conv3d(x, w, stride=(1, 2, 1))


@case(torch.randint(-2, 3, (2, 2, 7, 6), generator=torch.Generator().manual_seed(3)).double())
def max_pool(x):
    return F.max_pool2d(x, (3, 2), stride=(2, 1), padding=(1, 0))


@case(normal(1, 2, 7, 6))
def avg_pool(x):
    return F.avg_pool2d(x, 3, stride=2, padding=1)


@case(normal(1, 2, 7, 6))
def avg_pool_without_padding(x):
    return F.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)


@case(normal(2, 3, 5, 4), normal(2, 3, 6, 4), normal(2, 3, 6, 4))
def attention(q, k, v):
    return F.scaled_dot_product_attention(q, k, v)


@case(normal(1, 2, 5, 4), normal(1, 2, 5, 4), normal(1, 2, 5, 3))
def attention_causal(q, k, v):
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


@case(normal(2, 4, 3, 4), normal(2, 2, 5, 4), normal(2, 2, 5, 6))
def attention_grouped(q, k, v):
    return F.scaled_dot_product_attention(q, k, v, scale=0.3, enable_gqa=True)


@case(normal(2, 2, 3, 4), normal(2, 2, 5, 4), normal(2, 2, 5, 4), normal(2, 1, 3, 5))
def attention_biased(q, k, v, m):
    return F.scaled_dot_product_attention(q, k, v, attn_mask=m)


@case(normal(1, 2, 3, 4), normal(1, 2, 5, 4), normal(1, 2, 5, 4), torch.rand(3, 5) > 0.4)
def attention_masked(q, k, v, m):
    return F.scaled_dot_product_attention(q, k, v, attn_mask=m)


for name, (function, arguments) in CASES.items():
    arguments = [a.detach().clone().requires_grad_(a.is_floating_point()) for a in arguments]
    results = function(*arguments)
    results = results if isinstance(results, tuple) else (results,)
    cotangents = [normal(*result.shape) for result in results]
    torch.autograd.backward(results, cotangents)
    for i, argument in enumerate(arguments):
        TENSORS[f"{name}.{i}"] = argument.detach().contiguous()
        if argument.requires_grad:
            gradient = torch.zeros_like(argument) if argument.grad is None else argument.grad
            TENSORS[f"{name}.grad.{i}"] = gradient.contiguous()
    for i, cotangent in enumerate(cotangents):
        TENSORS[f"{name}.cotangent.{i}"] = cotangent.contiguous()

save_file(TENSORS, pathlib.Path(__file__).with_suffix(".safetensors"), {"torch": torch.__version__.split("+")[0]})
