// What the tests in JavaScript share: TAP and psql.
import { spawnSync } from 'node:child_process'

let number = 0
export let failures = 0

export async function test(name, body) {
  try {
    await body()
    console.log(`ok ${++number} - ${name}`)
  } catch (error) {
    failures++
    console.log(`not ok ${++number} - ${name}`)
    console.log(String(error?.stack ?? error).replace(/^/gm, '# '))
  }
}

export function equal(actual, expected) {
  const [left, right] = [JSON.stringify(actual), JSON.stringify(expected)]
  if (left !== right) throw new Error(`got ${left}, expected ${right}`)
}

// Runs SQL; what it returns, unaligned. Fails where the SQL does.
export function psql(sql, database = process.env.PGDATABASE) {
  const { status, stdout, stderr } = spawnSync('psql', ['-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', database],
    { input: sql, encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return stdout.trim()
}
