from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [
        migrations.AddField("book", "isbn", models.CharField(max_length=20, null=True)),
        migrations.AddField("book", "seen", models.DateTimeField(null=True)),
        migrations.AlterField("book", "title", models.CharField(max_length=200, null=True)),
        migrations.AddIndex("book", models.Index(fields=["node", "times"], name="book_node_times")),
    ]
