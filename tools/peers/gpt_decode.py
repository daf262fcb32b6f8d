"""PyTorch's side of what `gpt --gpu` writes: characters in a second of the example's model on a GPU, one after the other, with
the keys and values of earlier ones kept in memory of a fixed size. Eager, and by torch.compile with CUDA graphs.

The weights are random, and the likeliest character is taken on the GPU: how long it takes does not depend on which it is.
"""

import argparse
import time

import torch
import torch.nn.functional as F

from torch_models import Gpt


class Decoder(torch.nn.Module):
    """One token more, at a position, of which the caches then keep the keys and values."""

    def __init__(self, gpt, positions, width, heads):
        super().__init__()
        self.gpt = gpt
        self.places = torch.arange(positions, device="cuda")
        shape = (1, heads, positions, width // heads)
        self.keys = [torch.zeros(shape, device="cuda") for _ in gpt.h]
        self.values = [torch.zeros(shape, device="cuda") for _ in gpt.h]

    def forward(self, token, position):
        x = self.gpt.wte(token) + self.gpt.wpe(position)
        seen = (self.places <= position)[None, None, None]
        for layer, keys, values in zip(self.gpt.h, self.keys, self.values):
            query, key, value = layer.attn.c_attn(layer.ln_1(x)).view(1, 1, 3, keys.shape[1], -1).permute(2, 0, 3, 1, 4)
            keys.index_copy_(2, position, key)
            values.index_copy_(2, position, value)
            mixed = F.scaled_dot_product_attention(query, keys, values, attn_mask=seen)
            x = x + layer.attn.c_proj(mixed.transpose(1, 2).reshape(x.shape))
            x = x + layer.mlp(layer.ln_2(x))
        return F.linear(self.gpt.ln_f(x), self.gpt.wte.weight).argmax(-1)


@torch.no_grad()
def speed(decoder, positions, rounds):
    """Characters in a second, the median of rounds."""
    times = []
    for round in range(rounds + 1):
        token, start = torch.zeros((1, 1), dtype=torch.int64, device="cuda"), time.perf_counter()
        for place in range(positions):
            torch.compiler.cudagraph_mark_step_begin()
            token = decoder(token, torch.tensor([place], device="cuda")).clone()
            token.item()
        times.append(time.perf_counter() - start)
    # The first compiles.
    return positions / sorted(times[1:])[rounds // 2]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in {"vocabulary": 65, "positions": 128, "width": 192, "layers": 4, "heads": 6, "rounds": 7}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    sizes = parser.parse_args()
    gpt = Gpt(sizes.vocabulary, sizes.positions, sizes.width, sizes.layers, sizes.heads).cuda()
    decoder = Decoder(gpt, sizes.positions, sizes.width, sizes.heads)
    for name, run in (("eager", decoder), ("reduce-overhead", torch.compile(decoder, mode="reduce-overhead"))):
        print(f"{name:16}{speed(run, sizes.positions, sizes.rounds):8.0f} characters/s", flush=True)


if __name__ == "__main__":
    main()
