"""A peer of the benchmark `peers` on single kernels: `kernels.py torch|torch.compile|xla THREADS`.

Reads a case a line, `NAME SIZES SECONDS`, and answers each with a line of JSON: the median time of a call in
microseconds, or why there is none.
"""

import sys

import peer


def torch_cases(threads, compiled):
    import torch
    import torch.nn.functional as F

    torch.manual_seed(0)
    torch.set_num_threads(threads)
    random = torch.randn

    def rms_norm(x, w):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * w

    def case(name, n):
        if name == "copy":
            if compiled:
                raise ValueError("there is nothing to compile")
            x, y = random(n), torch.empty(n)
            return lambda: y.copy_(x)
        function, arguments = {
            "bias_gelu": (lambda x, b: F.gelu(x + b, approximate="tanh"), lambda: (random(n), random(n[1]))),
            "rms_norm": (rms_norm, lambda: (random(n), random(n[1]))),
            "softmax": (lambda x: F.softmax(x, -1), lambda: (random(n),)),
            "layer_norm": (
                lambda x, w, b: F.layer_norm(x, (n[1],), w, b),
                lambda: (random(n), random(n[1]), random(n[1])),
            ),
            "matmul": (torch.matmul, lambda: (random(n[0], n[2]), random(n[2], n[1]))),
            "linear_gelu": (
                lambda x, w, b: F.gelu(F.linear(x, w, b), approximate="tanh"),
                lambda: (random(n[0], n[2]), random(n[1], n[2]), random(n[1])),
            ),
            "conv2d": (
                lambda x, w: F.conv2d(x, w, padding=1),
                lambda: (random(n[:4]), random(n[4], n[1], n[5], n[6])),
            ),
        }[name]
        arguments = arguments()
        torch._dynamo.reset()
        function = torch.compile(function) if compiled else function

        def call():
            with torch.no_grad():
                function(*arguments)

        return call

    return case


def xla_cases():
    import jax
    import jax.numpy as jnp

    key = jax.random.key(0)

    def random(*n):
        return jax.random.normal(key, n, jnp.float32)

    def rms_norm(x, w):
        return x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-5) * w

    def layer_norm(x, w, b):
        centered = x - x.mean(-1, keepdims=True)
        return centered * jax.lax.rsqrt((centered * centered).mean(-1, keepdims=True) + 1e-5) * w + b

    def conv2d(x, w):
        return jax.lax.conv(x, w, (1, 1), "SAME")

    def case(name, n):
        if name == "copy":
            raise ValueError("arrays do not change, and copies of them may be the arrays")
        function, arguments = {
            "bias_gelu": (lambda x, b: jax.nn.gelu(x + b, approximate=True), lambda: (random(*n), random(n[1]))),
            "rms_norm": (rms_norm, lambda: (random(*n), random(n[1]))),
            "softmax": (lambda x: jax.nn.softmax(x, -1), lambda: (random(*n),)),
            "layer_norm": (layer_norm, lambda: (random(*n), random(n[1]), random(n[1]))),
            "matmul": (jnp.matmul, lambda: (random(n[0], n[2]), random(n[2], n[1]))),
            "linear_gelu": (
                lambda x, w, b: jax.nn.gelu(x @ w.T + b, approximate=True),
                lambda: (random(n[0], n[2]), random(n[1], n[2]), random(n[1])),
            ),
            "conv2d": (conv2d, lambda: (random(*n[:4]), random(n[4], n[1], n[5], n[6]))),
        }[name]
        arguments = [jax.block_until_ready(argument) for argument in arguments()]
        function = jax.jit(function)
        return lambda: function(*arguments).block_until_ready()

    return case


if __name__ == "__main__":
    threads = int(sys.argv[2])
    peer.pin(threads)
    which = sys.argv[1]
    peer.serve(xla_cases() if which == "xla" else torch_cases(threads, which == "torch.compile"))
