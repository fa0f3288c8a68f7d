// What the pages are made of. All text is put in by Preact as text.
import { html, useEffect, useRef, useState } from './htm.js'
import uPlot from './uplot.js'

export { html, useEffect, useState }

const token = document.querySelector('meta[name=console-token]').content

async function answerOf(response) {
  const answer = await response.json().catch(() => ({ message: 'The console gave no answer that can be read.' }))
  if (!response.ok) throw answer
  return answer
}
const unreachable = () => { throw { message: 'The console has ended.', hint: 'Start it again; this page goes on by itself.' } }

export const get = (page, query = {}) =>
  fetch(`api/${page}?${new URLSearchParams(query)}`).then(answerOf, unreachable)
export const post = (action, body = {}) => fetch(`api/${action}`, {
  method: 'POST', headers: { 'content-type': 'application/json', 'x-console-token': token }, body: JSON.stringify(body),
}).then(answerOf, unreachable)

// The events of the database, for all parts of the page.
const listeners = new Set()
const stream = new EventSource('events')
stream.onmessage = message => listeners.forEach(listener => listener(JSON.parse(message.data)))
export const follow = listener => (listeners.add(listener), () => listeners.delete(listener))

// Reads a page's data, again whenever the database tells of something, and `every` so many milliseconds.
export function useAnswer(page, query, every) {
  const [state, setState] = useState({})
  const key = JSON.stringify(query)
  const [reload, setReload] = useState(0)
  useEffect(() => {
    let ended = false
    let waiting
    const read = () => get(page, query).then(
      answer => ended || setState({ answer }),
      error => ended || setState(before => ({ answer: before.answer, error })),
    )
    // Many messages at once are one question.
    const unfollow = follow(({ channel }) => {
      if (channel === 'away') setState(before => ({ answer: before.answer, error:
        { message: 'The database is away.', hint: 'This page goes on by itself when it is back.' } }))
      else waiting ??= setTimeout(() => (waiting = undefined, read()), 100)
    })
    setState(before => ({ answer: before.answer }))
    void read()
    const timer = every && setInterval(read, every)
    return () => { ended = true; unfollow(); clearInterval(timer); clearTimeout(waiting) }
  }, [page, key, every, reload])
  return { ...state, again: () => setReload(reload + 1) }
}

export const Failure = ({ error }) => error && html`<div class="error" role="alert">
  <p class="bad">${error.code ? `${error.code}: ` : ''}${error.message}</p>
  ${error.detail && html`<p>${error.detail}</p>`}
  ${error.hint && html`<p class="soft">${error.hint}</p>`}
</div>`

const parameter = value => value === null ? 'NULL' : typeof value === 'string' ? `'${value.replaceAll("'", "''")}'` :
  JSON.stringify(value)

export const Statements = ({ of }) => of?.statements && html`<details>
  <summary>The SQL that this page has run</summary>
  ${of.statements.map(({ text, values }) => html`<pre tabindex="0">${text.replace(/^\n/, '')}${values.length > 0 ?
    `\n-- ${values.map((value, i) => `$${i + 1} = ${parameter(value)}`).join(', ')}` : ''}</pre>`)}
</details>`

export const time = value => value === null || value === undefined ? '' :
  new Date(value).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' })

// columns: [heading, function of the row, 'number'?]
export const Table = ({ name, columns, rows, empty }) => rows.length === 0 ? html`<p class="soft">${empty}</p>` :
  html`<div class="scroll" tabindex="0" role="region" aria-label=${name}><table>
    <thead><tr>${columns.map(([heading, , kind]) => html`<th scope="col" class=${kind}>${heading}</th>`)}</tr></thead>
    <tbody>${rows.map(row => html`<tr>${columns.map(([, cell, kind]) => html`<td class=${kind}>${cell(row)}</td>`)}</tr>`)}
    </tbody></table></div>`

// A pack: carried and completed, scheduled, left.
export function Bar({ pack }) {
  const carried = Number(pack.carried ?? 0)
  const [done, coming] = [carried + Number(pack.completed), Number(pack.scheduled)]
  const left = pack.total === null ? 1 : Math.max(Number(pack.remaining), 0)
  const all = Math.max(done + coming + left, 1)
  const words = `${carried ? `${carried} carried, ` : ''}${pack.completed} completed, ${pack.scheduled} scheduled, ` +
    `${pack.remaining ?? 'unlimited'} left`
  return html`<svg class="bar" role="img" aria-label=${words} viewBox="0 0 100 8" preserveAspectRatio="none">
    <rect class="done" x="0" y="0" height="8" width=${done / all * 100} />
    <rect class="coming" x=${done / all * 100} y="0" height="8" width=${coming / all * 100} />
    <rect class="left" x=${(done + coming) / all * 100} y="0" height="8" width=${left / all * 100} />
  </svg><p>${words}${pack.total === null ? '' : `; ${pack.total} in all`}.</p>`
}

// points: [seconds since 1970, value, value …]
export function Chart({ label, points, series }) {
  const place = useRef()
  const data = JSON.stringify(points)
  useEffect(() => {
    const color = name => getComputedStyle(document.documentElement).getPropertyValue(name)
    const draw = () => new uPlot({
      width: place.current.clientWidth, height: 220, scales: { y: { range: (_, low, high) => [Math.min(0, low), high + 1] } },
      axes: [0, 1].map(() => ({ stroke: color('--front'), grid: { stroke: color('--line') } })),
      series: [{}, ...series.map(({ name, color: of, stepped }) => ({ label: name, stroke: color(of), width: 2,
        paths: stepped ? uPlot.paths.stepped({ align: 1 }) : undefined }))],
    }, points, place.current)
    let chart = draw()
    const size = new ResizeObserver(() => chart.setSize({ width: place.current.clientWidth, height: 220 }))
    size.observe(place.current)
    const scheme = matchMedia('(prefers-color-scheme: dark)')
    const again = () => { chart.destroy(); chart = draw() }
    scheme.addEventListener('change', again)
    return () => { size.disconnect(); scheme.removeEventListener('change', again); chart.destroy() }
  }, [data])
  return html`<div class="chart" role="img" aria-label=${label} ref=${place}></div>`
}

// One button that changes something: asks once more, says what failed.
export function Action({ label, question, run, done }) {
  const [asked, setAsked] = useState(false)
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState()
  const act = () => {
    if (question && !asked) return setAsked(true)
    setBusy(true)
    setError(undefined)
    run().then(done, setError).finally(() => { setBusy(false); setAsked(false) })
  }
  return html`<span>
    <button class=${question ? 'danger' : ''} disabled=${busy} onClick=${act}>${asked ? question : label}</button>
    ${asked && html` <button onClick=${() => setAsked(false)}>No</button>`}
    <${Failure} error=${error} />
  </span>`
}
