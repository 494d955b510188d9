"""What SAIST promises as a whole: what learns, what stays, what is saved, what the text does, and every ablation."""

from __future__ import annotations

import copy

import pytest
import torch

from benchmark import configs

PROMPTS = ("SRCLIPPrompts", "CLIPPrompts", "CoOpPrompts", "NoPrompts")
DECODERS = ("CGSAMDecoder", "SAMDecoder", "HQSAMDecoder")
CAPTIONS = ["a photo of a dark sea with bright haze, ripples, and a coast",
            "a photo of a road across flat land with trees, a fence, and pale ground"]


def config(name="saist_t", prompts="SRCLIPPrompts", decoder="CGSAMDecoder", tune=None, **decoder_options):
    model = copy.deepcopy(configs.load("methods", name)["model"])
    model["sam"]["checkpoint"] = model["clip"]["checkpoint"] = None
    if tune:
        model["sam"]["tune"] = tune
    if prompts != "SRCLIPPrompts":
        model["prompts"] = dict(type=prompts)
    if decoder != "CGSAMDecoder":
        model["decoder"] = dict(type=decoder)
    model["decoder"] |= decoder_options
    return model


def build(seed=0, channels_last=False, **options):
    from mmseg.registry import MODELS

    import models.saist  # noqa: F401  - registers

    torch.manual_seed(seed)
    return MODELS.build(config(**options) | dict(channels_last=channels_last))


def batch(size=(64, 80), texts=CAPTIONS):
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    generator = torch.Generator().manual_seed(0)
    images = 255 * torch.rand(len(texts), 1, *size, generator=generator)
    samples = []
    for index, text in enumerate(texts):
        mask = torch.zeros(1, *size, dtype=torch.uint8)
        mask[:, 10:14, 20 + index:24 + index] = 1
        sample = SegDataSample(gt_sem_seg=PixelData(data=mask))
        scene = torch.randint(0, 256, (224, 224), dtype=torch.uint8, generator=generator).numpy()
        sample.set_metainfo(dict(text=text, scene=scene, img_shape=size, count_shape=size))
        samples.append(sample)
    return images, samples


def train_a_step(model, lr=1e-3):
    images, samples = batch()
    optimizer = torch.optim.Adam([parameter for parameter in model.parameters() if parameter.requires_grad], lr=lr)
    losses = model.train().loss(images, samples)
    optimizer.zero_grad()
    sum(losses.values()).backward()
    optimizer.step()
    return losses


@pytest.fixture(scope="module", autouse=True)
def _stack(stack):
    pass


@pytest.mark.parametrize("prompts", PROMPTS)
@pytest.mark.parametrize("decoder", DECODERS)
def test_every_ablation_of_tables_2_to_5_builds_by_config_and_trains_a_step(prompts, decoder):
    model = build(prompts=prompts, decoder=decoder, tune="lora")
    losses = train_a_step(model)
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert ("loss_mmd" in losses) == (prompts == "SRCLIPPrompts")
    assert ("loss_degraded" in losses) == (decoder == "CGSAMDecoder")


def test_naming_another_kind_of_prompts_or_decoder_is_all_that_an_ablation_takes():
    from mmseg.registry import MODELS

    import models.saist  # noqa: F401  - registers

    model = config()
    model["prompts"]["type"], model["decoder"]["type"] = "CoOpPrompts", "SAMDecoder"
    built = MODELS.build(model)
    assert type(built.prompts).__name__ == "CoOpPrompts" and type(built.decoder).__name__ == "SAMDecoder"
    assert built.prompts.encoder.context_size == model["prompts"]["context"]
    model["prompts"]["contxt"] = 3
    with pytest.raises(TypeError, match="contxt"):
        MODELS.build(model)


def test_the_net_without_the_imaging_equation_is_its_degraded_image():
    model = build(equation=False).eval()
    images, samples = batch()
    with torch.no_grad():
        decoded, _ = model.run_network(images, samples)
    assert torch.equal(decoded.logits, decoded.parts["degraded"]) and "background" not in decoded.parts


def test_when_beta_vanishes_the_scene_is_the_degraded_image_exactly():
    model = build().eval()
    assert model.decoder.beta.item() == pytest.approx(0.1, abs=1e-6)
    model.decoder.raw_beta.data.fill_(-1e4)
    images, samples = batch()
    with torch.no_grad():
        decoded, _ = model.run_network(images, samples)
    assert torch.equal(decoded.logits, decoded.parts["degraded"])


def test_the_scene_is_equation_14_of_its_parts():
    from models.cg_sam.imaging import inverse_infrared_imaging

    model = build().eval()
    images, samples = batch()
    with torch.no_grad():
        decoded, _ = model.run_network(images, samples)
        parts = decoded.parts
        expected = inverse_infrared_imaging(parts["degraded"], parts["background"], model.decoder.beta * parts["depth"])
    assert torch.equal(decoded.logits, expected)
    assert parts["depth"].min() >= 0 and parts["depth"].max() <= 1


@pytest.mark.parametrize(("name", "tune"), [("saist_t", "lora"), ("saist_t", "full"), ("saist_mobile", "lora")])
def test_what_is_frozen_is_bit_identical_after_training_and_all_else_learns(name, tune):
    model = build(name=name, tune=tune)
    before = {name: value.clone() for name, value in [*model.named_parameters(), *model.named_buffers()]}
    frozen = set(model.frozen_names())
    for _ in range(3):
        train_a_step(model)
    after = dict([*model.named_parameters(), *model.named_buffers()])
    assert all(torch.equal(before[name], after[name]) for name in frozen)
    unmoved = [name for name, parameter in model.named_parameters()
               if parameter.requires_grad and torch.equal(before[name], parameter)]
    assert unmoved == []
    assert not any(parameter.grad is not None for name, parameter in model.named_parameters() if name in frozen)
    assert any(name.startswith("clip.") for name in frozen)
    assert any(name.startswith("sam.encoder.") for name in frozen) == (tune == "lora")


def test_gradients_reach_every_part_that_the_paper_trains():
    model = build(tune="lora")
    train_a_step(model)  # LoRA's second factor starts at zero, and the first then has no gradient
    train_a_step(model)
    parts = {"lora_A": 0.0, "lora_B": 0.0, "prompts.text_decoder": 0.0, "prompts.visual_decoder": 0.0,
             "prompts.encoder.context": 0.0, "prompts.captioner": 0.0, "prompts.description": 0.0, "raw_beta": 0.0,
             "decoder.depth": 0.0, "decoder.background": 0.0, "decoder.sam": 0.0}
    for name, parameter in model.named_parameters():
        for part in parts:
            if part in name and parameter.grad is not None:
                parts[part] += parameter.grad.abs().sum().item()
    assert all(total > 0 for total in parts.values()), parts


def test_the_state_holds_only_what_trains_and_loads_onto_the_frozen_base():
    from mmengine.runner import load_state_dict

    trained = build(tune="lora")
    train_a_step(trained)
    state = trained.state_dict()
    learnable = {name for name, parameter in trained.named_parameters() if parameter.requires_grad}
    assert learnable <= state.keys() and not any(name.startswith("clip.") for name in state)
    assert sum(value.numel() for value in state.values()) < 1.02 * sum(
        parameter.numel() for name, parameter in trained.named_parameters() if name in learnable)
    images, samples = batch()
    for load in (lambda model: model.load_state_dict(copy.copy(state)),
                 lambda model: load_state_dict(model, copy.copy(state), strict=True)):
        fresh = build(seed=1, tune="lora").eval()
        load(fresh)
        with torch.no_grad():
            assert torch.equal(fresh.logits(images, samples), trained.eval().logits(images, samples))


def test_a_state_is_refused_on_another_frozen_base():
    state = build(tune="lora").state_dict()
    other = build(tune="lora")
    other.sam.encoder.neck[0].weight.data += 1e-3
    with pytest.raises(ValueError, match="trained on other frozen weights"):
        other.load_state_dict(state)


def test_the_memory_format_changes_neither_logits_nor_whose_state_it_is():
    plain = build(tune="lora").eval()
    last = build(seed=1, tune="lora", channels_last=True).eval()
    last.load_state_dict(plain.state_dict())
    images, samples = batch()
    with torch.no_grad():
        torch.testing.assert_close(last.logits(images, samples), plain.logits(images, samples), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_a_checkpoint_of_saist_b_is_under_60_mb(tmp_path):
    model = build(name="saist_b")
    torch.save({"state_dict": model.state_dict()}, tmp_path / "saist_b.pth")
    assert (tmp_path / "saist_b.pth").stat().st_size < 60e6


@pytest.mark.parametrize("name", ["saist_b", "saist_l", "saist_h"])
def test_saist_adds_at_most_6_and_a_half_million_parameters_to_sam_and_clip(name):
    with torch.device("meta"):
        whole, base = build(name=name), build(name=name, prompts="CLIPPrompts", decoder="SAMDecoder")
    sizes = [sum(parameter.numel() for parameter in model.parameters()) for model in (whole, base)]
    assert 0 < sizes[0] - sizes[1] <= 6_500_000


def logits_of(model, texts):
    images, samples = batch(texts=texts)
    with torch.no_grad():
        return model.eval().logits(images, samples)


@pytest.mark.parametrize("decoder", DECODERS)
def test_exchanging_two_captions_changes_the_output(decoder):
    model = build(decoder=decoder)
    straight, exchanged = logits_of(model, CAPTIONS), logits_of(model, CAPTIONS[::-1])
    assert (straight - exchanged).abs().amax(dim=(1, 2, 3)).min() > 1e-6


@pytest.mark.parametrize("decoder", DECODERS)
def test_without_language_prompts_it_does_not(decoder):
    model = build(prompts="NoPrompts", decoder=decoder)
    assert model.clip is None
    assert torch.equal(logits_of(model, CAPTIONS), logits_of(model, CAPTIONS[::-1]))


def test_merged_adapters_give_the_same_scores():
    model = build(tune="lora")
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.02)
    plain = logits_of(model, CAPTIONS)
    model.sam.merge_adapters()
    merged = logits_of(model, CAPTIONS)
    assert torch.allclose(plain, merged, atol=1e-5 * max(1.0, plain.abs().max().item()))
    assert not any(module.merged is False for module in model.sam.encoder.modules() if hasattr(module, "merged"))


@pytest.mark.parametrize("name", ["saist_t", "saist_mobile"])
def test_a_batch_equals_its_images_one_by_one(name):
    model = build(name=name).eval()
    images, samples = batch()
    with torch.no_grad():
        together = model.logits(images, samples)
        apart = torch.cat([model.logits(images[index:index + 1], samples[index:index + 1]) for index in range(2)])
    assert torch.allclose(together, apart, atol=1e-5 * max(1.0, together.abs().max().item()))


def test_evaluation_repeats_itself_bit_for_bit():
    model = build()
    assert torch.equal(logits_of(model, CAPTIONS), logits_of(model, CAPTIONS))


@pytest.mark.parametrize("size", [(17, 33), (100, 135), (256, 320)])
def test_any_input_size_gives_scores_at_the_original_size(size):
    model = build().eval()
    images, samples = batch(size)
    for sample in samples:
        sample.set_metainfo(dict(count_shape=(61, 47)))
    with torch.no_grad():
        assert model.logits(images, samples).shape == (2, 1, *size)
        scores = [sample.pred_score.data for sample in model.predict(images, samples)]
    assert all(score.shape == (1, 61, 47) and score.min() >= 0 and score.max() <= 1 for score in scores)


def test_clip_sees_the_scene_and_not_the_crop():
    model = build(decoder="SAMDecoder").eval()
    images, samples = batch()
    with torch.no_grad():
        before = model.logits(images, samples)
        for sample in samples:
            sample.set_metainfo(dict(scene=255 - sample.metainfo["scene"]))
        after = model.logits(images, samples)
    assert not torch.allclose(before, after, atol=1e-6)


def test_autocast_trains_and_stays_near_full_precision():
    images, samples = batch()
    full = build().eval()
    half = build().eval()
    half.autocast = torch.bfloat16
    with torch.no_grad():
        exact, rounded = full.logits(images, samples), half.logits(images, samples)
    assert rounded.dtype == torch.float32 and torch.isfinite(rounded).all()
    assert (exact - rounded).abs().max() < 0.1 * exact.abs().max()
    assert all(torch.isfinite(loss) for loss in train_a_step(half).values())


def test_explanations_have_every_map_at_the_original_size():
    model = build().eval()
    images, samples = batch((64, 80))
    for sample in samples:
        sample.set_metainfo(dict(count_shape=(128, 160)))
    found = model.explain(images, samples)
    assert set(found[0]) == {"score", "scene", "degraded", "background", "depth", "similarity"}
    assert all(value.shape == (128, 160) and torch.isfinite(value).all() for value in found[0].values())
    assert found[0]["similarity"].abs().max() <= 1.2  # cosines, overshooting a little where they are interpolated
    without_clip = build(prompts="NoPrompts", decoder="SAMDecoder").eval()
    assert set(without_clip.explain(images, samples)[0]) == {"score", "scene"}


def test_an_unknown_way_of_tuning_and_an_unknown_encoder_are_refused():
    with pytest.raises(ValueError, match="sam.tune is 'some'; it must be one of lora, full, frozen"):
        build(tune="some")
    from models.cg_sam.sam import SAM

    with pytest.raises(ValueError, match="unknown SAM encoder 'vit_x'; known: vit_t"):
        SAM("vit_x")


@pytest.mark.slow
def test_it_learns_two_images_by_heart():
    model = build()
    images, samples = batch((64, 64))
    generator = torch.Generator().manual_seed(3)
    images = 90 + 10 * torch.randn(2, 1, 64, 64, generator=generator)
    mask = torch.stack([sample.gt_sem_seg.data for sample in samples])
    images += 80 * mask
    optimizer = torch.optim.Adam([parameter for parameter in model.parameters() if parameter.requires_grad], lr=3e-4)
    for _ in range(120):
        optimizer.zero_grad()
        sum(model.train().loss(images, samples).values()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    with torch.no_grad():
        found = model.eval().logits(images, samples) > 0
    assert (found & (mask > 0)).sum() / (found | (mask > 0)).sum() > 0.9


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 5, 7)])
def test_the_background_is_read_from_its_upscaled_map_without_making_it(stack, shape):
    from models.cg_sam.mask_decoders import _upscaled_mask, dynamic_mask

    batch, height, width = shape
    upscaling = torch.nn.ConvTranspose2d(6, 4, 2, stride=2)
    feature, weights = torch.randn(batch, 6, height, width), torch.randn(batch, 4)
    found = _upscaled_mask(weights, feature, upscaling)
    assert found.shape == (batch, 1, 2 * height, 2 * width)
    torch.testing.assert_close(found, dynamic_mask(weights, upscaling(feature)), rtol=1e-5, atol=1e-5)
