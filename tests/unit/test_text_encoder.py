"""The cross-modal text encoder: CLIP's own numbers, causal, truncated on the text side only, cached."""

from __future__ import annotations

import pytest
import torch

LONG = "a photo of " + " and ".join(f"cloud number {index}" for index in range(60))
TEXTS = ["a photo of a dark sea with bright haze", "a photo of a road", LONG]


@pytest.fixture(scope="module")
def clip(stack):
    from models.sr_clip.clip import FrozenCLIP

    return FrozenCLIP("ViT-tiny", cache=False)


def encoder(clip, context=4, visual=4):
    from models.sr_clip.text_encoder import CrossModalTextEncoder

    torch.manual_seed(0)
    return CrossModalTextEncoder(clip, context, visual).eval()


def visual_tokens(count=3, seed=0):
    return torch.randn(count, 4, 256, generator=torch.Generator().manual_seed(seed))


def test_without_context_and_visual_tokens_it_is_clips_own_text_encoder(clip):
    ours = encoder(clip, context=0, visual=0)
    with torch.no_grad():
        for text in TEXTS[:2]:
            assert torch.allclose(ours.sentence([text])[0], clip.encode_text(text), atol=1e-5)


def test_a_batch_gives_what_its_captions_give_one_by_one(clip):
    ours, visual = encoder(clip), visual_tokens()
    with torch.no_grad():
        together, valid = ours(TEXTS, visual)
        for index, text in enumerate(TEXTS):
            alone, all_valid = ours([text], visual[index:index + 1])
            assert all_valid.all()
            assert torch.allclose(together[index][valid[index]], alone[0], atol=1e-5)


def test_the_mask_is_causal_text_does_not_see_the_visual_tokens_behind_it(clip):
    ours = encoder(clip)
    with torch.no_grad():
        first, valid = ours(TEXTS[:1], visual_tokens(1, seed=0))
        second, _ = ours(TEXTS[:1], visual_tokens(1, seed=1))
    before = valid.shape[1] - 5  # four visual tokens and the end token come after
    assert torch.equal(first[:, :before], second[:, :before])
    assert not torch.allclose(first[:, -1], second[:, -1], atol=1e-3)


def test_a_visual_token_is_seen_by_the_ones_after_it_only(clip):
    ours, visual = encoder(clip), visual_tokens(1)
    changed = visual.clone()
    changed[:, 2, :9] += 1  # not all of it: layer normalisation takes away what is common
    with torch.no_grad():
        first, _ = ours(TEXTS[:1], visual)
        second, _ = ours(TEXTS[:1], changed)
    differs = (first - second).abs().amax(dim=(0, 2)) > 1e-6
    assert differs[-3:].all() and not differs[:-3].any()


def test_a_long_caption_loses_its_end_and_never_a_visual_token(clip):
    ours, visual = encoder(clip), visual_tokens(1)
    with torch.no_grad():
        output, valid = ours([LONG], visual)
        cut, _ = ours([LONG + " and a coast"], visual)
        other, _ = ours([LONG], visual_tokens(1, seed=1))
    assert valid.all() and output.shape[1] == 77
    assert torch.equal(output, cut)
    assert not torch.allclose(output[:, -1], other[:, -1], atol=1e-3)


def test_too_many_context_vectors_are_refused(clip):
    with pytest.raises(ValueError, match="leave no room for text"):
        encoder(clip, context=72, visual=4)


def test_kept_captions_change_nothing_and_are_dropped_when_the_context_learns(clip):
    ours, visual = encoder(clip), visual_tokens(1)
    with torch.no_grad():
        fresh, _ = ours(TEXTS[:1], visual)
        kept, _ = ours(TEXTS[:1], visual)
        assert torch.equal(fresh, kept) and len(ours._kept) == 1
    optimizer = torch.optim.SGD(ours.parameters(), lr=1.0)
    ours(TEXTS[:1], visual)[0][:, -1, :9].sum().backward()
    assert ours.context.grad.abs().sum() > 0
    optimizer.step()
    with torch.no_grad():
        learned, _ = ours(TEXTS[:1], visual)
    assert not torch.allclose(learned, fresh, atol=1e-4)


def test_only_so_many_captions_are_kept(clip):
    from models.sr_clip import text_encoder

    ours = encoder(clip, visual=0)
    with torch.no_grad():
        for index in range(text_encoder.KEPT_CAPTIONS + 5):
            ours([f"a photo of cloud {index}"])
    assert len(ours._kept) == text_encoder.KEPT_CAPTIONS


def test_a_clip_without_weights_is_the_same_wherever_it_is_built(clip):
    from models.sr_clip.clip import FrozenCLIP

    torch.manual_seed(123)
    other = FrozenCLIP("ViT-tiny", cache=False)
    state = other.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in clip.state_dict().items())
    assert not any(parameter.requires_grad for parameter in clip.parameters())


def test_an_unknown_or_unsuitable_architecture_is_refused_by_name(stack):
    from models.sr_clip.clip import FrozenCLIP

    with pytest.raises(ValueError, match="unknown CLIP architecture 'ViT-Z-99'"):
        FrozenCLIP("ViT-Z-99")
    with pytest.raises(ValueError, match="RN50"):
        FrozenCLIP("RN50")


def test_image_features_from_disk_are_those_computed(stack, tmp_path, monkeypatch):
    from models.sr_clip.clip import FrozenCLIP

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    scenes = torch.randint(0, 256, (3, 50, 60), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    model = FrozenCLIP("ViT-tiny")
    fresh = model.encode_image(scenes)
    kept = model.encode_image(scenes.flip(0))
    assert (model.cache.hits, model.cache.misses) == (3, 3)
    assert torch.equal(fresh.patches, kept.patches.flip(0)) and torch.equal(fresh.scene, kept.scene.flip(0))
    assert torch.equal(fresh.scene, model.encode_image(scenes, cached=False).scene)
    damaged = next(model.cache.folder.glob("*.npz"))
    damaged.write_bytes(b"cut off")
    assert torch.equal(model.encode_image(scenes).patches, fresh.patches)
    assert damaged.exists() and damaged.with_name(f"{damaged.name}.damaged").exists()
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1  # one bit of a feature
    damaged.write_bytes(content)
    assert torch.equal(model.encode_image(scenes).patches, fresh.patches)


def test_other_weights_and_other_pixels_have_other_files(stack, tmp_path, monkeypatch):
    from models.sr_clip.clip import FrozenCLIP

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first, second = FrozenCLIP("ViT-tiny"), FrozenCLIP("ViT-tiny")
    second.clip.visual.conv1.weight.data += 0.01
    assert first.cache.folder != second.cache.folder
    scenes = torch.zeros(2, 8, 8, dtype=torch.uint8)
    scenes[1, 0, 0] = 1
    first.encode_image(scenes)
    assert len(list(first.cache.folder.glob("*.npz"))) == 2
