"""ACM: the optimiser round the authors' rate (Adagrad, 0.05), batch, share of crops with a target, loss, depth."""
space = {
    "optim_wrapper.optimizer.lr": dict(low=0.002, high=0.2, log=True),
    "+optim_wrapper.optimizer.weight_decay": dict(of=(0.0, 1e-5, 1e-4, 1e-3), default=0.0),
    "train_dataloader.batch_size": dict(of=(2, 4, 8)),
    "view.positive_crop": dict(low=0.25, high=1.0),
    "model.loss.per_image": dict(of=(False, True)),
    "model.network.blocks": dict(of=(3, 4)),
}
