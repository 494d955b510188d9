"""The scenes of synth-sirst: their families, spectra and captions."""

import json
import re

import numpy as np
import pytest

from benchmark.datasets.synthetic import SyntheticSource
from benchmark.datasets.synthetic.backgrounds import BRIGHTEST, DARKEST, FAMILIES, draw_backdrop
from benchmark.datasets.synthetic.captions import describe
from benchmark.datasets.synthetic.fields import power_law_field
from benchmark.datasets.synthetic.sensor import draw_sensor, quantise

TELLTALES = re.findall(
    r"[a-z]+",
    "target ship boat vessel plane aircraft airplane jet drone helicopter bird missile rocket vehicle car person "
    "spot dot speck point small tiny blob hot star lamp light object infrared",
)


def backdrops(family, count, shape=(96, 96)):
    return [draw_backdrop(np.random.default_rng([5, k]), shape, family) for k in range(count)]


def caption_of(backdrop):
    return describe(backdrop.family, backdrop.params)


@pytest.mark.parametrize("part", ["train", "val", "test"])
def test_all_families_occur_in_every_part_of_the_default_set(part):
    source = SyntheticSource.from_config({"size": (64, 64)})
    assert {source.read(i).meta["scene"] for i in source.ids(part)} == set(FAMILIES)


def test_weights_decide_the_shares_of_the_families():
    source = SyntheticSource.from_config(
        {"size": (64, 64), "counts": {"train": 100}, "scenes": {"sea": 3, "urban": 1, "sky": 0}}
    )
    scenes = [source.read(i).meta["scene"] for i in source.ids("train")]
    assert scenes.count("sea") == pytest.approx(75, abs=2)
    assert scenes.count("urban") == 100 - scenes.count("sea")


@pytest.mark.parametrize("family", FAMILIES)
def test_backdrops_keep_to_the_levels_that_leave_room_for_noise_and_targets(family):
    for backdrop in backdrops(family, 8, (64, 100)):
        assert backdrop.radiance.shape == backdrop.prior.shape == (64, 100)
        assert np.isfinite(backdrop.radiance).all()
        assert backdrop.radiance.min() >= DARKEST and backdrop.radiance.max() <= BRIGHTEST
        assert backdrop.prior.min() >= 0 and backdrop.prior.max() > 0


@pytest.mark.parametrize("family", FAMILIES)
def test_parameters_survive_json(family):
    for backdrop in backdrops(family, 6):
        assert json.loads(json.dumps(backdrop.params)) == backdrop.params


@pytest.mark.parametrize("beta", [2.0, 3.0])
def test_power_of_a_field_falls_with_the_exponent_asked_for(beta):
    field = power_law_field(np.random.default_rng(1), (256, 256), beta, pad=1)
    power = np.abs(np.fft.fft2(field)) ** 2
    frequency = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.fftfreq(256)[None, :])
    used = (frequency > 4 / 256) & (frequency < 0.4)
    slope = np.polyfit(np.log(frequency[used]), np.log(power[used]), 1)[0]
    assert slope == pytest.approx(-beta, abs=0.1)
    assert field.mean() == pytest.approx(0, abs=1e-9) and field.std() == pytest.approx(1)


def test_stretched_field_varies_less_along_its_angle_than_across():
    field = power_law_field(np.random.default_rng(2), (128, 128), 2.5, stretch=4, angle=0.0)
    assert np.abs(np.diff(field, axis=1)).mean() < 0.5 * np.abs(np.diff(field, axis=0)).mean()


def test_sensor_darkens_corners_and_prints_the_same_pattern_twice():
    sensor = draw_sensor(np.random.default_rng(3), (128, 128))
    flat = sensor.expose(sensor.signal(np.full((128, 128), 100.0)))
    np.testing.assert_array_equal(flat, sensor.expose(sensor.signal(np.full((128, 128), 100.0))))
    corners = [flat[:16, :16], flat[:16, -16:], flat[-16:, :16], flat[-16:, -16:]]
    loss = 100 * sensor.vignetting
    assert min(c.mean() for c in corners) == pytest.approx(flat[56:72, 56:72].mean() - loss, abs=0.35 * loss + 1)


def test_column_pattern_stands_out_of_averaged_noise():
    # The mean of 4096 rows leaves noise of about 1.6 / 64 = 0.03 grey levels; the pattern has at least 0.2.
    sensor = draw_sensor(np.random.default_rng(4), (4096, 64))
    columns = (sensor.expose(sensor.signal(np.full((4096, 64), 50.0))) - 50 * sensor.gain).mean(axis=0)
    assert columns.std() > 0.12


def test_quantised_image_is_rounded_and_clipped():
    assert quantise(np.array([[-3.0, 0.4, 0.6, 254.6, 300.0]])).tolist() == [[0, 0, 1, 255, 255]]


@pytest.mark.parametrize("family", FAMILIES)
def test_captions_have_the_form_of_the_real_ones(family):
    texts = [caption_of(backdrop) for backdrop in backdrops(family, 150, (64, 64))]
    for text in texts:
        assert 20 <= len(text.split()) <= 28, text
        # prefix, scene, three objects, clause, full stop
        assert re.fullmatch(r"a photo of a [^,]+ with [^,]+, [^,]+, and [^,]+, [^,]+\.", text), text
        assert text.isascii() and "  " not in text
    assert len(set(texts)) > 12


@pytest.mark.parametrize("family", FAMILIES)
def test_captions_never_hint_at_a_target(family):
    for backdrop in backdrops(family, 150, (64, 64)):
        words = re.findall(r"[a-z]+", caption_of(backdrop))
        assert not {word.rstrip("s") for word in words} & set(TELLTALES)


def test_caption_is_the_same_whatever_the_targets_are():
    few = SyntheticSource.from_config({"size": (96, 96), "scr": (4, 4)})
    many = SyntheticSource.from_config({"size": (96, 96), "scr": (6, 6)})
    same = [few.read(i).text == many.read(i).text for i in few.ids("val")]
    assert np.mean(same) > 0.9  # a scene dimmed for a strong target may be called darker


def test_only_seas_with_a_horizon_speak_of_where_it_lies():
    for family in FAMILIES:
        for backdrop in backdrops(family, 40, (64, 64)):
            text = caption_of(backdrop)
            has_one = family == "sea" and backdrop.params["horizon"] is not None
            assert ("the horizon" in text) == has_one
            assert ("no visible horizon" in text) == (family == "sea" and not has_one)


def test_sea_captions_follow_roughness_coast_and_glint():
    calm = {"horizon": 0.4, "roughness": 3.0, "tone": 50.0, "glint": False, "coast": False, "bright_sky": True}
    assert describe("sea", calm) == (
        "a photo of a calm dark sea with fine low ripples, an even matt surface, and brighter sky above, "
        "the horizon above the middle of the frame."
    )
    rough = describe("sea", {**calm, "roughness": 12.0, "coast": True, "glint": True})
    assert "rough" in rough and "coast strip" in rough and "reflection lane" in rough


@pytest.mark.parametrize(("key", "phrase"), [("mast", "mast"), ("wires", "wires")])
def test_urban_captions_name_masts_and_wires_only_where_they_stand(key, phrase):
    for backdrop in backdrops("urban", 60, (64, 64)):
        text = caption_of(backdrop).replace("no mast visible", "")
        if backdrop.params[key] and (key == "wires" or not backdrop.params["wires"]):
            assert phrase in text
        if not backdrop.params[key]:
            assert phrase not in text


def test_cloud_cover_in_the_caption_is_the_cover_in_the_image():
    for backdrop in backdrops("cloud", 60, (64, 64)):
        cover = backdrop.params["cover"]
        word = "thinly" if cover < 0.3 else "partly" if cover < 0.6 else "heavily"
        assert f"{word} clouded" in caption_of(backdrop)


def test_horizon_in_the_parameters_is_where_the_image_changes():
    checked = 0
    for backdrop in backdrops("sea", 40, (128, 128)):
        horizon = backdrop.params["horizon"]
        if horizon is None or backdrop.params["coast"] or abs(backdrop.params["tilt"]) > 0.02:
            continue
        profile = backdrop.radiance.mean(axis=1)
        steps = np.abs(profile[6:] - profile[:-6])
        assert np.argmax(steps) + 3 == pytest.approx(horizon * 127, abs=6)
        checked += 1
    assert checked > 5


def test_dimming_lowers_contrast_and_the_levels_in_the_parameters():
    backdrop = backdrops("cloud", 1)[0]
    dim = backdrop.dimmed(0.5)
    assert dim.radiance.std() == pytest.approx(backdrop.radiance.std() / 2)
    assert dim.params["contrast"] == pytest.approx(backdrop.params["contrast"] / 2)
    assert dim.params["cover"] == backdrop.params["cover"]
