"""IPI (tuned): trial 20 of study ipi-nuaa-sirst-official-fast (iou 0.4715 on 40 training images), 2026-11-25.

The values of ``tuned`` come after every other layer but ``--set``.
"""
_base_ = '../../../configs/methods/ipi.py'

method = dict(name='ipi_tuned', title='IPI (tuned)')
tuned = {
    'model.patch': 65,
    'model.step': 8,
    'model.lam': 'image',
    'model.level': 0.230459025841242,
}
