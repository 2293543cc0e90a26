-- what the others use
CREATE TABLE fruit (id int PRIMARY KEY, name text NOT NULL UNIQUE);
INSERT INTO fruit VALUES (1, 'apple'), (2, 'pear');
