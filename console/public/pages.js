// The pages but one; attach.js has that.
import { Action, Bar, Chart, Failure, Statements, Table, get, html, post, time, useAnswer, useEffect, useState } from './parts.js'

export const link = (page, query = {}) => `#${page}?${new URLSearchParams(query)}`

const Choice = ({ of, chosen, page, query = {} }) => of && of.length > 1 && html`<nav aria-label="attachment">
  ${of.map(one => html`<a href=${link(page, { ...query, attachment: one.id })}
    aria-current=${one.id === chosen ? 'true' : undefined}>${one.sessions} → ${one.subscriptions ?? 'gone'}</a>`)}</nav>`

function sentence({ enforced, gaps, findings, ledger, ledger_gaps: holes, last_check: checked, last_check_age: age }) {
  const wrong = []
  if (!enforced) wrong.push(...gaps)
  if (Number(findings ?? 0) > 0) wrong.push(`${findings} open ${Number(findings) === 1 ? 'finding' : 'findings'}.`)
  if (Number(holes ?? 0) > 0) wrong.push('The ledger is not whole.')
  if (!checked) wrong.push('It was never checked.')
  else if (age > 2 * 86400) wrong.push('The last check is older than two days.')
  return wrong.length > 0 ? [`warn`, wrong.join(' ')] :
    ['good', `Enforced, nothing is wrong${ledger ? ', and the ledger is whole' : ''}.`]
}

function Attached({ of }) {
  const [kind, words] = sentence(of)
  return html`<section class="card"><h2>${of.sessions} → ${of.subscriptions ?? 'no table: the foreign key is gone'}</h2>
    <p class=${kind}>${words}</p>
    <dl>
      <div><dt>credits sold</dt><dd>${of.total ?? '–'}</dd></div><div><dt>booked${Number(of.unlimited_rows) > 0 ? ', unlimited ones too' : ''}</dt><dd>${of.used ?? '–'}</dd></div>
      <div><dt>left</dt><dd>${of.remaining ?? '–'}</dd></div>
      <div><dt>subscriptions</dt><dd>${of.subscription_rows ?? '–'}</dd></div>
      <div><dt>of them unlimited</dt><dd>${of.unlimited_rows ?? '–'}</dd></div>
    </dl>
    <p class="soft">Last check: ${of.last_check ? time(of.last_check) : 'never'}. Guard: ${of.guard}.
      ${of.ledger ? ' With a ledger.' : ' Without a ledger.'}
      ${of.notify ? ' Bookings show here at once.' : ' Bookings show when the page is loaded (attach with notify => true).'}</p>
    <p><a href=${link('member', { attachment: of.id })}>Look at a member</a></p>
  </section>`
}

const Progress = ({ of }) => html`<section class="card"><h2>migrate of ${of.sessions}: ${of.phase}</h2>
  <progress aria-label="rows done" max=${Number(of.rows_total ?? 1)} value=${of.rows_total ? Number(of.rows_done) : undefined} />
  <p>${of.rows_done} of ${of.rows_total ?? 'so far unknown'} rows. ${of.time_left && `About ${of.time_left} left.`}</p></section>`

export function Today() {
  const { answer, error } = useAnswer('today', {}, 2000)
  return html`<h1>Today</h1><${Failure} error=${error} />
    ${answer?.progress.map(of => html`<${Progress} of=${of} />`)}
    ${answer?.attachments.map(of => html`<${Attached} key=${of.id} of=${of} />`)}
    ${answer?.attachments.length === 0 && html`<p>Nothing is attached in this database.
      <a href=${link('attach')}>Attach two tables.</a></p>`}
    <${Statements} of=${answer} />`
}

export function Member({ query }) {
  return query.member === undefined ? html`<${Search} query=${query} />` : html`<${Packs} query=${query} />`
}

function Search({ query }) {
  const [text, setText] = useState('')
  const { answer, error } = useAnswer('members', { ...query, text })
  const attachment = answer?.attachment.id ?? ''
  const [all, setAll] = useState([])
  useEffect(() => void get('today').then(today => setAll(today.attachments), () => {}), [])
  return html`<h1>A member</h1><${Choice} of=${all} chosen=${attachment} page="member" /><${Failure} error=${error} />
    <form role="search" onSubmit=${event => event.preventDefault()}><label>Key, or the beginning of a name
      <input type="search" value=${text} onInput=${event => setText(event.target.value)} /></label></form>
    ${answer?.remark && html`<p class="warn">${answer.remark}</p>`}
    ${answer && html`<${Table} name="members" rows=${answer.members} empty="Nobody is found. Names are found by their beginning."
      columns=${[['member', row => html`<a href=${link('member', { attachment, member: row.key })}>${row.name ?? row.key}</a>`],
        ['key', row => row.key]]} />`}
    <${Statements} of=${answer} />`
}

// A pack that pays: which of several is drawn first, under which condition, and what its period is.
function Terms({ pack, attachment, place }) {
  const values = Object.entries(pack.values ?? {})
  return html`${place > 0 && html`<p>Drawn ${place === 1 ? 'first' : `after ${place - 1} other${place > 2 ? 's' : ''}`} of
      what can pay now (${attachment.draw_order}).</p>`}
    ${(pack.valid_from || pack.valid_until) && html`<p>From ${pack.valid_from ?? 'ever'} to ${pack.valid_until ?? 'ever'}${
      attachment.time_zone ? ` (${attachment.time_zone})` : ''}.${Number(pack.forfeited ?? 0) > 0 ? ` Forfeited: ${pack.forfeited}.` : ''}</p>`}
    ${attachment.pays_when && html`<p>It pays only for a session of which this is not false: <code>${attachment.pays_when}</code>${
      values.length > 0 && html`. Here: ${values.map(([name, value], i) =>
        html`${i > 0 ? ', ' : ''}<code>${name} = ${value ?? 'NULL'}</code>`)}`}.</p>`}`
}

function Sessions({ of, number, attachment }) {
  const rows = of.filter(session => session.counted === number)
  const credits = rows.reduce((sum, row) => sum + Number(row.cost ?? 0), 0)
  const words = number === 'nothing' ? `${rows.length} that hold nothing` :
    `${rows.length} ${number}${attachment.cost ? `, ${credits} credits` : ''}`
  return rows.length > 0 && html`<details><summary>${words}</summary>
    <${Table} name=${`${number} sessions`} rows=${rows} columns=${[['session', row => row.session],
      ...attachment.type ? [['type', row => row.type ?? '']] : [], ...attachment.status ? [['status', row => row.status ?? '']] : [],
      ...attachment.start ? [['start', row => row.start ?? '']] : [],
      ...attachment.cost ? [['credits', row => row.counted === 'nothing' ? 0 : row.cost, 'number']] : []]} />
  </details>`
}

function Pack({ pack, sessions, attachment, place }) {
  return html`<section class="card"><h2>Pack ${pack.subscription_id}${pack.status ? `, ${pack.status}` : ''}</h2>
    <${Bar} pack=${pack} />
    <p class=${pack.standing.startsWith('It pays') ? 'good' : 'warn'}>${pack.standing}</p>
    <${Terms} pack=${pack} attachment=${attachment} place=${place} />
    ${pack.is_consistent === false && html`<p class="bad">Its counter and its sessions disagree: run a check.</p>`}
    ${['completed', 'scheduled', 'nothing'].map(number =>
      html`<${Sessions} key=${number} of=${sessions} number=${number} attachment=${attachment} />`)}
    <p>${attachment.ledger ? html`<a href=${link('credit', { attachment: attachment.id, subscription: pack.subscription_id })}>
      The life of its credits</a>` : html`<span class="soft">Without a ledger nobody knows the life of its credits.</span>`}</p>
  </section>`
}

function Packs({ query }) {
  const { answer, error } = useAnswer('member', query)
  const { packs = [], attachment, sessions } = answer ?? {}
  const paying = packs.filter(pack => pack.standing.startsWith('It pays'))
  return html`<h1>${answer?.name ?? `Member ${query.member}`}</h1>
    <p><a href=${link('member', { attachment: query.attachment ?? '' })}>Another member</a></p><${Failure} error=${error} />
    ${attachment?.counts_when && html`<p>A session counts only where <code>${attachment.counts_when}</code>.</p>`}
    ${attachment?.cost && html`<p>A session costs <code>${attachment.cost}</code> credits.</p>`}
    ${attachment?.draw_order && packs.length > 0 && paying.length === 0 && html`<p class="warn">No pack of this member can pay now.</p>`}
    ${packs.map(pack => html`<${Pack} key=${pack.subscription_id} pack=${pack} attachment=${attachment}
      place=${attachment.draw_order && paying.length > 1 ? paying.indexOf(pack) + 1 : 0}
      sessions=${sessions.filter(session => session.subscription_id === pack.subscription_id)} />`)}
    ${answer && packs.length === 0 && html`<p>No pack was ever sold to this member. Insert one into
      ${' '}<code>${attachment.subscriptions}</code>, and bookings find it.</p>`}
    <${Statements} of=${answer} />`
}

export function Credit({ query }) {
  if (query.subscription === undefined)
    return html`<h1>A credit's life</h1><p>Choose a pack: <a href=${link('member', query)}>find its member</a>.</p>`
  const { answer, error } = useAnswer('credit', query)
  const lines = answer?.lines ?? []
  return html`<h1>The life of the credits of pack ${query.subscription}</h1><${Failure} error=${error} />
    ${lines.length > 0 && html`<${Chart} label="credits used after each line" series=${[{ name: 'used', color: '--link', stepped: true }]}
      points=${[lines.map(line => Date.parse(line.at) / 1000), lines.map(line => Number(line.balance))]} />`}
    ${answer && html`<${Table} name="ledger" rows=${lines} empty="No line so far: book a session."
      columns=${[['line', row => row.line, 'number'], ['when', row => time(row.at)], ['what', row => row.reason],
        ['credits', row => Number(row.delta) > 0 ? `+${row.delta}` : row.delta, 'number'],
        ['used then', row => row.balance, 'number'], ['session', row => row.session_id ?? ''],
        ['who', row => row.actor ? `${row.actor} (${row.role})` : row.role]]} />`}
    <${Statements} of=${answer} />`
}

function Preview({ attachment, changed }) {
  const [answer, setAnswer] = useState()
  const [error, setError] = useState()
  const show = () => get('preview', { attachment: attachment.id }).then(setAnswer, setError)
  return html`<section class="card"><h2>Repair ${attachment.sessions} → ${attachment.subscriptions}</h2>
    <p>Repairs what has one right answer: counters, and links of sessions that hold nothing.</p>
    <button onClick=${show}>Show what it would change</button><${Failure} error=${error} />
    ${answer && html`<${Table} name="changes" rows=${answer.changes} empty="Nothing: no finding has one right answer."
      columns=${[['what', row => row.action], ['pack', row => row.subscription_id ?? ''], ['session', row => row.session_id ?? ''],
        ['before', row => JSON.stringify(row.before)], ['after', row => JSON.stringify(row.after)]]} />
      ${answer.changes.length > 0 && html`<p>It runs:</p><pre tabindex="0">SELECT * FROM session_consistency.repair('${attachment.sessions}', '${attachment.subscriptions}', dry_run => false);</pre>
        <${Action} label="Repair" question=${`Yes, make ${answer.changes.length} changes`}
          run=${() => post('repair', { attachment: attachment.id })} done=${() => { setAnswer(undefined); changed() }} />`}`}
  </section>`
}

export function Findings() {
  const { answer, error, again } = useAnswer('findings', {})
  const repairers = answer?.attachments.filter(attachment => attachment.may_repair) ?? []
  return html`<h1>Findings</h1><${Failure} error=${error} />
    ${answer && html`<${Table} name="open findings" rows=${answer.findings}
      empty="No finding is open. A check on the page Checks looks again."
      columns=${[['severity', row => html`<span class=${['critical', 'high'].includes(row.severity) ? 'bad' : 'warn'}>${row.severity}</span>`],
        ['what', row => row.code], ['table', row => row.sessions ?? 'gone'], ['member', row => row.member_id ?? ''],
        ['pack', row => row.subscription_id ?? ''], ['session', row => row.session_id ?? ''],
        ['expected', row => row.expected ?? ''], ['actual', row => row.actual ?? ''], ['since', row => time(row.first_seen)]]} />
      ${repairers.map(attachment => html`<${Preview} key=${attachment.id} attachment=${attachment} changed=${again} />`)}
      ${repairers.length === 0 && html`<p class="soft">Your role owns none of the tables: it can look, not repair.</p>`}
      <h2>Repairs made</h2>
      <${Table} name="repairs" rows=${answer.repairs} empty="Nothing was ever repaired."
        columns=${[['repair', row => row.repair_id, 'number'], ['when', row => time(row.repaired_at)], ['who', row => row.repaired_by],
          ['what', row => row.action], ['pack', row => row.subscription_id ?? ''],
          ['undone', row => row.undone_at ? `${time(row.undone_at)} by ${row.undone_by}` : repairers.some(one => one.sessions === row.sessions)
            && html`<${Action} label="Undo" question=${`Yes, SELECT session_consistency.undo_repair(${row.repair_id})`} 
              run=${() => post('undo', { repair: row.repair_id })} done=${again} />`]]} />`}
    <${Statements} of=${answer} />`
}

export function Checks() {
  const { answer, error, again } = useAnswer('checks', {})
  const runs = [...answer?.runs ?? []].reverse()
  const checkable = answer?.attachments.filter(one => one.may_check) ?? []
  return html`<h1>Checks</h1><${Failure} error=${error} />
    ${answer?.attachments.length > 0 && (checkable.length === 0 ?
      html`<p class="soft">Your role may read every row of none of the tables, or this is a standby: it cannot check.</p>` :
      checkable.length === answer.attachments.length ? html`<p><${Action} label="Check all now" run=${() => post('check')} done=${again} />
        ${' '}It runs <code>SELECT session_consistency.run_check();</code>, and no booking waits for it.</p>` :
        checkable.map(one => html`<p key=${one.id}><${Action} label=${`Check ${one.sessions} now`} done=${again}
          run=${() => post('check', { attachment: one.id })} /> It runs <code>SELECT session_consistency.run_check('${one.sessions
          }', '${one.subscriptions}');</code>, and no booking waits for it.</p>`))}
    ${runs.length > 1 && html`<${Chart} label="open findings after each check, and how long it took"
      series=${[{ name: 'open findings', color: '--bad' }, { name: 'seconds', color: '--link' }]}
      points=${[runs.map(run => Date.parse(run.started) / 1000), runs.map(run => Number(run.open_findings)), runs.map(run => run.seconds)]} />`}
    ${answer && html`<${Table} name="checks" rows=${answer.runs} empty="Nothing was checked so far: check now, or schedule_check()."
      columns=${[['run', row => row.run_id, 'number'], ['when', row => time(row.started)], ['who', row => row.run_by],
        ['seconds', row => row.seconds.toFixed(2), 'number'], ['sessions', row => row.session_rows, 'number'],
        ['new', row => row.new_findings, 'number'], ['ended', row => row.ended_findings, 'number'],
        ['open', row => row.open_findings, 'number']]} />`}
    <${Statements} of=${answer} />`
}
