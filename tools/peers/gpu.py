"""Our programs on a GPU beside PyTorch, eager and compiled, in one go.

`gpu.py prepare FOLDER --thunder-compile PATH` writes modules and artifacts, and needs neither GPU nor PyTorch.
`gpu.py measure FOLDER --thunder-run PATH` runs where a GPU and PyTorch are: each case is compared with float64 first, ours
and PyTorch's, on the same random inputs, then all are timed by the GPU's clock when it is warm: medians of rounds of runs
that follow each other. The limit of a case is the time that the bytes it must move take at the rate of a large copy of the same run, or its
operations at that of a large matrix product. Beside that limit stands a kernel that only moves as many bytes, recorded as a
CUDA graph as ours is: what can be had at this size.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

from gpu_cases import cases

# How torch.compile is asked to compile.
MODES = {"compile": "default", "overhead": "reduce-overhead", "autotune": "max-autotune"}
# Runs between two looks at the clock, and how often.
RUNS, ROUNDS = 20, 7
# Seconds of work ahead of these: a GPU that takes all its power slows down, but only after some time. Ours has tried
# algorithms just before. And the most runs of ours, of which the median is taken.
WARM, MOST = 0.4, 20000


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("prepare", "measure"):
        command = commands.add_parser(name)
        command.add_argument("folder")
        command.add_argument("--only", nargs="+", default=[], help="cases whose names contain one of these")
    commands.choices["prepare"].add_argument("--thunder-compile", required=True)
    commands.choices["prepare"].add_argument("--target", default="cuda:sm_90a")
    commands.choices["prepare"].add_argument("--remat", help="of gradients, how much more arithmetic, such as 1%%")
    measured = commands.choices["measure"]
    measured.add_argument("--thunder-run", required=True)
    measured.add_argument("--modes", default="eager,compile", help="eager, " + ", ".join(MODES))
    measured.add_argument("--no-tune", action="store_true", help="ours takes what libraries expect to be fastest")
    measured.add_argument("--executors", help="who carries out products and such in ours, such as cublaslt,cudnn,mma")
    measured.add_argument("--profile", action="store_true", help="where the time of ours goes, by step")
    arguments = parser.parse_args()
    chosen = [case for case in cases() if not arguments.only or any(part in case.label for part in arguments.only)]
    return prepare(arguments, chosen) if arguments.command == "prepare" else measure(arguments, chosen)


def prepare(arguments, chosen):
    os.makedirs(arguments.folder, exist_ok=True)
    for case in chosen:
        module = os.path.join(arguments.folder, case.label + ".mlir")
        with open(module, "w") as file:
            file.write(case.module())
        command = [arguments.thunder_compile, module, "--target", arguments.target]
        command += ["-o", module.replace(".mlir", ".thb")]
        if case.backward:
            command += ["--grad=vjp", "--wrt=" + ",".join(map(str, case.differentiated()))]
            if arguments.remat:
                command.append(f"--remat={arguments.remat}")
        start = time.perf_counter()
        subprocess.run(command, check=True)
        print(f"{case.label:48} compiled in {time.perf_counter() - start:6.2f} s", flush=True)


def measure(arguments, chosen):
    import torch
    import torch._functorch.config

    torch.manual_seed(int(time.time()))
    # Gradients are asked for again and again.
    torch._functorch.config.donated_buffer = False
    device = torch.cuda.get_device_properties(0)
    limits = limits_of(torch)
    print(f"{device.name}: copies {limits['bytes'] / 1e12:.2f} TB/s, products {limits['flops'] / 1e12:.0f} TFLOP/s")
    modes = arguments.modes.split(",")
    print(f"{'median, us':40}{'limit':>9}{'ours':>9}" + "".join(f"{mode:>10}" for mode in modes) + "  ours/best  of limit  of move  error")
    failed = 0
    for case in chosen:
        try:
            failed += not compare(torch, arguments, case, modes, limits)
        except Exception as error:
            failed += 1
            print(f"{case.label:40} {type(error).__name__}: {str(error)[:300]}", flush=True)
    return failed


def compare(torch, arguments, case, modes, limits):
    """Measures a case and prints its line; whether ours is right."""
    inputs = [given(torch, case, *input) for input in case.inputs]
    limit = max(case.bytes / limits["bytes"], case.flops / limits["flops"]) * 1e6
    move = float("nan") if case.flops else move_of(torch, case.bytes)
    with torch.no_grad():
        outputs = call(torch, case, inputs)
    cotangents = [torch.randn_like(output) for output in outputs] if case.backward else []
    wanted = reference(torch, case, inputs, cotangents)
    plain = [x.detach() for x in run_torch(torch, case, trained(case, inputs), cotangents, case.same)]
    repeat = min(max(1 + RUNS * (ROUNDS + 2), int(3 * WARM * 1e6 / limit)), MOST)
    ours, got, steps, peak = run_ours(torch, arguments, case, inputs, cotangents, repeat)
    error, allowed = distance(got, wanted), max(case.tolerance, 2 * distance(plain, wanted))
    del wanted, plain, got, outputs
    times, peaks, notes = {}, {}, []
    for mode in modes:
        try:
            times[mode], peaks[mode] = time_torch(torch, case, inputs, cotangents, mode)
        except Exception as failure:
            notes.append(f"{mode}: {type(failure).__name__} {str(failure)[:80]}")
    best = min(times.values(), default=float("nan"))
    cells = "".join(f"{times.get(mode, float('nan')):10.1f}" for mode in modes)
    right = error <= allowed
    print(
        f"{case.label:40}{limit:9.1f}{ours:9.1f}{cells}{ours / best:11.2f}{limit / ours:10.2f}{move / ours:9.2f}"
        f"  {error:.1e}{'' if right else f' WRONG, {allowed:.1e} is allowed'}",
        flush=True,
    )
    if case.weights:
        print(f"    peak MiB: ours {peak:.0f}, " + ", ".join(f"{mode} {peaks[mode]:.0f}" for mode in peaks))
    for line in notes + steps:
        print("    " + line)
    return right


def given(torch, case, name, sizes, dtype):
    """Random values for an input."""
    if dtype.startswith("i64:"):
        return torch.randint(int(dtype[4:]), sizes, device="cuda")
    if dtype == "f32":
        return torch.randn(sizes, device="cuda")
    scale = 0.02 if name in case.weights and len(sizes) > 1 else 1.0
    own = torch.float8_e4m3fn if dtype == "f8E4M3FN" else torch.bfloat16
    return (torch.randn(sizes, device="cuda") * scale).to(own)


def call(torch, case, inputs, function=None):
    results = (function or case.torch)(torch, *inputs)
    return results if isinstance(results, tuple) else (results,)


def run_torch(torch, case, inputs, cotangents, function=None):
    """The results, and with cotangents the gradients of all floats."""
    if not case.backward:
        with torch.no_grad():
            return list(call(torch, case, inputs, function))
    leaves = [inputs[number] for number in case.differentiated()]
    results = call(torch, case, inputs, function)
    return list(results) + list(torch.autograd.grad(results, leaves, cotangents))


def trained(case, inputs):
    """Inputs of which gradients can be asked for."""
    inputs = [x.detach() for x in inputs]
    for number in case.differentiated() if case.backward else []:
        inputs[number].requires_grad_()
    return inputs


def reference(torch, case, inputs, cotangents):
    """What the case computes, in float64; of models in float32, as attention in float64 takes too much memory."""
    dtype = torch.float32 if case.weights or "sdpa" in case.name else torch.float64
    wide = trained(case, [x.to(dtype) if x.is_floating_point() else x for x in inputs])
    results = run_torch(torch, case, wide, [c.to(dtype) for c in cotangents], case.same)
    return [result.detach() for result in results]


def distance(got, wanted):
    """The largest relative error of a result, as a whole."""
    errors = [float((a.double().cuda() - b.double()).norm() / b.double().norm()) for a, b in zip(got, wanted, strict=True)]
    return max((error if error == error else float("inf")) for error in errors)


def rounds(torch, run, runs=RUNS):
    """The median time of a run, in microseconds."""
    start = time.perf_counter()
    while time.perf_counter() - start < WARM:
        for _ in range(runs):
            run()
        torch.cuda.synchronize()
    times = []
    for _ in range(ROUNDS):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for _ in range(runs):
            run()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end) / runs * 1e3)
    return statistics.median(times)


def time_torch(torch, case, inputs, cotangents, mode):
    torch._dynamo.reset()
    inputs = trained(case, inputs)
    function = case.torch
    if mode != "eager":
        function = torch.compile(lambda _, *inputs: case.torch(torch, *inputs), mode=MODES[mode])

    def run():
        torch.compiler.cudagraph_mark_step_begin()
        run_torch(torch, case, inputs, cotangents, function)

    run()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    us = rounds(torch, run)
    return us, torch.cuda.max_memory_allocated() / 2**20


def run_ours(torch, arguments, case, inputs, cotangents, repeat):
    """The median time of ours, its results, what its steps take, and the memory it takes at most."""
    from safetensors.torch import load_file, save_file

    with tempfile.TemporaryDirectory() as folder:
        path = lambda name: os.path.join(folder, name)
        named = list(zip(case.inputs, inputs))
        fed = [x for (name, _, _), x in named if name not in case.weights] + list(cotangents)
        save_file({f"input{number}": x.detach().cpu() for number, x in enumerate(fed)}, path("inputs.safetensors"))
        artifact = os.path.join(arguments.folder, case.label + ".thb")
        command = [arguments.thunder_run, artifact, "--target", "cuda", "--input", path("inputs.safetensors"), "--json"]
        command += ["--output", path("outputs.safetensors"), "--repeat", str(repeat)]
        if case.weights:
            weights = {name: x.detach().cpu() for (name, _, _), x in named if name in case.weights}
            save_file(weights, path("weights.safetensors"))
            command += ["--weights", path("weights.safetensors")]
        if not arguments.no_tune:
            command += ["--tune"]
        if arguments.executors:
            command += ["--executors", arguments.executors]
        if arguments.profile:
            command += ["--profile", path("profile.json")]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr.strip())
        report = json.loads(done.stdout)
        results = load_file(path("outputs.safetensors"))
        results = [results[output["name"]] for output in report["outputs"]]
        if case.backward:
            # Ours has the gradients by the name of a weight, or the number of an argument.
            order = {output["name"]: number for number, output in enumerate(report["outputs"])}
            values = sum(not name.startswith("grad.") for name in order)
            names = {number: name if name in case.weights else number for number, (name, _, _) in enumerate(case.inputs)}
            results = results[:values] + [results[order[f"grad.{names[number]}"]] for number in case.differentiated()]
        steps = profile(path("profile.json")) if arguments.profile else []
        held = sum(x.nbytes for x in inputs + list(cotangents) + results)
        beside = report["arena_bytes"] + report["workspace_bytes"]
        return report["median_us"], results, steps, (held + beside) / 2**20


def profile(path):
    """Steps by what they take together, the longest first."""
    with open(path) as file:
        events = json.load(file)
    events = events["traceEvents"] if isinstance(events, dict) else events
    totals = {}
    for event in events:
        if "dur" in event:
            time, count = totals.get(event["name"], (0, 0))
            totals[event["name"]] = (time + event["dur"], count + 1)
    longest = sorted(totals.items(), key=lambda item: -item[1][0])[:16]
    return [f"{time:9.1f} us in {count:3} x {name}" for name, (time, count) in longest]


def move_of(torch, moved):
    """What a kernel takes that reads and writes so many bytes in all."""
    x = torch.randint(1 << 30, (int(moved) // 8,), device="cuda", dtype=torch.int32)
    y = torch.empty_like(x)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        torch.bitwise_not(x, out=y)
    return rounds(torch, graph.replay)


def limits_of(torch):
    """Bytes and operations in a second, of a large copy and a large product."""
    x = torch.randn(1 << 28, device="cuda", dtype=torch.float32).to(torch.bfloat16)
    y = torch.empty_like(x)
    us = rounds(torch, lambda: y.copy_(x))
    copied = 2 * x.nbytes / us * 1e6
    n = 8192
    a, b = (torch.randn(n, n, device="cuda").to(torch.bfloat16) for _ in range(2))
    us = rounds(torch, lambda: a @ b, 5)
    return {"bytes": copied, "flops": 2 * n**3 / us * 1e6}


if __name__ == "__main__":
    sys.exit(main())
