"""Some of the annotators of bench.voting_race, in a process that may be killed at any moment.

Reads {"port", "campaign", "people": [{"name", "session"}], "seed", "log", "flags", "pace_s", "lease_s"} as JSON from
stdin. What they send, and what the server acknowledges, stands in the log before they go on: one JSON a line, a write
each, so that a kill loses none of it. Otherwise they remember nothing: whoever starts again knows only what the server
says. When the file `calm` lies in `flags` they do no mischief any more; when `stop` does, they settle what is not
answered yet and end.

Answers: asked → voted | refused; each copy that got no answer is unanswered. Taking back: undoing → undone | stands.
Odd: an answer that nobody should get.
"""

import asyncio
import json
import os
import random
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

CSRF = "c" * 32
PATIENCE_S = 20.0
"""A request without an answer for so long is sent again."""
EXPECTED = {"cast": ("already", "complete", "closed"), "undo": ("unknown",), "skip": ("already",), "next": ()}
"""Refusals that the race itself brings about."""


class NoAnswer(Exception):
    """Nobody answered, or somebody who could not: the request may have been done, or not."""


class Refused(Exception):
    """The server said no."""


@dataclass
class Mischief:
    """How often what is done; shares of the answers."""

    twice_at_once: float = 0.1
    cut_off: float = 0.1
    again_later: float = 0.08
    other_key: float = 0.08
    undo: float = 0.04
    skip: float = 0.02
    dawdle: float = 0.03
    done: dict[str, int] = field(default_factory=dict)

    def strikes(self, dice: random.Random, what: str, *, calm: bool) -> bool:
        if calm or dice.random() >= getattr(self, what):
            return False
        self.done[what] = self.done.get(what, 0) + 1
        return True


class Log:
    """Lines that are with the operating system as soon as `write` returns."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def write(self, what: str, who: str, **said: Any) -> None:
        line = json.dumps({"at": time.monotonic_ns(), "what": what, "who": who, **said}) + "\n"
        os.write(self._file, line.encode())


class Annotator:
    def __init__(self, order: dict[str, Any], person: dict[str, str], dice: random.Random, log: Log) -> None:
        self._order, self._name, self._session = order, person["name"], person["session"]
        self._dice, self._log = dice, log
        self._mischief = Mischief()
        self._flags = Path(order["flags"])

    def _flag(self, name: str) -> bool:
        return (self._flags / name).exists()

    def _strikes(self, what: str) -> bool:
        struck = self._mischief.strikes(self._dice, what, calm=self._flag("calm"))
        if struck:
            self._log.write("mischief", self._name, kind=what)
        return struck

    async def vote(self) -> None:
        await asyncio.sleep(self._dice.random() * self._order["pace_s"])
        while not self._flag("stop"):
            answer = await self._insist("next", {"limit": self._dice.choice([1, 3, 5])})
            waiting = [face["id"] for face in answer.get("faces", [])]
            if not waiting:
                await asyncio.sleep(self._dice.uniform(0.5, 1.5))
            while waiting and not self._flag("stop"):
                waiting = await self._one(waiting)

    async def _one(self, waiting: list[int]) -> list[int]:
        """See to the first of these faces; returns what is held afterwards."""
        face, *rest = waiting
        lapsed = self._strikes("dawdle")
        pause = self._order["lease_s"] * 1.5 if lapsed else self._order["pace_s"] * self._dice.random() * 2
        await asyncio.sleep(pause)
        if self._strikes("skip"):
            await self._insist("skip", {"id": face, "reason": ""})
            return rest
        body = self._body(face)
        answer = await self._cast(body)
        if answer is not None:
            await self._afterwards(body)
            if "faces" in answer:
                return [one["id"] for one in answer["faces"] if one["id"] != face]
        return rest

    def _body(self, face: int) -> dict[str, Any]:
        answer = self._dice.choice(["happy", "happy", "sad", "neutral", "cant_tell"])
        key = str(UUID(int=self._dice.getrandbits(128)))
        want = self._dice.choice([0, 5])
        return {"id": face, "answer": answer, "key": key, "took_ms": 900, "want": want}

    async def _cast(self, body: dict[str, Any]) -> dict[str, Any] | None:
        """Send the answer until it is counted or refused. None: refused."""
        self._write("asked", body)
        if self._strikes("twice_at_once"):
            both = await asyncio.gather(self._insist("cast", body), self._insist("cast", body))
            # A place may become free between the two: it is counted if either says so.
            answer = next((one for one in both if one.get("ok")), both[0])
        else:
            answer = await self._insist("cast", body, cut_off=self._strikes("cut_off"))
        if not answer.get("ok"):
            self._write("refused", body)
            return None
        self._write("voted", body)
        return answer

    async def _afterwards(self, body: dict[str, Any]) -> None:
        if self._strikes("again_later"):
            await asyncio.sleep(self._dice.uniform(0.0, 1.0))
            answer = await self._insist("cast", body)
            if not answer.get("again"):
                self._log.write("odd", self._name, told=f"sent again: {answer}")
        if self._strikes("other_key"):
            # Whatever the server says of it, the proof looks at what is stored.
            await self._cast(self._body(body["id"]))
        if self._strikes("undo"):
            self._write("undoing", body)
            answer = await self._insist("undo", {"key": body["key"]}, cut_off=self._strikes("cut_off"))
            # Unknown: a try that got no answer had done it.
            undone = answer.get("ok") or answer.get("code") == "unknown"
            self._write("undone" if undone else "stands", body)

    def _unanswered(self, verb: str, body: dict[str, Any]) -> None:
        if verb == "cast":
            self._write("unanswered", body)
        else:
            self._log.write("unanswered", self._name)

    def _write(self, what: str, body: dict[str, Any]) -> None:
        self._log.write(what, self._name, face=body["id"], key=body["key"], answer=body["answer"])

    async def _insist(self, verb: str, body: dict[str, Any], *, cut_off: bool = False) -> dict[str, Any]:
        """Send it until there is an answer; a refusal is {"code"}. cut_off: hang up on the first try."""
        while True:
            try:
                if cut_off:
                    self._unanswered(verb, body)
                    await self._hang_up(verb, body)
                return await self._post(verb, body)
            except NoAnswer:
                self._unanswered(verb, body)
                await asyncio.sleep(self._dice.uniform(0.1, 0.6))
            cut_off = False

    async def _hang_up(self, verb: str, body: dict[str, Any]) -> None:
        """Send it and leave before the answer: before it is read, while it is worked on, or when it is done."""
        try:
            _, out = await asyncio.open_connection("127.0.0.1", self._order["port"])
            out.write(self._request(verb, body))
            await out.drain()
            await asyncio.sleep(self._dice.uniform(0.0, 0.02))
            out.transport.abort()
        except OSError as gone:
            raise NoAnswer from gone

    async def _post(self, verb: str, body: dict[str, Any]) -> dict[str, Any]:
        try:
            status, reply = await asyncio.wait_for(self._exchange(verb, body), PATIENCE_S)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, IndexError) as gone:
            raise NoAnswer from gone
        if status >= 500:
            raise NoAnswer
        answer: dict[str, Any] = json.loads(reply)
        if status == 200:
            return answer
        code = str(answer.get("code"))
        if status != 409 or code not in EXPECTED[verb]:
            self._log.write("odd", self._name, told=f"{verb} answered {status}: {answer}")
        return {"code": code}

    async def _exchange(self, verb: str, body: dict[str, Any]) -> tuple[int, bytes]:
        source, out = await asyncio.open_connection("127.0.0.1", self._order["port"])
        try:
            out.write(self._request(verb, body))
            head = (await source.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            length = int(head.split("content-length:")[1].split("\r\n")[0])
            return int(head.split(" ", 2)[1]), await source.readexactly(length)
        finally:
            out.transport.abort()

    def _request(self, verb: str, body: dict[str, Any]) -> bytes:
        said = json.dumps(body)
        head = [
            f"POST /vote/{self._order['campaign']}/{verb} HTTP/1.1",
            "Host: 127.0.0.1",
            f"Cookie: sessionid={self._session}; csrftoken={CSRF}",
            f"X-CSRFToken: {CSRF}",
            "Content-Type: application/json",
            "Connection: close",
            f"Content-Length: {len(said)}",
        ]
        return ("\r\n".join(head) + "\r\n\r\n" + said).encode()


async def run(order: dict[str, Any]) -> None:
    log = Log(order["log"])
    annotators = [
        Annotator(order, person, random.Random(f"{order['seed']} {person['name']}"), log)
        for person in order["people"]
    ]
    await asyncio.gather(*(one.vote() for one in annotators))


if __name__ == "__main__":
    asyncio.run(run(json.load(sys.stdin)))
