"""A peer of the benchmark `peers` on all-MiniLM-L6-v2: `minilm.py torch|onnxruntime|openvino THREADS FOLDER`.

The folder holds the published weights. Cases are as in kernels.py; their sizes are batch and tokens.
"""

import io
import os
import sys

import peer


def encoder(threads, folder):
    import safetensors.torch
    import torch
    import transformers

    torch.manual_seed(0)
    torch.set_num_threads(threads)
    config = transformers.BertConfig(
        vocab_size=30522,
        hidden_size=384,
        num_hidden_layers=6,
        num_attention_heads=12,
        intermediate_size=1536,
        max_position_embeddings=512,
        layer_norm_eps=1e-12,
        attn_implementation="eager",
    )
    model = transformers.BertModel(config, add_pooling_layer=False)
    weights = safetensors.torch.load_file(os.path.join(folder, "model.safetensors"))
    unused = model.load_state_dict(weights, strict=False)
    if unused.missing_keys:
        raise ValueError(f"weights lack {unused.missing_keys[0]}")

    class Encoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, ids, mask):
            return self.model(input_ids=ids, attention_mask=mask).last_hidden_state

    return Encoder().eval()


def inputs(sizes):
    import torch

    ids = torch.randint(1000, 20000, sizes)
    return ids, torch.ones_like(ids)


def torch_case(model, _threads, sizes):
    import torch

    example = inputs(sizes)

    def call():
        with torch.no_grad():
            model(*example)

    return call


def onnxruntime_case(model, threads, sizes):
    import onnxruntime
    import torch

    example = inputs(sizes)
    program = io.BytesIO()
    torch.onnx.export(model, example, dynamo=True, verbose=False).save(program)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(program.getvalue(), options)
    feed = {port.name: value.numpy() for port, value in zip(session.get_inputs(), example)}
    return lambda: session.run(None, feed)


def openvino_case(model, threads, sizes):
    import openvino

    example = inputs(sizes)
    options = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(openvino.convert_model(model, example_input=example), "CPU", options)
    arrays = [value.numpy() for value in example]
    return lambda: compiled(arrays)


if __name__ == "__main__":
    threads = int(sys.argv[2])
    peer.pin(threads)
    # Libraries report progress where the answers go.
    answers, sys.stdout = sys.stdout, sys.stderr
    make = {"torch": torch_case, "onnxruntime": onnxruntime_case, "openvino": openvino_case}[sys.argv[1]]
    model = encoder(threads, sys.argv[3])
    peer.serve(lambda _, sizes: make(model, threads, sizes), answers)
