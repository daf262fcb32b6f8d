"""Writes promotion.csv: the dtype that PyTorch gives to an elementwise op of two operands, for all pairs of operands.

An operand is a tensor with dimensions (`f32[2]`), one of rank 0 (`f32[]`), or a Python number (`bool`, `int`,
`float`, `complex`). Where the dtype is one of complex numbers of 32 bits, there is `-`.

    python tests/goldens/promotion.py

takes PyTorch; the tests do not.
"""

import csv
import pathlib

import torch

DTYPES = {
    "i1": torch.bool,
    "ui8": torch.uint8,
    "i8": torch.int8,
    "i16": torch.int16,
    "i32": torch.int32,
    "i64": torch.int64,
    "f16": torch.float16,
    "bf16": torch.bfloat16,
    "f32": torch.float32,
    "f64": torch.float64,
    "complex<f32>": torch.complex64,
    "complex<f64>": torch.complex128,
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}

operands = {f"{name}[2]": torch.ones(2, dtype=dtype) for name, dtype in DTYPES.items()}
operands |= {f"{name}[]": torch.ones((), dtype=dtype) for name, dtype in DTYPES.items()}
operands |= {"bool": True, "int": 1, "float": 1.0, "complex": 1.0j}

with open(pathlib.Path(__file__).parent / "promotion.csv", "w", newline="") as file:
    table = csv.writer(file, lineterminator="\n")
    table.writerow(["", *operands])
    for name, operand in operands.items():
        table.writerow([name, *(NAMES.get(torch.result_type(operand, other), "-") for other in operands.values())])
