/** TypeORM: entity schemas, generated and written migrations, relations, streams, optimistic versions. */
import { DataSource, EntitySchema } from 'typeorm'
import type { DataSourceOptions, MigrationInterface, QueryRunner } from 'typeorm'
import type { Place, Scenario } from './scenario.ts'
import type { Transcript } from './transcript.ts'

interface Owner {
  id: number
  name: string
  kind: 'small' | 'large'
  profile: object | null
  houses?: House[]
}
interface House {
  id: string
  street: string
  price: string | null
  rooms: number[] | null
  version: number
  owner?: Owner | null
  parent?: House | null
}

const owners = new EntitySchema<Owner>({
  name: 'owner',
  columns: {
    id: { type: 'int', primary: true, generated: 'increment' },
    name: { type: 'varchar', length: 20, unique: true },
    kind: { type: 'enum', enum: ['small', 'large'], enumName: 'owner_kind', default: 'small' },
    profile: { type: 'jsonb', nullable: true },
  },
  relations: { houses: { type: 'one-to-many', target: 'house', inverseSide: 'owner', cascade: true } },
})
const houses = new EntitySchema<House>({
  name: 'house',
  columns: {
    id: { type: 'bigint', primary: true, generated: 'increment' },
    street: { type: 'text', comment: 'where' },
    price: { type: 'numeric', precision: 12, scale: 2, nullable: true },
    rooms: { type: 'int', array: true, nullable: true },
    version: { type: 'int', version: true },
  },
  checks: [{ name: 'house_price', expression: 'price > 0' }],
  indices: [{ name: 'house_street', columns: ['street'] }],
  relations: {
    owner: {
      type: 'many-to-one',
      target: 'owner',
      joinColumn: true,
      onDelete: 'CASCADE',
      nullable: true,
      inverseSide: 'houses',
    },
    parent: { type: 'many-to-one', target: 'house', joinColumn: true, nullable: true },
  },
})

class Second1700000000002 implements MigrationInterface {
  name = 'Second1700000000002'
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `create function shout() returns trigger language plpgsql as $$ begin new.street := new.street || '!'; return new; end $$`,
    )
    await runner.query('create trigger house_shout before insert on house for each row execute function shout()')
    await runner.query(`insert into owner (name) values ('seeded')`)
  }
  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`delete from owner where name = 'seeded'`)
    await runner.query('drop trigger house_shout on house')
    await runner.query('drop function shout')
  }
}

export const typeorm: Scenario = async ({ url }: Place, t) => {
  const base: DataSourceOptions = { type: 'postgres', url, entities: [owners, houses], extra: { max: 3 } }
  const first = await new DataSource(base).initialize()
  // What `typeorm migration:generate` writes into a file.
  const { upQueries, downQueries } = await first.driver.createSchemaBuilder().log()
  await first.destroy()
  t.say('generated', [upQueries.map(({ query }) => query), downQueries.map(({ query }) => query)])
  class First1700000000001 implements MigrationInterface {
    name = 'First1700000000001'
    async up(runner: QueryRunner): Promise<void> {
      for (const { query, parameters } of upQueries) await runner.query(query, parameters)
    }
    async down(runner: QueryRunner): Promise<void> {
      for (const { query, parameters } of downQueries.toReversed()) await runner.query(query, parameters)
    }
  }
  const source = await new DataSource({ ...base, migrations: [First1700000000001, Second1700000000002] }).initialize()
  try {
    t.say('pending', await source.showMigrations())
    t.say(
      'up',
      (await source.runMigrations({ transaction: 'all' })).map(({ name }) => name),
    )
    await source.undoLastMigration({ transaction: 'each' })
    await source.undoLastMigration({ transaction: 'each' })
    t.say(
      'up again',
      (await source.runMigrations({ transaction: 'each' })).map(({ name }) => name),
    )
    t.say(
      'nothing to do',
      (await source.driver.createSchemaBuilder().log()).upQueries.map(({ query }) => query),
    )
    await use(source, t)
  } finally {
    await source.destroy()
  }
}

const use = async (source: DataSource, t: Transcript): Promise<void> => {
  const house = source.getRepository(houses)
  const owner = source.getRepository(owners)
  const ann = await owner.save({
    name: 'ann',
    kind: 'large',
    profile: { a: [1] },
    houses: [{ street: 'Long', price: '100.10', rooms: [1, 2] }, { street: 'Short' }],
  } as Owner)
  t.say('cascade', {
    name: ann.name,
    houses: ann.houses?.map((one) => [t.named('house', one.id), one.street, one.version]),
  })
  const load = () => owner.find({ relations: { houses: true }, order: { name: 'asc', houses: { street: 'asc' } } })
  const shown = (all: readonly Owner[]) =>
    all.map((one) => ({
      ...one,
      id: t.named('owner', one.id),
      houses: one.houses?.map((each) => ({ ...each, id: t.named('house', each.id) })),
    }))
  t.say('loaded', shown(await load()))
  const short = await house.findOneOrFail({ where: { street: 'Short!' }, relations: { owner: true } })
  short.price = '1'
  await house.save(short)
  t.say('version', short.version)
  t.say(
    'upsert',
    (await owner.upsert([{ name: 'ann', kind: 'small', profile: null }, { name: 'ben' }], ['name'])).raw.length,
  )
  t.say(
    'builder',
    await house
      .createQueryBuilder('h')
      .innerJoin('h.owner', 'o')
      .select(['h.street as street', 'sum(h.price) over () as total'])
      .where('o.name = :name', { name: 'ann' })
      .orderBy('h.street')
      .getRawMany(),
  )
  t.say(
    'paged',
    (await house.findAndCount({ order: { street: 'asc' }, take: 1, skip: 1 })).map((part) =>
      Array.isArray(part) ? part.map(({ street }) => street) : part,
    ),
  )
  t.say(
    'returning',
    (
      await house
        .createQueryBuilder()
        .update()
        .set({ rooms: () => 'rooms || 9' })
        .where('street = :s', { s: 'Long!' })
        .returning(['street', 'rooms'])
        .execute()
    ).raw,
  )
  const streamed: unknown[] = []
  const runner = source.createQueryRunner()
  try {
    const stream = await runner.stream('select street from house order by street')
    for await (const row of stream) streamed.push(row)
    t.say('stream', streamed)
    await runner.startTransaction('SERIALIZABLE')
    await runner.query('update house set price = price + 1 where price is not null')
    await runner.startTransaction()
    await runner.query('delete from house')
    await runner.rollbackTransaction()
    await runner.commitTransaction()
  } finally {
    await runner.release()
  }
  await source.transaction('REPEATABLE READ', async (manager) => {
    const locked = await manager.findOne(houses, { where: { street: 'Long!' }, lock: { mode: 'pessimistic_write' } })
    t.say('locked', locked?.price)
    await manager.increment(houses, { street: 'Long!' }, 'price', 0.4)
  })
  t.say(
    'prices',
    (await house.find({ order: { street: 'asc' } })).map(({ price }) => price),
  )
  await t.fails(
    'rolled back',
    source.transaction(async (manager) => {
      await manager.deleteAll(houses)
      await manager.insert(owners, { name: 'ann' })
    }),
  )
  t.say('still there', await house.count())
  await t.fails('check', house.insert({ street: 'free', price: '0' }))
  await t.fails('enum', owner.insert({ name: 'c', kind: 'odd' as 'small' }))
  await t.fails('foreign key', house.insert({ street: 'x', owner: { id: -1 } as Owner }))
  await t.fails('too long', owner.insert({ name: 'n'.repeat(21) }))
  await t.fails('not there', house.findOneByOrFail({ street: 'nowhere' }))
  await t.fails('query', source.query('select nothing'))
  t.say('deleted', (await owner.delete({ name: 'ann' })).affected)
  t.say('cascaded', await house.count())
}
