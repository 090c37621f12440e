"""The annotators of bench.voting: one light process, one connection each.

Reads {"port", "campaign", "sessions", "seconds", "top_up", "pace_s"} as JSON from stdin, and prints what it saw. An
annotator asks for five faces, answers them one by one, and asks again; with top_up, as the page does, an answer
brings new faces along with its reply when few are left. With a pace above 0 each answers once in so many seconds, not
all at the same moment. With twice, each answer is sent once more, as where its reply was lost. Without sessions they
are turned away each time. Told to end (SIGTERM), it does so when all are answered.
"""

import asyncio
import json
import random
import signal
import sys
import time
from contextlib import suppress
from typing import Any
from uuid import UUID

LIMIT = 5
AHEAD, FEW = 8, 4
"""With top_up: so many faces are held, and more asked for when fewer than FEW are; as vote.js has it."""
CSRF = "c" * 32


class Refused(Exception):
    """The server said no."""


class SignedOut(Exception):
    """The server does not know the session."""


class Connection:
    """One connection to the server on this machine, kept open, as a browser's."""

    def __init__(self, port: int, session: str) -> None:
        signed_in = f"sessionid={session}; " if session else ""
        self._port, self._cookie = port, f"{signed_in}csrftoken={CSRF}"

    async def open(self) -> None:
        self._in, self._out = await asyncio.open_connection("127.0.0.1", self._port)

    def close(self) -> None:
        self._out.close()

    async def ask(self, method: str, path: str, said: Any = None) -> tuple[int, bytes]:
        """The status and the body of the answer."""
        body = "" if said is None else json.dumps(said)
        head = [
            f"{method} {path} HTTP/1.1",
            "Host: 127.0.0.1",
            f"Cookie: {self._cookie}",
            f"X-CSRFToken: {CSRF}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
        ]
        self._out.write(("\r\n".join(head) + "\r\n\r\n" + body).encode())
        reply = (await self._in.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(reply.split("content-length:")[1].split("\r\n")[0])
        return int(reply.split(" ", 2)[1]), await self._in.readexactly(length)


class Annotator:
    def __init__(self, order: dict[str, Any], session: str, seed: int) -> None:
        self._order = order
        self._dice = random.Random(seed)
        self._connection = Connection(order["port"], session)
        self.next_s: list[float] = []
        self.cast_s: list[float] = []
        self.votes = self.leases = self.refused = 0
        self.told_to_end = False

    async def knock(self, ends: float) -> None:
        """Be turned away, over and over: what a request costs that asks nothing of the database."""
        await self._connection.open()
        while time.monotonic() < ends:
            begun = time.perf_counter()
            with suppress(SignedOut):
                await self._post("next", {"limit": 0})
            self.next_s.append(time.perf_counter() - begun)
        self._connection.close()

    async def vote(self, ends: float) -> None:
        waiting: list[int] = []
        pace_s = self._order["pace_s"]
        due = time.monotonic() + self._dice.random() * pace_s
        await asyncio.sleep(due - time.monotonic())
        # Only now, as a browser does: a connection on which nothing is asked yet keeps a thread of the server busy.
        await self._connection.open()
        while time.monotonic() < ends and not self.told_to_end:
            waiting = waiting or await self._next()
            if not waiting:
                return
            waiting = await self._cast(waiting)
            if pace_s:
                # By the clock, not after the reply: a slow server gets no less to do.
                due += pace_s
                await asyncio.sleep(max(0.0, due - time.monotonic()))
        self._connection.close()

    async def _next(self) -> list[int]:
        begun = time.perf_counter()
        answer = await self._post("next", {"limit": LIMIT})
        self.next_s.append(time.perf_counter() - begun)
        self.leases += len(answer["faces"])
        return [face["id"] for face in answer["faces"]]

    async def _cast(self, waiting: list[int]) -> list[int]:
        face, *rest = waiting
        said = {
            "id": face,
            "answer": self._dice.choice(["happy", "happy", "sad", "neutral"]),
            "key": str(UUID(int=self._dice.getrandbits(128))),
            "took_ms": 900,
            "want": AHEAD if self._order["top_up"] and len(rest) < FEW else 0,
        }
        begun = time.perf_counter()
        try:
            answer = await self._post("cast", said)
            if self._order.get("twice"):
                answer = await self._post("cast", said)
        except Refused:
            self.refused += 1
            return rest
        self.cast_s.append(time.perf_counter() - begun)
        self.votes += 1
        if "faces" not in answer:
            return rest
        self.leases += len([one for one in answer["faces"] if one["id"] not in rest])
        return [one["id"] for one in answer["faces"]]

    async def _post(self, verb: str, said: dict[str, Any]) -> Any:
        path = f"/vote/{self._order['campaign']}/{verb}"
        status, answer = await self._connection.ask("POST", path, said)
        if status == 401:
            raise SignedOut
        if status == 409:
            raise Refused
        if status != 200:
            raise RuntimeError(f"{verb} answered {status}: {answer[:300]!r}")
        return json.loads(answer)


async def run(order: dict[str, Any]) -> dict[str, Any]:
    annotators = [Annotator(order, session, seed) for seed, session in enumerate(order["sessions"])]
    begun = time.monotonic()
    ends = begun + order["seconds"]

    def end() -> None:
        for one in annotators:
            one.told_to_end = True

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end)
    await asyncio.gather(*((one.vote if order["sessions"][0] else one.knock)(ends) for one in annotators))
    return {
        "seconds": time.monotonic() - begun,
        "client_cpu_s": time.process_time(),
        "votes": sum(one.votes for one in annotators),
        "leases": sum(one.leases for one in annotators),
        "refused": sum(one.refused for one in annotators),
        "next_s": [second for one in annotators for second in one.next_s],
        "cast_s": [second for one in annotators for second in one.cast_s],
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(run(json.load(sys.stdin)))))
