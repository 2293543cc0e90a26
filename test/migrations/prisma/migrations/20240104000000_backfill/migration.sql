-- Written by hand: data.
BEGIN;

INSERT INTO "Customer" ("id", "email") VALUES ('first', 'first@example.com') ON CONFLICT DO NOTHING;

UPDATE "Ticket" SET "customerId" = 'first', "status" = 'WAITING' WHERE "id" IN (SELECT "id" FROM "Ticket" ORDER BY "id" LIMIT 50);

COMMIT;
