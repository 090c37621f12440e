"""Erasing media and faces for good, wherever they are: `preview`, `demand`, `carry_out` (ADR 26)."""

from labeling.erasure.carrying_out import carry_out, resume
from labeling.erasure.demanding import demand
from labeling.erasure.preview import Preview, preview
from labeling.erasure.refusals import CannotErase
from labeling.erasure.telling import campaigns_of, sample

__all__ = ["CannotErase", "Preview", "campaigns_of", "carry_out", "demand", "preview", "resume", "sample"]
