// The page of a gym: its three components, a booking form, and the few addresses that they need. A real application
// knows its member from a login; here he is in the address, so that the page can be tried.
import { build } from 'esbuild'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import pg from 'pg'

const here = new URL('.', import.meta.url).pathname
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 5 })
pool.on('error', () => {})

const bundle = await build({
  entryPoints: [`${here}app.tsx`], bundle: true, format: 'esm', write: false, minify: true, jsx: 'automatic',
  nodePaths: [`${here}node_modules`], define: { 'process.env.NODE_ENV': '"production"' }, tsconfigRaw:
    { compilerOptions: { useDefineForClassFields: false } },
})

// As the web application's role, for one member: row-level security does the rest.
async function asMember(member, query, values) {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    await client.query('SET LOCAL ROLE gym_web')
    await client.query("SELECT set_config('gym.member', $1, true), set_config('search_path', 'gym', true)", [member])
    const { rows } = await client.query(query, values)
    await client.query('COMMIT')
    return rows
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {})
    throw error
  } finally {
    client.release()
  }
}

const routes = {
  'GET /counts': (member) => asMember(member, 'SELECT * FROM member_subscriptions_session_counts WHERE member_id = $1',
    [member]),
  'GET /sessions': (member) => asMember(member, `SELECT id, session_type, status, day::text FROM training_sessions
    WHERE member_id = $1 ORDER BY day, id`, [member]),
  'POST /sessions': (member, { type, day }) => asMember(member, `INSERT INTO training_sessions
    (member_id, session_type, day) VALUES ($1, $2, $3) RETURNING id`, [member, type, day]),
  'PATCH /sessions': (member, { id, status, day }) => asMember(member, `UPDATE training_sessions
    SET status = coalesce($2, status), day = coalesce($3, day) WHERE id = $1 RETURNING id`, [id, status, day]),
  'DELETE /sessions': (member, { id }) => asMember(member, 'DELETE FROM training_sessions WHERE id = $1 RETURNING id',
    [id]),
}

// One connection listens for all windows, and comes back when it is lost.
const windows = new Set()
async function listen() {
  const client = new pg.Client({ connectionString: process.env.DATABASE_URL })
  client.on('notification', ({ payload }) => windows.forEach(window => window.write(`data: ${payload}\n\n`)))
  client.on('error', () => {})
  client.on('end', () => setTimeout(listen, 500))
  await client.connect().then(() => client.query('LISTEN session_consistency_counts')).catch(() => client.end())
  windows.forEach(window => window.write('data: {}\n\n'))
}
void listen()

const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'"
const files = {
  '/': ['text/html', () => readFile(`${here}index.html`)],
  '/style.css': ['text/css', () => readFile(`${here}style.css`)],
  '/app.js': ['text/javascript', () => bundle.outputFiles[0].contents],
}

async function answer(request, response) {
  const url = new URL(request.url, 'http://localhost')
  if (url.pathname === '/events') {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    response.write('data: {}\n\n')
    windows.add(response)
    request.on('close', () => windows.delete(response))
    return
  }
  const file = request.method === 'GET' && files[url.pathname]
  if (file) {
    response.writeHead(200, { 'content-type': `${file[0]}; charset=utf-8`, 'content-security-policy': policy })
    response.end(await file[1]())
    return
  }
  const route = routes[`${request.method} ${url.pathname}`]
  // Another site's page cannot send JSON here without being asked first.
  const json = request.headers['content-type'] === 'application/json'
  if (!route || (request.method !== 'GET' && !json)) {
    response.writeHead(404).end()
    return
  }
  let body = ''
  for await (const chunk of request) body += chunk
  const rows = await route(url.searchParams.get('member_id'), body === '' ? {} : JSON.parse(body))
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(rows))
}

const server = createServer((request, response) => answer(request, response).catch(error => {
  const { message, detail, hint, code } = error
  response.writeHead(code?.startsWith('23') ? 409 : 500, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ message, detail, hint, code }))
}))
server.listen(Number(process.env.PORT ?? 8080), '127.0.0.1',
  () => console.log(`http://127.0.0.1:${server.address().port}/?member=1`))
