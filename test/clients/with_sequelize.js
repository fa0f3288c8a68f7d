// Sequelize: the tables as it synchronizes them, attached in a migration.
import { DatabaseError, DataTypes, Sequelize } from 'sequelize'
import { attach, database, equal, finish, noon, passes, psql, refusal, seed, test, whole } from './tools.js'

const sequelize = new Sequelize({
  dialect: 'postgres', host: database.host, database: database.database, username: database.user,
  logging: false, define: { timestamps: false, underscored: true } })
const id = { type: DataTypes.BIGINT, primaryKey: true, autoIncrement: true }
const Customer = sequelize.define('Customer', { id, name: { type: DataTypes.TEXT, allowNull: false } },
  { tableName: 'customers' })
const Pass = sequelize.define('Pass', {
  id,
  state: { type: DataTypes.TEXT, allowNull: false, defaultValue: 'valid' },
  credits: DataTypes.INTEGER,
  creditsUsed: { type: DataTypes.INTEGER, allowNull: false, defaultValue: 0 },
  validUntil: DataTypes.DATEONLY,
  note: DataTypes.TEXT,
}, { tableName: 'passes' })
const Appointment = sequelize.define('Appointment', {
  id,
  reference: { type: DataTypes.TEXT, allowNull: false, unique: true },
  startsAt: { type: DataTypes.DATE, allowNull: false },
  state: { type: DataTypes.TEXT, allowNull: false, defaultValue: 'booked' },
  note: DataTypes.TEXT,
}, { tableName: 'appointments' })
Pass.belongsTo(Customer, { foreignKey: { name: 'customerId', allowNull: false } })
Appointment.belongsTo(Customer, { foreignKey: { name: 'customerId', allowNull: false } })
Appointment.belongsTo(Pass, { foreignKey: 'passId' })

const book = (customerId, reference, more) => ({ customerId, reference, startsAt: noon, ...more })

await test('sequelize: the tables are synchronized, attached, and synchronized again', async () => {
  await sequelize.sync()
  await sequelize.query(attach())
  await sequelize.query(seed)
  await sequelize.sync()
  whole()
})

await test('sequelize: a booking is created, and its link read back', async () => {
  const booking = await Appointment.create(book(1, 'A1'))
  await booking.reload()
  equal(booking.passId, '1')
  equal(passes(), '1:1 2:0 3:0')
})

await test('sequelize: bulkCreate draws from both passes', async () => {
  await Appointment.bulkCreate([0, 1, 2, 3].map(n => book(1, `B${n}`)))
  equal(passes(), '1:2 2:3 3:0')
  whole()
})

await test('sequelize: what a conflict ignores or updates takes nothing', async () => {
  await Appointment.bulkCreate([book(1, 'A1'), book(1, 'B0')], { ignoreDuplicates: true })
  await Appointment.bulkCreate([book(1, 'A1', { note: 'again' }), book(1, 'B3', { note: 'again' })],
    { updateOnDuplicate: ['note', 'passId'], conflictAttributes: ['reference'] })
  await Appointment.upsert(book(1, 'A1', { passId: null }), { conflictFields: ['reference'] })
  equal(passes(), '1:2 2:3 3:0')
  whole()
})

await test('sequelize: a refusal in a nested transaction leaves the outer one going, and has its code and name', async () => {
  await sequelize.transaction(async outer => {
    await Appointment.create(book(2, 'C1'), { transaction: outer })
    const error = await refusal(sequelize.transaction({ transaction: outer }, async inner => {
      await Appointment.create(book(1, 'C2'), { transaction: inner })
      await Appointment.create(book(2, 'C3'), { transaction: inner })
    }))
    const { code, constraint, detail, hint } = error.parent
    equal([error instanceof DatabaseError, code, constraint], [true, '23SC2', 'no_credit_left'])
    if (!detail || !hint) throw new Error('says no next step')
    await Appointment.create(book(1, 'C4'), { transaction: outer })
  })
  equal(passes(), '1:2 2:4 3:1')
  whole()
})

await test('sequelize: a stale pass saves what has changed alone; one that is written whole is refused, or ignored', async () => {
  const stale = await Pass.findByPk(2)
  await Appointment.create(book(1, 'D1'))
  await stale.update({ note: 'birthday' })
  await Pass.increment({ credits: 5 }, { where: { id: 2 } })
  equal((await refusal(Pass.upsert(stale.get()))).parent.code, '23SC5')
  await sequelize.query(attach(`guard => 'ignore'`))
  await Pass.upsert({ ...stale.get(), credits: 15 })
  await sequelize.query(attach())
  equal(psql('SELECT note, credits FROM passes WHERE id = 2'), 'birthday|15')
  equal(passes(), '1:2 2:5 3:1')
  whole()
})

await test('sequelize: a booking that writes NULL over its link keeps it', async () => {
  const booking = await Appointment.create(book(1, 'E1', { passId: null }))
  await booking.set({ state: 'attended', passId: null }).save({ fields: ['state', 'passId'] })
  equal(psql(`SELECT pass_id, state FROM appointments WHERE reference = 'E1'`), '2|attended')
  whole()
})

await test('sequelize: a migration adds a column, changes a type and makes the key anew', async () => {
  const tables = sequelize.getQueryInterface()
  await tables.addColumn('appointments', 'room', DataTypes.TEXT)
  await sequelize.query(attach('make_view => false'))
  await tables.changeColumn('passes', 'credits_used', { type: DataTypes.BIGINT, allowNull: false, defaultValue: 0 })
  await tables.removeConstraint('appointments', 'appointments_pass_id_fkey')
  await tables.addConstraint('appointments', { type: 'foreign key', name: 'appointments_pass_id_fkey', fields: ['pass_id'],
    references: { table: 'passes', field: 'id' }, onDelete: 'cascade' })
  await sequelize.query(attach())
  await Appointment.create(book(1, 'F1'))
  equal(passes(), '1:2 2:7 3:1')
  whole()
})

await test('sequelize: sync({ alter: true }) changes every type, so it stands between two calls of attach', async () => {
  equal((await refusal(sequelize.sync({ alter: true }))).message, 'cannot alter type of a column used by a view or rule')
  await sequelize.query(attach('make_view => false'))
  await sequelize.sync({ alter: true })
  await sequelize.query(attach())
  equal(psql(`SELECT count(*) FROM pg_class WHERE relname LIKE 'sc\\_%'`), '2')
  await Appointment.create(book(1, 'G1'))
  equal(passes(), '1:2 2:8 3:1')
  whole()
})

await sequelize.close()
finish()
