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
from elsa_lightning.losses import ElsaLoss, Partners, Places, clip_loss, sigmoid_loss
from elsa_lightning.schema import ClipTermConfig, LossConfig, LossTermConfig, TargetTermConfig
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
        self.spaces = nn.ModuleDict({space: nn.ModuleList([nn.Linear(8, 3), nn.Linear(8, 3)]) for space in ("what", "where")})
        self.scales = nn.ParameterDict({space: nn.Parameter(torch.tensor(math.log(5.0))) for space in self.spaces})
        self.double()

    def forward(self, x, y):
        audio, text = normalize(self.audio(x), dim=1), normalize(self.text(y), dim=1)
        direction, distance, area = normalize(self.direction(audio), dim=1), self.distance(audio)[:, 0], self.area(audio)[:, 0]
        heads = {"direction": direction, "distance": distance, "area": area}
        outputs = {"audio": audio, "text": text, "logit_scale": self.logit_scale.exp(), **heads}
        for space, (of_audio, of_text) in self.spaces.items():
            outputs |= {f"{space}_audio": normalize(of_audio(x), dim=1), f"{space}_text": normalize(of_text(y), dim=1)}
            outputs[f"{space}_logit_scale"] = self.scales[space].exp()
        return outputs


def unused(outputs):
    """A zero that is connected to everything: DDP wants every parameter used."""
    return 0 * sum(value.sum() for value in outputs.values())


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
SILENT = {"none": ~EVERY, "later ranks": LATER_RANKS & (torch.arange(COUNT) != 5), "all": EVERY}
MASKS = {"every": EVERY, "alternate": ALTERNATE, "later_ranks": LATER_RANKS, "mono": ~EVERY}


def gradients(model):
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def one_process(is_spatial):
    """The joined batch's loss and gradients."""
    model = Encoder()
    x, y, targets = cut(batch(is_spatial), slice(None))
    outputs = model(x, y)
    total = loss_function()(outputs, targets)[0] + unused(outputs)
    total.backward()
    return total.detach(), gradients(model)


def beside_loss(model, part, form, silent):
    """The terms of the spaces beside the joint one; `silent`: clips without a word of place, more of them on later ranks, or all."""
    draw = torch.Generator().manual_seed(11)
    heard = torch.randint(-2, 3, (COUNT, 2), generator=draw)
    said = torch.where((heard >= 0) & (torch.rand(COUNT, 2, generator=draw) < 0.8), heard, -1)
    said[silent] = -1
    every = torch.ones(COUNT, dtype=torch.bool)
    what = Partners(torch.tensor([1, 2, 3, 1, 5, 2, 7, 1])[part], torch.tensor([1, 1, 3, 4, 3, 6, 7, 7])[part], every[part])
    x, y, targets = cut(batch(EVERY), part)
    outputs = model(x, y)
    outputs |= {f"{space}_logit_bias": torch.tensor(-2.0) for space in ("what", "where")}
    cfg = LossConfig(clip=ClipTermConfig(0.0, form), what=LossTermConfig(0.5), where=LossTermConfig(2.0))
    cfg.direction.weight = cfg.distance.weight = cfg.area.weight = 0.0
    total, _ = ElsaLoss(cfg, {})(outputs, targets, None, {"what": what, "where": Places(said[part], heard[part])})
    return total + unused(outputs)


def shared_loss(model, part, form="softmax"):
    """Contrastive loss of pairs that share captions and recordings within and across ranks."""
    whole = Partners(torch.tensor([1, 2, 3, 1, 5, 2, 7, 1]), torch.tensor([1, 1, 3, 4, 3, 6, 7, 7]), torch.arange(COUNT) % 3 == 0)
    own = Partners(whole.caption[part], whole.recording[part], whole.plain[part])
    x, y, _ = cut(batch(EVERY), part)
    outputs = model(x, y)
    if form == "sigmoid":
        contrastive = sigmoid_loss(outputs["audio"], outputs["text"], outputs["logit_scale"], -2.0, partners=own)
    else:
        contrastive = clip_loss(outputs["audio"], outputs["text"], outputs["logit_scale"], partners=own)
    return contrastive + unused(outputs), contrastive.detach()


def on_a_rank(rank, world):
    warnings.simplefilter("error")
    part = slice(rank * COUNT // world, (rank + 1) * COUNT // world)
    results = {}
    for name, mask in MASKS.items():
        model = DistributedDataParallel(Encoder())
        x, y, targets = cut(batch(mask), part)
        outputs = model(x, y)
        total = loss_function()(outputs, targets)[0] + unused(outputs)
        total.backward()
        results[name] = {"total": total.detach(), "gradients": gradients(model.module)}
    for form in ("softmax", "sigmoid"):
        model = DistributedDataParallel(Encoder())
        total, shared = shared_loss(model, part, form)
        total.backward()
        results[form] = {"total": shared, "gradients": gradients(model.module)}
        for silent, rows in SILENT.items():
            model = DistributedDataParallel(Encoder())
            total = beside_loss(model, part, form, rows)
            total.backward()
            results[f"{form} {silent}"] = {"total": total.detach(), "gradients": gradients(model.module)}
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


@pytest.mark.parametrize("silent", SILENT)
@pytest.mark.parametrize("form", ["softmax", "sigmoid"])
def test_the_spaces_beside_the_joint_one_are_known_over_ranks(world_results, form, silent):
    """However unevenly the clips that have a place to tell fall on the ranks."""
    _, results = world_results
    model = Encoder()
    total = beside_loss(model, slice(None), form, SILENT[silent])
    total.backward()
    found = [result[f"{form} {silent}"] for result in results]
    assert abs(torch.stack([each["total"] for each in found]).mean() - total) < 1e-12
    for each in found:
        for key, gradient in gradients(model).items():
            torch.testing.assert_close(each["gradients"][key], gradient, rtol=1e-9, atol=1e-12)
    assert gradients(model)["spaces.where.0.weight"].any() == (silent != "all")


def test_unequal_batches_are_refused_on_every_rank(world_results):
    world, results = world_results
    sizes = str([3] + [2] * (world - 1))
    assert all(sizes in r["error"] for r in results)
    assert all(r["local"].isfinite() for r in results)
