-- differs: nobody has accepted that
SELECT current_setting('default_transaction_read_only') AS guard;
DROP TABLE fruit;
