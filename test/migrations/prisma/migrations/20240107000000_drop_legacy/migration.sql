/*
  Warnings:

  - You are about to drop the column `legacy` on the `Ticket` table. All the data in the column will be lost.
*/
-- AlterTable
ALTER TABLE "Ticket" DROP COLUMN "legacy";

-- RenameForeignKey
ALTER TABLE "Comment" RENAME CONSTRAINT "Comment_ticketId_fkey" TO "Comment_ticket_fkey";

-- DropTable
DROP TABLE "Comment";
