"""Our SAM parts beside segment_anything's own, with the same weights: same numbers, image by image and in a batch."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(scope="module")
def official(stack):
    """segment_anything's model at the size of ``vit_t``, with random weights everywhere."""
    from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, TwoWayTransformer

    from models.cg_sam.image_encoder import VIT

    torch.manual_seed(0)
    encoder = ImageEncoderViT(**VIT["vit_t"], patch_size=16, use_rel_pos=True,
                              norm_layer=lambda width: torch.nn.LayerNorm(width, eps=1e-6))
    prompts = PromptEncoder(embed_dim=256, image_embedding_size=(16, 16), input_image_size=(256, 256),
                            mask_in_chans=16)
    decoder = MaskDecoder(transformer_dim=256, transformer=TwoWayTransformer(
        depth=2, embedding_dim=256, mlp_dim=2048, num_heads=8))
    for module in (encoder, prompts, decoder):
        for parameter in module.parameters():
            parameter.data += 0.02 * torch.randn_like(parameter)
        module.eval()
    return encoder, prompts, decoder


@pytest.fixture(scope="module")
def weights_file(official, tmp_path_factory):
    """The same weights as a file in the official layout."""
    encoder, prompts, decoder = official
    state = {f"{part}.{name}": value for part, module in
             (("image_encoder", encoder), ("prompt_encoder", prompts), ("mask_decoder", decoder))
             for name, value in module.state_dict().items()}
    path = tmp_path_factory.mktemp("weights") / "sam_vit_t.pth"
    torch.save(state, path)
    return path


def build(weights_file, decoder_type="SAMDecoder", **options):
    from mmseg.registry import MODELS

    import models.saist  # noqa: F401  - registers
    from models.cg_sam.sam import SAM

    sam = SAM("vit_t", checkpoint=str(weights_file), tune="frozen")
    decoder = MODELS.build(dict(type=decoder_type, early_channels=sam.early_channels) | options)
    sam.load_decoder(decoder)
    return sam.eval(), decoder.eval()


def images(count=3, size=(256, 256)):
    return 255 * torch.rand(count, 1, *size, generator=torch.Generator().manual_seed(1))


def prompts_of(count=3, tokens=5):
    from models.cg_sam.maps import Prompts

    generator = torch.Generator().manual_seed(2)
    text = torch.randn(count, tokens, 256, generator=generator)
    lengths = torch.tensor([tokens, 2, 3])[:count]
    return Prompts(text, torch.arange(tokens) < lengths[:, None], torch.randn(count, 4, 256, generator=generator))


def upstream(official, image, sparse):
    """segment_anything's decode of one image with a row of sparse prompts."""
    encoder, prompt_encoder, decoder = official
    mean = torch.tensor([123.675, 116.28, 103.53]).reshape(3, 1, 1)
    std = torch.tensor([58.395, 57.12, 57.375]).reshape(3, 1, 1)
    embedding = encoder(((image.expand(3, -1, -1) - mean) / std)[None])
    dense = prompt_encoder.no_mask_embed.weight.reshape(1, -1, 1, 1).expand(1, -1, 16, 16)
    masks, _ = decoder(image_embeddings=embedding, image_pe=prompt_encoder.get_dense_pe(),
                       sparse_prompt_embeddings=sparse, dense_prompt_embeddings=dense, multimask_output=False)
    return embedding, masks


@torch.no_grad()
def test_encoder_and_batched_decoder_equal_upstream_image_by_image(official, weights_file):
    sam, decoder = build(weights_file)
    batch, prompts = images(), prompts_of()
    maps = sam(batch)
    ours = decoder(maps, sam.position_code((16, 16)), sam.no_mask, prompts).logits
    assert ours.shape == (3, 1, 64, 64)
    for index in range(3):
        sparse = prompts.tokens[index][prompts.valid[index]][None]
        embedding, masks = upstream(official, batch[index], sparse)
        assert torch.allclose(maps.late[index], embedding[0], atol=1e-5)
        assert torch.allclose(ours[index], masks[0], atol=1e-5 * masks.abs().max().item())


@torch.no_grad()
def test_without_prompts_it_is_sam_without_prompts(official, weights_file):
    sam, decoder = build(weights_file)
    batch = images(1)
    ours = decoder(sam(batch), sam.position_code((16, 16)), sam.no_mask, None).logits
    _, masks = upstream(official, batch[0], torch.zeros(1, 0, 256))
    assert torch.allclose(ours, masks, atol=1e-5 * masks.abs().max().item())


@torch.no_grad()
def test_upstreams_decoder_fails_on_a_batch_of_different_images(official):
    encoder, prompt_encoder, decoder = official
    with pytest.raises(RuntimeError):
        decoder(image_embeddings=torch.randn(3, 256, 16, 16), image_pe=prompt_encoder.get_dense_pe(),
                sparse_prompt_embeddings=torch.randn(3, 2, 256),
                dense_prompt_embeddings=torch.zeros(3, 256, 16, 16), multimask_output=False)


@torch.no_grad()
@pytest.mark.parametrize("decoder_type", ["SAMDecoder", "HQSAMDecoder", "CGSAMDecoder"])
def test_a_batch_equals_its_images_one_by_one(weights_file, decoder_type):
    from models.cg_sam.maps import EncoderMaps, Prompts

    sam, decoder = build(weights_file, decoder_type)
    maps, prompts, code = sam(images()), prompts_of(), sam.position_code((16, 16))
    together = decoder(maps, code, sam.no_mask, prompts)
    for index in range(3):
        one = slice(index, index + 1)
        length = int(prompts.text_valid[index].sum())
        alone = decoder(EncoderMaps(maps.early[one], maps.late[one]), code, sam.no_mask, Prompts(
            prompts.text[one, :length], prompts.text_valid[one, :length], prompts.visual[one]))
        scale = together.logits.abs().max().item()
        assert torch.allclose(together.logits[one], alone.logits, atol=1e-5 * max(scale, 1))


@torch.no_grad()
def test_the_high_quality_token_with_silenced_last_layer_gives_sams_mask(weights_file):
    sam, plain = build(weights_file)
    _, high_quality = build(weights_file, "HQSAMDecoder")
    high_quality.hf_mlp.layers[-1].weight.zero_()
    high_quality.hf_mlp.layers[-1].bias.zero_()
    maps, prompts, code = sam(images(1)), prompts_of(1), sam.position_code((16, 16))
    # the extra token takes part in attention, so equality holds for SAM's mask within the same decoder
    token, _, upscaled = high_quality.sam.attend(maps.late + sam.no_mask, code, prompts, high_quality.hf_token.weight)
    assert torch.equal(high_quality(maps, code, sam.no_mask, prompts).logits, high_quality.sam.mask(token, upscaled))
    assert plain(maps, code, sam.no_mask, prompts).logits.shape == (1, 1, 64, 64)


def test_hq_parts_have_the_published_number_of_parameters(stack):
    from models.cg_sam.mask_decoders import BatchedMaskDecoder, HQSAMDecoder

    count = sum(parameter.numel() for parameter in HQSAMDecoder(768).parameters())
    own = sum(parameter.numel() for parameter in BatchedMaskDecoder().parameters())
    assert own == 4_058_340 and count - own == 1_071_104


@pytest.mark.parametrize(("name", "count"), [("vit_b", 89_670_912), ("tiny_vit", 6_065_532 - 321_640)])
def test_encoders_have_the_published_number_of_parameters(stack, name, count):
    from models.cg_sam.image_encoder import build_encoder

    with torch.device("meta"):
        encoder = build_encoder(name)
    # MobileSAM's 6,065,532 count a classifier of 321,640 that its forward pass never uses; ours has none
    assert sum(parameter.numel() for parameter in encoder.parameters()) == count


@torch.no_grad()
@pytest.mark.parametrize("name", ["vit_t", "tiny_vit"])
@pytest.mark.parametrize("size", [(64, 64), (96, 160), (256, 256)])
def test_maps_of_any_size_are_a_sixteenth(stack, name, size):
    from models.cg_sam.image_encoder import build_encoder

    encoder = build_encoder(name).eval()
    maps = encoder(torch.randn(1, 3, *size))
    grid = (size[0] // 16, size[1] // 16)
    assert maps.late.shape == (1, 256, *grid) and maps.early.shape == (1, encoder.early_channels, *grid)


def test_the_early_map_is_the_output_of_the_first_block_with_global_attention(stack):
    from models.cg_sam.image_encoder import build_encoder

    encoder = build_encoder("vit_t").eval()
    seen = {}
    for index, block in enumerate(encoder.blocks):
        block.register_forward_hook(lambda module, inputs, output, index=index: seen.update({index: output}))
    with torch.no_grad():
        maps = encoder(torch.randn(1, 3, 64, 64))
    assert encoder.blocks[2].window_size == 0 and encoder.blocks[1].window_size > 0
    assert torch.equal(maps.early, seen[2].permute(0, 3, 1, 2))


def test_gradient_checkpointing_changes_no_gradient(stack):
    from models.cg_sam.image_encoder import build_encoder

    image = torch.randn(1, 3, 64, 64)
    gradients = []
    for flag in (False, True):
        torch.manual_seed(0)
        encoder = build_encoder("vit_t", gradient_checkpointing=flag).train()
        encoder(image).late.square().sum().backward()
        gradients.append([parameter.grad for parameter in encoder.parameters() if parameter.grad is not None])
    assert len(gradients[0]) == len(gradients[1]) > 50
    assert all(torch.allclose(one, other, atol=1e-5) for one, other in zip(*gradients, strict=True))


def test_mobile_sams_names_map_one_to_one(stack):
    from models.cg_sam.image_encoder import build_encoder

    encoder = build_encoder("tiny_vit")
    names = [encoder.official_name(name) for name in encoder.state_dict()]
    assert len(set(names)) == len(names)
    for expected in ("patch_embed.seq.0.c.weight", "patch_embed.seq.2.bn.running_var",
                     "layers.0.blocks.1.conv3.c.weight", "layers.0.downsample.conv1.c.weight",
                     "layers.2.downsample.conv2.bn.weight",
                     "layers.3.blocks.1.local_conv.c.weight", "layers.1.blocks.0.attn.attention_biases",
                     "neck.3.bias"):
        assert expected in names
    assert not any(name.startswith("layers.3.downsample") for name in names)
