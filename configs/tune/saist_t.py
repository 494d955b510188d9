"""SAIST-T: learning rate, the weights of its losses (lambda of MMD included), and the sizes of its own parts.

``mlp_ratio`` is the width of SR-CLIP's decoders; nothing of this SAM is pre-trained, so there is no LoRA.
"""
space = {
    "optim_wrapper.optimizer.lr": dict(low=3e-5, high=3e-3, log=True),
    "model.loss.dice": dict(low=0.25, high=4.0, log=True),
    "model.loss.degraded": dict(low=0.0, high=1.0),
    "model.prompts.mmd_weight": dict(low=0.0, high=1.0),
    "model.prompts.context": dict(of=(2, 4, 8)),
    "model.prompts.mlp_ratio": dict(low=1.0, high=4.0, step=0.5),
    "model.decoder.depth.bins": dict(of=(8, 16, 32, 64)),
    "model.decoder.initial_beta": dict(low=0.01, high=1.0, log=True),
}
