/** Sequelize 6: models, sync({ alter }), its query interface, associations, hooks of transactions. */
import { DataTypes, Op, QueryTypes, Sequelize, Transaction } from 'sequelize'
import type { Model, ModelStatic } from 'sequelize'
import type { Place, Scenario } from './scenario.ts'
import type { Transcript } from './transcript.ts'

interface Models {
  readonly User: ModelStatic<Model>
  readonly Task: ModelStatic<Model>
  readonly Tag: ModelStatic<Model>
}

/** @param later the models of the application's next version */
const define = (db: Sequelize, later: boolean): Models => {
  const User = db.define(
    'User',
    {
      id: { type: DataTypes.UUID, defaultValue: DataTypes.UUIDV4, primaryKey: true },
      name: { type: DataTypes.STRING(30), allowNull: false, unique: true },
      role: { type: DataTypes.ENUM(...(later ? ['admin', 'user', 'guest'] : ['admin', 'user'])), defaultValue: 'user' },
      settings: DataTypes.JSONB,
      visits: { type: DataTypes.BIGINT, defaultValue: 0 },
      ...(later ? { nick: { type: DataTypes.STRING, defaultValue: 'none', comment: 'short' } } : {}),
    },
    { paranoid: true, timestamps: true, underscored: true, version: true },
  )
  const Task = db.define(
    'Task',
    {
      title: { type: DataTypes.TEXT, allowNull: later },
      due: DataTypes.DATEONLY,
      at: DataTypes.DATE,
      cost: DataTypes.DECIMAL(10, 2),
      labels: DataTypes.ARRAY(DataTypes.STRING),
      blob: DataTypes.BLOB,
      span: DataTypes.RANGE(DataTypes.INTEGER),
      done: { type: DataTypes.BOOLEAN, defaultValue: false },
    },
    {
      timestamps: false,
      indexes: [
        { fields: ['due', { name: 'cost', order: 'DESC' }] },
        { unique: true, fields: ['title'], where: { done: false } },
      ],
    },
  )
  const Tag = db.define(
    'Tag',
    { name: { type: DataTypes.CITEXT === undefined ? DataTypes.STRING : DataTypes.STRING, primaryKey: true } },
    { timestamps: false },
  )
  User.hasMany(Task, { as: 'tasks', foreignKey: 'userId', onDelete: 'CASCADE' })
  Task.belongsTo(User, { as: 'user', foreignKey: 'userId' })
  Task.belongsToMany(Tag, { through: 'TaskTags', timestamps: false })
  Tag.belongsToMany(Task, { through: 'TaskTags', timestamps: false })
  return { User, Task, Tag }
}

export const sequelize: Scenario = async ({ url }: Place, t) => {
  const db = new Sequelize(url, { logging: false, pool: { max: 3 }, dialect: 'postgres' })
  try {
    await db.authenticate()
    define(db, false)
    await db.sync()
    await db.sync({ force: true })
    const models = define(db, true)
    await db.sync({ alter: true })
    t.say('tables', (await db.getQueryInterface().showAllTables()).toSorted())
    for (const table of ['users', 'Tasks', 'TaskTags']) t.say(table, await describe(db, table))
    await use(db, models, t)
    await queryInterface(db, t)
    await transactions(db, models, t)
    await errors(db, models, t)
    // What the server's clock and chance made.
    await db.query(`update users set created_at = '2026-01-01', updated_at = '2026-01-01', deleted_at = null`)
    await db.query(`delete from "Tasks"; delete from users`)
  } finally {
    await db.close()
  }
}

const describe = async (db: Sequelize, table: string): Promise<unknown> => {
  const columns = await db.getQueryInterface().describeTable(table)
  const indexes = (await db.getQueryInterface().showIndex(table)) as {
    name: string
    unique: boolean
    definition: string
  }[]
  return [columns, indexes.map(({ name, unique, definition }) => [name, unique, definition]).toSorted()]
}

const use = async (db: Sequelize, { User, Task, Tag }: Models, t: Transcript): Promise<void> => {
  const ann = await User.create({ name: 'ann', role: 'admin', settings: { a: { b: [1] } }, visits: '9007199254740993' })
  t.say('created', { ...ann.get({ plain: true }), id: t.named('user', ann.get('id')), createdAt: '', updatedAt: '' })
  await User.bulkCreate([{ name: 'ben' }, { name: 'cid' }])
  t.say('upsert', (await User.upsert({ id: ann.get('id'), name: 'ann', role: 'guest' }))[0].get('role'))
  await Task.bulkCreate(
    [1, 2, 3].map((n) => ({
      title: `task ${n}`,
      due: `2026-01-0${n}`,
      at: new Date(Date.UTC(2026, 0, n)),
      cost: `${n}.50`,
      labels: ['x', `y${n}`],
      blob: Buffer.from([n]),
      span: [n, n + 5],
      userId: ann.get('id'),
    })),
  )
  const [first] = await Task.findAll({ order: ['title'] })
  await Tag.bulkCreate([{ name: 'red' }, { name: 'blue' }], { ignoreDuplicates: true })
  await (first as unknown as { setTags(tags: Model[]): Promise<void> }).setTags(await Tag.findAll())
  const found = await User.findAll({
    attributes: ['name', 'role', 'visits', 'settings'],
    where: { [Op.or]: [{ name: { [Op.iLike]: 'A%' } }, { settings: { k: 'v' } }] },
    include: [
      {
        model: Task,
        as: 'tasks',
        attributes: ['title', 'due', 'at', 'cost', 'labels', 'blob', 'span'],
        include: [{ model: Tag, attributes: ['name'], through: { attributes: [] } }],
      },
    ],
    order: [
      ['tasks', 'title', 'asc'],
      ['tasks', Tag, 'name', 'asc'],
    ],
  })
  t.say(
    'eager',
    found.map((row) => row.get({ plain: true }) as unknown),
  )
  t.say(
    'count',
    await Task.findAndCountAll({
      limit: 1,
      order: ['title'],
      attributes: ['title'],
      where: { labels: { [Op.overlap]: ['x'] } },
    }).then(({ count, rows }) => [count, rows.map((row) => row.get('title'))]),
  )
  t.say(
    'increment',
    await User.increment('visits', { by: 2, where: { name: 'ben' } })
      .then(() => User.findOne({ where: { name: 'ben' } }))
      .then((row) => row?.get('visits')),
  )
  t.say(
    'update',
    await Task.update({ done: true }, { where: { cost: { [Op.lt]: 2 } }, returning: ['title', 'done'] }).then(
      ([count, rows]) => [count, rows.map((row) => row.get({ plain: true }) as unknown)],
    ),
  )
  t.say('find or create', (await User.findOrCreate({ where: { name: 'dan' }, defaults: { role: 'user' } }))[1])
  t.say('find or create again', (await User.findOrCreate({ where: { name: 'dan' } }))[1])
  await User.destroy({ where: { name: 'cid' } })
  t.say('paranoid', [await User.count(), await User.count({ paranoid: false })])
  t.say(
    'raw',
    await db.query('select name, $1::int + 1 as n from users order by name', { bind: [1], type: QueryTypes.SELECT }),
  )
  t.say(
    'raw update',
    (
      await db.query(`update users set role = 'user' where name = :name`, {
        replacements: { name: 'ben' },
        type: QueryTypes.UPDATE,
      })
    )[1],
  )
}

const queryInterface = async (db: Sequelize, t: Transcript): Promise<void> => {
  const migrations = db.getQueryInterface()
  await db.transaction(async (transaction) => {
    await migrations.addColumn(
      'Tasks',
      'extra',
      { type: DataTypes.INTEGER, defaultValue: 7, allowNull: false },
      { transaction },
    )
    await migrations.changeColumn('Tasks', 'extra', { type: DataTypes.BIGINT, defaultValue: 8 }, { transaction })
    await migrations.renameColumn('Tasks', 'extra', 'more', { transaction })
    await migrations.addIndex('Tasks', ['more'], { name: 'tasks_more', transaction })
    await migrations.addConstraint('Tasks', {
      type: 'check',
      fields: ['more'],
      name: 'more_positive',
      where: { more: { [Op.gt]: 0 } },
      transaction,
    })
  })
  t.say('migrated', await describe(db, 'Tasks'))
  await t.fails('constraint', db.query(`update "Tasks" set more = -1`))
  await db.transaction(async (transaction) => {
    await migrations.removeConstraint('Tasks', 'more_positive', { transaction })
    await migrations.removeIndex('Tasks', 'tasks_more', { transaction })
    await migrations.removeColumn('Tasks', 'more', { transaction })
  })
  t.say('back', await describe(db, 'Tasks'))
}

const transactions = async (db: Sequelize, { User, Task }: Models, t: Transcript): Promise<void> => {
  await t.fails(
    'rolled back',
    db.transaction(async (transaction) => {
      await Task.destroy({ where: {}, transaction })
      await User.create({ name: 'ann' }, { transaction })
    }),
  )
  t.say('nothing gone', await Task.count())
  const outer = await db.transaction({ isolationLevel: Transaction.ISOLATION_LEVELS.REPEATABLE_READ })
  const inner = await db.transaction({ transaction: outer })
  await Task.destroy({ where: {}, transaction: inner })
  await inner.rollback()
  t.say('nested', await Task.count({ transaction: outer }))
  t.say(
    'locked',
    (
      await User.findOne({ where: { name: 'ben' }, lock: outer.LOCK.UPDATE, skipLocked: true, transaction: outer })
    )?.get('name'),
  )
  await outer.commit()
  t.say(
    'serializable',
    await db.transaction({ isolationLevel: Transaction.ISOLATION_LEVELS.SERIALIZABLE }, (transaction) =>
      Task.count({ transaction }),
    ),
  )
}

const errors = async (db: Sequelize, { User, Task }: Models, t: Transcript): Promise<void> => {
  await t.fails('unique', User.create({ name: 'ann' }))
  await t.fails(
    'enum',
    db.query(
      `insert into users (id, name, role, created_at, updated_at, version) values ('00000000-0000-4000-8000-000000000001', 'odd', 'king', now(), now(), 0)`,
    ),
  )
  await t.fails('foreign key', Task.create({ title: 'lost', userId: '00000000-0000-4000-8000-000000000000' }))
  await t.fails('too long', User.create({ name: 'x'.repeat(31) }))
  await t.fails('unknown', db.query('select * from nowhere'))
  await t.fails('syntax', db.query('selct'))
}
