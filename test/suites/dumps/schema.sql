-- A schema as applications have them, for PostgreSQL 15: dumped there, and loaded with psql and pg_restore.
create extension hstore;
create extension pg_trgm;
create schema shop;
comment on schema shop is 'what is sold';
set search_path = shop, public;

create type mood as enum ('sad', 'ok', 'happy');
create type address as (street text, town text);
create type span as range (subtype = float8);
create domain email as text constraint has_at check (value ~ '@');
create collation german (provider = libc, locale = 'C');

create function normal(t text) returns text language sql immutable strict as 'select lower(btrim(t))';
create function touched() returns trigger language plpgsql as $$
begin
  new.changed := '2024-01-01'::timestamptz + new.id * interval '1 minute';
  return new;
end $$;
create procedure put(inout n int) language plpgsql as $$ begin n := n + 1; end $$;
create aggregate product(numeric) (sfunc = numeric_mul, stype = numeric, initcond = '1');
create operator === (leftarg = text, rightarg = text, function = texteq, commutator = ===);
create cast (address as text) with inout as assignment;

create table customers (
  id bigint generated always as identity (start with 100) primary key,
  name text not null collate german,
  mail email unique,
  feeling mood default 'ok',
  lives address,
  tags text[] default '{}',
  facts jsonb not null default '{}',
  attributes hstore,
  initial text generated always as (left(name, 1)) stored,
  changed timestamptz
);
create table products (
  id serial primary key,
  code char(8) not null,
  price numeric(12, 2) check (price >= 0),
  weight float8,
  picture bytea,
  valid daterange,
  note xml,
  search tsvector,
  host inet,
  area box,
  unique (code) include (price),
  exclude using gist (area with &&)
);
create table orders (
  id int,
  made date not null,
  customer bigint references customers on update cascade on delete restrict deferrable initially deferred,
  primary key (id, made)
) partition by range (made);
create table orders_2023 partition of orders for values from ('2023-01-01') to ('2024-01-01');
create table orders_2024 partition of orders for values from ('2024-01-01') to ('2025-01-01') partition by hash (id);
create table orders_2024_0 partition of orders_2024 for values with (modulus 2, remainder 0);
create table orders_2024_1 partition of orders_2024 for values with (modulus 2, remainder 1);
create table order_lines (
  order_id int,
  made date,
  line smallint,
  product int references products,
  amount int not null check (amount > 0),
  primary key (order_id, made, line),
  foreign key (order_id, made) references orders
);
create table big_orders () inherits (order_lines);
create table settings (key text primary key, value text) with (fillfactor = 70);
alter table settings alter value set storage external;
alter table settings replica identity full;
create sequence numbers as smallint increment by 5 minvalue 5 maxvalue 500 cycle;

create index customers_name on customers (lower(name) text_pattern_ops) where feeling <> 'sad';
create index customers_facts on customers using gin (facts jsonb_path_ops);
create index customers_trigrams on customers using gin (name gin_trgm_ops);
create index products_search on products using gin (search);
create index orders_made on orders using brin (made);
create index products_price on products (price desc nulls last) include (weight);
create statistics customers_related (dependencies, ndistinct) on name, feeling from customers;

create view cheap with (security_barrier) as select id, code, price from products where price < 10 with local check option;
create view spent as
  select c.name, sum(p.price * l.amount) as total from customers c join orders o on o.customer = c.id
    join order_lines l on (l.order_id, l.made) = (o.id, o.made) join products p on p.id = l.product group by c.id;
create materialized view towns as select (lives).town as town, count(*) as people from customers group by 1;
create unique index towns_town on towns (town);
create rule keep as on delete to settings where old.key = 'version' do instead nothing;
create trigger touch before insert or update on customers for each row execute function touched();
alter table customers disable trigger touch;
alter table products enable row level security;
create policy everything on products using (true) with check (price is not null);
create text search configuration plain (copy = simple);
comment on column customers.feeling is 'it''s an enum';
comment on function normal(text) is 'a function';
grant select on customers to public;
grant usage on schema shop to public;
alter default privileges in schema shop grant select on tables to public;

insert into customers (name, mail, feeling, lives, tags, facts, attributes)
  select 'Name ' || i || E' \u00e4\\', 'c' || i || '@x', (enum_range(null::mood))[1 + i % 3], row('Street ' || i, 'Town ' || i % 7)::address, array['a', null, 'b"' || i],
    jsonb_build_object('n', i, 'deep', jsonb_build_array(i, null)), hstore('k', i::text) from generate_series(1, 500) i;
insert into products (code, price, weight, picture, valid, note, search, host, area)
  select 'p' || i, i * 1.05, 1.0 / i, decode(md5(i::text), 'hex'), daterange('2023-01-01', null), xmlelement(name a, i), to_tsvector('simple', 'word' || i),
    '10.0.0.1', box(point(i, i), point(i + 0.5, i + 0.5)) from generate_series(1, 100) i;
insert into orders select i, '2023-06-01'::date + i, 100 + i from generate_series(1, 400) i;
insert into order_lines select id, made, 1, 1 + id % 100, 3 from orders;
insert into big_orders select id, made, 2, 1, 100 from orders where id < 10;
insert into settings values ('version', '1'), ('text', repeat('long ', 2000)), ('nothing', null);
select setval('numbers', 55);
refresh materialized view towns;
