-- AlterEnum
ALTER TYPE "Status" ADD VALUE 'WAITING';
