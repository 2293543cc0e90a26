from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0005_constraints")]
    operations = [
        migrations.RemoveField("book", "old"),
        migrations.RenameField("book", "seen", "seen_at"),
        migrations.AlterField("review", "stars", models.IntegerField()),
        migrations.RemoveField("shelf", "books"),
        migrations.DeleteModel("Review"),
    ]
