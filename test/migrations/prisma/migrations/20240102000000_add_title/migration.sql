-- AlterTable
ALTER TABLE "Ticket" ADD COLUMN     "title" TEXT NOT NULL DEFAULT '',
ADD COLUMN     "tags" TEXT[];

-- CreateIndex
CREATE INDEX "Ticket_node_times_idx" ON "Ticket"("node", "times");
