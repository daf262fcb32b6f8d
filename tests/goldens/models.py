"""Writes models.safetensors: gradients of models as PyTorch computes them in float64.

Of each model the file has the inputs `MODEL.input.0`, `MODEL.input.1`, ..., the parameters `MODEL.parameter.NAME` and the gradients
`MODEL.grad.NAME` of the value `MODEL.value` by these. Parameters are numbers of float32, in which PyTorch computes the
same once more: `MODEL.error` is how far that is off, as `error` says.

    python tests/goldens/models.py

takes PyTorch, transformers and safetensors; the tests do not.
"""

import copy
import pathlib

import torch
import torch.nn.functional as F
import transformers
from safetensors.torch import save_file
from torch import nn

torch.manual_seed(0)
TENSORS = {}


class RmsNorm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * self.weight


class LlamaAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        for name in "qkvo":
            setattr(self, f"{name}_proj", nn.Linear(width, width, bias=False))

    def forward(self, x, cos, sin):
        batch, tokens, width = x.shape
        parts = (part(x).view(batch, tokens, self.heads, -1).transpose(1, 2) for part in (self.q_proj, self.k_proj, self.v_proj))
        query, key, value = parts

        def rotated(z):
            first, second = z.chunk(2, -1)
            return z * cos + torch.cat((-second, first), -1) * sin

        mixed = F.scaled_dot_product_attention(rotated(query), rotated(key), value, is_causal=True)
        return self.o_proj(mixed.transpose(1, 2).reshape(batch, tokens, width))


class LlamaMlp(nn.Module):
    def __init__(self, width, intermediate):
        super().__init__()
        self.gate_proj = nn.Linear(width, intermediate, bias=False)
        self.up_proj = nn.Linear(width, intermediate, bias=False)
        self.down_proj = nn.Linear(intermediate, width, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class LlamaLayer(nn.Module):
    def __init__(self, width, heads, intermediate):
        super().__init__()
        self.input_layernorm = RmsNorm(width)
        self.self_attn = LlamaAttention(width, heads)
        self.post_attention_layernorm = RmsNorm(width)
        self.mlp = LlamaMlp(width, intermediate)

    def forward(self, x, cos, sin):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class Llama(nn.Module):
    def __init__(self, layers, width, heads, intermediate):
        super().__init__()
        self.layers = nn.ModuleList([LlamaLayer(width, heads, intermediate) for _ in range(layers)])

    def forward(self, x, cos, sin):
        for layer in self.layers:
            x = layer(x, cos, sin)
        return x.square().mean()


def rotary(tokens, depth):
    angles = torch.arange(tokens)[:, None] * (10000.0 ** (-torch.arange(0, depth, 2, dtype=torch.float64) / depth))[None]
    angles = torch.cat((angles, angles), -1)
    return angles.cos(), angles.sin()


class GptAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.c_attn = nn.Linear(width, 3 * width)
        self.c_proj = nn.Linear(width, width)

    def forward(self, x):
        batch, tokens, width = x.shape
        parts = (part.view(batch, tokens, self.heads, -1).transpose(1, 2) for part in self.c_attn(x).chunk(3, -1))
        mixed = F.scaled_dot_product_attention(*parts, is_causal=True)
        return self.c_proj(mixed.transpose(1, 2).reshape(batch, tokens, width))


class GptMlp(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.c_fc = nn.Linear(width, 4 * width)
        self.c_proj = nn.Linear(4 * width, width)

    def forward(self, x):
        return self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))


class GptLayer(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = GptAttention(width, heads)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = GptMlp(width)

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class Gpt(nn.Module):
    """Without `tied`, logits are products with a weight of their own."""

    def __init__(self, vocabulary, positions, width, layers, heads, tied=True):
        super().__init__()
        self.wte = nn.Embedding(vocabulary, width)
        self.wpe = nn.Embedding(positions, width)
        self.h = nn.ModuleList([GptLayer(width, heads) for _ in range(layers)])
        self.ln_f = nn.LayerNorm(width)
        self.lm_head = None if tied else nn.Linear(width, vocabulary, bias=False)

    def forward(self, tokens, targets):
        x = self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1]))
        for layer in self.h:
            x = layer(x)
        head = self.wte if self.lm_head is None else self.lm_head
        return F.cross_entropy(F.linear(self.ln_f(x), head.weight).flatten(0, 1), targets.flatten())


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if inputs != outputs or stride != 1:
            conv = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(conv, nn.BatchNorm2d(outputs))

    def forward(self, x, cotangent):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        beside = x if self.downsample is None else self.downsample(x)
        return (F.relu(y + beside) * cotangent).sum()


class MiniLm(transformers.BertModel):
    def __init__(self, vocabulary, positions, width, layers, heads, intermediate):
        config = transformers.BertConfig(
            vocab_size=vocabulary,
            hidden_size=width,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            intermediate_size=intermediate,
            max_position_embeddings=positions,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            layer_norm_eps=1e-12,
            attn_implementation="eager",
        )
        super().__init__(config, add_pooling_layer=False)

    def forward(self, ids, mask, cotangent):
        hidden = super().forward(input_ids=ids, attention_mask=mask).last_hidden_state
        weight = mask.to(hidden.dtype)[..., None]
        mean = (hidden * weight).sum(1) / weight.sum(1).clamp(min=1e-9)
        return (F.normalize(mean, dim=-1) * cotangent).sum()


def gradients(model, inputs, dtype):
    model = copy.deepcopy(model).to(dtype)
    inputs = [t.to(dtype) if t.is_floating_point() else t for t in inputs]
    value = model(*inputs)
    value.backward()
    found = {name: parameter.grad for name, parameter in model.named_parameters()}
    return value.detach(), found


def scale(name, expected):
    """The length of a gradient; for one that is zero but for rounding, that of the longest."""
    longest = max(gradient.norm() for gradient in expected.values())
    return expected[name].norm() if expected[name].norm() > 1e-9 * longest else longest


def error(actual, expected):
    """The root of the mean square, over parameters, of the length of the error relative to that of the gradient."""
    errors = [(actual[name].double() - expected[name]).norm() / scale(name, expected) for name in expected]
    return torch.stack(errors).square().mean().sqrt()


def golden(name, model, inputs):
    with torch.no_grad():
        for parameter in model.parameters():
            # Away from what initialization makes special: ones, zeros, and small numbers.
            parameter.add_(0.2 * torch.randn_like(parameter))
    model = model.train()
    value, expected = gradients(model, inputs, torch.float64)
    _, single = gradients(model, inputs, torch.float32)
    TENSORS[f"{name}.value"] = value
    TENSORS[f"{name}.error"] = error(single, expected)
    for index, tensor in enumerate(inputs):
        TENSORS[f"{name}.input.{index}"] = tensor.contiguous()
    for key, parameter in model.named_parameters():
        TENSORS[f"{name}.parameter.{key}"] = parameter.detach().clone()
        TENSORS[f"{name}.grad.{key}"] = expected[key]
    print(f"{name}: {len(expected)} gradients, float32 is off by {TENSORS[f'{name}.error']:.2e}")


def tokens(vocabulary, *shape):
    return torch.randint(vocabulary, shape)


if __name__ == "__main__":
    cos, sin = rotary(9, 8)
    golden("llama", Llama(2, 16, 2, 24), [torch.randn(2, 9, 16), cos.float(), sin.float()])
    for name, tied in ("gpt", True), ("gpt_untied", False):
        golden(name, Gpt(11, 8, 16, 2, 2, tied), [tokens(11, 2, 7), tokens(11, 2, 7)])
    for name, model in ("resnet", BasicBlock(5, 5, 1)), ("resnet_strided", BasicBlock(3, 6, 2)):
        channels = [model.conv1.in_channels, model.conv1.out_channels]
        size = 6 // model.conv1.stride[0]
        golden(name, model, [torch.randn(3, channels[0], 6, 6), torch.randn(3, channels[1], size, size)])
    mask = torch.tensor([[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0, 0]])
    golden("minilm", MiniLm(20, 8, 16, 2, 2, 24), [tokens(20, 2, 7), mask, torch.randn(2, 16)])
    save_file(TENSORS, pathlib.Path(__file__).with_suffix(".safetensors"), {"torch": torch.__version__.split("+")[0]})
