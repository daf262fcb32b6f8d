"""Writes the archives in import/ that tests import, and what PyTorch computes from them.

NAME.pt2 is what `torch.export.save` writes of a model of exported.py or networks.py. NAME.safetensors has its inputs
`input.PATH`, the outputs `output.PATH` and the state `state.NAME` that it leaves in buffers and inputs, as PyTorch
computes them in float64, and `output_error.PATH` and `state_error.NAME`: the largest difference of what it computes in
float32. Of networks it also has `cotangent.PATH` for outputs, and by them the gradients `gradient.NAME` of parameters and
inputs with their `gradient_error.NAME`. Where a model has dynamic sizes, the same follows for other ones under `again.`.

    python tests/goldens/import.py [--into FOLDER] [--core] [NAME...]

takes PyTorch and safetensors; the tests do not. With --core all models are exported in the ops of Core ATen, as what
`run_decompositions` makes of them; of those that are kept, some are.
"""

import argparse
import copy
import pathlib
import re

import exported  # noqa: F401
import networks  # noqa: F401
import torch
from cases import CASES
from safetensors.torch import save_file
from torch.utils import _pytree as pytree

HERE = pathlib.Path(__file__).parent


def path(keys):
    return ".".join(str(getattr(key, "key", getattr(key, "idx", getattr(key, "name", key)))) for key in keys)


def leaves(tree, alone):
    return {path(keys) or alone: leaf for keys, leaf in pytree.tree_flatten_with_path(tree)[0] if leaf is not None}


def is_computed(x):
    """Floats of 8 bits are not: they are what they are in float64 too."""
    return x.is_floating_point() and x.itemsize > 1


def wide(tree):
    return pytree.tree_map(lambda x: x.double() if isinstance(x, torch.Tensor) and is_computed(x) else x, tree)


def of_floats(tensors):
    return {name: x for name, x in tensors.items() if isinstance(x, torch.Tensor) and x.is_floating_point()}


def run(model, inputs):
    """Outputs, and state where that has changed."""
    model, inputs = copy.deepcopy(model), copy.deepcopy(inputs)
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    with torch.no_grad():
        outputs = leaves(model(*inputs), "output")
    state = {name: buffer for name, buffer in model.named_buffers() if not torch.equal(buffer, before[name])}
    return {"output": outputs, "state": state}


def gradients(model, inputs, names, cotangents):
    """Gradients by parameters, and by inputs as `input.PATH`."""
    model, inputs = copy.deepcopy(model), copy.deepcopy(inputs)
    by = dict(model.named_parameters())
    by |= {f"input.{name}": x.requires_grad_() for name, x in of_floats(dict(zip(names, leaves(inputs, "").values()))).items()}
    outputs = of_floats(leaves(model(*inputs), "output"))
    total = sum((outputs[name] * cotangent.to(outputs[name].dtype)).sum() for name, cotangent in cotangents.items())
    return {"gradient": dict(zip(by, torch.autograd.grad(total, list(by.values()))))}


def error(narrow, exact):
    if not exact.is_floating_point() or exact.numel() == 0:
        return torch.zeros(())
    return torch.nan_to_num(narrow.double() - exact.double(), nan=0.0, posinf=0.0, neginf=0.0).abs().max()


def beside(narrow, exact, prefix):
    """Exact values, and how far from them others are."""
    tensors = {}
    for kind, values in exact.items():
        for name, value in values.items():
            value = torch.as_tensor(value)
            tensors[f"{prefix}{kind}.{name}"] = value
            tensors[f"{prefix}{kind}_error.{name}"] = error(torch.as_tensor(narrow[kind][name]), value)
    return tensors


def results(model, inputs, names, prefix, case):
    tensors = {f"{prefix}input.{name}": x for name, x in zip(names, leaves(inputs, "").values())}
    double = copy.deepcopy(model)
    for tensor in [*double.parameters(), *double.buffers()]:
        tensor.data = wide(tensor.data)
    # Constants of a model are no buffers.
    for module in double.modules():
        for key, value in vars(module).items():
            if isinstance(value, torch.Tensor):
                setattr(module, key, wide(value))
    exact = run(double, wide(inputs))
    tensors |= beside(run(model, inputs), exact, prefix)
    if case.gradients:
        outputs = of_floats(exact["output"]).items()
        cotangents = {name: torch.randn(x.shape, generator=torch.Generator().manual_seed(x.numel())) for name, x in outputs}
        tensors |= {f"{prefix}cotangent.{name}": x for name, x in cotangents.items()}
        both = [gradients(*of, names, cotangents) for of in [(model, inputs), (double, wide(inputs))]]
        tensors |= beside(*both, prefix)
    return tensors


def write(place, case, core):
    torch.manual_seed(0)
    model = case.make().train(case.train)
    example = case.inputs()
    exported = torch.export.export(copy.deepcopy(model), example, dynamic_shapes=case.dynamic and case.dynamic())
    if core:
        exported = exported.run_decompositions()
    for node in exported.graph.nodes:
        trace = (node.meta.get("stack_trace") or "").replace(f'File "{HERE.resolve()}/', 'File "')
        node.meta["stack_trace"] = re.sub(r'File "[^"]*/site-packages/', 'File "site-packages/', trace)
        for key in ["torch_fn", "from_node", "source_fn_stack"]:
            node.meta.pop(key, None)
    torch.export.save(exported, f"{place}.pt2")
    names = [spec.arg.name for spec in exported.graph_signature.input_specs if spec.kind.name == "USER_INPUT"]
    tensors = results(model, example, names, "", case)
    if case.again:
        tensors |= results(model, case.again(), names, "again.", case)
    save_file({key: value.detach().contiguous().clone() for key, value in tensors.items()}, f"{place}.safetensors")


parser = argparse.ArgumentParser()
parser.add_argument("--into", type=pathlib.Path, default=HERE / "import")
parser.add_argument("--core", action="store_true")
parser.add_argument("names", nargs="*")
arguments = parser.parse_args()
arguments.into.mkdir(exist_ok=True, parents=True)
for case in CASES:
    if not arguments.names or case.name in arguments.names:
        write(arguments.into / case.name, case, case.core or arguments.core)
