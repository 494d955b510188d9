"""Contrastive pre-training of a CLIP on MIRSTD's training pairs, and what it is worth on the test pairs."""
