"""Who is drawn, and what their faces do: numbers only."""

from dataclasses import dataclass, fields

from labeling.sources.drawing.canvas import Colour


@dataclass(frozen=True)
class Person:
    name: str
    skin: Colour
    hair: Colour
    style: str
    """short, bob, long, bun, curly, afro, buzz, bald, scarf or parted."""
    eyes: Colour
    cloth: Colour
    wide: float = 1.0
    """Width of the face; 1 is the mean."""
    jaw: float = 0.5
    """0 pointed … 1 square."""
    brows: float = 1.0
    lips: float = 1.0
    nose: float = 1.0
    lashes: bool = False
    beard: bool = False
    glasses: bool = False
    lined: bool = False
    """The lines of a face that has laughed for sixty years."""


PEOPLE = (
    Person("ada", (242, 201, 172), (94, 52, 30), "bob",
           (74, 98, 58), (58, 110, 165), 0.97, 0.3, 0.9, 1.1, 0.9, True),
    Person("bao", (232, 186, 146), (32, 28, 30), "short",
           (58, 38, 26), (196, 86, 60), 1.02, 0.6, 1.2),
    Person("chidi", (140, 92, 64), (26, 20, 18), "buzz",
           (44, 28, 20), (222, 166, 60), 1.0, 0.7, 1.1, 1.35, 1.2),
    Person("dana", (250, 216, 194), (206, 120, 52), "long",
           (82, 124, 138), (96, 140, 94), 0.94, 0.2, 0.8, 1.0, 0.85, True),
    Person("emil", (240, 196, 168), (132, 96, 62), "parted",
           (92, 118, 140), (84, 78, 120), 1.04, 0.9, 1.1, beard=True),
    Person("farah", (206, 154, 116), (34, 92, 104), "scarf",
           (64, 42, 26), (34, 92, 104), 0.96, 0.3, 1.1, 1.15, lashes=True),
    Person("gita", (172, 118, 82), (30, 22, 22), "bun",
           (50, 32, 22), (178, 62, 96), 0.98, 0.4, 1.05, 1.2, lashes=True),
    Person("hugo", (246, 208, 184), (178, 174, 172), "bald",
           (96, 120, 146), (70, 92, 84), 1.03, 0.7, 0.9, 0.8, 1.15, lined=True),
    Person("ines", (222, 172, 134), (58, 34, 24), "curly",
           (72, 50, 30), (230, 120, 84), 1.0, 0.4, 1.0, 1.2, lashes=True),
    Person("jomo", (118, 76, 54), (22, 18, 18), "afro",
           (38, 26, 20), (72, 130, 128), 1.01, 0.6, 1.1, 1.4, 1.25),
    Person("kiri", (236, 192, 154), (24, 22, 28), "long",
           (44, 30, 24), (150, 110, 180), 0.97, 0.2, 0.95, 1.0, 0.85, True),
    Person("lena", (248, 212, 190), (172, 166, 168), "bob",
           (84, 116, 130), (150, 84, 84), 0.98, 0.4, 0.85, 0.9, lined=True),
)  # fmt: skip


@dataclass(frozen=True)
class Pull:
    """What the muscles do; all 0 at rest. Named after Ekman's action units (AU) where there is one."""

    inner_brow: float = 0.0
    """AU1 up, below 0 AU4 down."""
    outer_brow: float = 0.0
    """AU2."""
    pinch: float = 0.0
    """Brows towards each other, with lines between them (AU4)."""
    lid: float = 0.0
    """AU5: the upper lid up; below 0 it droops."""
    squint: float = 0.0
    """AU6 and 7: the lower lid up."""
    slant: float = 0.0
    """The inner end of the upper lid down (anger); below 0 the outer one (sorrow)."""
    wrinkle: float = 0.0
    """AU9: the nose."""
    smile: float = 0.0
    """AU12: corners up; below 0 down (AU15)."""
    stretch: float = 0.0
    """AU20: the mouth wider; below 0 rounder."""
    open: float = 0.0
    """AU25–27."""
    teeth: float = 0.0
    lower_teeth: float = 0.0
    upper_lip: float = 0.0
    """AU10: raised, with a fold beside the nose."""
    press: float = 0.0
    """AU24: lips thin."""
    pout: float = 0.0
    """AU17: the lower lip pushed up."""
    forehead: float = 0.0
    """Lines across it."""
    blush: float = 0.0
    skew: float = 0.0
    """One side of the mouth higher than the other."""
    gaze: float = 0.0
    """Below 0 up, above 0 down."""
    tongue: float = 0.0
    """Out, over the lower lip."""
    tear: float = 0.0
    """On one cheek."""

    def scaled(self, by: float) -> "Pull":
        return Pull(**{field.name: getattr(self, field.name) * by for field in fields(self)})

    def towards(self, other: "Pull", share: float) -> "Pull":
        """In between: this at share 0, the other at 1."""
        names = [field.name for field in fields(self)]
        return Pull(**{n: getattr(self, n) * (1 - share) + getattr(other, n) * share for n in names})


PULLS = {
    "angry": Pull(
        inner_brow=-1.3, outer_brow=0.5, pinch=1.0, lid=0.3, squint=0.5, slant=1.0, smile=-0.45, stretch=0.2,
        open=0.52, teeth=1.0, lower_teeth=1.0, press=0.5, wrinkle=0.25, blush=0.6,
    ),
    "disgust": Pull(
        inner_brow=-0.7, outer_brow=-0.35, pinch=0.45, lid=-0.55, squint=0.95, wrinkle=1.0, smile=-0.7,
        upper_lip=1.0, open=0.3, skew=0.45, stretch=-0.05, tongue=1.0, gaze=0.1,
    ),
    "fear": Pull(
        inner_brow=1.15, outer_brow=-0.1, pinch=0.5, lid=1.0, squint=-0.25, smile=-0.7, stretch=0.55, open=0.5,
        lower_teeth=0.8, teeth=0.35, forehead=0.7, press=0.4, gaze=-0.1,
    ),
    "happy": Pull(
        inner_brow=0.2, outer_brow=0.3, lid=-0.1, squint=0.85, smile=1.25, stretch=0.5, open=0.5, teeth=1.0, blush=1.0,
    ),
    "sad": Pull(
        inner_brow=1.15, outer_brow=-0.85, pinch=0.3, lid=-0.5, slant=-0.8, smile=-1.2, pout=0.8, forehead=0.25,
        gaze=0.6, stretch=-0.15, tear=1.0,
    ),
    "surprise": Pull(
        inner_brow=1.3, outer_brow=1.3, lid=0.95, squint=-0.3, stretch=-0.85, open=1.0, forehead=0.8, teeth=0.15,
    ),
    "neutral": Pull(),
}  # fmt: skip
