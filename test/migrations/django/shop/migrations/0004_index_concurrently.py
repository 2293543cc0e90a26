from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("shop", "0003_fill")]
    operations = [AddIndexConcurrently("book", models.Index(fields=["isbn"], name="book_isbn"))]
