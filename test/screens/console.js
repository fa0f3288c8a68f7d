// console/: each page, by mouse, keyboard and phone, in light and dark; what it may do, and what it survives.
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { close, equal, eventually, failures, open, psql, serve, test, window } from './tools.js'

const database = 'screens_console'
const root = new URL('../..', import.meta.url).pathname
psql(`CREATE DATABASE ${database}`)
psql(`\\i ${root}test/screens/console.sql`, database)
const sql = text => psql(`SET search_path = gym; ${text}`, database)
const url = user => `postgresql:///${database}?host=${process.env.PGHOST}&user=${user}`
const start = user => serve('node', [`${root}console/server.js`], { DATABASE_URL: url(user), PORT: '0' })
const axe = readFileSync(`${root}test/screens/node_modules/axe-core/axe.min.js`, 'utf8')

const address = await start(psql('SELECT current_user'))
await open()
const page = await window()
const go = (hash, where = page, at = address) => where.goto(`${at}#${hash}`)
const text = (selector, where = page) => where.locator(selector).first().textContent()
const has = async (words, where = page) => eventually(async () => (await where.locator('main').textContent()).includes(words), true)
const shot = name => page.screenshot({ path: `${process.env.SHOTS}/console-${name}.png` })

// No violation that axe-core knows of, and nothing wider than the window.
async function isUsable(name) {
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme })
    // By the protocol, which a content security policy does not concern.
    const violations = await page.evaluate(`${axe}; axe.run().then(found => found.violations.map(violation =>
      violation.id + ' ' + violation.nodes.map(node => node.html).join(' ')))`)
    equal(violations, [])
  }
  await page.emulateMedia({ colorScheme: 'light' })
  await shot(name)
  await page.setViewportSize({ width: 360, height: 740 })
  await eventually(() => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true)
  await page.setViewportSize({ width: 1100, height: 800 })
}

await test('today: never checked is yellow, then green in one sentence', async () => {
  await go('today')
  await has('It was never checked.')
  sql('SELECT session_consistency.run_check()')
  await has('Enforced, nothing is wrong, and the ledger is whole.')
  await has('Enforced, nothing is wrong.')
  await has('booked, unlimited ones too3')
})
await test('today: a booking in psql shows without reload', async () => {
  sql('INSERT INTO training_sessions (id, member_id) VALUES (5, 3)')
  await has('booked, unlimited ones too4')
})
await test('today: a running migrate has a progress bar', async () => {
  await page.route('**/api/today?*', async route => {
    const response = await route.fetch()
    const progress = [{ sessions: 'gym.training_sessions', phase: 'linking', rows_done: '30', rows_total: '100', time_left: '00:01:10' }]
    await route.fulfill({ response, json: { ...await response.json(), progress } })
  })
  await eventually(() => page.getByRole('progressbar').getAttribute('value').then(String), '30')
  await has('30 of 100 rows. About 00:01:10 left.')
  await page.unroute('**/api/today?*')
  await eventually(() => page.getByRole('progressbar').count(), 0)
})
await test('today is usable', () => isUsable('today'))

await test('member: found by the beginning of the name among 100,000, by an index, and by key', async () => {
  await go('member')
  await page.getByRole('searchbox').fill('Member 9999')
  await eventually(() => page.locator('[role=region] tbody tr').count(), 11)
  const plan = sql("EXPLAIN SELECT m.id::text, m.name FROM members m WHERE m.name ^@ 'Member 9999' ORDER BY m.name LIMIT 20")
  equal([/members_name/.test(plan), /Seq Scan/.test(plan)], [true, false])
  await page.getByRole('searchbox').fill('1')
  await eventually(() => text('tbody a'), 'Ada')
  await isUsable('search')
})
await test('member: a hostile search finds nobody', async () => {
  await page.getByRole('searchbox').fill("'; DROP TABLE gym.members; --")
  await has('Nobody is found.')
})
await test('member: packs as bars, why they pay, and the sessions behind each number', async () => {
  await page.getByRole('searchbox').fill('Ad')
  await page.getByRole('link', { name: 'Ada' }).click()
  await eventually(() => page.getByRole('img').first().getAttribute('aria-label'), '1 completed, 1 scheduled, 3 left')
  await has('It pays: 3 credits are left.')
  await has('It does not pay: its status is expired.')
  await page.getByText('1 completed', { exact: true }).click()
  await has('makeup')
  await isUsable('member')
})
await test('member: a hostile name is text', async () => {
  await go('member?member=2')
  await eventually(() => text('h1'), '<img src=x onerror="document.title=1">Ben')
  await has('no credit is left')
  equal(await page.locator('main img').count(), 0)
})
await test('member: the seats of a class, whose bookings name it', async () => {
  await go('member')
  await page.getByRole('link', { name: 'gym.yoga_seats → gym.classes' }).click()
  await page.getByRole('searchbox').fill('yoga')
  await eventually(() => page.locator('[role=region] tbody tr').count(), 1)
  await page.locator('tbody').getByRole('link', { name: 'yoga' }).click()
  await has('It pays: 1 credit is left.')
})
await test("credit: each line says who and why, and shows what comes", async () => {
  await go('member?member=1')
  await has('It pays: 3 credits are left.')
  await page.getByRole('link', { name: 'The life of its credits' }).first().click()
  await has('booked')
  await has('completed')
  await has('the desk')
  const lines = () => page.locator('[role=region] tbody tr').count()
  const before = await lines()
  sql('INSERT INTO training_sessions (id, member_id) VALUES (6, 1)')
  await eventually(lines, before + 1)
  equal(await page.locator('canvas').count(), 1)
  await isUsable('credit')
})
await test('checks: run one now', async () => {
  sql('SET session_replication_role = replica; UPDATE member_subscriptions SET used_sessions = 4 WHERE id = 1')
  await go('checks')
  await page.getByRole('button', { name: 'Check all now' }).click()
  await eventually(() => page.locator('[role=region] tbody tr').count(), 2)
  await eventually(() => page.locator('canvas').count(), 1)
  await isUsable('checks')
})
await test('findings: expected beside actual, the repair previewed as SQL', async () => {
  await go('findings')
  await has('count_mismatch')
  await page.getByRole('button', { name: 'Show what it would change' }).first().click()
  await has("SELECT * FROM session_consistency.repair('gym.training_sessions', 'gym.member_subscriptions', dry_run => false);")
  await isUsable('findings')
})
await test('findings: repaired by who is logged in, and undone', async () => {
  await page.getByRole('button', { name: 'Repair', exact: true }).click()
  await page.getByRole('button', { name: /Yes, make 1 changes/ }).click()
  await has('No finding is open.')
  equal(sql('SELECT used_sessions FROM member_subscriptions WHERE id = 1'), '3')
  equal(sql("SELECT actor = current_user FROM session_consistency.ledger WHERE reason = 'repaired'"), 't')
  await page.getByRole('button', { name: 'Undo' }).click()
  await page.getByRole('button', { name: 'Yes, undo it' }).click()
  await eventually(async () => sql('SELECT used_sessions FROM member_subscriptions WHERE id = 1'), '4')
  sql("SELECT FROM session_consistency.repair('training_sessions', dry_run => false)")
})
await test('attach: a guessed mapping, an audit, the steps with their locks, a migration file', async () => {
  await go('attach')
  await page.getByLabel('table of the sessions').selectOption({ label: 'gym.bookings' })
  await page.getByLabel('table of the subscriptions').selectOption({ label: 'gym.packages' })
  await eventually(() => page.getByLabel('total_column').inputValue(), 'credits')
  await page.getByRole('button', { name: 'Show the plan' }).click()
  await has('ACCESS EXCLUSIVE')
  const file = await page.getByLabel('migration file').inputValue()
  const call = file.slice(file.indexOf('SELECT * FROM session_consistency.attach('))
  equal(Number(sql(`BEGIN; SELECT count(*) > 5 AND 1 = 1 FROM (${call.trim().replace(/;$/, '')}) x; ROLLBACK`) === 't'), 1)
  await isUsable('attach')
})
await test("attach: what is refused is refused in the server's words", async () => {
  await page.getByLabel('total_column').fill('no_such_column')
  await page.getByRole('button', { name: 'Show the plan' }).click()
  await has('no_such_column')
})
await test('by keyboard alone', async () => {
  await go('today')
  await page.reload()
  await page.getByText('Enforced').waitFor().catch(() => {})
  await page.keyboard.press('Tab')
  equal(await page.evaluate(() => document.activeElement.textContent), 'To the content')
  for (let i = 0; i < 5; i++) await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await eventually(() => text('h1'), 'Attach')
})
await test('no write without the token, no other name, no inline script', async () => {
  const response = await page.request.post(`${address}api/check`, { data: {} })
  equal(response.status(), 403)
  // The other name goes by Node's own client: fetch does not let it be set.
  const status = await new Promise((resolve, reject) => request(`${address}api/today`, { headers: { host: 'evil.example' } },
    answer => resolve(answer.resume().statusCode)).on('error', reject).end())
  equal(status, 421)
  const policy = (await page.request.get(address)).headers()['content-security-policy']
  equal([policy.includes("script-src 'self'"), policy.includes('unsafe')], [true, false])
})
await test('an error is a message, never a stack trace', async () => {
  const answer = await page.request.get(`${address}api/credit?subscription=x`)
  const body = await answer.json()
  equal([answer.status(), body.code, JSON.stringify(body).includes('at ')], [409, '22P02', false])
})
await test('who may only read sees no action', async () => {
  const reader = await window()
  const there = await start('console_reader')
  await go('findings', reader, there)
  await has('it can look, not repair', reader)
  equal(await reader.getByRole('button').count(), 0)
  equal(reader.complaints, [])
})
await test('a database that goes away and comes back', async () => {
  await go('today')
  await has('Enforced')
  psql(`ALTER DATABASE ${database} ALLOW_CONNECTIONS false;
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '${database}'`)
  await has('The database is away.')
  psql(`ALTER DATABASE ${database} ALLOW_CONNECTIONS true`)
  await eventually(() => page.getByRole('alert').count(), 0, 10000)
  sql('INSERT INTO training_sessions (id, member_id) VALUES (7, 3)')
  await has('booked, unlimited ones too6')
})
await test('no page complained', async () => equal(page.complaints, []))
await close()
process.exit(failures ? 1 : 0)
