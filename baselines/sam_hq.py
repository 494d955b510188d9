"""HQ-SAM without prompts: SAM with a high-quality token over fused early, late and upscaled maps.

Paper: Ke et al., "Segment Anything in High Quality", NeurIPS 2023 (arXiv 2306.01567). Official code: SysCV/sam-hq
(Apache-2.0). Written from the paper and the layout of the released files (``sam_hq_vit_*`` load); no code was ported.
The decoder is ``models.cg_sam.mask_decoders.HQSAMDecoder``, which SAIST's ablation (paper, Table 5) uses too.

Protocol: as ``baselines/sam.py``, no prompt and no choice from the ground truth. What is read is the sum of SAM's mask
and the high-quality token's, the authors' default.

Known differences: the authors freeze SAM and train the HQ parts alone on 44,000 pictures of everyday things, with
boxes, points and noisy masks as prompts and a loss on sampled points. Here SAM trains with them (its frozen embedding
has lost targets of three pixels), there are no prompts, and the loss is taken over the whole map (random points miss
targets of 3 to 80 pixels), with half the weight on SAM's own mask.

To compare with: no agreed row exists; see ``baselines/sam.py``.
"""

from __future__ import annotations

from mmseg.registry import MODELS

from baselines.sam import SAMSegmentor


@MODELS.register_module()
class SAMHQSegmentor(SAMSegmentor):
    """``SAMSegmentor`` with HQ-SAM's decoder; ``loss_sam`` is the loss of SAM's own mask."""

    default_decoder = "HQSAMDecoder"
