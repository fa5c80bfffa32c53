"""Ten steps on two and four gloo processes, whole and in chunks (GradCache), against one process with the whole batch."""

import itertools
import math
import warnings
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn.functional import normalize
from torch.nn.parallel import DistributedDataParallel

from elsa_lightning.losses import ElsaLoss, Partners
from elsa_lightning.schema import ClipTermConfig, LossConfig, TargetTermConfig
from elsa_lightning.training.grad_cache import backward_all, forward_all
from ranks import run_ranks

COUNT, STEPS = 16, 10
CASES = list(itertools.product(("softmax", "sigmoid"), (False, True), (1, 2, 4)))
"""Contrastive form, multi-positive, chunks."""


class Towers(nn.Module):
    """Two small towers, temperature and bias, three heads, in float64; one step is its forward, as in Lightning."""

    def __init__(self, form, multi_positive, chunks):
        super().__init__()
        torch.manual_seed(3)
        self.audio = nn.Sequential(nn.Linear(6, 12), nn.GELU(), nn.Linear(12, 5))
        self.text = nn.Linear(6, 5)
        self.heads = nn.Linear(5, 5)
        self.logit_scale, self.logit_bias = nn.Parameter(torch.tensor(math.log(10.0))), nn.Parameter(torch.tensor(-4.0))
        if form == "softmax":
            del self.logit_bias
        self.double()
        target = TargetTermConfig(weight=0.5, standardize=False)
        self.loss = ElsaLoss(LossConfig(clip=ClipTermConfig(form=form), distance=target, area=target), {})
        self.multi_positive, self.chunks = multi_positive, chunks

    def outputs(self, batch):
        audio, text = normalize(self.audio(batch.x), dim=1), normalize(self.text(batch.y), dim=1)
        heads = self.heads(audio)
        found = {"audio": audio, "text": text, "logit_scale": self.logit_scale.exp()}
        found |= {"direction": normalize(heads[:, :3], dim=1), "distance": heads[:, 3], "area": heads[:, 4]}
        return found | ({"logit_bias": self.logit_bias} if hasattr(self, "logit_bias") else {})

    def forward(self, batch):
        """What to call backward on, and the loss."""
        partners = batch.partners if self.multi_positive else None
        if self.chunks == 1:
            total, _ = self.loss(self.outputs(batch), batch, partners)
            return total, total.detach()
        size = len(batch.x) // self.chunks

        def forward(chunk):
            return self.outputs(cut(batch, slice(chunk * size, (chunk + 1) * size)))

        found = forward_all(self, forward, self.chunks)
        total, _ = self.loss(found, batch, partners)
        return backward_all(total, found, forward, self.chunks, torch.Tensor.backward), total.detach()


def batch_of(step):
    """Examples with shared captions and recordings. Some are mono: unevenly many on each rank, and at step 3 all of them."""
    draw = torch.Generator().manual_seed(step)
    x, y, direction = (torch.randn(COUNT, n, generator=draw, dtype=torch.float64) for n in (6, 6, 3))
    labels = {name: torch.rand(COUNT, generator=draw, dtype=torch.float64) for name in ("distance_m", "floor_area_m2")}
    partners = Partners(*(torch.randint(0, 9, (COUNT,), generator=draw) for _ in range(2)), torch.rand(COUNT, generator=draw) < 0.4)
    spatial = torch.rand(COUNT, generator=draw) < torch.linspace(0.2, 1, COUNT)
    return SimpleNamespace(
        x=x, y=y, direction=normalize(direction, dim=1), spatial=labels, is_spatial=spatial & (step != 3), partners=partners
    )


def cut(batch, rows):
    parts = {name: value[rows] for name, value in vars(batch).items() if isinstance(value, torch.Tensor)}
    labels = {name: value[rows] for name, value in batch.spatial.items()}
    shared = Partners(batch.partners.caption[rows], batch.partners.recording[rows], batch.partners.plain[rows])
    return SimpleNamespace(**parts, spatial=labels, partners=shared)


def train(case, rank=0, world=1):
    """Losses of ten steps of AdamW with clipping, the first step's gradients and the last's weights."""
    model = Towers(*case)
    step = DistributedDataParallel(model) if world > 1 else model
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.05, weight_decay=0.1)
    losses, first = [], {}
    for number in range(STEPS):
        optimizer.zero_grad()
        surrogate, total = step(cut(batch_of(number), slice(rank * COUNT // world, (rank + 1) * COUNT // world)))
        surrogate.backward()
        first = first or {name: p.grad.clone() for name, p in model.named_parameters()}
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(total)
    return {"losses": torch.stack(losses), "gradients": first, "weights": {name: p.detach() for name, p in model.named_parameters()}}


def on_a_rank(rank, world):
    warnings.simplefilter("error")
    return {repr(case): train(case, rank, world) for case in CASES}


@pytest.fixture(scope="module", params=[2, 4])
def results(request, tmp_path_factory):
    return run_ranks(__file__, "on_a_rank", request.param, tmp_path_factory.mktemp("ranks"))


def require_equal(found, wanted):
    for part in ("gradients", "weights"):
        assert found[part].keys() == wanted[part].keys()
        for name, value in wanted[part].items():
            torch.testing.assert_close(found[part][name], value, rtol=1e-6, atol=1e-9, msg=lambda text: f"{part} {name}: {text}")  # noqa: B023


@pytest.mark.parametrize("case", CASES, ids=str)
def test_ranks_and_chunks_train_as_one_process_with_the_whole_batch(results, case):
    wanted = train((*case[:2], 1))
    assert wanted["losses"][-1] < wanted["losses"][0]
    mean = torch.stack([result[repr(case)]["losses"] for result in results]).mean(0)
    torch.testing.assert_close(mean, wanted["losses"], rtol=1e-6, atol=1e-9)
    for result in results:
        require_equal(result[repr(case)], wanted)


@pytest.mark.parametrize("case", [case for case in CASES if case[2] > 1], ids=str)
def test_chunks_of_one_process_train_as_the_whole_batch(case):
    found, wanted = train(case), train((*case[:2], 1))
    torch.testing.assert_close(found["losses"], wanted["losses"], rtol=1e-6, atol=1e-9)
    require_equal(found, wanted)
