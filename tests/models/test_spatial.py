"""The learned and the static spatial branch."""

from __future__ import annotations

import pytest
import torch

from elsa_lightning.errors import ConfigError, DataError
from elsa_lightning.models.spatial import build_spatial, save_branch
from elsa_lightning.schema import CoordCnnConfig, FeatureConfig, IntensityConfig, NoSpatialConfig, StaticIntensityConfig
from elsa_lightning.weights import SPATIAL_BRANCH

SMALL = {"channels": [4, 6, 8], "hidden": [16, 12]}


def count(module) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def test_the_papers_branch_has_the_papers_number_of_parameters():
    branch = build_spatial(CoordCnnConfig(), FeatureConfig())
    assert count(branch) == 485_924
    assert abs(count(branch) / 485_828 - 1) < 0.01
    assert len(branch.active.convolutions) == 6 and count(branch.active) == count(branch.reactive) == 126_000
    assert count(branch.mlp) == 225_284 and count(branch.expand) == 8_640


def test_attributes_and_width(features, random_features):
    branch = build_spatial(CoordCnnConfig(**SMALL), features).eval()
    intensity = random_features(2, 151).intensity
    assert branch.attributes(intensity).shape == (2, 44)
    out = branch(intensity)
    assert out.shape == (2, 192) == (2, branch.width)
    by_hand = torch.nn.functional.elu(branch.attributes(intensity)) @ branch.expand[1].weight.T + branch.expand[1].bias
    torch.testing.assert_close(out, by_hand)


@pytest.mark.parametrize(("frames", "bands"), [(1, 1), (3, 2), (40, 32), (151, 32), (97, 513)])
def test_any_size_of_map(features, random_features, frames, bands):
    branch = build_spatial(CoordCnnConfig(**SMALL), features).eval()
    out = branch(random_features(2, frames, bands=bands).intensity)
    assert out.shape == (2, 192) and torch.isfinite(out).all()


def test_an_example_does_not_depend_on_its_batch(features, random_features):
    branch = build_spatial(CoordCnnConfig(**SMALL, skip=4), features).eval()
    intensity = random_features(5, 60).intensity
    torch.testing.assert_close(torch.cat([branch(row[None]) for row in intensity]), branch(intensity), atol=1e-5, rtol=0)


def test_active_and_reactive_have_streams_of_their_own(features, random_features):
    branch = build_spatial(CoordCnnConfig(**SMALL), features).eval()
    intensity = random_features(1, 60).intensity
    seen = {}
    for name, stream in (("active", branch.active), ("reactive", branch.reactive)):
        stream.register_forward_pre_hook(lambda module, inputs, name=name: seen.update({name: inputs[0]}))
    branch(intensity)
    assert torch.equal(seen["active"], intensity[:, :3]) and torch.equal(seen["reactive"], intensity[:, 3:])
    for channel in range(6):
        changed = intensity.clone()
        changed[:, channel] += 1
        assert (branch(changed) - branch(intensity)).abs().max() > 1e-5


def test_the_skip_passes_coherent_means_beside_what_is_learned(features, random_features):
    plain, branch = (build_spatial(CoordCnnConfig(**SMALL, skip=skip), features).eval() for skip in (0, 4))
    assert branch.width == plain.width + 24
    assert sum(p.numel() for p in branch.parameters()) == sum(p.numel() for p in plain.parameters())
    intensity = 0.1 * random_features(2, 60).intensity
    intensity[:, :3, 7] = torch.tensor([0.0, 0.0, 1.0]).reshape(3, 1)  # one frame of direct sound from above among faint noise
    means = branch(intensity)[:, plain.width :].reshape(2, 6, 4)
    assert (means[:, 2] > 0.9 * torch.hypot(means[:, 0], means[:, 1]) * 5).all()
    weight = intensity[:, :3].square().sum(1, keepdim=True)
    wanted = (weight * intensity).sum(2).unflatten(2, (4, -1)).sum(3) / weight.sum(2).unflatten(2, (4, -1)).sum(3)
    torch.testing.assert_close(means, wanted, atol=1e-4, rtol=1e-3)


def test_magnitude_is_an_input_that_a_turn_does_not_change(features):
    torch.manual_seed(0)
    branch = build_spatial(CoordCnnConfig(channels=[4], magnitude=True), features).eval()
    plain = build_spatial(CoordCnnConfig(channels=[4]), features)
    extra = sum(p.numel() for p in branch.parameters()) - sum(p.numel() for p in plain.parameters())
    assert extra == 2 * 4 * 9  # one more input channel of 3 × 3 kernels in each stream
    with torch.no_grad():
        for stream in (branch.active, branch.reactive):
            stream.convolutions[0].signal.weight[:, :3] = 0  # only the magnitude is left
    vectors = torch.randn(2, 6, 20, 32)
    turned = torch.cat([vectors[:, [1, 0, 2]], -vectors[:, [3, 5, 4]]], 1)
    assert torch.allclose(branch(vectors), branch(turned), atol=1e-6)
    assert not torch.allclose(branch(vectors), branch(0.5 * vectors), atol=1e-3)


def test_average_pooling_keeps_a_mean_that_maximum_pooling_loses(features):
    for average, kept in ((True, True), (False, False)):
        torch.manual_seed(0)
        stream = build_spatial(CoordCnnConfig(channels=[3], average=average), features).active.eval()
        with torch.no_grad():
            stream.convolutions[0].place.weight.zero_()
            stream.convolutions[0].signal.weight.zero_()
            for i in range(3):
                stream.convolutions[0].signal.weight[i, i, 1, 1] = 0.01  # small: ELU is linear there
        noise = torch.randn(1, 3, 32, 32)
        noise -= noise.mean((2, 3), keepdim=True)
        up = torch.tensor([0.0, 0.0, 0.5]).reshape(1, 3, 1, 1)
        seen = (stream(noise + up) / 0.01).reshape(3, -1).mean(1)
        assert torch.allclose(seen, up.flatten(), atol=0.1) == kept


def test_it_learns_the_elevation_of_a_constant_field(features):
    """A plane wave from each of 32 directions: the branch regresses z in a few steps, both halves of the scale."""
    branch = build_spatial(CoordCnnConfig(channels=[8, 8, 8], hidden=[16], dropout=0.0), features)
    direction = torch.nn.functional.normalize(torch.randn(32, 3), dim=1)
    intensity = torch.cat([direction, torch.zeros(32, 3)], 1)[:, :, None, None] + 0.1 * torch.randn(32, 6, 16, 8)
    optimizer = torch.optim.Adam(branch.parameters(), 1e-2)
    for _ in range(40):
        loss = (branch.attributes(intensity)[:, :3] - direction).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.02 < direction.var()


def test_checkpoint_round_trip_and_its_faults(tmp_path, features, random_features):
    cfg = CoordCnnConfig(**SMALL)
    trained = build_spatial(cfg, features).eval()
    path = save_branch(trained, tmp_path)
    assert path == tmp_path / SPATIAL_BRANCH
    intensity = random_features(2, 30).intensity
    for checkpoint in (tmp_path, path):
        again = build_spatial(CoordCnnConfig(**SMALL, checkpoint=str(checkpoint)), features).eval()
        assert torch.equal(again(intensity), trained(intensity))
    with pytest.raises(DataError, match="nowhere"):
        build_spatial(CoordCnnConfig(**SMALL, checkpoint=str(tmp_path / "nowhere")), features)
    with pytest.raises(DataError, match="does not fit"):
        build_spatial(CoordCnnConfig(channels=[4, 6, 9], hidden=[16, 12], checkpoint=str(path)), features)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match="does not fit"):
        build_spatial(CoordCnnConfig(**SMALL, checkpoint=str(path)), features)


def test_static_vectors_are_means_over_equal_groups():
    branch = build_spatial(StaticIntensityConfig(bands=2), FeatureConfig(intensity=IntensityConfig(bands=4)))
    intensity = torch.zeros(1, 6, 2, 4)
    intensity[0, 0] = torch.tensor([[1.0, 3.0, 10.0, 20.0], [5.0, 7.0, 30.0, 40.0]])
    intensity[0, 5, :, 3] = 2.0
    out = branch(intensity)
    assert out.shape == (1, branch.width) == (1, 12)
    assert out[0].tolist() == [4, 25, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    assert count(branch) == 0 and not branch.state_dict()


def test_static_groups_of_the_papers_bins_differ_by_one_at_most():
    groups = build_spatial(StaticIntensityConfig(bands=32), FeatureConfig()).groups  # (513, 32)
    members = (groups > 0).sum(0)
    assert members.sum() == 513 and members.max() - members.min() == 1
    torch.testing.assert_close(groups.sum(0), torch.ones(32))


@pytest.mark.parametrize(
    "cfg", [CoordCnnConfig(channels=[]), CoordCnnConfig(grid=[4]), CoordCnnConfig(grid=[0, 2]), StaticIntensityConfig(bands=99)]
)
def test_bad_sizes_are_refused(features, cfg):
    with pytest.raises(ConfigError):
        build_spatial(cfg, features)
    with pytest.raises(ConfigError, match="FeatureConfig"):
        build_spatial(features, features)


def test_active_intensity_alone_has_one_stream_and_half_of_the_means(features, random_features):
    both, active = (build_spatial(CoordCnnConfig(**SMALL, skip=4, reactive=reactive), features).eval() for reactive in (True, False))
    assert active.width == both.width - 12 == 192 + 12
    assert count(active) == count(both) - count(both.reactive) - both.reactive.width * SMALL["hidden"][0]
    intensity = random_features(2, 60).intensity
    changed = intensity.clone()
    changed[:, 3:] += 1
    assert torch.equal(active(changed), active(intensity)) and active(intensity).shape == (2, active.width)
    torch.testing.assert_close(active(intensity)[:, 192:], both(intensity)[:, 192 : 192 + 12])


def test_no_branch_has_no_width_and_no_weights(features, random_features):
    branch = build_spatial(NoSpatialConfig(), features)
    assert branch(random_features(3, 20).intensity).shape == (3, 0) and branch.width == count(branch) == 0
