"""Writes the archives in import/ that tests import, and what PyTorch computes from them.

NAME.pt2 is what `torch.export.save` writes of a model of exported.py. NAME.safetensors has its inputs `input.PATH`, the
outputs `output.PATH` and the state `state.NAME` that it leaves in buffers and inputs, as PyTorch computes them in
float64, and `error.PATH`: the largest difference of what it computes in float32. Where a model has dynamic sizes, the
same follows for other ones under `again.`.

    python tests/goldens/import.py [--into FOLDER] [--core] [NAME...]

takes PyTorch and safetensors; the tests do not. With --core all models are exported in the ops of Core ATen, as what
`run_decompositions` makes of them; of those that are kept, some are.
"""

import argparse
import copy
import pathlib
import re

import torch
from safetensors.torch import save_file
from torch.utils import _pytree as pytree

HERE = pathlib.Path(__file__).parent


def models():
    # By this name traces are the same wherever the file lies.
    source = {"__name__": "exported"}
    exec(compile((HERE / "exported.py").read_text(), "exported.py", "exec"), source)
    return source["CASES"]


def path(keys):
    return ".".join(str(getattr(key, "key", getattr(key, "idx", getattr(key, "name", key)))) for key in keys)


def leaves(tree, alone):
    return {path(keys) or alone: leaf for keys, leaf in pytree.tree_flatten_with_path(tree)[0] if leaf is not None}


def wide(tree):
    return pytree.tree_map(lambda x: x.double() if isinstance(x, torch.Tensor) and x.is_floating_point() else x, tree)


def run(model, inputs):
    """Outputs, and state where that has changed."""
    model, inputs = copy.deepcopy(model), copy.deepcopy(inputs)
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    with torch.no_grad():
        outputs = leaves(model(*inputs), "output")
    state = {name: buffer for name, buffer in model.named_buffers() if not torch.equal(buffer, before[name])}
    return outputs, state


def error(narrow, exact):
    if not exact.is_floating_point() or exact.numel() == 0:
        return torch.zeros(())
    return torch.nan_to_num(narrow.double() - exact, nan=0.0, posinf=0.0, neginf=0.0).abs().max()


def results(model, inputs, names, prefix):
    tensors = {f"{prefix}input.{name}": x for name, x in zip(names, leaves(inputs, "").values())}
    narrow, _ = run(model, inputs)
    double = copy.deepcopy(model).double()
    # Constants of a model are no buffers.
    for module in double.modules():
        for key, value in vars(module).items():
            if isinstance(value, torch.Tensor):
                setattr(module, key, wide(value))
    outputs, state = run(double, wide(inputs))
    for name, value in outputs.items():
        value = torch.as_tensor(value)
        tensors[f"{prefix}output.{name}"] = value
        tensors[f"{prefix}error.{name}"] = error(torch.as_tensor(narrow[name]), value)
    tensors |= {f"{prefix}state.{name}": value for name, value in state.items()}
    return tensors


def write(place, make, inputs, again, dynamic, core):
    torch.manual_seed(0)
    model = make().eval()
    example = inputs()
    exported = torch.export.export(copy.deepcopy(model), example, dynamic_shapes=dynamic and dynamic())
    if core:
        exported = exported.run_decompositions()
    for node in exported.graph.nodes:
        trace = node.meta.get("stack_trace") or ""
        node.meta["stack_trace"] = re.sub(r'File "[^"]*/site-packages/', 'File "site-packages/', trace)
        for key in ["torch_fn", "from_node", "source_fn_stack"]:
            node.meta.pop(key, None)
    torch.export.save(exported, f"{place}.pt2")
    names = [spec.arg.name for spec in exported.graph_signature.input_specs if spec.kind.name == "USER_INPUT"]
    tensors = results(model, example, names, "")
    if again:
        tensors |= results(model, again(), names, "again.")
    save_file({key: value.detach().contiguous().clone() for key, value in tensors.items()}, f"{place}.safetensors")


parser = argparse.ArgumentParser()
parser.add_argument("--into", type=pathlib.Path, default=HERE / "import")
parser.add_argument("--core", action="store_true")
parser.add_argument("names", nargs="*")
arguments = parser.parse_args()
arguments.into.mkdir(exist_ok=True, parents=True)
for name, *model, core in models():
    if not arguments.names or name in arguments.names:
        write(arguments.into / name, *model, core or arguments.core)
