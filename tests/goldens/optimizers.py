"""Writes optimizers.safetensors: what PyTorch's optimizers make of two parameters in float64.

The file has the parameters as `w` and `b`, gradients of each step as `grad.STEP.w`, ..., learning rates as `rates`, and
for each case what the parameters are after each step as `CASE.STEP.w`, .... Lion, which PyTorch lacks, is that of the
paper.

    python tests/goldens/optimizers.py

takes PyTorch and safetensors; the tests do not.
"""

import pathlib

import torch
from safetensors.torch import save_file

torch.manual_seed(0)
STEPS = 5
RATES = torch.tensor([0.1 / (step + 1) for step in range(STEPS)], dtype=torch.float64)
START = {"w": torch.randn(3, 4, dtype=torch.float64), "b": torch.randn(5, dtype=torch.float64)}
GRADIENTS = [{name: torch.randn_like(value) * 2 for name, value in START.items()} for _ in range(STEPS)]


class Lion(torch.optim.Optimizer):
    """Algorithm 2 of Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023."""

    def __init__(self, parameters, lr, betas, weight_decay):
        super().__init__(parameters, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                state = self.state[p]
                m = state.setdefault("exp_avg", torch.zeros_like(p))
                update = (beta1 * m + (1 - beta1) * p.grad).sign()
                p.sub_(group["lr"] * (update + group["weight_decay"] * p))
                state["exp_avg"] = beta2 * m + (1 - beta2) * p.grad


SGD, ADAMW = torch.optim.SGD, torch.optim.AdamW
CLIP_NORM = lambda parameters: torch.nn.utils.clip_grad_norm_(parameters, 1.5, foreach=False)
CLIP_VALUE = lambda parameters: torch.nn.utils.clip_grad_value_(parameters, 0.75)
CASES = {
    "sgd": (lambda p: SGD(p, lr=0.1), None),
    "momentum": (lambda p: SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01), None),
    "nesterov": (lambda p: SGD(p, lr=0.1, momentum=0.8, nesterov=True), None),
    "adamw": (lambda p: ADAMW(p, lr=0.1), None),
    "adamw_other": (lambda p: ADAMW(p, lr=0.1, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1), None),
    "lion": (lambda p: Lion(p, lr=0.1, betas=(0.9, 0.99), weight_decay=0.1), None),
    "clip_norm": (lambda p: SGD(p, lr=0.1), CLIP_NORM),
    "clip_value": (lambda p: ADAMW(p, lr=0.1), CLIP_VALUE),
}

tensors = {"rates": RATES, **START}
for step, gradients in enumerate(GRADIENTS):
    tensors.update({f"grad.{step}.{name}": gradient for name, gradient in gradients.items()})
for case, (make, clip) in CASES.items():
    parameters = {name: value.clone().requires_grad_() for name, value in START.items()}
    optimizer = make(list(parameters.values()))
    for step, gradients in enumerate(GRADIENTS):
        for name, parameter in parameters.items():
            parameter.grad = gradients[name].clone()
        if clip:
            clip(list(parameters.values()))
        optimizer.param_groups[0]["lr"] = RATES[step].item()
        optimizer.step()
        tensors.update({f"{case}.{step}.{name}": p.detach().clone() for name, p in parameters.items()})
save_file(tensors, pathlib.Path(__file__).with_suffix(".safetensors"))
