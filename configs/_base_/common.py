"""What every profile shares: how training runs, and how everything is counted.

view: what the network sees. ``train`` and ``test`` are each ``'crop'`` (training only: random ``size`` crops at
original resolution, half of them round a target), ``'resize'`` (the whole image at ``size``) or ``'native'`` (test
only: the whole image as it is).
selection: which epoch is tested. ``'auto'`` is ``'val-best'`` where the split has a validation list, else ``'last'``.
"""
view = dict(size=(256, 256), train="crop", test="native", positive_crop=0.5)
train_cfg = dict(max_epochs=50, val_interval=1)
train_dataloader = dict(batch_size=8, num_workers=0)
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="Adam", lr=5e-4))
param_scheduler = [dict(type="CosineAnnealingLR", eta_min_ratio=0.01, by_epoch=True, convert_to_iter_based=True)]
selection = "auto"

evaluation = dict(threshold=0.5, protocol="standard", space="original", roc_thresholds=100, bootstrap=2000)
