"""Making, measuring and reviewing scene captions; the parts of ``data.py`` that are about text."""
