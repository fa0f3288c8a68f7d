// What the tests of the screens share: a process that says where it listens, and a browser.
import { spawn } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { chromium } from 'playwright-core'
import { equal, failures, psql, test } from '../tap.mjs'

export { equal, failures, psql, test }

// Until a condition holds: what is read must become the expected.
export async function eventually(read, expected, patience = 5000) {
  const end = Date.now() + patience
  for (;;) {
    const actual = await read().catch(error => String(error))
    if (JSON.stringify(actual) === JSON.stringify(expected)) return
    if (Date.now() > end) equal(actual, expected)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

const started = []

// A psql that stays: what is sent runs there while the test goes on.
export function session(database) {
  const child = spawn('psql', ['-XAtq', '-d', database], { stdio: ['pipe', 'ignore', 'ignore'] })
  started.push(child)
  const ended = new Promise(resolve => child.on('exit', resolve))
  return { send: sql => child.stdin.write(`${sql}\n`), end: () => (child.stdin.end(), ended) }
}

// Starts a server of ours; the address that its first line names.
export function serve(command, args, env) {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] })
  started.push(child)
  return new Promise((resolve, reject) => {
    child.stdout.on('data', text => {
      const address = /http:\/\/[^\s]+/.exec(text)
      if (address) resolve(address[0])
    })
    child.on('exit', code => reject(new Error(`${args} ended with ${code}`)))
  })
}

let browser

export async function open() {
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'],
    env: { ...process.env, HOME: mkdtempSync(`${tmpdir()}/screens.`) },
  })
  return browser
}

// What a page complains of is a failure, but for what the server has refused.
export async function window(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1100, height: 800 }, ...options })
  const page = await context.newPage()
  page.setDefaultTimeout(5000)
  page.complaints = []
  page.on('pageerror', error => page.complaints.push(String(error)))
  page.on('console', message => {
    if (message.type() === 'error' && !/status of (409|503|500)|ERR_|net::/.test(message.text()))
      page.complaints.push(message.text())
  })
  return page
}

export async function close() {
  await browser?.close()
  for (const child of started) child.kill()
}
