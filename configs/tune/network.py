"""What a search varies for a network without a space of its own: learning rate, weight decay, batch."""
space = {
    "optim_wrapper.optimizer.lr": dict(low=1e-5, high=0.1, log=True),
    "+optim_wrapper.optimizer.weight_decay": dict(of=(0.0, 1e-5, 1e-4, 1e-3, 1e-2), default=0.0),
    "train_dataloader.batch_size": dict(of=(2, 4, 8, 16)),
}
