// console/: each page, by mouse, keyboard and phone, in light and dark; what it may do, and what it survives.
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { lockOf } from '../../console/attach.js'
import { close, equal, eventually, failures, open, psql, serve, session, test, window } from './tools.js'

const database = 'screens_console'
const root = new URL('../..', import.meta.url).pathname
psql(`CREATE DATABASE ${database}`)
psql(`\\i ${root}test/screens/console.sql`, database)
// What is not attached yet, for the steps to be run one by one.
psql(`CREATE DATABASE ${database}_pool TEMPLATE ${database}`)
const sql = text => psql(`SET search_path = gym; ${text}`, database)
const url = user => `postgresql:///${database}?host=${process.env.PGHOST}&user=${user}`
const start = user => serve('node', [`${root}console/server.js`], { DATABASE_URL: url(user), PORT: '0' })
const axe = readFileSync(`${root}test/screens/node_modules/axe-core/axe.min.js`, 'utf8')

const address = await start(psql('SELECT current_user'))
await open()
const page = await window()
const go = (hash, where = page, at = address) => where.goto(`${at}#${hash}`)
const text = (selector, where = page) => where.locator(selector).first().textContent()
const has = (words, where = page) => eventually(async () => {
  const all = await where.locator('main').textContent()
  return all.includes(words) ? words : all
}, words)
const shot = async name => {
  await page.evaluate(() => scrollTo(0, 0))
  await page.screenshot({ path: `${process.env.SHOTS}/console-${name}.png` })
}

// No violation that axe-core knows of, in light and dark, on a desk and on a phone, where nothing is wider than the window.
async function isUsable(name) {
  for (const [width, height] of [[360, 740], [1100, 800]]) {
    await page.setViewportSize({ width, height })
    await eventually(() => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true)
    for (const colorScheme of ['dark', 'light']) {
      await page.emulateMedia({ colorScheme })
      // By the protocol, which a content security policy does not concern.
      const violations = await page.evaluate(`${axe}; axe.run().then(found => found.violations.map(violation =>
        violation.id + ' ' + violation.nodes.map(node => node.html).join(' ')))`)
      equal(violations, [])
    }
  }
  if (name) await shot(name)
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
await test('today: a migrate that runs has a progress bar, and it goes away', async () => {
  const [holder, migrate] = [session(database), session(database)]
  holder.send('BEGIN; SELECT FROM history.bookings WHERE id = 150 FOR UPDATE;')
  await eventually(async () => sql("SELECT count(*) FROM pg_locks WHERE relation = 'history.bookings'::regclass"), '1')
  migrate.send("CALL session_consistency.migrate('history.bookings', batch_size => 20);")
  const bar = page.getByRole('progressbar')
  // All are done with but those of one member, whose row is locked.
  await eventually(() => bar.getAttribute('value').then(String), '234', 20000)
  equal(await bar.getAttribute('max'), '240')
  await has('migrate of history.bookings: retrying')
  await has('234 of 240 rows.')
  holder.send('COMMIT;')
  await eventually(() => bar.count(), 0, 20000)
  await Promise.all([holder.end(), migrate.end()])
  equal(sql('SELECT count(*) FROM history.bookings WHERE subscription_id IS NULL'), '0')
})
await test('today is usable', () => isUsable('today'))

await test('member: found by the beginning of the name among 100,000, by an index, and by key', async () => {
  await go('member')
  await page.getByRole('searchbox').fill('Member 9999')
  await eventually(() => page.locator('[role=region] tbody tr').count(), 11)
  // The page's own query, of the name and of the key.
  for (const [typed, index] of [['Member 9999', 'members_name'], ['4711', 'members_pkey']]) {
    const { statements } = await (await page.request.get(`${address}api/members?text=${typed}`)).json()
    const { text } = statements.find(({ text, values }) => values[0] === typed && text.includes('^@') === (index === 'members_name'))
    const plan = sql(`PREPARE search AS ${text}; EXPLAIN EXECUTE search('${typed}')`)
    equal([plan.includes(index), /Seq Scan/.test(plan)], [true, false])
  }
  await page.getByRole('searchbox').fill('1')
  await eventually(() => text('tbody a'), 'Ada')
  await isUsable('search')
})
await test('member: without an index no name is searched in a large table, and the page says which one is missing', async () => {
  sql('ALTER INDEX members_name RENAME TO kept; UPDATE pg_index SET indisvalid = false WHERE indexrelid = $$kept$$::regclass')
  await page.getByRole('searchbox').fill('Member 12')
  await has('Names are not indexed for a search: CREATE INDEX ON gym.members (name text_pattern_ops).')
  equal(await page.locator('[role=region] tbody tr').count(), 0)
  sql('UPDATE pg_index SET indisvalid = true WHERE indexrelid = $$kept$$::regclass; ALTER INDEX kept RENAME TO members_name')
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
  sql("SET session_consistency.actor = '<img src=x onerror=\"document.title=1\">'; INSERT INTO training_sessions (id, member_id) VALUES (6, 1)")
  await eventually(lines, before + 1)
  await has('<img src=x onerror=')
  equal(await page.locator('main img').count(), 0)
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
  await page.getByRole('button', { name: /undo_repair\(/ }).click()
  await eventually(async () => sql('SELECT used_sessions FROM member_subscriptions WHERE id = 1'), '4')
  sql("SELECT FROM session_consistency.repair('training_sessions', dry_run => false)")
})
// What the page's migration file runs.
const call = async () => {
  const file = await page.getByLabel('migration file').inputValue()
  return file.slice(file.indexOf('SELECT * FROM session_consistency.attach('))
}
const choose = async (sessions, subscriptions) => {
  await page.getByLabel('table of the sessions').selectOption({ label: sessions })
  await page.getByLabel('table of the subscriptions').selectOption({ label: subscriptions })
}
const fill = async values => {
  for (const [name, value] of Object.entries(values)) await page.getByLabel(name, { exact: true }).fill(value)
}
const show = () => page.getByRole('button', { name: 'Show the plan' }).click()

await test('attach: a guessed mapping, an audit, the steps with their locks, a migration file', async () => {
  await go('attach')
  await choose('gym.bookings', 'gym.packages')
  await eventually(() => page.getByLabel('total_column').inputValue(), 'credits')
  await show()
  await has('ACCESS EXCLUSIVE')
  equal(sql(`BEGIN; SELECT count(*) > 5 FROM (${(await call()).trim().replace(/;$/, '')}) x; ROLLBACK`), 't')
  await isUsable('attach')
})
await test("attach: what is refused is refused in the server's words", async () => {
  await fill({ total_column: 'no_such_column' })
  await show()
  await has('no_such_column')
  equal(await page.getByLabel('migration file').count(), 0)
})
await test('attach: a period, values and an order are guessed, tables of hostile names are text', async () => {
  await go('attach')
  await choose('pool.visits', 'pool."<b>passes</b>"')
  await eventually(() => page.getByLabel('valid_until_column').inputValue(), 'valid_until')
  const value = name => page.getByLabel(name, { exact: true }).inputValue()
  equal(await Promise.all(['member_column', 'start_column', 'valid_from_column', 'subscription_status_column',
    'scheduled_statuses', 'completed_statuses', 'type_column'].map(value)),
  ['client_id', 'starts_at', 'valid_from', 'state', '{booked}', '{attended}', 'kind'])
  equal([await value('time_zone') !== '', await page.locator('main b').count()], [true, 0])
})
await test('attach: every argument, run as the file says, with the locks that the page names', async () => {
  await fill({ type_column: '', time_zone: 'Europe/Berlin', draw_order: 'valid_until NULLS LAST, id', carried_column: 'carried',
    counts_when: 'deleted_at IS NULL', cost: '(minutes + 29) / 30',
    pays_when: 'subscription."Kinds" IS NULL OR session.kind = ANY (subscription."Kinds")' })
  await page.getByLabel('when_none').selectOption('leave')
  await page.getByLabel('named_links').uncheck()
  for (const name of ['ledger', 'notify', 'link_check']) await page.getByLabel(name, { exact: true }).check()
  await show()
  await has('"when_none" cannot be "leave" with a "link_check"')
  await page.getByLabel('link_check').uncheck()
  await show()
  await eventually(() => page.getByLabel('migration file').count(), 1)
  const rows = await page.getByRole('region', { name: 'steps' }).locator('tbody tr').evaluateAll(found =>
    found.map(row => [row.cells[2].textContent, row.cells[3].textContent]))
  equal(rows.length > 15, true)
  // Each command alone, in its order, leaves the locks that the page has said.
  const tables = `'pool.visits'::regclass, 'pool."<b>passes</b>"'::regclass`
  const strength = `array_position('{AccessShareLock,RowShareLock,RowExclusiveLock,ShareUpdateExclusiveLock,ShareLock,
    ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}'::text[], mode)`
  psql(`CREATE DATABASE screens_locks TEMPLATE ${database}_pool`)
  for (const [said, command] of rows) {
    const [taken] = psql(`BEGIN; ${command}; SELECT mode FROM pg_locks WHERE pid = pg_backend_pid() AND relation IN (${tables})
      ORDER BY ${strength} DESC LIMIT 1; COMMIT`, 'screens_locks').split('\n').slice(-1)
    const name = taken.replace(/Lock$/, '').replace(/\B[A-Z]/g, letter => ` ${letter}`).toUpperCase()
    const waits = !['ACCESS SHARE', 'ROW SHARE', 'SHARE UPDATE EXCLUSIVE', ''].includes(name)
    equal([command, said.split(':')[0]], [command, waits ? name : 'none that a booking waits for'])
    equal(lockOf(command), said)
  }
  const run = await call()
  equal(/draw_order => 'valid_until NULLS LAST, id'/.test(run), true)
  equal(/member_id/.test(run), false)
  sql(run)
  equal(sql(`SELECT draw_order, time_zone, named_links, when_none, notify, ledger, link_check, carried_column
    FROM session_consistency.attachments WHERE sessions = 'pool.visits'::regclass`),
  'valid_until, id|Europe/Berlin|f|leave|t|t|f|carried')
})
await test('attach: of attached tables it shows how, and again is no step', async () => {
  await go('attach')
  await page.reload()
  await choose('pool.visits', 'pool."<b>passes</b>"')
  await has('These tables are attached')
  equal(await page.getByLabel('cost').inputValue(), '((minutes + 29) / 30)')
  await show()
  await has('None: these tables are attached like that.')
  await page.getByLabel('guard').selectOption('ignore')
  await show()
  await eventually(() => page.getByLabel('migration file').count(), 1)
})
await test('member: several packs as they are drawn, their periods, conditions and costs', async () => {
  sql(`INSERT INTO pool.visits (id, client_id, kind, status, minutes, starts_at) VALUES (11, 1, 'swim', 'booked', 60, now()),
    (12, 1, 'sauna', 'booked', 90, now()), (13, 1, 'swim', 'attended', 30, now())`)
  sql("INSERT INTO pool.visits (id, client_id, kind, status, minutes, deleted_at) VALUES (14, 1, 'swim', 'booked', 60, now())")
  const id = sql(`SELECT sessions::oid::int8 || '-' || subscriptions::oid::int8 FROM session_consistency.attachments
    WHERE sessions = 'pool.visits'::regclass`)
  await go(`member?attachment=${id}&member=1`)
  await eventually(() => page.locator('.card h2').allTextContents(), ['Pack 1, active', 'Pack 2, active', 'Pack 4, active', 'Pack 3, active'])
  const cards = await page.locator('.card').allTextContents()
  const says = (card, ...words) => equal(words.filter(word => !cards[card].includes(word)), [])
  says(0, 'It does not pay: it ended, 2020-12-31.', 'Forfeited: 10.')
  says(1, '1 completed, 2 scheduled, 1 left; 4 in all.', 'It pays: 1 credit is left, and a session may cost more.',
    'Drawn first of', 'Kinds = {swim}', '(Europe/Berlin)', '1 scheduled, 2 credits')
  says(2, 'it begins on', 'infinity')
  says(3, '0 completed, 3 scheduled, 5 left; 8 in all.', 'Drawn after 1 other of')
  await has('A session counts only where (deleted_at IS NULL).')
  await has('A session costs ((minutes + 29) / 30) credits.')
  await isUsable('packs')
  await go(`member?attachment=${id}&member=2`)
  await has('No pack of this member can pay now.')
  await go(`member?attachment=${id}&member=3`)
  await has('No pack was ever sold to this member.')
})
await test('by keyboard alone: to a page, through a search, into what is folded', async () => {
  await go('today')
  await page.reload()
  await has('Enforced')
  const at = () => page.evaluate(() => document.activeElement.textContent.trim())
  const tabTo = async (words, most = 20) => {
    for (let i = 0; i < most && !(await at()).startsWith(words); i++) await page.keyboard.press('Tab')
    equal((await at()).slice(0, words.length), words)
  }
  await page.keyboard.press('Tab')
  equal(await at(), 'To the content')
  await tabTo('Member')
  await page.keyboard.press('Enter')
  await eventually(() => text('h1'), 'A member')
  await has('Key, or the beginning of a name')
  for (let i = 0; i < 9 && !await page.evaluate(() => document.activeElement.type === 'search'); i++) await page.keyboard.press('Tab')
  await page.keyboard.type('Ad')
  await eventually(() => page.locator('tbody tr').count(), 1)
  await tabTo('Ada')
  await page.keyboard.press('Enter')
  await eventually(() => text('h1'), 'Ada')
  await has('1 completed')
  await tabTo('1 completed')
  await page.keyboard.press('Enter')
  await eventually(() => page.getByRole('region', { name: 'completed sessions' }).count(), 1)
  equal(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle), 'solid')
})
await test('the ledger names the login, also where it acts as another role', async () => {
  const [keeper, there] = [await window(), await start('console_keeper')]
  sql('SET session_replication_role = replica; UPDATE member_subscriptions SET used_sessions = 1 WHERE id = 2')
  await go('findings', keeper, there)
  await has('console_keeper as ', { locator: () => keeper.locator('header') })
  await keeper.getByRole('button', { name: 'Show what it would change' }).first().click({ timeout: 20000 })
  await keeper.getByRole('button', { name: 'Repair', exact: true }).click()
  await keeper.getByRole('button', { name: /Yes, make/ }).click()
  await eventually(async () => sql(`SELECT actor, role = current_user FROM session_consistency.ledger
    WHERE reason = 'repaired' ORDER BY id DESC LIMIT 1`), 'console_keeper|t')
  equal(keeper.complaints, [])
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
await test('who may only read, or book, sees every page, and no action that changes something', async () => {
  for (const user of ['console_reader', 'console_clerk']) {
    const [reader, there] = [await window(), await start(user)]
    for (const [hash, words] of [['today', 'gym.training_sessions'], ['member', 'Ada'], ['member?member=1', 'It pays: 2 credits'],
      ['findings', 'it can look, not repair'], ['checks', 'Check gym.yoga_seats now'], ['attach', 'Nothing is changed here'], ['credit', 'Choose a pack']]) {
      await go(hash, reader, there)
      await has(words, reader)
      equal(await reader.getByRole('button').evaluateAll(all => all.map(button => button.textContent)
        .filter(label => !label.startsWith('Check '))), [])
    }
    // A check changes nothing but its own history.
    await go('checks', reader, there)
    await reader.getByRole('button', { name: 'Check gym.yoga_seats now' }).click()
    await has(user, { locator: () => reader.locator('[role=region]') })
    equal(reader.complaints, [])
    // Nor may he where he asks without a button.
    const token = await reader.locator('meta[name=console-token]').getAttribute('content')
    const asked = await reader.request.post(`${there}api/repair`, { data: {}, headers: { 'x-console-token': token } })
    equal([asked.status(), (await asked.json()).code], [409, '42501'])
  }
})
await test('an attachment whose key is gone is shown, in yellow, and no page fails for it', async () => {
  sql('ALTER TABLE history.bookings DROP CONSTRAINT sc_bookings_subscription_id_fkey')
  await go('today')
  await has('history.bookings → no table: the foreign key is gone')
  const card = page.locator('.card', { hasText: 'history.bookings' })
  equal(await card.locator('.warn').count(), 1)
  await isUsable()
  for (const hash of ['member', 'findings', 'checks', 'attach']) {
    await go(hash)
    await page.locator('h1').waitFor()
    equal(await page.getByRole('alert').count(), 0)
  }
  sql(`ALTER TABLE history.bookings ADD CONSTRAINT sc_bookings_subscription_id_fkey
    FOREIGN KEY (subscription_id) REFERENCES history.packs`)
})
await test('a database that goes away and comes back', async () => {
  await go('today')
  await has('Enforced')
  psql(`ALTER DATABASE ${database} ALLOW_CONNECTIONS false;
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '${database}'`)
  await has('The database is away.')
  await has('This page goes on by itself when it is back.')
  psql(`ALTER DATABASE ${database} ALLOW_CONNECTIONS true`)
  await eventually(() => page.getByRole('alert').count(), 0, 10000)
  sql('INSERT INTO training_sessions (id, member_id) VALUES (7, 3)')
  await has('booked, unlimited ones too6')
})
await test('what is done while the database is away is refused with a sentence, and can be done afterwards', async () => {
  await go('checks')
  const button = page.getByRole('button', { name: 'Check all now' })
  await button.waitFor()
  psql(`ALTER DATABASE ${database} ALLOW_CONNECTIONS false;
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '${database}'`)
  await button.click()
  await eventually(() => page.getByRole('alert').last().textContent().then(words => words.includes('The database is away.')), true)
  psql(`ALTER DATABASE ${database} ALLOW_CONNECTIONS true`)
  await eventually(() => page.getByRole('alert').count(), 1, 10000)
  const runs = await page.locator('[role=region] tbody tr').count()
  await button.click()
  await eventually(() => page.locator('[role=region] tbody tr').count(), runs + 1, 10000)
  await eventually(() => page.getByRole('alert').count(), 0)
})
await test('no page complained', async () => equal(page.complaints, []))
await close()
process.exit(failures ? 1 : 0)
