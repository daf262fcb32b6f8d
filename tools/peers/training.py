"""A peer of the benchmark `peers` on training: `training.py torch|torch.compile|xla THREADS`.

Cases are as in kernels.py. The sizes of Llama are layers, width, heads, width of the feed-forward part, batch and tokens; its
step gives the gradients of the mean square by all weights. Those of GPT are vocabulary, width, layers, heads, batch and
tokens; its step updates weights by AdamW.
"""

import sys

import peer


def torch_cases(threads, compiled):
    import torch
    from torch_models import Gpt, Llama, rotary

    torch.manual_seed(0)
    torch.set_num_threads(threads)
    wrapped = torch.compile if compiled else lambda function: function

    def llama(name, layers, width, heads, intermediate, batch, tokens):
        model = Llama(layers, width, heads, intermediate)
        function = wrapped(model)
        x = torch.randn(batch, tokens, width)
        cos, sin = (table.float() for table in rotary(tokens, width // heads))

        def forward():
            with torch.no_grad():
                function(x, cos, sin)

        def step():
            function(x, cos, sin).square().mean().backward()
            for parameter in model.parameters():
                parameter.grad = None

        return {"llama_forward": forward, "llama_step": step}[name]

    def gpt(vocabulary, width, layers, heads, batch, tokens):
        model = Gpt(vocabulary, tokens, width, layers, heads)
        function = wrapped(model)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
        inputs, targets = (torch.randint(vocabulary, (batch, tokens)) for _ in range(2))

        def step():
            function(inputs, targets).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

        return step

    def case(name, sizes):
        torch._dynamo.reset()
        return gpt(*sizes) if name == "gpt_step" else llama(name, *sizes)

    return case


def xla_cases():
    import jax
    import jax.numpy as jnp

    def normal(number, *sizes):
        return 0.02 * jax.random.normal(jax.random.key(number), sizes, jnp.float32)

    def attention(query, key, value):
        """Of `[batch, heads, tokens, depth]`."""
        tokens, depth = query.shape[-2:]
        scores = query @ key.swapaxes(-1, -2) / depth**0.5
        scores = jnp.where(jnp.tril(jnp.ones((tokens, tokens), bool)), scores, -jnp.inf)
        return jax.nn.softmax(scores, -1) @ value

    def split(x, heads):
        return x.reshape(*x.shape[:2], heads, -1).swapaxes(1, 2)

    def merged(x):
        return x.swapaxes(1, 2).reshape(x.shape[0], x.shape[2], -1)

    def rms_norm(x, weight):
        return x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-5) * weight

    def llama(name, layers, width, heads, intermediate, batch, tokens):
        def layer(n):
            parts = {part: normal(n, width, width) for part in "qkvo"}
            mlp = dict(gate=normal(n, intermediate, width), up=normal(n, intermediate, width), down=normal(n, width, intermediate))
            return dict(norm1=jnp.ones(width), norm2=jnp.ones(width), **parts, **mlp)

        parameters = [layer(n) for n in range(layers)]
        depth = width // heads
        angles = jnp.arange(tokens)[:, None] * (10000.0 ** (-jnp.arange(0, depth, 2) / depth))[None]
        angles = jnp.concatenate((angles, angles), -1)
        cos, sin = jnp.cos(angles), jnp.sin(angles)

        def rotated(z):
            first, second = jnp.split(z, 2, -1)
            return z * cos + jnp.concatenate((-second, first), -1) * sin

        def forward(parameters, x):
            for p in parameters:
                y = rms_norm(x, p["norm1"])
                query, key, value = (split(y @ p[part].T, heads) for part in "qkv")
                x = x + merged(attention(rotated(query), rotated(key), value)) @ p["o"].T
                y = rms_norm(x, p["norm2"])
                x = x + (jax.nn.silu(y @ p["gate"].T) * (y @ p["up"].T)) @ p["down"].T
            return x

        step = jax.grad(lambda parameters, x: (forward(parameters, x) ** 2).mean())
        function = jax.jit({"llama_forward": forward, "llama_step": step}[name])
        x = normal(layers, batch, tokens, width)
        return lambda: jax.block_until_ready(function(parameters, x))

    def layer_norm(x, weight, bias):
        centered = x - x.mean(-1, keepdims=True)
        return centered * jax.lax.rsqrt((centered * centered).mean(-1, keepdims=True) + 1e-5) * weight + bias

    def gpt(vocabulary, width, layers, heads, batch, tokens):
        def linear(n, outputs, inputs):
            return normal(n, outputs, inputs), jnp.zeros(outputs)

        def norm():
            return jnp.ones(width), jnp.zeros(width)

        def layer(n):
            attention = dict(attn=linear(n, 3 * width, width), proj=linear(n, width, width))
            mlp = dict(inner=linear(n, 4 * width, width), outer=linear(n, width, 4 * width))
            return dict(norm1=norm(), norm2=norm(), **attention, **mlp)

        parameters = dict(
            wte=normal(100, vocabulary, width), wpe=normal(101, tokens, width), norm=norm(), h=[layer(n) for n in range(layers)]
        )

        def loss(parameters, inputs, targets):
            x = parameters["wte"][inputs] + parameters["wpe"]
            dense = lambda x, p: x @ p[0].T + p[1]
            for p in parameters["h"]:
                parts = jnp.split(dense(layer_norm(x, *p["norm1"]), p["attn"]), 3, -1)
                x = x + dense(merged(attention(*(split(part, heads) for part in parts))), p["proj"])
                y = jax.nn.gelu(dense(layer_norm(x, *p["norm2"]), p["inner"]), approximate=True)
                x = x + dense(y, p["outer"])
            logits = layer_norm(x, *parameters["norm"]) @ parameters["wte"].T
            chosen = jnp.take_along_axis(logits, targets[..., None], -1)[..., 0]
            return (jax.nn.logsumexp(logits, -1) - chosen).mean()

        def step(state, inputs, targets):
            parameters, first, second, count = state
            value, gradients = jax.value_and_grad(loss)(parameters, inputs, targets)
            norm = jnp.sqrt(sum((g * g).sum() for g in jax.tree.leaves(gradients)))
            gradients = jax.tree.map(lambda g: g * jnp.minimum(1.0, 1.0 / (norm + 1e-6)), gradients)
            count = count + 1
            first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradients)
            second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradients)

            def updated(p, m, v):
                m, v = m / (1 - 0.9**count), v / (1 - 0.999**count)
                return p * (1 - 1e-3 * 1e-2) - 1e-3 * m / (jnp.sqrt(v) + 1e-8)

            return (jax.tree.map(updated, parameters, first, second), first, second, count), value

        zeros = lambda: jax.tree.map(jnp.zeros_like, parameters)
        state = [(parameters, zeros(), zeros(), jnp.zeros((), jnp.float32))]
        inputs, targets = (jax.random.randint(jax.random.key(n), (batch, tokens), 0, vocabulary) for n in range(2))
        function = jax.jit(step, donate_argnums=0)

        def call():
            state[0], value = function(state[0], inputs, targets)
            jax.block_until_ready((state[0], value))

        return call

    return lambda name, sizes: gpt(*sizes) if name == "gpt_step" else llama(name, *sizes)


if __name__ == "__main__":
    threads = int(sys.argv[2])
    peer.pin(threads)
    # Libraries report progress where the answers go.
    answers, sys.stdout = sys.stdout, sys.stderr
    which = sys.argv[1]
    peer.serve(xla_cases() if which == "xla" else torch_cases(threads, which == "torch.compile"), answers)
