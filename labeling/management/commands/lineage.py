"""manage.py lineage SNAPSHOT: what it came of, and what came of it."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils.translation import gettext as _

from labeling import lineage
from labeling.management.finding import found
from labeling.management.writing import written
from labeling.models import Snapshot


class Command(BaseCommand):
    help = "Say what a frozen version came of, and what came of it: sources, votes, labels, files, runs."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("snapshot", help="Number, name or digest.")
        parser.add_argument("--json", type=Path, metavar="FILE", help="All of it, with what came of what.")

    def handle(self, *args: Any, **options: Any) -> None:
        row = found(Snapshot, options["snapshot"])
        there = lineage.of(row.campaign, snapshot=row, most=None)
        if options["json"]:
            with written(options["json"]) as file:
                told = lineage.told(there, lambda node: node.url or None)
                file.write(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
        for node in there.nodes:
            more = f", {node.what}" if node.what else ""
            self.stdout.write(f"{_(lineage.STAGES[node.stage])}: {node.title}{more}")
