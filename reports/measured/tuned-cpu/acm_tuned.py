"""ACM (tuned): trial 23 of study acm-nuaa-sirst-official-fast (iou 0.1486 on 40 validation images), 2026-11-25.

The values of ``tuned`` come after every other layer but ``--set``.
"""
_base_ = '../../../configs/methods/acm.py'

method = dict(name='acm_tuned', title='ACM (tuned)')
tuned = {
    'optim_wrapper.optimizer.lr': 0.19320376051340463,
    '+optim_wrapper.optimizer.weight_decay': 0.0,
    'train_dataloader.batch_size': 8,
    'view.positive_crop': 0.7392520966002812,
    'model.loss.per_image': False,
    'model.network.blocks': 3,
}
