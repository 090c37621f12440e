from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("labeling", "0011_corrected_boxes")]

    operations = [
        migrations.AddField(
            model_name="export",
            name="options",
            field=models.JSONField(
                blank=True,
                default=dict,
                help_text="words: what the dataset card is told (card.QUESTIONS); to, profile: where its files go besides.",
            ),
        )
    ]
