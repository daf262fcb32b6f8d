"""A peer of the benchmark `optimizers`: `optimizers.py NAME THREADS SECONDS SHAPE...` prints the median time of a step in
microseconds, clipping included: by torch's fused kernels, then by those over lists of tensors; `-` where it has none.
"""

import statistics
import sys
import time

import torch


def optimizer(name, parameters, **form):
    if name == "adamw":
        return torch.optim.AdamW(parameters, lr=1e-4, **form)
    if name == "sgd":
        return torch.optim.SGD(parameters, lr=1e-4, momentum=0.9, **form)
    raise ValueError(f"torch has no {name}")


def median_us(name, shapes, seconds, **form):
    parameters = [torch.nn.Parameter(torch.randn(shape) * 0.02) for shape in shapes]
    for parameter in parameters:
        parameter.grad = torch.randn(parameter.shape) * 0.02
    try:
        steps = optimizer(name, parameters, **form)
    except ValueError:
        return "-"

    def step():
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        steps.step()

    step()
    times = []
    end = time.perf_counter() + seconds
    while len(times) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        step()
        times.append((time.perf_counter() - start) * 1e6)
    return f"{statistics.median(times):.1f}"


def main():
    name, threads, seconds = sys.argv[1:4]
    torch.manual_seed(0)
    torch.set_num_threads(int(threads))
    shapes = [[int(size) for size in shape.split("x")] for shape in sys.argv[4:]]
    for form in ({"fused": True}, {"foreach": True}):
        print(median_us(name, shapes, float(seconds), **form))


main()
