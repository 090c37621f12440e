"""One person with one expression, drawn onto a canvas."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from labeling.sources.drawing import hair
from labeling.sources.drawing.canvas import Canvas, Colour, Points, closed, curve, ellipse, lowered
from labeling.sources.drawing.people import Person, Pull

Place = Callable[[Points], Points]

WHITE = (250, 248, 244)
DARK = (40, 26, 26)


@dataclass(frozen=True)
class Pose:
    """Where the head is and how it is held."""

    x: float
    y: float
    """Middle of the head, in pixels."""
    size: float
    """Half the width of a face of mean width, in pixels."""
    tilt: float = 0.0
    """Degrees, clockwise."""
    turn: float = 0.0
    """To the side: −1 … 1; a little is enough."""
    blink: float = 0.0
    """0 open … 1 shut."""


def tint(colour: Colour, by: float) -> Colour:
    """Lighter (by > 0) or darker (by < 0)."""
    target = 255 if by > 0 else 0
    mixed = [round(value + (target - value) * abs(by)) for value in colour]
    return mixed[0], mixed[1], mixed[2]


def blend(one: Colour, other: Colour, share: float) -> Colour:
    mixed = [round(a + (b - a) * share) for a, b in zip(one, other, strict=True)]
    return mixed[0], mixed[1], mixed[2]


class Portrait:
    """Face units: the face is 2 wide and about 2.6 high, (0, 0) between the eyes' corners and the nose."""

    def __init__(self, canvas: Canvas, person: Person, pull: Pull, pose: Pose) -> None:
        self.canvas, self.person, self.pull, self.pose = canvas, person, pull, pose
        self.head = self.place(self._head(), 0.0)

    def draw(self) -> None:
        hair.behind(self)
        self._body()
        self._ears()
        self.canvas.fill(self.head, self.person.skin)
        self._shade()
        self._lines()
        for side in (-1, 1):
            self._eye(side)
        self._nose()
        hair.beard(self)
        self._mouth()
        hair.front(self)
        for side in (-1, 1):
            self._brow(side)
        if self.person.glasses:
            self._glasses()

    def place(self, points: Points, depth: float = 1.0, *, fixed: bool = False) -> Points:
        """Face units to pixels. depth: how far in front, so that turning the head moves it sideways.

        fixed: the body, which neither turns nor tilts with the head.
        """
        pose = self.pose
        across = points[:, 0] * (1.0 if fixed else self.person.wide)
        if fixed:
            return np.stack([pose.x + across * pose.size, pose.y + points[:, 1] * pose.size], axis=1)
        across = across * (1 - 0.08 * abs(pose.turn)) + 0.16 * pose.turn * depth
        angle = np.radians(pose.tilt)
        # Heads tilt about the neck.
        down = points[:, 1] - 1.2
        x = across * np.cos(angle) - down * np.sin(angle)
        y = across * np.sin(angle) + down * np.cos(angle) + 1.2
        return np.stack([pose.x + x * pose.size, pose.y + y * pose.size], axis=1)

    def fill(self, points: Points, colour: Colour, opacity: float = 1.0, depth: float = 1.0) -> None:
        self.canvas.fill(self.place(points, depth), colour, opacity)

    def stroke(
        self,
        points: Points,
        width: float,
        colour: Colour,
        opacity: float = 1.0,
        taper: float = 0.8,
        depth: float = 1.0,
    ) -> None:
        self.canvas.stroke(self.place(points, depth), width * self.pose.size, colour, opacity, taper)

    def _head(self) -> Points:
        jaw = 0.72 + 0.16 * self.person.jaw
        chin = 1.24 + 0.12 * max(0.0, self.pull.open)
        side = [
            (0.0, -1.38),
            (0.56, -1.22),
            (0.9, -0.72),
            (1.0, -0.05),
            (0.94, 0.46),
            (jaw, 0.84),
            (0.36, chin - 0.07),
        ]
        left = [(-x, y) for x, y in reversed(side[1:])]
        return closed(*side, (0.0, chin), *left)

    def _body(self) -> None:
        cloth, skin = self.person.cloth, self.person.skin
        shoulders = curve(
            (-2.3, 3.6),
            (-2.05, 2.35),
            (-1.2, 1.86),
            (-0.5, 1.62),
            (0.5, 1.62),
            (1.2, 1.86),
            (2.05, 2.35),
            (2.3, 3.6),
        )
        body = self.place(shoulders, fixed=True)
        self.canvas.fill(body, cloth)
        self.canvas.shade(
            body, [(self.place(ellipse(0, 1.5, 1.0, 0.7), fixed=True), -0.22)], 0.2 * self.pose.size
        )
        neck = np.array([[-0.5, 0.6], [0.5, 0.6], [0.52, 1.6], [0.28, 1.98], [-0.28, 1.98], [-0.52, 1.6]])
        self.canvas.fill(self.place(neck, fixed=True), tint(skin, -0.16))
        self.canvas.fill(self.place(ellipse(0, 1.74, 0.44, 0.26), fixed=True), tint(skin, -0.16))
        collar = self.place(
            curve((-0.62, 1.56), (-0.42, 1.92), (0, 2.1), (0.42, 1.92), (0.62, 1.56)), fixed=True
        )
        self.canvas.stroke(collar, 0.13 * self.pose.size, tint(cloth, 0.22))

    def _ears(self) -> None:
        for side in (-1, 1):
            self.fill(ellipse(side * 1.02, 0.02, 0.15, 0.27), tint(self.person.skin, -0.06), depth=-0.4)
            self.fill(ellipse(side * 1.03, 0.04, 0.07, 0.15), tint(self.person.skin, -0.2), depth=-0.4)

    def _shade(self) -> None:
        """Cheeks and bridge catch the light, the sockets lie in shadow: it is what the cascade looks for."""
        at, pull = self.place, self.pull
        spots = [
            (at(ellipse(-0.42, -0.14, 0.30, 0.2)), -0.34),
            (at(ellipse(0.42, -0.14, 0.30, 0.2)), -0.34),
            (at(ellipse(0, -0.05, 0.10, 0.4)), 0.2),
            (at(ellipse(-0.5, 0.32, 0.26, 0.18)), 0.13),
            (at(ellipse(0.5, 0.32, 0.26, 0.18)), 0.13),
            (at(ellipse(0, -0.8, 0.55, 0.26)), 0.09),
            (at(ellipse(0, 1.02, 0.22, 0.08)), 0.08),
            (at(ellipse(0, 0.56, 0.3, 0.06)), -0.12),
            (at(ellipse(-1.0, 0.35, 0.16, 0.8), 0), -0.2),
            (at(ellipse(1.0, 0.35, 0.16, 0.8), 0), -0.2),
            (at(ellipse(0, 1.3, 0.7, 0.14), 0), -0.16),
        ]
        self.canvas.shade(self.head, spots, 0.055 * self.pose.size)
        rose = blend(self.person.skin, (226, 82, 82), 0.45)
        for side in (-1, 1):
            for step in (1.0, 0.8, 0.6):
                self.fill(
                    ellipse(side * 0.56, 0.34, 0.25 * step, 0.17 * step),
                    rose,
                    0.08 + 0.12 * max(0, pull.blush),
                )

    def _lines(self) -> None:
        pull, ink = self.pull, tint(self.person.skin, -0.5)
        old = 0.35 if self.person.lined else 0.0
        for n, width in enumerate((0.36, 0.42, 0.34)):
            y, show = -0.72 - 0.13 * n - 0.06 * pull.inner_brow, max(old, pull.forehead)
            bend = 0.05 * (pull.inner_brow - pull.outer_brow)
            self._line(((-width, y + bend), (0, y - 0.03), (width, y + bend)), 0.024, ink, show)
        for side in (-1, 1):
            self._line(
                ((side * 0.07, -0.5), (side * 0.05, -0.38), (side * 0.08, -0.27)), 0.032, ink, pull.pinch
            )
            fold = max(old, 0.75 * max(0.0, pull.smile), pull.upper_lip)
            out = 0.1 * max(0.0, pull.smile)
            self._line(
                ((side * 0.24, 0.3), (side * (0.4 + out), 0.5), (side * (0.44 + out), 0.7)), 0.03, ink, fold
            )
            crows = max(old, max(0.0, pull.smile) * 0.6)
            for n in (-1, 0, 1):
                y = -0.06 + 0.07 * n
                self._line(((side * 0.7, y), (side * 0.8, y + 0.045 * n)), 0.018, ink, crows)
            for n in range(2):
                y = 0.02 + 0.09 * n
                self._line(
                    ((side * 0.04, y - 0.03), (side * 0.12, y), (side * 0.17, y + 0.06)),
                    0.024,
                    ink,
                    pull.wrinkle,
                )
        if pull.tear > 0.3:
            drop = closed((0.52, 0.16), (0.585, 0.32), (0.52, 0.39), (0.455, 0.32))
            self.fill(drop, (120, 186, 232), 0.9 * pull.tear)
            self.fill(ellipse(0.5, 0.32, 0.018, 0.03), WHITE, 0.9 * pull.tear)
        if pull.pout > 0:
            self._line(((-0.12, 1.04), (0, 1.0), (0.12, 1.04)), 0.026, ink, pull.pout * 0.8)

    def _line(
        self, through: tuple[tuple[float, float], ...], width: float, colour: Colour, show: float
    ) -> None:
        if show > 0.05:
            self.stroke(curve(*through), width, colour, min(0.75, 0.75 * show), taper=0.9)

    def _brow(self, side: int) -> None:
        pull, thick = self.pull, 0.085 * self.person.brows
        inner = -0.42 - 0.15 * pull.inner_brow
        outer = -0.4 - 0.13 * pull.outer_brow
        middle = (inner + outer) / 2 - 0.075 - 0.02 * max(0.0, pull.inner_brow + pull.outer_brow - 1)
        start = 0.19 - 0.07 * pull.pinch
        line = curve((side * start, inner), (side * 0.44, middle), (side * 0.72, outer))
        shape = np.linspace(1.0, 0.35, len(line))[:, None] * thick / 2
        outline = np.vstack([line - [0, 1] * shape, (line + [0, 1] * shape)[::-1]])
        self.fill(outline, hair.brow_colour(self.person))

    def _eye(self, side: int) -> None:
        pull, x, y, wide = self.pull, side * 0.42, -0.07, 0.22
        open_ = max(0.02, 1 - self.pose.blink)
        t = np.linspace(0, 1, 24)
        inward = 1 - t if side > 0 else t  # 1 at the nose's end
        hood = 1 - 0.5 * max(0.0, pull.slant) * inward - 0.45 * max(0.0, -pull.slant) * (1 - inward)
        rise = 0.125 * (1 + 0.55 * pull.lid) * hood * open_
        fall = (0.085 - 0.085 * pull.squint) * open_
        arch = np.sin(np.pi * t)
        upper = np.stack([x - wide + 2 * wide * t, y - rise * arch**0.75], axis=1)
        lower = np.stack([x - wide + 2 * wide * t, y + fall * arch], axis=1)
        shape = np.vstack([upper, lower[::-1]])
        outline = self.place(shape)
        self.canvas.inside(outline, lambda: self._ball(outline, x, y + 0.05 * pull.gaze))
        ink = blend(DARK, self.person.skin, 0.1)
        self.stroke(upper, 0.055 if self.person.lashes else 0.045, ink, taper=0.5)
        self.stroke(lower, 0.022, tint(self.person.skin, -0.5), 0.8)
        crease = lowered(upper, -0.055 - 0.02 * max(0.0, pull.lid))
        self.stroke(crease[4:-4], 0.022, tint(self.person.skin, -0.45), 0.7)
        if pull.squint > 0.3:
            bag = lowered(lower[3:-3], 0.075)
            self.stroke(bag, 0.022, tint(self.person.skin, -0.4), 0.6 * pull.squint)
        if self.person.lashes:
            tip = upper[-1] if side > 0 else upper[0]
            self.stroke(
                curve((tip[0] - side * 0.06, tip[1] - 0.03), (tip[0] + side * 0.06, tip[1] - 0.07)), 0.03, ink
            )

    def _ball(self, outline: Points, x: float, y: float) -> None:
        tense = max(0.0, self.pull.lid) * max(0.0, self.pull.pinch) * 2
        self.canvas.fill(outline, WHITE)
        x += 0.05 * self.pose.turn
        iris = 0.112 - 0.012 * tense
        self.fill(ellipse(x, y, iris, iris), tint(self.person.eyes, -0.45))
        self.fill(ellipse(x, y, iris * 0.82, iris * 0.82), self.person.eyes)
        pupil = 0.058 - 0.018 * tense
        self.fill(ellipse(x, y, pupil, pupil), (16, 12, 14))
        self.fill(ellipse(x - 0.036, y - 0.042, 0.026, 0.026), (255, 255, 255))
        self.canvas.shade(
            outline, [(self.place(ellipse(x, y - 0.17, 0.3, 0.1)), -0.3)], 0.02 * self.pose.size
        )

    def _nose(self) -> None:
        skin, width, lift = self.person.skin, 0.15 * self.person.nose, -0.05 * self.pull.wrinkle
        tip = 0.36 + lift
        shadow = np.vstack(
            [curve((0.06, -0.1), (0.1, 0.12), (width + 0.02, tip)), [[0.02, tip + 0.02], [0.03, 0.1]]]
        )
        self.fill(shadow, tint(skin, -0.3), 0.4, depth=1.4)
        self.fill(ellipse(-0.02, tip - 0.06, 0.06, 0.06), tint(skin, 0.35), 0.5, depth=1.5)
        flare = 1 + 0.2 * self.pull.wrinkle
        for side in (-1, 1):
            wing = curve(
                (side * width * 0.9 * flare, tip - 0.1),
                (side * width * 1.18 * flare, tip),
                (side * width * 0.75, tip + 0.06),
            )
            self.stroke(wing, 0.032, tint(skin, -0.45), 0.9, depth=1.35)
            self.fill(
                ellipse(side * width * 0.5, tip + 0.035, width * 0.3 * flare, 0.024),
                tint(skin, -0.68),
                depth=1.4,
            )
        self.stroke(
            curve((-0.07, tip + 0.06), (0, tip + 0.075), (0.07, tip + 0.06)),
            0.024,
            tint(skin, -0.4),
            depth=1.45,
        )

    def _mouth(self) -> None:
        inner_up, inner_down, outer_up, outer_down = self._lips()
        lips = blend(self.person.skin, (168, 48, 62), 0.55 if self.person.lashes else 0.4)
        hole = np.vstack([inner_up, inner_down[::-1]])
        self.fill(np.vstack([outer_up, inner_up[::-1]]), tint(lips, -0.14), depth=1.2)
        self.fill(np.vstack([inner_down, outer_down[::-1]]), lips, depth=1.2)
        if self.pull.open > 0.08:
            outline = self.place(hole, 1.2)
            self.canvas.inside(outline, lambda: self._inside_mouth(outline, inner_up, inner_down))
        self.stroke(inner_up, 0.03, tint(lips, -0.55), taper=0.6, depth=1.2)
        if self.pull.tongue > 0.3:
            self._tongue(inner_down)
        shine = lowered(outer_down[8:-8], -0.05 * self.person.lips)
        self.stroke(shine, 0.02, tint(lips, 0.5), 0.35, depth=1.2)
        self.stroke(lowered(outer_down[6:-6], 0.05), 0.03, tint(self.person.skin, -0.35), 0.35, depth=1.1)

    def _lips(self) -> tuple[Points, Points, Points, Points]:
        """The four lines of the mouth from its left to its right corner: inner upper, inner lower, outer ones."""
        pull, t = self.pull, np.linspace(-1, 1, 33)
        half = 0.35 * (1 + 0.28 * pull.stretch)
        middle = 0.74 - 0.05 * pull.upper_lip - 0.03 * pull.pout
        bend = -0.15 * pull.smile * (t**2 - 0.35) + 0.07 * pull.skew * t
        bow = (1 - t**2) ** (0.5 if pull.stretch < -0.5 else 0.8)
        gap = 0.34 * max(0.0, pull.open)
        up = bend - 0.32 * gap * bow - 0.07 * pull.upper_lip * bow
        # A smile draws the upper lip flat; what opens is the lower one.
        up = up + 0.06 * max(0.0, pull.smile) * pull.open * bow * -1
        down = bend + 0.75 * gap * bow - 0.07 * pull.upper_lip * bow * (0.6 if pull.open < 0.08 else 0)
        if pull.open < 0.08:
            down = up
        thin = (1 - 0.45 * pull.press) * self.person.lips
        cupid = 1 - 0.28 * np.exp(-((t / 0.16) ** 2))
        high = up - 0.075 * thin * bow * cupid
        low = down + (0.095 + 0.045 * pull.pout) * thin * bow
        x = half * t
        return (
            np.stack([x, middle + up], axis=1),
            np.stack([x, middle + down], axis=1),
            np.stack([x, middle + high], axis=1),
            np.stack([x, middle + low], axis=1),
        )

    def _inside_mouth(self, outline: Points, upper: Points, lower: Points) -> None:
        pull = self.pull
        self.canvas.fill(outline, (74, 22, 30))
        depth = lower[16, 1] - upper[16, 1]
        self.fill(ellipse(0, lower[16, 1] + 0.02, 0.2, depth * 0.4), (206, 92, 96), depth=1.2)
        if pull.teeth > 0.05:
            self._teeth(upper, min(0.13, depth * 0.62) * pull.teeth)
        if pull.lower_teeth > 0.05:
            self._teeth(lower, -min(0.1, depth * 0.42) * pull.lower_teeth)

    def _tongue(self, lower: Points) -> None:
        y, out = lower[16, 1], 0.3 * self.pull.tongue
        half = [(0.0, y + out), (0.13, y + out * 0.8), (0.17, y + out * 0.3), (0.15, y - 0.06)]
        shape = closed(*half, *[(-x, y) for x, y in reversed(half[1:])])
        self.fill(shape, (222, 104, 112), depth=1.25)
        self.stroke(
            curve((0, y - 0.03), (0.01, y + out * 0.4), (0, y + out * 0.7)), 0.025, (176, 66, 80), depth=1.25
        )

    def _teeth(self, edge: Points, height: float) -> None:
        row = np.vstack([edge, lowered(edge, height)[::-1]])
        self.fill(row, WHITE, depth=1.2)
        for x in np.linspace(-0.3, 0.3, 7):
            at = edge[np.abs(edge[:, 0] - x).argmin()]
            self.stroke(np.vstack([at, lowered(at, height)]), 0.009, (190, 184, 180), 0.8, depth=1.2)

    def _glasses(self) -> None:
        for side in (-1, 1):
            rim = ellipse(side * 0.42, -0.06, 0.32, 0.27)
            self.stroke(np.vstack([rim, rim[:1]]), 0.035, DARK, taper=0)
        self.stroke(curve((-0.11, -0.1), (0, -0.14), (0.11, -0.1)), 0.035, DARK, taper=0)
