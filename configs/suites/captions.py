"""Does text help? One SAIST on NUAA-SIRST with its captions, with the template alone, with captions of other images.

``python benchmark/run.py --suite captions --profile fast``: nine trainings under one recipe, which differ in their text
and in nothing else. The paper has no such table. The paired bootstrap between rows needs the per-image counts that each
cell keeps (``benchmark.metrics.bootstrap.paired_bootstrap``).
"""
suite = dict(
    name="captions",
    title="SAIST with and without captions",
    metrics=("iou", "niou", "pd", "fa"),
    methods=("saist_captions", "saist_template", "saist_shuffled"),
    datasets=("nuaa-sirst",),
    seeds=(0, 1, 2),
    notes=("The rows differ in their text only: the image's caption; 'a photo of a' and the dataset's scene for every "
           "image; the caption of another image of the same part, drawn anew for each seed.",),
)
