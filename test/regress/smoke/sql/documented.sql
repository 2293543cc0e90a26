-- differs as documented
CREATE UNLOGGED TABLE quick (a int);
DROP TABLE quick;
