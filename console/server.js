#!/usr/bin/env node
// The console: one process on loopback, without an account and without a state of its own. DATABASE_URL or libpq's
// variables say which database; PORT, where to listen.
import Fastify from 'fastify'
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { events, isAway, listen, stop, transaction } from './database.js'
import * as pages from './pages.js'

const here = new URL('.', import.meta.url).pathname
const token = randomBytes(32).toString('hex')
const app = Fastify({ logger: false, forceCloseConnections: true })

const headers = {
  'content-security-policy': "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
}

// A name that another site has pointed at this machine is not ours; a write needs the token of our own page.
app.addHook('onRequest', async (request, reply) => {
  reply.headers(headers)
  const name = (request.headers.host ?? '').replace(/:\d+$/, '')
  if (!['127.0.0.1', 'localhost'].includes(name))
    return reply.code(421).send({ message: 'The console answers to 127.0.0.1 and localhost alone.' })
  if (request.method !== 'GET' && request.headers['x-console-token'] !== token)
    return reply.code(403).send({ message: 'Only the console\'s own page may do that.', hint: 'Reload the page.' })
})

// The server's own words, never a stack.
app.setErrorHandler((error, request, reply) => {
  if (error.sentence || error.statusCode < 500)
    return reply.code(error.statusCode ?? 400).send({ message: error.sentence ?? error.message })
  if (isAway(error))
    return reply.code(503).send({ message: 'The database is away.', detail: error.code ?? error.message,
      hint: 'This page goes on by itself when it is back.' })
  if (!error.severity) {
    console.error(error)
    return reply.code(500).send({ message: 'The console has failed; its terminal says how.' })
  }
  const { message, detail, hint, code } = error
  return reply.code(409).send({ message, detail, hint, code })
})

const files = {
  '/app.js': ['text/javascript', 'public/app.js'],
  '/parts.js': ['text/javascript', 'public/parts.js'],
  '/attach.js': ['text/javascript', 'public/attach.js'],
  '/pages.js': ['text/javascript', 'public/pages.js'],
  '/style.css': ['text/css', 'public/style.css'],
  '/icon.svg': ['image/svg+xml', 'public/icon.svg'],
  '/htm.js': ['text/javascript', 'node_modules/htm/preact/standalone.module.js'],
  '/uplot.js': ['text/javascript', 'node_modules/uplot/dist/uPlot.esm.js'],
  '/uplot.css': ['text/css', 'node_modules/uplot/dist/uPlot.min.css'],
}
for (const [address, [type, file]] of Object.entries(files))
  app.get(address, async (_, reply) => reply.type(`${type}; charset=utf-8`).send(await readFile(here + file)))
app.get('/', async (_, reply) => reply.type('text/html; charset=utf-8')
  .send((await readFile(`${here}public/index.html`, 'utf8')).replace('TOKEN', token)))

for (const [name, page] of Object.entries(pages.reads))
  app.get(`/api/${name}`, ({ query }) => transaction('READ ONLY', ask => page(ask, query)))
for (const [name, action] of Object.entries(pages.writes))
  app.post(`/api/${name}`, ({ body }) => transaction('READ WRITE', ask => action(ask, body ?? {})))

// Every open page is told what the database tells.
app.get('/events', (request, reply) => {
  reply.hijack()
  reply.raw.writeHead(200, { ...headers, 'content-type': 'text/event-stream' })
  const tell = message => reply.raw.write(`data: ${JSON.stringify(message)}\n\n`)
  tell({ channel: 'open' })
  events.on('told', tell)
  request.raw.on('close', () => events.off('told', tell))
})

await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT ?? 8181) })
void listen()
console.log(`The console is at http://127.0.0.1:${app.server.address().port}/`)
for (const signal of ['SIGINT', 'SIGTERM'])
  process.on(signal, () => void Promise.all([stop(), app.close()]).then(() => process.exit(0)))
