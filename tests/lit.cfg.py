"""Runs the same folders under LLVM's lit that `thunder_lit` runs under cargo.

    cargo build -p thunder-tools
    /usr/lib/llvm-22/bin/lit tests/lit

Parameters: `-D llvm=/usr/lib/llvm-22`, `-D bin=target/debug` (where our tools are), and one per tool, to run another
program in its place: `-D thunder-opt=/usr/lib/llvm-22/bin/mlir-opt`.
"""

import os
import platform
import re

import lit.formats

TOOLS = ["thunder-opt", "thunder-compile", "thunder-run", "thunder-import", "thunder-reduce", "thunder-lsp-server"]

repository = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
target = os.environ.get("CARGO_TARGET_DIR", os.path.join(repository, "target"))
llvm = lit_config.params.get("llvm") or os.environ.get("MLIR_SYS_220_PREFIX", "/usr/lib/llvm-22")
binaries = lit_config.params.get("bin", os.path.join(target, "debug"))

config.name = "thunder"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Inputs"]
config.test_source_root = os.path.dirname(os.path.abspath(__file__))
config.test_exec_root = os.path.join(target, "lit", "under-lit")
config.available_features.update({f"system-{platform.system().lower()}", platform.machine()})
config.recursiveExpansionLimit = 10

config.environment["PATH"] = os.pathsep.join([os.path.join(llvm, "bin"), os.environ["PATH"]])
for tool in TOOLS:
    # Only where the name is a word of a command, as in the harness.
    word = r"(?<![^\s|&;(`!])" + re.escape(tool) + r"(?![^\s|&;)`<>])"
    program = lit_config.params.get(tool, os.path.join(binaries, tool))
    config.substitutions.append((word, os.path.abspath(program)))
