"""What a licence is, what it allows, and which of that is asked for. Pure: no framework, no database.

A licence is understood or it is unknown, and never guessed (ADR 24).
"""

from labeling.licences.catalogue import LICENCES, UNKNOWN, Licence, licence
from labeling.licences.demands import DEMANDS, Demand, kept, meeting, why_not
from labeling.licences.reading import understood

__all__ = [
    "DEMANDS",
    "LICENCES",
    "UNKNOWN",
    "Demand",
    "Licence",
    "kept",
    "licence",
    "meeting",
    "understood",
    "why_not",
]
