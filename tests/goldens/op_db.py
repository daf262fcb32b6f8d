"""Writes op_db/: samples of PyTorch's own table of operations, `op_db`, as exported programs with what they compute.

    python tests/goldens/op_db.py [--into FOLDER] [--all] [--jobs N] [OP...]

takes PyTorch and safetensors; the tests do not. Each operation is one file, NAME.xz: safetensors, compressed. Its metadata
has under `samples` a list in JSON; sample K is a call of the operation with some dtype, exported with its tensors for
inputs and all else built in, or the reason why there is no program. Its tensors:

    K.in.I      the inputs
    K.const.N   what the program has for constants
    K.out.J     the results, by PyTorch in float64 where they are floats, else by PyTorch as it is
    K.grad.I    the gradient by an input of the sum of the results times their cotangents, in float64; element i of a
                cotangent is ((7 i) mod 11 - 5) / 4, and 0 where `live` says that PyTorch has no gradient of the result

Complex numbers are pairs of real ones along a last dimension, named `K.in.I.pairs` and `K.const.N.pairs`; imaginary parts of
their cotangents are the real ones in reverse order. In JSON under `error` and `gradient_error` the largest difference of what PyTorch computes in the sample's own dtype.
Where PyTorch's own result is not finite, it is the reference.

Calls that PyTorch refuses follow under `refused`: for those that are calls of one ATen overload, a program of one node,
with R.in.I for inputs where R counts on from the samples. Of its result it says what the first input is.

Which samples: of those that `op_db` has for a dtype, in its order, those whose kinds of arguments are new, then those whose
sizes or numbers are new, up to COUNTS of them; large ones never where there are others. With --all it is all of them.
"""

import argparse
import json
import lzma
import multiprocessing
import pathlib
import random
import re
import signal
import warnings

import numpy
import torch
from safetensors.torch import save
from torch._export.serde.serialize import (
    _TORCH_TO_SERIALIZE_DTYPE,
    EnumEncoder,
    ExportedProgramSerializer,
    _dataclass_to_dict,
    serialize_tensor_meta,
)
from torch.utils import _pytree as pytree

HERE = pathlib.Path(__file__).parent
DTYPES = {
    "f64": torch.float64,
    "f32": torch.float32,
    "bf16": torch.bfloat16,
    "f16": torch.float16,
    "i64": torch.int64,
    "i32": torch.int32,
    "i16": torch.int16,
    "i8": torch.int8,
    "u8": torch.uint8,
    "bool": torch.bool,
    "c64": torch.complex64,
    "c128": torch.complex128,
}
# How many samples of a dtype are kept.
COUNTS = {"f32": 5, "f64": 2, "i64": 3, "c64": 3}
OTHERS = 1
# How many elements of all inputs make a sample large.
LARGE = 400
# How many seeds tell whether results are random.
SEEDS = 5
# Seconds that an operation with a dtype may take.
PATIENCE = 120


def operations():
    from torch.testing._internal.common_methods_invocations import op_db

    named = {}
    for op in op_db:
        name = f"{op.name}-{op.variant_test_name}" if op.variant_test_name else op.name
        named[re.sub(r"[^A-Za-z0-9_.-]", "_", name)] = op
    return named


class NoProgram(Exception):
    """Why a sample has none."""


class Call(torch.nn.Module):
    """A call of an operation whose tensors are given."""

    def __init__(self, function, sample):
        super().__init__()
        self.function = function
        leaves, self.structure = pytree.tree_flatten((sample.input, sample.args, sample.kwargs))
        self.inputs = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
        self.rest = [None if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves]
        self.places = [place for place, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)]

    def leaves(self, tensors, convert=lambda x: x):
        leaves = [convert(leaf) for leaf in self.rest]
        for place, tensor in zip(self.places, tensors):
            leaves[place] = tensor
        return leaves

    def forward(self, *tensors):
        first, args, kwargs = pytree.tree_unflatten(self.leaves(tensors), self.structure)
        return [x for x in pytree.tree_leaves(self.function(first, *args, **kwargs)) if isinstance(x, torch.Tensor)]

    def key(self):
        """What kinds of arguments there are, and which in particular."""

        def kind(leaf):
            if isinstance(leaf, torch.Tensor):
                return ("tensor", leaf.dim(), str(leaf.dtype), 0 in leaf.shape)
            return leaf if isinstance(leaf, (str, bool, torch.dtype)) else type(leaf).__name__

        leaves = self.leaves(self.inputs)
        whole = [tuple(x.shape) if isinstance(x, torch.Tensor) else repr(x) for x in leaves]
        structure = str(self.structure)
        return (structure, tuple(map(kind, leaves))), (structure, tuple(whole), tuple(map(kind, leaves)))


MANUAL_SEED = torch.manual_seed


def seeded(seed=0):
    # Functions of op_db set a seed of their own, which shall not be the same in all runs.
    torch.manual_seed = lambda own: MANUAL_SEED(own + seed)
    MANUAL_SEED(seed)
    random.seed(seed)
    numpy.random.seed(seed)


def plain(call):
    """A call whose inputs are laid out in order, and share no memory."""
    for x in call.inputs:
        if x.layout != torch.strided or x.is_nested or x.is_quantized:
            raise NoProgram("tensors that are not dense")
        if x.dtype not in DTYPES.values():
            raise NoProgram(f"elements of {str(x.dtype).removeprefix('torch.')}")
    with torch.no_grad():
        call.inputs = [
            x.detach().resolve_conj().resolve_neg().clone(memory_format=torch.contiguous_format) for x in call.inputs
        ]
    return call


def chosen(calls, count):
    """Some of the calls; see above."""
    size = lambda call: sum(x.numel() for x in call.inputs)
    small = [call for call in calls if size(call) <= LARGE] or sorted(calls, key=size)[:1]
    coarse, fine, first, second = set(), set(), [], []
    for call in small:
        kind, whole = call.key()
        if kind not in coarse:
            first.append(call)
        elif whole not in fine:
            second.append(call)
        coarse.add(kind)
        fine.add(whole)
    return (first + second)[:count]


WIDE = torch.complex128


def wide(x):
    if isinstance(x, torch.Tensor):
        return x.to(WIDE) if x.is_complex() else x.double() if x.is_floating_point() else x.clone()
    if not isinstance(x, torch.dtype):
        return x
    return WIDE if x.is_complex else torch.float64 if x.is_floating_point else x


def continuous(x):
    return x.is_floating_point() or x.is_complex()


def run(call, exact=False, gradient=False, seed=0):
    """Results; with `gradient` gradients by the floats among the inputs too."""
    seeded(seed)
    inputs = [wide(x) if exact else x.clone() for x in call.inputs]
    if exact:
        torch.set_default_dtype(torch.float64)
    try:
        wrt = [x.requires_grad_() for x in inputs if gradient and continuous(x)]
        with torch.set_grad_enabled(gradient):
            leaves = call.leaves([x.clone() if gradient else x for x in inputs], wide if exact else lambda x: x)
            first, args, kwargs = pytree.tree_unflatten(leaves, call.structure)
            outputs = pytree.tree_leaves(call.function(first, *args, **kwargs))
        outputs = [x for x in outputs if isinstance(x, torch.Tensor)]
        if not gradient:
            return [x.detach().resolve_conj().resolve_neg() for x in outputs]
        live = [x for x in outputs if x.requires_grad and continuous(x)]
        if not live:
            return []
        by = torch.autograd.grad(live, wrt, [cotangent(x) for x in live], allow_unused=True)
        by = iter(by)
        return [next(by) if continuous(x) else None for x in inputs]
    finally:
        torch.set_default_dtype(torch.float32)


def live(call):
    """Which results PyTorch differentiates."""
    seeded()
    inputs = [x.clone().requires_grad_(continuous(x)) for x in call.inputs]
    first, args, kwargs = pytree.tree_unflatten(call.leaves([x.clone() for x in inputs]), call.structure)
    outputs = pytree.tree_leaves(call.function(first, *args, **kwargs))
    return [x.requires_grad for x in outputs if isinstance(x, torch.Tensor)]


def cotangent(x):
    flat = (torch.arange(x.numel()) * 7 % 11 - 5) / 4
    if x.is_complex():
        flat = torch.complex(flat, flat.flip(0))
    return flat.reshape(x.shape).to(x.dtype)


def same(x, y):
    return x.shape == y.shape and x.dtype == y.dtype and torch.equal(torch.nan_to_num(x), torch.nan_to_num(y))


def pairs(x):
    """Complex numbers as pairs of real ones, which safetensors has in double precision too."""
    return torch.view_as_real(x.resolve_conj()) if x.is_complex() else x


def keep(tensors, name, x):
    name = f"{name}.pairs" if x.is_complex() else name
    tensors[name] = pairs(x.detach()).clone(memory_format=torch.contiguous_format)


def reference(own, exact):
    """What to compare with, and how far PyTorch's own result is off at most."""
    own, exact = pairs(own), pairs(exact)
    if own.numel() == 0 or not own.is_floating_point() or own.shape != exact.shape or not exact.is_floating_point():
        return own, 0.0
    narrow, exact = own.double(), exact.double()
    finite = narrow.isfinite() & exact.isfinite()
    error = torch.where(finite, narrow - exact, 0.0).abs().max().item()
    exact = torch.where(narrow.isfinite(), exact, narrow)
    # As many digits as tell the errors of the dtype.
    return exact.float() if own.dtype in (torch.float16, torch.bfloat16) else exact, error


def shortened(program):
    """A program without what importers do not need."""
    if isinstance(program, dict):
        drop = {"metadata", "guards_code", "verifiers", "opset_version", "is_hop_single_tensor_return", "custom_obj_values"}
        drop |= {"requires_grad", "device", "layout", "treespec_namedtuple_fields", "module_call_graph", "kind"}
        return {
            key: shortened(value)
            for key, value in program.items()
            if value is not None and value != {} and (key not in drop or (key == "kind" and value == 2))
        }
    return [shortened(x) for x in program] if isinstance(program, (list, tuple)) else program


def serialized(exported):
    for node in exported.graph.nodes:
        node.meta.pop("stack_trace", None)
    program = ExportedProgramSerializer().serialize(
        exported, serialize_state_dict=False, serialize_constants=False, serialize_example_inputs=False
    )
    return shortened(json.loads(json.dumps(_dataclass_to_dict(program.exported_program), cls=EnumEncoder)))


def export(call):
    try:
        with torch.no_grad():
            exported = torch.export.export(call, tuple(x.clone() for x in call.inputs), strict=False)
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        if "DataDependent" in text or "data-dependent" in text or "unbacked" in text or "DynamicOutputShape" in text:
            raise NoProgram("sizes that depend on values")
        raise NoProgram(f"torch.export refuses it: {first_line(text)}")
    for node in exported.graph.nodes:
        for value in pytree.tree_leaves(node.meta.get("val")):
            if isinstance(value, torch.Tensor) and value.layout != torch.strided:
                raise NoProgram("tensors that are not dense")
            sizes = value.shape if isinstance(value, torch.Tensor) else [value]
            if any(isinstance(size, (torch.SymInt, torch.SymFloat, torch.SymBool)) for size in sizes):
                raise NoProgram("sizes that depend on values")
    return exported


def first_line(text):
    return re.sub(r"0x[0-9a-f]+|/\S+/", "", str(text).strip().split("\n")[0])[:120]


def has_no_values(name):
    """Operations whose results hold anything."""
    return name.startswith(("empty", "new_empty", "resize_"))


def recorded(call, name, op, dtype, number, tensors):
    entry = {"dtype": dtype}
    for place, x in enumerate(call.inputs):
        keep(tensors, f"{number}.in.{place}", x)
    try:
        own = run(call)
    except Exception as error:
        raise NoProgram(f"PyTorch refuses it: {first_line(error)}")
    if not own:
        raise NoProgram("no tensor for a result")
    for x in own:
        if x.dtype not in DTYPES.values():
            raise NoProgram(f"elements of {str(x.dtype).removeprefix('torch.')}")
    if any(x.layout != torch.strided or x.is_nested or x.is_quantized for x in own):
        raise NoProgram("tensors that are not dense")
    exported = export(call)
    entry["program"] = serialized(exported)
    for key, value in exported.constants.items():
        if not isinstance(value, torch.Tensor):
            raise NoProgram("constants that are no tensors")
        keep(tensors, f"{number}.const.{key}", value)
    others = (run(call, seed=seed) for seed in range(1, SEEDS))
    if has_no_values(name) or not all(all(map(same, own, other)) for other in others):
        entry["random"] = True
        return entry
    try:
        exact = run(call, exact=True)
        assert len(exact) == len(own)
    except Exception:
        exact = own
    entry["error"] = []
    for place, (x, y) in enumerate(zip(own, exact)):
        tensors[f"{number}.out.{place}"], error = reference(x, y)
        entry["error"].append(error)
    if op.supports_autograd and (DTYPES[dtype].is_floating_point or DTYPES[dtype].is_complex):
        try:
            own = run(call, gradient=True)
            exact = run(call, exact=True, gradient=True)
        except Exception as error:
            entry["no_gradient"] = first_line(error)
            return entry
        entry["gradient_error"] = []
        entry["live"] = live(call)
        for place, (x, y) in enumerate(zip(own, exact)):
            error = None
            if x is not None and y is not None:
                tensors[f"{number}.grad.{place}"], error = reference(x.detach(), y.detach())
            entry["gradient_error"].append(error)
    return entry


class Recorder(torch.overrides.TorchFunctionMode):
    """Remembers the last function of PyTorch's interface that is called."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        self.last = (getattr(function, "__name__", ""), args, kwargs or {})
        return function(*args, **(kwargs or {}))


def refused_program(call):
    """The program of a call that PyTorch refuses, of one node, and its inputs."""
    recorder = Recorder()
    first, args, kwargs = pytree.tree_unflatten(call.leaves([x.clone() for x in call.inputs]), call.structure)
    seeded()
    try:
        with torch.no_grad(), recorder:
            call.function(first, *args, **kwargs)
    except Exception:
        pass
    else:
        raise NoProgram("PyTorch takes it")
    if not hasattr(recorder, "last"):
        raise NoProgram("no call of an ATen operation")
    name, args, kwargs = recorder.last
    try:
        overload = torch._C._jit_resolve_packet(f"aten::{name}", *args, **kwargs)
        schema = getattr(getattr(torch.ops.aten, name), overload or "default")._schema
    except Exception:
        raise NoProgram("no call of an ATen operation")
    inputs, tensors = [], []
    given = dict(zip((a.name for a in schema.arguments if not a.kwarg_only), args)) | kwargs
    for argument in schema.arguments:
        if argument.name in given:
            value = encoded(given[argument.name], argument.real_type, tensors)
            inputs.append({"name": argument.name, "arg": value, "kind": 1})
    if not tensors:
        raise NoProgram("no tensor")
    values = {f"x{place}": serialize_tensor_meta(x) for place, x in enumerate(tensors)}
    outputs, results = [], []
    for place, result in enumerate(schema.returns):
        kind, named = str(result.real_type), {"name": f"y{place}"}
        values[named["name"]] = serialize_tensor_meta(tensors[0])
        results.append(named)
        outputs.append({"as_tensors": [named]} if kind.startswith("List") else {"as_tensor": named})
    graph = {
        "inputs": [{"as_tensor": {"name": f"x{place}"}} for place in range(len(tensors))],
        "outputs": [{"as_tensor": named} for named in results],
        "nodes": [{"target": f"torch.ops.aten.{name}.{overload or 'default'}", "inputs": inputs, "outputs": outputs}],
        "tensor_values": values,
    }
    signature = {
        "input_specs": [{"user_input": {"arg": x}} for x in graph["inputs"]],
        "output_specs": [{"user_output": {"arg": x}} for x in graph["outputs"]],
    }
    program = {"graph_module": {"graph": graph, "signature": signature}, "schema_version": {"major": 8, "minor": 0}}
    return shortened(json.loads(json.dumps(_dataclass_to_dict(program), cls=EnumEncoder))), tensors


def encoded(value, kind, tensors):
    """A value as the schema of exported programs has it, for an argument of this type."""
    if isinstance(value, torch.Tensor):
        same = [place for place, x in enumerate(tensors) if x is value]
        if not same:
            if value.layout != torch.strided or value.dtype not in DTYPES.values() or value.device.type != "cpu":
                raise NoProgram("tensors that are not dense")
            tensors.append(value)
        return {"as_tensor": {"name": f"x{same[0] if same else len(tensors) - 1}"}}
    if value is None:
        return {"as_none": True}
    if isinstance(value, bool):
        return {"as_bool": value}
    if isinstance(value, (int, float)):
        is_float = isinstance(value, float) or "float" in str(kind).lower()
        return {"as_float": float(value)} if is_float else {"as_int": value}
    if isinstance(value, complex):
        return {"as_complex": {"real": value.real, "imag": value.imag}}
    if isinstance(value, str):
        return {"as_string": value}
    if isinstance(value, torch.dtype) and value in _TORCH_TO_SERIALIZE_DTYPE:
        return {"as_scalar_type": _TORCH_TO_SERIALIZE_DTYPE[value].value}
    if isinstance(value, (list, tuple)):
        parts = [encoded(x, None, tensors) for x in value]
        kinds = {key for part in parts for key in part}
        if not parts:
            return {"as_tensors" if "Tensor" in str(kind) else "as_ints": []}
        if kinds == {"as_tensor"}:
            return {"as_tensors": [part["as_tensor"] for part in parts]}
        if kinds == {"as_tensor", "as_none"}:
            return {"as_optional_tensors": parts}
        if len(kinds) == 1 and kinds <= {"as_int", "as_float", "as_bool"}:
            (key,) = kinds
            return {f"{key}s": [part[key] for part in parts]}
    raise NoProgram(f"an argument of {type(value).__name__}")


def refused(op, first, every):
    """The calls that `op_db` says PyTorch refuses, with their tensors, and how many have no program."""
    entries, tensors, without, seen = [], {}, 0, set()
    if op.error_inputs_func is None:
        return entries, tensors, without
    seeded()
    for case in op.error_inputs("cpu"):
        try:
            call = plain(Call(op.op, case.sample_input))
            if not every and sum(x.numel() for x in call.inputs) > LARGE:
                raise NoProgram("large tensors")
            program, inputs = refused_program(call)
        except NoProgram:
            without += 1
            continue
        text = json.dumps(program)
        if text in seen:
            continue
        seen.add(text)
        for place, x in enumerate(inputs):
            keep(tensors, f"{first + len(entries)}.in.{place}", x)
        entries.append({"program": program, "says": first_line(case.error_regex)})
    return entries, tensors, without


class TooLong(BaseException):
    pass


def expired(*_):
    raise TooLong


def of_dtype(name, op, dtype, every, first):
    """The samples of an operation with a dtype, and their tensors."""
    entries, tensors = [], {}
    seeded()
    try:
        calls = []
        for sample in op.sample_inputs("cpu", DTYPES[dtype], requires_grad=False):
            try:
                calls.append(plain(Call(op.op, sample)))
            except NoProgram as reason:
                entries.append({"dtype": dtype, "reason": str(reason)})
    except Exception as error:
        return [{"dtype": dtype, "reason": f"op_db has no samples: {first_line(error)}"}], {}
    # What has no program is told once.
    entries = entries if every else list({entry["reason"]: entry for entry in entries}.values())
    for call in calls if every else chosen(calls, COUNTS.get(dtype, OTHERS)):
        number, own = first + len(entries), {}
        try:
            entries.append(recorded(call, name, op, dtype, number, own))
            tensors |= own
        except NoProgram as reason:
            entries.append({"dtype": dtype, "reason": str(reason)})
    return entries, tensors


def write(task):
    name, folder, every = task
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    op = operations()[name]
    entries, tensors = [], {}
    supported = op.supported_dtypes("cpu")
    for dtype in DTYPES:
        if DTYPES[dtype] not in supported:
            continue
        # Time of the processor, so that machines that do more beside it give the same.
        signal.signal(signal.SIGPROF, expired)
        signal.setitimer(signal.ITIMER_PROF, PATIENCE * (20 if every else 1))
        try:
            new, of_new = of_dtype(name, op, dtype, every, len(entries))
        except TooLong:
            new, of_new = [{"dtype": dtype, "reason": "PyTorch takes too long to export it"}], {}
        signal.setitimer(signal.ITIMER_PROF, 0)
        entries += new
        tensors |= of_new
    refusals, of_refusals, without = refused(op, len(entries), every)
    tensors |= of_refusals
    about = {
        "samples": json.dumps(entries, separators=(",", ":")),
        "refused": json.dumps(refusals, separators=(",", ":")),
        "refused_without_program": json.dumps(without),
    }
    tensors = {key: value.contiguous() for key, value in tensors.items()}
    data = save(tensors, metadata=about)
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME}]
    (folder / f"{name}.xz").write_bytes(lzma.compress(data, check=lzma.CHECK_CRC32, filters=filters))
    return name, len(entries), sum("program" in entry for entry in entries)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--into", type=pathlib.Path, default=HERE / "op_db")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    arguments.into.mkdir(exist_ok=True, parents=True)
    tasks = [(name, arguments.into, arguments.all) for name in arguments.names or operations()]
    with multiprocessing.Pool(arguments.jobs) as pool:
        for name, count, programs in pool.imap_unordered(write, tasks):
            print(f"{name}: {count} samples, {programs} programs", flush=True)


if __name__ == "__main__":
    main()
