"""Two and four gloo processes against one process with the joined batch: value and gradients, after DDP's own averaging."""

import math
import warnings
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn.functional import normalize
from torch.nn.parallel import DistributedDataParallel

from elsa_lightning.errors import RunError
from elsa_lightning.losses import ElsaLoss, Partners, clip_loss, sigmoid_loss
from elsa_lightning.schema import ClipTermConfig, LossConfig, TargetTermConfig
from ranks import run_ranks

COUNT = 8


class Encoder(nn.Module):
    """Linear towers 8 → 4, a log-scale and three heads, in float64."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.audio, self.text = nn.Linear(8, 4, bias=False), nn.Linear(8, 4, bias=False)
        self.direction, self.distance, self.area = nn.Linear(4, 3), nn.Linear(4, 1), nn.Linear(4, 1)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(10.0)))
        self.double()

    def forward(self, x, y):
        audio, text = normalize(self.audio(x), dim=1), normalize(self.text(y), dim=1)
        direction, distance, area = normalize(self.direction(audio), dim=1), self.distance(audio)[:, 0], self.area(audio)[:, 0]
        heads = {"direction": direction, "distance": distance, "area": area}
        return {"audio": audio, "text": text, "logit_scale": self.logit_scale.exp(), **heads}


def loss_function(clip=1.0):
    target = TargetTermConfig(weight=1.0, standardize=False)
    return ElsaLoss(LossConfig(clip=ClipTermConfig(clip), distance=target, area=target), {})


def batch(is_spatial):
    draw = torch.Generator().manual_seed(7)
    x, y, direction = (torch.randn(COUNT, n, generator=draw, dtype=torch.float64) for n in (8, 8, 3))
    distance, area = (torch.rand(COUNT, generator=draw, dtype=torch.float64) for _ in range(2))
    direction[~is_spatial] = torch.nan
    return x, y, (normalize(direction, dim=1), distance, area, is_spatial)


def cut(value, part):
    x, y, targets = value
    direction, distance, area, is_spatial = (value[part] for value in targets)
    labels = {"distance_m": distance, "floor_area_m2": area}
    return x[part], y[part], SimpleNamespace(direction=direction, spatial=labels, is_spatial=is_spatial)


EVERY = torch.ones(COUNT, dtype=torch.bool)
ALTERNATE = torch.arange(COUNT) % 2 == 0
LATER_RANKS = torch.arange(COUNT) >= COUNT // 2
MASKS = {"every": EVERY, "alternate": ALTERNATE, "later_ranks": LATER_RANKS, "mono": ~EVERY}


def gradients(model):
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def one_process(is_spatial):
    """The joined batch's loss and gradients."""
    model = Encoder()
    x, y, targets = cut(batch(is_spatial), slice(None))
    total, _ = loss_function()(model(x, y), targets)
    total.backward()
    return total.detach(), gradients(model)


def shared_loss(model, part, form="softmax"):
    """Contrastive loss of pairs that share captions and recordings within and across ranks."""
    whole = Partners(torch.tensor([1, 2, 3, 1, 5, 2, 7, 1]), torch.tensor([1, 1, 3, 4, 3, 6, 7, 7]), torch.arange(COUNT) % 3 == 0)
    own = Partners(whole.caption[part], whole.recording[part], whole.plain[part])
    x, y, _ = cut(batch(EVERY), part)
    outputs = model(x, y)
    heads = sum(outputs[name].sum() for name in ("direction", "distance", "area"))  # DDP wants every parameter used
    if form == "sigmoid":
        contrastive = sigmoid_loss(outputs["audio"], outputs["text"], outputs["logit_scale"], -2.0, partners=own)
    else:
        contrastive = clip_loss(outputs["audio"], outputs["text"], outputs["logit_scale"], partners=own)
    return contrastive + 0 * heads, contrastive.detach()


def on_a_rank(rank, world):
    warnings.simplefilter("error")
    part = slice(rank * COUNT // world, (rank + 1) * COUNT // world)
    results = {}
    for name, mask in MASKS.items():
        model = DistributedDataParallel(Encoder())
        x, y, targets = cut(batch(mask), part)
        total, _ = loss_function()(model(x, y), targets)
        total.backward()
        results[name] = {"total": total.detach(), "gradients": gradients(model.module)}
    for form in ("softmax", "sigmoid"):
        model = DistributedDataParallel(Encoder())
        total, shared = shared_loss(model, part, form)
        total.backward()
        results[form] = {"total": shared, "gradients": gradients(model.module)}
    audio = normalize(torch.randn(2 + (rank == 0), 4), dim=1)
    with pytest.raises(RunError, match="batch sizes differ") as error:
        clip_loss(audio, audio, 10.0)
    local = clip_loss(audio, audio, 10.0, gather=False)  # no exchange: unequal sizes are fine
    return results | {"error": str(error.value), "local": local}


@pytest.fixture(scope="module", params=[2, 4])
def world_results(request, tmp_path_factory):
    return request.param, run_ranks(__file__, "on_a_rank", request.param, tmp_path_factory.mktemp("ranks"))


@pytest.mark.parametrize("name", MASKS)
def test_loss_and_gradients_equal_one_process(world_results, name):
    """However unevenly the spatial examples fall on the ranks, and without find_unused_parameters where there are none."""
    _, results = world_results
    total, wanted = one_process(MASKS[name])
    mean = torch.stack([r[name]["total"] for r in results]).mean()
    assert abs(mean - total) < 1e-12
    for result in results:
        found = result[name]["gradients"]
        assert found.keys() == wanted.keys()
        for key, gradient in wanted.items():
            torch.testing.assert_close(found[key], gradient, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("form", ["softmax", "sigmoid"])
def test_shared_captions_and_recordings_are_known_over_ranks(world_results, form):
    _, results = world_results
    model = Encoder()
    total, wanted = shared_loss(model, slice(None), form)
    total.backward()
    assert abs(torch.stack([r[form]["total"] for r in results]).mean() - wanted) < 1e-12
    for result in results:
        for key, gradient in gradients(model).items():
            torch.testing.assert_close(result[form]["gradients"][key], gradient, rtol=1e-9, atol=1e-12)


def test_unequal_batches_are_refused_on_every_rank(world_results):
    world, results = world_results
    sizes = str([3] + [2] * (world - 1))
    assert all(sizes in r["error"] for r in results)
    assert all(r["local"].isfinite() for r in results)
