"""What the benchmark of GPUs measures: each case as a module of ours and as a function of PyTorch."""

import math
from dataclasses import dataclass, field
from typing import Callable


@dataclass
class Case:
    """A function of tensors, forward or with the gradients of all float inputs."""

    name: str
    sizes: tuple
    # Names, sizes and dtypes of inputs: `x`, (8192, 4096), "bf16".
    inputs: list
    # The body of our function, of `%x` and so on; the last line returns.
    body: str
    result: str
    # The function of PyTorch, given torch and the inputs.
    torch: Callable
    backward: bool = False
    # Bytes that must be read and written, and operations of matrix products.
    bytes: float = 0
    flops: float = 0
    # Inputs of ours that are weights.
    weights: list = field(default_factory=list)
    # Float inputs of which no gradient is wanted.
    fixed: tuple = ()
    # Relative error of the whole that is allowed.
    tolerance: float = 1e-2
    # The function of PyTorch with our random numbers, if it draws any.
    same: Callable = None

    def __post_init__(self):
        self.same = self.same or self.torch

    @property
    def label(self):
        sizes = "x".join(map(str, self.sizes))
        return f"{self.name}{'_step' if self.backward else ''}_{sizes}"

    def differentiated(self):
        """The numbers of the inputs by which is differentiated."""
        inputs = enumerate(self.inputs)
        return [number for number, (name, _, dtype) in inputs if dtype == "bf16" and name not in self.fixed]

    def module(self):
        """The text that thunder-compile reads."""
        argument = lambda name, sizes, dtype: f"%{name}: {tensor(sizes, dtype.split(':')[0])}" + (
            f' {{thunder.parameter = "{name}"}}' if name in self.weights else ""
        )
        arguments = ", ".join(argument(*input) for input in self.inputs)
        return f"func.func @main({arguments}) -> {self.result} {{\n{self.body}\n}}\n"


def tensor(sizes, dtype="bf16"):
    return f"tensor<{''.join(f'{size}x' for size in sizes)}{dtype}>"


def elements(sizes):
    return math.prod(sizes)


def kernels():
    """Kernels, forward and with gradients, in bf16."""
    cases = []

    def add(name, sizes, inputs, body, result, torch, moved, moved_step, **more):
        """`moved`: elements of 16 bits that are read and written, forward and with gradients."""
        for backward, count in ((False, moved), (True, moved_step)):
            if count:
                case = Case(name, sizes, inputs, body, result, torch, backward, bytes=2 * count, **more)
                cases.append(case)

    for rows, columns in ((2048, 2048), (8192, 4096), (16384, 8192)):
        n, sizes = rows * columns, (rows, columns)
        t, row = tensor(sizes), tensor((columns,))
        x, w, b = ("x", sizes, "bf16"), ("w", (columns,), "bf16"), ("b", (columns,), "bf16")
        add(
            "bias_gelu", sizes, [x, b],
            f"""%r = thunder.broadcast_in_dim %b, [] dims = [1] : {row} -> {t}
            %s = thunder.add %x, %r : {t}
            %y = thunder.gelu %s approximate = tanh : {t}
            return %y : {t}""",
            t, lambda torch, x, b: torch.nn.functional.gelu(x + b, approximate="tanh"), 2 * n, 4 * n,
        )
        add(
            "rms_norm", sizes, [x, w],
            f"""%y = thunder.rms_norm %x weight(%w) eps = 1.0e-5 : ({t}, {row}) -> {t}
            return %y : {t}""",
            t, lambda torch, x, w: torch.nn.functional.rms_norm(x, w.shape, w, 1e-5), 2 * n, 4 * n,
        )
        add(
            "layer_norm", sizes, [x, w, b],
            f"""%y = thunder.layer_norm %x weight(%w) bias(%b) eps = 1.0e-5 : ({t}, {row}, {row}) -> {t}
            return %y : {t}""",
            t, lambda torch, x, w, b: torch.nn.functional.layer_norm(x, w.shape, w, b), 2 * n, 4 * n,
        )
        add(
            "residual_norm", sizes, [x, ("z", sizes, "bf16"), w],
            f"""%s = thunder.add %x, %z : {t}
            %y = thunder.rms_norm %s weight(%w) eps = 1.0e-5 : ({t}, {row}) -> {t}
            return %s, %y : {t}, {t}""",
            f"({t}, {t})",
            lambda torch, x, z, w: ((s := x + z), torch.nn.functional.rms_norm(s, w.shape, w, 1e-5)), 4 * n, 8 * n,
        )
        add(
            "softmax", sizes, [x],
            f"""%y = thunder.softmax %x axis = 1 : {t}
            return %y : {t}""",
            t, lambda torch, x: torch.softmax(x, -1), 2 * n, 4 * n,
        )
        add(
            "swiglu", sizes, [x, ("z", sizes, "bf16")],
            f"""%s = thunder.silu %x : {t}
            %y = thunder.mul %s, %z : {t}
            return %y : {t}""",
            t, lambda torch, x, z: torch.nn.functional.silu(x) * z, 3 * n, 6 * n,
        )
        counts, words, scale = tensor(sizes, "i64"), tensor(sizes, "i32"), 1 / (1 - DROPPED)
        add(
            "dropout_norm", sizes, [x, ("z", sizes, "bf16"), w, ("seed", (), "i64:1000000")],
            f"""%i = thunder.iota axis = 0 : {counts}
            %j = thunder.iota axis = 1 : {counts}
            %c = thunder.full [] value = {columns} : i64 : {counts}
            %l = thunder.full [] value = {threshold()} : i32 : {words}
            %h = thunder.full [] value = {scale} : bf16 : {t}
            %o = thunder.full [] value = 0.0 : bf16 : {t}
            %m = thunder.mul %i, %c : {counts}
            %n = thunder.add %m, %j : {counts}
            %k = thunder.broadcast_in_dim %seed, [] dims = [] : tensor<i64> -> {counts}
            %r = thunder.philox_word %n, %k : ({counts}, {counts}) -> {words}
            %e = thunder.ge %r, %l : ({words}, {words}) -> {tensor(sizes, "i1")}
            %a = thunder.mul %x, %h : {t}
            %d = thunder.where %e, %a, %o : ({tensor(sizes, "i1")}, {t}, {t}) -> {t}
            %s = thunder.add %z, %d : {t}
            %y = thunder.rms_norm %s weight(%w) eps = 1.0e-5 : ({t}, {row}) -> {t}
            return %s, %y : {t}, {t}""",
            f"({t}, {t})", dropout_norm, 4 * n, 8 * n, same=dropout_norm_as_ours,
        )
        turned = tensor((columns, rows))
        add(
            "transpose_exp", sizes, [x],
            f"""%t = thunder.transpose %x permutation = [1, 0] : {t} -> {turned}
            %y = thunder.exp %t : {turned}
            return %y : {turned}""",
            turned, lambda torch, x: x.t().exp().contiguous(), 2 * n, 0,
        )
        add(
            "column_sum", sizes, [x],
            f"""%w = thunder.convert %x : {t} -> {tensor(sizes, 'f32')}
            %s = thunder.sum %w axes = [0] : {tensor(sizes, 'f32')} -> {tensor((columns,), 'f32')}
            return %s : {tensor((columns,), 'f32')}""",
            tensor((columns,), "f32"), lambda torch, x: x.float().sum(0), n, 0,
        )
        add(
            "mean_square", sizes, [x],
            f"""%w = thunder.convert %x : {t} -> {tensor(sizes, 'f32')}
            %q = thunder.mul %w, %w : {tensor(sizes, 'f32')}
            %s = thunder.mean %q axes = [0, 1] : {tensor(sizes, 'f32')} -> tensor<f32>
            return %s : tensor<f32>""",
            "tensor<f32>", lambda torch, x: x.float().square().mean(), n, 0,
        )
    for rows, classes in ((4096, 32000), (1024, 128256), (16384, 8192), (300, 100000)):
        n, sizes = rows * classes, (rows, classes)
        t, targets, losses = tensor(sizes), tensor((rows,), "i64"), tensor((rows,))
        add(
            "cross_entropy", sizes, [("x", sizes, "bf16"), ("t", (rows,), f"i64:{classes}")],
            f"""%y = thunder.cross_entropy %x, %t : ({t}, {targets}) -> {losses}
            return %y : {losses}""",
            losses, lambda torch, x, t: torch.nn.functional.cross_entropy(x, t, reduction="none"), n, 2 * n,
        )
    for heads, tokens in ((8, 1024), (32, 4096), (64, 8192)):
        sizes, width = (1, heads, tokens, 128), 128
        n, t, table = heads * tokens * width, tensor(sizes), tensor((tokens, width))
        half = tensor((*sizes[:3], width // 2))
        add(
            "rope", sizes, [("x", sizes, "bf16"), ("cos", (tokens, width), "bf16"), ("sin", (tokens, width), "bf16")],
            f"""%l = thunder.slice %x start = [0, 0, 0, 0] limit = [1, {heads}, {tokens}, 64] stride = [1, 1, 1, 1] : {t} -> {half}
            %h = thunder.slice %x start = [0, 0, 0, 64] limit = [1, {heads}, {tokens}, 128] stride = [1, 1, 1, 1] : {t} -> {half}
            %m = thunder.neg %h : {half}
            %r = thunder.concat %m, %l axis = 3 : ({half}, {half}) -> {t}
            %c = thunder.broadcast_in_dim %cos, [] dims = [2, 3] : {table} -> {t}
            %s = thunder.broadcast_in_dim %sin, [] dims = [2, 3] : {table} -> {t}
            %a = thunder.mul %x, %c : {t}
            %b = thunder.mul %r, %s : {t}
            %y = thunder.add %a, %b : {t}
            return %y : {t}""",
            t, rope, 2 * n, 4 * n, fixed=("cos", "sin"),
        )
    sizes = (1 << 20, 64)
    t = tensor(sizes)
    add(
        "column_sum", sizes, [("x", sizes, "bf16")],
        f"""%s = thunder.sum %x axes = [0] : {t} -> {tensor(sizes[1:])}
        return %s : {tensor(sizes[1:])}""",
        tensor(sizes[1:]), lambda torch, x: x.sum(0), elements(sizes), 0,
    )
    sizes = (16, 1 << 20)
    t = tensor(sizes)
    add(
        "softmax", sizes, [("x", sizes, "bf16")],
        f"""%y = thunder.softmax %x axis = 1 : {t}
        return %y : {t}""",
        t, lambda torch, x: torch.softmax(x, -1), 2 * elements(sizes), 0,
    )
    return cases


# The share of elements that dropout sets to zero.
DROPPED = 0.1


def threshold():
    """What random integers of 32 bits are less than with the probability that an element is dropped."""
    return int(DROPPED * 2**32) - 2**31


def dropout_norm(torch, x, z, w, seed, dropped=None):
    dropped = torch.nn.functional.dropout(x, DROPPED) if dropped is None else dropped
    s = z + dropped
    return s, torch.nn.functional.rms_norm(s, w.shape, w, 1e-5)


def dropout_norm_as_ours(torch, x, z, w, seed):
    counter = torch.arange(x.numel(), device=x.device).view(x.shape)
    kept = philox(torch, counter, seed) >= threshold()
    return dropout_norm(torch, x, z, w, seed, torch.where(kept, x / (1 - DROPPED), 0))


def philox(torch, counter, key):
    """32 bits of Philox4x32-10 for each counter: one of the four words of its block."""
    low, high = (lambda x: x & 0xFFFFFFFF), (lambda x: (x >> 32) & 0xFFFFFFFF)
    block = counter >> 2
    a, b, c, d, k, l = low(block), high(block), 0 * block, 0 * block, low(key), high(key)
    for _ in range(10):
        p, q = a * 0xD2511F53, c * 0xCD9E8D57
        a, b, c, d = high(q) ^ b ^ k, low(q), high(p) ^ d ^ l, low(p)
        k, l = low(k + 0x9E3779B9), low(l + 0xBB67AE85)
    return torch.stack([a, b, c, d]).gather(0, (counter & 3)[None])[0].to(torch.int32)


def rope(torch, x, cos, sin):
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat((-b, a), -1) * sin


def products():
    """Matrix products with what follows them, and attention."""
    cases = []
    for m, n, k in ((4096, 4096, 4096), (8192, 11008, 4096)):
        x, w, b, y = tensor((m, k)), tensor((n, k)), tensor((n,)), tensor((m, n))
        for name, more in (("linear", ""), ("linear_gelu", "%g = thunder.gelu %y approximate = tanh : {y}")):
            last = "%g" if more else "%y"

            def torch(torch, x, w, b, gelu=bool(more)):
                y = torch.nn.functional.linear(x, w, b)
                return torch.nn.functional.gelu(y, approximate="tanh") if gelu else y

            cases.append(
                Case(
                    name, (m, n, k),
                    [("x", (m, k), "bf16"), ("w", (n, k), "bf16"), ("b", (n,), "bf16")],
                    f"%y = thunder.linear %x, %w bias(%b) : ({x}, {w}, {b}) -> {y}\n"
                    f"{more.format(y=y)}\nreturn {last} : {y}",
                    y, torch, flops=2 * m * n * k,
                )
            )
        # Floats of 8 bits, twice as fast as those whose rate the limit is.
        def product(torch, x, w, s, t):
            # The reference has wider numbers.
            is_narrow = x.dtype == torch.float8_e4m3fn
            return torch._scaled_mm(x, w.t(), s, t, out_dtype=torch.bfloat16) if is_narrow else x @ w.t() * s * t

        x8, w8, turned = tensor((m, k), "f8E4M3FN"), tensor((n, k), "f8E4M3FN"), tensor((k, n), "f8E4M3FN")
        cases.append(
            Case(
                "linear_fp8", (m, n, k),
                [("x", (m, k), "f8E4M3FN"), ("w", (n, k), "f8E4M3FN"), ("s", (), "f32"), ("t", (), "f32")],
                f"%wt = thunder.transpose %w permutation = [1, 0] : {w8} -> {turned}\n"
                f"%y = thunder.scaled_matmul %x, %wt, %s, %t : ({x8}, {turned}, tensor<f32>, tensor<f32>) -> {y}\n"
                f"return %y : {y}",
                y, product, flops=2 * m * n * k,
            )
        )
    sizes = (1, 32, 4096, 128)
    t = tensor(sizes)
    for backward, factor in ((False, 1), (True, 3.5)):
        cases.append(
            Case(
                "sdpa_causal", sizes, [(name, sizes, "bf16") for name in "qkv"],
                f"%y = thunder.sdpa %q, %k, %v causal = true : ({t}, {t}, {t}) -> {t}\nreturn %y : {t}",
                t, lambda torch, q, k, v: torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True),
                backward, flops=factor * 2 * 32 * 4096 * 4096 * 128,
            )
        )
    return cases


def models():
    """Layers of Llama's shape."""
    return [
        llama(sizes, backward)
        for sizes in ((2, 4096, 32, 11008, 1, 4096), (6, 384, 6, 1536, 8, 256))
        for backward in (False, True)
    ]


def llama(sizes, backward):
    layers, width, heads, inner, batch, tokens = sizes
    depth, rows = width // heads, batch * tokens
    x, table = (batch, tokens, width), (tokens, depth)
    inputs, weights, lines, count = [("x", x, "bf16"), ("cos", table, "bf16"), ("sin", table, "bf16")], [], [], 0
    t, split, mixed = tensor(x), tensor((batch, tokens, heads, depth)), tensor((batch, heads, tokens, depth))
    half = tensor((batch, heads, tokens, depth // 2))

    def emit(code, ty):
        nonlocal count
        count += 1
        lines.append(f"%v{count} = {code} : {ty}")
        return f"%v{count}"

    def weight(name, sizes):
        inputs.append((name, sizes, "bf16"))
        weights.append(name)
        return f"%{name}", tensor(sizes)

    def linear(x, name, out, inside=width):
        w, ty = weight(name, (out, inside))
        return emit(f"thunder.linear {x}, {w}", f"({tensor((batch, tokens, inside))}, {ty}) -> {tensor((batch, tokens, out))}")

    def norm(x, name):
        w, ty = weight(name, (width,))
        return emit(f"thunder.rms_norm {x} weight({w}) eps = 1.0e-5", f"({t}, {ty}) -> {t}")

    def heads_of(x):
        y = emit(f"thunder.reshape {x}, []", f"{t} -> {split}")
        return emit(f"thunder.transpose {y} permutation = [0, 2, 1, 3]", f"{split} -> {mixed}")

    cos, sin = (emit(f"thunder.broadcast_in_dim %{name}, [] dims = [2, 3]", f"{tensor(table)} -> {mixed}") for name in ("cos", "sin"))

    def rotated(x):
        part = lambda low, high: emit(
            f"thunder.slice {x} start = [0, 0, 0, {low}] limit = [{batch}, {heads}, {tokens}, {high}] stride = [1, 1, 1, 1]",
            f"{mixed} -> {half}",
        )
        low, high = part(0, depth // 2), part(depth // 2, depth)
        turned = emit(f"thunder.concat {emit(f'thunder.neg {high}', half)}, {low} axis = 3", f"({half}, {half}) -> {mixed}")
        return emit(f"thunder.add {emit(f'thunder.mul {x}, {cos}', mixed)}, {emit(f'thunder.mul {turned}, {sin}', mixed)}", mixed)

    y = "%x"
    for layer in range(layers):
        of = lambda name: f"l{layer}_{name}"
        n = norm(y, of("n1"))
        q, k, v = (heads_of(linear(n, of(name), width)) for name in "qkv")
        a = emit(f"thunder.sdpa {rotated(q)}, {rotated(k)}, {v} causal = true", f"({mixed}, {mixed}, {mixed}) -> {mixed}")
        a = emit(f"thunder.transpose {a} permutation = [0, 2, 1, 3]", f"{mixed} -> {split}")
        a = emit(f"thunder.reshape {a}, []", f"{split} -> {t}")
        y = emit(f"thunder.add {y}, {linear(a, of('o'), width)}", t)
        n, wide = norm(y, of("n2")), tensor((batch, tokens, inner))
        gate = emit(f"thunder.silu {linear(n, of('g'), inner)}", wide)
        gated = emit(f"thunder.mul {gate}, {linear(n, of('u'), inner)}", wide)
        y = emit(f"thunder.add {y}, {linear(gated, of('d'), width, inner)}", t)
    lines.append(f"return {y} : {t}")

    def torch_of(torch, x, cos, sin, *weights):
        functional, weights = torch.nn.functional, iter(weights)
        for _ in range(layers):
            n = functional.rms_norm(x, (width,), next(weights), 1e-5)
            split = lambda x: x.view(batch, tokens, heads, depth).transpose(1, 2)
            q, k, v = (split(functional.linear(n, next(weights))) for _ in range(3))
            q, k = rope(torch, q, cos, sin), rope(torch, k, cos, sin)
            a = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + functional.linear(a.transpose(1, 2).reshape(batch, tokens, width), next(weights))
            n = functional.rms_norm(x, (width,), next(weights), 1e-5)
            gate, up = functional.linear(n, next(weights)), functional.linear(n, next(weights))
            x = x + functional.linear(functional.silu(gate) * up, next(weights))
        return x

    flops = 2.0 * layers * rows * (4 * width * width + 3 * width * inner + width * tokens)
    case = Case("llama", sizes, inputs, "\n".join(lines), t, torch_of, backward, weights=weights, fixed=("cos", "sin"), tolerance=3e-2)
    case.flops = flops * (3 if backward else 1)
    return case


def cases():
    return kernels() + products() + models()
