"""The perceived expressions, named once. Everything else reads the campaign's or the manifest's list."""

SEVEN = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""FER2013's seven classes in FER2013's order: index i here is `emotion` i in its CSV."""

EIGHT = (*SEVEN, "contempt")
"""The classes of FER+ (Barsoum et al. 2016)."""

CANT_TELL = "cant_tell"
NOT_A_FACE = "not_a_face"
OTHER_ANSWERS = (CANT_TELL, NOT_A_FACE)
"""What an annotator may answer besides an expression; both count as votes."""
