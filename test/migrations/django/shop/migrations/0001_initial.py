from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel(
            name="Shelf",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("label", models.CharField(max_length=40, unique=True)),
            ],
        ),
        migrations.CreateModel(
            name="Book",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("node", models.IntegerField(null=True)),
                ("times", models.IntegerField(default=0)),
                ("title", models.CharField(max_length=40, null=True)),
                ("old", models.CharField(max_length=10, null=True)),
                ("shelf", models.ForeignKey("shop.Shelf", null=True, on_delete=models.SET_NULL)),
            ],
        ),
        # Django keeps defaults to itself; whoever writes with SQL needs the server's.
        migrations.RunSQL("alter table shop_book alter times set default 0", migrations.RunSQL.noop),
    ]
