import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0004_index_concurrently")]
    operations = [
        migrations.AddConstraint(
            "book", models.CheckConstraint(check=models.Q(times__gte=0), name="book_times_not_negative")
        ),
        migrations.CreateModel(
            name="Review",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("stars", models.PositiveSmallIntegerField()),
                ("facts", models.JSONField(default=dict)),
                ("book", models.ForeignKey("shop.Book", on_delete=django.db.models.deletion.CASCADE)),
            ],
            options={"unique_together": {("book", "stars")}},
        ),
        migrations.AddField("shelf", "books", models.ManyToManyField("shop.Book", related_name="shelves")),
    ]
