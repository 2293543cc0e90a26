--
-- PostgreSQL database dump
--

\restrict zrUFpsNhKWr6PcrVmwKm6bZ52EjGyzV8rhjfUHGmzH9zeHHyypvFV5g8x8aOVhT

-- Dumped from database version 18.3
-- Dumped by pg_dump version 18.3

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: shop; Type: SCHEMA; Schema: -; Owner: postgres
--

CREATE SCHEMA shop;


ALTER SCHEMA shop OWNER TO postgres;

--
-- Name: SCHEMA shop; Type: COMMENT; Schema: -; Owner: postgres
--

COMMENT ON SCHEMA shop IS 'what is sold';


--
-- Name: german; Type: COLLATION; Schema: shop; Owner: postgres
--

CREATE COLLATION shop.german (provider = libc, locale = 'C');


ALTER COLLATION shop.german OWNER TO postgres;

--
-- Name: hstore; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS hstore WITH SCHEMA public;


--
-- Name: EXTENSION hstore; Type: COMMENT; Schema: -; Owner: 
--

COMMENT ON EXTENSION hstore IS 'data type for storing sets of (key, value) pairs';


--
-- Name: pg_trgm; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;


--
-- Name: EXTENSION pg_trgm; Type: COMMENT; Schema: -; Owner: 
--

COMMENT ON EXTENSION pg_trgm IS 'text similarity measurement and index searching based on trigrams';


--
-- Name: address; Type: TYPE; Schema: shop; Owner: postgres
--

CREATE TYPE shop.address AS (
	street text,
	town text
);


ALTER TYPE shop.address OWNER TO postgres;

--
-- Name: email; Type: DOMAIN; Schema: shop; Owner: postgres
--

CREATE DOMAIN shop.email AS text
	CONSTRAINT has_at CHECK ((VALUE ~ '@'::text));


ALTER DOMAIN shop.email OWNER TO postgres;

--
-- Name: mood; Type: TYPE; Schema: shop; Owner: postgres
--

CREATE TYPE shop.mood AS ENUM (
    'sad',
    'ok',
    'happy'
);


ALTER TYPE shop.mood OWNER TO postgres;

--
-- Name: span; Type: TYPE; Schema: shop; Owner: postgres
--

CREATE TYPE shop.span AS RANGE (
    subtype = double precision,
    multirange_type_name = shop.span_multirange
);


ALTER TYPE shop.span OWNER TO postgres;

--
-- Name: CAST (shop.address AS text); Type: CAST; Schema: -; Owner: -
--

CREATE CAST (shop.address AS text) WITH INOUT AS ASSIGNMENT;


--
-- Name: normal(text); Type: FUNCTION; Schema: shop; Owner: postgres
--

CREATE FUNCTION shop.normal(t text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT
    AS $$select lower(btrim(t))$$;


ALTER FUNCTION shop.normal(t text) OWNER TO postgres;

--
-- Name: FUNCTION normal(t text); Type: COMMENT; Schema: shop; Owner: postgres
--

COMMENT ON FUNCTION shop.normal(t text) IS 'a function';


--
-- Name: put(integer); Type: PROCEDURE; Schema: shop; Owner: postgres
--

CREATE PROCEDURE shop.put(INOUT n integer)
    LANGUAGE plpgsql
    AS $$ begin n := n + 1; end $$;


ALTER PROCEDURE shop.put(INOUT n integer) OWNER TO postgres;

--
-- Name: touched(); Type: FUNCTION; Schema: shop; Owner: postgres
--

CREATE FUNCTION shop.touched() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
  new.changed := '2024-01-01'::timestamptz + new.id * interval '1 minute';
  return new;
end $$;


ALTER FUNCTION shop.touched() OWNER TO postgres;

--
-- Name: product(numeric); Type: AGGREGATE; Schema: shop; Owner: postgres
--

CREATE AGGREGATE shop.product(numeric) (
    SFUNC = numeric_mul,
    STYPE = numeric,
    INITCOND = '1'
);


ALTER AGGREGATE shop.product(numeric) OWNER TO postgres;

--
-- Name: ===; Type: OPERATOR; Schema: shop; Owner: postgres
--

CREATE OPERATOR shop.=== (
    FUNCTION = texteq,
    LEFTARG = text,
    RIGHTARG = text,
    COMMUTATOR = OPERATOR(shop.===)
);


ALTER OPERATOR shop.=== (text, text) OWNER TO postgres;

--
-- Name: plain; Type: TEXT SEARCH CONFIGURATION; Schema: shop; Owner: postgres
--

CREATE TEXT SEARCH CONFIGURATION shop.plain (
    PARSER = pg_catalog."default" );

ALTER TEXT SEARCH CONFIGURATION shop.plain
    ADD MAPPING FOR asciiword WITH simple;

ALTER TEXT SEARCH CONFIGURATION shop.plain
    ADD MAPPING FOR word WITH simple;

ALTER TEXT SEARCH CONFIGURATION shop.plain
    ADD MAPPING FOR numword WITH simple;

ALTER TEXT SEARCH CONFIGURATION shop.plain
    ADD MAPPING FOR email WITH simple;

ALTER TEXT SEARCH CONFIGURATION shop.plain
    ADD MAPPING FOR url WITH simple;

ALTER TEXT SEARCH CONFIGURATION shop.plain
    ADD MAPPING FOR host WITH simple;

ALTER TEXT SEARCH CONFIGURATION shop.plain
    ADD MAPPING FOR sfloat WITH simple;

ALTER TEXT SEARCH CONFIGURATION shop.plain
    ADD MAPPING FOR version WITH simple;

ALTER TEXT SEARCH CONFIGURATION shop.plain
    ADD MAPPING FOR hword_numpart WITH simple;

ALTER TEXT SEARCH CONFIGURATION shop.plain
    ADD MAPPING FOR hword_part WITH simple;

ALTER TEXT SEARCH CONFIGURATION shop.plain
    ADD MAPPING FOR hword_asciipart WITH simple;

ALTER TEXT SEARCH CONFIGURATION shop.plain
    ADD MAPPING FOR numhword WITH simple;

ALTER TEXT SEARCH CONFIGURATION shop.plain
    ADD MAPPING FOR asciihword WITH simple;

ALTER TEXT SEARCH CONFIGURATION shop.plain
    ADD MAPPING FOR hword WITH simple;

ALTER TEXT SEARCH CONFIGURATION shop.plain
    ADD MAPPING FOR url_path WITH simple;

ALTER TEXT SEARCH CONFIGURATION shop.plain
    ADD MAPPING FOR file WITH simple;

ALTER TEXT SEARCH CONFIGURATION shop.plain
    ADD MAPPING FOR "float" WITH simple;

ALTER TEXT SEARCH CONFIGURATION shop.plain
    ADD MAPPING FOR "int" WITH simple;

ALTER TEXT SEARCH CONFIGURATION shop.plain
    ADD MAPPING FOR uint WITH simple;


ALTER TEXT SEARCH CONFIGURATION shop.plain OWNER TO postgres;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: order_lines; Type: TABLE; Schema: shop; Owner: postgres
--

CREATE TABLE shop.order_lines (
    order_id integer NOT NULL,
    made date NOT NULL,
    line smallint NOT NULL,
    product integer,
    amount integer NOT NULL,
    CONSTRAINT order_lines_amount_check CHECK ((amount > 0))
);


ALTER TABLE shop.order_lines OWNER TO postgres;

--
-- Name: big_orders; Type: TABLE; Schema: shop; Owner: postgres
--

CREATE TABLE shop.big_orders (
)
INHERITS (shop.order_lines);


ALTER TABLE shop.big_orders OWNER TO postgres;

--
-- Name: products; Type: TABLE; Schema: shop; Owner: postgres
--

CREATE TABLE shop.products (
    id integer NOT NULL,
    code character(8) NOT NULL,
    price numeric(12,2),
    weight double precision,
    picture bytea,
    valid daterange,
    note xml,
    search tsvector,
    host inet,
    area box,
    CONSTRAINT products_price_check CHECK ((price >= (0)::numeric))
);


ALTER TABLE shop.products OWNER TO postgres;

--
-- Name: cheap; Type: VIEW; Schema: shop; Owner: postgres
--

CREATE VIEW shop.cheap WITH (security_barrier='true') AS
 SELECT id,
    code,
    price
   FROM shop.products
  WHERE (price < (10)::numeric)
  WITH LOCAL CHECK OPTION;


ALTER VIEW shop.cheap OWNER TO postgres;

--
-- Name: customers; Type: TABLE; Schema: shop; Owner: postgres
--

CREATE TABLE shop.customers (
    id bigint NOT NULL,
    name text NOT NULL COLLATE shop.german,
    mail shop.email,
    feeling shop.mood DEFAULT 'ok'::shop.mood,
    lives shop.address,
    tags text[] DEFAULT '{}'::text[],
    facts jsonb DEFAULT '{}'::jsonb NOT NULL,
    attributes public.hstore,
    initial text GENERATED ALWAYS AS ("left"(name, 1)) STORED,
    changed timestamp with time zone
);


ALTER TABLE shop.customers OWNER TO postgres;

--
-- Name: COLUMN customers.feeling; Type: COMMENT; Schema: shop; Owner: postgres
--

COMMENT ON COLUMN shop.customers.feeling IS 'it''s an enum';


--
-- Name: customers_id_seq; Type: SEQUENCE; Schema: shop; Owner: postgres
--

ALTER TABLE shop.customers ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME shop.customers_id_seq
    START WITH 100
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: numbers; Type: SEQUENCE; Schema: shop; Owner: postgres
--

CREATE SEQUENCE shop.numbers
    AS smallint
    START WITH 5
    INCREMENT BY 5
    MINVALUE 5
    MAXVALUE 500
    CACHE 1
    CYCLE;


ALTER SEQUENCE shop.numbers OWNER TO postgres;

--
-- Name: orders; Type: TABLE; Schema: shop; Owner: postgres
--

CREATE TABLE shop.orders (
    id integer NOT NULL,
    made date NOT NULL,
    customer bigint
)
PARTITION BY RANGE (made);


ALTER TABLE shop.orders OWNER TO postgres;

--
-- Name: orders_2023; Type: TABLE; Schema: shop; Owner: postgres
--

CREATE TABLE shop.orders_2023 (
    id integer CONSTRAINT orders_id_not_null NOT NULL,
    made date CONSTRAINT orders_made_not_null NOT NULL,
    customer bigint
);


ALTER TABLE shop.orders_2023 OWNER TO postgres;

--
-- Name: orders_2024; Type: TABLE; Schema: shop; Owner: postgres
--

CREATE TABLE shop.orders_2024 (
    id integer CONSTRAINT orders_id_not_null NOT NULL,
    made date CONSTRAINT orders_made_not_null NOT NULL,
    customer bigint
)
PARTITION BY HASH (id);


ALTER TABLE shop.orders_2024 OWNER TO postgres;

--
-- Name: orders_2024_0; Type: TABLE; Schema: shop; Owner: postgres
--

CREATE TABLE shop.orders_2024_0 (
    id integer CONSTRAINT orders_id_not_null NOT NULL,
    made date CONSTRAINT orders_made_not_null NOT NULL,
    customer bigint
);


ALTER TABLE shop.orders_2024_0 OWNER TO postgres;

--
-- Name: orders_2024_1; Type: TABLE; Schema: shop; Owner: postgres
--

CREATE TABLE shop.orders_2024_1 (
    id integer CONSTRAINT orders_id_not_null NOT NULL,
    made date CONSTRAINT orders_made_not_null NOT NULL,
    customer bigint
);


ALTER TABLE shop.orders_2024_1 OWNER TO postgres;

--
-- Name: products_id_seq; Type: SEQUENCE; Schema: shop; Owner: postgres
--

CREATE SEQUENCE shop.products_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


ALTER SEQUENCE shop.products_id_seq OWNER TO postgres;

--
-- Name: products_id_seq; Type: SEQUENCE OWNED BY; Schema: shop; Owner: postgres
--

ALTER SEQUENCE shop.products_id_seq OWNED BY shop.products.id;


--
-- Name: settings; Type: TABLE; Schema: shop; Owner: postgres
--

CREATE TABLE shop.settings (
    key text NOT NULL,
    value text
)
WITH (fillfactor='70');
ALTER TABLE ONLY shop.settings ALTER COLUMN value SET STORAGE EXTERNAL;

ALTER TABLE ONLY shop.settings REPLICA IDENTITY FULL;


ALTER TABLE shop.settings OWNER TO postgres;

--
-- Name: spent; Type: VIEW; Schema: shop; Owner: postgres
--

CREATE VIEW shop.spent AS
SELECT
    NULL::text COLLATE shop.german AS name,
    NULL::numeric AS total;


ALTER VIEW shop.spent OWNER TO postgres;

--
-- Name: towns; Type: MATERIALIZED VIEW; Schema: shop; Owner: postgres
--

CREATE MATERIALIZED VIEW shop.towns AS
 SELECT (lives).town AS town,
    count(*) AS people
   FROM shop.customers
  GROUP BY (lives).town
  WITH NO DATA;


ALTER MATERIALIZED VIEW shop.towns OWNER TO postgres;

--
-- Name: orders_2023; Type: TABLE ATTACH; Schema: shop; Owner: postgres
--

ALTER TABLE ONLY shop.orders ATTACH PARTITION shop.orders_2023 FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');


--
-- Name: orders_2024; Type: TABLE ATTACH; Schema: shop; Owner: postgres
--

ALTER TABLE ONLY shop.orders ATTACH PARTITION shop.orders_2024 FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');


--
-- Name: orders_2024_0; Type: TABLE ATTACH; Schema: shop; Owner: postgres
--

ALTER TABLE ONLY shop.orders_2024 ATTACH PARTITION shop.orders_2024_0 FOR VALUES WITH (modulus 2, remainder 0);


--
-- Name: orders_2024_1; Type: TABLE ATTACH; Schema: shop; Owner: postgres
--

ALTER TABLE ONLY shop.orders_2024 ATTACH PARTITION shop.orders_2024_1 FOR VALUES WITH (modulus 2, remainder 1);


--
-- Name: products id; Type: DEFAULT; Schema: shop; Owner: postgres
--

ALTER TABLE ONLY shop.products ALTER COLUMN id SET DEFAULT nextval('shop.products_id_seq'::regclass);


--
-- Data for Name: big_orders; Type: TABLE DATA; Schema: shop; Owner: postgres
--

COPY shop.big_orders (order_id, made, line, product, amount) FROM stdin;
1	2023-06-02	2	1	100
2	2023-06-03	2	1	100
3	2023-06-04	2	1	100
4	2023-06-05	2	1	100
5	2023-06-06	2	1	100
6	2023-06-07	2	1	100
7	2023-06-08	2	1	100
8	2023-06-09	2	1	100
9	2023-06-10	2	1	100
\.


--
-- Data for Name: customers; Type: TABLE DATA; Schema: shop; Owner: postgres
--

COPY shop.customers (id, name, mail, feeling, lives, tags, facts, attributes, changed) FROM stdin;
100	Name 1 ä\\	c1@x	ok	("Street 1","Town 1")	{a,NULL,"b\\"1"}	{"n": 1, "deep": [1, null]}	"k"=>"1"	\N
101	Name 2 ä\\	c2@x	happy	("Street 2","Town 2")	{a,NULL,"b\\"2"}	{"n": 2, "deep": [2, null]}	"k"=>"2"	\N
102	Name 3 ä\\	c3@x	sad	("Street 3","Town 3")	{a,NULL,"b\\"3"}	{"n": 3, "deep": [3, null]}	"k"=>"3"	\N
103	Name 4 ä\\	c4@x	ok	("Street 4","Town 4")	{a,NULL,"b\\"4"}	{"n": 4, "deep": [4, null]}	"k"=>"4"	\N
104	Name 5 ä\\	c5@x	happy	("Street 5","Town 5")	{a,NULL,"b\\"5"}	{"n": 5, "deep": [5, null]}	"k"=>"5"	\N
105	Name 6 ä\\	c6@x	sad	("Street 6","Town 6")	{a,NULL,"b\\"6"}	{"n": 6, "deep": [6, null]}	"k"=>"6"	\N
106	Name 7 ä\\	c7@x	ok	("Street 7","Town 0")	{a,NULL,"b\\"7"}	{"n": 7, "deep": [7, null]}	"k"=>"7"	\N
107	Name 8 ä\\	c8@x	happy	("Street 8","Town 1")	{a,NULL,"b\\"8"}	{"n": 8, "deep": [8, null]}	"k"=>"8"	\N
108	Name 9 ä\\	c9@x	sad	("Street 9","Town 2")	{a,NULL,"b\\"9"}	{"n": 9, "deep": [9, null]}	"k"=>"9"	\N
109	Name 10 ä\\	c10@x	ok	("Street 10","Town 3")	{a,NULL,"b\\"10"}	{"n": 10, "deep": [10, null]}	"k"=>"10"	\N
110	Name 11 ä\\	c11@x	happy	("Street 11","Town 4")	{a,NULL,"b\\"11"}	{"n": 11, "deep": [11, null]}	"k"=>"11"	\N
111	Name 12 ä\\	c12@x	sad	("Street 12","Town 5")	{a,NULL,"b\\"12"}	{"n": 12, "deep": [12, null]}	"k"=>"12"	\N
112	Name 13 ä\\	c13@x	ok	("Street 13","Town 6")	{a,NULL,"b\\"13"}	{"n": 13, "deep": [13, null]}	"k"=>"13"	\N
113	Name 14 ä\\	c14@x	happy	("Street 14","Town 0")	{a,NULL,"b\\"14"}	{"n": 14, "deep": [14, null]}	"k"=>"14"	\N
114	Name 15 ä\\	c15@x	sad	("Street 15","Town 1")	{a,NULL,"b\\"15"}	{"n": 15, "deep": [15, null]}	"k"=>"15"	\N
115	Name 16 ä\\	c16@x	ok	("Street 16","Town 2")	{a,NULL,"b\\"16"}	{"n": 16, "deep": [16, null]}	"k"=>"16"	\N
116	Name 17 ä\\	c17@x	happy	("Street 17","Town 3")	{a,NULL,"b\\"17"}	{"n": 17, "deep": [17, null]}	"k"=>"17"	\N
117	Name 18 ä\\	c18@x	sad	("Street 18","Town 4")	{a,NULL,"b\\"18"}	{"n": 18, "deep": [18, null]}	"k"=>"18"	\N
118	Name 19 ä\\	c19@x	ok	("Street 19","Town 5")	{a,NULL,"b\\"19"}	{"n": 19, "deep": [19, null]}	"k"=>"19"	\N
119	Name 20 ä\\	c20@x	happy	("Street 20","Town 6")	{a,NULL,"b\\"20"}	{"n": 20, "deep": [20, null]}	"k"=>"20"	\N
120	Name 21 ä\\	c21@x	sad	("Street 21","Town 0")	{a,NULL,"b\\"21"}	{"n": 21, "deep": [21, null]}	"k"=>"21"	\N
121	Name 22 ä\\	c22@x	ok	("Street 22","Town 1")	{a,NULL,"b\\"22"}	{"n": 22, "deep": [22, null]}	"k"=>"22"	\N
122	Name 23 ä\\	c23@x	happy	("Street 23","Town 2")	{a,NULL,"b\\"23"}	{"n": 23, "deep": [23, null]}	"k"=>"23"	\N
123	Name 24 ä\\	c24@x	sad	("Street 24","Town 3")	{a,NULL,"b\\"24"}	{"n": 24, "deep": [24, null]}	"k"=>"24"	\N
124	Name 25 ä\\	c25@x	ok	("Street 25","Town 4")	{a,NULL,"b\\"25"}	{"n": 25, "deep": [25, null]}	"k"=>"25"	\N
125	Name 26 ä\\	c26@x	happy	("Street 26","Town 5")	{a,NULL,"b\\"26"}	{"n": 26, "deep": [26, null]}	"k"=>"26"	\N
126	Name 27 ä\\	c27@x	sad	("Street 27","Town 6")	{a,NULL,"b\\"27"}	{"n": 27, "deep": [27, null]}	"k"=>"27"	\N
127	Name 28 ä\\	c28@x	ok	("Street 28","Town 0")	{a,NULL,"b\\"28"}	{"n": 28, "deep": [28, null]}	"k"=>"28"	\N
128	Name 29 ä\\	c29@x	happy	("Street 29","Town 1")	{a,NULL,"b\\"29"}	{"n": 29, "deep": [29, null]}	"k"=>"29"	\N
129	Name 30 ä\\	c30@x	sad	("Street 30","Town 2")	{a,NULL,"b\\"30"}	{"n": 30, "deep": [30, null]}	"k"=>"30"	\N
130	Name 31 ä\\	c31@x	ok	("Street 31","Town 3")	{a,NULL,"b\\"31"}	{"n": 31, "deep": [31, null]}	"k"=>"31"	\N
131	Name 32 ä\\	c32@x	happy	("Street 32","Town 4")	{a,NULL,"b\\"32"}	{"n": 32, "deep": [32, null]}	"k"=>"32"	\N
132	Name 33 ä\\	c33@x	sad	("Street 33","Town 5")	{a,NULL,"b\\"33"}	{"n": 33, "deep": [33, null]}	"k"=>"33"	\N
133	Name 34 ä\\	c34@x	ok	("Street 34","Town 6")	{a,NULL,"b\\"34"}	{"n": 34, "deep": [34, null]}	"k"=>"34"	\N
134	Name 35 ä\\	c35@x	happy	("Street 35","Town 0")	{a,NULL,"b\\"35"}	{"n": 35, "deep": [35, null]}	"k"=>"35"	\N
135	Name 36 ä\\	c36@x	sad	("Street 36","Town 1")	{a,NULL,"b\\"36"}	{"n": 36, "deep": [36, null]}	"k"=>"36"	\N
136	Name 37 ä\\	c37@x	ok	("Street 37","Town 2")	{a,NULL,"b\\"37"}	{"n": 37, "deep": [37, null]}	"k"=>"37"	\N
137	Name 38 ä\\	c38@x	happy	("Street 38","Town 3")	{a,NULL,"b\\"38"}	{"n": 38, "deep": [38, null]}	"k"=>"38"	\N
138	Name 39 ä\\	c39@x	sad	("Street 39","Town 4")	{a,NULL,"b\\"39"}	{"n": 39, "deep": [39, null]}	"k"=>"39"	\N
139	Name 40 ä\\	c40@x	ok	("Street 40","Town 5")	{a,NULL,"b\\"40"}	{"n": 40, "deep": [40, null]}	"k"=>"40"	\N
140	Name 41 ä\\	c41@x	happy	("Street 41","Town 6")	{a,NULL,"b\\"41"}	{"n": 41, "deep": [41, null]}	"k"=>"41"	\N
141	Name 42 ä\\	c42@x	sad	("Street 42","Town 0")	{a,NULL,"b\\"42"}	{"n": 42, "deep": [42, null]}	"k"=>"42"	\N
142	Name 43 ä\\	c43@x	ok	("Street 43","Town 1")	{a,NULL,"b\\"43"}	{"n": 43, "deep": [43, null]}	"k"=>"43"	\N
143	Name 44 ä\\	c44@x	happy	("Street 44","Town 2")	{a,NULL,"b\\"44"}	{"n": 44, "deep": [44, null]}	"k"=>"44"	\N
144	Name 45 ä\\	c45@x	sad	("Street 45","Town 3")	{a,NULL,"b\\"45"}	{"n": 45, "deep": [45, null]}	"k"=>"45"	\N
145	Name 46 ä\\	c46@x	ok	("Street 46","Town 4")	{a,NULL,"b\\"46"}	{"n": 46, "deep": [46, null]}	"k"=>"46"	\N
146	Name 47 ä\\	c47@x	happy	("Street 47","Town 5")	{a,NULL,"b\\"47"}	{"n": 47, "deep": [47, null]}	"k"=>"47"	\N
147	Name 48 ä\\	c48@x	sad	("Street 48","Town 6")	{a,NULL,"b\\"48"}	{"n": 48, "deep": [48, null]}	"k"=>"48"	\N
148	Name 49 ä\\	c49@x	ok	("Street 49","Town 0")	{a,NULL,"b\\"49"}	{"n": 49, "deep": [49, null]}	"k"=>"49"	\N
149	Name 50 ä\\	c50@x	happy	("Street 50","Town 1")	{a,NULL,"b\\"50"}	{"n": 50, "deep": [50, null]}	"k"=>"50"	\N
150	Name 51 ä\\	c51@x	sad	("Street 51","Town 2")	{a,NULL,"b\\"51"}	{"n": 51, "deep": [51, null]}	"k"=>"51"	\N
151	Name 52 ä\\	c52@x	ok	("Street 52","Town 3")	{a,NULL,"b\\"52"}	{"n": 52, "deep": [52, null]}	"k"=>"52"	\N
152	Name 53 ä\\	c53@x	happy	("Street 53","Town 4")	{a,NULL,"b\\"53"}	{"n": 53, "deep": [53, null]}	"k"=>"53"	\N
153	Name 54 ä\\	c54@x	sad	("Street 54","Town 5")	{a,NULL,"b\\"54"}	{"n": 54, "deep": [54, null]}	"k"=>"54"	\N
154	Name 55 ä\\	c55@x	ok	("Street 55","Town 6")	{a,NULL,"b\\"55"}	{"n": 55, "deep": [55, null]}	"k"=>"55"	\N
155	Name 56 ä\\	c56@x	happy	("Street 56","Town 0")	{a,NULL,"b\\"56"}	{"n": 56, "deep": [56, null]}	"k"=>"56"	\N
156	Name 57 ä\\	c57@x	sad	("Street 57","Town 1")	{a,NULL,"b\\"57"}	{"n": 57, "deep": [57, null]}	"k"=>"57"	\N
157	Name 58 ä\\	c58@x	ok	("Street 58","Town 2")	{a,NULL,"b\\"58"}	{"n": 58, "deep": [58, null]}	"k"=>"58"	\N
158	Name 59 ä\\	c59@x	happy	("Street 59","Town 3")	{a,NULL,"b\\"59"}	{"n": 59, "deep": [59, null]}	"k"=>"59"	\N
159	Name 60 ä\\	c60@x	sad	("Street 60","Town 4")	{a,NULL,"b\\"60"}	{"n": 60, "deep": [60, null]}	"k"=>"60"	\N
160	Name 61 ä\\	c61@x	ok	("Street 61","Town 5")	{a,NULL,"b\\"61"}	{"n": 61, "deep": [61, null]}	"k"=>"61"	\N
161	Name 62 ä\\	c62@x	happy	("Street 62","Town 6")	{a,NULL,"b\\"62"}	{"n": 62, "deep": [62, null]}	"k"=>"62"	\N
162	Name 63 ä\\	c63@x	sad	("Street 63","Town 0")	{a,NULL,"b\\"63"}	{"n": 63, "deep": [63, null]}	"k"=>"63"	\N
163	Name 64 ä\\	c64@x	ok	("Street 64","Town 1")	{a,NULL,"b\\"64"}	{"n": 64, "deep": [64, null]}	"k"=>"64"	\N
164	Name 65 ä\\	c65@x	happy	("Street 65","Town 2")	{a,NULL,"b\\"65"}	{"n": 65, "deep": [65, null]}	"k"=>"65"	\N
165	Name 66 ä\\	c66@x	sad	("Street 66","Town 3")	{a,NULL,"b\\"66"}	{"n": 66, "deep": [66, null]}	"k"=>"66"	\N
166	Name 67 ä\\	c67@x	ok	("Street 67","Town 4")	{a,NULL,"b\\"67"}	{"n": 67, "deep": [67, null]}	"k"=>"67"	\N
167	Name 68 ä\\	c68@x	happy	("Street 68","Town 5")	{a,NULL,"b\\"68"}	{"n": 68, "deep": [68, null]}	"k"=>"68"	\N
168	Name 69 ä\\	c69@x	sad	("Street 69","Town 6")	{a,NULL,"b\\"69"}	{"n": 69, "deep": [69, null]}	"k"=>"69"	\N
169	Name 70 ä\\	c70@x	ok	("Street 70","Town 0")	{a,NULL,"b\\"70"}	{"n": 70, "deep": [70, null]}	"k"=>"70"	\N
170	Name 71 ä\\	c71@x	happy	("Street 71","Town 1")	{a,NULL,"b\\"71"}	{"n": 71, "deep": [71, null]}	"k"=>"71"	\N
171	Name 72 ä\\	c72@x	sad	("Street 72","Town 2")	{a,NULL,"b\\"72"}	{"n": 72, "deep": [72, null]}	"k"=>"72"	\N
172	Name 73 ä\\	c73@x	ok	("Street 73","Town 3")	{a,NULL,"b\\"73"}	{"n": 73, "deep": [73, null]}	"k"=>"73"	\N
173	Name 74 ä\\	c74@x	happy	("Street 74","Town 4")	{a,NULL,"b\\"74"}	{"n": 74, "deep": [74, null]}	"k"=>"74"	\N
174	Name 75 ä\\	c75@x	sad	("Street 75","Town 5")	{a,NULL,"b\\"75"}	{"n": 75, "deep": [75, null]}	"k"=>"75"	\N
175	Name 76 ä\\	c76@x	ok	("Street 76","Town 6")	{a,NULL,"b\\"76"}	{"n": 76, "deep": [76, null]}	"k"=>"76"	\N
176	Name 77 ä\\	c77@x	happy	("Street 77","Town 0")	{a,NULL,"b\\"77"}	{"n": 77, "deep": [77, null]}	"k"=>"77"	\N
177	Name 78 ä\\	c78@x	sad	("Street 78","Town 1")	{a,NULL,"b\\"78"}	{"n": 78, "deep": [78, null]}	"k"=>"78"	\N
178	Name 79 ä\\	c79@x	ok	("Street 79","Town 2")	{a,NULL,"b\\"79"}	{"n": 79, "deep": [79, null]}	"k"=>"79"	\N
179	Name 80 ä\\	c80@x	happy	("Street 80","Town 3")	{a,NULL,"b\\"80"}	{"n": 80, "deep": [80, null]}	"k"=>"80"	\N
180	Name 81 ä\\	c81@x	sad	("Street 81","Town 4")	{a,NULL,"b\\"81"}	{"n": 81, "deep": [81, null]}	"k"=>"81"	\N
181	Name 82 ä\\	c82@x	ok	("Street 82","Town 5")	{a,NULL,"b\\"82"}	{"n": 82, "deep": [82, null]}	"k"=>"82"	\N
182	Name 83 ä\\	c83@x	happy	("Street 83","Town 6")	{a,NULL,"b\\"83"}	{"n": 83, "deep": [83, null]}	"k"=>"83"	\N
183	Name 84 ä\\	c84@x	sad	("Street 84","Town 0")	{a,NULL,"b\\"84"}	{"n": 84, "deep": [84, null]}	"k"=>"84"	\N
184	Name 85 ä\\	c85@x	ok	("Street 85","Town 1")	{a,NULL,"b\\"85"}	{"n": 85, "deep": [85, null]}	"k"=>"85"	\N
185	Name 86 ä\\	c86@x	happy	("Street 86","Town 2")	{a,NULL,"b\\"86"}	{"n": 86, "deep": [86, null]}	"k"=>"86"	\N
186	Name 87 ä\\	c87@x	sad	("Street 87","Town 3")	{a,NULL,"b\\"87"}	{"n": 87, "deep": [87, null]}	"k"=>"87"	\N
187	Name 88 ä\\	c88@x	ok	("Street 88","Town 4")	{a,NULL,"b\\"88"}	{"n": 88, "deep": [88, null]}	"k"=>"88"	\N
188	Name 89 ä\\	c89@x	happy	("Street 89","Town 5")	{a,NULL,"b\\"89"}	{"n": 89, "deep": [89, null]}	"k"=>"89"	\N
189	Name 90 ä\\	c90@x	sad	("Street 90","Town 6")	{a,NULL,"b\\"90"}	{"n": 90, "deep": [90, null]}	"k"=>"90"	\N
190	Name 91 ä\\	c91@x	ok	("Street 91","Town 0")	{a,NULL,"b\\"91"}	{"n": 91, "deep": [91, null]}	"k"=>"91"	\N
191	Name 92 ä\\	c92@x	happy	("Street 92","Town 1")	{a,NULL,"b\\"92"}	{"n": 92, "deep": [92, null]}	"k"=>"92"	\N
192	Name 93 ä\\	c93@x	sad	("Street 93","Town 2")	{a,NULL,"b\\"93"}	{"n": 93, "deep": [93, null]}	"k"=>"93"	\N
193	Name 94 ä\\	c94@x	ok	("Street 94","Town 3")	{a,NULL,"b\\"94"}	{"n": 94, "deep": [94, null]}	"k"=>"94"	\N
194	Name 95 ä\\	c95@x	happy	("Street 95","Town 4")	{a,NULL,"b\\"95"}	{"n": 95, "deep": [95, null]}	"k"=>"95"	\N
195	Name 96 ä\\	c96@x	sad	("Street 96","Town 5")	{a,NULL,"b\\"96"}	{"n": 96, "deep": [96, null]}	"k"=>"96"	\N
196	Name 97 ä\\	c97@x	ok	("Street 97","Town 6")	{a,NULL,"b\\"97"}	{"n": 97, "deep": [97, null]}	"k"=>"97"	\N
197	Name 98 ä\\	c98@x	happy	("Street 98","Town 0")	{a,NULL,"b\\"98"}	{"n": 98, "deep": [98, null]}	"k"=>"98"	\N
198	Name 99 ä\\	c99@x	sad	("Street 99","Town 1")	{a,NULL,"b\\"99"}	{"n": 99, "deep": [99, null]}	"k"=>"99"	\N
199	Name 100 ä\\	c100@x	ok	("Street 100","Town 2")	{a,NULL,"b\\"100"}	{"n": 100, "deep": [100, null]}	"k"=>"100"	\N
200	Name 101 ä\\	c101@x	happy	("Street 101","Town 3")	{a,NULL,"b\\"101"}	{"n": 101, "deep": [101, null]}	"k"=>"101"	\N
201	Name 102 ä\\	c102@x	sad	("Street 102","Town 4")	{a,NULL,"b\\"102"}	{"n": 102, "deep": [102, null]}	"k"=>"102"	\N
202	Name 103 ä\\	c103@x	ok	("Street 103","Town 5")	{a,NULL,"b\\"103"}	{"n": 103, "deep": [103, null]}	"k"=>"103"	\N
203	Name 104 ä\\	c104@x	happy	("Street 104","Town 6")	{a,NULL,"b\\"104"}	{"n": 104, "deep": [104, null]}	"k"=>"104"	\N
204	Name 105 ä\\	c105@x	sad	("Street 105","Town 0")	{a,NULL,"b\\"105"}	{"n": 105, "deep": [105, null]}	"k"=>"105"	\N
205	Name 106 ä\\	c106@x	ok	("Street 106","Town 1")	{a,NULL,"b\\"106"}	{"n": 106, "deep": [106, null]}	"k"=>"106"	\N
206	Name 107 ä\\	c107@x	happy	("Street 107","Town 2")	{a,NULL,"b\\"107"}	{"n": 107, "deep": [107, null]}	"k"=>"107"	\N
207	Name 108 ä\\	c108@x	sad	("Street 108","Town 3")	{a,NULL,"b\\"108"}	{"n": 108, "deep": [108, null]}	"k"=>"108"	\N
208	Name 109 ä\\	c109@x	ok	("Street 109","Town 4")	{a,NULL,"b\\"109"}	{"n": 109, "deep": [109, null]}	"k"=>"109"	\N
209	Name 110 ä\\	c110@x	happy	("Street 110","Town 5")	{a,NULL,"b\\"110"}	{"n": 110, "deep": [110, null]}	"k"=>"110"	\N
210	Name 111 ä\\	c111@x	sad	("Street 111","Town 6")	{a,NULL,"b\\"111"}	{"n": 111, "deep": [111, null]}	"k"=>"111"	\N
211	Name 112 ä\\	c112@x	ok	("Street 112","Town 0")	{a,NULL,"b\\"112"}	{"n": 112, "deep": [112, null]}	"k"=>"112"	\N
212	Name 113 ä\\	c113@x	happy	("Street 113","Town 1")	{a,NULL,"b\\"113"}	{"n": 113, "deep": [113, null]}	"k"=>"113"	\N
213	Name 114 ä\\	c114@x	sad	("Street 114","Town 2")	{a,NULL,"b\\"114"}	{"n": 114, "deep": [114, null]}	"k"=>"114"	\N
214	Name 115 ä\\	c115@x	ok	("Street 115","Town 3")	{a,NULL,"b\\"115"}	{"n": 115, "deep": [115, null]}	"k"=>"115"	\N
215	Name 116 ä\\	c116@x	happy	("Street 116","Town 4")	{a,NULL,"b\\"116"}	{"n": 116, "deep": [116, null]}	"k"=>"116"	\N
216	Name 117 ä\\	c117@x	sad	("Street 117","Town 5")	{a,NULL,"b\\"117"}	{"n": 117, "deep": [117, null]}	"k"=>"117"	\N
217	Name 118 ä\\	c118@x	ok	("Street 118","Town 6")	{a,NULL,"b\\"118"}	{"n": 118, "deep": [118, null]}	"k"=>"118"	\N
218	Name 119 ä\\	c119@x	happy	("Street 119","Town 0")	{a,NULL,"b\\"119"}	{"n": 119, "deep": [119, null]}	"k"=>"119"	\N
219	Name 120 ä\\	c120@x	sad	("Street 120","Town 1")	{a,NULL,"b\\"120"}	{"n": 120, "deep": [120, null]}	"k"=>"120"	\N
220	Name 121 ä\\	c121@x	ok	("Street 121","Town 2")	{a,NULL,"b\\"121"}	{"n": 121, "deep": [121, null]}	"k"=>"121"	\N
221	Name 122 ä\\	c122@x	happy	("Street 122","Town 3")	{a,NULL,"b\\"122"}	{"n": 122, "deep": [122, null]}	"k"=>"122"	\N
222	Name 123 ä\\	c123@x	sad	("Street 123","Town 4")	{a,NULL,"b\\"123"}	{"n": 123, "deep": [123, null]}	"k"=>"123"	\N
223	Name 124 ä\\	c124@x	ok	("Street 124","Town 5")	{a,NULL,"b\\"124"}	{"n": 124, "deep": [124, null]}	"k"=>"124"	\N
224	Name 125 ä\\	c125@x	happy	("Street 125","Town 6")	{a,NULL,"b\\"125"}	{"n": 125, "deep": [125, null]}	"k"=>"125"	\N
225	Name 126 ä\\	c126@x	sad	("Street 126","Town 0")	{a,NULL,"b\\"126"}	{"n": 126, "deep": [126, null]}	"k"=>"126"	\N
226	Name 127 ä\\	c127@x	ok	("Street 127","Town 1")	{a,NULL,"b\\"127"}	{"n": 127, "deep": [127, null]}	"k"=>"127"	\N
227	Name 128 ä\\	c128@x	happy	("Street 128","Town 2")	{a,NULL,"b\\"128"}	{"n": 128, "deep": [128, null]}	"k"=>"128"	\N
228	Name 129 ä\\	c129@x	sad	("Street 129","Town 3")	{a,NULL,"b\\"129"}	{"n": 129, "deep": [129, null]}	"k"=>"129"	\N
229	Name 130 ä\\	c130@x	ok	("Street 130","Town 4")	{a,NULL,"b\\"130"}	{"n": 130, "deep": [130, null]}	"k"=>"130"	\N
230	Name 131 ä\\	c131@x	happy	("Street 131","Town 5")	{a,NULL,"b\\"131"}	{"n": 131, "deep": [131, null]}	"k"=>"131"	\N
231	Name 132 ä\\	c132@x	sad	("Street 132","Town 6")	{a,NULL,"b\\"132"}	{"n": 132, "deep": [132, null]}	"k"=>"132"	\N
232	Name 133 ä\\	c133@x	ok	("Street 133","Town 0")	{a,NULL,"b\\"133"}	{"n": 133, "deep": [133, null]}	"k"=>"133"	\N
233	Name 134 ä\\	c134@x	happy	("Street 134","Town 1")	{a,NULL,"b\\"134"}	{"n": 134, "deep": [134, null]}	"k"=>"134"	\N
234	Name 135 ä\\	c135@x	sad	("Street 135","Town 2")	{a,NULL,"b\\"135"}	{"n": 135, "deep": [135, null]}	"k"=>"135"	\N
235	Name 136 ä\\	c136@x	ok	("Street 136","Town 3")	{a,NULL,"b\\"136"}	{"n": 136, "deep": [136, null]}	"k"=>"136"	\N
236	Name 137 ä\\	c137@x	happy	("Street 137","Town 4")	{a,NULL,"b\\"137"}	{"n": 137, "deep": [137, null]}	"k"=>"137"	\N
237	Name 138 ä\\	c138@x	sad	("Street 138","Town 5")	{a,NULL,"b\\"138"}	{"n": 138, "deep": [138, null]}	"k"=>"138"	\N
238	Name 139 ä\\	c139@x	ok	("Street 139","Town 6")	{a,NULL,"b\\"139"}	{"n": 139, "deep": [139, null]}	"k"=>"139"	\N
239	Name 140 ä\\	c140@x	happy	("Street 140","Town 0")	{a,NULL,"b\\"140"}	{"n": 140, "deep": [140, null]}	"k"=>"140"	\N
240	Name 141 ä\\	c141@x	sad	("Street 141","Town 1")	{a,NULL,"b\\"141"}	{"n": 141, "deep": [141, null]}	"k"=>"141"	\N
241	Name 142 ä\\	c142@x	ok	("Street 142","Town 2")	{a,NULL,"b\\"142"}	{"n": 142, "deep": [142, null]}	"k"=>"142"	\N
242	Name 143 ä\\	c143@x	happy	("Street 143","Town 3")	{a,NULL,"b\\"143"}	{"n": 143, "deep": [143, null]}	"k"=>"143"	\N
243	Name 144 ä\\	c144@x	sad	("Street 144","Town 4")	{a,NULL,"b\\"144"}	{"n": 144, "deep": [144, null]}	"k"=>"144"	\N
244	Name 145 ä\\	c145@x	ok	("Street 145","Town 5")	{a,NULL,"b\\"145"}	{"n": 145, "deep": [145, null]}	"k"=>"145"	\N
245	Name 146 ä\\	c146@x	happy	("Street 146","Town 6")	{a,NULL,"b\\"146"}	{"n": 146, "deep": [146, null]}	"k"=>"146"	\N
246	Name 147 ä\\	c147@x	sad	("Street 147","Town 0")	{a,NULL,"b\\"147"}	{"n": 147, "deep": [147, null]}	"k"=>"147"	\N
247	Name 148 ä\\	c148@x	ok	("Street 148","Town 1")	{a,NULL,"b\\"148"}	{"n": 148, "deep": [148, null]}	"k"=>"148"	\N
248	Name 149 ä\\	c149@x	happy	("Street 149","Town 2")	{a,NULL,"b\\"149"}	{"n": 149, "deep": [149, null]}	"k"=>"149"	\N
249	Name 150 ä\\	c150@x	sad	("Street 150","Town 3")	{a,NULL,"b\\"150"}	{"n": 150, "deep": [150, null]}	"k"=>"150"	\N
250	Name 151 ä\\	c151@x	ok	("Street 151","Town 4")	{a,NULL,"b\\"151"}	{"n": 151, "deep": [151, null]}	"k"=>"151"	\N
251	Name 152 ä\\	c152@x	happy	("Street 152","Town 5")	{a,NULL,"b\\"152"}	{"n": 152, "deep": [152, null]}	"k"=>"152"	\N
252	Name 153 ä\\	c153@x	sad	("Street 153","Town 6")	{a,NULL,"b\\"153"}	{"n": 153, "deep": [153, null]}	"k"=>"153"	\N
253	Name 154 ä\\	c154@x	ok	("Street 154","Town 0")	{a,NULL,"b\\"154"}	{"n": 154, "deep": [154, null]}	"k"=>"154"	\N
254	Name 155 ä\\	c155@x	happy	("Street 155","Town 1")	{a,NULL,"b\\"155"}	{"n": 155, "deep": [155, null]}	"k"=>"155"	\N
255	Name 156 ä\\	c156@x	sad	("Street 156","Town 2")	{a,NULL,"b\\"156"}	{"n": 156, "deep": [156, null]}	"k"=>"156"	\N
256	Name 157 ä\\	c157@x	ok	("Street 157","Town 3")	{a,NULL,"b\\"157"}	{"n": 157, "deep": [157, null]}	"k"=>"157"	\N
257	Name 158 ä\\	c158@x	happy	("Street 158","Town 4")	{a,NULL,"b\\"158"}	{"n": 158, "deep": [158, null]}	"k"=>"158"	\N
258	Name 159 ä\\	c159@x	sad	("Street 159","Town 5")	{a,NULL,"b\\"159"}	{"n": 159, "deep": [159, null]}	"k"=>"159"	\N
259	Name 160 ä\\	c160@x	ok	("Street 160","Town 6")	{a,NULL,"b\\"160"}	{"n": 160, "deep": [160, null]}	"k"=>"160"	\N
260	Name 161 ä\\	c161@x	happy	("Street 161","Town 0")	{a,NULL,"b\\"161"}	{"n": 161, "deep": [161, null]}	"k"=>"161"	\N
261	Name 162 ä\\	c162@x	sad	("Street 162","Town 1")	{a,NULL,"b\\"162"}	{"n": 162, "deep": [162, null]}	"k"=>"162"	\N
262	Name 163 ä\\	c163@x	ok	("Street 163","Town 2")	{a,NULL,"b\\"163"}	{"n": 163, "deep": [163, null]}	"k"=>"163"	\N
263	Name 164 ä\\	c164@x	happy	("Street 164","Town 3")	{a,NULL,"b\\"164"}	{"n": 164, "deep": [164, null]}	"k"=>"164"	\N
264	Name 165 ä\\	c165@x	sad	("Street 165","Town 4")	{a,NULL,"b\\"165"}	{"n": 165, "deep": [165, null]}	"k"=>"165"	\N
265	Name 166 ä\\	c166@x	ok	("Street 166","Town 5")	{a,NULL,"b\\"166"}	{"n": 166, "deep": [166, null]}	"k"=>"166"	\N
266	Name 167 ä\\	c167@x	happy	("Street 167","Town 6")	{a,NULL,"b\\"167"}	{"n": 167, "deep": [167, null]}	"k"=>"167"	\N
267	Name 168 ä\\	c168@x	sad	("Street 168","Town 0")	{a,NULL,"b\\"168"}	{"n": 168, "deep": [168, null]}	"k"=>"168"	\N
268	Name 169 ä\\	c169@x	ok	("Street 169","Town 1")	{a,NULL,"b\\"169"}	{"n": 169, "deep": [169, null]}	"k"=>"169"	\N
269	Name 170 ä\\	c170@x	happy	("Street 170","Town 2")	{a,NULL,"b\\"170"}	{"n": 170, "deep": [170, null]}	"k"=>"170"	\N
270	Name 171 ä\\	c171@x	sad	("Street 171","Town 3")	{a,NULL,"b\\"171"}	{"n": 171, "deep": [171, null]}	"k"=>"171"	\N
271	Name 172 ä\\	c172@x	ok	("Street 172","Town 4")	{a,NULL,"b\\"172"}	{"n": 172, "deep": [172, null]}	"k"=>"172"	\N
272	Name 173 ä\\	c173@x	happy	("Street 173","Town 5")	{a,NULL,"b\\"173"}	{"n": 173, "deep": [173, null]}	"k"=>"173"	\N
273	Name 174 ä\\	c174@x	sad	("Street 174","Town 6")	{a,NULL,"b\\"174"}	{"n": 174, "deep": [174, null]}	"k"=>"174"	\N
274	Name 175 ä\\	c175@x	ok	("Street 175","Town 0")	{a,NULL,"b\\"175"}	{"n": 175, "deep": [175, null]}	"k"=>"175"	\N
275	Name 176 ä\\	c176@x	happy	("Street 176","Town 1")	{a,NULL,"b\\"176"}	{"n": 176, "deep": [176, null]}	"k"=>"176"	\N
276	Name 177 ä\\	c177@x	sad	("Street 177","Town 2")	{a,NULL,"b\\"177"}	{"n": 177, "deep": [177, null]}	"k"=>"177"	\N
277	Name 178 ä\\	c178@x	ok	("Street 178","Town 3")	{a,NULL,"b\\"178"}	{"n": 178, "deep": [178, null]}	"k"=>"178"	\N
278	Name 179 ä\\	c179@x	happy	("Street 179","Town 4")	{a,NULL,"b\\"179"}	{"n": 179, "deep": [179, null]}	"k"=>"179"	\N
279	Name 180 ä\\	c180@x	sad	("Street 180","Town 5")	{a,NULL,"b\\"180"}	{"n": 180, "deep": [180, null]}	"k"=>"180"	\N
280	Name 181 ä\\	c181@x	ok	("Street 181","Town 6")	{a,NULL,"b\\"181"}	{"n": 181, "deep": [181, null]}	"k"=>"181"	\N
281	Name 182 ä\\	c182@x	happy	("Street 182","Town 0")	{a,NULL,"b\\"182"}	{"n": 182, "deep": [182, null]}	"k"=>"182"	\N
282	Name 183 ä\\	c183@x	sad	("Street 183","Town 1")	{a,NULL,"b\\"183"}	{"n": 183, "deep": [183, null]}	"k"=>"183"	\N
283	Name 184 ä\\	c184@x	ok	("Street 184","Town 2")	{a,NULL,"b\\"184"}	{"n": 184, "deep": [184, null]}	"k"=>"184"	\N
284	Name 185 ä\\	c185@x	happy	("Street 185","Town 3")	{a,NULL,"b\\"185"}	{"n": 185, "deep": [185, null]}	"k"=>"185"	\N
285	Name 186 ä\\	c186@x	sad	("Street 186","Town 4")	{a,NULL,"b\\"186"}	{"n": 186, "deep": [186, null]}	"k"=>"186"	\N
286	Name 187 ä\\	c187@x	ok	("Street 187","Town 5")	{a,NULL,"b\\"187"}	{"n": 187, "deep": [187, null]}	"k"=>"187"	\N
287	Name 188 ä\\	c188@x	happy	("Street 188","Town 6")	{a,NULL,"b\\"188"}	{"n": 188, "deep": [188, null]}	"k"=>"188"	\N
288	Name 189 ä\\	c189@x	sad	("Street 189","Town 0")	{a,NULL,"b\\"189"}	{"n": 189, "deep": [189, null]}	"k"=>"189"	\N
289	Name 190 ä\\	c190@x	ok	("Street 190","Town 1")	{a,NULL,"b\\"190"}	{"n": 190, "deep": [190, null]}	"k"=>"190"	\N
290	Name 191 ä\\	c191@x	happy	("Street 191","Town 2")	{a,NULL,"b\\"191"}	{"n": 191, "deep": [191, null]}	"k"=>"191"	\N
291	Name 192 ä\\	c192@x	sad	("Street 192","Town 3")	{a,NULL,"b\\"192"}	{"n": 192, "deep": [192, null]}	"k"=>"192"	\N
292	Name 193 ä\\	c193@x	ok	("Street 193","Town 4")	{a,NULL,"b\\"193"}	{"n": 193, "deep": [193, null]}	"k"=>"193"	\N
293	Name 194 ä\\	c194@x	happy	("Street 194","Town 5")	{a,NULL,"b\\"194"}	{"n": 194, "deep": [194, null]}	"k"=>"194"	\N
294	Name 195 ä\\	c195@x	sad	("Street 195","Town 6")	{a,NULL,"b\\"195"}	{"n": 195, "deep": [195, null]}	"k"=>"195"	\N
295	Name 196 ä\\	c196@x	ok	("Street 196","Town 0")	{a,NULL,"b\\"196"}	{"n": 196, "deep": [196, null]}	"k"=>"196"	\N
296	Name 197 ä\\	c197@x	happy	("Street 197","Town 1")	{a,NULL,"b\\"197"}	{"n": 197, "deep": [197, null]}	"k"=>"197"	\N
297	Name 198 ä\\	c198@x	sad	("Street 198","Town 2")	{a,NULL,"b\\"198"}	{"n": 198, "deep": [198, null]}	"k"=>"198"	\N
298	Name 199 ä\\	c199@x	ok	("Street 199","Town 3")	{a,NULL,"b\\"199"}	{"n": 199, "deep": [199, null]}	"k"=>"199"	\N
299	Name 200 ä\\	c200@x	happy	("Street 200","Town 4")	{a,NULL,"b\\"200"}	{"n": 200, "deep": [200, null]}	"k"=>"200"	\N
300	Name 201 ä\\	c201@x	sad	("Street 201","Town 5")	{a,NULL,"b\\"201"}	{"n": 201, "deep": [201, null]}	"k"=>"201"	\N
301	Name 202 ä\\	c202@x	ok	("Street 202","Town 6")	{a,NULL,"b\\"202"}	{"n": 202, "deep": [202, null]}	"k"=>"202"	\N
302	Name 203 ä\\	c203@x	happy	("Street 203","Town 0")	{a,NULL,"b\\"203"}	{"n": 203, "deep": [203, null]}	"k"=>"203"	\N
303	Name 204 ä\\	c204@x	sad	("Street 204","Town 1")	{a,NULL,"b\\"204"}	{"n": 204, "deep": [204, null]}	"k"=>"204"	\N
304	Name 205 ä\\	c205@x	ok	("Street 205","Town 2")	{a,NULL,"b\\"205"}	{"n": 205, "deep": [205, null]}	"k"=>"205"	\N
305	Name 206 ä\\	c206@x	happy	("Street 206","Town 3")	{a,NULL,"b\\"206"}	{"n": 206, "deep": [206, null]}	"k"=>"206"	\N
306	Name 207 ä\\	c207@x	sad	("Street 207","Town 4")	{a,NULL,"b\\"207"}	{"n": 207, "deep": [207, null]}	"k"=>"207"	\N
307	Name 208 ä\\	c208@x	ok	("Street 208","Town 5")	{a,NULL,"b\\"208"}	{"n": 208, "deep": [208, null]}	"k"=>"208"	\N
308	Name 209 ä\\	c209@x	happy	("Street 209","Town 6")	{a,NULL,"b\\"209"}	{"n": 209, "deep": [209, null]}	"k"=>"209"	\N
309	Name 210 ä\\	c210@x	sad	("Street 210","Town 0")	{a,NULL,"b\\"210"}	{"n": 210, "deep": [210, null]}	"k"=>"210"	\N
310	Name 211 ä\\	c211@x	ok	("Street 211","Town 1")	{a,NULL,"b\\"211"}	{"n": 211, "deep": [211, null]}	"k"=>"211"	\N
311	Name 212 ä\\	c212@x	happy	("Street 212","Town 2")	{a,NULL,"b\\"212"}	{"n": 212, "deep": [212, null]}	"k"=>"212"	\N
312	Name 213 ä\\	c213@x	sad	("Street 213","Town 3")	{a,NULL,"b\\"213"}	{"n": 213, "deep": [213, null]}	"k"=>"213"	\N
313	Name 214 ä\\	c214@x	ok	("Street 214","Town 4")	{a,NULL,"b\\"214"}	{"n": 214, "deep": [214, null]}	"k"=>"214"	\N
314	Name 215 ä\\	c215@x	happy	("Street 215","Town 5")	{a,NULL,"b\\"215"}	{"n": 215, "deep": [215, null]}	"k"=>"215"	\N
315	Name 216 ä\\	c216@x	sad	("Street 216","Town 6")	{a,NULL,"b\\"216"}	{"n": 216, "deep": [216, null]}	"k"=>"216"	\N
316	Name 217 ä\\	c217@x	ok	("Street 217","Town 0")	{a,NULL,"b\\"217"}	{"n": 217, "deep": [217, null]}	"k"=>"217"	\N
317	Name 218 ä\\	c218@x	happy	("Street 218","Town 1")	{a,NULL,"b\\"218"}	{"n": 218, "deep": [218, null]}	"k"=>"218"	\N
318	Name 219 ä\\	c219@x	sad	("Street 219","Town 2")	{a,NULL,"b\\"219"}	{"n": 219, "deep": [219, null]}	"k"=>"219"	\N
319	Name 220 ä\\	c220@x	ok	("Street 220","Town 3")	{a,NULL,"b\\"220"}	{"n": 220, "deep": [220, null]}	"k"=>"220"	\N
320	Name 221 ä\\	c221@x	happy	("Street 221","Town 4")	{a,NULL,"b\\"221"}	{"n": 221, "deep": [221, null]}	"k"=>"221"	\N
321	Name 222 ä\\	c222@x	sad	("Street 222","Town 5")	{a,NULL,"b\\"222"}	{"n": 222, "deep": [222, null]}	"k"=>"222"	\N
322	Name 223 ä\\	c223@x	ok	("Street 223","Town 6")	{a,NULL,"b\\"223"}	{"n": 223, "deep": [223, null]}	"k"=>"223"	\N
323	Name 224 ä\\	c224@x	happy	("Street 224","Town 0")	{a,NULL,"b\\"224"}	{"n": 224, "deep": [224, null]}	"k"=>"224"	\N
324	Name 225 ä\\	c225@x	sad	("Street 225","Town 1")	{a,NULL,"b\\"225"}	{"n": 225, "deep": [225, null]}	"k"=>"225"	\N
325	Name 226 ä\\	c226@x	ok	("Street 226","Town 2")	{a,NULL,"b\\"226"}	{"n": 226, "deep": [226, null]}	"k"=>"226"	\N
326	Name 227 ä\\	c227@x	happy	("Street 227","Town 3")	{a,NULL,"b\\"227"}	{"n": 227, "deep": [227, null]}	"k"=>"227"	\N
327	Name 228 ä\\	c228@x	sad	("Street 228","Town 4")	{a,NULL,"b\\"228"}	{"n": 228, "deep": [228, null]}	"k"=>"228"	\N
328	Name 229 ä\\	c229@x	ok	("Street 229","Town 5")	{a,NULL,"b\\"229"}	{"n": 229, "deep": [229, null]}	"k"=>"229"	\N
329	Name 230 ä\\	c230@x	happy	("Street 230","Town 6")	{a,NULL,"b\\"230"}	{"n": 230, "deep": [230, null]}	"k"=>"230"	\N
330	Name 231 ä\\	c231@x	sad	("Street 231","Town 0")	{a,NULL,"b\\"231"}	{"n": 231, "deep": [231, null]}	"k"=>"231"	\N
331	Name 232 ä\\	c232@x	ok	("Street 232","Town 1")	{a,NULL,"b\\"232"}	{"n": 232, "deep": [232, null]}	"k"=>"232"	\N
332	Name 233 ä\\	c233@x	happy	("Street 233","Town 2")	{a,NULL,"b\\"233"}	{"n": 233, "deep": [233, null]}	"k"=>"233"	\N
333	Name 234 ä\\	c234@x	sad	("Street 234","Town 3")	{a,NULL,"b\\"234"}	{"n": 234, "deep": [234, null]}	"k"=>"234"	\N
334	Name 235 ä\\	c235@x	ok	("Street 235","Town 4")	{a,NULL,"b\\"235"}	{"n": 235, "deep": [235, null]}	"k"=>"235"	\N
335	Name 236 ä\\	c236@x	happy	("Street 236","Town 5")	{a,NULL,"b\\"236"}	{"n": 236, "deep": [236, null]}	"k"=>"236"	\N
336	Name 237 ä\\	c237@x	sad	("Street 237","Town 6")	{a,NULL,"b\\"237"}	{"n": 237, "deep": [237, null]}	"k"=>"237"	\N
337	Name 238 ä\\	c238@x	ok	("Street 238","Town 0")	{a,NULL,"b\\"238"}	{"n": 238, "deep": [238, null]}	"k"=>"238"	\N
338	Name 239 ä\\	c239@x	happy	("Street 239","Town 1")	{a,NULL,"b\\"239"}	{"n": 239, "deep": [239, null]}	"k"=>"239"	\N
339	Name 240 ä\\	c240@x	sad	("Street 240","Town 2")	{a,NULL,"b\\"240"}	{"n": 240, "deep": [240, null]}	"k"=>"240"	\N
340	Name 241 ä\\	c241@x	ok	("Street 241","Town 3")	{a,NULL,"b\\"241"}	{"n": 241, "deep": [241, null]}	"k"=>"241"	\N
341	Name 242 ä\\	c242@x	happy	("Street 242","Town 4")	{a,NULL,"b\\"242"}	{"n": 242, "deep": [242, null]}	"k"=>"242"	\N
342	Name 243 ä\\	c243@x	sad	("Street 243","Town 5")	{a,NULL,"b\\"243"}	{"n": 243, "deep": [243, null]}	"k"=>"243"	\N
343	Name 244 ä\\	c244@x	ok	("Street 244","Town 6")	{a,NULL,"b\\"244"}	{"n": 244, "deep": [244, null]}	"k"=>"244"	\N
344	Name 245 ä\\	c245@x	happy	("Street 245","Town 0")	{a,NULL,"b\\"245"}	{"n": 245, "deep": [245, null]}	"k"=>"245"	\N
345	Name 246 ä\\	c246@x	sad	("Street 246","Town 1")	{a,NULL,"b\\"246"}	{"n": 246, "deep": [246, null]}	"k"=>"246"	\N
346	Name 247 ä\\	c247@x	ok	("Street 247","Town 2")	{a,NULL,"b\\"247"}	{"n": 247, "deep": [247, null]}	"k"=>"247"	\N
347	Name 248 ä\\	c248@x	happy	("Street 248","Town 3")	{a,NULL,"b\\"248"}	{"n": 248, "deep": [248, null]}	"k"=>"248"	\N
348	Name 249 ä\\	c249@x	sad	("Street 249","Town 4")	{a,NULL,"b\\"249"}	{"n": 249, "deep": [249, null]}	"k"=>"249"	\N
349	Name 250 ä\\	c250@x	ok	("Street 250","Town 5")	{a,NULL,"b\\"250"}	{"n": 250, "deep": [250, null]}	"k"=>"250"	\N
350	Name 251 ä\\	c251@x	happy	("Street 251","Town 6")	{a,NULL,"b\\"251"}	{"n": 251, "deep": [251, null]}	"k"=>"251"	\N
351	Name 252 ä\\	c252@x	sad	("Street 252","Town 0")	{a,NULL,"b\\"252"}	{"n": 252, "deep": [252, null]}	"k"=>"252"	\N
352	Name 253 ä\\	c253@x	ok	("Street 253","Town 1")	{a,NULL,"b\\"253"}	{"n": 253, "deep": [253, null]}	"k"=>"253"	\N
353	Name 254 ä\\	c254@x	happy	("Street 254","Town 2")	{a,NULL,"b\\"254"}	{"n": 254, "deep": [254, null]}	"k"=>"254"	\N
354	Name 255 ä\\	c255@x	sad	("Street 255","Town 3")	{a,NULL,"b\\"255"}	{"n": 255, "deep": [255, null]}	"k"=>"255"	\N
355	Name 256 ä\\	c256@x	ok	("Street 256","Town 4")	{a,NULL,"b\\"256"}	{"n": 256, "deep": [256, null]}	"k"=>"256"	\N
356	Name 257 ä\\	c257@x	happy	("Street 257","Town 5")	{a,NULL,"b\\"257"}	{"n": 257, "deep": [257, null]}	"k"=>"257"	\N
357	Name 258 ä\\	c258@x	sad	("Street 258","Town 6")	{a,NULL,"b\\"258"}	{"n": 258, "deep": [258, null]}	"k"=>"258"	\N
358	Name 259 ä\\	c259@x	ok	("Street 259","Town 0")	{a,NULL,"b\\"259"}	{"n": 259, "deep": [259, null]}	"k"=>"259"	\N
359	Name 260 ä\\	c260@x	happy	("Street 260","Town 1")	{a,NULL,"b\\"260"}	{"n": 260, "deep": [260, null]}	"k"=>"260"	\N
360	Name 261 ä\\	c261@x	sad	("Street 261","Town 2")	{a,NULL,"b\\"261"}	{"n": 261, "deep": [261, null]}	"k"=>"261"	\N
361	Name 262 ä\\	c262@x	ok	("Street 262","Town 3")	{a,NULL,"b\\"262"}	{"n": 262, "deep": [262, null]}	"k"=>"262"	\N
362	Name 263 ä\\	c263@x	happy	("Street 263","Town 4")	{a,NULL,"b\\"263"}	{"n": 263, "deep": [263, null]}	"k"=>"263"	\N
363	Name 264 ä\\	c264@x	sad	("Street 264","Town 5")	{a,NULL,"b\\"264"}	{"n": 264, "deep": [264, null]}	"k"=>"264"	\N
364	Name 265 ä\\	c265@x	ok	("Street 265","Town 6")	{a,NULL,"b\\"265"}	{"n": 265, "deep": [265, null]}	"k"=>"265"	\N
365	Name 266 ä\\	c266@x	happy	("Street 266","Town 0")	{a,NULL,"b\\"266"}	{"n": 266, "deep": [266, null]}	"k"=>"266"	\N
366	Name 267 ä\\	c267@x	sad	("Street 267","Town 1")	{a,NULL,"b\\"267"}	{"n": 267, "deep": [267, null]}	"k"=>"267"	\N
367	Name 268 ä\\	c268@x	ok	("Street 268","Town 2")	{a,NULL,"b\\"268"}	{"n": 268, "deep": [268, null]}	"k"=>"268"	\N
368	Name 269 ä\\	c269@x	happy	("Street 269","Town 3")	{a,NULL,"b\\"269"}	{"n": 269, "deep": [269, null]}	"k"=>"269"	\N
369	Name 270 ä\\	c270@x	sad	("Street 270","Town 4")	{a,NULL,"b\\"270"}	{"n": 270, "deep": [270, null]}	"k"=>"270"	\N
370	Name 271 ä\\	c271@x	ok	("Street 271","Town 5")	{a,NULL,"b\\"271"}	{"n": 271, "deep": [271, null]}	"k"=>"271"	\N
371	Name 272 ä\\	c272@x	happy	("Street 272","Town 6")	{a,NULL,"b\\"272"}	{"n": 272, "deep": [272, null]}	"k"=>"272"	\N
372	Name 273 ä\\	c273@x	sad	("Street 273","Town 0")	{a,NULL,"b\\"273"}	{"n": 273, "deep": [273, null]}	"k"=>"273"	\N
373	Name 274 ä\\	c274@x	ok	("Street 274","Town 1")	{a,NULL,"b\\"274"}	{"n": 274, "deep": [274, null]}	"k"=>"274"	\N
374	Name 275 ä\\	c275@x	happy	("Street 275","Town 2")	{a,NULL,"b\\"275"}	{"n": 275, "deep": [275, null]}	"k"=>"275"	\N
375	Name 276 ä\\	c276@x	sad	("Street 276","Town 3")	{a,NULL,"b\\"276"}	{"n": 276, "deep": [276, null]}	"k"=>"276"	\N
376	Name 277 ä\\	c277@x	ok	("Street 277","Town 4")	{a,NULL,"b\\"277"}	{"n": 277, "deep": [277, null]}	"k"=>"277"	\N
377	Name 278 ä\\	c278@x	happy	("Street 278","Town 5")	{a,NULL,"b\\"278"}	{"n": 278, "deep": [278, null]}	"k"=>"278"	\N
378	Name 279 ä\\	c279@x	sad	("Street 279","Town 6")	{a,NULL,"b\\"279"}	{"n": 279, "deep": [279, null]}	"k"=>"279"	\N
379	Name 280 ä\\	c280@x	ok	("Street 280","Town 0")	{a,NULL,"b\\"280"}	{"n": 280, "deep": [280, null]}	"k"=>"280"	\N
380	Name 281 ä\\	c281@x	happy	("Street 281","Town 1")	{a,NULL,"b\\"281"}	{"n": 281, "deep": [281, null]}	"k"=>"281"	\N
381	Name 282 ä\\	c282@x	sad	("Street 282","Town 2")	{a,NULL,"b\\"282"}	{"n": 282, "deep": [282, null]}	"k"=>"282"	\N
382	Name 283 ä\\	c283@x	ok	("Street 283","Town 3")	{a,NULL,"b\\"283"}	{"n": 283, "deep": [283, null]}	"k"=>"283"	\N
383	Name 284 ä\\	c284@x	happy	("Street 284","Town 4")	{a,NULL,"b\\"284"}	{"n": 284, "deep": [284, null]}	"k"=>"284"	\N
384	Name 285 ä\\	c285@x	sad	("Street 285","Town 5")	{a,NULL,"b\\"285"}	{"n": 285, "deep": [285, null]}	"k"=>"285"	\N
385	Name 286 ä\\	c286@x	ok	("Street 286","Town 6")	{a,NULL,"b\\"286"}	{"n": 286, "deep": [286, null]}	"k"=>"286"	\N
386	Name 287 ä\\	c287@x	happy	("Street 287","Town 0")	{a,NULL,"b\\"287"}	{"n": 287, "deep": [287, null]}	"k"=>"287"	\N
387	Name 288 ä\\	c288@x	sad	("Street 288","Town 1")	{a,NULL,"b\\"288"}	{"n": 288, "deep": [288, null]}	"k"=>"288"	\N
388	Name 289 ä\\	c289@x	ok	("Street 289","Town 2")	{a,NULL,"b\\"289"}	{"n": 289, "deep": [289, null]}	"k"=>"289"	\N
389	Name 290 ä\\	c290@x	happy	("Street 290","Town 3")	{a,NULL,"b\\"290"}	{"n": 290, "deep": [290, null]}	"k"=>"290"	\N
390	Name 291 ä\\	c291@x	sad	("Street 291","Town 4")	{a,NULL,"b\\"291"}	{"n": 291, "deep": [291, null]}	"k"=>"291"	\N
391	Name 292 ä\\	c292@x	ok	("Street 292","Town 5")	{a,NULL,"b\\"292"}	{"n": 292, "deep": [292, null]}	"k"=>"292"	\N
392	Name 293 ä\\	c293@x	happy	("Street 293","Town 6")	{a,NULL,"b\\"293"}	{"n": 293, "deep": [293, null]}	"k"=>"293"	\N
393	Name 294 ä\\	c294@x	sad	("Street 294","Town 0")	{a,NULL,"b\\"294"}	{"n": 294, "deep": [294, null]}	"k"=>"294"	\N
394	Name 295 ä\\	c295@x	ok	("Street 295","Town 1")	{a,NULL,"b\\"295"}	{"n": 295, "deep": [295, null]}	"k"=>"295"	\N
395	Name 296 ä\\	c296@x	happy	("Street 296","Town 2")	{a,NULL,"b\\"296"}	{"n": 296, "deep": [296, null]}	"k"=>"296"	\N
396	Name 297 ä\\	c297@x	sad	("Street 297","Town 3")	{a,NULL,"b\\"297"}	{"n": 297, "deep": [297, null]}	"k"=>"297"	\N
397	Name 298 ä\\	c298@x	ok	("Street 298","Town 4")	{a,NULL,"b\\"298"}	{"n": 298, "deep": [298, null]}	"k"=>"298"	\N
398	Name 299 ä\\	c299@x	happy	("Street 299","Town 5")	{a,NULL,"b\\"299"}	{"n": 299, "deep": [299, null]}	"k"=>"299"	\N
399	Name 300 ä\\	c300@x	sad	("Street 300","Town 6")	{a,NULL,"b\\"300"}	{"n": 300, "deep": [300, null]}	"k"=>"300"	\N
400	Name 301 ä\\	c301@x	ok	("Street 301","Town 0")	{a,NULL,"b\\"301"}	{"n": 301, "deep": [301, null]}	"k"=>"301"	\N
401	Name 302 ä\\	c302@x	happy	("Street 302","Town 1")	{a,NULL,"b\\"302"}	{"n": 302, "deep": [302, null]}	"k"=>"302"	\N
402	Name 303 ä\\	c303@x	sad	("Street 303","Town 2")	{a,NULL,"b\\"303"}	{"n": 303, "deep": [303, null]}	"k"=>"303"	\N
403	Name 304 ä\\	c304@x	ok	("Street 304","Town 3")	{a,NULL,"b\\"304"}	{"n": 304, "deep": [304, null]}	"k"=>"304"	\N
404	Name 305 ä\\	c305@x	happy	("Street 305","Town 4")	{a,NULL,"b\\"305"}	{"n": 305, "deep": [305, null]}	"k"=>"305"	\N
405	Name 306 ä\\	c306@x	sad	("Street 306","Town 5")	{a,NULL,"b\\"306"}	{"n": 306, "deep": [306, null]}	"k"=>"306"	\N
406	Name 307 ä\\	c307@x	ok	("Street 307","Town 6")	{a,NULL,"b\\"307"}	{"n": 307, "deep": [307, null]}	"k"=>"307"	\N
407	Name 308 ä\\	c308@x	happy	("Street 308","Town 0")	{a,NULL,"b\\"308"}	{"n": 308, "deep": [308, null]}	"k"=>"308"	\N
408	Name 309 ä\\	c309@x	sad	("Street 309","Town 1")	{a,NULL,"b\\"309"}	{"n": 309, "deep": [309, null]}	"k"=>"309"	\N
409	Name 310 ä\\	c310@x	ok	("Street 310","Town 2")	{a,NULL,"b\\"310"}	{"n": 310, "deep": [310, null]}	"k"=>"310"	\N
410	Name 311 ä\\	c311@x	happy	("Street 311","Town 3")	{a,NULL,"b\\"311"}	{"n": 311, "deep": [311, null]}	"k"=>"311"	\N
411	Name 312 ä\\	c312@x	sad	("Street 312","Town 4")	{a,NULL,"b\\"312"}	{"n": 312, "deep": [312, null]}	"k"=>"312"	\N
412	Name 313 ä\\	c313@x	ok	("Street 313","Town 5")	{a,NULL,"b\\"313"}	{"n": 313, "deep": [313, null]}	"k"=>"313"	\N
413	Name 314 ä\\	c314@x	happy	("Street 314","Town 6")	{a,NULL,"b\\"314"}	{"n": 314, "deep": [314, null]}	"k"=>"314"	\N
414	Name 315 ä\\	c315@x	sad	("Street 315","Town 0")	{a,NULL,"b\\"315"}	{"n": 315, "deep": [315, null]}	"k"=>"315"	\N
415	Name 316 ä\\	c316@x	ok	("Street 316","Town 1")	{a,NULL,"b\\"316"}	{"n": 316, "deep": [316, null]}	"k"=>"316"	\N
416	Name 317 ä\\	c317@x	happy	("Street 317","Town 2")	{a,NULL,"b\\"317"}	{"n": 317, "deep": [317, null]}	"k"=>"317"	\N
417	Name 318 ä\\	c318@x	sad	("Street 318","Town 3")	{a,NULL,"b\\"318"}	{"n": 318, "deep": [318, null]}	"k"=>"318"	\N
418	Name 319 ä\\	c319@x	ok	("Street 319","Town 4")	{a,NULL,"b\\"319"}	{"n": 319, "deep": [319, null]}	"k"=>"319"	\N
419	Name 320 ä\\	c320@x	happy	("Street 320","Town 5")	{a,NULL,"b\\"320"}	{"n": 320, "deep": [320, null]}	"k"=>"320"	\N
420	Name 321 ä\\	c321@x	sad	("Street 321","Town 6")	{a,NULL,"b\\"321"}	{"n": 321, "deep": [321, null]}	"k"=>"321"	\N
421	Name 322 ä\\	c322@x	ok	("Street 322","Town 0")	{a,NULL,"b\\"322"}	{"n": 322, "deep": [322, null]}	"k"=>"322"	\N
422	Name 323 ä\\	c323@x	happy	("Street 323","Town 1")	{a,NULL,"b\\"323"}	{"n": 323, "deep": [323, null]}	"k"=>"323"	\N
423	Name 324 ä\\	c324@x	sad	("Street 324","Town 2")	{a,NULL,"b\\"324"}	{"n": 324, "deep": [324, null]}	"k"=>"324"	\N
424	Name 325 ä\\	c325@x	ok	("Street 325","Town 3")	{a,NULL,"b\\"325"}	{"n": 325, "deep": [325, null]}	"k"=>"325"	\N
425	Name 326 ä\\	c326@x	happy	("Street 326","Town 4")	{a,NULL,"b\\"326"}	{"n": 326, "deep": [326, null]}	"k"=>"326"	\N
426	Name 327 ä\\	c327@x	sad	("Street 327","Town 5")	{a,NULL,"b\\"327"}	{"n": 327, "deep": [327, null]}	"k"=>"327"	\N
427	Name 328 ä\\	c328@x	ok	("Street 328","Town 6")	{a,NULL,"b\\"328"}	{"n": 328, "deep": [328, null]}	"k"=>"328"	\N
428	Name 329 ä\\	c329@x	happy	("Street 329","Town 0")	{a,NULL,"b\\"329"}	{"n": 329, "deep": [329, null]}	"k"=>"329"	\N
429	Name 330 ä\\	c330@x	sad	("Street 330","Town 1")	{a,NULL,"b\\"330"}	{"n": 330, "deep": [330, null]}	"k"=>"330"	\N
430	Name 331 ä\\	c331@x	ok	("Street 331","Town 2")	{a,NULL,"b\\"331"}	{"n": 331, "deep": [331, null]}	"k"=>"331"	\N
431	Name 332 ä\\	c332@x	happy	("Street 332","Town 3")	{a,NULL,"b\\"332"}	{"n": 332, "deep": [332, null]}	"k"=>"332"	\N
432	Name 333 ä\\	c333@x	sad	("Street 333","Town 4")	{a,NULL,"b\\"333"}	{"n": 333, "deep": [333, null]}	"k"=>"333"	\N
433	Name 334 ä\\	c334@x	ok	("Street 334","Town 5")	{a,NULL,"b\\"334"}	{"n": 334, "deep": [334, null]}	"k"=>"334"	\N
434	Name 335 ä\\	c335@x	happy	("Street 335","Town 6")	{a,NULL,"b\\"335"}	{"n": 335, "deep": [335, null]}	"k"=>"335"	\N
435	Name 336 ä\\	c336@x	sad	("Street 336","Town 0")	{a,NULL,"b\\"336"}	{"n": 336, "deep": [336, null]}	"k"=>"336"	\N
436	Name 337 ä\\	c337@x	ok	("Street 337","Town 1")	{a,NULL,"b\\"337"}	{"n": 337, "deep": [337, null]}	"k"=>"337"	\N
437	Name 338 ä\\	c338@x	happy	("Street 338","Town 2")	{a,NULL,"b\\"338"}	{"n": 338, "deep": [338, null]}	"k"=>"338"	\N
438	Name 339 ä\\	c339@x	sad	("Street 339","Town 3")	{a,NULL,"b\\"339"}	{"n": 339, "deep": [339, null]}	"k"=>"339"	\N
439	Name 340 ä\\	c340@x	ok	("Street 340","Town 4")	{a,NULL,"b\\"340"}	{"n": 340, "deep": [340, null]}	"k"=>"340"	\N
440	Name 341 ä\\	c341@x	happy	("Street 341","Town 5")	{a,NULL,"b\\"341"}	{"n": 341, "deep": [341, null]}	"k"=>"341"	\N
441	Name 342 ä\\	c342@x	sad	("Street 342","Town 6")	{a,NULL,"b\\"342"}	{"n": 342, "deep": [342, null]}	"k"=>"342"	\N
442	Name 343 ä\\	c343@x	ok	("Street 343","Town 0")	{a,NULL,"b\\"343"}	{"n": 343, "deep": [343, null]}	"k"=>"343"	\N
443	Name 344 ä\\	c344@x	happy	("Street 344","Town 1")	{a,NULL,"b\\"344"}	{"n": 344, "deep": [344, null]}	"k"=>"344"	\N
444	Name 345 ä\\	c345@x	sad	("Street 345","Town 2")	{a,NULL,"b\\"345"}	{"n": 345, "deep": [345, null]}	"k"=>"345"	\N
445	Name 346 ä\\	c346@x	ok	("Street 346","Town 3")	{a,NULL,"b\\"346"}	{"n": 346, "deep": [346, null]}	"k"=>"346"	\N
446	Name 347 ä\\	c347@x	happy	("Street 347","Town 4")	{a,NULL,"b\\"347"}	{"n": 347, "deep": [347, null]}	"k"=>"347"	\N
447	Name 348 ä\\	c348@x	sad	("Street 348","Town 5")	{a,NULL,"b\\"348"}	{"n": 348, "deep": [348, null]}	"k"=>"348"	\N
448	Name 349 ä\\	c349@x	ok	("Street 349","Town 6")	{a,NULL,"b\\"349"}	{"n": 349, "deep": [349, null]}	"k"=>"349"	\N
449	Name 350 ä\\	c350@x	happy	("Street 350","Town 0")	{a,NULL,"b\\"350"}	{"n": 350, "deep": [350, null]}	"k"=>"350"	\N
450	Name 351 ä\\	c351@x	sad	("Street 351","Town 1")	{a,NULL,"b\\"351"}	{"n": 351, "deep": [351, null]}	"k"=>"351"	\N
451	Name 352 ä\\	c352@x	ok	("Street 352","Town 2")	{a,NULL,"b\\"352"}	{"n": 352, "deep": [352, null]}	"k"=>"352"	\N
452	Name 353 ä\\	c353@x	happy	("Street 353","Town 3")	{a,NULL,"b\\"353"}	{"n": 353, "deep": [353, null]}	"k"=>"353"	\N
453	Name 354 ä\\	c354@x	sad	("Street 354","Town 4")	{a,NULL,"b\\"354"}	{"n": 354, "deep": [354, null]}	"k"=>"354"	\N
454	Name 355 ä\\	c355@x	ok	("Street 355","Town 5")	{a,NULL,"b\\"355"}	{"n": 355, "deep": [355, null]}	"k"=>"355"	\N
455	Name 356 ä\\	c356@x	happy	("Street 356","Town 6")	{a,NULL,"b\\"356"}	{"n": 356, "deep": [356, null]}	"k"=>"356"	\N
456	Name 357 ä\\	c357@x	sad	("Street 357","Town 0")	{a,NULL,"b\\"357"}	{"n": 357, "deep": [357, null]}	"k"=>"357"	\N
457	Name 358 ä\\	c358@x	ok	("Street 358","Town 1")	{a,NULL,"b\\"358"}	{"n": 358, "deep": [358, null]}	"k"=>"358"	\N
458	Name 359 ä\\	c359@x	happy	("Street 359","Town 2")	{a,NULL,"b\\"359"}	{"n": 359, "deep": [359, null]}	"k"=>"359"	\N
459	Name 360 ä\\	c360@x	sad	("Street 360","Town 3")	{a,NULL,"b\\"360"}	{"n": 360, "deep": [360, null]}	"k"=>"360"	\N
460	Name 361 ä\\	c361@x	ok	("Street 361","Town 4")	{a,NULL,"b\\"361"}	{"n": 361, "deep": [361, null]}	"k"=>"361"	\N
461	Name 362 ä\\	c362@x	happy	("Street 362","Town 5")	{a,NULL,"b\\"362"}	{"n": 362, "deep": [362, null]}	"k"=>"362"	\N
462	Name 363 ä\\	c363@x	sad	("Street 363","Town 6")	{a,NULL,"b\\"363"}	{"n": 363, "deep": [363, null]}	"k"=>"363"	\N
463	Name 364 ä\\	c364@x	ok	("Street 364","Town 0")	{a,NULL,"b\\"364"}	{"n": 364, "deep": [364, null]}	"k"=>"364"	\N
464	Name 365 ä\\	c365@x	happy	("Street 365","Town 1")	{a,NULL,"b\\"365"}	{"n": 365, "deep": [365, null]}	"k"=>"365"	\N
465	Name 366 ä\\	c366@x	sad	("Street 366","Town 2")	{a,NULL,"b\\"366"}	{"n": 366, "deep": [366, null]}	"k"=>"366"	\N
466	Name 367 ä\\	c367@x	ok	("Street 367","Town 3")	{a,NULL,"b\\"367"}	{"n": 367, "deep": [367, null]}	"k"=>"367"	\N
467	Name 368 ä\\	c368@x	happy	("Street 368","Town 4")	{a,NULL,"b\\"368"}	{"n": 368, "deep": [368, null]}	"k"=>"368"	\N
468	Name 369 ä\\	c369@x	sad	("Street 369","Town 5")	{a,NULL,"b\\"369"}	{"n": 369, "deep": [369, null]}	"k"=>"369"	\N
469	Name 370 ä\\	c370@x	ok	("Street 370","Town 6")	{a,NULL,"b\\"370"}	{"n": 370, "deep": [370, null]}	"k"=>"370"	\N
470	Name 371 ä\\	c371@x	happy	("Street 371","Town 0")	{a,NULL,"b\\"371"}	{"n": 371, "deep": [371, null]}	"k"=>"371"	\N
471	Name 372 ä\\	c372@x	sad	("Street 372","Town 1")	{a,NULL,"b\\"372"}	{"n": 372, "deep": [372, null]}	"k"=>"372"	\N
472	Name 373 ä\\	c373@x	ok	("Street 373","Town 2")	{a,NULL,"b\\"373"}	{"n": 373, "deep": [373, null]}	"k"=>"373"	\N
473	Name 374 ä\\	c374@x	happy	("Street 374","Town 3")	{a,NULL,"b\\"374"}	{"n": 374, "deep": [374, null]}	"k"=>"374"	\N
474	Name 375 ä\\	c375@x	sad	("Street 375","Town 4")	{a,NULL,"b\\"375"}	{"n": 375, "deep": [375, null]}	"k"=>"375"	\N
475	Name 376 ä\\	c376@x	ok	("Street 376","Town 5")	{a,NULL,"b\\"376"}	{"n": 376, "deep": [376, null]}	"k"=>"376"	\N
476	Name 377 ä\\	c377@x	happy	("Street 377","Town 6")	{a,NULL,"b\\"377"}	{"n": 377, "deep": [377, null]}	"k"=>"377"	\N
477	Name 378 ä\\	c378@x	sad	("Street 378","Town 0")	{a,NULL,"b\\"378"}	{"n": 378, "deep": [378, null]}	"k"=>"378"	\N
478	Name 379 ä\\	c379@x	ok	("Street 379","Town 1")	{a,NULL,"b\\"379"}	{"n": 379, "deep": [379, null]}	"k"=>"379"	\N
479	Name 380 ä\\	c380@x	happy	("Street 380","Town 2")	{a,NULL,"b\\"380"}	{"n": 380, "deep": [380, null]}	"k"=>"380"	\N
480	Name 381 ä\\	c381@x	sad	("Street 381","Town 3")	{a,NULL,"b\\"381"}	{"n": 381, "deep": [381, null]}	"k"=>"381"	\N
481	Name 382 ä\\	c382@x	ok	("Street 382","Town 4")	{a,NULL,"b\\"382"}	{"n": 382, "deep": [382, null]}	"k"=>"382"	\N
482	Name 383 ä\\	c383@x	happy	("Street 383","Town 5")	{a,NULL,"b\\"383"}	{"n": 383, "deep": [383, null]}	"k"=>"383"	\N
483	Name 384 ä\\	c384@x	sad	("Street 384","Town 6")	{a,NULL,"b\\"384"}	{"n": 384, "deep": [384, null]}	"k"=>"384"	\N
484	Name 385 ä\\	c385@x	ok	("Street 385","Town 0")	{a,NULL,"b\\"385"}	{"n": 385, "deep": [385, null]}	"k"=>"385"	\N
485	Name 386 ä\\	c386@x	happy	("Street 386","Town 1")	{a,NULL,"b\\"386"}	{"n": 386, "deep": [386, null]}	"k"=>"386"	\N
486	Name 387 ä\\	c387@x	sad	("Street 387","Town 2")	{a,NULL,"b\\"387"}	{"n": 387, "deep": [387, null]}	"k"=>"387"	\N
487	Name 388 ä\\	c388@x	ok	("Street 388","Town 3")	{a,NULL,"b\\"388"}	{"n": 388, "deep": [388, null]}	"k"=>"388"	\N
488	Name 389 ä\\	c389@x	happy	("Street 389","Town 4")	{a,NULL,"b\\"389"}	{"n": 389, "deep": [389, null]}	"k"=>"389"	\N
489	Name 390 ä\\	c390@x	sad	("Street 390","Town 5")	{a,NULL,"b\\"390"}	{"n": 390, "deep": [390, null]}	"k"=>"390"	\N
490	Name 391 ä\\	c391@x	ok	("Street 391","Town 6")	{a,NULL,"b\\"391"}	{"n": 391, "deep": [391, null]}	"k"=>"391"	\N
491	Name 392 ä\\	c392@x	happy	("Street 392","Town 0")	{a,NULL,"b\\"392"}	{"n": 392, "deep": [392, null]}	"k"=>"392"	\N
492	Name 393 ä\\	c393@x	sad	("Street 393","Town 1")	{a,NULL,"b\\"393"}	{"n": 393, "deep": [393, null]}	"k"=>"393"	\N
493	Name 394 ä\\	c394@x	ok	("Street 394","Town 2")	{a,NULL,"b\\"394"}	{"n": 394, "deep": [394, null]}	"k"=>"394"	\N
494	Name 395 ä\\	c395@x	happy	("Street 395","Town 3")	{a,NULL,"b\\"395"}	{"n": 395, "deep": [395, null]}	"k"=>"395"	\N
495	Name 396 ä\\	c396@x	sad	("Street 396","Town 4")	{a,NULL,"b\\"396"}	{"n": 396, "deep": [396, null]}	"k"=>"396"	\N
496	Name 397 ä\\	c397@x	ok	("Street 397","Town 5")	{a,NULL,"b\\"397"}	{"n": 397, "deep": [397, null]}	"k"=>"397"	\N
497	Name 398 ä\\	c398@x	happy	("Street 398","Town 6")	{a,NULL,"b\\"398"}	{"n": 398, "deep": [398, null]}	"k"=>"398"	\N
498	Name 399 ä\\	c399@x	sad	("Street 399","Town 0")	{a,NULL,"b\\"399"}	{"n": 399, "deep": [399, null]}	"k"=>"399"	\N
499	Name 400 ä\\	c400@x	ok	("Street 400","Town 1")	{a,NULL,"b\\"400"}	{"n": 400, "deep": [400, null]}	"k"=>"400"	\N
500	Name 401 ä\\	c401@x	happy	("Street 401","Town 2")	{a,NULL,"b\\"401"}	{"n": 401, "deep": [401, null]}	"k"=>"401"	\N
501	Name 402 ä\\	c402@x	sad	("Street 402","Town 3")	{a,NULL,"b\\"402"}	{"n": 402, "deep": [402, null]}	"k"=>"402"	\N
502	Name 403 ä\\	c403@x	ok	("Street 403","Town 4")	{a,NULL,"b\\"403"}	{"n": 403, "deep": [403, null]}	"k"=>"403"	\N
503	Name 404 ä\\	c404@x	happy	("Street 404","Town 5")	{a,NULL,"b\\"404"}	{"n": 404, "deep": [404, null]}	"k"=>"404"	\N
504	Name 405 ä\\	c405@x	sad	("Street 405","Town 6")	{a,NULL,"b\\"405"}	{"n": 405, "deep": [405, null]}	"k"=>"405"	\N
505	Name 406 ä\\	c406@x	ok	("Street 406","Town 0")	{a,NULL,"b\\"406"}	{"n": 406, "deep": [406, null]}	"k"=>"406"	\N
506	Name 407 ä\\	c407@x	happy	("Street 407","Town 1")	{a,NULL,"b\\"407"}	{"n": 407, "deep": [407, null]}	"k"=>"407"	\N
507	Name 408 ä\\	c408@x	sad	("Street 408","Town 2")	{a,NULL,"b\\"408"}	{"n": 408, "deep": [408, null]}	"k"=>"408"	\N
508	Name 409 ä\\	c409@x	ok	("Street 409","Town 3")	{a,NULL,"b\\"409"}	{"n": 409, "deep": [409, null]}	"k"=>"409"	\N
509	Name 410 ä\\	c410@x	happy	("Street 410","Town 4")	{a,NULL,"b\\"410"}	{"n": 410, "deep": [410, null]}	"k"=>"410"	\N
510	Name 411 ä\\	c411@x	sad	("Street 411","Town 5")	{a,NULL,"b\\"411"}	{"n": 411, "deep": [411, null]}	"k"=>"411"	\N
511	Name 412 ä\\	c412@x	ok	("Street 412","Town 6")	{a,NULL,"b\\"412"}	{"n": 412, "deep": [412, null]}	"k"=>"412"	\N
512	Name 413 ä\\	c413@x	happy	("Street 413","Town 0")	{a,NULL,"b\\"413"}	{"n": 413, "deep": [413, null]}	"k"=>"413"	\N
513	Name 414 ä\\	c414@x	sad	("Street 414","Town 1")	{a,NULL,"b\\"414"}	{"n": 414, "deep": [414, null]}	"k"=>"414"	\N
514	Name 415 ä\\	c415@x	ok	("Street 415","Town 2")	{a,NULL,"b\\"415"}	{"n": 415, "deep": [415, null]}	"k"=>"415"	\N
515	Name 416 ä\\	c416@x	happy	("Street 416","Town 3")	{a,NULL,"b\\"416"}	{"n": 416, "deep": [416, null]}	"k"=>"416"	\N
516	Name 417 ä\\	c417@x	sad	("Street 417","Town 4")	{a,NULL,"b\\"417"}	{"n": 417, "deep": [417, null]}	"k"=>"417"	\N
517	Name 418 ä\\	c418@x	ok	("Street 418","Town 5")	{a,NULL,"b\\"418"}	{"n": 418, "deep": [418, null]}	"k"=>"418"	\N
518	Name 419 ä\\	c419@x	happy	("Street 419","Town 6")	{a,NULL,"b\\"419"}	{"n": 419, "deep": [419, null]}	"k"=>"419"	\N
519	Name 420 ä\\	c420@x	sad	("Street 420","Town 0")	{a,NULL,"b\\"420"}	{"n": 420, "deep": [420, null]}	"k"=>"420"	\N
520	Name 421 ä\\	c421@x	ok	("Street 421","Town 1")	{a,NULL,"b\\"421"}	{"n": 421, "deep": [421, null]}	"k"=>"421"	\N
521	Name 422 ä\\	c422@x	happy	("Street 422","Town 2")	{a,NULL,"b\\"422"}	{"n": 422, "deep": [422, null]}	"k"=>"422"	\N
522	Name 423 ä\\	c423@x	sad	("Street 423","Town 3")	{a,NULL,"b\\"423"}	{"n": 423, "deep": [423, null]}	"k"=>"423"	\N
523	Name 424 ä\\	c424@x	ok	("Street 424","Town 4")	{a,NULL,"b\\"424"}	{"n": 424, "deep": [424, null]}	"k"=>"424"	\N
524	Name 425 ä\\	c425@x	happy	("Street 425","Town 5")	{a,NULL,"b\\"425"}	{"n": 425, "deep": [425, null]}	"k"=>"425"	\N
525	Name 426 ä\\	c426@x	sad	("Street 426","Town 6")	{a,NULL,"b\\"426"}	{"n": 426, "deep": [426, null]}	"k"=>"426"	\N
526	Name 427 ä\\	c427@x	ok	("Street 427","Town 0")	{a,NULL,"b\\"427"}	{"n": 427, "deep": [427, null]}	"k"=>"427"	\N
527	Name 428 ä\\	c428@x	happy	("Street 428","Town 1")	{a,NULL,"b\\"428"}	{"n": 428, "deep": [428, null]}	"k"=>"428"	\N
528	Name 429 ä\\	c429@x	sad	("Street 429","Town 2")	{a,NULL,"b\\"429"}	{"n": 429, "deep": [429, null]}	"k"=>"429"	\N
529	Name 430 ä\\	c430@x	ok	("Street 430","Town 3")	{a,NULL,"b\\"430"}	{"n": 430, "deep": [430, null]}	"k"=>"430"	\N
530	Name 431 ä\\	c431@x	happy	("Street 431","Town 4")	{a,NULL,"b\\"431"}	{"n": 431, "deep": [431, null]}	"k"=>"431"	\N
531	Name 432 ä\\	c432@x	sad	("Street 432","Town 5")	{a,NULL,"b\\"432"}	{"n": 432, "deep": [432, null]}	"k"=>"432"	\N
532	Name 433 ä\\	c433@x	ok	("Street 433","Town 6")	{a,NULL,"b\\"433"}	{"n": 433, "deep": [433, null]}	"k"=>"433"	\N
533	Name 434 ä\\	c434@x	happy	("Street 434","Town 0")	{a,NULL,"b\\"434"}	{"n": 434, "deep": [434, null]}	"k"=>"434"	\N
534	Name 435 ä\\	c435@x	sad	("Street 435","Town 1")	{a,NULL,"b\\"435"}	{"n": 435, "deep": [435, null]}	"k"=>"435"	\N
535	Name 436 ä\\	c436@x	ok	("Street 436","Town 2")	{a,NULL,"b\\"436"}	{"n": 436, "deep": [436, null]}	"k"=>"436"	\N
536	Name 437 ä\\	c437@x	happy	("Street 437","Town 3")	{a,NULL,"b\\"437"}	{"n": 437, "deep": [437, null]}	"k"=>"437"	\N
537	Name 438 ä\\	c438@x	sad	("Street 438","Town 4")	{a,NULL,"b\\"438"}	{"n": 438, "deep": [438, null]}	"k"=>"438"	\N
538	Name 439 ä\\	c439@x	ok	("Street 439","Town 5")	{a,NULL,"b\\"439"}	{"n": 439, "deep": [439, null]}	"k"=>"439"	\N
539	Name 440 ä\\	c440@x	happy	("Street 440","Town 6")	{a,NULL,"b\\"440"}	{"n": 440, "deep": [440, null]}	"k"=>"440"	\N
540	Name 441 ä\\	c441@x	sad	("Street 441","Town 0")	{a,NULL,"b\\"441"}	{"n": 441, "deep": [441, null]}	"k"=>"441"	\N
541	Name 442 ä\\	c442@x	ok	("Street 442","Town 1")	{a,NULL,"b\\"442"}	{"n": 442, "deep": [442, null]}	"k"=>"442"	\N
542	Name 443 ä\\	c443@x	happy	("Street 443","Town 2")	{a,NULL,"b\\"443"}	{"n": 443, "deep": [443, null]}	"k"=>"443"	\N
543	Name 444 ä\\	c444@x	sad	("Street 444","Town 3")	{a,NULL,"b\\"444"}	{"n": 444, "deep": [444, null]}	"k"=>"444"	\N
544	Name 445 ä\\	c445@x	ok	("Street 445","Town 4")	{a,NULL,"b\\"445"}	{"n": 445, "deep": [445, null]}	"k"=>"445"	\N
545	Name 446 ä\\	c446@x	happy	("Street 446","Town 5")	{a,NULL,"b\\"446"}	{"n": 446, "deep": [446, null]}	"k"=>"446"	\N
546	Name 447 ä\\	c447@x	sad	("Street 447","Town 6")	{a,NULL,"b\\"447"}	{"n": 447, "deep": [447, null]}	"k"=>"447"	\N
547	Name 448 ä\\	c448@x	ok	("Street 448","Town 0")	{a,NULL,"b\\"448"}	{"n": 448, "deep": [448, null]}	"k"=>"448"	\N
548	Name 449 ä\\	c449@x	happy	("Street 449","Town 1")	{a,NULL,"b\\"449"}	{"n": 449, "deep": [449, null]}	"k"=>"449"	\N
549	Name 450 ä\\	c450@x	sad	("Street 450","Town 2")	{a,NULL,"b\\"450"}	{"n": 450, "deep": [450, null]}	"k"=>"450"	\N
550	Name 451 ä\\	c451@x	ok	("Street 451","Town 3")	{a,NULL,"b\\"451"}	{"n": 451, "deep": [451, null]}	"k"=>"451"	\N
551	Name 452 ä\\	c452@x	happy	("Street 452","Town 4")	{a,NULL,"b\\"452"}	{"n": 452, "deep": [452, null]}	"k"=>"452"	\N
552	Name 453 ä\\	c453@x	sad	("Street 453","Town 5")	{a,NULL,"b\\"453"}	{"n": 453, "deep": [453, null]}	"k"=>"453"	\N
553	Name 454 ä\\	c454@x	ok	("Street 454","Town 6")	{a,NULL,"b\\"454"}	{"n": 454, "deep": [454, null]}	"k"=>"454"	\N
554	Name 455 ä\\	c455@x	happy	("Street 455","Town 0")	{a,NULL,"b\\"455"}	{"n": 455, "deep": [455, null]}	"k"=>"455"	\N
555	Name 456 ä\\	c456@x	sad	("Street 456","Town 1")	{a,NULL,"b\\"456"}	{"n": 456, "deep": [456, null]}	"k"=>"456"	\N
556	Name 457 ä\\	c457@x	ok	("Street 457","Town 2")	{a,NULL,"b\\"457"}	{"n": 457, "deep": [457, null]}	"k"=>"457"	\N
557	Name 458 ä\\	c458@x	happy	("Street 458","Town 3")	{a,NULL,"b\\"458"}	{"n": 458, "deep": [458, null]}	"k"=>"458"	\N
558	Name 459 ä\\	c459@x	sad	("Street 459","Town 4")	{a,NULL,"b\\"459"}	{"n": 459, "deep": [459, null]}	"k"=>"459"	\N
559	Name 460 ä\\	c460@x	ok	("Street 460","Town 5")	{a,NULL,"b\\"460"}	{"n": 460, "deep": [460, null]}	"k"=>"460"	\N
560	Name 461 ä\\	c461@x	happy	("Street 461","Town 6")	{a,NULL,"b\\"461"}	{"n": 461, "deep": [461, null]}	"k"=>"461"	\N
561	Name 462 ä\\	c462@x	sad	("Street 462","Town 0")	{a,NULL,"b\\"462"}	{"n": 462, "deep": [462, null]}	"k"=>"462"	\N
562	Name 463 ä\\	c463@x	ok	("Street 463","Town 1")	{a,NULL,"b\\"463"}	{"n": 463, "deep": [463, null]}	"k"=>"463"	\N
563	Name 464 ä\\	c464@x	happy	("Street 464","Town 2")	{a,NULL,"b\\"464"}	{"n": 464, "deep": [464, null]}	"k"=>"464"	\N
564	Name 465 ä\\	c465@x	sad	("Street 465","Town 3")	{a,NULL,"b\\"465"}	{"n": 465, "deep": [465, null]}	"k"=>"465"	\N
565	Name 466 ä\\	c466@x	ok	("Street 466","Town 4")	{a,NULL,"b\\"466"}	{"n": 466, "deep": [466, null]}	"k"=>"466"	\N
566	Name 467 ä\\	c467@x	happy	("Street 467","Town 5")	{a,NULL,"b\\"467"}	{"n": 467, "deep": [467, null]}	"k"=>"467"	\N
567	Name 468 ä\\	c468@x	sad	("Street 468","Town 6")	{a,NULL,"b\\"468"}	{"n": 468, "deep": [468, null]}	"k"=>"468"	\N
568	Name 469 ä\\	c469@x	ok	("Street 469","Town 0")	{a,NULL,"b\\"469"}	{"n": 469, "deep": [469, null]}	"k"=>"469"	\N
569	Name 470 ä\\	c470@x	happy	("Street 470","Town 1")	{a,NULL,"b\\"470"}	{"n": 470, "deep": [470, null]}	"k"=>"470"	\N
570	Name 471 ä\\	c471@x	sad	("Street 471","Town 2")	{a,NULL,"b\\"471"}	{"n": 471, "deep": [471, null]}	"k"=>"471"	\N
571	Name 472 ä\\	c472@x	ok	("Street 472","Town 3")	{a,NULL,"b\\"472"}	{"n": 472, "deep": [472, null]}	"k"=>"472"	\N
572	Name 473 ä\\	c473@x	happy	("Street 473","Town 4")	{a,NULL,"b\\"473"}	{"n": 473, "deep": [473, null]}	"k"=>"473"	\N
573	Name 474 ä\\	c474@x	sad	("Street 474","Town 5")	{a,NULL,"b\\"474"}	{"n": 474, "deep": [474, null]}	"k"=>"474"	\N
574	Name 475 ä\\	c475@x	ok	("Street 475","Town 6")	{a,NULL,"b\\"475"}	{"n": 475, "deep": [475, null]}	"k"=>"475"	\N
575	Name 476 ä\\	c476@x	happy	("Street 476","Town 0")	{a,NULL,"b\\"476"}	{"n": 476, "deep": [476, null]}	"k"=>"476"	\N
576	Name 477 ä\\	c477@x	sad	("Street 477","Town 1")	{a,NULL,"b\\"477"}	{"n": 477, "deep": [477, null]}	"k"=>"477"	\N
577	Name 478 ä\\	c478@x	ok	("Street 478","Town 2")	{a,NULL,"b\\"478"}	{"n": 478, "deep": [478, null]}	"k"=>"478"	\N
578	Name 479 ä\\	c479@x	happy	("Street 479","Town 3")	{a,NULL,"b\\"479"}	{"n": 479, "deep": [479, null]}	"k"=>"479"	\N
579	Name 480 ä\\	c480@x	sad	("Street 480","Town 4")	{a,NULL,"b\\"480"}	{"n": 480, "deep": [480, null]}	"k"=>"480"	\N
580	Name 481 ä\\	c481@x	ok	("Street 481","Town 5")	{a,NULL,"b\\"481"}	{"n": 481, "deep": [481, null]}	"k"=>"481"	\N
581	Name 482 ä\\	c482@x	happy	("Street 482","Town 6")	{a,NULL,"b\\"482"}	{"n": 482, "deep": [482, null]}	"k"=>"482"	\N
582	Name 483 ä\\	c483@x	sad	("Street 483","Town 0")	{a,NULL,"b\\"483"}	{"n": 483, "deep": [483, null]}	"k"=>"483"	\N
583	Name 484 ä\\	c484@x	ok	("Street 484","Town 1")	{a,NULL,"b\\"484"}	{"n": 484, "deep": [484, null]}	"k"=>"484"	\N
584	Name 485 ä\\	c485@x	happy	("Street 485","Town 2")	{a,NULL,"b\\"485"}	{"n": 485, "deep": [485, null]}	"k"=>"485"	\N
585	Name 486 ä\\	c486@x	sad	("Street 486","Town 3")	{a,NULL,"b\\"486"}	{"n": 486, "deep": [486, null]}	"k"=>"486"	\N
586	Name 487 ä\\	c487@x	ok	("Street 487","Town 4")	{a,NULL,"b\\"487"}	{"n": 487, "deep": [487, null]}	"k"=>"487"	\N
587	Name 488 ä\\	c488@x	happy	("Street 488","Town 5")	{a,NULL,"b\\"488"}	{"n": 488, "deep": [488, null]}	"k"=>"488"	\N
588	Name 489 ä\\	c489@x	sad	("Street 489","Town 6")	{a,NULL,"b\\"489"}	{"n": 489, "deep": [489, null]}	"k"=>"489"	\N
589	Name 490 ä\\	c490@x	ok	("Street 490","Town 0")	{a,NULL,"b\\"490"}	{"n": 490, "deep": [490, null]}	"k"=>"490"	\N
590	Name 491 ä\\	c491@x	happy	("Street 491","Town 1")	{a,NULL,"b\\"491"}	{"n": 491, "deep": [491, null]}	"k"=>"491"	\N
591	Name 492 ä\\	c492@x	sad	("Street 492","Town 2")	{a,NULL,"b\\"492"}	{"n": 492, "deep": [492, null]}	"k"=>"492"	\N
592	Name 493 ä\\	c493@x	ok	("Street 493","Town 3")	{a,NULL,"b\\"493"}	{"n": 493, "deep": [493, null]}	"k"=>"493"	\N
593	Name 494 ä\\	c494@x	happy	("Street 494","Town 4")	{a,NULL,"b\\"494"}	{"n": 494, "deep": [494, null]}	"k"=>"494"	\N
594	Name 495 ä\\	c495@x	sad	("Street 495","Town 5")	{a,NULL,"b\\"495"}	{"n": 495, "deep": [495, null]}	"k"=>"495"	\N
595	Name 496 ä\\	c496@x	ok	("Street 496","Town 6")	{a,NULL,"b\\"496"}	{"n": 496, "deep": [496, null]}	"k"=>"496"	\N
596	Name 497 ä\\	c497@x	happy	("Street 497","Town 0")	{a,NULL,"b\\"497"}	{"n": 497, "deep": [497, null]}	"k"=>"497"	\N
597	Name 498 ä\\	c498@x	sad	("Street 498","Town 1")	{a,NULL,"b\\"498"}	{"n": 498, "deep": [498, null]}	"k"=>"498"	\N
598	Name 499 ä\\	c499@x	ok	("Street 499","Town 2")	{a,NULL,"b\\"499"}	{"n": 499, "deep": [499, null]}	"k"=>"499"	\N
599	Name 500 ä\\	c500@x	happy	("Street 500","Town 3")	{a,NULL,"b\\"500"}	{"n": 500, "deep": [500, null]}	"k"=>"500"	\N
\.


--
-- Data for Name: order_lines; Type: TABLE DATA; Schema: shop; Owner: postgres
--

COPY shop.order_lines (order_id, made, line, product, amount) FROM stdin;
1	2023-06-02	1	2	3
2	2023-06-03	1	3	3
3	2023-06-04	1	4	3
4	2023-06-05	1	5	3
5	2023-06-06	1	6	3
6	2023-06-07	1	7	3
7	2023-06-08	1	8	3
8	2023-06-09	1	9	3
9	2023-06-10	1	10	3
10	2023-06-11	1	11	3
11	2023-06-12	1	12	3
12	2023-06-13	1	13	3
13	2023-06-14	1	14	3
14	2023-06-15	1	15	3
15	2023-06-16	1	16	3
16	2023-06-17	1	17	3
17	2023-06-18	1	18	3
18	2023-06-19	1	19	3
19	2023-06-20	1	20	3
20	2023-06-21	1	21	3
21	2023-06-22	1	22	3
22	2023-06-23	1	23	3
23	2023-06-24	1	24	3
24	2023-06-25	1	25	3
25	2023-06-26	1	26	3
26	2023-06-27	1	27	3
27	2023-06-28	1	28	3
28	2023-06-29	1	29	3
29	2023-06-30	1	30	3
30	2023-07-01	1	31	3
31	2023-07-02	1	32	3
32	2023-07-03	1	33	3
33	2023-07-04	1	34	3
34	2023-07-05	1	35	3
35	2023-07-06	1	36	3
36	2023-07-07	1	37	3
37	2023-07-08	1	38	3
38	2023-07-09	1	39	3
39	2023-07-10	1	40	3
40	2023-07-11	1	41	3
41	2023-07-12	1	42	3
42	2023-07-13	1	43	3
43	2023-07-14	1	44	3
44	2023-07-15	1	45	3
45	2023-07-16	1	46	3
46	2023-07-17	1	47	3
47	2023-07-18	1	48	3
48	2023-07-19	1	49	3
49	2023-07-20	1	50	3
50	2023-07-21	1	51	3
51	2023-07-22	1	52	3
52	2023-07-23	1	53	3
53	2023-07-24	1	54	3
54	2023-07-25	1	55	3
55	2023-07-26	1	56	3
56	2023-07-27	1	57	3
57	2023-07-28	1	58	3
58	2023-07-29	1	59	3
59	2023-07-30	1	60	3
60	2023-07-31	1	61	3
61	2023-08-01	1	62	3
62	2023-08-02	1	63	3
63	2023-08-03	1	64	3
64	2023-08-04	1	65	3
65	2023-08-05	1	66	3
66	2023-08-06	1	67	3
67	2023-08-07	1	68	3
68	2023-08-08	1	69	3
69	2023-08-09	1	70	3
70	2023-08-10	1	71	3
71	2023-08-11	1	72	3
72	2023-08-12	1	73	3
73	2023-08-13	1	74	3
74	2023-08-14	1	75	3
75	2023-08-15	1	76	3
76	2023-08-16	1	77	3
77	2023-08-17	1	78	3
78	2023-08-18	1	79	3
79	2023-08-19	1	80	3
80	2023-08-20	1	81	3
81	2023-08-21	1	82	3
82	2023-08-22	1	83	3
83	2023-08-23	1	84	3
84	2023-08-24	1	85	3
85	2023-08-25	1	86	3
86	2023-08-26	1	87	3
87	2023-08-27	1	88	3
88	2023-08-28	1	89	3
89	2023-08-29	1	90	3
90	2023-08-30	1	91	3
91	2023-08-31	1	92	3
92	2023-09-01	1	93	3
93	2023-09-02	1	94	3
94	2023-09-03	1	95	3
95	2023-09-04	1	96	3
96	2023-09-05	1	97	3
97	2023-09-06	1	98	3
98	2023-09-07	1	99	3
99	2023-09-08	1	100	3
100	2023-09-09	1	1	3
101	2023-09-10	1	2	3
102	2023-09-11	1	3	3
103	2023-09-12	1	4	3
104	2023-09-13	1	5	3
105	2023-09-14	1	6	3
106	2023-09-15	1	7	3
107	2023-09-16	1	8	3
108	2023-09-17	1	9	3
109	2023-09-18	1	10	3
110	2023-09-19	1	11	3
111	2023-09-20	1	12	3
112	2023-09-21	1	13	3
113	2023-09-22	1	14	3
114	2023-09-23	1	15	3
115	2023-09-24	1	16	3
116	2023-09-25	1	17	3
117	2023-09-26	1	18	3
118	2023-09-27	1	19	3
119	2023-09-28	1	20	3
120	2023-09-29	1	21	3
121	2023-09-30	1	22	3
122	2023-10-01	1	23	3
123	2023-10-02	1	24	3
124	2023-10-03	1	25	3
125	2023-10-04	1	26	3
126	2023-10-05	1	27	3
127	2023-10-06	1	28	3
128	2023-10-07	1	29	3
129	2023-10-08	1	30	3
130	2023-10-09	1	31	3
131	2023-10-10	1	32	3
132	2023-10-11	1	33	3
133	2023-10-12	1	34	3
134	2023-10-13	1	35	3
135	2023-10-14	1	36	3
136	2023-10-15	1	37	3
137	2023-10-16	1	38	3
138	2023-10-17	1	39	3
139	2023-10-18	1	40	3
140	2023-10-19	1	41	3
141	2023-10-20	1	42	3
142	2023-10-21	1	43	3
143	2023-10-22	1	44	3
144	2023-10-23	1	45	3
145	2023-10-24	1	46	3
146	2023-10-25	1	47	3
147	2023-10-26	1	48	3
148	2023-10-27	1	49	3
149	2023-10-28	1	50	3
150	2023-10-29	1	51	3
151	2023-10-30	1	52	3
152	2023-10-31	1	53	3
153	2023-11-01	1	54	3
154	2023-11-02	1	55	3
155	2023-11-03	1	56	3
156	2023-11-04	1	57	3
157	2023-11-05	1	58	3
158	2023-11-06	1	59	3
159	2023-11-07	1	60	3
160	2023-11-08	1	61	3
161	2023-11-09	1	62	3
162	2023-11-10	1	63	3
163	2023-11-11	1	64	3
164	2023-11-12	1	65	3
165	2023-11-13	1	66	3
166	2023-11-14	1	67	3
167	2023-11-15	1	68	3
168	2023-11-16	1	69	3
169	2023-11-17	1	70	3
170	2023-11-18	1	71	3
171	2023-11-19	1	72	3
172	2023-11-20	1	73	3
173	2023-11-21	1	74	3
174	2023-11-22	1	75	3
175	2023-11-23	1	76	3
176	2023-11-24	1	77	3
177	2023-11-25	1	78	3
178	2023-11-26	1	79	3
179	2023-11-27	1	80	3
180	2023-11-28	1	81	3
181	2023-11-29	1	82	3
182	2023-11-30	1	83	3
183	2023-12-01	1	84	3
184	2023-12-02	1	85	3
185	2023-12-03	1	86	3
186	2023-12-04	1	87	3
187	2023-12-05	1	88	3
188	2023-12-06	1	89	3
189	2023-12-07	1	90	3
190	2023-12-08	1	91	3
191	2023-12-09	1	92	3
192	2023-12-10	1	93	3
193	2023-12-11	1	94	3
194	2023-12-12	1	95	3
195	2023-12-13	1	96	3
196	2023-12-14	1	97	3
197	2023-12-15	1	98	3
198	2023-12-16	1	99	3
199	2023-12-17	1	100	3
200	2023-12-18	1	1	3
201	2023-12-19	1	2	3
202	2023-12-20	1	3	3
203	2023-12-21	1	4	3
204	2023-12-22	1	5	3
205	2023-12-23	1	6	3
206	2023-12-24	1	7	3
207	2023-12-25	1	8	3
208	2023-12-26	1	9	3
209	2023-12-27	1	10	3
210	2023-12-28	1	11	3
211	2023-12-29	1	12	3
212	2023-12-30	1	13	3
213	2023-12-31	1	14	3
214	2024-01-01	1	15	3
215	2024-01-02	1	16	3
216	2024-01-03	1	17	3
219	2024-01-06	1	20	3
222	2024-01-09	1	23	3
223	2024-01-10	1	24	3
225	2024-01-12	1	26	3
226	2024-01-13	1	27	3
227	2024-01-14	1	28	3
229	2024-01-16	1	30	3
230	2024-01-17	1	31	3
232	2024-01-19	1	33	3
236	2024-01-23	1	37	3
238	2024-01-25	1	39	3
239	2024-01-26	1	40	3
240	2024-01-27	1	41	3
242	2024-01-29	1	43	3
247	2024-02-03	1	48	3
248	2024-02-04	1	49	3
251	2024-02-07	1	52	3
252	2024-02-08	1	53	3
255	2024-02-11	1	56	3
256	2024-02-12	1	57	3
261	2024-02-17	1	62	3
262	2024-02-18	1	63	3
263	2024-02-19	1	64	3
266	2024-02-22	1	67	3
267	2024-02-23	1	68	3
270	2024-02-26	1	71	3
275	2024-03-02	1	76	3
277	2024-03-04	1	78	3
283	2024-03-10	1	84	3
284	2024-03-11	1	85	3
292	2024-03-19	1	93	3
294	2024-03-21	1	95	3
296	2024-03-23	1	97	3
297	2024-03-24	1	98	3
298	2024-03-25	1	99	3
299	2024-03-26	1	100	3
300	2024-03-27	1	1	3
302	2024-03-29	1	3	3
305	2024-04-01	1	6	3
306	2024-04-02	1	7	3
307	2024-04-03	1	8	3
308	2024-04-04	1	9	3
312	2024-04-08	1	13	3
314	2024-04-10	1	15	3
316	2024-04-12	1	17	3
317	2024-04-13	1	18	3
321	2024-04-17	1	22	3
324	2024-04-20	1	25	3
325	2024-04-21	1	26	3
326	2024-04-22	1	27	3
330	2024-04-26	1	31	3
331	2024-04-27	1	32	3
332	2024-04-28	1	33	3
336	2024-05-02	1	37	3
338	2024-05-04	1	39	3
340	2024-05-06	1	41	3
343	2024-05-09	1	44	3
344	2024-05-10	1	45	3
345	2024-05-11	1	46	3
346	2024-05-12	1	47	3
347	2024-05-13	1	48	3
350	2024-05-16	1	51	3
351	2024-05-17	1	52	3
354	2024-05-20	1	55	3
357	2024-05-23	1	58	3
359	2024-05-25	1	60	3
361	2024-05-27	1	62	3
362	2024-05-28	1	63	3
365	2024-05-31	1	66	3
366	2024-06-01	1	67	3
367	2024-06-02	1	68	3
370	2024-06-05	1	71	3
371	2024-06-06	1	72	3
372	2024-06-07	1	73	3
375	2024-06-10	1	76	3
376	2024-06-11	1	77	3
378	2024-06-13	1	79	3
379	2024-06-14	1	80	3
380	2024-06-15	1	81	3
382	2024-06-17	1	83	3
383	2024-06-18	1	84	3
384	2024-06-19	1	85	3
385	2024-06-20	1	86	3
386	2024-06-21	1	87	3
387	2024-06-22	1	88	3
388	2024-06-23	1	89	3
390	2024-06-25	1	91	3
391	2024-06-26	1	92	3
393	2024-06-28	1	94	3
395	2024-06-30	1	96	3
217	2024-01-04	1	18	3
218	2024-01-05	1	19	3
220	2024-01-07	1	21	3
221	2024-01-08	1	22	3
224	2024-01-11	1	25	3
228	2024-01-15	1	29	3
231	2024-01-18	1	32	3
233	2024-01-20	1	34	3
234	2024-01-21	1	35	3
235	2024-01-22	1	36	3
237	2024-01-24	1	38	3
241	2024-01-28	1	42	3
243	2024-01-30	1	44	3
244	2024-01-31	1	45	3
245	2024-02-01	1	46	3
246	2024-02-02	1	47	3
249	2024-02-05	1	50	3
250	2024-02-06	1	51	3
253	2024-02-09	1	54	3
254	2024-02-10	1	55	3
257	2024-02-13	1	58	3
258	2024-02-14	1	59	3
259	2024-02-15	1	60	3
260	2024-02-16	1	61	3
264	2024-02-20	1	65	3
265	2024-02-21	1	66	3
268	2024-02-24	1	69	3
269	2024-02-25	1	70	3
271	2024-02-27	1	72	3
272	2024-02-28	1	73	3
273	2024-02-29	1	74	3
274	2024-03-01	1	75	3
276	2024-03-03	1	77	3
278	2024-03-05	1	79	3
279	2024-03-06	1	80	3
280	2024-03-07	1	81	3
281	2024-03-08	1	82	3
282	2024-03-09	1	83	3
285	2024-03-12	1	86	3
286	2024-03-13	1	87	3
287	2024-03-14	1	88	3
288	2024-03-15	1	89	3
289	2024-03-16	1	90	3
290	2024-03-17	1	91	3
291	2024-03-18	1	92	3
293	2024-03-20	1	94	3
295	2024-03-22	1	96	3
301	2024-03-28	1	2	3
303	2024-03-30	1	4	3
304	2024-03-31	1	5	3
309	2024-04-05	1	10	3
310	2024-04-06	1	11	3
311	2024-04-07	1	12	3
313	2024-04-09	1	14	3
315	2024-04-11	1	16	3
318	2024-04-14	1	19	3
319	2024-04-15	1	20	3
320	2024-04-16	1	21	3
322	2024-04-18	1	23	3
323	2024-04-19	1	24	3
327	2024-04-23	1	28	3
328	2024-04-24	1	29	3
329	2024-04-25	1	30	3
333	2024-04-29	1	34	3
334	2024-04-30	1	35	3
335	2024-05-01	1	36	3
337	2024-05-03	1	38	3
339	2024-05-05	1	40	3
341	2024-05-07	1	42	3
342	2024-05-08	1	43	3
348	2024-05-14	1	49	3
349	2024-05-15	1	50	3
352	2024-05-18	1	53	3
353	2024-05-19	1	54	3
355	2024-05-21	1	56	3
356	2024-05-22	1	57	3
358	2024-05-24	1	59	3
360	2024-05-26	1	61	3
363	2024-05-29	1	64	3
364	2024-05-30	1	65	3
368	2024-06-03	1	69	3
369	2024-06-04	1	70	3
373	2024-06-08	1	74	3
374	2024-06-09	1	75	3
377	2024-06-12	1	78	3
381	2024-06-16	1	82	3
389	2024-06-24	1	90	3
392	2024-06-27	1	93	3
394	2024-06-29	1	95	3
396	2024-07-01	1	97	3
397	2024-07-02	1	98	3
398	2024-07-03	1	99	3
399	2024-07-04	1	100	3
400	2024-07-05	1	1	3
\.


--
-- Data for Name: orders_2023; Type: TABLE DATA; Schema: shop; Owner: postgres
--

COPY shop.orders_2023 (id, made, customer) FROM stdin;
1	2023-06-02	101
2	2023-06-03	102
3	2023-06-04	103
4	2023-06-05	104
5	2023-06-06	105
6	2023-06-07	106
7	2023-06-08	107
8	2023-06-09	108
9	2023-06-10	109
10	2023-06-11	110
11	2023-06-12	111
12	2023-06-13	112
13	2023-06-14	113
14	2023-06-15	114
15	2023-06-16	115
16	2023-06-17	116
17	2023-06-18	117
18	2023-06-19	118
19	2023-06-20	119
20	2023-06-21	120
21	2023-06-22	121
22	2023-06-23	122
23	2023-06-24	123
24	2023-06-25	124
25	2023-06-26	125
26	2023-06-27	126
27	2023-06-28	127
28	2023-06-29	128
29	2023-06-30	129
30	2023-07-01	130
31	2023-07-02	131
32	2023-07-03	132
33	2023-07-04	133
34	2023-07-05	134
35	2023-07-06	135
36	2023-07-07	136
37	2023-07-08	137
38	2023-07-09	138
39	2023-07-10	139
40	2023-07-11	140
41	2023-07-12	141
42	2023-07-13	142
43	2023-07-14	143
44	2023-07-15	144
45	2023-07-16	145
46	2023-07-17	146
47	2023-07-18	147
48	2023-07-19	148
49	2023-07-20	149
50	2023-07-21	150
51	2023-07-22	151
52	2023-07-23	152
53	2023-07-24	153
54	2023-07-25	154
55	2023-07-26	155
56	2023-07-27	156
57	2023-07-28	157
58	2023-07-29	158
59	2023-07-30	159
60	2023-07-31	160
61	2023-08-01	161
62	2023-08-02	162
63	2023-08-03	163
64	2023-08-04	164
65	2023-08-05	165
66	2023-08-06	166
67	2023-08-07	167
68	2023-08-08	168
69	2023-08-09	169
70	2023-08-10	170
71	2023-08-11	171
72	2023-08-12	172
73	2023-08-13	173
74	2023-08-14	174
75	2023-08-15	175
76	2023-08-16	176
77	2023-08-17	177
78	2023-08-18	178
79	2023-08-19	179
80	2023-08-20	180
81	2023-08-21	181
82	2023-08-22	182
83	2023-08-23	183
84	2023-08-24	184
85	2023-08-25	185
86	2023-08-26	186
87	2023-08-27	187
88	2023-08-28	188
89	2023-08-29	189
90	2023-08-30	190
91	2023-08-31	191
92	2023-09-01	192
93	2023-09-02	193
94	2023-09-03	194
95	2023-09-04	195
96	2023-09-05	196
97	2023-09-06	197
98	2023-09-07	198
99	2023-09-08	199
100	2023-09-09	200
101	2023-09-10	201
102	2023-09-11	202
103	2023-09-12	203
104	2023-09-13	204
105	2023-09-14	205
106	2023-09-15	206
107	2023-09-16	207
108	2023-09-17	208
109	2023-09-18	209
110	2023-09-19	210
111	2023-09-20	211
112	2023-09-21	212
113	2023-09-22	213
114	2023-09-23	214
115	2023-09-24	215
116	2023-09-25	216
117	2023-09-26	217
118	2023-09-27	218
119	2023-09-28	219
120	2023-09-29	220
121	2023-09-30	221
122	2023-10-01	222
123	2023-10-02	223
124	2023-10-03	224
125	2023-10-04	225
126	2023-10-05	226
127	2023-10-06	227
128	2023-10-07	228
129	2023-10-08	229
130	2023-10-09	230
131	2023-10-10	231
132	2023-10-11	232
133	2023-10-12	233
134	2023-10-13	234
135	2023-10-14	235
136	2023-10-15	236
137	2023-10-16	237
138	2023-10-17	238
139	2023-10-18	239
140	2023-10-19	240
141	2023-10-20	241
142	2023-10-21	242
143	2023-10-22	243
144	2023-10-23	244
145	2023-10-24	245
146	2023-10-25	246
147	2023-10-26	247
148	2023-10-27	248
149	2023-10-28	249
150	2023-10-29	250
151	2023-10-30	251
152	2023-10-31	252
153	2023-11-01	253
154	2023-11-02	254
155	2023-11-03	255
156	2023-11-04	256
157	2023-11-05	257
158	2023-11-06	258
159	2023-11-07	259
160	2023-11-08	260
161	2023-11-09	261
162	2023-11-10	262
163	2023-11-11	263
164	2023-11-12	264
165	2023-11-13	265
166	2023-11-14	266
167	2023-11-15	267
168	2023-11-16	268
169	2023-11-17	269
170	2023-11-18	270
171	2023-11-19	271
172	2023-11-20	272
173	2023-11-21	273
174	2023-11-22	274
175	2023-11-23	275
176	2023-11-24	276
177	2023-11-25	277
178	2023-11-26	278
179	2023-11-27	279
180	2023-11-28	280
181	2023-11-29	281
182	2023-11-30	282
183	2023-12-01	283
184	2023-12-02	284
185	2023-12-03	285
186	2023-12-04	286
187	2023-12-05	287
188	2023-12-06	288
189	2023-12-07	289
190	2023-12-08	290
191	2023-12-09	291
192	2023-12-10	292
193	2023-12-11	293
194	2023-12-12	294
195	2023-12-13	295
196	2023-12-14	296
197	2023-12-15	297
198	2023-12-16	298
199	2023-12-17	299
200	2023-12-18	300
201	2023-12-19	301
202	2023-12-20	302
203	2023-12-21	303
204	2023-12-22	304
205	2023-12-23	305
206	2023-12-24	306
207	2023-12-25	307
208	2023-12-26	308
209	2023-12-27	309
210	2023-12-28	310
211	2023-12-29	311
212	2023-12-30	312
213	2023-12-31	313
\.


--
-- Data for Name: orders_2024_0; Type: TABLE DATA; Schema: shop; Owner: postgres
--

COPY shop.orders_2024_0 (id, made, customer) FROM stdin;
214	2024-01-01	314
215	2024-01-02	315
216	2024-01-03	316
219	2024-01-06	319
222	2024-01-09	322
223	2024-01-10	323
225	2024-01-12	325
226	2024-01-13	326
227	2024-01-14	327
229	2024-01-16	329
230	2024-01-17	330
232	2024-01-19	332
236	2024-01-23	336
238	2024-01-25	338
239	2024-01-26	339
240	2024-01-27	340
242	2024-01-29	342
247	2024-02-03	347
248	2024-02-04	348
251	2024-02-07	351
252	2024-02-08	352
255	2024-02-11	355
256	2024-02-12	356
261	2024-02-17	361
262	2024-02-18	362
263	2024-02-19	363
266	2024-02-22	366
267	2024-02-23	367
270	2024-02-26	370
275	2024-03-02	375
277	2024-03-04	377
283	2024-03-10	383
284	2024-03-11	384
292	2024-03-19	392
294	2024-03-21	394
296	2024-03-23	396
297	2024-03-24	397
298	2024-03-25	398
299	2024-03-26	399
300	2024-03-27	400
302	2024-03-29	402
305	2024-04-01	405
306	2024-04-02	406
307	2024-04-03	407
308	2024-04-04	408
312	2024-04-08	412
314	2024-04-10	414
316	2024-04-12	416
317	2024-04-13	417
321	2024-04-17	421
324	2024-04-20	424
325	2024-04-21	425
326	2024-04-22	426
330	2024-04-26	430
331	2024-04-27	431
332	2024-04-28	432
336	2024-05-02	436
338	2024-05-04	438
340	2024-05-06	440
343	2024-05-09	443
344	2024-05-10	444
345	2024-05-11	445
346	2024-05-12	446
347	2024-05-13	447
350	2024-05-16	450
351	2024-05-17	451
354	2024-05-20	454
357	2024-05-23	457
359	2024-05-25	459
361	2024-05-27	461
362	2024-05-28	462
365	2024-05-31	465
366	2024-06-01	466
367	2024-06-02	467
370	2024-06-05	470
371	2024-06-06	471
372	2024-06-07	472
375	2024-06-10	475
376	2024-06-11	476
378	2024-06-13	478
379	2024-06-14	479
380	2024-06-15	480
382	2024-06-17	482
383	2024-06-18	483
384	2024-06-19	484
385	2024-06-20	485
386	2024-06-21	486
387	2024-06-22	487
388	2024-06-23	488
390	2024-06-25	490
391	2024-06-26	491
393	2024-06-28	493
395	2024-06-30	495
\.


--
-- Data for Name: orders_2024_1; Type: TABLE DATA; Schema: shop; Owner: postgres
--

COPY shop.orders_2024_1 (id, made, customer) FROM stdin;
217	2024-01-04	317
218	2024-01-05	318
220	2024-01-07	320
221	2024-01-08	321
224	2024-01-11	324
228	2024-01-15	328
231	2024-01-18	331
233	2024-01-20	333
234	2024-01-21	334
235	2024-01-22	335
237	2024-01-24	337
241	2024-01-28	341
243	2024-01-30	343
244	2024-01-31	344
245	2024-02-01	345
246	2024-02-02	346
249	2024-02-05	349
250	2024-02-06	350
253	2024-02-09	353
254	2024-02-10	354
257	2024-02-13	357
258	2024-02-14	358
259	2024-02-15	359
260	2024-02-16	360
264	2024-02-20	364
265	2024-02-21	365
268	2024-02-24	368
269	2024-02-25	369
271	2024-02-27	371
272	2024-02-28	372
273	2024-02-29	373
274	2024-03-01	374
276	2024-03-03	376
278	2024-03-05	378
279	2024-03-06	379
280	2024-03-07	380
281	2024-03-08	381
282	2024-03-09	382
285	2024-03-12	385
286	2024-03-13	386
287	2024-03-14	387
288	2024-03-15	388
289	2024-03-16	389
290	2024-03-17	390
291	2024-03-18	391
293	2024-03-20	393
295	2024-03-22	395
301	2024-03-28	401
303	2024-03-30	403
304	2024-03-31	404
309	2024-04-05	409
310	2024-04-06	410
311	2024-04-07	411
313	2024-04-09	413
315	2024-04-11	415
318	2024-04-14	418
319	2024-04-15	419
320	2024-04-16	420
322	2024-04-18	422
323	2024-04-19	423
327	2024-04-23	427
328	2024-04-24	428
329	2024-04-25	429
333	2024-04-29	433
334	2024-04-30	434
335	2024-05-01	435
337	2024-05-03	437
339	2024-05-05	439
341	2024-05-07	441
342	2024-05-08	442
348	2024-05-14	448
349	2024-05-15	449
352	2024-05-18	452
353	2024-05-19	453
355	2024-05-21	455
356	2024-05-22	456
358	2024-05-24	458
360	2024-05-26	460
363	2024-05-29	463
364	2024-05-30	464
368	2024-06-03	468
369	2024-06-04	469
373	2024-06-08	473
374	2024-06-09	474
377	2024-06-12	477
381	2024-06-16	481
389	2024-06-24	489
392	2024-06-27	492
394	2024-06-29	494
396	2024-07-01	496
397	2024-07-02	497
398	2024-07-03	498
399	2024-07-04	499
400	2024-07-05	500
\.


--
-- Data for Name: products; Type: TABLE DATA; Schema: shop; Owner: postgres
--

COPY shop.products (id, code, price, weight, picture, valid, note, search, host, area) FROM stdin;
1	p1      	1.05	1	\\xc4ca4238a0b923820dcc509a6f75849b	[2023-01-01,)	<a>1</a>	'word1':1	10.0.0.1	(1.5,1.5),(1,1)
2	p2      	2.10	0.5	\\xc81e728d9d4c2f636f067f89cc14862c	[2023-01-01,)	<a>2</a>	'word2':1	10.0.0.1	(2.5,2.5),(2,2)
3	p3      	3.15	0.3333333333333333	\\xeccbc87e4b5ce2fe28308fd9f2a7baf3	[2023-01-01,)	<a>3</a>	'word3':1	10.0.0.1	(3.5,3.5),(3,3)
4	p4      	4.20	0.25	\\xa87ff679a2f3e71d9181a67b7542122c	[2023-01-01,)	<a>4</a>	'word4':1	10.0.0.1	(4.5,4.5),(4,4)
5	p5      	5.25	0.2	\\xe4da3b7fbbce2345d7772b0674a318d5	[2023-01-01,)	<a>5</a>	'word5':1	10.0.0.1	(5.5,5.5),(5,5)
6	p6      	6.30	0.16666666666666666	\\x1679091c5a880faf6fb5e6087eb1b2dc	[2023-01-01,)	<a>6</a>	'word6':1	10.0.0.1	(6.5,6.5),(6,6)
7	p7      	7.35	0.14285714285714285	\\x8f14e45fceea167a5a36dedd4bea2543	[2023-01-01,)	<a>7</a>	'word7':1	10.0.0.1	(7.5,7.5),(7,7)
8	p8      	8.40	0.125	\\xc9f0f895fb98ab9159f51fd0297e236d	[2023-01-01,)	<a>8</a>	'word8':1	10.0.0.1	(8.5,8.5),(8,8)
9	p9      	9.45	0.1111111111111111	\\x45c48cce2e2d7fbdea1afc51c7c6ad26	[2023-01-01,)	<a>9</a>	'word9':1	10.0.0.1	(9.5,9.5),(9,9)
10	p10     	10.50	0.1	\\xd3d9446802a44259755d38e6d163e820	[2023-01-01,)	<a>10</a>	'word10':1	10.0.0.1	(10.5,10.5),(10,10)
11	p11     	11.55	0.09090909090909091	\\x6512bd43d9caa6e02c990b0a82652dca	[2023-01-01,)	<a>11</a>	'word11':1	10.0.0.1	(11.5,11.5),(11,11)
12	p12     	12.60	0.08333333333333333	\\xc20ad4d76fe97759aa27a0c99bff6710	[2023-01-01,)	<a>12</a>	'word12':1	10.0.0.1	(12.5,12.5),(12,12)
13	p13     	13.65	0.07692307692307693	\\xc51ce410c124a10e0db5e4b97fc2af39	[2023-01-01,)	<a>13</a>	'word13':1	10.0.0.1	(13.5,13.5),(13,13)
14	p14     	14.70	0.07142857142857142	\\xaab3238922bcc25a6f606eb525ffdc56	[2023-01-01,)	<a>14</a>	'word14':1	10.0.0.1	(14.5,14.5),(14,14)
15	p15     	15.75	0.06666666666666667	\\x9bf31c7ff062936a96d3c8bd1f8f2ff3	[2023-01-01,)	<a>15</a>	'word15':1	10.0.0.1	(15.5,15.5),(15,15)
16	p16     	16.80	0.0625	\\xc74d97b01eae257e44aa9d5bade97baf	[2023-01-01,)	<a>16</a>	'word16':1	10.0.0.1	(16.5,16.5),(16,16)
17	p17     	17.85	0.058823529411764705	\\x70efdf2ec9b086079795c442636b55fb	[2023-01-01,)	<a>17</a>	'word17':1	10.0.0.1	(17.5,17.5),(17,17)
18	p18     	18.90	0.05555555555555555	\\x6f4922f45568161a8cdf4ad2299f6d23	[2023-01-01,)	<a>18</a>	'word18':1	10.0.0.1	(18.5,18.5),(18,18)
19	p19     	19.95	0.05263157894736842	\\x1f0e3dad99908345f7439f8ffabdffc4	[2023-01-01,)	<a>19</a>	'word19':1	10.0.0.1	(19.5,19.5),(19,19)
20	p20     	21.00	0.05	\\x98f13708210194c475687be6106a3b84	[2023-01-01,)	<a>20</a>	'word20':1	10.0.0.1	(20.5,20.5),(20,20)
21	p21     	22.05	0.047619047619047616	\\x3c59dc048e8850243be8079a5c74d079	[2023-01-01,)	<a>21</a>	'word21':1	10.0.0.1	(21.5,21.5),(21,21)
22	p22     	23.10	0.045454545454545456	\\xb6d767d2f8ed5d21a44b0e5886680cb9	[2023-01-01,)	<a>22</a>	'word22':1	10.0.0.1	(22.5,22.5),(22,22)
23	p23     	24.15	0.043478260869565216	\\x37693cfc748049e45d87b8c7d8b9aacd	[2023-01-01,)	<a>23</a>	'word23':1	10.0.0.1	(23.5,23.5),(23,23)
24	p24     	25.20	0.041666666666666664	\\x1ff1de774005f8da13f42943881c655f	[2023-01-01,)	<a>24</a>	'word24':1	10.0.0.1	(24.5,24.5),(24,24)
25	p25     	26.25	0.04	\\x8e296a067a37563370ded05f5a3bf3ec	[2023-01-01,)	<a>25</a>	'word25':1	10.0.0.1	(25.5,25.5),(25,25)
26	p26     	27.30	0.038461538461538464	\\x4e732ced3463d06de0ca9a15b6153677	[2023-01-01,)	<a>26</a>	'word26':1	10.0.0.1	(26.5,26.5),(26,26)
27	p27     	28.35	0.037037037037037035	\\x02e74f10e0327ad868d138f2b4fdd6f0	[2023-01-01,)	<a>27</a>	'word27':1	10.0.0.1	(27.5,27.5),(27,27)
28	p28     	29.40	0.03571428571428571	\\x33e75ff09dd601bbe69f351039152189	[2023-01-01,)	<a>28</a>	'word28':1	10.0.0.1	(28.5,28.5),(28,28)
29	p29     	30.45	0.034482758620689655	\\x6ea9ab1baa0efb9e19094440c317e21b	[2023-01-01,)	<a>29</a>	'word29':1	10.0.0.1	(29.5,29.5),(29,29)
30	p30     	31.50	0.03333333333333333	\\x34173cb38f07f89ddbebc2ac9128303f	[2023-01-01,)	<a>30</a>	'word30':1	10.0.0.1	(30.5,30.5),(30,30)
31	p31     	32.55	0.03225806451612903	\\xc16a5320fa475530d9583c34fd356ef5	[2023-01-01,)	<a>31</a>	'word31':1	10.0.0.1	(31.5,31.5),(31,31)
32	p32     	33.60	0.03125	\\x6364d3f0f495b6ab9dcf8d3b5c6e0b01	[2023-01-01,)	<a>32</a>	'word32':1	10.0.0.1	(32.5,32.5),(32,32)
33	p33     	34.65	0.030303030303030304	\\x182be0c5cdcd5072bb1864cdee4d3d6e	[2023-01-01,)	<a>33</a>	'word33':1	10.0.0.1	(33.5,33.5),(33,33)
34	p34     	35.70	0.029411764705882353	\\xe369853df766fa44e1ed0ff613f563bd	[2023-01-01,)	<a>34</a>	'word34':1	10.0.0.1	(34.5,34.5),(34,34)
35	p35     	36.75	0.02857142857142857	\\x1c383cd30b7c298ab50293adfecb7b18	[2023-01-01,)	<a>35</a>	'word35':1	10.0.0.1	(35.5,35.5),(35,35)
36	p36     	37.80	0.027777777777777776	\\x19ca14e7ea6328a42e0eb13d585e4c22	[2023-01-01,)	<a>36</a>	'word36':1	10.0.0.1	(36.5,36.5),(36,36)
37	p37     	38.85	0.02702702702702703	\\xa5bfc9e07964f8dddeb95fc584cd965d	[2023-01-01,)	<a>37</a>	'word37':1	10.0.0.1	(37.5,37.5),(37,37)
38	p38     	39.90	0.02631578947368421	\\xa5771bce93e200c36f7cd9dfd0e5deaa	[2023-01-01,)	<a>38</a>	'word38':1	10.0.0.1	(38.5,38.5),(38,38)
39	p39     	40.95	0.02564102564102564	\\xd67d8ab4f4c10bf22aa353e27879133c	[2023-01-01,)	<a>39</a>	'word39':1	10.0.0.1	(39.5,39.5),(39,39)
40	p40     	42.00	0.025	\\xd645920e395fedad7bbbed0eca3fe2e0	[2023-01-01,)	<a>40</a>	'word40':1	10.0.0.1	(40.5,40.5),(40,40)
41	p41     	43.05	0.024390243902439025	\\x3416a75f4cea9109507cacd8e2f2aefc	[2023-01-01,)	<a>41</a>	'word41':1	10.0.0.1	(41.5,41.5),(41,41)
42	p42     	44.10	0.023809523809523808	\\xa1d0c6e83f027327d8461063f4ac58a6	[2023-01-01,)	<a>42</a>	'word42':1	10.0.0.1	(42.5,42.5),(42,42)
43	p43     	45.15	0.023255813953488372	\\x17e62166fc8586dfa4d1bc0e1742c08b	[2023-01-01,)	<a>43</a>	'word43':1	10.0.0.1	(43.5,43.5),(43,43)
44	p44     	46.20	0.022727272727272728	\\xf7177163c833dff4b38fc8d2872f1ec6	[2023-01-01,)	<a>44</a>	'word44':1	10.0.0.1	(44.5,44.5),(44,44)
45	p45     	47.25	0.022222222222222223	\\x6c8349cc7260ae62e3b1396831a8398f	[2023-01-01,)	<a>45</a>	'word45':1	10.0.0.1	(45.5,45.5),(45,45)
46	p46     	48.30	0.021739130434782608	\\xd9d4f495e875a2e075a1a4a6e1b9770f	[2023-01-01,)	<a>46</a>	'word46':1	10.0.0.1	(46.5,46.5),(46,46)
47	p47     	49.35	0.02127659574468085	\\x67c6a1e7ce56d3d6fa748ab6d9af3fd7	[2023-01-01,)	<a>47</a>	'word47':1	10.0.0.1	(47.5,47.5),(47,47)
48	p48     	50.40	0.020833333333333332	\\x642e92efb79421734881b53e1e1b18b6	[2023-01-01,)	<a>48</a>	'word48':1	10.0.0.1	(48.5,48.5),(48,48)
49	p49     	51.45	0.02040816326530612	\\xf457c545a9ded88f18ecee47145a72c0	[2023-01-01,)	<a>49</a>	'word49':1	10.0.0.1	(49.5,49.5),(49,49)
50	p50     	52.50	0.02	\\xc0c7c76d30bd3dcaefc96f40275bdc0a	[2023-01-01,)	<a>50</a>	'word50':1	10.0.0.1	(50.5,50.5),(50,50)
51	p51     	53.55	0.0196078431372549	\\x2838023a778dfaecdc212708f721b788	[2023-01-01,)	<a>51</a>	'word51':1	10.0.0.1	(51.5,51.5),(51,51)
52	p52     	54.60	0.019230769230769232	\\x9a1158154dfa42caddbd0694a4e9bdc8	[2023-01-01,)	<a>52</a>	'word52':1	10.0.0.1	(52.5,52.5),(52,52)
53	p53     	55.65	0.018867924528301886	\\xd82c8d1619ad8176d665453cfb2e55f0	[2023-01-01,)	<a>53</a>	'word53':1	10.0.0.1	(53.5,53.5),(53,53)
54	p54     	56.70	0.018518518518518517	\\xa684eceee76fc522773286a895bc8436	[2023-01-01,)	<a>54</a>	'word54':1	10.0.0.1	(54.5,54.5),(54,54)
55	p55     	57.75	0.01818181818181818	\\xb53b3a3d6ab90ce0268229151c9bde11	[2023-01-01,)	<a>55</a>	'word55':1	10.0.0.1	(55.5,55.5),(55,55)
56	p56     	58.80	0.017857142857142856	\\x9f61408e3afb633e50cdf1b20de6f466	[2023-01-01,)	<a>56</a>	'word56':1	10.0.0.1	(56.5,56.5),(56,56)
57	p57     	59.85	0.017543859649122806	\\x72b32a1f754ba1c09b3695e0cb6cde7f	[2023-01-01,)	<a>57</a>	'word57':1	10.0.0.1	(57.5,57.5),(57,57)
58	p58     	60.90	0.017241379310344827	\\x66f041e16a60928b05a7e228a89c3799	[2023-01-01,)	<a>58</a>	'word58':1	10.0.0.1	(58.5,58.5),(58,58)
59	p59     	61.95	0.01694915254237288	\\x093f65e080a295f8076b1c5722a46aa2	[2023-01-01,)	<a>59</a>	'word59':1	10.0.0.1	(59.5,59.5),(59,59)
60	p60     	63.00	0.016666666666666666	\\x072b030ba126b2f4b2374f342be9ed44	[2023-01-01,)	<a>60</a>	'word60':1	10.0.0.1	(60.5,60.5),(60,60)
61	p61     	64.05	0.01639344262295082	\\x7f39f8317fbdb1988ef4c628eba02591	[2023-01-01,)	<a>61</a>	'word61':1	10.0.0.1	(61.5,61.5),(61,61)
62	p62     	65.10	0.016129032258064516	\\x44f683a84163b3523afe57c2e008bc8c	[2023-01-01,)	<a>62</a>	'word62':1	10.0.0.1	(62.5,62.5),(62,62)
63	p63     	66.15	0.015873015873015872	\\x03afdbd66e7929b125f8597834fa83a4	[2023-01-01,)	<a>63</a>	'word63':1	10.0.0.1	(63.5,63.5),(63,63)
64	p64     	67.20	0.015625	\\xea5d2f1c4608232e07d3aa3d998e5135	[2023-01-01,)	<a>64</a>	'word64':1	10.0.0.1	(64.5,64.5),(64,64)
65	p65     	68.25	0.015384615384615385	\\xfc490ca45c00b1249bbe3554a4fdf6fb	[2023-01-01,)	<a>65</a>	'word65':1	10.0.0.1	(65.5,65.5),(65,65)
66	p66     	69.30	0.015151515151515152	\\x3295c76acbf4caaed33c36b1b5fc2cb1	[2023-01-01,)	<a>66</a>	'word66':1	10.0.0.1	(66.5,66.5),(66,66)
67	p67     	70.35	0.014925373134328358	\\x735b90b4568125ed6c3f678819b6e058	[2023-01-01,)	<a>67</a>	'word67':1	10.0.0.1	(67.5,67.5),(67,67)
68	p68     	71.40	0.014705882352941176	\\xa3f390d88e4c41f2747bfa2f1b5f87db	[2023-01-01,)	<a>68</a>	'word68':1	10.0.0.1	(68.5,68.5),(68,68)
69	p69     	72.45	0.014492753623188406	\\x14bfa6bb14875e45bba028a21ed38046	[2023-01-01,)	<a>69</a>	'word69':1	10.0.0.1	(69.5,69.5),(69,69)
70	p70     	73.50	0.014285714285714285	\\x7cbbc409ec990f19c78c75bd1e06f215	[2023-01-01,)	<a>70</a>	'word70':1	10.0.0.1	(70.5,70.5),(70,70)
71	p71     	74.55	0.014084507042253521	\\xe2c420d928d4bf8ce0ff2ec19b371514	[2023-01-01,)	<a>71</a>	'word71':1	10.0.0.1	(71.5,71.5),(71,71)
72	p72     	75.60	0.013888888888888888	\\x32bb90e8976aab5298d5da10fe66f21d	[2023-01-01,)	<a>72</a>	'word72':1	10.0.0.1	(72.5,72.5),(72,72)
73	p73     	76.65	0.0136986301369863	\\xd2ddea18f00665ce8623e36bd4e3c7c5	[2023-01-01,)	<a>73</a>	'word73':1	10.0.0.1	(73.5,73.5),(73,73)
74	p74     	77.70	0.013513513513513514	\\xad61ab143223efbc24c7d2583be69251	[2023-01-01,)	<a>74</a>	'word74':1	10.0.0.1	(74.5,74.5),(74,74)
75	p75     	78.75	0.013333333333333334	\\xd09bf41544a3365a46c9077ebb5e35c3	[2023-01-01,)	<a>75</a>	'word75':1	10.0.0.1	(75.5,75.5),(75,75)
76	p76     	79.80	0.013157894736842105	\\xfbd7939d674997cdb4692d34de8633c4	[2023-01-01,)	<a>76</a>	'word76':1	10.0.0.1	(76.5,76.5),(76,76)
77	p77     	80.85	0.012987012987012988	\\x28dd2c7955ce926456240b2ff0100bde	[2023-01-01,)	<a>77</a>	'word77':1	10.0.0.1	(77.5,77.5),(77,77)
78	p78     	81.90	0.01282051282051282	\\x35f4a8d465e6e1edc05f3d8ab658c551	[2023-01-01,)	<a>78</a>	'word78':1	10.0.0.1	(78.5,78.5),(78,78)
79	p79     	82.95	0.012658227848101266	\\xd1fe173d08e959397adf34b1d77e88d7	[2023-01-01,)	<a>79</a>	'word79':1	10.0.0.1	(79.5,79.5),(79,79)
80	p80     	84.00	0.0125	\\xf033ab37c30201f73f142449d037028d	[2023-01-01,)	<a>80</a>	'word80':1	10.0.0.1	(80.5,80.5),(80,80)
81	p81     	85.05	0.012345679012345678	\\x43ec517d68b6edd3015b3edc9a11367b	[2023-01-01,)	<a>81</a>	'word81':1	10.0.0.1	(81.5,81.5),(81,81)
82	p82     	86.10	0.012195121951219513	\\x9778d5d219c5080b9a6a17bef029331c	[2023-01-01,)	<a>82</a>	'word82':1	10.0.0.1	(82.5,82.5),(82,82)
83	p83     	87.15	0.012048192771084338	\\xfe9fc289c3ff0af142b6d3bead98a923	[2023-01-01,)	<a>83</a>	'word83':1	10.0.0.1	(83.5,83.5),(83,83)
84	p84     	88.20	0.011904761904761904	\\x68d30a9594728bc39aa24be94b319d21	[2023-01-01,)	<a>84</a>	'word84':1	10.0.0.1	(84.5,84.5),(84,84)
85	p85     	89.25	0.011764705882352941	\\x3ef815416f775098fe977004015c6193	[2023-01-01,)	<a>85</a>	'word85':1	10.0.0.1	(85.5,85.5),(85,85)
86	p86     	90.30	0.011627906976744186	\\x93db85ed909c13838ff95ccfa94cebd9	[2023-01-01,)	<a>86</a>	'word86':1	10.0.0.1	(86.5,86.5),(86,86)
87	p87     	91.35	0.011494252873563218	\\xc7e1249ffc03eb9ded908c236bd1996d	[2023-01-01,)	<a>87</a>	'word87':1	10.0.0.1	(87.5,87.5),(87,87)
88	p88     	92.40	0.011363636363636364	\\x2a38a4a9316c49e5a833517c45d31070	[2023-01-01,)	<a>88</a>	'word88':1	10.0.0.1	(88.5,88.5),(88,88)
89	p89     	93.45	0.011235955056179775	\\x7647966b7343c29048673252e490f736	[2023-01-01,)	<a>89</a>	'word89':1	10.0.0.1	(89.5,89.5),(89,89)
90	p90     	94.50	0.011111111111111112	\\x8613985ec49eb8f757ae6439e879bb2a	[2023-01-01,)	<a>90</a>	'word90':1	10.0.0.1	(90.5,90.5),(90,90)
91	p91     	95.55	0.01098901098901099	\\x54229abfcfa5649e7003b83dd4755294	[2023-01-01,)	<a>91</a>	'word91':1	10.0.0.1	(91.5,91.5),(91,91)
92	p92     	96.60	0.010869565217391304	\\x92cc227532d17e56e07902b254dfad10	[2023-01-01,)	<a>92</a>	'word92':1	10.0.0.1	(92.5,92.5),(92,92)
93	p93     	97.65	0.010752688172043012	\\x98dce83da57b0395e163467c9dae521b	[2023-01-01,)	<a>93</a>	'word93':1	10.0.0.1	(93.5,93.5),(93,93)
94	p94     	98.70	0.010638297872340425	\\xf4b9ec30ad9f68f89b29639786cb62ef	[2023-01-01,)	<a>94</a>	'word94':1	10.0.0.1	(94.5,94.5),(94,94)
95	p95     	99.75	0.010526315789473684	\\x812b4ba287f5ee0bc9d43bbf5bbe87fb	[2023-01-01,)	<a>95</a>	'word95':1	10.0.0.1	(95.5,95.5),(95,95)
96	p96     	100.80	0.010416666666666666	\\x26657d5ff9020d2abefe558796b99584	[2023-01-01,)	<a>96</a>	'word96':1	10.0.0.1	(96.5,96.5),(96,96)
97	p97     	101.85	0.010309278350515464	\\xe2ef524fbf3d9fe611d5a8e90fefdc9c	[2023-01-01,)	<a>97</a>	'word97':1	10.0.0.1	(97.5,97.5),(97,97)
98	p98     	102.90	0.01020408163265306	\\xed3d2c21991e3bef5e069713af9fa6ca	[2023-01-01,)	<a>98</a>	'word98':1	10.0.0.1	(98.5,98.5),(98,98)
99	p99     	103.95	0.010101010101010102	\\xac627ab1ccbdb62ec96e702f07f6425b	[2023-01-01,)	<a>99</a>	'word99':1	10.0.0.1	(99.5,99.5),(99,99)
100	p100    	105.00	0.01	\\xf899139df5e1059396431415e770c6dd	[2023-01-01,)	<a>100</a>	'word100':1	10.0.0.1	(100.5,100.5),(100,100)
\.


--
-- Data for Name: settings; Type: TABLE DATA; Schema: shop; Owner: postgres
--

COPY shop.settings (key, value) FROM stdin;
version	1
text	long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long 
nothing	\N
\.


--
-- Name: customers_id_seq; Type: SEQUENCE SET; Schema: shop; Owner: postgres
--

SELECT pg_catalog.setval('shop.customers_id_seq', 599, true);


--
-- Name: numbers; Type: SEQUENCE SET; Schema: shop; Owner: postgres
--

SELECT pg_catalog.setval('shop.numbers', 55, true);


--
-- Name: products_id_seq; Type: SEQUENCE SET; Schema: shop; Owner: postgres
--

SELECT pg_catalog.setval('shop.products_id_seq', 100, true);


--
-- Statistics for Name: big_orders; Type: STATISTICS DATA; Schema: shop; Owner: -
--

SELECT * FROM pg_catalog.pg_restore_relation_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'big_orders',
	'relpages', '1'::integer,
	'reltuples', '9'::real,
	'relallvisible', '0'::integer,
	'relallfrozen', '0'::integer
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'big_orders',
	'attname', 'amount',
	'inherited', 'f'::boolean,
	'null_frac', '0'::real,
	'avg_width', '4'::integer,
	'n_distinct', '-0.11111111'::real,
	'most_common_vals', '{100}'::text,
	'most_common_freqs', '{1}'::real[],
	'correlation', '1'::real
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'big_orders',
	'attname', 'line',
	'inherited', 'f'::boolean,
	'null_frac', '0'::real,
	'avg_width', '2'::integer,
	'n_distinct', '-0.11111111'::real,
	'most_common_vals', '{2}'::text,
	'most_common_freqs', '{1}'::real[],
	'correlation', '1'::real
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'big_orders',
	'attname', 'made',
	'inherited', 'f'::boolean,
	'null_frac', '0'::real,
	'avg_width', '4'::integer,
	'n_distinct', '-1'::real,
	'histogram_bounds', '{2023-06-02,2023-06-06,2023-06-10}'::text,
	'correlation', '1'::real
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'big_orders',
	'attname', 'order_id',
	'inherited', 'f'::boolean,
	'null_frac', '0'::real,
	'avg_width', '4'::integer,
	'n_distinct', '-1'::real,
	'histogram_bounds', '{1,5,9}'::text,
	'correlation', '1'::real
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'big_orders',
	'attname', 'product',
	'inherited', 'f'::boolean,
	'null_frac', '0'::real,
	'avg_width', '4'::integer,
	'n_distinct', '-0.11111111'::real,
	'most_common_vals', '{1}'::text,
	'most_common_freqs', '{1}'::real[],
	'correlation', '1'::real
);


--
-- Statistics for Name: customers; Type: STATISTICS DATA; Schema: shop; Owner: -
--

SELECT * FROM pg_catalog.pg_restore_relation_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'customers',
	'relpages', '15'::integer,
	'reltuples', '500'::real,
	'relallvisible', '0'::integer,
	'relallfrozen', '0'::integer
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'customers',
	'attname', 'attributes',
	'inherited', 'f'::boolean,
	'null_frac', '0'::real,
	'avg_width', '16'::integer,
	'n_distinct', '-1'::real,
	'histogram_bounds', '{"\"k\"=>\"1\"","\"k\"=>\"323\"","\"k\"=>\"99\""}'::text,
	'correlation', '0.35042155'::real
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'customers',
	'attname', 'changed',
	'inherited', 'f'::boolean,
	'null_frac', '1'::real,
	'avg_width', '8'::integer,
	'n_distinct', '0'::real
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'customers',
	'attname', 'facts',
	'inherited', 'f'::boolean,
	'null_frac', '0'::real,
	'avg_width', '57'::integer,
	'n_distinct', '-1'::real,
	'histogram_bounds', '{"{\"n\": 1, \"deep\": [1, null]}","{\"n\": 250, \"deep\": [250, null]}","{\"n\": 500, \"deep\": [500, null]}"}'::text,
	'correlation', '1'::real
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'customers',
	'attname', 'feeling',
	'inherited', 'f'::boolean,
	'null_frac', '0'::real,
	'avg_width', '4'::integer,
	'n_distinct', '3'::real,
	'most_common_vals', '{ok,happy}'::text,
	'most_common_freqs', '{0.334,0.334}'::real[],
	'correlation', '0.33466935'::real
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'customers',
	'attname', 'id',
	'inherited', 'f'::boolean,
	'null_frac', '0'::real,
	'avg_width', '8'::integer,
	'n_distinct', '-1'::real,
	'histogram_bounds', '{100,349,599}'::text,
	'correlation', '1'::real
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'customers',
	'attname', 'initial',
	'inherited', 'f'::boolean,
	'null_frac', '0'::real,
	'avg_width', '2'::integer,
	'n_distinct', '1'::real,
	'most_common_vals', '{N}'::text,
	'most_common_freqs', '{1}'::real[],
	'correlation', '1'::real
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'customers',
	'attname', 'lives',
	'inherited', 'f'::boolean,
	'null_frac', '0'::real,
	'avg_width', '38'::integer,
	'n_distinct', '-1'::real,
	'histogram_bounds', '{"(\"Street 1\",\"Town 1\")","(\"Street 323\",\"Town 1\")","(\"Street 99\",\"Town 1\")"}'::text,
	'correlation', '0.35042155'::real
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'customers',
	'attname', 'mail',
	'inherited', 'f'::boolean,
	'null_frac', '0'::real,
	'avg_width', '6'::integer,
	'n_distinct', '-1'::real,
	'histogram_bounds', '{c100@x,c325@x,c9@x}'::text,
	'correlation', '0.32813028'::real
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'customers',
	'attname', 'name',
	'inherited', 'f'::boolean,
	'null_frac', '0'::real,
	'avg_width', '12'::integer,
	'n_distinct', '-1'::real,
	'histogram_bounds', '{"Name 1 ä\\","Name 323 ä\\","Name 99 ä\\"}'::text,
	'correlation', '0.35042155'::real
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'customers',
	'attname', 'tags',
	'inherited', 'f'::boolean,
	'null_frac', '0'::real,
	'avg_width', '48'::integer,
	'n_distinct', '-1'::real,
	'histogram_bounds', '{"{a,NULL,\"b\\\"1\"}","{a,NULL,\"b\\\"323\"}","{a,NULL,\"b\\\"99\"}"}'::text,
	'correlation', '0.35042155'::real,
	'most_common_elems', '{a}'::text,
	'most_common_elem_freqs', '{1,1,1,1}'::real[],
	'elem_count_histogram', '{2,2,2}'::real[]
);


--
-- Statistics for Name: order_lines; Type: STATISTICS DATA; Schema: shop; Owner: -
--

SELECT * FROM pg_catalog.pg_restore_relation_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'order_lines',
	'relpages', '3'::integer,
	'reltuples', '400'::real,
	'relallvisible', '0'::integer,
	'relallfrozen', '0'::integer
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'order_lines',
	'attname', 'amount',
	'inherited', 'f'::boolean,
	'null_frac', '0'::real,
	'avg_width', '4'::integer,
	'n_distinct', '1'::real,
	'most_common_vals', '{3}'::text,
	'most_common_freqs', '{1}'::real[],
	'correlation', '1'::real
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'order_lines',
	'attname', 'amount',
	'inherited', 't'::boolean,
	'null_frac', '0'::real,
	'avg_width', '4'::integer,
	'n_distinct', '2'::real,
	'most_common_vals', '{3,100}'::text,
	'most_common_freqs', '{0.9779951,0.02200489}'::real[],
	'correlation', '1'::real
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'order_lines',
	'attname', 'line',
	'inherited', 'f'::boolean,
	'null_frac', '0'::real,
	'avg_width', '2'::integer,
	'n_distinct', '1'::real,
	'most_common_vals', '{1}'::text,
	'most_common_freqs', '{1}'::real[],
	'correlation', '1'::real
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'order_lines',
	'attname', 'line',
	'inherited', 't'::boolean,
	'null_frac', '0'::real,
	'avg_width', '2'::integer,
	'n_distinct', '2'::real,
	'most_common_vals', '{1,2}'::text,
	'most_common_freqs', '{0.9779951,0.02200489}'::real[],
	'correlation', '1'::real
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'order_lines',
	'attname', 'made',
	'inherited', 'f'::boolean,
	'null_frac', '0'::real,
	'avg_width', '4'::integer,
	'n_distinct', '-1'::real,
	'histogram_bounds', '{2023-06-02,2023-12-18,2024-07-05}'::text,
	'correlation', '0.9435785'::real
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'order_lines',
	'attname', 'made',
	'inherited', 't'::boolean,
	'null_frac', '0'::real,
	'avg_width', '4'::integer,
	'n_distinct', '-0.9779951'::real,
	'most_common_vals', '{2023-06-02,2023-06-03}'::text,
	'most_common_freqs', '{0.004889976,0.004889976}'::real[],
	'histogram_bounds', '{2023-06-04,2023-12-16,2024-07-05}'::text,
	'correlation', '0.82127506'::real
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'order_lines',
	'attname', 'order_id',
	'inherited', 'f'::boolean,
	'null_frac', '0'::real,
	'avg_width', '4'::integer,
	'n_distinct', '-1'::real,
	'histogram_bounds', '{1,200,400}'::text,
	'correlation', '0.9435785'::real
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'order_lines',
	'attname', 'order_id',
	'inherited', 't'::boolean,
	'null_frac', '0'::real,
	'avg_width', '4'::integer,
	'n_distinct', '-0.9779951'::real,
	'most_common_vals', '{1,2}'::text,
	'most_common_freqs', '{0.004889976,0.004889976}'::real[],
	'histogram_bounds', '{3,198,400}'::text,
	'correlation', '0.82127506'::real
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'order_lines',
	'attname', 'product',
	'inherited', 'f'::boolean,
	'null_frac', '0'::real,
	'avg_width', '4'::integer,
	'n_distinct', '-0.25'::real,
	'most_common_vals', '{1,2}'::text,
	'most_common_freqs', '{0.01,0.01}'::real[],
	'histogram_bounds', '{3,51,100}'::text,
	'correlation', '0.20894325'::real
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'order_lines',
	'attname', 'product',
	'inherited', 't'::boolean,
	'null_frac', '0'::real,
	'avg_width', '4'::integer,
	'n_distinct', '-0.24449877'::real,
	'most_common_vals', '{1,2}'::text,
	'most_common_freqs', '{0.03178484,0.009779952}'::real[],
	'histogram_bounds', '{3,51,100}'::text,
	'correlation', '0.13195217'::real
);


--
-- Statistics for Name: orders; Type: STATISTICS DATA; Schema: shop; Owner: -
--

SELECT * FROM pg_catalog.pg_restore_relation_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'orders',
	'relpages', '-1'::integer,
	'reltuples', '400'::real,
	'relallvisible', '0'::integer,
	'relallfrozen', '0'::integer
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'orders',
	'attname', 'customer',
	'inherited', 't'::boolean,
	'null_frac', '0'::real,
	'avg_width', '8'::integer,
	'n_distinct', '-1'::real,
	'histogram_bounds', '{101,300,500}'::text,
	'correlation', '0.9435785'::real
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'orders',
	'attname', 'id',
	'inherited', 't'::boolean,
	'null_frac', '0'::real,
	'avg_width', '4'::integer,
	'n_distinct', '-1'::real,
	'histogram_bounds', '{1,200,400}'::text,
	'correlation', '0.9435785'::real
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'orders',
	'attname', 'made',
	'inherited', 't'::boolean,
	'null_frac', '0'::real,
	'avg_width', '4'::integer,
	'n_distinct', '-1'::real,
	'histogram_bounds', '{2023-06-02,2023-12-18,2024-07-05}'::text,
	'correlation', '0.9435785'::real
);


--
-- Statistics for Name: orders_2023; Type: STATISTICS DATA; Schema: shop; Owner: -
--

SELECT * FROM pg_catalog.pg_restore_relation_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'orders_2023',
	'relpages', '2'::integer,
	'reltuples', '213'::real,
	'relallvisible', '0'::integer,
	'relallfrozen', '0'::integer
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'orders_2023',
	'attname', 'customer',
	'inherited', 'f'::boolean,
	'null_frac', '0'::real,
	'avg_width', '8'::integer,
	'n_distinct', '-1'::real,
	'histogram_bounds', '{101,207,313}'::text,
	'correlation', '1'::real
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'orders_2023',
	'attname', 'id',
	'inherited', 'f'::boolean,
	'null_frac', '0'::real,
	'avg_width', '4'::integer,
	'n_distinct', '-1'::real,
	'histogram_bounds', '{1,107,213}'::text,
	'correlation', '1'::real
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'orders_2023',
	'attname', 'made',
	'inherited', 'f'::boolean,
	'null_frac', '0'::real,
	'avg_width', '4'::integer,
	'n_distinct', '-1'::real,
	'histogram_bounds', '{2023-06-02,2023-09-16,2023-12-31}'::text,
	'correlation', '1'::real
);


--
-- Statistics for Name: orders_2024; Type: STATISTICS DATA; Schema: shop; Owner: -
--

SELECT * FROM pg_catalog.pg_restore_relation_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'orders_2024',
	'relpages', '-1'::integer,
	'reltuples', '187'::real,
	'relallvisible', '0'::integer,
	'relallfrozen', '0'::integer
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'orders_2024',
	'attname', 'customer',
	'inherited', 't'::boolean,
	'null_frac', '0'::real,
	'avg_width', '8'::integer,
	'n_distinct', '-1'::real,
	'histogram_bounds', '{314,407,500}'::text,
	'correlation', '0.44778296'::real
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'orders_2024',
	'attname', 'id',
	'inherited', 't'::boolean,
	'null_frac', '0'::real,
	'avg_width', '4'::integer,
	'n_distinct', '-1'::real,
	'histogram_bounds', '{214,307,400}'::text,
	'correlation', '0.44778296'::real
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'orders_2024',
	'attname', 'made',
	'inherited', 't'::boolean,
	'null_frac', '0'::real,
	'avg_width', '4'::integer,
	'n_distinct', '-1'::real,
	'histogram_bounds', '{2024-01-01,2024-04-03,2024-07-05}'::text,
	'correlation', '0.44778296'::real
);


--
-- Statistics for Name: orders_2024_0; Type: STATISTICS DATA; Schema: shop; Owner: -
--

SELECT * FROM pg_catalog.pg_restore_relation_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'orders_2024_0',
	'relpages', '1'::integer,
	'reltuples', '93'::real,
	'relallvisible', '0'::integer,
	'relallfrozen', '0'::integer
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'orders_2024_0',
	'attname', 'customer',
	'inherited', 'f'::boolean,
	'null_frac', '0'::real,
	'avg_width', '8'::integer,
	'n_distinct', '-1'::real,
	'histogram_bounds', '{314,414,495}'::text,
	'correlation', '1'::real
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'orders_2024_0',
	'attname', 'id',
	'inherited', 'f'::boolean,
	'null_frac', '0'::real,
	'avg_width', '4'::integer,
	'n_distinct', '-1'::real,
	'histogram_bounds', '{214,314,395}'::text,
	'correlation', '1'::real
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'orders_2024_0',
	'attname', 'made',
	'inherited', 'f'::boolean,
	'null_frac', '0'::real,
	'avg_width', '4'::integer,
	'n_distinct', '-1'::real,
	'histogram_bounds', '{2024-01-01,2024-04-10,2024-06-30}'::text,
	'correlation', '1'::real
);


--
-- Statistics for Name: orders_2024_1; Type: STATISTICS DATA; Schema: shop; Owner: -
--

SELECT * FROM pg_catalog.pg_restore_relation_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'orders_2024_1',
	'relpages', '1'::integer,
	'reltuples', '94'::real,
	'relallvisible', '0'::integer,
	'relallfrozen', '0'::integer
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'orders_2024_1',
	'attname', 'customer',
	'inherited', 'f'::boolean,
	'null_frac', '0'::real,
	'avg_width', '8'::integer,
	'n_distinct', '-1'::real,
	'histogram_bounds', '{317,395,500}'::text,
	'correlation', '1'::real
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'orders_2024_1',
	'attname', 'id',
	'inherited', 'f'::boolean,
	'null_frac', '0'::real,
	'avg_width', '4'::integer,
	'n_distinct', '-1'::real,
	'histogram_bounds', '{217,295,400}'::text,
	'correlation', '1'::real
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'orders_2024_1',
	'attname', 'made',
	'inherited', 'f'::boolean,
	'null_frac', '0'::real,
	'avg_width', '4'::integer,
	'n_distinct', '-1'::real,
	'histogram_bounds', '{2024-01-04,2024-03-22,2024-07-05}'::text,
	'correlation', '1'::real
);


--
-- Statistics for Name: products; Type: STATISTICS DATA; Schema: shop; Owner: -
--

SELECT * FROM pg_catalog.pg_restore_relation_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'products',
	'relpages', '2'::integer,
	'reltuples', '100'::real,
	'relallvisible', '0'::integer,
	'relallfrozen', '0'::integer
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'products',
	'attname', 'area',
	'inherited', 'f'::boolean,
	'null_frac', '0'::real,
	'avg_width', '32'::integer,
	'n_distinct', '0'::real
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'products',
	'attname', 'code',
	'inherited', 'f'::boolean,
	'null_frac', '0'::real,
	'avg_width', '9'::integer,
	'n_distinct', '-1'::real,
	'histogram_bounds', '{"p1      ","p53     ","p99     "}'::text,
	'correlation', '0.8082088'::real
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'products',
	'attname', 'host',
	'inherited', 'f'::boolean,
	'null_frac', '0'::real,
	'avg_width', '7'::integer,
	'n_distinct', '1'::real,
	'most_common_vals', '{10.0.0.1}'::text,
	'most_common_freqs', '{1}'::real[],
	'correlation', '1'::real
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'products',
	'attname', 'id',
	'inherited', 'f'::boolean,
	'null_frac', '0'::real,
	'avg_width', '4'::integer,
	'n_distinct', '-1'::real,
	'histogram_bounds', '{1,50,100}'::text,
	'correlation', '1'::real
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'products',
	'attname', 'note',
	'inherited', 'f'::boolean,
	'null_frac', '0'::real,
	'avg_width', '9'::integer,
	'n_distinct', '0'::real
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'products',
	'attname', 'picture',
	'inherited', 'f'::boolean,
	'null_frac', '0'::real,
	'avg_width', '17'::integer,
	'n_distinct', '-1'::real,
	'histogram_bounds', '{"\\x02e74f10e0327ad868d138f2b4fdd6f0","\\x92cc227532d17e56e07902b254dfad10","\\xfe9fc289c3ff0af142b6d3bead98a923"}'::text,
	'correlation', '0.06527453'::real
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'products',
	'attname', 'price',
	'inherited', 'f'::boolean,
	'null_frac', '0'::real,
	'avg_width', '6'::integer,
	'n_distinct', '-1'::real,
	'histogram_bounds', '{1.05,52.50,105.00}'::text,
	'correlation', '1'::real
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'products',
	'attname', 'search',
	'inherited', 'f'::boolean,
	'null_frac', '0'::real,
	'avg_width', '19'::integer,
	'n_distinct', '-1'::real,
	'most_common_elems', '{word2,word3,word5,word17,word27,word30,word31,word33,word41,word42,word44,word45,word53,word56,word67,word77,word80,word85,word91,word98}'::text,
	'most_common_elem_freqs', '{0.01,0.01,0.01,0.01,0.01,0.01,0.01,0.01,0.01,0.01,0.01,0.01,0.01,0.01,0.01,0.01,0.01,0.01,0.01,0.01,0.01,0.01}'::real[]
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'products',
	'attname', 'valid',
	'inherited', 'f'::boolean,
	'null_frac', '0'::real,
	'avg_width', '10'::integer,
	'n_distinct', '-1'::real,
	'range_length_histogram', '{Infinity,Infinity,Infinity}'::text,
	'range_empty_frac', '0'::real,
	'range_bounds_histogram', '{"[2023-01-01,)","[2023-01-01,)","[2023-01-01,)"}'::text
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'products',
	'attname', 'weight',
	'inherited', 'f'::boolean,
	'null_frac', '0'::real,
	'avg_width', '8'::integer,
	'n_distinct', '-1'::real,
	'histogram_bounds', '{0.01,0.0196078431372549,1}'::text,
	'correlation', '-1'::real
);


--
-- Statistics for Name: settings; Type: STATISTICS DATA; Schema: shop; Owner: -
--

SELECT * FROM pg_catalog.pg_restore_relation_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'settings',
	'relpages', '1'::integer,
	'reltuples', '3'::real,
	'relallvisible', '0'::integer,
	'relallfrozen', '0'::integer
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'settings',
	'attname', 'key',
	'inherited', 'f'::boolean,
	'null_frac', '0'::real,
	'avg_width', '7'::integer,
	'n_distinct', '-1'::real,
	'histogram_bounds', '{nothing,text,version}'::text,
	'correlation', '-1'::real
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'settings',
	'attname', 'value',
	'inherited', 'f'::boolean,
	'null_frac', '0.33333334'::real,
	'avg_width', '10'::integer,
	'n_distinct', '-0.6666666'::real
);


--
-- Name: customers_facts; Type: INDEX; Schema: shop; Owner: postgres
--

CREATE INDEX customers_facts ON shop.customers USING gin (facts jsonb_path_ops);


--
-- Name: customers customers_mail_key; Type: CONSTRAINT; Schema: shop; Owner: postgres
--

ALTER TABLE ONLY shop.customers
    ADD CONSTRAINT customers_mail_key UNIQUE (mail);


--
-- Name: customers_name; Type: INDEX; Schema: shop; Owner: postgres
--

CREATE INDEX customers_name ON shop.customers USING btree (lower(name) text_pattern_ops) WHERE (feeling <> 'sad'::shop.mood);


--
-- Name: customers customers_pkey; Type: CONSTRAINT; Schema: shop; Owner: postgres
--

ALTER TABLE ONLY shop.customers
    ADD CONSTRAINT customers_pkey PRIMARY KEY (id);


--
-- Name: customers_trigrams; Type: INDEX; Schema: shop; Owner: postgres
--

CREATE INDEX customers_trigrams ON shop.customers USING gin (name public.gin_trgm_ops);


--
-- Name: order_lines order_lines_pkey; Type: CONSTRAINT; Schema: shop; Owner: postgres
--

ALTER TABLE ONLY shop.order_lines
    ADD CONSTRAINT order_lines_pkey PRIMARY KEY (order_id, made, line);


--
-- Name: orders_made; Type: INDEX; Schema: shop; Owner: postgres
--

CREATE INDEX orders_made ON ONLY shop.orders USING brin (made);


--
-- Name: orders_2023_made_idx; Type: INDEX; Schema: shop; Owner: postgres
--

CREATE INDEX orders_2023_made_idx ON shop.orders_2023 USING brin (made);


--
-- Name: orders orders_pkey; Type: CONSTRAINT; Schema: shop; Owner: postgres
--

ALTER TABLE ONLY shop.orders
    ADD CONSTRAINT orders_pkey PRIMARY KEY (id, made);


--
-- Name: orders_2023 orders_2023_pkey; Type: CONSTRAINT; Schema: shop; Owner: postgres
--

ALTER TABLE ONLY shop.orders_2023
    ADD CONSTRAINT orders_2023_pkey PRIMARY KEY (id, made);


--
-- Name: orders_2024_made_idx; Type: INDEX; Schema: shop; Owner: postgres
--

CREATE INDEX orders_2024_made_idx ON ONLY shop.orders_2024 USING brin (made);


--
-- Name: orders_2024_0_made_idx; Type: INDEX; Schema: shop; Owner: postgres
--

CREATE INDEX orders_2024_0_made_idx ON shop.orders_2024_0 USING brin (made);


--
-- Name: orders_2024 orders_2024_pkey; Type: CONSTRAINT; Schema: shop; Owner: postgres
--

ALTER TABLE ONLY shop.orders_2024
    ADD CONSTRAINT orders_2024_pkey PRIMARY KEY (id, made);


--
-- Name: orders_2024_0 orders_2024_0_pkey; Type: CONSTRAINT; Schema: shop; Owner: postgres
--

ALTER TABLE ONLY shop.orders_2024_0
    ADD CONSTRAINT orders_2024_0_pkey PRIMARY KEY (id, made);


--
-- Name: orders_2024_1_made_idx; Type: INDEX; Schema: shop; Owner: postgres
--

CREATE INDEX orders_2024_1_made_idx ON shop.orders_2024_1 USING brin (made);


--
-- Name: orders_2024_1 orders_2024_1_pkey; Type: CONSTRAINT; Schema: shop; Owner: postgres
--

ALTER TABLE ONLY shop.orders_2024_1
    ADD CONSTRAINT orders_2024_1_pkey PRIMARY KEY (id, made);


--
-- Name: products products_area_excl; Type: CONSTRAINT; Schema: shop; Owner: postgres
--

ALTER TABLE ONLY shop.products
    ADD CONSTRAINT products_area_excl EXCLUDE USING gist (area WITH &&);


--
-- Name: products products_code_price_key; Type: CONSTRAINT; Schema: shop; Owner: postgres
--

ALTER TABLE ONLY shop.products
    ADD CONSTRAINT products_code_price_key UNIQUE (code) INCLUDE (price);


--
-- Name: products products_pkey; Type: CONSTRAINT; Schema: shop; Owner: postgres
--

ALTER TABLE ONLY shop.products
    ADD CONSTRAINT products_pkey PRIMARY KEY (id);


--
-- Name: products_price; Type: INDEX; Schema: shop; Owner: postgres
--

CREATE INDEX products_price ON shop.products USING btree (price DESC NULLS LAST) INCLUDE (weight);


--
-- Name: products_search; Type: INDEX; Schema: shop; Owner: postgres
--

CREATE INDEX products_search ON shop.products USING gin (search);


--
-- Name: settings settings_pkey; Type: CONSTRAINT; Schema: shop; Owner: postgres
--

ALTER TABLE ONLY shop.settings
    ADD CONSTRAINT settings_pkey PRIMARY KEY (key);


--
-- Name: towns_town; Type: INDEX; Schema: shop; Owner: postgres
--

CREATE UNIQUE INDEX towns_town ON shop.towns USING btree (town);


--
-- Name: orders_2023_made_idx; Type: INDEX ATTACH; Schema: shop; Owner: postgres
--

ALTER INDEX shop.orders_made ATTACH PARTITION shop.orders_2023_made_idx;


--
-- Name: orders_2023_pkey; Type: INDEX ATTACH; Schema: shop; Owner: postgres
--

ALTER INDEX shop.orders_pkey ATTACH PARTITION shop.orders_2023_pkey;


--
-- Name: orders_2024_0_made_idx; Type: INDEX ATTACH; Schema: shop; Owner: postgres
--

ALTER INDEX shop.orders_2024_made_idx ATTACH PARTITION shop.orders_2024_0_made_idx;


--
-- Name: orders_2024_0_pkey; Type: INDEX ATTACH; Schema: shop; Owner: postgres
--

ALTER INDEX shop.orders_2024_pkey ATTACH PARTITION shop.orders_2024_0_pkey;


--
-- Name: orders_2024_1_made_idx; Type: INDEX ATTACH; Schema: shop; Owner: postgres
--

ALTER INDEX shop.orders_2024_made_idx ATTACH PARTITION shop.orders_2024_1_made_idx;


--
-- Name: orders_2024_1_pkey; Type: INDEX ATTACH; Schema: shop; Owner: postgres
--

ALTER INDEX shop.orders_2024_pkey ATTACH PARTITION shop.orders_2024_1_pkey;


--
-- Name: orders_2024_made_idx; Type: INDEX ATTACH; Schema: shop; Owner: postgres
--

ALTER INDEX shop.orders_made ATTACH PARTITION shop.orders_2024_made_idx;


--
-- Name: orders_2024_pkey; Type: INDEX ATTACH; Schema: shop; Owner: postgres
--

ALTER INDEX shop.orders_pkey ATTACH PARTITION shop.orders_2024_pkey;


--
-- Name: customers_related; Type: STATISTICS; Schema: shop; Owner: postgres
--

CREATE STATISTICS shop.customers_related (ndistinct, dependencies) ON name, feeling FROM shop.customers;


ALTER STATISTICS shop.customers_related OWNER TO postgres;

--
-- Name: spent _RETURN; Type: RULE; Schema: shop; Owner: postgres
--

CREATE OR REPLACE VIEW shop.spent AS
 SELECT c.name,
    sum((p.price * (l.amount)::numeric)) AS total
   FROM (((shop.customers c
     JOIN shop.orders o ON ((o.customer = c.id)))
     JOIN shop.order_lines l ON (((l.order_id = o.id) AND (l.made = o.made))))
     JOIN shop.products p ON ((p.id = l.product)))
  GROUP BY c.id;


--
-- Name: settings keep; Type: RULE; Schema: shop; Owner: postgres
--

CREATE RULE keep AS
    ON DELETE TO shop.settings
   WHERE (old.key = 'version'::text) DO INSTEAD NOTHING;


--
-- Name: customers touch; Type: TRIGGER; Schema: shop; Owner: postgres
--

CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON shop.customers FOR EACH ROW EXECUTE FUNCTION shop.touched();

ALTER TABLE shop.customers DISABLE TRIGGER touch;


--
-- Name: order_lines order_lines_order_id_made_fkey; Type: FK CONSTRAINT; Schema: shop; Owner: postgres
--

ALTER TABLE ONLY shop.order_lines
    ADD CONSTRAINT order_lines_order_id_made_fkey FOREIGN KEY (order_id, made) REFERENCES shop.orders(id, made);


--
-- Name: order_lines order_lines_product_fkey; Type: FK CONSTRAINT; Schema: shop; Owner: postgres
--

ALTER TABLE ONLY shop.order_lines
    ADD CONSTRAINT order_lines_product_fkey FOREIGN KEY (product) REFERENCES shop.products(id);


--
-- Name: orders orders_customer_fkey; Type: FK CONSTRAINT; Schema: shop; Owner: postgres
--

ALTER TABLE shop.orders
    ADD CONSTRAINT orders_customer_fkey FOREIGN KEY (customer) REFERENCES shop.customers(id) ON UPDATE CASCADE ON DELETE RESTRICT DEFERRABLE INITIALLY DEFERRED;


--
-- Name: products everything; Type: POLICY; Schema: shop; Owner: postgres
--

CREATE POLICY everything ON shop.products USING (true) WITH CHECK ((price IS NOT NULL));


--
-- Name: products; Type: ROW SECURITY; Schema: shop; Owner: postgres
--

ALTER TABLE shop.products ENABLE ROW LEVEL SECURITY;

--
-- Name: SCHEMA shop; Type: ACL; Schema: -; Owner: postgres
--

GRANT USAGE ON SCHEMA shop TO PUBLIC;


--
-- Name: TABLE customers; Type: ACL; Schema: shop; Owner: postgres
--

GRANT SELECT ON TABLE shop.customers TO PUBLIC;


--
-- Name: DEFAULT PRIVILEGES FOR TABLES; Type: DEFAULT ACL; Schema: shop; Owner: postgres
--

ALTER DEFAULT PRIVILEGES FOR ROLE postgres IN SCHEMA shop GRANT SELECT ON TABLES TO PUBLIC;


--
-- Statistics for Name: customers_facts; Type: STATISTICS DATA; Schema: shop; Owner: -
--

SELECT * FROM pg_catalog.pg_restore_relation_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'customers_facts',
	'relpages', '6'::integer,
	'reltuples', '500'::real,
	'relallvisible', '0'::integer,
	'relallfrozen', '0'::integer
);


--
-- Statistics for Name: customers_mail_key; Type: STATISTICS DATA; Schema: shop; Owner: -
--

SELECT * FROM pg_catalog.pg_restore_relation_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'customers_mail_key',
	'relpages', '5'::integer,
	'reltuples', '500'::real,
	'relallvisible', '0'::integer,
	'relallfrozen', '0'::integer
);


--
-- Statistics for Name: customers_name; Type: STATISTICS DATA; Schema: shop; Owner: -
--

SELECT * FROM pg_catalog.pg_restore_relation_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'customers_name',
	'relpages', '5'::integer,
	'reltuples', '334'::real,
	'relallvisible', '0'::integer,
	'relallfrozen', '0'::integer
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'customers_name',
	'attnum', '1'::smallint,
	'inherited', 'f'::boolean,
	'null_frac', '0'::real,
	'avg_width', '15'::integer,
	'n_distinct', '-1'::real,
	'histogram_bounds', '{"name 1 ä\\","name 322 ä\\","name 98 ä\\"}'::text,
	'correlation', '0.36242208'::real
);


--
-- Statistics for Name: customers_pkey; Type: STATISTICS DATA; Schema: shop; Owner: -
--

SELECT * FROM pg_catalog.pg_restore_relation_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'customers_pkey',
	'relpages', '4'::integer,
	'reltuples', '500'::real,
	'relallvisible', '0'::integer,
	'relallfrozen', '0'::integer
);


--
-- Statistics for Name: customers_trigrams; Type: STATISTICS DATA; Schema: shop; Owner: -
--

SELECT * FROM pg_catalog.pg_restore_relation_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'customers_trigrams',
	'relpages', '16'::integer,
	'reltuples', '500'::real,
	'relallvisible', '0'::integer,
	'relallfrozen', '0'::integer
);


--
-- Statistics for Name: order_lines_pkey; Type: STATISTICS DATA; Schema: shop; Owner: -
--

SELECT * FROM pg_catalog.pg_restore_relation_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'order_lines_pkey',
	'relpages', '5'::integer,
	'reltuples', '400'::real,
	'relallvisible', '0'::integer,
	'relallfrozen', '0'::integer
);


--
-- Statistics for Name: orders_2023_made_idx; Type: STATISTICS DATA; Schema: shop; Owner: -
--

SELECT * FROM pg_catalog.pg_restore_relation_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'orders_2023_made_idx',
	'relpages', '3'::integer,
	'reltuples', '213'::real,
	'relallvisible', '0'::integer,
	'relallfrozen', '0'::integer
);


--
-- Statistics for Name: orders_2023_pkey; Type: STATISTICS DATA; Schema: shop; Owner: -
--

SELECT * FROM pg_catalog.pg_restore_relation_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'orders_2023_pkey',
	'relpages', '2'::integer,
	'reltuples', '213'::real,
	'relallvisible', '0'::integer,
	'relallfrozen', '0'::integer
);


--
-- Statistics for Name: orders_2024_0_made_idx; Type: STATISTICS DATA; Schema: shop; Owner: -
--

SELECT * FROM pg_catalog.pg_restore_relation_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'orders_2024_0_made_idx',
	'relpages', '3'::integer,
	'reltuples', '93'::real,
	'relallvisible', '0'::integer,
	'relallfrozen', '0'::integer
);


--
-- Statistics for Name: orders_2024_0_pkey; Type: STATISTICS DATA; Schema: shop; Owner: -
--

SELECT * FROM pg_catalog.pg_restore_relation_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'orders_2024_0_pkey',
	'relpages', '2'::integer,
	'reltuples', '93'::real,
	'relallvisible', '0'::integer,
	'relallfrozen', '0'::integer
);


--
-- Statistics for Name: orders_2024_1_made_idx; Type: STATISTICS DATA; Schema: shop; Owner: -
--

SELECT * FROM pg_catalog.pg_restore_relation_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'orders_2024_1_made_idx',
	'relpages', '3'::integer,
	'reltuples', '94'::real,
	'relallvisible', '0'::integer,
	'relallfrozen', '0'::integer
);


--
-- Statistics for Name: orders_2024_1_pkey; Type: STATISTICS DATA; Schema: shop; Owner: -
--

SELECT * FROM pg_catalog.pg_restore_relation_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'orders_2024_1_pkey',
	'relpages', '2'::integer,
	'reltuples', '94'::real,
	'relallvisible', '0'::integer,
	'relallfrozen', '0'::integer
);


--
-- Statistics for Name: orders_2024_made_idx; Type: STATISTICS DATA; Schema: shop; Owner: -
--

SELECT * FROM pg_catalog.pg_restore_relation_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'orders_2024_made_idx',
	'relpages', '0'::integer,
	'reltuples', '0'::real,
	'relallvisible', '0'::integer,
	'relallfrozen', '0'::integer
);


--
-- Statistics for Name: orders_2024_pkey; Type: STATISTICS DATA; Schema: shop; Owner: -
--

SELECT * FROM pg_catalog.pg_restore_relation_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'orders_2024_pkey',
	'relpages', '0'::integer,
	'reltuples', '0'::real,
	'relallvisible', '0'::integer,
	'relallfrozen', '0'::integer
);


--
-- Statistics for Name: orders_made; Type: STATISTICS DATA; Schema: shop; Owner: -
--

SELECT * FROM pg_catalog.pg_restore_relation_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'orders_made',
	'relpages', '0'::integer,
	'reltuples', '0'::real,
	'relallvisible', '0'::integer,
	'relallfrozen', '0'::integer
);


--
-- Statistics for Name: orders_pkey; Type: STATISTICS DATA; Schema: shop; Owner: -
--

SELECT * FROM pg_catalog.pg_restore_relation_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'orders_pkey',
	'relpages', '0'::integer,
	'reltuples', '0'::real,
	'relallvisible', '0'::integer,
	'relallfrozen', '0'::integer
);


--
-- Statistics for Name: products_area_excl; Type: STATISTICS DATA; Schema: shop; Owner: -
--

SELECT * FROM pg_catalog.pg_restore_relation_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'products_area_excl',
	'relpages', '1'::integer,
	'reltuples', '100'::real,
	'relallvisible', '0'::integer,
	'relallfrozen', '0'::integer
);


--
-- Statistics for Name: products_code_price_key; Type: STATISTICS DATA; Schema: shop; Owner: -
--

SELECT * FROM pg_catalog.pg_restore_relation_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'products_code_price_key',
	'relpages', '2'::integer,
	'reltuples', '100'::real,
	'relallvisible', '0'::integer,
	'relallfrozen', '0'::integer
);


--
-- Statistics for Name: products_pkey; Type: STATISTICS DATA; Schema: shop; Owner: -
--

SELECT * FROM pg_catalog.pg_restore_relation_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'products_pkey',
	'relpages', '2'::integer,
	'reltuples', '100'::real,
	'relallvisible', '0'::integer,
	'relallfrozen', '0'::integer
);


--
-- Statistics for Name: products_price; Type: STATISTICS DATA; Schema: shop; Owner: -
--

SELECT * FROM pg_catalog.pg_restore_relation_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'products_price',
	'relpages', '2'::integer,
	'reltuples', '100'::real,
	'relallvisible', '0'::integer,
	'relallfrozen', '0'::integer
);


--
-- Statistics for Name: products_search; Type: STATISTICS DATA; Schema: shop; Owner: -
--

SELECT * FROM pg_catalog.pg_restore_relation_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'products_search',
	'relpages', '3'::integer,
	'reltuples', '100'::real,
	'relallvisible', '0'::integer,
	'relallfrozen', '0'::integer
);


--
-- Statistics for Name: settings_pkey; Type: STATISTICS DATA; Schema: shop; Owner: -
--

SELECT * FROM pg_catalog.pg_restore_relation_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'settings_pkey',
	'relpages', '2'::integer,
	'reltuples', '3'::real,
	'relallvisible', '0'::integer,
	'relallfrozen', '0'::integer
);


--
-- Name: towns; Type: MATERIALIZED VIEW DATA; Schema: shop; Owner: postgres
--

REFRESH MATERIALIZED VIEW shop.towns;


--
-- Statistics for Name: towns; Type: STATISTICS DATA; Schema: shop; Owner: -
--

SELECT * FROM pg_catalog.pg_restore_relation_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'towns',
	'relpages', '1'::integer,
	'reltuples', '7'::real,
	'relallvisible', '0'::integer,
	'relallfrozen', '0'::integer
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'towns',
	'attname', 'people',
	'inherited', 'f'::boolean,
	'null_frac', '0'::real,
	'avg_width', '8'::integer,
	'n_distinct', '-0.2857143'::real,
	'most_common_vals', '{71,72}'::text,
	'most_common_freqs', '{0.5714286,0.42857143}'::real[],
	'correlation', '0.8214286'::real
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'towns',
	'attname', 'town',
	'inherited', 'f'::boolean,
	'null_frac', '0'::real,
	'avg_width', '7'::integer,
	'n_distinct', '-1'::real,
	'histogram_bounds', '{"Town 0","Town 3","Town 6"}'::text,
	'correlation', '-0.35714287'::real
);


--
-- Statistics for Name: towns_town; Type: STATISTICS DATA; Schema: shop; Owner: -
--

SELECT * FROM pg_catalog.pg_restore_relation_stats(
	'version', '180003'::integer,
	'schemaname', 'shop',
	'relname', 'towns_town',
	'relpages', '2'::integer,
	'reltuples', '7'::real,
	'relallvisible', '0'::integer,
	'relallfrozen', '0'::integer
);


--
-- PostgreSQL database dump complete
--

\unrestrict zrUFpsNhKWr6PcrVmwKm6bZ52EjGyzV8rhjfUHGmzH9zeHHyypvFV5g8x8aOVhT

