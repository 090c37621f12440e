"""The annotators of bench.labelstudio at Label Studio: one light process, one connection each.

Reads {"port", "project", "sessions", "seconds", "twice"} as JSON from stdin, and prints what it saw. An annotator asks
for the next task as the labelling page does, chooses an expression, sends the annotation, and asks again, until the
time is over or there was no task three times, two seconds apart. With twice, each annotation is sent once more, as
where its reply was lost.
"""

import asyncio
import json
import random
import sys
import time
from typing import Any

from bench.labelstudio_world import EXPRESSIONS
from bench.voting_client import Connection

OK, MADE, NONE_LEFT = 200, 201, 404
PATIENCE, PAUSE_S = 3, 2.0


class Annotator:
    def __init__(self, order: dict[str, Any], session: str, seed: int) -> None:
        self._project, self._twice, self._dice = order["project"], order["twice"], random.Random(seed)
        self._connection = Connection(order["port"], session)
        self.next_s: list[float] = []
        self.cast_s: list[float] = []
        self.refused = 0

    async def vote(self, ends: float) -> None:
        await self._connection.open()
        in_vain = 0
        while time.monotonic() < ends and in_vain < PATIENCE:
            task = await self._next()
            if task is None:
                in_vain += 1
                # The server closes a connection on which nothing is asked for so long.
                self._connection.close()
                await asyncio.sleep(PAUSE_S)
                await self._connection.open()
            else:
                in_vain = 0
                await self._send(task)
        self._connection.close()

    async def _next(self) -> int | None:
        begun = time.perf_counter()
        status, answer = await self._connection.ask("GET", f"/api/projects/{self._project}/next")
        self.next_s.append(time.perf_counter() - begun)
        if status == NONE_LEFT:
            return None
        if status != OK:
            raise RuntimeError(f"next answered {status}: {answer[:300]!r}")
        return int(json.loads(answer)["id"])

    async def _send(self, task: int) -> None:
        chosen = {"choices": [self._dice.choice(EXPRESSIONS)]}
        region = {"from_name": "expression", "to_name": "image", "type": "choices", "value": chosen}
        path = f"/api/tasks/{task}/annotations/?project={self._project}"
        said = {"result": [region], "lead_time": 0.9}
        begun = time.perf_counter()
        status, answer = await self._connection.ask("POST", path, said)
        if self._twice:
            await self._connection.ask("POST", path, said)
        if status != MADE:
            self.refused += 1
            if status >= 500:
                raise RuntimeError(f"an annotation was answered {status}: {answer[:300]!r}")
            return
        self.cast_s.append(time.perf_counter() - begun)


async def run(order: dict[str, Any]) -> dict[str, Any]:
    annotators = [Annotator(order, session, seed) for seed, session in enumerate(order["sessions"])]
    begun = time.monotonic()
    await asyncio.gather(*(one.vote(begun + order["seconds"]) for one in annotators))
    cast_s = [second for one in annotators for second in one.cast_s]
    return {
        "seconds": time.monotonic() - begun,
        "votes": len(cast_s),
        "refused": sum(one.refused for one in annotators),
        "next_s": [second for one in annotators for second in one.next_s],
        "cast_s": cast_s,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(run(json.load(sys.stdin)))))
