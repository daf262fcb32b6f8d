"""Writes gpt_small.csv and gpt_default.csv: the loss of each step in which PyTorch trains the GPT of tools/models.

    python tests/goldens/gpt.py small|default

takes PyTorch and NumPy; the tests do not. The text, the weights before training, the batches, the learning rates and the
optimizer are those of `thunder_models::gpt`. Tests compare with `gpt_small.csv`; with the other one, in the size of the
example, compares

    cargo run --release -p thunder-tools --example gpt -- --steps 200 --follow tests/goldens/gpt_default.csv
"""

import math
import pathlib
import sys

import numpy as np
import torch

FOLDER = pathlib.Path(__file__).parent
sys.path.insert(0, str(FOLDER.parents[1] / "tools/peers"))

from torch_models import Gpt

STEPS = 200
SEED = 0
SIZES = {
    "small": dict(positions=32, width=32, layers=2, heads=2, batch=4),
    "default": dict(positions=128, width=192, layers=4, heads=6, batch=16),
}


class Stream:
    """SplitMix64, as `thunder_models::gpt::random` has it."""

    def __init__(self, seed, name):
        state = 0xCBF29CE484222325
        for byte in name.encode():
            state = (state ^ byte) * 0x100000001B3 % 2**64
        self.state = np.uint64((state + seed) % 2**64)

    def at(self, places):
        x = self.state + (places.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))

    def unit(self, places):
        return (self.at(places) >> np.uint64(11)).astype(np.float64) / 2.0**53

    def normal(self, count):
        places = np.arange(count)
        radius = np.sqrt(-2.0 * np.log(1.0 - self.unit(2 * places)))
        return radius * np.cos(2.0 * math.pi * self.unit(2 * places + 1))


def initialize(model, layers):
    for name, parameter in model.named_parameters():
        if name.endswith(".bias"):
            values = np.zeros(parameter.numel())
        elif parameter.dim() == 1:
            values = np.ones(parameter.numel())
        else:
            deviation = 0.02 * ((2.0 * layers) ** -0.5 if name.endswith(".c_proj.weight") else 1.0)
            values = deviation * Stream(SEED, name).normal(parameter.numel())
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(values).float().reshape(parameter.shape))


def learning_rate(step):
    peak, warmup = 1e-3, min(max(STEPS // 10, 1), 100)
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = (step - warmup) / max(STEPS - warmup, 1)
    return peak * (0.55 + 0.45 * math.cos(math.pi * min(progress, 1.0)))


def main(name):
    batch, tokens = SIZES[name]["batch"], SIZES[name]["positions"]
    sizes = {key: value for key, value in SIZES[name].items() if key != "batch"}
    text = (FOLDER.parents[1] / "tools/models/data/shakespeare.txt").read_text()
    characters = sorted(set(text))
    numbers = torch.tensor([characters.index(character) for character in text])
    model = Gpt(len(characters), **sizes)
    initialize(model, sizes["layers"])
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.99), weight_decay=0.1)
    stream = Stream(SEED, "batches")
    losses = []
    for step in range(STEPS):
        places = stream.at(np.arange(step * batch, (step + 1) * batch)) % np.uint64(len(numbers) - tokens)
        rows = [numbers[int(place) : int(place) + tokens + 1] for place in places]
        rows = torch.stack(rows)
        for group in optimizer.param_groups:
            group["lr"] = float(np.float32(learning_rate(step)))
        loss = model(rows[:, :-1], rows[:, 1:])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    lines = [f"{step},{loss:.6f}\n" for step, loss in enumerate(losses)]
    (FOLDER / f"gpt_{name}.csv").write_text("step,loss\n" + "".join(lines))
    print(f"{name}: from {losses[0]:.4f} to {losses[-1]:.4f}")


if __name__ == "__main__":
    torch.set_num_threads(2)
    main(sys.argv[1])
