"""Writes models.safetensors: gradients of models as PyTorch computes them in float64.

Of each model the file has the inputs `MODEL.input.0`, `MODEL.input.1`, ..., the parameters `MODEL.parameter.NAME` and the gradients
`MODEL.grad.NAME` of the value `MODEL.value` by these. Parameters are numbers of float32, in which PyTorch computes the
same once more: `MODEL.error` is how far that is off, as `error` says. As one error is a matter of luck, this is done
for more inputs, `MODEL.draw.1.input.0` and so on, and `MODEL.error` is the root of the mean square over all of them.

    python tests/goldens/models.py

takes PyTorch, transformers and safetensors; the tests do not.
"""

import copy
import pathlib
import sys

import torch
import torch.nn.functional as F
import transformers
from safetensors.torch import save_file

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "tools/peers"))

from torch_models import BasicBlock, Gpt, Llama, rotary

torch.manual_seed(0)
TENSORS = {}
DRAWS = 8


class SquaredLlama(Llama):
    """The mean square of what the layers make."""

    def forward(self, *inputs):
        return super().forward(*inputs).square().mean()


class WeighedBlock(BasicBlock):
    """A sum of what the block makes, weighed by `cotangent`."""

    def forward(self, x, cotangent):
        return (super().forward(x) * cotangent).sum()


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


def golden(name, model, draw):
    inputs = draw()
    with torch.no_grad():
        for parameter in model.parameters():
            # Away from what initialization makes special: ones, zeros, and small numbers.
            parameter.add_(0.2 * torch.randn_like(parameter))
    model = model.train()
    value, expected = gradients(model, inputs, torch.float64)
    TENSORS[f"{name}.value"] = value
    for index, tensor in enumerate(inputs):
        TENSORS[f"{name}.input.{index}"] = tensor.contiguous()
    for key, parameter in model.named_parameters():
        TENSORS[f"{name}.parameter.{key}"] = parameter.detach().clone()
        TENSORS[f"{name}.grad.{key}"] = expected[key]
    return name, model, draw, inputs


def errors(name, model, draw, inputs):
    found = []
    for number in range(DRAWS):
        if number > 0:
            inputs = draw()
            for index, tensor in enumerate(inputs):
                TENSORS[f"{name}.draw.{number}.input.{index}"] = tensor.contiguous().clone()
        (_, single), (_, expected) = gradients(model, inputs, torch.float32), gradients(model, inputs, torch.float64)
        found.append(error(single, expected))
    TENSORS[f"{name}.error"] = torch.stack(found).square().mean().sqrt()
    print(f"{name}: float32 is off by", *(f"{one:.2e}" for one in found))


def tokens(vocabulary, *shape):
    return torch.randint(vocabulary, shape)


if __name__ == "__main__":
    cos, sin = rotary(9, 8)
    models = [
        golden("llama", SquaredLlama(2, 16, 2, 24), lambda: [torch.randn(2, 9, 16), cos.float(), sin.float()])
    ]
    for name, tied in ("gpt", True), ("gpt_untied", False):
        models.append(golden(name, Gpt(11, 8, 16, 2, 2, tied), lambda: [tokens(11, 2, 7), tokens(11, 2, 7)]))
    for name, model in ("resnet", WeighedBlock(5, 5, 1)), ("resnet_strided", WeighedBlock(3, 6, 2)):

        def images(model=model, size=6 // model.conv1.stride[0]):
            inputs, outputs = model.conv1.in_channels, model.conv1.out_channels
            return [torch.randn(3, inputs, 6, 6), torch.randn(3, outputs, size, size)]

        models.append(golden(name, model, images))
    mask = torch.tensor([[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0, 0]])
    minilm = MiniLm(20, 8, 16, 2, 2, 24)
    models.append(golden("minilm", minilm, lambda: [tokens(20, 2, 7), mask, torch.randn(2, 16)]))
    for model in models:
        errors(*model)
    save_file(TENSORS, pathlib.Path(__file__).with_suffix(".safetensors"), {"torch": torch.__version__.split("+")[0]})
