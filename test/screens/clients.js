// clients/: each state of the hook and of the web component, over PostgREST and over plain HTTP, in light and dark.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { close, equal, eventually, failures, open, test, window } from './tools.js'

const root = new URL('../..', import.meta.url).pathname
const { build } = createRequire(`${root}examples/screens/`)('esbuild')
const axe = readFileSync(`${root}test/screens/node_modules/axe-core/axe.min.js`, 'utf8')
const { outputFiles: [script] } = await build({
  entryPoints: [`${root}test/screens/states.tsx`], bundle: true, format: 'esm', write: false, jsx: 'automatic',
  nodePaths: [`${root}examples/screens/node_modules`], define: { 'process.env.NODE_ENV': '"production"' },
  tsconfigRaw: { compilerOptions: { useDefineForClassFields: false } },
})

const pack = (id, total, completed, scheduled, more = {}) => ({ subscription_id: id, member_id: 1, status: 'active', total,
  completed, scheduled, remaining: total === null ? null : total - completed - scheduled - (more.carried ?? 0),
  used: completed + scheduled + (more.carried ?? 0), is_consistent: true, ...more })
const ended = { valid_from: '2020-01-01', valid_until: '2020-12-31' }

// What the view has for a member, what each component says, and its figures: carried, completed, scheduled, remaining, total.
const members = {
  enough: [[pack(1, 10, 2, 1)], '', [0, 2, 1, 7, 10]],
  near: [[pack(1, 5, 2, 1)], 'Only 2 credits are left.', [0, 2, 1, 2, 5]],
  last: [[pack(1, 5, 2, 2)], 'The last credit.', [0, 2, 2, 1, 5]],
  empty: [[pack(1, 5, 2, 3)], 'No credit is left.', [0, 2, 3, 0, 5]],
  unlimited: [[pack(1, null, 2, 3)], 'Unlimited.', [0, 2, 3, '∞', '∞']],
  nobody: [[], 'No active subscription.'],
  expired: [[pack(1, 5, 1, 1, { status: 'expired' })], 'No active subscription.'],
  'of a boolean status': [[pack(1, 9, 1, 1, { status: true })], '', [0, 1, 1, 7, 9]],
  'of another status': [[pack(1, 9, 1, 1, { status: 'open' })], '', [0, 1, 1, 7, 9]],
  'of numbers as text': [[pack('1', 9, 1, 1), { ...pack('2', 2, 1, 1), completed: '1', scheduled: '1', remaining: '0', total: '2' }],
    '', [0, 2, 2, 7, 11]],
  carried: [[pack(1, 10, 2, 1, { carried: 3 })], '', [3, 2, 1, 4, 10]],
  'whose pack is over': [[pack(1, 10, 2, 0, { ...ended, forfeited: 8 })], 'No active subscription.'],
  'whose unlimited pack is over': [[pack(1, null, 2, 0, { ...ended, forfeited: null })], 'No active subscription.'],
  'whose pack is over and used up': [[pack(1, 2, 2, 0, { ...ended, forfeited: 0 })], 'No active subscription.'],
  'of several packs': [[pack(1, 10, 2, 0, { valid_from: null, valid_until: null, forfeited: 0 }),
    pack(2, 4, 1, 1, { valid_from: '2020-01-01', valid_until: '2999-12-31', forfeited: 0 }),
    pack(3, 5, 1, 0, { ...ended, forfeited: 4 })],
  ['2 of 4 left, until 2999-12-31', '8 of 10 left'], [0, 3, 1, 10, 14]],
  '<img src=x onerror="document.title=1">&': [[pack(1, 10, 2, 1, { valid_until: '<b>', forfeited: 0 }), pack(2, 1, 0, 0)],
    '7 of 10 left, until <b>', [0, 2, 1, 8, 11]],
}
const places = ['hook-http', 'hook-rest', 'element-http', 'element-rest']

await open()
const page = await window()
const asked = []
let answer
await page.route('http://gym.example/**', async route => {
  const url = new URL(route.request().url())
  if (url.pathname === '/') return route.fulfill({ contentType: 'text/html', body:
    '<!doctype html><html lang="en"><title>states</title><meta name="color-scheme" content="light dark"><main id="app"></main>' +
    '<script type="module" src="states.js"></script>' })
  if (url.pathname === '/states.js') return route.fulfill({ contentType: 'text/javascript', body: script.text })
  if (url.pathname === '/favicon.ico') return route.fulfill({ status: 204 })
  asked.push([url.pathname, url.search, route.request().headers().authorization])
  return answer(route)
})
const go = member => page.goto(`http://gym.example/?member=${encodeURIComponent(member)}`)
const textOf = place => page.locator(`#${place}`).evaluate(section =>
  (section.querySelector('session-counts')?.shadowRoot ?? section).textContent)
const figuresOf = place => page.locator(`#${place}`).evaluate(section => {
  const element = section.querySelector('session-counts')?.shadowRoot ?? section
  return ['carried', 'completed', 'scheduled', 'remaining', 'total'].map(name =>
    element.querySelector(`[data-count=${name}]`)?.textContent ?? '0')
})
async function says(words) {
  for (const place of places)
    await eventually(async () => {
      const all = await textOf(place)
      return [words].flat().every(one => all.includes(one)) ? words : all
    }, words)
}
async function isUsable() {
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme })
    equal(await page.evaluate(`${axe}; axe.run().then(found => found.violations.map(violation => violation.id))`), [])
  }
}

for (const [member, [rows, words, figures]] of Object.entries(members))
  await test(`a member ${member}`, async () => {
    answer = route => route.fulfill({ json: rows })
    await go(member)
    await says(words)
    for (const place of figures ? places : []) await eventually(() => figuresOf(place), figures.map(String))
    if (figures && figures[4] !== '∞') equal(figures[0] + figures[1] + figures[2] + figures[3], figures[4])
    equal(await page.locator('#app img').count(), 0)
    await isUsable()
  })
await test('each source asks by its own address, a name in it is a value', async () => {
  asked.length = 0
  answer = route => route.fulfill({ json: [] })
  await go('a b&x=1')
  await says('No active subscription.')
  equal([...new Set(asked.map(one => one.filter(Boolean).join(' ')))].sort(),
    ['/counts ?of=gym&member_id=a%20b%26x%3D1', '/rest/packs%20counts ?member_id=eq.a%20b%26x%3D1 Bearer token'])
})
await test('loading, as long as nothing has come', async () => {
  let go_on
  const waiting = new Promise(resolve => { go_on = resolve })
  answer = async route => { await waiting; await route.fulfill({ json: members.near[0] }) }
  await go('near')
  await says('Loading…')
  await isUsable()
  go_on()
  await says('Only 2 credits are left.')
})
await test("an error in the server's words, else in its number", async () => {
  answer = route => route.fulfill({ status: 403, json: { message: 'permission denied for view <b>counts</b>' } })
  await go('near')
  await says('permission denied for view <b>counts</b>')
  equal(await page.getByRole('alert').count(), places.length)
  await isUsable()
  answer = route => route.fulfill({ status: 502, contentType: 'text/html', body: '<h1>Bad Gateway</h1>' })
  await go('near')
  await says('502')
  answer = route => route.abort()
  await go('near')
  await says('fetch')
})
await close()
process.exit(failures ? 1 : 0)
