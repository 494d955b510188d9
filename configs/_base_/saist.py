"""What every size of SAIST shares; each decision that the paper leaves open is a field here, with its default.

sam.tune: ``'lora'`` (the paper: frozen encoder, low-rank adapters), ``'full'`` or ``'frozen'``.
clip.checkpoint, sam.checkpoint: an official name (``python benchmark/data.py weights``), a path, or None for random.
prompts: ``SRCLIPPrompts``, or one of what it is compared with: ``CLIPPrompts``, ``CoOpPrompts``, ``NoPrompts``.
decoder: ``CGSAMDecoder``, or ``SAMDecoder``, ``HQSAMDecoder``.
view.scene: size of the copy of the whole image that CLIP sees.
recipes.authors: empty, since the paper profile is SAIST's own recipe.
"""
method = dict(
    type="CLIP + SAM", year=2025, trainable=True, reconstruction=False, text=True, greys=True,
    paper="Zhang et al., SAIST: Segment Any Infrared Small Target Model Guided by Contrastive Language-Image "
          "Pretraining, CVPR 2025",
)
custom_imports = dict(imports=["models.saist"])
model = dict(
    type="SAIST",
    sam=dict(tune="lora", lora=dict(r=4, alpha=4, dropout=0.0), gradient_checkpointing=False),
    clip=dict(type="FrozenCLIP", quick_gelu=False, cache=True),
    prompts=dict(type="SRCLIPPrompts", objects=3, context=4, temperature=1.0, heads=8, mlp_ratio=2.0, mmd_weight=0.1),
    decoder=dict(
        type="CGSAMDecoder", background_depth=2, background_mlp=1024, depth=dict(bins=16, width=16, blocks=2),
        initial_beta=0.1, max_exponent=4.0, equation=True,
    ),
    loss=dict(bce=1.0, dice=1.0, degraded=0.5),
    autocast=None,
)
weights = dict(kind="auto")
view = dict(scene=(224, 224))
recipes = dict(authors=dict())
