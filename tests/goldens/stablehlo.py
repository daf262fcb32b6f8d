"""Writes the modules of StableHLO in stablehlo/ that tests import, and what JAX computes with them.

NAME.mlir is what `jax.export` makes of a model of jax_models.py, NAME.mlirbc the same as portable bytecode. NAME.safetensors
has its inputs `input.NUMBER`, the outputs `output.PATH` as JAX computes them in float64, and `error.PATH`: the largest
difference of what it computes in float32. Where a model has dynamic sizes, the same follows for other ones under `again.`.
Unsigned integers that Thunder lacks are there as signed ones of the same bits.

    python tests/goldens/stablehlo.py [--into FOLDER] [NAME...]

takes JAX and safetensors; the tests do not.
"""

import argparse
import pathlib

import jax
import numpy as np
from jax import export
from safetensors.numpy import save_file

HERE = pathlib.Path(__file__).parent


def models():
    # By this name locations are the same wherever the file lies.
    source = {"__name__": "jax_models"}
    exec(compile((HERE / "jax_models.py").read_text(), "jax_models.py", "exec"), source)
    return source


def path(name):
    return "".join(c for c in name.replace("[", ".") if c not in "]'\"").strip(".")


def leaves(tree, alone=""):
    return {path(jax.tree_util.keystr(keys)) or alone: np.asarray(x) for keys, x in jax.tree_util.tree_flatten_with_path(tree)[0]}


def wide(tree):
    return jax.tree.map(lambda x: x.astype(np.float64) if x.dtype == np.float32 else x, tree)


def carried(x):
    signed = {"uint16": np.int16, "uint32": np.int32, "uint64": np.int64}.get(x.dtype.name)
    return np.ascontiguousarray(x.view(signed) if signed else x).reshape(x.shape)


def results(function, arguments, kept, is_exact, prefix):
    inputs = list(leaves(arguments).values())
    tensors = {f"{prefix}input.{number}": carried(inputs[index]) for number, index in enumerate(kept)}
    narrow = leaves(jax.jit(function)(*arguments), "output")
    exact = narrow
    if not is_exact:
        with jax.enable_x64(True):
            exact = leaves(jax.jit(function)(*wide(arguments)), "output")
    for name, x in narrow.items():
        is_float = np.issubdtype(x.dtype, np.floating)
        value = exact[name].astype(np.float64) if is_float else exact[name].astype(x.dtype)
        with np.errstate(invalid="ignore"):
            apart = np.abs(x.astype(np.float64) - value.astype(np.float64))
        tensors[f"{prefix}output.{name}"] = carried(value)
        tensors[f"{prefix}error.{name}"] = np.max(apart, initial=0, where=np.isfinite(apart))
    return tensors


def write(place, function, arguments, is_exact, specs=None, again=None):
    scope = export.SymbolicScope()
    given = arguments
    if specs:
        symbolic = lambda x, spec: export.symbolic_args_specs(x, spec, scope=scope) if spec else x
        given = tuple(symbolic(x, spec) for x, spec in zip(arguments, specs))
    exported = export.export(jax.jit(function))(*given)
    place.with_suffix(".mlir").write_text(exported.mlir_module())
    place.with_suffix(".mlirbc").write_bytes(exported.mlir_module_serialized)
    # Arguments that the model does not use are none of the module.
    kept = exported.module_kept_var_idx
    tensors = results(function, arguments, kept, is_exact, "")
    if again:
        tensors |= results(function, again, kept, is_exact, "again.")
    save_file({key: np.asarray(value) for key, value in tensors.items()}, place.with_suffix(".safetensors"))


parser = argparse.ArgumentParser()
parser.add_argument("--into", type=pathlib.Path, default=HERE / "stablehlo")
parser.add_argument("names", nargs="*")
chosen = parser.parse_args()
chosen.into.mkdir(exist_ok=True, parents=True)
# One line of the model for each op is enough.
jax.config.update("jax_traceback_in_locations_limit", 1)
jax.config.update("jax_hlo_source_file_canonicalization_regex", ".*/")
cases = models()
for name, *model in cases["CASES"]:
    if not chosen.names or name in chosen.names:
        function, arguments, *dynamic = model
        write(chosen.into / name, function, arguments, name in cases["EXACT"], *dynamic)
