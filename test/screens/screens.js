// examples/screens: the same numbers in every component of every window, after each step of a story.
import { readFileSync } from 'node:fs'
import { close, equal, eventually, failures, open, psql, serve, test, window } from './tools.js'

const database = 'screens_example'
psql(`CREATE DATABASE ${database}`)
const root = new URL('../..', import.meta.url).pathname
psql(`\\i ${root}examples/screens/schema.sql`, database)
const sql = text => psql(`SET search_path = gym; ${text}`, database)
const address = await serve('node', [`${root}examples/screens/server.js`],
  { DATABASE_URL: `postgresql:///${database}?host=${process.env.PGHOST}&user=${psql('SELECT current_user')}`, PORT: '0' })
await open()
const windows = [await window(), await window()]
const [here] = windows
const names = ['completed', 'scheduled', 'remaining', 'total']

// The figures of one component: those of every place where it shows them.
const figures = (page, component) => page.locator(`[data-component=${component}]`).evaluate((section, names) => {
  const element = section.querySelector('session-counts')?.shadowRoot ?? section
  return names.map(name => element.querySelector(`[data-count=${name}]`)?.textContent ?? null)
}, names)

// All components of both windows show the same, and it adds up.
async function shows(completed, scheduled, remaining, total) {
  const expected = [completed, scheduled, remaining, total].map(String)
  for (const page of windows)
    for (const component of ['cards', 'tab', 'element', 'table'])
      await eventually(() => figures(page, component), expected)
  if (total !== '∞') equal(completed + scheduled + remaining, total)
  equal(sql('SELECT count(*) FROM session_consistency.check_counts()'), '0')
}

async function book(page, type = 'member') {
  await page.getByLabel('type').selectOption(type)
  const answer = page.waitForResponse(response => response.request().method() === 'POST')
  await page.getByRole('button', { name: 'book' }).click()
  return (await answer).status()
}
const press = (page, label, id) => page.getByRole('button', { name: `${label} session ${id}` }).click()

await test('both windows begin with the counts of the pack', async () => {
  await Promise.all(windows.map(page => page.goto(address)))
  await shows(0, 0, 5, 5)
})
await test('a booking in psql is on every screen without reload', async () => {
  sql('INSERT INTO training_sessions (id, member_id) VALUES (101, 1)')
  await shows(0, 1, 4, 5)
})
await test('a booking in the page', async () => {
  equal(await book(here), 200)
  await shows(0, 2, 3, 5)
})
await test('a booking in the second window, which warns near the limit', async () => {
  equal(await book(windows[1]), 200)
  await shows(0, 3, 2, 5)
  await eventually(() => here.locator('.near').first().textContent(), 'Only 2 credits are left.')
})
await test('a completed session', async () => {
  await press(here, 'complete', 101)
  await shows(1, 2, 2, 5)
})
await test('a cancelled session gives its credit back', async () => {
  await press(here, 'cancel', 101)
  await shows(0, 2, 3, 5)
})
await test('an un-cancelled session takes it again', async () => {
  await press(windows[1], 'un-cancel', 101)
  await shows(0, 3, 2, 5)
})
await test('a trial changes nothing', async () => {
  equal(await book(here, 'trial'), 200)
  await shows(0, 3, 2, 5)
})
await test('a deleted session gives its credit back', async () => {
  await press(here, 'delete', 101)
  await shows(0, 2, 3, 5)
})
await test('a session that moves to another day holds its credit, and to another member gives it back', async () => {
  sql("INSERT INTO training_sessions (id, member_id) VALUES (102, 1); UPDATE training_sessions SET day = '2030-02-01'")
  await shows(0, 3, 2, 5)
  sql('UPDATE training_sessions SET member_id = 2 WHERE id = 102')
  await shows(0, 2, 3, 5)
})
await test('the last credit warns', async () => {
  sql('INSERT INTO training_sessions (id, member_id) VALUES (103, 1), (104, 1)')
  await shows(0, 4, 1, 5)
  await eventually(() => here.locator('.near').first().textContent(), 'The last credit.')
})
await test('no violation that axe-core knows of, in light and dark, on a desk and on a phone', async () => {
  const axe = readFileSync(`${root}test/screens/node_modules/axe-core/axe.min.js`, 'utf8')
  for (const [width, height] of [[360, 740], [1100, 800]])
    for (const colorScheme of ['dark', 'light']) {
      await here.setViewportSize({ width, height })
      await here.emulateMedia({ colorScheme })
      equal(await here.evaluate(`${axe}; axe.run().then(found => found.violations.map(violation => violation.id + ' ' +
        violation.nodes.map(node => node.html).join(' ')))`), [])
      equal(await here.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true)
    }
})
await test('screenshot', () => here.screenshot({ path: `${process.env.SHOTS}/screens.png` }))
await test("the next booking but one is refused with the error's own words", async () => {
  equal(await book(here), 200)
  await shows(0, 5, 0, 5)
  equal(await book(windows[1]), 409)
  const words = await windows[1].getByRole('alert').textContent()
  if (!/no credit left/.test(words)) throw new Error(words)
  await shows(0, 5, 0, 5)
})
await test('more is sold', async () => {
  sql('UPDATE member_subscriptions SET total_sessions_snapshot = 10 WHERE member_id = 1')
  await shows(0, 5, 5, 10)
})
await test('an unlimited pack, a member without one, and a member who sees nobody else', async () => {
  await here.goto(address.replace('member=1', 'member=2'))
  await eventually(() => figures(here, 'cards'), ['0', '1', '∞', '∞'])
  await here.goto(address.replace('member=1', 'member=3'))
  await eventually(() => here.locator('[data-component=cards] p').textContent(), 'No active subscription.')
  const other = await here.evaluate(() => fetch('/sessions?member_id=3').then(response => response.json()))
  equal(other, [])
})
await test('loading, and an error as the sentence that it has', async () => {
  await here.route('**/counts?*', async route => {
    await new Promise(resolve => setTimeout(resolve, 300))
    await route.fulfill({ status: 503, json: { message: 'The database is away.' } })
  })
  await here.goto(address)
  await eventually(() => here.locator('[data-component=cards] p').textContent(), 'Loading…')
  await eventually(() => here.locator('[data-component=cards] p').textContent(), 'The database is away.')
  await eventually(() => here.locator('session-counts p').textContent(), 'The database is away.')
})
await test('no page complained', async () => equal(windows.flatMap(page => page.complaints), []))
await close()
process.exit(failures ? 1 : 0)
