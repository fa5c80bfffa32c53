import pytest
import torch
from torch.nn.functional import normalize
from torchmetrics.retrieval import RetrievalHitRate, RetrievalMAP, RetrievalMRR, RetrievalRecall

from elsa_lightning.errors import DataError
from elsa_lightning.metrics import caption_groups, map10_laion_compat, retrieval_metrics
from elsa_lightning.metrics.ranking import rank_queries
from elsa_lightning.metrics.similarity import cosine

NAN = float("nan")


def noisy(clips, per_clip, noise=1.0, width=16, seed=0):
    """Embeddings of clips and captions (ragged if `per_clip` is a list), and the captions' clips, in random order."""
    torch.manual_seed(seed)
    counts = torch.tensor(per_clip if isinstance(per_clip, list) else [per_clip] * clips)
    clip = torch.arange(clips).repeat_interleave(counts)[torch.randperm(int(counts.sum()))]
    audio = torch.randn(clips, width)
    return normalize(audio, dim=1), normalize(audio[clip] + noise * torch.randn(len(clip), width), dim=1), clip


def brute_force(audio, text, clip, group):
    """Loops over queries and ranks; no ties assumed."""
    scores = text.double() @ audio.double().T  # (M, N)
    right = [[any(clip[o] == i and group[o] == group[j] for o in range(len(text))) for i in range(len(audio))] for j in range(len(text))]
    results = {}
    for way, s, r in (("text_to_audio", scores, torch.tensor(right)), ("audio_to_text", scores.T, torch.tensor(right).T)):
        hits, ap, best = {1: 0, 5: 0, 10: 0}, 0.0, []
        for row, relevant in zip(s, r, strict=True):
            ranks = sorted(int((row > row[i]).sum()) for i in relevant.nonzero().flatten())
            for k in hits:
                hits[k] += ranks[0] < k
            ap += sum(m / (rank + 1) for m, rank in enumerate(ranks, start=1) if rank < 10) / min(len(ranks), 10)
            best.append(ranks[0])
        results |= {f"{way}/r{k}": hits[k] / len(s) for k in hits} | {f"{way}/map10": ap / len(s)}
        results[f"{way}/median_rank"] = sorted(best)[len(best) // 2] + 1 if len(best) % 2 else None
    return results


def assert_equals(found, wanted):
    assert {key: found[key] for key, value in wanted.items() if value is not None} == pytest.approx(
        {key: value for key, value in wanted.items() if value is not None}, abs=1e-12
    )


@pytest.mark.parametrize("per_clip", [1, 5, [1, 2, 5, 3, 1, 4, 2, 5, 1, 3, 2]], ids=["one", "five", "ragged"])
def test_equals_loops(per_clip):
    audio, text, clip = noisy(11, per_clip)
    assert_equals(retrieval_metrics(audio, text, clip), brute_force(audio, text, clip, range(len(text))))


def test_duplicate_aware_equals_loops_with_shared_captions():
    audio, text, clip = noisy(9, 3, noise=2.0)
    group = torch.randint(0, 12, (27,), generator=torch.Generator().manual_seed(4)) * 1000 - 5
    found = retrieval_metrics(audio, text, clip, group)
    assert_equals(found, brute_force(audio, text, clip, range(27)))
    duplicate_aware = {key.removeprefix("dup/"): value for key, value in found.items() if key.startswith("dup/")}
    assert_equals(duplicate_aware, brute_force(audio, text, clip, group.tolist()))


def test_a_shared_caption_is_right_for_each_of_its_clips():
    # two clips called alike: the paired index finds one by chance, the duplicate-aware score both
    audio, text = torch.eye(3), torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    found = retrieval_metrics(audio, text, torch.arange(3), caption_groups(["A man speaking.", "a man  speaking", "Rain"]))
    assert found["text_to_audio/r1"] == pytest.approx(2 / 3) and found["dup/text_to_audio/r1"] == found["dup/map10"] == 1


def test_captions_are_grouped_by_their_words():
    group = caption_groups(["A dog barks!", " a dog  barks", "a dog, barks", "a cat", "un chien aboie"])
    assert group[0] == group[1] == group[2] and len(group.unique()) == 3 and (group >= 0).all()


def test_perfect_embeddings_score_one_and_rank_one():
    audio = normalize(torch.randn(12, 16), dim=1)
    found = retrieval_metrics(audio, audio.repeat_interleave(5, dim=0), torch.arange(12).repeat_interleave(5))
    assert {key: found[key] for key in ("r1", "r5", "r10", "map10")} == pytest.approx(dict.fromkeys(("r1", "r5", "r10", "map10"), 1.0))
    assert found["text_to_audio/median_rank"] == found["audio_to_text/median_rank"] == 1
    assert (found["gallery_clips"], found["gallery_texts"]) == (12, 60)


def test_headline_is_the_mean_of_both_directions():
    found = retrieval_metrics(*noisy(11, 5))
    for key in ("r1", "r5", "r10", "map10", "chance_r1"):
        assert found[key] == pytest.approx((found[f"text_to_audio/{key}"] + found[f"audio_to_text/{key}"]) / 2)
    assert found["text_to_audio/map10"] != found["audio_to_text/map10"]


@pytest.mark.parametrize("count, width", [(40, 16), (301, 37)])
def test_a_collapsed_model_scores_chance(count, width):
    same = normalize(torch.randn(1, width), dim=1)
    found = retrieval_metrics(same.expand(count, -1), same.expand(5 * count, -1), torch.arange(5 * count) // 5, block=64)
    for way in ("text_to_audio", "audio_to_text"):
        assert found[f"{way}/r1"] == pytest.approx(1 / count) == found[f"{way}/chance_r1"]
        assert found[f"{way}/median_rank"] >= count // 3
    assert found["text_to_audio/r10"] == pytest.approx(10 / count)


@pytest.mark.parametrize("count, width", [(301, 37), (33, 512), (7, 100)])
def test_equal_embeddings_tie_wherever_they_stand_in_the_matrix(count, width):
    same = normalize(torch.randn(1, width, dtype=torch.float64), dim=1).expand(count, -1).contiguous()
    assert cosine(same, same.repeat(2, 1)).unique().numel() == 1  # the bare product differs in the last bit by row and column


@pytest.mark.parametrize("rubbish", [NAN, float("inf"), -float("inf")])
@pytest.mark.parametrize("which", ["audio", "text"])
def test_values_that_are_not_finite_are_an_error(rubbish, which):
    audio, text, clip = noisy(6, 2)
    {"audio": audio, "text": text}[which][4, 3] = rubbish
    for metric in (retrieval_metrics, map10_laion_compat):
        with pytest.raises(DataError, match=rf"{which} embeddings: 1 of .* not finite .first: row 4"):
            metric(audio, text, clip)


def test_order_block_size_and_length_do_not_matter():
    audio, text, clip = noisy(13, 5, noise=2.0)
    wanted = retrieval_metrics(audio, text, clip)
    shuffled, clips = torch.randperm(len(text)), torch.randperm(len(audio))
    place = torch.empty_like(clips)
    place[clips] = torch.arange(len(clips))
    for found in (
        retrieval_metrics(audio, text[shuffled], clip[shuffled]),
        retrieval_metrics(audio[clips], text, place[clip]),
        retrieval_metrics(audio, text, clip, block=4),
        retrieval_metrics(audio * 3, text * torch.rand(len(text), 1).add(0.1), clip),
    ):
        assert found == pytest.approx(wanted, abs=1e-12)


def test_hits_and_reciprocal_ranks_equal_torchmetrics():
    audio, text, clip = noisy(31, 5, noise=2.0)
    found, scores, right = retrieval_metrics(audio, text, clip), text @ audio.T, clip[:, None] == torch.arange(31)
    for way, s, r in (("text_to_audio", scores, right), ("audio_to_text", scores.T, right.T)):
        query = torch.arange(len(s))[:, None].expand_as(s).flatten()
        for k in (1, 5, 10):
            theirs = RetrievalHitRate(top_k=k)(s.flatten(), r.flatten(), indexes=query)
            assert found[f"{way}/r{k}"] == pytest.approx(theirs.item(), abs=1e-6)
        if way == "text_to_audio":  # one right item: AP is the reciprocal rank
            assert found[f"{way}/map10"] == pytest.approx(RetrievalMRR(top_k=10)(s.flatten(), r.flatten(), indexes=query).item(), abs=1e-6)


def test_average_precision_of_a_small_gallery_equals_torchmetrics():
    audio, text, clip = noisy(2, 5, noise=3.0)  # ten captions: nothing lies beyond the cut
    scores, right = 2 + (text @ audio.T).T, clip == torch.arange(2)[:, None]  # theirs drops right items of negative score
    theirs = RetrievalMAP()(scores.flatten(), right.flatten(), indexes=torch.arange(2).repeat_interleave(10))
    assert retrieval_metrics(audio, text, clip)["audio_to_text/map10"] == pytest.approx(theirs.item(), abs=1e-6)


def embeddings_with_ranks(ranks, gallery):
    """One clip with captions at these ranks among `gallery` captions (the rest belong to a second clip), in this order."""
    order = [*ranks, *(r for r in range(gallery) if r not in ranks)]
    angle = torch.tensor(order, dtype=torch.float64) * (1.2 / gallery)
    text = torch.stack((angle.cos(), angle.sin()), dim=1)  # farther from the first clip with every rank
    clip = torch.tensor([0] * len(ranks) + [1] * (gallery - len(ranks)))
    return torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64), text, clip


def test_one_of_five_captions_found_is_a_hit_and_a_fifth_of_the_precision():
    """Pitfalls A2, A3: right captions at ranks 0, 20, 30, 40, 50 of 100."""
    audio, text, clip = embeddings_with_ranks([0, 20, 30, 40, 50], 100)
    scores, right = audio[:1] @ text.T, (clip == 0)[None]
    ranking = rank_queries(scores, right)
    assert ranking.hits.tolist() == [[1, 1, 1]] and ranking.ap10.item() == pytest.approx(0.2)
    query = torch.zeros(100, dtype=torch.int64)
    assert RetrievalRecall(top_k=10)(scores[0], right[0], indexes=query).item() == pytest.approx(0.2)  # not this field's R@10
    assert RetrievalMAP(top_k=10)(scores[0], right[0], indexes=query).item() == pytest.approx(1.0)  # not this field's mAP@10


@pytest.mark.parametrize("order, compat", [([0, 1, 2, 3, 4], 1.0), ([4, 3, 2, 1, 0], (1 / 5 + 2 / 4 + 3 / 3 + 4 / 2 + 5) / 5)])
def test_ranks_in_caption_order_exceed_one_sorted_ones_do_not(order, compat):
    """Pitfalls A1, the best case: captions at ranks 1 … 5 score 1 in any order; LAION-CLAP's code gives 1.74 backwards."""
    audio, text, clip = embeddings_with_ranks(order, 40)
    assert rank_queries(audio[:1] @ text.T, (clip == 0)[None]).ap10.item() == pytest.approx(1)
    alone = torch.tensor([0] * 5)
    assert map10_laion_compat(audio[:1], text[:5], alone) == pytest.approx(compat)
    assert retrieval_metrics(audio[:1], text[:5], alone)["audio_to_text/map10"] == pytest.approx(1)


def test_the_compatible_map_inflates_and_ours_does_not():
    """Pitfalls A1: 200 queries, scores N(0, 1), five right captions raised."""
    audio, text, clip = noisy(200, 5, noise=2.5, width=32)
    text, clip = text[clip.argsort(stable=True)], clip.sort().values
    ours, theirs = retrieval_metrics(audio, text, clip)["audio_to_text/map10"], map10_laion_compat(audio, text, clip)
    assert 0.1 < ours < 0.9 and theirs > 1.1 * ours


def test_embeddings_in_a_narrow_cone_are_ranked_in_float64_whatever_autocast_says():
    """Pitfalls A5: bfloat16 similarities of such embeddings tie by the hundred."""
    torch.manual_seed(0)
    clips, width = 100, 512
    z, axis = torch.randn(clips, width), normalize(torch.randn(width), dim=0)
    clip = torch.arange(clips).repeat_interleave(5)
    audio, text = (normalize(0.35 * normalize(v, dim=1) + axis, dim=1) for v in (z, z[clip] + 5 * torch.randn(5 * clips, width)))
    wanted = retrieval_metrics(audio.double(), text.double(), clip)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = retrieval_metrics(audio, text, clip)
    assert found == pytest.approx(wanted, abs=1e-12) and 0.3 < wanted["text_to_audio/r1"] < 1
    coarse = (text.bfloat16() @ audio.bfloat16().T).float()
    right = coarse.gather(1, clip[:, None])
    optimistic, pessimistic = ((coarse > right).sum(1) == 0).float().mean(), ((coarse >= right).sum(1) == 1).float().mean()
    assert optimistic - pessimistic > 0.03  # what evaluating in half precision would leave open


def test_faults_of_the_input_are_named():
    audio, text, clip = noisy(4, 2)
    with pytest.raises(DataError, match=r"1 of 5 clips have no caption .first: row 4"):
        retrieval_metrics(torch.cat((audio, audio[:1])), text, clip)
    with pytest.raises(DataError, match="there are 3 clips"):
        retrieval_metrics(audio[:3], text, clip)
    with pytest.raises(DataError, match="0 clips"):
        retrieval_metrics(audio[:0], text[:0], clip[:0])
    with pytest.raises(DataError, match="1 vectors are zero"):
        retrieval_metrics(audio * torch.tensor([[1.0], [0], [1], [1]]), text, clip)
    with pytest.raises(ValueError, match="are wanted"):
        retrieval_metrics(audio, text[:, :3], clip)
