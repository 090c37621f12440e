import sys
from typing import Any

from django.core.management.base import BaseCommand

from vemo.doctor import examine

MARKS = {True: "ok", False: "BROKEN", None: "note"}


class Command(BaseCommand):
    help = "Look for what is wrong with this installation, and name the cure. Exit code 1 if something is."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        findings = examine()
        for finding in findings:
            self.stdout.write(f"{MARKS[finding.ok]:>6}  {finding.name:<15} {finding.what}")
            if finding.cure:
                self.stdout.write(f"{'':>6}  {'':<15} → {finding.cure}")
        if any(finding.ok is False for finding in findings):
            sys.exit(1)
