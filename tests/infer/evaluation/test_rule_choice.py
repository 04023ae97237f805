import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infer.evaluation.rule_choice import (
    FEWEST_VIDEOS,
    FOLDS,
    SPLITS,
    best_rule,
    choose_rule,
    folds_of,
    worth_of,
)

SEED = 42


def drawn(
    seed: int, *, videos: int = 30, of_each: int = 5, better: float = 0.0, rules: int = 6
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Figures of rules that are right with one chance, but the last one that much oftener."""
    rng = np.random.default_rng(seed)
    names = [f"{n:032x}" for n in range(videos) for _ in range(of_each)]
    chance = np.full((len(names), rules), 0.5)
    chance += np.repeat(rng.normal(0, 0.2, videos), of_each)[:, None]  # videos are hard or easy
    chance[:, -1] += better
    hit = (rng.random(chance.shape) < chance).astype(float)
    every = hit * (rng.random(chance.shape) < 0.7)
    return {"hit": hit, "all@0.5": every}, names


def test_a_lead_of_chance_keeps_the_default() -> None:
    kept = [choose_rule(*drawn(seed), SEED).kept for seed in range(40)]
    assert sum(rule != 0 for rule in kept) <= 8


def test_worse_rules_are_not_kept() -> None:
    for seed in range(40):
        tables, videos = drawn(seed)
        lost = np.random.default_rng(seed).random(tables["hit"].shape) < 0.15
        lost[:, 0] = False
        worse = {name: table * ~lost for name, table in tables.items()}
        assert choose_rule(worse, videos, SEED).kept == 0


def test_a_better_rule_is_kept_with_its_lead() -> None:
    choices = [choose_rule(*drawn(seed, better=0.25), SEED) for seed in range(10)]
    assert [choice.kept for choice in choices] == [5] * 10
    leads = [choice.gains["hit"].mean for choice in choices]
    assert np.mean(leads) == pytest.approx(0.25, abs=0.05)


def test_a_rule_that_hits_less_often_is_not_kept() -> None:
    tables, videos = drawn(1)
    tables["hit"][:, 1:] = 0
    tables["all@0.5"][:] = 0
    tables["all@0.5"][:, 3] = 1
    choice = choose_rule(tables, videos, SEED)
    assert (choice.best, choice.kept) == (0, 0)
    assert "no rule tried" in choice.why


def test_too_few_videos_keep_the_default() -> None:
    tables, videos = drawn(1, videos=FEWEST_VIDEOS - 1, better=0.5)
    choice = choose_rule(tables, videos, SEED)
    assert (choice.kept, choice.gains) == (0, {})
    assert f"not on {FEWEST_VIDEOS - 1}" in choice.why
    tables, videos = drawn(1, videos=FEWEST_VIDEOS + 5, better=0.5)
    tables["hit"][35:] = np.nan  # labels of seven videos are left
    tables["all@0.5"][35:] = np.nan
    assert "not on 7" in choose_rule(tables, videos, SEED).why


def test_every_question_is_picked_for_by_a_rule_chosen_without_its_video() -> None:
    tables, videos = drawn(3, videos=14, of_each=3, better=0.2)
    tables["all@0.5"][4] = np.nan
    choice = choose_rule(tables, videos, SEED)
    worth, folds = worth_of(tables), folds_of(videos, SEED)
    counts, gained = [0] * 6, []
    for n in range(len(videos)):
        of_splits = []
        for split in range(SPLITS):
            others = [m for m in range(len(videos)) if folds[m, split] != folds[n, split]]
            assert videos[n] not in {videos[m] for m in others}
            rule = best_rule(worth[others], tables["hit"][others])
            of_splits.append(tables["hit"][n, rule] - tables["hit"][n, 0])
        gained.append(np.mean(of_splits))
    for split in range(SPLITS):
        for fold in range(FOLDS):
            others = folds[:, split] != fold
            counts[best_rule(worth[others], tables["hit"][others])] += 1
    assert choice.folds == counts
    assert choice.gains["hit"].mean == pytest.approx(np.mean(gained))


@settings(max_examples=20)
@given(st.permutations(range(60)), st.integers(0, 2**32))
def test_the_order_of_the_questions_does_not_matter(order: list[int], seed: int) -> None:
    tables, videos = drawn(seed % 7, videos=12, better=0.1)
    other = {name: table[order] for name, table in tables.items()}
    one, two = (
        choose_rule(tables, videos, seed),
        choose_rule(other, [videos[n] for n in order], seed),
    )
    assert (one.best, one.kept, one.folds) == (two.best, two.kept, two.folds)
    assert one.gains["worth"] == pytest.approx(two.gains["worth"])


def test_a_video_is_in_one_fold_and_folds_are_even() -> None:
    _, videos = drawn(1, videos=25)
    folds = folds_of(videos, SEED)
    for split in folds.T:
        of_video = {
            video: set(split[[v == video for v in videos]].tolist()) for video in set(videos)
        }
        assert all(len(own) == 1 for own in of_video.values())
        sizes = np.bincount([own.pop() for own in of_video.values()], minlength=FOLDS)
        assert sizes.max() - sizes.min() <= 1
    assert len({tuple(split) for split in folds.T.tolist()}) == SPLITS


def test_worth_is_the_mean_of_the_figures_that_are_known() -> None:
    nan = float("nan")
    tables = {"hit": np.array([[1.0], [1.0], [nan]]), "all@0.5": np.array([[0.0], [nan], [nan]])}
    np.testing.assert_array_equal(worth_of(tables), [[0.5], [1.0], [nan]])
