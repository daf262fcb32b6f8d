"""What exported.py and networks.py are made of: a list of models, and random inputs for them."""

import dataclasses
import typing

import torch
from torch import nn


@dataclasses.dataclass
class Case:
    name: str
    make: typing.Callable[[], nn.Module]
    # The inputs that it is exported with.
    inputs: typing.Callable[[], tuple]
    # Others that it is run on too.
    again: typing.Callable[[], tuple] | None = None
    # Its dynamic sizes.
    dynamic: typing.Callable[[], tuple] | None = None
    # Whether it is exported in the ops of Core ATen.
    core: bool = False
    # Whether its gradients are kept too.
    gradients: bool = False
    # Whether it is exported as it trains.
    train: bool = False


CASES = []


def case(name, inputs, *more, **options):
    """A model, by its class or function."""

    def add(make):
        CASES.append(Case(name, make, inputs, *more, **options))
        return make

    return add


class Function(nn.Module):
    """A function of tensors as a model."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *inputs):
        return self.function(*inputs)


def function(name, inputs, *more, **options):
    """A model that is a function."""

    def add(body):
        case(name, inputs, *more, **options)(lambda: Function(body))
        return body

    return add


def randn(*sizes, seed=0):
    return torch.randn(*sizes, generator=torch.Generator().manual_seed(seed + sum(sizes)))


def randint(high, *sizes):
    return torch.randint(0, high, sizes, generator=torch.Generator().manual_seed(sum(sizes)))


BATCH = torch.export.Dim("batch", min=2, max=64)
SEQ = torch.export.Dim("seq", min=4, max=32)
