from typing import Any

from django.db import migrations, models


def know_what_was_written(apps: Any, schema_editor: Any) -> None:
    """Files of exports that went somewhere lie there since; and only a finished export's file is known to be whole."""
    rows = apps.get_model("labeling", "Export").objects
    for row in rows.filter(options__has_key="to"):
        place = {"to": row.options["to"], "profile": row.options.get("profile", ""), "erased": 0}
        row.written = [{**place, "state": "whole" if row.state == "done" else "begun"}]
        row.save(update_fields=["written"])
    rows.exclude(state="done").update(sha256="", bytes=0)


class Migration(migrations.Migration):
    dependencies = [("labeling", "0017_face_limits")]

    operations = [
        migrations.AddField(
            model_name="export",
            name="written",
            field=models.JSONField(
                blank=True,
                default=list,
                help_text="[{to, profile, state, erased}]: every place its files were ever written to; see snapshots.places.",
            ),
        ),
        migrations.AddField(
            model_name="export",
            name="taking",
            field=models.JSONField(
                blank=True,
                default=dict,
                help_text="{folder, bytes}: what its worker fills just now, and how much will be in it; see snapshots.room.",
            ),
        ),
        migrations.RunPython(know_what_was_written, migrations.RunPython.noop),
    ]
