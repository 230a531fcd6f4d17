"""Trains the guide: python3 scripts/guide/train.py build/guide [first step]

A llama in PyTorch (Debian: python3-torch, libopenblas0-pthread), one thread, about an hour on one
core. Reads dialogues.bin, writes weights.bin (float32, in the order of guide-file.ts) from time to
time, so that it can be stopped and taken up again from a step.

Most tokens of an answer follow from its beginning; the question decides the beginning. So after
some hundred steps on whole answers most dialogues end soon after their last answer has begun, and
beginnings count more.
"""

import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

WIDTH, LAYERS, HEADS, KV_HEADS, FEED_FORWARD = 192, 4, 6, 2, 512
EPSILON, ROPE_BASE = 1e-5, 10_000.0
HEAD_DIM = WIDTH // HEADS
VOCABULARY = 2048
LENGTH, BATCH = 256, 12
PEAK_RATE, WARM_UP, STEPS = 3e-3, 60, 1100
# Of whole answers alone; later, what share of dialogues is cut, and after how many tokens.
WHOLE_STEPS, CUT_SHARE, CUT_AFTER = 600, 0.75, 10
BEGINNING, BEGINNING_WEIGHT = 6, 3.0
LEARN_FLAG, END = 0x8000, 0xFFFF


class RmsNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(WIDTH))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + EPSILON) * self.weight


def rotate(x, cos, sin):
    """Neighbouring components are a pair, as in files of this architecture."""
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


class Layer(nn.Module):
    """Attributes in the order of the tensors in the file."""

    def __init__(self):
        super().__init__()
        kv_width = KV_HEADS * HEAD_DIM
        self.attn_norm = RmsNorm()
        self.q = nn.Linear(WIDTH, WIDTH, bias=False)
        self.k = nn.Linear(WIDTH, kv_width, bias=False)
        self.v = nn.Linear(WIDTH, kv_width, bias=False)
        self.output = nn.Linear(WIDTH, WIDTH, bias=False)
        self.ffn_norm = RmsNorm()
        self.gate = nn.Linear(WIDTH, FEED_FORWARD, bias=False)
        self.up = nn.Linear(WIDTH, FEED_FORWARD, bias=False)
        self.down = nn.Linear(FEED_FORWARD, WIDTH, bias=False)

    def forward(self, x, cos, sin, mask, dropout):
        batch, length, _ = x.shape
        h = self.attn_norm(x)
        split = lambda t, heads: t.view(batch, length, heads, HEAD_DIM).transpose(1, 2)
        q = rotate(split(self.q(h), HEADS), cos, sin)
        k = rotate(split(self.k(h), KV_HEADS), cos, sin)
        v = split(self.v(h), KV_HEADS)
        k = k.repeat_interleave(HEADS // KV_HEADS, 1)
        v = v.repeat_interleave(HEADS // KV_HEADS, 1)
        scores = (q @ k.transpose(-2, -1)) * HEAD_DIM**-0.5 + mask
        attended = (scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, length, WIDTH)
        x = x + F.dropout(self.output(attended), dropout, self.training)
        h = self.ffn_norm(x)
        return x + F.dropout(self.down(F.silu(self.gate(h)) * self.up(h)), dropout, self.training)


class Guide(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, WIDTH)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.norm = RmsNorm()
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                deep = name.endswith(("output.weight", "down.weight"))
                nn.init.normal_(weight, std=0.02 / ((2 * LAYERS) ** 0.5 if deep else 1))
        frequency = ROPE_BASE ** (-torch.arange(0, HEAD_DIM, 2) / HEAD_DIM)
        angle = torch.arange(LENGTH)[:, None] * frequency[None]
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)
        mask = torch.full((LENGTH, LENGTH), float("-inf")).triu(1)
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, tokens, wanted, dropout=0.0):
        """Logits at the positions where `wanted` is true: the vocabulary is the dearest matrix."""
        length = tokens.shape[1]
        x = self.embedding(tokens)
        for layer in self.layers:
            x = layer(x, self.cos[:length], self.sin[:length], self.mask[:length, :length], dropout)
        return self.norm(x)[wanted] @ self.embedding.weight.T

    def load(self, path):
        values = torch.from_numpy(np.fromfile(path, "<f4"))
        at = 0
        for weight in self.parameters():
            weight.data.copy_(values[at : at + weight.numel()].view(weight.shape))
            at += weight.numel()

    def save(self, path):
        with open(path.with_suffix(".part"), "wb") as file:
            for weight in self.parameters():
                file.write(weight.detach().numpy().astype("<f4").tobytes())
        path.with_suffix(".part").rename(path)


def beginnings(learn):
    """Where runs of answer tokens begin."""
    return np.flatnonzero(learn[1:] & ~learn[:-1]) + 1


def batches(words, rng, first_step):
    """Rows of whole dialogues, as many as fit, padded at the end, and what each token counts."""
    ends = np.flatnonzero(words == END)
    starts = np.concatenate(([0], ends[:-1] + 1))
    step = first_step
    while True:
        rows = np.zeros((BATCH, LENGTH + 1), np.int64)
        counts = np.zeros((BATCH, LENGTH + 1), np.float32)
        for row in range(BATCH):
            at = 0
            while at < LENGTH - 40:
                pick = rng.integers(len(starts))
                part = words[starts[pick] : ends[pick]]
                learn = (part & LEARN_FLAG) != 0
                answers = beginnings(learn)
                if step >= WHOLE_STEPS and rng.random() < CUT_SHARE:
                    part = part[: answers[-1] + CUT_AFTER]
                part = part[: LENGTH + 1 - at]
                weight = learn[: len(part)].astype(np.float32)
                for answer in answers:
                    weight[answer : answer + BEGINNING] *= BEGINNING_WEIGHT
                rows[row, at : at + len(part)] = part & ~LEARN_FLAG
                counts[row, at : at + len(part)] = weight
                at += len(part)
        yield torch.from_numpy(rows), torch.from_numpy(counts)
        step += 1


def main():
    folder = Path(sys.argv[1])
    first_step = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    torch.manual_seed(1)
    torch.set_num_threads(1)
    words = np.fromfile(folder / "dialogues.bin", "<u2").astype(np.int64)
    model = Guide()
    if first_step > 0:
        model.load(folder / "weights.bin")
    print(sum(weight.numel() for weight in model.parameters()), "parameters")
    matrices = [weight for weight in model.parameters() if weight.dim() == 2]
    vectors = [weight for weight in model.parameters() if weight.dim() == 1]
    groups = [{"params": matrices, "weight_decay": 0.05}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=PEAK_RATE, betas=(0.9, 0.98))
    start, average = time.time(), None
    data = batches(words, np.random.default_rng(1 + first_step), first_step)
    for step, (rows, counts) in zip(range(first_step, STEPS), data):
        rate = min((step - first_step + 1) / WARM_UP, 0.02 + 0.98 * (1 - step / STEPS))
        for group in optimizer.param_groups:
            group["lr"] = PEAK_RATE * rate
        tokens, targets, weights = rows[:, :-1], rows[:, 1:], counts[:, 1:]
        wanted = weights > 0
        losses = F.cross_entropy(
            model(tokens, wanted, dropout=0.05), targets[wanted], reduction="none"
        )
        loss = (losses * weights[wanted]).sum() / weights.sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average = loss.item() if average is None else 0.95 * average + 0.05 * loss.item()
        if step % 20 == 0:
            print(f"{step} loss {average:.4f} {time.time() - start:.0f} s", flush=True)
        if step % 100 == 99:
            model.save(folder / "weights.bin")
    model.save(folder / "weights.bin")


main()
