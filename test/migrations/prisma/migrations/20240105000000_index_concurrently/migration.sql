CREATE INDEX CONCURRENTLY "Ticket_customerId_idx" ON "Ticket"("customerId");
