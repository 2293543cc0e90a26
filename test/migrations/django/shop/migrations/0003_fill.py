from django.db import migrations
from django.db.models import F


def fill(apps, schema_editor):
    shelf, _ = apps.get_model("shop", "Shelf").objects.get_or_create(label="first")
    book = apps.get_model("shop", "Book")
    for key in list(book.objects.order_by("id").values_list("id", flat=True)[:50]):
        book.objects.filter(pk=key).update(isbn=f"isbn-{key}", shelf=shelf, seen=None, node=F("node"))


class Migration(migrations.Migration):
    dependencies = [("shop", "0002_isbn")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
