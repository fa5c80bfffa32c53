"""HTSAT through transformers and the desk's CNN."""

from __future__ import annotations

import pytest
import torch

from elsa_lightning.errors import ConfigError, DataError
from elsa_lightning.models.semantic import build_semantic, halve
from elsa_lightning.schema import FeatureConfig, HtsatConfig, SemanticCnnConfig, SpectrogramConfig


@pytest.fixture(params=["htsat", "cnn"])
def branch(request, features, tiny_htsat):
    torch.manual_seed(0)
    return build_semantic(tiny_htsat if request.param == "htsat" else SemanticCnnConfig(channels=[4, 8], width=32), features).eval()


@pytest.mark.parametrize("frames", [1, 7, 63, 64, 65, 151, 200])
def test_any_number_of_frames_gives_the_width(branch, random_features, frames):
    out = branch(random_features(2, frames).log_mel)
    assert out.shape == (2, branch.width) == (2, 32)
    assert torch.isfinite(out).all()


def test_an_example_does_not_depend_on_its_batch(branch, random_features):
    log_mel = random_features(5, 151).log_mel
    whole = branch(log_mel)
    torch.testing.assert_close(torch.cat([branch(row[None]) for row in log_mel]), whole, atol=1e-5, rtol=0)
    assert torch.equal(branch(log_mel), whole)


def test_long_clips_are_the_mean_of_windows_that_cover_them(features, tiny_htsat, random_features):
    branch = build_semantic(tiny_htsat, features).eval()
    assert branch.frames == 64
    log_mel = random_features(3, 100).log_mel
    wanted = (branch(log_mel[:, :, :64]) + branch(log_mel[:, :, 36:])) / 2
    torch.testing.assert_close(branch(log_mel), wanted, atol=1e-6, rtol=0)


def test_the_end_of_a_long_clip_is_heard(features, tiny_htsat, random_features):
    branch = build_semantic(tiny_htsat, features).eval()
    log_mel = random_features(1, 150).log_mel
    changed = log_mel.clone()
    changed[:, :, -1] += 60
    assert (branch(changed) - branch(log_mel)).abs().max() > 1e-4


def test_the_cnn_is_blind_to_constant_gain_once_it_has_seen_it(features, random_features):
    """The batch norm of the input takes dB to unit range, so in training a common gain changes nothing."""
    branch = build_semantic(SemanticCnnConfig(channels=[4, 8], width=16, dropout=0.0), features).train()
    log_mel = random_features(4, 50).log_mel
    torch.testing.assert_close(branch(log_mel + 30), branch(log_mel), atol=1e-4, rtol=0)


def test_halve_keeps_axes_that_would_get_too_small():
    assert halve(torch.zeros(1, 1, 9, 3), (4, 2)).shape == (1, 1, 4, 3)
    assert halve(torch.zeros(1, 1, 7, 5), (4, 2)).shape == (1, 1, 7, 2)
    assert halve(torch.zeros(1, 1, 1, 1), (1, 1)).shape == (1, 1, 1, 1)


@pytest.mark.parametrize(
    "change", [{"hidden_size": 33}, {"heads": [1]}, {"spec_size": 100}, {"depths": [], "heads": []}], ids=["width", "heads", "size", "none"]
)
def test_sizes_that_do_not_fit_are_refused(features, tiny_htsat, change):
    for name, value in change.items():
        setattr(tiny_htsat, name, value)
    with pytest.raises(ConfigError):
        build_semantic(tiny_htsat, features)


def test_mels_must_divide_the_image(tiny_htsat):
    with pytest.raises(ConfigError, match="48 mel bands"):
        build_semantic(tiny_htsat, FeatureConfig(mel=SpectrogramConfig(mels=48)))


def test_a_config_of_another_kind_is_refused(features):
    with pytest.raises(ConfigError, match="FeatureConfig"):
        build_semantic(features, features)


@pytest.mark.parametrize("whole", [True, False], ids=["whole CLAP, as LAION's", "audio model alone"])
def test_checkpoints_bring_their_weights(tmp_path, features, tiny_htsat, random_features, whole):
    """transformers' ClapAudioModel leaves every weight random when it is given a whole CLAP checkpoint."""
    from transformers import ClapConfig, ClapModel

    sizes = build_semantic(tiny_htsat, features).model.config.to_dict()
    text = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    clap = ClapModel(ClapConfig(audio_config=sizes, text_config=text, projection_dim=8))
    (clap if whole else clap.audio_model).save_pretrained(tmp_path)
    branch = build_semantic(HtsatConfig(checkpoint=str(tmp_path)), features)
    assert branch.training and branch.width == 32
    log_mel = random_features(2, 64).log_mel
    with torch.no_grad():
        torch.testing.assert_close(branch.eval()(log_mel), clap.eval().audio_model(log_mel).pooler_output)
    with pytest.raises(ConfigError, match="64 mel bands, not 32"):
        build_semantic(HtsatConfig(checkpoint=str(tmp_path)), FeatureConfig(mel=SpectrogramConfig(mels=32)))


def test_a_checkpoint_of_another_model_is_refused(tmp_path, features):
    from transformers import BertConfig, BertModel

    sizes = BertConfig(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
    BertModel(sizes).save_pretrained(tmp_path)
    with pytest.raises(DataError, match=r"model\.semantic\.checkpoint"):
        build_semantic(HtsatConfig(checkpoint=str(tmp_path)), features)
