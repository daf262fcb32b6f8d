"""Networks that import.py exports: small ones of the architectures that are in use."""

import math

import torch
import torch.nn.functional as F
from cases import BATCH, SEQ, case, randint, randn
from torch import nn

ROWS = ({0: BATCH},)
TOKENS = ({0: BATCH, 1: SEQ},)


def network(name, inputs, again, dynamic=ROWS, **options):
    """A network, with its gradients."""
    return case(name, inputs, again, lambda: dynamic, gradients=True, **options)


@network("mlp", lambda: (randn(5, 4),), lambda: (randn(2, 4),))
class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 16), nn.GELU(), nn.Linear(16, 3))

    def forward(self, x):
        return self.layers(x)


class Basic(nn.Module):
    """Two convolutions beside a shortcut."""

    widening = 1

    def __init__(self, inputs, width, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.down = shortcut(inputs, width, stride)

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        y += self.down(x)
        return self.relu(y)


class Bottleneck(nn.Module):
    """A convolution between two that narrow and widen, beside a shortcut."""

    widening = 4

    def __init__(self, inputs, width, stride):
        super().__init__()
        outputs = self.widening * width
        self.conv1, self.bn1 = nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.down = shortcut(inputs, outputs, stride)

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        y += self.down(x)
        return self.relu(y)


def shortcut(inputs, outputs, stride):
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


class ResNet(nn.Module):
    """He et al., "Deep Residual Learning for Image Recognition" (2015), narrower."""

    def __init__(self, block, depths, width):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width), nn.ReLU(True), nn.MaxPool2d(3, 2, 1))
        inputs, blocks = width, []
        for stage, depth in enumerate(depths):
            for index in range(depth):
                blocks.append(block(inputs, width << stage, 2 if stage > 0 and index == 0 else 1))
                inputs = block.widening * width << stage
        self.blocks = nn.Sequential(*blocks)
        self.pool, self.head = nn.AdaptiveAvgPool2d(1), nn.Linear(inputs, 5)
        for buffer in self.buffers():
            if buffer.is_floating_point():
                buffer.uniform_(0.5, 1.5)

    def forward(self, x):
        return self.head(torch.flatten(self.pool(self.blocks(self.stem(x))), 1))


def images(size):
    return {"inputs": lambda: (randn(2, 3, size, size),), "again": lambda: (randn(3, 3, size, size),)}


@network("resnet18", **images(32))
def resnet18():
    return ResNet(Basic, [2, 2, 2, 2], 2)


@network("resnet50", **images(32))
def resnet50():
    return ResNet(Bottleneck, [3, 4, 6, 3], 2)


@network("resnet_train", **images(16), train=True)
def resnet_train():
    """Normalizes by batch, and counts batches."""
    return ResNet(Basic, [1, 1], 4)


class Encoder(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(0.1)

    def attend(self, x, mask, causal=False):
        b, s, w = x.shape
        q, k, v = (y.view(b, s, self.heads, -1).transpose(1, 2) for y in self.qkv(x).chunk(3, dim=-1))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)
        return self.out(y.transpose(1, 2).reshape(b, s, w))


class BertLayer(Encoder):
    def forward(self, x, mask):
        x = self.norm1(x + self.dropout(self.attend(x, mask)))
        return self.norm2(x + self.dropout(self.down(F.gelu(self.up(x)))))


def words(*sizes):
    return lambda: (randint(20, *sizes), torch.arange(sizes[1])[None] < torch.arange(sizes[1] - 1, sizes[1] - 1 + sizes[0])[:, None])


@network("bert", words(2, 6), words(3, 9), TOKENS * 2)
@network("bert_core", words(2, 6), words(3, 9), TOKENS * 2, core=True)
class Bert(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.places = nn.Embedding(20, 16), nn.Embedding(32, 16)
        self.norm, self.drop = nn.LayerNorm(16), nn.Dropout(0.1)
        self.layer = BertLayer(16, 4)
        self.pool = nn.Linear(16, 16)

    def forward(self, ids, mask):
        x = self.words(ids) + self.places(torch.arange(ids.shape[1]))
        x = self.layer(self.drop(self.norm(x)), mask[:, None, None, :])
        return {"hidden": x, "pooled": torch.tanh(self.pool(x[:, 0]))}


class GptLayer(Encoder):
    def forward(self, x):
        x = x + self.attend(self.norm1(x), None, causal=True)
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


@network("gpt", lambda: (randint(20, 2, 6),), lambda: (randint(20, 3, 9),), TOKENS)
class Gpt(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.places = nn.Embedding(20, 16), nn.Embedding(32, 16)
        self.layers, self.norm = nn.Sequential(GptLayer(16, 4), GptLayer(16, 4)), nn.LayerNorm(16)
        self.head = nn.Linear(16, 20, bias=False)
        self.head.weight = self.words.weight

    def forward(self, ids):
        x = self.words(ids) + self.places(torch.arange(0, ids.size(1), dtype=torch.long, device=ids.device).unsqueeze(0))
        return self.head(self.norm(self.layers(x)))


class RmsNorm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        y = x.float() if x.dtype != torch.float64 else x
        return self.weight * (y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + 1e-6)).to(x.dtype)


class GroupedAttention(nn.Module):
    """Attention whose heads share keys and values in groups; positions turn queries and keys."""

    def __init__(self, width, heads, groups):
        super().__init__()
        self.heads, self.groups, self.depth = heads, groups, width // heads
        self.q, self.o = (nn.Linear(width, width, bias=False) for _ in range(2))
        self.k, self.v = (nn.Linear(width, groups * self.depth, bias=False) for _ in range(2))
        self.register_buffer("inverse", 10000.0 ** (-torch.arange(0, self.depth, 2) / self.depth), persistent=False)

    def rotate(self, x, places):
        angles = places.to(self.inverse.dtype)[:, None] * self.inverse[None]
        angles = torch.cat([angles, angles], -1)
        half = x.shape[-1] // 2
        return x * angles.cos().to(x.dtype) + torch.cat((-x[..., half:], x[..., :half]), dim=-1) * angles.sin().to(x.dtype)

    def project(self, x, places):
        b, s, _ = x.shape
        q, k, v = (y.view(b, s, -1, self.depth).transpose(1, 2) for y in (self.q(x), self.k(x), self.v(x)))
        return self.rotate(q, places), self.rotate(k, places), v

    def attend(self, q, k, v, mask):
        b, _, s, _ = q.shape
        repeat = lambda x: x[:, :, None].expand(b, self.groups, self.heads // self.groups, x.shape[2], self.depth).reshape(b, self.heads, -1, self.depth)
        y = F.scaled_dot_product_attention(q, repeat(k), repeat(v), attn_mask=mask)
        return self.o(y.transpose(1, 2).reshape(b, s, -1))


def causal(places, length, x):
    """What keeps queries at `places` from the keys that come later."""
    later = torch.arange(length)[None, :] > places[:, None]
    return torch.zeros(places.shape[0], length, dtype=x.dtype).masked_fill(later, -math.inf)


class Gated(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.gate, self.up = (nn.Linear(width, 2 * width, bias=False) for _ in range(2))
        self.down = nn.Linear(2 * width, width, bias=False)

    def forward(self, x):
        return self.down(F.silu(self.gate(x)) * self.up(x))


class Block(nn.Module):
    def __init__(self, width, ffn):
        super().__init__()
        self.attention, self.ffn = GroupedAttention(width, 4, 2), ffn
        self.norm1, self.norm2 = RmsNorm(width), RmsNorm(width)

    def forward(self, x):
        places = torch.arange(x.shape[1])
        q, k, v = self.attention.project(self.norm1(x), places)
        x = x + self.attention.attend(q, k, v, causal(places, x.shape[1], x))
        return x + self.ffn(self.norm2(x))


class Decoder(nn.Module):
    """Layers between an embedding and scores of the next token."""

    def __init__(self, *layers, width=16):
        super().__init__()
        self.words, self.layers = nn.Embedding(20, width), nn.ModuleList(layers)
        self.norm, self.head = RmsNorm(width), nn.Linear(width, 20, bias=False)

    def forward(self, ids):
        x = self.words(ids)
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x))


@network("llama", lambda: (randint(20, 2, 6),), lambda: (randint(20, 3, 9),), TOKENS)
def llama():
    return Decoder(Block(16, Gated(16)), Block(16, Gated(16)))


@case("llama_decode", lambda: (randint(20, 2, 1), torch.tensor([5])), lambda: (randint(20, 2, 1) + 1, torch.tensor([7])))
class Decode(Decoder):
    """One token more, by what is kept of those before it in memory that is updated in place."""

    def __init__(self, batch=2, length=8):
        super().__init__(Block(16, Gated(16)), Block(16, Gated(16)))
        for index in range(len(self.layers)):
            for name in "kv":
                self.register_buffer(f"{name}{index}", torch.randn(batch, 2, length, 4))

    def forward(self, ids, place):
        x = self.words(ids)
        for index, layer in enumerate(self.layers):
            q, k, v = layer.attention.project(layer.norm1(x), place)
            keys, values = getattr(self, f"k{index}"), getattr(self, f"v{index}")
            keys.index_copy_(2, place, k)
            values.index_copy_(2, place, v)
            x = x + layer.attention.attend(q, keys, values, causal(place, keys.shape[2], x))
            x = x + layer.ffn(layer.norm2(x))
        return self.head(self.norm(x))


def past(batch, length, new):
    return lambda: (randint(20, batch, new), [randn(batch, 2, length, 4, seed=seed) for seed in range(4)])


PAST = torch.export.Dim("past", min=2, max=32)


@network("llama_past", past(2, 5, 4), past(3, 3, 6), ({0: BATCH, 1: SEQ}, [{0: BATCH, 2: PAST}] * 4))
class Past(Decoder):
    """More tokens, by keys and values that are passed in and, longer, out."""

    def __init__(self):
        super().__init__(Block(16, Gated(16)), Block(16, Gated(16)))

    def forward(self, ids, past):
        x, kept = self.words(ids), []
        before, new = past[0].shape[2], ids.shape[1]
        places = torch.arange(before, before + new)
        for index, layer in enumerate(self.layers):
            q, k, v = layer.attention.project(layer.norm1(x), places)
            k, v = torch.cat([past[2 * index], k], 2), torch.cat([past[2 * index + 1], v], 2)
            kept += [k, v]
            x = x + layer.attention.attend(q, k, v, causal(places, before + new, x))
            x = x + layer.ffn(layer.norm2(x))
        return self.head(self.norm(x)), kept


class Experts(nn.Module):
    """Of several gated layers, the two that a router scores highest, for each token."""

    def __init__(self, width, count=4):
        super().__init__()
        self.router = nn.Linear(width, count, bias=False)
        self.gate, self.up, self.down = (nn.Parameter(torch.randn(count, 2 * width, width) / width) for _ in range(3))

    def forward(self, x):
        b, s, w = x.shape
        x = x.reshape(b * s, w)
        weights, chosen = torch.topk(F.softmax(self.router(x), dim=-1), 2, dim=-1)
        weights = weights / weights.sum(dim=-1, keepdim=True)
        gate = F.silu(torch.einsum("tw,tehw->teh", x, self.gate[chosen]))
        up = torch.einsum("tw,tehw->teh", x, self.up[chosen])
        y = torch.einsum("teh,tehw->tew", gate * up, self.down[chosen])
        return torch.einsum("tew,te->tw", y, weights).reshape(b, s, w)


@network("mixtral", lambda: (randint(20, 2, 6),), lambda: (randint(20, 3, 9),), TOKENS)
def mixtral():
    return Decoder(Block(16, Experts(16)), Block(16, Experts(16)))


@network("vit", **images(16))
class Vit(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 16, 4, 4)
        self.token, self.places = nn.Parameter(torch.randn(1, 1, 16)), nn.Parameter(torch.randn(1, 17, 16))
        self.layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, norm_first=True, activation="gelu")
        self.norm, self.head = nn.LayerNorm(16), nn.Linear(16, 5)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], dim=1) + self.places
        return self.head(self.norm(self.layer(x))[:, 0])


class Mixed(nn.Module):
    """Convolutions that know the time of the diffusion."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(2, inputs), nn.Conv2d(inputs, outputs, 3, padding=1)
        self.time = nn.Linear(16, outputs)
        self.norm2, self.conv2 = nn.GroupNorm(2, outputs), nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x, time):
        y = self.conv1(F.silu(self.norm1(x))) + self.time(F.silu(time))[:, :, None, None]
        return self.conv2(F.silu(self.norm2(y))) + self.skip(x)


class Pixels(nn.Module):
    """Attention of every place of an image to all others."""

    def __init__(self, width):
        super().__init__()
        self.norm, self.qkv, self.out = nn.GroupNorm(2, width), nn.Conv2d(width, 3 * width, 1), nn.Conv2d(width, width, 1)

    def forward(self, x):
        b, c, h, w = x.shape
        q, k, v = self.qkv(self.norm(x)).reshape(b, 3, 2, c // 2, h * w).transpose(3, 4).unbind(1)
        y = F.scaled_dot_product_attention(q, k, v)
        return x + self.out(y.transpose(2, 3).reshape(b, c, h, w))


@network("unet", lambda: (randn(2, 3, 8, 8), torch.tensor([3.0, 70.0])), lambda: (randn(3, 3, 8, 8), torch.tensor([1.0, 20.0, 300.0])), ROWS * 2)
class Unet(nn.Module):
    def __init__(self):
        super().__init__()
        self.time = nn.Sequential(nn.Linear(8, 16), nn.SiLU(), nn.Linear(16, 16))
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.down1, self.half1 = Mixed(4, 4), nn.Conv2d(4, 4, 3, 2, 1)
        self.down2, self.half2 = Mixed(4, 8), nn.Conv2d(8, 8, 3, 2, 1)
        self.middle1, self.attention, self.middle2 = Mixed(8, 8), Pixels(8), Mixed(8, 8)
        self.twice2, self.up2 = nn.ConvTranspose2d(8, 8, 4, 2, 1), Mixed(16, 4)
        self.twice1, self.up1 = nn.Conv2d(4, 4, 3, padding=1), Mixed(8, 4)
        self.norm, self.head = nn.GroupNorm(2, 4), nn.Conv2d(4, 3, 3, padding=1)

    def forward(self, x, time):
        rates = torch.exp(-math.log(10000.0) * torch.arange(4) / 4).to(x.dtype)
        angles = time[:, None] * rates[None]
        time = self.time(torch.cat([angles.sin(), angles.cos()], -1))
        x1 = self.down1(self.stem(x), time)
        x2 = self.down2(self.half1(x1), time)
        y = self.middle2(self.attention(self.middle1(self.half2(x2), time)), time)
        y = self.up2(torch.cat([self.twice2(y), x2], 1), time)
        y = self.twice1(F.interpolate(y, scale_factor=2, mode="nearest"))
        y = self.up1(torch.cat([y, x1], 1), time)
        return self.head(F.silu(self.norm(y)))


@network("lstm", lambda: (randint(20, 2, 6),), lambda: (randint(20, 3, 6),))
class Tagger(nn.Module):
    """What each word of a sentence is, by those on both sides."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(20, 8)
        self.lstm = nn.LSTM(8, 6, num_layers=2, bidirectional=True, batch_first=True)
        self.head = nn.Linear(12, 5)

    def forward(self, ids):
        y, _ = self.lstm(self.words(ids))
        return F.log_softmax(self.head(y), dim=-1)


class Heads(nn.Module):
    """Attention to a sequence, one's own or another."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.q, self.v, self.o = (nn.Linear(width, width) for _ in range(3))
        self.k = nn.Linear(width, width, bias=False)

    def forward(self, x, other, causal=False):
        split = lambda y: y.view(*y.shape[:2], self.heads, -1).transpose(1, 2)
        y = F.scaled_dot_product_attention(split(self.q(x)), split(self.k(other)), split(self.v(other)), is_causal=causal)
        return self.o(y.transpose(1, 2).flatten(2))


class SpeechLayer(nn.Module):
    def __init__(self, width, crosses):
        super().__init__()
        self.attention, self.norm = Heads(width, 2), nn.LayerNorm(width)
        self.cross, self.cross_norm = (Heads(width, 2), nn.LayerNorm(width)) if crosses else (None, None)
        self.mlp = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x, heard=None):
        y = self.norm(x)
        x = x + self.attention(y, y, causal=heard is not None)
        if heard is not None:
            x = x + self.cross(self.cross_norm(x), heard)
        return x + self.mlp(x)


FRAMES = torch.export.Dim("frames", min=4, max=16)


@network(
    "whisper",
    lambda: (randn(2, 5, 12), randint(20, 2, 6)),
    lambda: (randn(3, 5, 16), randint(20, 3, 9)),
    ({0: BATCH, 2: 2 * FRAMES}, {0: BATCH, 1: SEQ}),
)
class Whisper(nn.Module):
    """Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision" (2022), smaller: encoder and decoder."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv1d(5, 16, 3, padding=1), nn.Conv1d(16, 16, 3, 2, 1)
        self.encoder, self.encoder_norm = nn.ModuleList([SpeechLayer(16, False)]), nn.LayerNorm(16)
        self.words, self.places = nn.Embedding(20, 16), nn.Parameter(torch.randn(32, 16))
        self.decoder, self.norm = nn.ModuleList([SpeechLayer(16, True)]), nn.LayerNorm(16)
        rates = torch.exp(-math.log(10000.0) / 7 * torch.arange(8))
        angles = torch.arange(16)[:, None] * rates[None]
        self.register_buffer("waves", torch.cat([angles.sin(), angles.cos()], 1))

    def forward(self, sound, ids):
        x = F.gelu(self.conv2(F.gelu(self.conv1(sound)))).permute(0, 2, 1)
        x = x + self.waves[: x.shape[1]]
        for layer in self.encoder:
            x = layer(x)
        x = self.encoder_norm(x)
        y = self.words(ids) + self.places[: ids.shape[1]]
        for layer in self.decoder:
            y = layer(y, x)
        return self.norm(y) @ self.words.weight.T
